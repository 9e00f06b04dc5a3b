package catchup

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// patience is how long a test waits for what has to happen.
const patience = 30 * time.Second

// checker is one for all ledgers: signatures are not what these tests are about.
var checker = statement.NewChecker(1 << 17)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

var testKeys sync.Map // by name; making one takes as long as signing

// testKey is the same key for the same name, always.
func testKey(name string) ed25519.PrivateKey {
	key, is := testKeys.Load(name)
	if !is {
		seed := sha256.Sum256([]byte("catchup test key " + name))
		key, _ = testKeys.LoadOrStore(name, ed25519.NewKeyFromSeed(seed[:]))
	}
	return key.(ed25519.PrivateKey)
}

// network is four validators and an observer, with all their keys.
type network struct {
	doc *genesis.Document
	id  statement.NetworkID
}

const origin = "catchup.test"

var validators = []string{"XA", "XB", "XC", "XD"}

func newNetwork(t testing.TB, ids ...string) *network {
	t.Helper()
	if len(ids) == 0 {
		ids = validators
	}
	doc := &genesis.Document{
		Format: genesis.Format, Network: origin, Created: "2021-01-01T00:00:00Z",
		ProtocolLevel: genesis.ProtocolLevel, Policy: genesis.DefaultPolicy(),
	}
	for i, id := range append(slices.Clone(ids), "XO") {
		key := func(use string) genesis.Key {
			return genesis.Key(testKey(id + "/" + use).Public().(ed25519.PublicKey))
		}
		role := genesis.Validator
		if id == "XO" {
			role = genesis.Observer
		}
		doc.Authorities = append(doc.Authorities, genesis.Authority{
			ID: statement.Region(id), Name: "Region " + id, Role: role,
			Keys:      genesis.Keys{Governance: key("governance"), Statement: key("statement"), Node: key("node"), Cosign: key("cosign")},
			Addresses: []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", 4001+i)},
		})
	}
	if err := doc.Check(); err != nil {
		t.Fatalf("founding document: %v", err)
	}
	documents.Store(doc.ID(), doc)
	return &network{doc: doc, id: doc.ID()}
}

var documents sync.Map // of all test networks, by id

// docOf is the founding document of a ledger's network.
func docOf(l Ledger) *genesis.Document {
	v := l.View()
	n, err := v.State().Network()
	if err := errors.Join(err, v.Close()); err != nil {
		panic(err)
	}
	doc, _ := documents.Load(n.ID)
	return doc.(*genesis.Document)
}

func (n *network) open(t testing.TB, fs vfs.FS) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(n.doc, ledger.Options{Dir: "ledger", FS: fs, CacheBytes: 8 << 20, MemTableBytes: 4 << 20, Checker: checker, Logger: quiet})
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	return l
}

// opened is a ledger in memory that is closed with the test.
func (n *network) opened(t testing.TB) *ledger.Ledger {
	t.Helper()
	l := n.open(t, vfs.NewMem())
	t.Cleanup(func() { closeLedger(t, l) })
	return l
}

func closeLedger(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

func (n *network) sign(t testing.TB, by string, revision uint64, body statement.Body) []byte {
	t.Helper()
	key := testKey(by + "/statement")
	if body.Kind().ByNode() {
		key = testKey(by + "/node")
	}
	v, err := statement.Sign(statement.Statement{Issuer: statement.Region(by), Network: n.id, Revision: revision, IssuedAt: 1_600_000_000, Body: body}, key)
	if err != nil {
		t.Fatalf("signing a %s: %v", body.Kind(), err)
	}
	return v.Raw()
}

// risk declares the i-th area at risk, with so much said about it.
func (n *network) risk(t testing.TB, i int, reason int) ledger.Candidate {
	t.Helper()
	by := validators[i%4]
	return ledger.Candidate{Raw: n.sign(t, by, 1, &statement.DeclareRisk{RiskLevel: statement.RiskLevel{
		Area: statement.Area(fmt.Sprintf("%s-%06d", by, i)), Scheme: "default", Level: "high", From: 1_600_000_000, Lookback: 14, LegalRef: strings.Repeat("x", reason),
	}})}
}

// certificate registers the i-th certificate, of 8,000 bytes.
func (n *network) certificate(t testing.TB, i int) ledger.Candidate {
	t.Helper()
	der := binary.BigEndian.AppendUint64(make([]byte, 0, 8000), uint64(i))
	return ledger.Candidate{Raw: n.sign(t, "XA", 1, &statement.RegisterKey{PublicKey: der[:8], Certificate: der[:8000], KeyID: der[:8]})}
}

// revoke revokes count hashes, which come as an attachment.
func (n *network) revoke(t testing.TB, from, count int, expires statement.Time) ledger.Candidate {
	t.Helper()
	hashes := make([]statement.RevocationHash, count)
	for i := range hashes {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("hash "), uint64(from+i)))
		hashes[i] = statement.RevocationHash(sum[:statement.HashSize])
	}
	a := statement.NewAttachment(hashes)
	return ledger.Candidate{Raw: n.sign(t, "XB", 0, &statement.Revoke{Batch: statement.NewBatch(statement.HashSignature, a, expires, "test")}), Attachment: a}
}

