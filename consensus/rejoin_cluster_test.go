package consensus

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger"
)

// history is every block that some ledger has applied, as its peers' ledgers
// would hand it out to one who is behind.
type history struct {
	mu     sync.Mutex
	blocks map[uint64]pastBlock
}

type pastBlock struct {
	pos ledger.Position
	raw []byte
}

// recording is a ledger that keeps the history.
type recording struct {
	Ledger
	history *history
}

func (r recording) Apply(pos ledger.Position, raw []byte) (ledger.Applied, error) {
	out, err := r.Ledger.Apply(pos, raw)
	if err == nil && out.Refused == "" {
		r.history.mu.Lock()
		defer r.history.mu.Unlock()
		if r.history.blocks == nil {
			r.history.blocks = map[uint64]pastBlock{}
		}
		r.history.blocks[pos.Index] = pastBlock{pos, slices.Clone(raw)}
	}
	return out, err
}

// catchUp brings a member's ledger, which is open, up to the last block that is
// at or below an entry, and gives that block's position.
func (m *member) catchUp(to uint64) ledger.Position {
	m.c.t.Helper()
	m.c.history.mu.Lock()
	defer m.c.history.mu.Unlock()
	var indexes []uint64
	for i := range m.c.history.blocks {
		if i <= to && i > m.ledger.Head().Applied.Index {
			indexes = append(indexes, i)
		}
	}
	slices.Sort(indexes)
	for _, i := range indexes {
		b := m.c.history.blocks[i]
		if _, err := m.ledger.Apply(b.pos, b.raw); err != nil {
			m.c.t.Fatalf("%s: catching up: %v", m.id, err)
		}
	}
	return m.ledger.Head().Applied
}

// wipe takes away all that a member has on its data disk; with keys, the marker too.
func (m *member) wipe(keys bool) {
	m.c.t.Helper()
	m.disk = vfs.NewMem()
	if err := os.RemoveAll(filepath.Join(m.dir, "data")); err != nil {
		m.c.t.Fatal(err)
	}
	if keys {
		if err := os.RemoveAll(filepath.Join(m.dir, "founded")); err != nil {
			m.c.t.Fatal(err)
		}
	}
}

// adopt catches a member that is down up to an entry and lets Raft begin there.
func (m *member) adopt(to uint64, rejoin bool) {
	m.c.t.Helper()
	if err := m.tryAdopt(to, rejoin); err != nil {
		m.c.t.Fatalf("%s: adopting: %v", m.id, err)
	}
}

func (m *member) tryAdopt(to uint64, rejoin bool) error {
	m.c.t.Helper()
	m.openLedger()
	defer m.closeLedger()
	c := m.config()
	if err := c.Transport.(*wire).Close(); err != nil { // nobody listens
		m.c.t.Fatal(err)
	}
	c.Transport = nil
	return Adopt(c, m.catchUp(to), rejoin)
}

// peerTerm asks as a node would over the wires.
func (m *member) peerTerm(_ context.Context, id string) (uint64, error) {
	for _, o := range m.c.members {
		if o.id != id {
			continue
		}
		if _, err := m.c.wires.route(m.addr(), o.addr(), nil); err != nil {
			return 0, err
		}
		if n := o.live.Load(); n != nil {
			return n.Term(), nil
		}
	}
	return 0, errors.New("it is down")
}

func (m *member) leaderFrontier(ctx context.Context, adopted uint64) (uint64, error) {
	for _, o := range m.c.members {
		n := o.live.Load()
		if _, err := m.c.wires.route(m.addr(), o.addr(), nil); n == nil || err != nil && o != m {
			continue
		}
		if index, err := n.Frontier(ctx, adopted); err == nil {
			return index, nil
		}
	}
	return 0, ErrNotLeader
}

// applied is where a member that runs stands.
func (m *member) applied() uint64 { return m.ledger.Head().Applied.Index }
