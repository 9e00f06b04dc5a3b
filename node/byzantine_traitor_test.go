package node_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/hashicorp/raft"
	"github.com/multiformats/go-multiaddr"

	"concordat/client/authority"
	"concordat/consensus/catchup"
	"concordat/consensus/certify"
	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
	"concordat/node/nodetest"
	"concordat/p2p"
)

// traitor is a validator's keys in hostile hands. It speaks the protocols of the
// other nodes by its own hand, and keeps none of their rules: it takes leadership
// without an election, and signs what it is told to.
//
// While it is not told anything it follows as a node does that stores what the
// leader sends, and vouches for nothing.
type traitor struct {
	t      testing.TB
	id     string
	doc    *genesis.Document
	node   ed25519.PrivateKey
	cosign ed25519.PrivateKey
	host   *p2p.Host
	wire   *p2p.Transport
	others []p2p.Member // the honest ones

	mu     sync.Mutex
	term   uint64
	leads  bool
	mute   bool // it votes for nobody
	leader raft.ServerAddress
	log    []*raft.Log        // entry i has index i+1
	spoilt map[*raft.Log]bool // entries that every ledger refuses
	told   map[string]uint64  // up to where a follower has taken what this leader showed it
	echoed map[string]mark    // the newest echo of each other validator
	pushed [][]byte           // the notes that were pushed to it, the newest last
	serve  map[string]p2p.Handler
	called map[string]int // how often, by name and caller
}

// mark is a size and a root, as the echoes have them.
type mark struct {
	size uint64
	root merkle.Hash
}

// newTraitor runs a region's keys until the test ends.
func newTraitor(t *testing.T, n *nodetest.Network, region string) *traitor {
	t.Helper()
	dir, err := authority.Open(n.NodeDir(region), nil)
	if err != nil {
		t.Fatal(err)
	}
	x := &traitor{
		t: t, id: region, doc: n.Doc, spoilt: map[*raft.Log]bool{}, told: map[string]uint64{}, echoed: map[string]mark{}, serve: map[string]p2p.Handler{}, called: map[string]int{},
	}
	for use, key := range map[authority.Role]*ed25519.PrivateKey{authority.Node: &x.node, authority.Cosign: &x.cosign} {
		k, err := dir.Key(use)
		if err != nil {
			t.Fatal(err)
		}
		*key = k.Ed25519()
	}
	var all []p2p.Member
	var listen []multiaddr.Multiaddr
	for _, a := range n.Doc.Authorities {
		peer, err := p2p.PeerID(a.Keys.Node.Public())
		if err != nil {
			t.Fatal(err)
		}
		var addrs []multiaddr.Multiaddr
		for _, s := range a.Addresses {
			addrs = append(addrs, multiaddr.StringCast(s))
		}
		m := p2p.Member{Authority: string(a.ID), Peer: peer, Addrs: addrs, Voter: a.Role == genesis.Validator}
		all = append(all, m)
		if m.Authority == region {
			listen = addrs
		} else {
			x.others = append(x.others, m)
		}
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	if x.host, err = p2p.New(p2p.Config{Key: x.node, Network: n.Doc.ID(), Listen: listen, Members: all, Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	x.wire = x.host.Transport(p2p.RaftConfig{Term: x.currentTerm, Leader: func() (raft.ServerAddress, raft.ServerID) { return "", "" }})
	x.handlers()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { x.follow(ctx) })
	wg.Go(func() { x.beat(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(x.wire.Close(), x.host.Close()); err != nil {
			t.Errorf("closing the traitor: %v", err)
		}
		wg.Wait()
	})
	return x
}

func (x *traitor) currentTerm() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.term
}

func (x *traitor) header() raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(x.id), Addr: []byte(x.host.ID().String())}
}