// chain is a ledger in the making, by Raft's order.
type chain struct {
	*network
	l     *ledger.Ledger
	term  uint64
	index uint64
	made  int // statements
	time  int64
}

const startTime = 1_700_000_000_000 // Unix milliseconds

func (n *network) chain(t testing.TB) *chain {
	return &chain{network: n, l: n.opened(t), term: 1, index: 10, time: startTime}
}

// seal makes a block of cs on the chain's head.
func (c *chain) seal(t testing.TB, by string, cs ...ledger.Candidate) []byte {
	t.Helper()
	head := c.l.Head()
	c.time += 5
	var statements, attachments [][]byte
	for _, x := range cs {
		statements = append(statements, x.Raw)
		if x.Attachment != nil {
			attachments = append(attachments, x.Attachment)
		}
	}
	raw, err := block.Seal(block.Header{
		Network: c.id, Term: c.term, Size: head.Size, Root: head.Root, Time: c.time, Proposer: statement.Region(by),
	}, statements, attachments, testKey(by+"/node"))
	if err != nil {
		t.Fatalf("sealing: %v", err)
	}
	return raw
}

// apply applies a block in the next entry of the order.
func (c *chain) apply(t testing.TB, raw []byte) {
	t.Helper()
	c.index += 1 + c.index%3 // some entries hold no block
	a, err := c.l.Apply(ledger.Position{Index: c.index, Term: c.term}, raw)
	if err != nil || a.Refused != "" {
		t.Fatalf("applying: %s %s %v", a.Refused, a.Detail, err)
	}
}

func (c *chain) add(t testing.TB, cs ...ledger.Candidate) {
	t.Helper()
	c.apply(t, c.seal(t, validators[int(c.index)%4], cs...))
}

// risks adds n declarations in blocks of so many.
func (c *chain) risks(t testing.TB, n, perBlock int) {
	t.Helper()
	for n > 0 {
		var cs []ledger.Candidate
		for range min(n, perBlock) {
			cs = append(cs, c.risk(t, c.made, 0))
			c.made++
		}
		n -= len(cs)
		c.add(t, cs...)
	}
}

// sealState adds a seal of the state.
func (c *chain) sealState(t testing.TB, at statement.Time) {
	t.Helper()
	c.time = max(c.time, int64(at)*1000)
	s, err := c.l.MakeSeal(statement.Time((c.time + 5) / 1000))
	if err != nil {
		t.Fatal(err)
	}
	c.add(t, ledger.Candidate{Raw: c.sign(t, "XA", 0, &s)})
}

// certified is a checkpoint co-signed by some validators, a quorum at least.
func (n *network) certified(t testing.TB, cp checkpoint.Checkpoint, at time.Time, by ...string) *checkpoint.Note {
	t.Helper()
	var lines []string
	for _, id := range by {
		s, err := checkpoint.Cosign(cp, statement.Region(id), at, testKey(id+"/cosign"))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, s.Line)
	}
	return checkpoint.Assemble(cp, lines)
}

