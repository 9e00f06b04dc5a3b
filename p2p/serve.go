package p2p

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// service answers the frames of one protocol, one frame at a time on each stream.
type service struct {
	at       string // for counters
	maxFrame int
	// admit looks at a frame's kind before any of its body is read.
	admit func(from Member, k kind) error
	// answer returns the frame to send back. An error that is a refusal is sent as
	// such, and ends the stream; any other error ends it too.
	answer func(ctx context.Context, from Member, k kind, body []byte) ([]byte, error)
	// enter, if set, is asked before a stream is served, and leave called after it:
	// for an owner that closes before the host does.
	enter func() bool
	leave func()
}

// serve registers svc for a protocol.
func (h *Host) serve(name string, svc service) {
	h.host.SetStreamHandler(h.protocol(name), func(s network.Stream) {
		if !h.track(s) {
			s.Reset()
			return
		}
		defer h.untrack(s)
		if svc.enter != nil {
			if !svc.enter() {
				s.Reset()
				return
			}
			defer svc.leave()
		}
		h.serveStream(&observed{s, h.links.of(s.Conn())}, svc)
	})
}

// track makes s known to Close and counts its goroutine, which libp2p started.
func (h *Host) track(s network.Stream) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.inbound[s] = struct{}{}
	h.wg.Add(1)
	return true
}

func (h *Host) untrack(s network.Stream) {
	h.mu.Lock()
	delete(h.inbound, s)
	h.mu.Unlock()
	h.wg.Done()
}

// serveStream answers frames until the stream ends. It ends a stream after any
// refusal: what follows on it may not be what it seems, and a hostile peer pays for
// a new stream each time.
func (h *Host) serveStream(s network.Stream, svc service) {
	for {
		frame, last, err := h.serveFrame(s, svc)
		if err != nil {
			s.Reset() // its error adds nothing: the stream is gone either way
			return
		}
		if err := s.SetWriteDeadline(time.Now().Add(h.cfg.FrameTimeout)); err != nil {
			s.Reset()
			return
		}
		if _, err := s.Write(frame); err != nil {
			s.Reset()
			return
		}
		if last {
			// Unlike Reset, Close lets what was written arrive.
			if err := s.Close(); err != nil {
				s.Reset()
			}
			return
		}
	}
}

// serveFrame reads one frame and returns its answer, and whether that is the last
// on this stream. An error means that there is nothing to be said any more.
func (h *Host) serveFrame(s network.Stream, svc service) (frame []byte, last bool, err error) {
	from, k, body, err := h.readFrame(s, svc)
	if err == nil {
		frame, err = svc.answer(h.ctx, from, k, body)
	}
	if err == nil {
		return frame, false, nil
	}
	reason := reasonOf(err)
	if reason == 0 {
		return nil, true, err
	}
	h.refusals.note(svc.at, from.Authority, err)
	return refusalFrame(reason), true, nil
}

// readFrame waits for a frame. There is no limit to the wait for its first byte,
// since streams live long; once begun, it has FrameTimeout to be complete (P6). Who
// sends is taken from the connection's handshake, anew for each frame, because
// members come and go (P3).
func (h *Host) readFrame(s network.Stream, svc service) (from Member, k kind, body []byte, err error) {
	var head [frameHeaderSize]byte
	if err := s.SetReadDeadline(time.Time{}); err != nil {
		return from, 0, nil, err
	}
	if _, err := io.ReadFull(s, head[:1]); err != nil {
		return from, 0, nil, err
	}
	from, ok := h.roster.Load().byPeer[s.Conn().RemotePeer()]
	if !ok {
		return from, 0, nil, refuse(RefusedNotMember, "peer %s is no member's node", s.Conn().RemotePeer())
	}
	if err := s.SetReadDeadline(time.Now().Add(h.cfg.FrameTimeout)); err != nil {
		return from, 0, nil, err
	}
	if _, err := io.ReadFull(s, head[1:]); err != nil {
		return from, 0, nil, h.slow(err)
	}
	hdr, err := parseFrameHeader(head, svc.maxFrame)
	if err != nil {
		// An honest caller may exceed this protocol's bound and will read the refusal
		// once its request is written; what any frame may have is read and dropped.
		if hdr.size <= h.cfg.MaxFrame {
			if _, derr := io.CopyN(io.Discard, s, int64(hdr.size)); derr != nil {
				return from, hdr.kind, nil, h.slow(derr)
			}
		}
		return from, hdr.kind, nil, err
	}
	if err := svc.admit(from, hdr.kind); err != nil {
		return from, hdr.kind, nil, err
	}
	body, err = readBody(s, hdr.size)
	if err != nil {
		return from, hdr.kind, nil, h.slow(err)
	}
	return from, hdr.kind, body, nil
}

// slow turns a missed deadline into a refusal, and leaves other errors alone.
func (h *Host) slow(err error) error {
	var timeout interface{ Timeout() bool }
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return refuse(RefusedSlow, "a message was not complete %v after its first byte", h.cfg.FrameTimeout)
	}
	return err
}
