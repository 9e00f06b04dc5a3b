package consensus

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// wires connect the nodes of a test in memory, and can be cut one way at a time.
type wires struct {
	mu    sync.Mutex
	ends  map[raft.ServerAddress]*wire
	cut   map[[2]raft.ServerAddress]bool
	watch func(from, to raft.ServerAddress, command any)      // sees every request that gets through
	drop  func(from, to raft.ServerAddress, command any) bool // nil: nothing is dropped
}

func newWires() *wires {
	return &wires{ends: map[raft.ServerAddress]*wire{}, cut: map[[2]raft.ServerAddress]bool{}}
}

// isolate cuts, or mends, all wires to and from one node.
func (w *wires) isolate(addr raft.ServerAddress, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for other := range w.ends {
		if other != addr {
			w.cut[[2]raft.ServerAddress{addr, other}] = cut
			w.cut[[2]raft.ServerAddress{other, addr}] = cut
		}
	}
}

// oneWay cuts, or mends, what goes from one node to another.
func (w *wires) oneWay(from, to raft.ServerAddress, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut[[2]raft.ServerAddress{from, to}] = cut
}

func (w *wires) attach(addr raft.ServerAddress) *wire {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := &wire{of: w, addr: addr, in: make(chan raft.RPC), done: make(chan struct{})}
	w.ends[addr] = e
	return e
}

var errCut = errors.New("the wire is cut")

// route finds the other end, if the wire there is whole.
func (w *wires) route(from, to raft.ServerAddress, command any) (*wire, error) {
	w.mu.Lock()
	e, cut, watch, drop := w.ends[to], w.cut[[2]raft.ServerAddress{from, to}], w.watch, w.drop
	w.mu.Unlock()
	if e == nil || cut || drop != nil && command != nil && drop(from, to, command) {
		return nil, errCut
	}
	if watch != nil && command != nil {
		watch(from, to, command)
	}
	return e, nil
}

// wire is one node's end; a raft.Transport.
type wire struct {
	of   *wires
	addr raft.ServerAddress
	in   chan raft.RPC
	once sync.Once
	done chan struct{}

	mu        sync.Mutex
	heartbeat func(raft.RPC)
}

func (e *wire) call(to raft.ServerAddress, command any) (any, error) {
	select {
	case <-e.done:
		return nil, raft.ErrTransportShutdown
	default:
	}
	other, err := e.of.route(e.addr, to, command)
	if err != nil {
		return nil, err
	}
	answer := make(chan raft.RPCResponse, 1)
	rpc := raft.RPC{Command: command, RespChan: answer}
	other.mu.Lock()
	heartbeat := other.heartbeat
	other.mu.Unlock()
	if c, ok := command.(*raft.AppendEntriesRequest); ok && heartbeat != nil && c.PrevLogEntry == 0 && len(c.Entries) == 0 && c.LeaderCommitIndex == 0 {
		go heartbeat(rpc)
	} else {
		select {
		case other.in <- rpc:
		case <-other.done:
			return nil, errCut
		case <-e.done:
			return nil, raft.ErrTransportShutdown
		}
	}
	timer := time.NewTimer(2 * time.Second)
	defer timer.Stop()
	select {
	case r := <-answer:
		if _, err := e.of.route(to, e.addr, nil); err != nil {
			return nil, err // the answer has to get back
		}
		return r.Response, r.Error
	case <-other.done:
		return nil, errCut
	case <-e.done:
		return nil, raft.ErrTransportShutdown
	case <-timer.C:
		return nil, errors.New("no answer")
	}
}

func exchange[T any](e *wire, to raft.ServerAddress, command any, into *T) error {
	r, err := e.call(to, command)
	if err == nil {
		*into = *r.(*T)
	}
	return err
}

func (e *wire) Consumer() <-chan raft.RPC     { return e.in }
func (e *wire) LocalAddr() raft.ServerAddress { return e.addr }
func (e *wire) EncodePeer(_ raft.ServerID, a raft.ServerAddress) []byte {
	return []byte(a)
}
func (e *wire) DecodePeer(b []byte) raft.ServerAddress { return raft.ServerAddress(b) }

func (e *wire) SetHeartbeatHandler(fn func(raft.RPC)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heartbeat = fn
}

func (e *wire) AppendEntries(_ raft.ServerID, to raft.ServerAddress, a *raft.AppendEntriesRequest, r *raft.AppendEntriesResponse) error {
	return exchange(e, to, a, r)
}

func (e *wire) RequestVote(_ raft.ServerID, to raft.ServerAddress, a *raft.RequestVoteRequest, r *raft.RequestVoteResponse) error {
	return exchange(e, to, a, r)
}

func (e *wire) RequestPreVote(_ raft.ServerID, to raft.ServerAddress, a *raft.RequestPreVoteRequest, r *raft.RequestPreVoteResponse) error {
	return exchange(e, to, a, r)
}

func (e *wire) TimeoutNow(_ raft.ServerID, to raft.ServerAddress, a *raft.TimeoutNowRequest, r *raft.TimeoutNowResponse) error {
	return exchange(e, to, a, r)
}

func (e *wire) InstallSnapshot(_ raft.ServerID, to raft.ServerAddress, a *raft.InstallSnapshotRequest, r *raft.InstallSnapshotResponse, _ io.Reader) error {
	return exchange(e, to, a, r)
}

// AppendEntriesPipeline would pipeline; nobody may ask it to.
func (e *wire) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	panic("pipelined")
}

func (e *wire) Close() error {
	e.once.Do(func() { close(e.done) })
	return nil
}