// certify certifies the chain's head.
func (c *chain) certify(t testing.TB) *checkpoint.Certified {
	t.Helper()
	head := c.l.Head()
	v := c.l.View()
	vs, err := v.State().Validators()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	note := c.certified(t, checkpoint.Checkpoint{Origin: origin, Size: head.Size, Root: head.Root}, time.UnixMilli(c.time), "XA", "XB", "XC")
	cert, err := note.Certify(vs)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.l.Certify(cert); err != nil {
		t.Fatal(err)
	}
	return cert
}

// fault stands between a caller and a peer: it may change what is asked, what
// is answered, and when.
type fault func(ctx context.Context, name string, req []byte, next func([]byte) ([]byte, error)) ([]byte, error)

// wires are peers in memory.
type wires struct {
	mu     sync.Mutex
	peers  map[string]func(ctx context.Context, name string, req []byte) ([]byte, error)
	faults map[string]fault
	calls  map[string]int // by peer and name
	most   int            // calls in progress at once, at most
	now    int
}

func newWires() *wires {
	return &wires{peers: map[string]func(context.Context, string, []byte) ([]byte, error){}, faults: map[string]fault{}, calls: map[string]int{}}
}

// serve lets a peer of that name serve a ledger.
func (w *wires) serve(source Source, names ...string) *wires {
	for _, name := range names {
		s := NewServer(ServerConfig{Source: source, BytesPerSecond: -1})
		w.peers[name] = func(ctx context.Context, protocol string, req []byte) ([]byte, error) {
			return s.Serve(ctx, protocol, "XJ", req)
		}
	}
	return w
}

func (w *wires) fault(name string, f fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[name] = f
}

func (w *wires) Members() []string { return slices.Sorted(maps.Keys(w.peers)) }

func (w *wires) Call(ctx context.Context, to, name string, req []byte) ([]byte, error) {
	w.mu.Lock()
	w.calls[to+" "+name]++
	w.now++
	w.most = max(w.most, w.now)
	f, serve := w.faults[to], w.peers[to]
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.now--
		w.mu.Unlock()
	}()
	next := func(req []byte) ([]byte, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return serve(ctx, name, req)
	}
	if f != nil {
		return f(ctx, name, req, next)
	}
	return next(req)
}

// called is how often a peer was called, or with its name, a space and that of a call, by it.
func (w *wires) called(to string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, calls := range w.calls {
		if strings.HasPrefix(key+" ", to+" ") {
			n += calls
		}
	}
	return n
}

// config is for tests: what goes wrong is found out soon.
func config(l Ledger, net Net) Config {
	return Config{
		Ledger: l, Net: net, Doc: docOf(l), Logger: quiet, ProgressEvery: 5 * time.Millisecond,
		CallTimeout: 2 * time.Second, Hedge: 40 * time.Millisecond, Rest: 2 * time.Millisecond, MaxRest: 50 * time.Millisecond,
	}
}

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// mustRun is mustReach, and a check of the whole ledger.
func mustRun(t testing.TB, cfg Config, l *ledger.Ledger, c *chain) Result {
	t.Helper()
	result := mustReach(t, cfg, l, c)
	same(t, l, c)
	return result
}

// mustReach runs to the end, and checks that the ledger is where the chain is.
func mustReach(t testing.TB, cfg Config, l *ledger.Ledger, c *chain) Result {
	t.Helper()
	result, err := Run(testContext(t), cfg)
	if err != nil {
		t.Fatalf("catching up: %v", err)
	}
	sameHead(t, l, c)
	return result
}

func sameHead(t testing.TB, l *ledger.Ledger, c *chain) {
	t.Helper()
	if got, want := l.Head(), c.l.Head(); got.Size != want.Size || got.Root != want.Root || got.Time != want.Time {
		t.Fatalf("the ledger is at %+v, want %+v", got, want)
	}
}

// same checks that a ledger is whole and has what the chain has.
func same(t testing.TB, l *ledger.Ledger, c *chain) {
	t.Helper()
	sameHead(t, l, c)
	if err := l.Check(context.Background()); err != nil {
		t.Fatalf("check: %v", err)
	}
}

// noLeaks fails the test if goroutines that it started go on after it.
func noLeaks(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		until := time.Now().Add(5 * time.Second)
		for runtime.NumGoroutine() > before {
			if time.Now().After(until) {
				buf := make([]byte, 1<<20)
				t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
}