// handlers answer what other nodes call. It keeps what it hears; serve may say otherwise.
func (x *traitor) handlers() {
	handle := func(name string, most int, otherwise p2p.Handler) {
		x.host.Handle(name, most, func(ctx context.Context, from p2p.Member, req []byte) ([]byte, error) {
			x.mu.Lock()
			h := x.serve[name]
			x.called[name+" "+from.Authority]++
			x.mu.Unlock()
			if h == nil {
				h = otherwise
			}
			return h(ctx, from, req)
		})
	}
	for _, p := range certify.Protocols() {
		handle(p.Name, p.MaxRequest, func(_ context.Context, from p2p.Member, req []byte) ([]byte, error) {
			x.mu.Lock()
			defer x.mu.Unlock()
			switch p.Name {
			case certify.EchoProtocol:
				last := req[len(req)-40:] // version, count, then sizes with roots: the greatest last
				x.echoed[from.Authority] = mark{binary.BigEndian.Uint64(last), merkle.Hash(last[8:])}
				return nil, nil
			case certify.CosignProtocol:
				x.pushed = append(x.pushed, notesIn(req)...)
				return nil, nil
			}
			return nil, &p2p.RemoteError{Code: "not-there", Message: "nothing"}
		})
	}
	// A validator that came back without its votes asks every other for its term.
	for _, name := range catchup.Protocols() {
		handle(name, catchup.MaxRequest, func(context.Context, p2p.Member, []byte) ([]byte, error) {
			return nil, &p2p.RemoteError{Code: "not-there", Message: "nothing"}
		})
	}
	handle("submit/1", 4<<20, func(ctx context.Context, _ p2p.Member, _ []byte) ([]byte, error) {
		<-ctx.Done() // it takes statements, and says nothing
		return nil, ctx.Err()
	})
	handle("term/1", 64, func(context.Context, p2p.Member, []byte) ([]byte, error) { return cbor.Marshal(x.currentTerm()) })
}

// answers changes how a call of others is answered; nil: as before.
func (x *traitor) answers(name string, h p2p.Handler) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.serve[name] = h
}

// calls is how often a node has called one of the traitor's protocols.
func (x *traitor) calls(name, from string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.called[name+" "+from]
}

// follow answers Raft's messages.
func (x *traitor) follow(ctx context.Context) {
	for {
		select {
		case rpc := <-x.wire.Consumer():
			switch c := rpc.Command.(type) {
			case *raft.AppendEntriesRequest:
				rpc.Respond(x.take(c), nil)
			case *raft.RequestPreVoteRequest:
				rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: x.header(), Term: x.currentTerm(), Granted: x.willing(c.Term)}, nil)
			case *raft.RequestVoteRequest:
				rpc.Respond(x.vote(c), nil)
			default:
				rpc.Respond(nil, errors.New("no"))
			}
		case <-ctx.Done():
			return
		}
	}
}

// take stores what a leader sends.
func (x *traitor) take(c *raft.AppendEntriesRequest) *raft.AppendEntriesResponse {
	x.mu.Lock()
	defer x.mu.Unlock()
	no := func() *raft.AppendEntriesResponse {
		return &raft.AppendEntriesResponse{RPCHeader: x.header(), Term: x.term, LastLog: uint64(len(x.log))}
	}
	if c.Term < x.term || x.leads && c.Term == x.term {
		return no()
	}
	x.term, x.leads, x.leader = c.Term, false, raft.ServerAddress(c.Addr)
	if prev := c.PrevLogEntry; prev > uint64(len(x.log)) || prev > 0 && x.log[prev-1].Term != c.PrevLogTerm {
		return no()
	}
	for _, e := range c.Entries {
		if i := e.Index - 1; i < uint64(len(x.log)) {
			if x.log[i].Term == e.Term {
				continue
			}
			x.log = x.log[:i]
		}
		e.Data = bytes.Clone(e.Data)
		x.log = append(x.log, e)
	}
	yes := no()
	yes.Success = true
	return yes
}

func (x *traitor) willing(term uint64) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return term > x.term && !x.mute
}

// vote is for whoever asks first in a term.
func (x *traitor) vote(c *raft.RequestVoteRequest) *raft.RequestVoteResponse {
	x.mu.Lock()
	defer x.mu.Unlock()
	granted := c.Term > x.term && !x.mute
	if c.Term > x.term {
		x.term, x.leads = c.Term, false
	}
	return &raft.RequestVoteResponse{RPCHeader: x.header(), Term: x.term, Granted: granted}
}

// beat keeps those whom it leads from electing another.
func (x *traitor) beat(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		x.mu.Lock()
		leads, term := x.leads, x.term
		x.mu.Unlock()
		if !leads {
			continue
		}
		for _, m := range x.others {
			go x.beatOne(m, term)
		}
	}
}

func (x *traitor) beatOne(m p2p.Member, term uint64) bool {
	var resp raft.AppendEntriesResponse
	err := x.wire.AppendEntries(raft.ServerID(m.Authority), raft.ServerAddress(m.Peer.String()), &raft.AppendEntriesRequest{RPCHeader: x.header(), Term: term}, &resp)
	return err == nil && resp.Success
}

