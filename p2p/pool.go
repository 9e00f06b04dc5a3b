package p2p

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// ErrUnreachable is wrapped when there is no connection with a member, or it broke
// before the answer. The Host keeps trying to connect; try again.
var ErrUnreachable = errors.New("p2p: member unreachable")

// pool keeps the streams to one member for one protocol. One exchange has a stream
// to itself, so that exchanges do not wait behind one another; a stream then goes
// back to be used again, because opening one costs up to a millisecond, several
// times the round trip itself.
//
// Every stream that saw any error, or whose answer was a refusal, is reset and
// forgotten: one that is in the pool has nothing unread on it.
type pool struct {
	open  func(context.Context) (*observed, error)
	links *links
	to    Member

	slots chan struct{} // one token for each stream in use

	mu     sync.Mutex
	idle   []*observed // the most recently used last
	closed bool
}

func newPool(n host.Host, ls *links, m Member, proto protocol.ID, size int) *pool {
	return &pool{
		to:    m,
		links: ls,
		slots: make(chan struct{}, size),
		open: func(ctx context.Context) (*observed, error) {
			if n.Network().Connectedness(m.Peer) != network.Connected {
				return nil, fmt.Errorf("%w: %s: not connected, retrying in the background", ErrUnreachable, m.Authority)
			}
			// The dialling goroutine alone dials: an RPC that waited for a dial would
			// wait for as long as the peer is down.
			s, err := n.NewStream(network.WithNoDial(ctx, "the host dials by itself"), m.Peer, proto)
			if err != nil {
				return nil, fmt.Errorf("%w: %s: open stream: %w", ErrUnreachable, m.Authority, err)
			}
			return &observed{s, ls.of(s.Conn())}, nil
		},
	}
}

// exchange sends frame and returns the answer's kind and body, of at most maxReply
// bytes. It ends with ctx at the latest.
func (p *pool) exchange(ctx context.Context, frame []byte, maxReply int) (kind, []byte, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return 0, nil, fmt.Errorf("p2p: %s: all %d streams are in use: %w", p.to.Authority, cap(p.slots), context.Cause(ctx))
	}
	s, err := p.take(ctx)
	if cause := context.Cause(ctx); cause != nil {
		// Whatever opening says (a deadline, a reset), this is why.
		if err == nil {
			p.put(s)
		} else if errors.Is(cause, context.DeadlineExceeded) {
			for _, l := range p.links.to(p.to.Peer) {
				l.suspect()
			}
		}
		return 0, nil, fmt.Errorf("p2p: %s was not asked in time: %w", p.to.Authority, cause)
	}
	if err != nil {
		return 0, nil, err
	}
	k, body, err := roundTrip(ctx, s, frame, maxReply)
	if err == nil {
		s.link.answered()
	}
	if err == nil && k != kindRefused {
		p.put(s)
		return k, body, nil
	}
	s.Reset() // its error adds nothing: the stream is gone either way
	if err == nil {
		return 0, nil, p.refused(body)
	}
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, context.DeadlineExceeded) {
			// Slow, or dead? If dead, the connection goes, so that the next exchange does
			// not hang on it as well.
			s.link.suspect()
		}
		return 0, nil, fmt.Errorf("p2p: %s did not answer in time: %w", p.to.Authority, cause)
	}
	if reasonOf(err) != 0 {
		return 0, nil, err
	}
	return 0, nil, fmt.Errorf("%w: %s: %w", ErrUnreachable, p.to.Authority, err)
}

func (p *pool) refused(body []byte) error {
	if len(body) != 1 {
		return refuse(RefusedMalformed, "a refusal of %d bytes, want 1", len(body))
	}
	return &RefusedError{By: p.to.Authority, Reason: Refusal(body[0])}
}

// roundTrip writes one frame and reads one. The stream is reset when ctx ends,
// which unblocks both.
func roundTrip(ctx context.Context, s network.Stream, frame []byte, maxReply int) (kind, []byte, error) {
	stop := context.AfterFunc(ctx, func() { s.Reset() })
	defer stop()
	if _, err := s.Write(frame); err != nil {
		return 0, nil, fmt.Errorf("send: %w", err)
	}
	var head [frameHeaderSize]byte
	if _, err := io.ReadFull(s, head[:]); err != nil {
		return 0, nil, fmt.Errorf("await answer: %w", err)
	}
	h, err := parseFrameHeader(head, maxReply)
	if err != nil {
		return 0, nil, err
	}
	body, err := readBody(s, h.size)
	if err != nil {
		return 0, nil, fmt.Errorf("read answer: %w", err)
	}
	if !stop() {
		// ctx ended just now and the reset is under way: the stream cannot be reused.
		return 0, nil, context.Cause(ctx)
	}
	return h.kind, body, nil
}

func (p *pool) take(ctx context.Context) (*observed, error) {
	p.mu.Lock()
	for len(p.idle) > 0 {
		s := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if !s.Conn().IsClosed() {
			p.mu.Unlock()
			return s, nil
		}
		s.Reset()
	}
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return nil, fmt.Errorf("%w: %s", ErrClosed, p.to.Authority)
	}
	return p.open(ctx)
}

func (p *pool) put(s *observed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		s.Reset()
		return
	}
	p.idle = append(p.idle, s)
}

// close resets the idle streams; those in use are reset when they come back, or
// with their connection.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, s := range p.idle {
		s.Reset()
	}
	p.idle = nil
}
