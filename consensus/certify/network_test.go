package certify

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// testLog shows what nodes log, on request.
func testLog() *slog.Logger {
	if os.Getenv("CERTIFY_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

// testKey is the same key for the same name, always.
func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("certify test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

const testOrigin = "test.example"

// testDoc founds a network of validators XA, XB, … and an observer XZ.
var testDoc = sync.OnceValue(func() *genesis.Document { return makeDoc(4) })

func makeDoc(validators int) *genesis.Document {
	doc := &genesis.Document{
		Format: genesis.Format, Network: testOrigin, Created: "2021-01-01T00:00:00Z",
		ProtocolLevel: genesis.ProtocolLevel, Policy: genesis.DefaultPolicy(),
	}
	add := func(id string, role genesis.Role) {
		key := func(use string) genesis.Key { return genesis.Key(testKey(id + "/" + use).Public().(ed25519.PublicKey)) }
		doc.Authorities = append(doc.Authorities, genesis.Authority{
			ID: statement.Region(id), Name: "Region " + id, Role: role,
			Keys:      genesis.Keys{Governance: key("governance"), Statement: key("statement"), Node: key("node"), Cosign: key("cosign")},
			Addresses: []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", 4001+len(doc.Authorities))},
		})
	}
	for i := range validators {
		add(fmt.Sprintf("X%c", 'A'+i), genesis.Validator)
	}
	add("XZ", genesis.Observer)
	if err := doc.Check(); err != nil {
		panic(err)
	}
	return doc
}

// checker is one for all tests: statements' signatures are not what they are about.
var checker = statement.NewChecker(100_000)

func openLedger(t testing.TB, doc *genesis.Document, fs vfs.FS) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(doc, ledger.Options{Dir: "ledger", FS: fs, CacheBytes: 1 << 20, MemTableBytes: 1 << 20, Logger: testLog(), Checker: checker})
	if err != nil {
		t.Fatalf("opening a ledger: %v", err)
	}
	return l
}

// chain is an order of blocks, as an honest leader makes it, or a dishonest one.
type chain struct {
	t      testing.TB
	doc    *genesis.Document
	name   string
	ledger *ledger.Ledger // what the order amounts to
	blocks []chained
	next   int
	term   uint64
	time   int64 // of the next block, in milliseconds, at the least
}

type chained struct {
	pos ledger.Position
	raw []byte
	end mark // what the ledger is after it
}

func newChain(t testing.TB, doc *genesis.Document, name string) *chain {
	c := &chain{t: t, doc: doc, name: name, term: 1, ledger: openLedger(t, doc, vfs.NewMem())}
	t.Cleanup(func() {
		if err := c.ledger.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// fork begins another order with the blocks of this one.
func (c *chain) fork(name string) *chain {
	c.t.Helper()
	f := newChain(c.t, c.doc, name)
	for _, b := range c.blocks {
		if _, err := f.ledger.Apply(b.pos, b.raw); err != nil {
			c.t.Fatal(err)
		}
	}
	f.blocks, f.next = slices.Clone(c.blocks), c.next
	return f
}

// add adds a block of n statements, proposed by XA.
func (c *chain) add(n int) mark {
	c.t.Helper()
	var raw [][]byte
	for range n {
		c.next++
		raw = append(raw, c.say("XA/statement", 1, &statement.DeclareRisk{RiskLevel: statement.RiskLevel{
			Area: statement.Area(fmt.Sprintf("XA-%s%d", c.name, c.next)), Scheme: "default", Level: "high", From: 1_600_000_000, Lookback: 14,
		}}))
	}
	return c.block(raw)
}

// say signs a statement of XA.
func (c *chain) say(key string, revision uint64, body statement.Body) []byte {
	c.t.Helper()
	v, err := statement.Sign(statement.Statement{
		Issuer: "XA", Network: c.doc.ID(), Revision: revision, IssuedAt: 1_600_000_000, Body: body,
	}, testKey(key))
	if err != nil {
		c.t.Fatal(err)
	}
	return v.Raw()
}

func (c *chain) block(raw [][]byte) mark {
	c.t.Helper()
	head := c.ledger.Head()
	sealed, err := block.Seal(block.Header{
		Network: c.doc.ID(), Term: c.term, Size: head.Size, Root: head.Root, Time: max(head.Time+1, c.time), Proposer: "XA",
	}, raw, nil, testKey("XA/node"))
	if err != nil {
		c.t.Fatal(err)
	}
	pos := ledger.Position{Index: uint64(len(c.blocks)) + 1, Term: c.term}
	out, err := c.ledger.Apply(pos, sealed)
	if err != nil || out.Refused != "" {
		c.t.Fatalf("a block: %+v, %v", out, err)
	}
	head = c.ledger.Head()
	m := mark{head.Size, head.Root}
	c.blocks = append(c.blocks, chained{pos, sealed, m})
	return m
}

// header is the signed header of the i-th block.
func (c *chain) header(i int) block.HeaderProof {
	c.t.Helper()
	s, err := block.Parse(c.blocks[i].raw)
	if err != nil {
		c.t.Fatal(err)
	}
	return s.Proof()
}

// member is one node of a test: its disks outlive its runs.
type member struct {
	w      *world
	id     string
	fs     *vfs.MemFS
	disk   *memDisk
	ledger *ledger.Ledger
	cert   *Certifier // nil while it is down
	evil   bool       // it is the test's puppet: nothing is asked of it
	serve  func(from, name string, req []byte) ([]byte, error)

	keys   []string              // versions of its keys, the present one first; none: the founding ones
	origin string                // that its certifier was started for
	joins  bool                  // Joins is called as it starts
	ran    bool                  // Config.Ran
	kept   *checkpoint.Certified // where validators change: in place of the ledger's
	may    func() error
	skew   atomic.Int64 // of its clock, a time.Duration
	convMu sync.Mutex
	proofs []evidence.Proof
}

// world is a network of nodes in one process, with one order of blocks.
type world struct {
	t       testing.TB
	doc     *genesis.Document
	chain   *chain
	members map[string]*member
	ids     []string
	tune    func(*Config)

	mu      sync.Mutex
	eras    []era                   // where validators change; none: as the ledger says
	also    []checkpoint.Validators // whose signatures are watched too
	rng     *rand.Rand
	cut     map[[2]string]bool
	leader  string
	faults  faults
	vouched map[string][]vouch // what left each honest node, signed with its key
	finals  map[uint64]checkpoint.Checkpoint
	blind   bool // nothing is watched: for benchmarks
	lost    bool // a third and more are dishonest: two histories may be certified
	bad     []string
	calls   int
}

// faults are what messages suffer, each with a chance of so many in a hundred.
type faults struct {
	loss, twice int
	delay       time.Duration // at most; 0: none
}

// vouch is a co-signature that was seen on the wire.
type vouch struct {
	mark
	at int64
}

func newWorld(t testing.TB, doc *genesis.Document, seed uint64) *world {
	w := &world{t: t, doc: doc, chain: newChain(t, doc, ""), members: map[string]*member{}, rng: rand.New(rand.NewPCG(seed, 7)),
		cut: map[[2]string]bool{}, leader: "XA", vouched: map[string][]vouch{}, finals: map[uint64]checkpoint.Checkpoint{}}
	for _, a := range doc.Authorities {
		id := string(a.ID)
		w.ids = append(w.ids, id)
		w.members[id] = &member{w: w, id: id, fs: vfs.NewCrashableMem(), disk: newMemDisk()}
	}
	return w
}

// start starts the named nodes, or all.
func (w *world) start(ids ...string) {
	w.t.Helper()
	if len(ids) == 0 {
		ids = w.ids
	}
	for _, id := range ids {
		if err := w.members[id].start(); err != nil {
			w.t.Fatalf("%s: %v", id, err)
		}
	}
}

func (m *member) config() Config {
	told := map[string]bool{} // in this run
	c := Config{
		Self: statement.Region(m.id), Origin: testOrigin, Network: m.w.doc.ID(), Ledger: m.ledger, Net: m,
		Cosign: testKey(m.id + "/cosign"), Node: testKey(m.id + "/node"), SignerPath: "keys/signer", disk: m.disk,
		Leads: func() bool { return m.w.leads(m.id) }, Logger: testLog().With("node", m.id),
		Now: func() time.Time { return time.Now().Add(time.Duration(m.skew.Load())) }, May: m.may,
		OnEvidence: func(p evidence.Proof) error {
			m.convMu.Lock()
			defer m.convMu.Unlock()
			m.proofs = append(m.proofs, p)
			if k := fmt.Sprintf("%s %s", p.Culprit(), p.Kind()); told[k] {
				m.w.fault("F8: %s was told twice of %s", m.id, k)
			} else {
				told[k] = true
			}
			return nil
		},
	}
	if len(m.w.eras) > 0 {
		m.elects(&c)
	}
	if m.w.tune != nil {
		m.w.tune(&c)
	}
	return c
}

func (m *member) start() error {
	if m.ledger == nil {
		m.ledger = openLedger(m.w.t, m.w.doc, m.fs)
	}
	c, err := Open(m.config())
	if err != nil {
		return err
	}
	if m.joins {
		c.Joins()
	}
	m.w.mu.Lock()
	m.cert = c
	m.w.mu.Unlock()
	return nil
}

func (m *member) running() *Certifier {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	return m.cert
}

// stop ends a node in good order.
func (m *member) stop() {
	m.w.t.Helper()
	c := m.running()
	m.w.mu.Lock()
	m.cert = nil
	m.w.mu.Unlock()
	if c != nil {
		if err := c.Close(); err != nil {
			m.w.t.Errorf("%s: closing: %v", m.id, err)
		}
	}
	if m.ledger != nil {
		if err := m.ledger.Close(); err != nil {
			m.w.t.Errorf("%s: closing the ledger: %v", m.id, err)
		}
		m.ledger = nil
	}
}

// crash ends a node as a power failure does: of what was not synced some is lost.
func (m *member) crash(rng *rand.Rand) {
	fs := m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 30, RNG: rng})
	disk := m.disk.crashed(rng)
	m.stop() // it goes on writing to disks that nobody reads any more
	m.fs, m.disk = fs, disk
}

func (w *world) stop() {
	for _, id := range w.ids {
		w.members[id].stop()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.bad {
		w.t.Error(b)
	}
}

func (w *world) leads(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.leader == id
}

// apply has nodes apply the order as far as it goes.
func (w *world) apply(ids ...string) {
	w.t.Helper()
	if len(ids) == 0 {
		ids = w.ids
	}
	for _, id := range ids {
		w.members[id].follow(w.chain)
	}
}

// follow applies what a chain has after what this ledger has.
func (m *member) follow(c *chain) {
	m.w.t.Helper()
	if m.ledger == nil {
		return
	}
	for _, b := range c.blocks {
		if b.pos.Index <= m.ledger.Head().Applied.Index {
			continue
		}
		if out, err := m.ledger.Apply(b.pos, b.raw); err != nil || out.Refused != "" {
			m.w.t.Fatalf("%s: applying %v: %+v, %v", m.id, b.pos, out, err)
		}
	}
}

var errUnreachable = errors.New("unreachable")

// Members implements Net.
func (m *member) Members() []string {
	return slices.DeleteFunc(slices.Clone(m.w.ids), func(id string) bool { return id == m.id })
}

// Call implements Net, with the world's faults.
func (m *member) Call(ctx context.Context, to, name string, req []byte) ([]byte, error) {
	return m.w.call(ctx, m.id, to, name, req)
}

func (w *world) call(ctx context.Context, from, to, name string, req []byte) ([]byte, error) {
	w.mu.Lock()
	f := w.faults
	w.calls++
	lost := w.cut[[2]string{from, to}] || w.rng.IntN(100) < f.loss
	twice := w.rng.IntN(100) < f.twice
	var delays [3]time.Duration
	if f.delay > 0 {
		for i := range delays {
			delays[i] = time.Duration(w.rng.Int64N(int64(f.delay)))
		}
	}
	w.mu.Unlock()
	w.watch(from, name, req)
	if lost {
		// A wire that is cut says nothing.
		pause(ctx, callTime)
		return nil, errUnreachable
	}
	if !pause(ctx, delays[0]) {
		return nil, context.Cause(ctx)
	}
	if twice {
		if _, err := w.deliver(ctx, from, to, name, req); err == nil && !pause(ctx, delays[1]) {
			return nil, context.Cause(ctx)
		}
	}
	resp, err := w.deliver(ctx, from, to, name, req)
	if err == nil && name == NewestProtocol && len(resp) > 0 {
		w.watchNote(to, resp)
	}
	if !pause(ctx, delays[2]) {
		return nil, context.Cause(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut[[2]string{to, from}] || w.rng.IntN(100) < f.loss {
		return nil, errUnreachable
	}
	return resp, err
}

func (w *world) deliver(ctx context.Context, from, to, name string, req []byte) ([]byte, error) {
	m := w.members[to]
	w.mu.Lock()
	c, serve := m.cert, m.serve
	w.mu.Unlock()
	if serve != nil {
		return serve(from, name, req)
	}
	if c == nil {
		return nil, errUnreachable
	}
	voter := slices.ContainsFunc(w.doc.Authorities, func(a genesis.Authority) bool {
		return string(a.ID) == from && a.Role == genesis.Validator
	})
	return c.Serve(ctx, name, from, voter, req)
}

// isolate cuts, or mends, all wires of a node.
func (w *world) isolate(id string, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.ids {
		w.cut[[2]string{id, o}], w.cut[[2]string{o, id}] = cut, cut
	}
}

// watch looks at what leaves an honest node, lost or not.
func (w *world) watch(from, name string, req []byte) {
	if name != CosignProtocol || w.blind {
		return
	}
	notes, err := decodePush(req)
	if err != nil {
		w.fault("%s sent a push that is none: %v", from, err)
		return
	}
	for _, n := range notes {
		w.watchNote(from, n.Bytes())
	}
}

// watchNote holds every signature on the wire against F2, and every certified
// checkpoint against every other.
func (w *world) watchNote(_ string, raw []byte) {
	n, err := checkpoint.ParseNote(raw)
	if err != nil {
		return // of a puppet
	}
	for _, s := range n.Lines {
		for _, vs := range w.allSets() {
			cosig, err := vs.VerifyCosignature(n.Checkpoint, s)
			if err != nil || w.members[string(cosig.By)].evil {
				continue
			}
			w.saw(string(cosig.By), n.Checkpoint.Origin, vouch{mark{n.Checkpoint.Size, n.Checkpoint.Root}, cosig.At.Unix()})
		}
	}
}

func (w *world) validators() checkpoint.Validators {
	var vs checkpoint.Validators
	for _, a := range w.doc.Authorities {
		if a.Role == genesis.Validator {
			vs = append(vs, checkpoint.Validator{ID: a.ID, Cosign: a.Keys.Cosign[:], Node: a.Keys.Node[:]})
		}
	}
	return vs
}

func (w *world) saw(by, origin string, v vouch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	by += strings.TrimPrefix(origin, testOrigin) // each lineage is a log of its own
	if slices.Contains(w.vouched[by], v) {
		return
	}
	for _, o := range w.vouched[by] {
		switch {
		case o.size == v.size && o.root != v.root:
			w.bad = append(w.bad, fmt.Sprintf("F2: honest %s signed two roots at size %d", by, v.size))
		case o.at < v.at && o.size > v.size, o.at > v.at && o.size < v.size:
			w.bad = append(w.bad, fmt.Sprintf("F2: honest %s signed size %d at %d and size %d at %d", by, o.size, o.at, v.size, v.at))
		}
	}
	w.vouched[by] = append(w.vouched[by], v)
}

func (w *world) fault(format string, a ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bad = append(w.bad, fmt.Sprintf(format, a...))
}

// check holds the final checkpoints of all honest nodes against one another,
// and against their ledgers (F4).
func (w *world) check() {
	w.t.Helper()
	for _, id := range w.ids {
		m := w.members[id]
		c := m.running()
		if c == nil || m.evil {
			continue
		}
		x := c.Final()
		if x == nil {
			continue
		}
		at := x.Checkpoint()
		w.mu.Lock()
		was, known := w.finals[at.Size]
		w.finals[at.Size] = at
		w.mu.Unlock()
		if known && was != at && !w.lost {
			w.fault("two certified checkpoints at size %d: roots %x and %x", at.Size, was.Root, at.Root)
		}
		if f, ok, err := c.at(at.Size); err != nil || !ok || f.root != at.Root {
			w.fault("%s calls size %d final, and its ledger says otherwise: %v", id, at.Size, err)
		}
		w.checkQuorums(m, x)
		if v, release, ok := c.FinalView(); ok {
			if v.Head().Size > at.Size {
				w.fault("%s shows size %d as final, and %d is", id, v.Head().Size, at.Size)
			}
			release()
		}
	}
}

// wait waits until a condition holds, and fails after a minute of the test's time.
func (w *world) wait(what string, cond func() bool) {
	w.t.Helper()
	for range 60_000 / 5 {
		if cond() {
			w.check()
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	for _, id := range w.ids {
		if c := w.members[id].running(); c != nil {
			s := c.Status()
			w.t.Logf("%s: head %d, signed %d, final %d, why %q, not final %q", id, s.Head, s.Signed, finalSize(c), s.Why, s.NotFinal)
		}
	}
	w.t.Fatalf("waited in vain until %s", what)
}

func finalSize(c *Certifier) uint64 {
	if x := c.Final(); x != nil {
		return x.Checkpoint().Size
	}
	return 0
}

// final waits until nodes call a size final.
func (w *world) final(size uint64, ids ...string) {
	w.t.Helper()
	if len(ids) == 0 {
		ids = w.ids
	}
	for _, id := range ids {
		w.wait(fmt.Sprintf("%s calls size %d final", id, size), func() bool {
			c := w.members[id].running()
			return c != nil && finalSize(c) >= size
		})
	}
}

// convicted gives what a node was told of whom.
func (m *member) convicted() map[string]bool {
	m.convMu.Lock()
	defer m.convMu.Unlock()
	out := map[string]bool{}
	for _, p := range m.proofs {
		out[fmt.Sprintf("%s %s", p.Culprit(), p.Kind())] = true
	}
	return out
}
