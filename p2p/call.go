package p2p

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// ErrBusy is wrapped when as many calls with one member are in progress as
// Config.MaxCalls allows, here or there. Nothing was done; try again later.
var ErrBusy = errors.New("p2p: busy")

// ErrTooLarge is wrapped when a message is larger than its bound.
var ErrTooLarge = errors.New("p2p: message too large")

// The codes that this package itself puts into a [RemoteError]. Handlers add
// their own.
const (
	CodeBusy     = "busy"     // too many calls from this member at once
	CodeDeadline = "deadline" // the caller's time was over before the handler was done
	CodeInternal = "internal" // the handler failed in a way that it did not put into words
	CodeTooLarge = "too-large"
)

// Bounds of an error's text on the wire.
const (
	maxCode    = 64
	maxMessage = 1024
)

// DefaultCallTimeout is the time that a call gets if its context has no deadline.
const DefaultCallTimeout = time.Minute

// callPrefix is the time left to the caller, before the request itself.
const callPrefix = 4

// Handler answers one call. from is the member whose node proved its identity in
// the handshake. ctx ends when the time that the caller gave is over, or the host
// closes. To tell the caller what went wrong, return a [*RemoteError]; the text of
// any other error stays in this node's log.
type Handler func(ctx context.Context, from Member, request []byte) (response []byte, err error)

// RemoteError is an error that the other node put into words.
type RemoteError struct {
	Code    string // stable and kebab-case, at most 64 bytes
	Message string // for a person, at most 1024 bytes
}

func (e *RemoteError) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// Is makes errors.Is(err, ErrBusy) and ErrTooLarge true for those codes.
func (e *RemoteError) Is(target error) bool {
	return target == ErrBusy && e.Code == CodeBusy || target == ErrTooLarge && e.Code == CodeTooLarge
}

// Handle answers calls by name, which members reach at protocol
// "/concordat/<network>/<name>", with fn. Requests of more than maxRequest bytes
// are refused unread. A name can be handled once; a second time is a fault of the
// program and panics, as does a name that is not of a-z, 0-9, - and /.
func (h *Host) Handle(name string, maxRequest int, fn Handler) {
	if !validName(name) {
		panic(fmt.Sprintf("p2p: Handle(%q): want 1 to 64 of a-z, 0-9, - and /", name))
	}
	h.mu.Lock()
	if h.handlers[name] {
		h.mu.Unlock()
		panic(fmt.Sprintf("p2p: Handle(%q): handled already", name))
	}
	h.handlers[name] = true
	h.mu.Unlock()
	h.serve(name, service{
		at:       atCall,
		maxFrame: min(maxRequest, h.cfg.MaxFrame-callPrefix) + callPrefix,
		admit: func(_ Member, k kind) error {
			if k != kindCall {
				return refuse(RefusedKind, "frame of kind %#x, want a call (%#x)", uint8(k), uint8(kindCall))
			}
			return nil
		},
		answer: func(ctx context.Context, from Member, _ kind, body []byte) ([]byte, error) {
			return h.answerCall(ctx, from, name, body, fn)
		},
	})
}

func (h *Host) answerCall(ctx context.Context, from Member, name string, body []byte, fn Handler) ([]byte, error) {
	if len(body) < callPrefix {
		return nil, refuse(RefusedMalformed, "call of %d bytes, want at least %d", len(body), callPrefix)
	}
	h.mu.Lock()
	r := h.remotes[from.Peer]
	h.mu.Unlock()
	if r == nil {
		return nil, refuse(RefusedNotMember, "%s was removed", from.Authority)
	}
	defer r.served.Add(-1)
	if n := r.served.Add(1); int(n) > h.cfg.MaxCalls {
		h.refusals.note(atCall, from.Authority, refuse(RefusedBusy, "%s has %d calls in progress, at most %d", from.Authority, n-1, h.cfg.MaxCalls))
		return errorFrame(&RemoteError{CodeBusy, fmt.Sprintf("%d calls of yours are in progress, at most %d: try again later", n-1, h.cfg.MaxCalls)}), nil
	}
	left := time.Duration(binary.BigEndian.Uint32(body)) * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	response, err := fn(ctx, from, body[callPrefix:])
	if err == nil && len(response) > h.cfg.MaxFrame {
		h.log.Error("response too large to send", "call", name, "bytes", len(response), "at most", h.cfg.MaxFrame)
		err = &RemoteError{CodeTooLarge, fmt.Sprintf("the response has %d bytes, at most %d", len(response), h.cfg.MaxFrame)}
	}
	if err != nil {
		return errorFrame(h.remoteError(ctx, from, name, err)), nil
	}
	frame := make([]byte, 0, frameHeaderSize+len(response))
	return endFrame(append(beginFrame(frame, kindCall|kindReply), response...), 0), nil
}

