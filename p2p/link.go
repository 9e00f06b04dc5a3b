package p2p

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multistream"
)

// A peer that dies at once says nothing: QUIC notices by its idle timeout, after
// half a minute, and TCP after minutes if the machine is gone too. Until then
// libp2p calls it connected, and gives it our streams. So each connection is
// watched (P11): one that is quiet is asked, and one that does not answer is closed.

// pingProtocol carries the questions, on one stream for each connection.
const pingProtocol = "ping/1"

// slowest is how many bytes a second a connection is expected to carry at least. A
// question behind bytes of ours gets the time that they take at this pace, up to
// maxCongestion, so that a slow line is not taken for a dead one.
const (
	slowest       = DefaultMaxFrame / 10
	maxCongestion = 10 * time.Second
)

// link is one connection with a member, and what we know of its other end.
type link struct {
	conn   network.Conn
	opened time.Time
	gone   chan struct{} // closed when libp2p has closed the connection
	doubt  chan struct{} // of one element: ask now

	pings network.Stream // of the watching goroutine alone; nil until the first question

	mu    sync.Mutex
	heard time.Time // the last sign of life
	busy  time.Time // what we sent has arrived by then, at the slowest pace
}

func newLink(c network.Conn) *link {
	now := time.Now()
	return &link{conn: c, opened: now, heard: now, gone: make(chan struct{}), doubt: make(chan struct{}, 1)}
}

// hear records a sign of life: bytes that arrived.
func (l *link) hear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = time.Now()
}

// answered records an answer. What we sent before the question has arrived.
func (l *link) answered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard, l.busy = time.Now(), time.Time{}
}

// sending records bytes on their way to the other end.
func (l *link) sending(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.busy.Before(now) {
		l.busy = now
	}
	l.busy = l.busy.Add(time.Duration(n) * time.Second / slowest)
}

// quiet returns how long there has been no sign of life.
func (l *link) quiet() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.heard)
}

// patience is d and the time that what we sent may still take.
func (l *link) patience(d time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return d + min(max(time.Until(l.busy), 0), maxCongestion)
}

// suspect has the other end asked at once, and once only: an exchange went
// without its answer, or the member has made another connection.
func (l *link) suspect() { notify(l.doubt) }

// observed is a stream that tells its link what goes over it.
type observed struct {
	network.Stream
	link *link
}

func (s *observed) Read(b []byte) (int, error) {
	n, err := s.Stream.Read(b)
	if n > 0 {
		s.link.hear()
	}
	return n, err
}

func (s *observed) Write(b []byte) (int, error) {
	s.link.sending(len(b))
	return s.Stream.Write(b)
}

// links are all connections with members.
type links struct {
	mu   sync.Mutex
	with map[peer.ID][]*link // oldest first; a peer has maxConnsPerPeer at most
}

func newLinks() *links { return &links{with: make(map[peer.ID][]*link)} }

// add lists a connection, and returns the others with the same member.
func (ls *links) add(c network.Conn) (l *link, others []*link) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l, others = newLink(c), slices.Clone(ls.with[c.RemotePeer()])
	ls.with[c.RemotePeer()] = append(ls.with[c.RemotePeer()], l)
	return l, others
}

func (ls *links) remove(c network.Conn) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	p := c.RemotePeer()
	ls.with[p] = slices.DeleteFunc(ls.with[p], func(l *link) bool {
		if l.conn == c {
			close(l.gone)
		}
		return l.conn == c
	})
	if len(ls.with[p]) == 0 {
		delete(ls.with, p)
	}
}

// of returns the link of a connection. One that is not listed, because it has just
// come or is going, gets a link that nobody looks at.
func (ls *links) of(c network.Conn) *link {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.with[c.RemotePeer()] {
		if l.conn == c {
			return l
		}
	}
	return newLink(c)
}

// to returns the connections with one member.
func (ls *links) to(p peer.ID) []*link {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return slices.Clone(ls.with[p])
}