// usurp leads from now on, in a term for which nobody voted: Raft's followers
// take whoever says that it leads in a higher one.
func (x *traitor) usurp() {
	x.t.Helper()
	x.mu.Lock()
	x.term++
	x.leads, x.leader = true, ""
	x.told = map[string]uint64{}
	x.mu.Unlock()
	for _, m := range x.others {
		// One peer may raise a node's term so often, and no more.
		if err := nodetest.Await(x.t.Context(), m.Authority+" to follow the traitor", func() bool {
			return x.beatOne(m, x.currentTerm())
		}); err != nil {
			x.t.Fatal(err)
		}
	}
}

// votes says whether it votes for others: a vote against the rules is one for
// somebody who has not all that it was told itself.
func (x *traitor) votes(yes bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.mute = !yes
}

// resign leaves the others without a leader.
func (x *traitor) resign() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.leads = false
}

// branch is one history that a leader may show.
type branch struct {
	x    *traitor
	log  []*raft.Log
	tree []merkle.Hash // of the statements
	time int64         // of the last block
}

// branch begins where the order is that the traitor was told.
func (x *traitor) branch() *branch {
	x.mu.Lock()
	defer x.mu.Unlock()
	b := &branch{x: x}
	for _, e := range x.log {
		b.append(e)
	}
	return b
}

// clone is a branch that goes on from here.
func (b *branch) clone() *branch {
	c := *b
	c.log, c.tree = slices.Clone(b.log), slices.Clone(b.tree)
	return &c
}

func (b *branch) append(e *raft.Log) {
	b.log = append(b.log, e)
	signed, err := block.Parse(e.Data)
	if e.Type != raft.LogCommand || err != nil {
		return
	}
	if h := signed.Header(); b.x.spoilt[e] || h.Term != e.Term || h.Size != uint64(len(b.tree)) || h.Root != b.root() {
		return // every ledger refuses it
	}
	x := b.x
	proposer, _ := x.doc.Authority(signed.Header().Proposer)
	content, err := signed.VerifyBy(proposer.Keys.Node.Public())
	if err != nil {
		return
	}
	for _, s := range content.Statements {
		b.tree = append(b.tree, merkle.LeafHash(s))
	}
	b.time = signed.Header().Time
}

func (b *branch) mark() mark        { return mark{uint64(len(b.tree)), b.root()} }
func (b *branch) root() merkle.Hash { return rootOf(b.tree) }
func (b *branch) at(size int) mark  { return mark{uint64(size), rootOf(b.tree[:size])} }

// rootOf is RFC 6962's tree hash.
func rootOf(leaves []merkle.Hash) merkle.Hash {
	switch n := len(leaves); n {
	case 0:
		return merkle.EmptyRoot()
	case 1:
		return leaves[0]
	default:
		k := 1
		for 2*k < n {
			k *= 2
		}
		return merkle.NodeHash(rootOf(leaves[:k]), rootOf(leaves[k:]))
	}
}

// seal makes a block on this branch; change, if any, may spoil its header.
func (b *branch) seal(change func(*block.Header), statements ...[]byte) []byte {
	b.x.t.Helper()
	h := block.Header{
		Network: b.x.doc.ID(), Term: b.x.currentTerm(), Size: uint64(len(b.tree)), Root: b.root(),
		Time: max(time.Now().UnixMilli(), b.time), Proposer: statement.Region(b.x.id),
	}
	if change != nil {
		change(&h)
	}
	raw, err := block.Seal(h, statements, nil, b.x.node)
	if err != nil {
		b.x.t.Fatal(err)
	}
	return raw
}

// put has an entry come next, in the traitor's term.
func (b *branch) put(data []byte) *branch {
	b.append(b.entry(data))
	return b
}

// spoil has an entry come next that every ledger refuses.
func (b *branch) spoil(data []byte) *branch {
	e := b.entry(data)
	b.x.mu.Lock()
	b.x.spoilt[e] = true
	b.x.mu.Unlock()
	b.log = append(b.log, e)
	return b
}

func (b *branch) entry(data []byte) *raft.Log {
	return &raft.Log{Index: uint64(len(b.log)) + 1, Term: b.x.currentTerm(), Type: raft.LogCommand, Data: data}
}