// remoteError decides what the caller learns of err.
func (h *Host) remoteError(ctx context.Context, from Member, name string, err error) *RemoteError {
	var said *RemoteError
	switch {
	case errors.As(err, &said):
		return said
	case ctx.Err() != nil:
		return &RemoteError{CodeDeadline, "the time that the caller gave was over"}
	default:
		h.log.Error("call failed", "call", name, "from", from.Authority, "error", err)
		return &RemoteError{CodeInternal, "the node failed to answer; its log says why"}
	}
}

// Call sends request to the handler of that name at an authority's node, and
// returns its response. Calls run beside one another, up to
// Config.StreamsPerProtocol for one member and name; further ones wait, and beyond
// Config.MaxCalls for one member in all fail at once with [ErrBusy]. Without a
// deadline in ctx it takes [DefaultCallTimeout] at most.
//
// Errors: [*RemoteError] from the handler; ErrRefused from the other host;
// ErrNotMember; ErrBusy; ErrTooLarge; ErrClosed; ErrUnreachable and the context's errors, after which the call may
// or may not have been carried out.
func (h *Host) Call(ctx context.Context, to string, name string, request []byte) ([]byte, error) {
	m, r, err := h.lookup(to)
	if err != nil {
		return nil, err
	}
	if len(request) > h.cfg.MaxFrame-callPrefix {
		return nil, fmt.Errorf("%w: request of %d bytes, at most %d", ErrTooLarge, len(request), h.cfg.MaxFrame-callPrefix)
	}
	defer r.calls.Add(-1)
	if n := r.calls.Add(1); int(n) > h.cfg.MaxCalls {
		return nil, fmt.Errorf("%w: %d calls to %s are in progress, at most %d", ErrBusy, n-1, to, h.cfg.MaxCalls)
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(DefaultCallTimeout)
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	ctx, stop := h.bind(ctx)
	defer stop()

	frame := beginFrame(make([]byte, 0, frameHeaderSize+callPrefix+len(request)), kindCall)
	left := max(time.Until(deadline), time.Millisecond)
	frame = binary.BigEndian.AppendUint32(frame, uint32(min(left.Milliseconds(), 1<<31)))
	frame = endFrame(append(frame, request...), 0)
	k, body, err := h.pool(m, r, name, h.cfg.StreamsPerProtocol).exchange(ctx, frame, h.cfg.MaxFrame)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", name, err)
	}
	switch k {
	case kindCall | kindReply:
		return body, nil
	case kindError:
		remote, err := parseError(body)
		if err == nil {
			return nil, fmt.Errorf("call %s at %s: %w", name, to, remote)
		}
		h.refusals.note(atCall, to, err)
		return nil, fmt.Errorf("call %s at %s: %w", name, to, err)
	default:
		err := refuse(RefusedKind, "answer of kind %#x", uint8(k))
		h.refusals.note(atCall, to, err)
		return nil, fmt.Errorf("call %s at %s: %w", name, to, err)
	}
}

// bind returns ctx ending also when the host closes.
func (h *Host) bind(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(h.ctx, func() { cancel(context.Cause(h.ctx)) })
	return ctx, func() { stop(); cancel(nil) }
}

// errorFrame encodes e: a byte and the code, two bytes and the message.
func errorFrame(e *RemoteError) []byte {
	code, message := clip(e.Code, maxCode), clip(e.Message, maxMessage)
	b := beginFrame(nil, kindError)
	b = append(append(b, byte(len(code))), code...)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(message))), message...)
	return endFrame(b, 0)
}

func parseError(body []byte) (*RemoteError, error) {
	d := decoder{rest: body}
	e := &RemoteError{
		Code:    string(d.take(int(d.uint8()), maxCode, "error code")),
		Message: string(d.take(int(d.uint16()), maxMessage, "error message")),
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	if !utf8.ValidString(e.Code) || !utf8.ValidString(e.Message) {
		return nil, refuse(RefusedMalformed, "an error that is not UTF-8")
	}
	return e, nil
}

// clip cuts s to n bytes at the end of a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func validName(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '/' {
			return false
		}
	}
	return true
}