// best returns the connection with a member that showed life last, nil if none.
func (ls *links) best(p peer.ID) *link {
	var best *link
	for _, l := range ls.to(p) {
		if best == nil || l.quiet() < best.quiet() {
			best = l
		}
	}
	return best
}

// lives reports whether the other end has shown life in the last few seconds.
func (h *Host) lives(l *link) bool { return l.quiet() < l.patience(2*h.cfg.KeepAlive) }

// watch asks a connection for life when it has been quiet for KeepAlive, or is in
// doubt, and closes it when nothing answers. It ends with the connection.
func (h *Host) watch(l *link) {
	defer h.wg.Done()
	every := h.cfg.KeepAlive
	asked := l.opened
	for {
		questions, patience := 2, 3*every/4
		timer := time.NewTimer(every - min(l.quiet(), time.Since(asked)))
		select {
		case <-timer.C:
			if l.quiet() < every {
				continue // it was heard meanwhile
			}
		case <-l.doubt:
			timer.Stop()
			questions, patience = 1, every/2
		case <-l.gone:
			timer.Stop()
			return
		case <-h.ctx.Done():
			timer.Stop()
			return
		}
		alive := false
		for n := 0; n < questions && !alive; n++ {
			asked = time.Now()
			alive = h.ask(l, patience)
		}
		if alive {
			continue
		}
		h.log.Info("member does not answer, connection closed", "peer", l.conn.RemotePeer(), "address", l.conn.RemoteMultiaddr(), "quiet", l.quiet().Round(time.Millisecond))
		if err := l.conn.Close(); err != nil {
			h.log.Debug("close a dead connection", "peer", l.conn.RemotePeer(), "error", err)
		}
		return
	}
}

// ask sends one question and reports false if nothing at all has come back in
// time. Only silence is death: a peer that answers with an error lives.
func (h *Host) ask(l *link, patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(h.ctx, l.patience(patience))
	defer cancel()
	asked := time.Now()
	err := l.ping(ctx, h.protocol(pingProtocol))
	if err == nil {
		l.answered()
		return true
	}
	if l.pings != nil {
		l.pings.Reset() // its error adds nothing: the stream is gone either way
		l.pings = nil
	}
	if ctx.Err() == nil || h.ctx.Err() != nil || l.conn.IsClosed() {
		h.log.Debug("ping", "peer", l.conn.RemotePeer(), "error", err)
		return true // or there is nothing left to close
	}
	return l.quiet() < time.Since(asked) // something else came, or nothing did
}

// ping asks one question and awaits the answer, until ctx ends.
func (l *link) ping(ctx context.Context, proto protocol.ID) error {
	fresh := l.pings == nil
	if fresh {
		s, err := l.conn.NewStream(ctx)
		if err != nil {
			return fmt.Errorf("open stream: %w", err)
		}
		l.pings = s
	}
	s := &observed{l.pings, l}
	stop := context.AfterFunc(ctx, func() { s.Reset() })
	defer stop()
	if fresh {
		if err := s.SetProtocol(proto); err != nil {
			return err
		}
		if _, err := multistream.SelectOneOf([]protocol.ID{proto}, s); err != nil {
			return fmt.Errorf("negotiate: %w", err)
		}
	}
	_, _, err := roundTrip(ctx, s, endFrame(beginFrame(nil, kindPing), 0), 1)
	return err
}

// servePings answers the other members' questions.
func (h *Host) servePings() {
	h.handlers[pingProtocol] = true // New calls this before anyone else has h
	h.serve(pingProtocol, service{
		at: atRequest,
		admit: func(_ Member, k kind) error {
			if k != kindPing {
				return refuse(RefusedKind, "frame of kind %#x on the pings' stream", uint8(k))
			}
			return nil
		},
		answer: func(context.Context, Member, kind, []byte) ([]byte, error) {
			return endFrame(beginFrame(nil, kindPing|kindReply), 0), nil
		},
	})
}