// say has a good block of statements come next.
func (b *branch) say(vs ...*statement.Verified) *branch {
	var raws [][]byte
	for _, v := range vs {
		raws = append(raws, v.Raw())
	}
	return b.put(b.seal(nil, raws...))
}

// show has some followers take the branch, and tells them that all of it is committed.
func (b *branch) show(to ...string) {
	b.x.t.Helper()
	for _, id := range to {
		if err := b.send(id, uint64(len(b.log))); err != nil {
			b.x.t.Fatalf("%s shows a branch to %s: %v", b.x.id, id, err)
		}
	}
}

// send has a follower take the branch, and says how much is committed.
func (b *branch) send(id string, commit uint64) error {
	x := b.x
	i := slices.IndexFunc(x.others, func(m p2p.Member) bool { return m.Authority == id })
	to := x.others[i]
	x.mu.Lock()
	next, known := x.told[id]
	if !known {
		next = uint64(len(b.log))
	}
	term := x.term
	x.mu.Unlock()
	next = min(next, uint64(len(b.log)))
	for range 100 {
		req := &raft.AppendEntriesRequest{RPCHeader: x.header(), Term: term, PrevLogEntry: next, Entries: b.log[next:], LeaderCommitIndex: commit}
		if next > 0 {
			req.PrevLogTerm = b.log[next-1].Term
		}
		var resp raft.AppendEntriesResponse
		err := x.wire.AppendEntries(raft.ServerID(id), raft.ServerAddress(to.Peer.String()), req, &resp)
		switch {
		case err != nil:
			return err
		case resp.Term > term:
			return fmt.Errorf("it is in term %d, beyond %d", resp.Term, term)
		case resp.Success:
			x.mu.Lock()
			x.told[id] = uint64(len(b.log))
			x.mu.Unlock()
			return nil
		case next == 0:
			return errors.New("it refuses the log from its begin")
		}
		next = min(next-1, resp.LastLog)
	}
	return errors.New("no place was found from which it agrees")
}

// becomes makes a branch the order that the traitor holds itself.
func (b *branch) becomes() {
	b.x.mu.Lock()
	defer b.x.mu.Unlock()
	b.x.log = slices.Clone(b.log)
}

// call asks an honest node.
func (x *traitor) call(to, name string, req []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(x.t.Context(), 5*time.Second)
	defer cancel()
	return x.host.Call(ctx, to, name, req)
}

// echo says to some that it holds these sizes under these roots.
func (x *traitor) echo(to string, marks ...mark) error {
	req := []byte{1, byte(len(marks))}
	for _, m := range marks {
		req = binary.BigEndian.AppendUint64(req, m.size)
		req = append(req, m.root[:]...)
	}
	_, err := x.call(to, certify.EchoProtocol, req)
	return err
}

// signed is a checkpoint with both of the traitor's signatures.
func (x *traitor) signed(m mark, at time.Time) []byte {
	x.t.Helper()
	c := checkpoint.Checkpoint{Origin: x.doc.Network, Size: m.size, Root: m.root}
	cosig, err := checkpoint.Cosign(c, statement.Region(x.id), at, x.cosign)
	if err != nil {
		x.t.Fatal(err)
	}
	line, err := checkpoint.SignLog(c, x.node)
	if err != nil {
		x.t.Fatal(err)
	}
	return checkpoint.Assemble(c, []string{cosig.Line, line}).Bytes()
}

// push gives notes to a node, as co-signatures travel.
func (x *traitor) push(to string, notes ...[]byte) error {
	req := []byte{1, byte(len(notes))}
	for _, n := range notes {
		req = binary.BigEndian.AppendUint32(req, uint32(len(n)))
		req = append(req, n...)
	}
	_, err := x.call(to, certify.CosignProtocol, req)
	return err
}

// vouch echoes and co-signs a mark to some.
func (x *traitor) vouch(m mark, to ...string) {
	x.t.Helper()
	note := x.signed(m, time.Now())
	for _, id := range to {
		if err := errors.Join(x.echo(id, m), x.push(id, note)); err != nil {
			x.t.Fatalf("%s vouches to %s: %v", x.id, id, err)
		}
	}
}

// notesIn are the notes of a push.
func notesIn(push []byte) (out [][]byte) {
	for b := push[2:]; len(b) >= 4; {
		n := binary.BigEndian.Uint32(b)
		out, b = append(out, bytes.Clone(b[4:4+n])), b[4+n:]
	}
	return out
}
