package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// quiet drops what a store says while a test breaks it.
var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// testKey is the same key for the same name, always.
func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("ledger test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func testHash(n int) statement.RevocationHash {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("hash "), uint64(n)))
	return statement.RevocationHash(sum[:statement.HashSize])
}

func testHashes(from, n int) []statement.RevocationHash {
	out := make([]statement.RevocationHash, n)
	for i := range out {
		out[i] = testHash(from + i)
	}
	return out
}

// network is four validators and an observer, with all their keys.
type network struct {
	doc *genesis.Document
	id  statement.NetworkID
}

var validators = []statement.Region{"XA", "XB", "XC", "XD"}

const observer statement.Region = "XE"

func newNetwork(t testing.TB, name string) *network {
	t.Helper()
	doc := &genesis.Document{
		Format: genesis.Format, Network: name, Created: "2021-01-01T00:00:00Z",
		ProtocolLevel: genesis.ProtocolLevel, Policy: genesis.DefaultPolicy(),
	}
	for i, id := range append(validators[:4:4], observer) {
		key := func(use state.Use) genesis.Key {
			return genesis.Key(testKey(fmt.Sprintf("%s/%s", id, use)).Public().(ed25519.PublicKey))
		}
		role := genesis.Validator
		if id == observer {
			role = genesis.Observer
		}
		doc.Authorities = append(doc.Authorities, genesis.Authority{
			ID: id, Name: "Region " + string(id), Role: role,
			Keys:      genesis.Keys{Governance: key(state.Governance), Statement: key(state.Statements), Node: key(state.Node), Cosign: key(state.Cosign)},
			Addresses: []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", 4001+i)},
		})
	}
	if err := doc.Check(); err != nil {
		t.Fatalf("founding document: %v", err)
	}
	return &network{doc: doc, id: doc.ID()}
}

func (n *network) statement(t testing.TB, by statement.Region, revision uint64, body statement.Body) *statement.Verified {
	t.Helper()
	v, err := statement.Sign(statement.Statement{
		Issuer: by, Network: n.id, Revision: revision, IssuedAt: 1_600_000_000, Body: body,
	}, testKey(string(by)+"/statement"))
	if err != nil {
		t.Fatalf("signing a %s: %v", body.Kind(), err)
	}
	return v
}

// say is a statement of by as a candidate.
func (n *network) say(t testing.TB, by statement.Region, revision uint64, body statement.Body) Candidate {
	t.Helper()
	return Candidate{Raw: n.statement(t, by, revision, body).Raw()}
}

// revoke is a batch of revocation hashes as a candidate.
func (n *network) revoke(t testing.TB, by statement.Region, hashes []statement.RevocationHash, reason string) Candidate {
	t.Helper()
	a := statement.NewAttachment(hashes)
	body := &statement.Revoke{Batch: statement.NewBatch(statement.HashSignature, a, 2_000_000_000, reason)}
	return Candidate{Raw: n.statement(t, by, 0, body).Raw(), Attachment: a}
}

// seal makes a block of cs on head, proposed by XA in the given term.
func (n *network) seal(t testing.TB, head Head, term uint64, cs ...Candidate) []byte {
	t.Helper()
	return n.sealAs(t, block.Header{
		Network: n.id, Term: term, Size: head.Size, Root: head.Root, Time: head.Time + 5, Proposer: "XA",
	}, testKey("XA/node"), cs...)
}

func (n *network) sealAs(t testing.TB, h block.Header, key ed25519.PrivateKey, cs ...Candidate) []byte {
	t.Helper()
	var statements, attachments [][]byte
	for _, c := range cs {
		statements = append(statements, c.Raw)
		if c.Attachment != nil {
			attachments = append(attachments, c.Attachment)
		}
	}
	raw, err := block.Seal(h, statements, attachments, key)
	if err != nil {
		t.Fatalf("sealing: %v", err)
	}
	return raw
}

// small are options under which a few statements already fill tables.
func small(fs vfs.FS) Options {
	return Options{Dir: "ledger", FS: fs, CacheBytes: 1 << 20, MemTableBytes: 256 << 10, Logger: quiet}
}

func (n *network) open(t testing.TB, o Options) *Ledger {
	t.Helper()
	l, err := Open(n.doc, o)
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	return l
}

func closeLedger(t testing.TB, l *Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatalf("closing: %v", err)
	}
}

// must applies an entry that has to be applied.
func must(t testing.TB, l *Ledger, pos Position, raw []byte) Applied {
	t.Helper()
	a, err := l.Apply(pos, raw)
	if err != nil {
		t.Fatalf("applying %v: %v", pos, err)
	}
	if a.Refused != "" {
		t.Fatalf("applying %v: %s: %s", pos, a.Refused, a.Detail)
	}
	return a
}

func check(t testing.TB, l *Ledger) {
	t.Helper()
	if err := l.Check(t.Context()); err != nil {
		t.Fatalf("check: %v", err)
	}
}

// digest is SHA-256 over the whole state, keys and values with their lengths.
func digest(t testing.TB, r state.Reader) [32]byte {
	t.Helper()
	h := sha256.New()
	err := r.Scan(nil, func(k, v []byte) (bool, error) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(k))))
		h.Write(k)
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(v))))
		h.Write(v)
		return true, nil
	})
	if err != nil {
		t.Fatalf("reading the state: %v", err)
	}
	return [32]byte(h.Sum(nil))
}

func stateOf(t testing.TB, l *Ledger) [32]byte {
	t.Helper()
	v := l.View()
	defer closeView(t, v)
	return digest(t, v)
}

func closeView(t testing.TB, v *View) {
	t.Helper()
	if err := v.Close(); err != nil {
		t.Errorf("closing a view: %v", err)
	}
}

// entry is one entry of an order, and where a ledger stands after it.
type entry struct {
	pos    Position
	raw    []byte
	head   Head
	state  [32]byte
	tables [32]byte
	cert   *checkpoint.Certified // of the head; made whether or not a ledger is told of it
}

// story is an order of entries, good and bad ones, as a cluster could make it,
// with what a ledger without faults makes of each.
type story struct {
	net         *network
	entries     []entry
	attachments map[[32]byte][]byte
	checker     *statement.Checker // one for all tellings: signatures are not what they are about
}

// storyBegins is the time of a story's first block; some of its batches expire
// before it ends, and by storyForgets all that ever will.
const (
	storyBegins  statement.Time = 1_600_000_000
	storyForgets                = storyBegins + 500_000
)

func (s *story) options(fs vfs.FS) Options {
	o := small(fs)
	o.Checker = s.checker
	return o
}

func newStory(t testing.TB, seed uint64, length int) *story {
	t.Helper()
	n := newNetwork(t, "story.test")
	s := &story{net: n, checker: statement.NewChecker(10_000), attachments: map[[32]byte][]byte{}}
	r := rand.New(rand.NewPCG(seed, 1))
	l := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, l)
	pos := Position{0, 1}
	hashes := 0
	now := storyBegins
	batch := func() statement.Batch {
		count := 1 + r.IntN(300)
		expires := now + 1_000_000
		if r.IntN(2) == 0 {
			expires = now + statement.Time(r.IntN(200))
		}
		a := statement.NewAttachment(testHashes(max(0, hashes-r.IntN(500)), count))
		hashes += count / 2 // half of them twice
		s.attachments[sha256.Sum256(a)] = a
		return statement.NewBatch(statement.HashSignature, a, expires, "lost")
	}
	for i := range length {
		pos.Index += 1 + r.Uint64N(3)
		now += statement.Time(r.IntN(40))
		if r.IntN(8) == 0 {
			pos.Term++
		}
		head := l.Head()
		v := l.View()
		next := func(by statement.Region, body statement.Body) Candidate {
			rev, err := v.State().Revision(body.Subject(by))
			if err != nil {
				t.Fatal(err)
			}
			return n.say(t, by, rev+1, body)
		}
		var cs []Candidate
		for range 1 + r.IntN(6) {
			by := validators[r.IntN(4)]
			switch r.IntN(8) {
			case 0:
				key := make([]byte, 91)
				binary.BigEndian.PutUint64(key, r.Uint64())
				cs = append(cs, n.say(t, by, 1, &statement.RegisterKey{PublicKey: key, KeyID: key[:8]}))
			case 1, 2:
				b := batch()
				if r.IntN(3) == 0 {
					b.IssuedBefore = storyBegins
				}
				cs = append(cs, Candidate{n.statement(t, by, 0, &statement.Revoke{Batch: b}).Raw(), s.attachments[b.Digest]})
			case 5:
				b := batch()
				cs = append(cs, Candidate{n.statement(t, by, 0, &statement.Reinstate{Batch: b}).Raw(), s.attachments[b.Digest]})
			case 3:
				cs = append(cs, next(by, &statement.DeclareRisk{RiskLevel: statement.RiskLevel{
					Area: statement.Area(fmt.Sprintf("XZ-%d", r.IntN(1000))), Scheme: "default", Level: "high", From: 1_600_000_000, Lookback: 14,
				}}))
			case 4:
				of := validators[r.IntN(4)]
				cs = append(cs, next(by, &statement.Grant{Terms: statement.Terms{Region: of}}),
					next(by, &statement.ChangeGrant{Terms: statement.Terms{Region: of, LegalRef: fmt.Sprint(i)}}))
			case 6: // of one rule there come to be more versions than are kept
				cs = append(cs, next("XA", &statement.PublishRule{Set: statement.DefaultRuleSet, ID: "VR-XA-0001", Version: fmt.Sprintf("1.0.%d", i), From: storyBegins,
					Document: statement.Document{Deflated: fmt.Appendf(nil, "version %d", i), Size: uint64(1 + i)}}))
			case 7:
				cs = append(cs, next(by, storyRule(r.IntN(6), i)))
			}
		}
		closeView(t, v)
		// What would be refused stays out, as with an honest proposer.
		js, err := l.Judge(cs)
		if err != nil {
			t.Fatal(err)
		}
		var good []Candidate
		for i, j := range js {
			if j.Accepted() {
				good = append(good, cs[i])
			}
		}
		var raw []byte
		switch kind := r.IntN(10); {
		case kind == 0 || len(good) == 0:
			// an entry without a block
		case kind == 1:
			raw = []byte("no block at all")
		case kind == 2: // a stale base
			stale := head
			stale.Size++
			raw = n.sealBlock(t, stale, pos.Term, now, good...)
		case kind == 3: // a bad proposer: the same statement twice
			raw = n.sealBlock(t, head, pos.Term, now, append(good, good[0])...)
		case i%4 == 3:
			_, raw = n.sealNow(t, l, pos.Term, now)
		default:
			raw = n.sealBlock(t, head, pos.Term, now, good...)
		}
		if _, err := l.Apply(pos, raw); err != nil {
			t.Fatal(err)
		}
		cert := n.certify(t, l, l.Head().Size, now.Time().Add(time.Second))
		s.entries = append(s.entries, entry{pos, raw, l.Head(), stateOf(t, l), tablesOf(t, l), cert})
	}
	check(t, l)
	return s
}

// storyRule is the so-manyth of the kinds that came with protocol level 3; what it says depends on i.
func storyRule(kind, i int) statement.Body {
	doc := statement.Document{Deflated: fmt.Appendf(nil, "text %d", i), Size: uint64(1 + i)}
	switch kind {
	case 0:
		return &statement.PublishValueSet{ID: "vaccines", Version: fmt.Sprint(i), Document: doc}
	case 1:
		return &statement.RetireValueSet{ID: "vaccines"}
	case 2:
		return &statement.PublishScheme{Name: "default", Levels: []statement.SchemeLevel{{Name: "low"}, {Name: "high", Refuse: true, Lookback: uint64(1 + i%20)}}}
	case 3:
		return &statement.DeclareCase{Name: "crew", Condition: &doc, Reason: "r"}
	case 4:
		return &statement.EndCase{Name: "crew", At: storyBegins}
	}
	return &statement.RetireRule{Set: statement.DefaultRuleSet, ID: "VR-XA-0001", At: storyBegins + statement.Time(i)}
}

// at finds the entry that a ledger stands after; -1: before the first.
func (s *story) at(t testing.TB, l *Ledger) int {
	t.Helper()
	head := l.Head()
	if head.Applied == (Position{}) {
		return -1
	}
	for i, e := range s.entries {
		if e.pos == head.Applied {
			return i
		}
	}
	t.Fatalf("the ledger stands after %v, which is no entry", head.Applied)
	return 0
}

// whole checks that l is exactly what the story is up to some entry, and says which (L1).
func (s *story) whole(t testing.TB, l *Ledger) int {
	t.Helper()
	at := s.at(t, l)
	if at < 0 {
		if l.Head().Size != 0 {
			t.Fatalf("%d statements before the first entry", l.Head().Size)
		}
		return at
	}
	if l.Head() != s.entries[at].head {
		t.Fatalf("after entry %d the head is %+v, want %+v", at, l.Head(), s.entries[at].head)
	}
	if got := tablesOf(t, l); got != s.entries[at].tables {
		t.Fatalf("after entry %d the tables have %x, want %x", at, got, s.entries[at].tables)
	}
	if c := l.Certified(); c != nil && c.Checkpoint().Size > l.Head().Size {
		t.Fatalf("at size %d, size %d is certified (L12)", l.Head().Size, c.Checkpoint().Size)
	}
	if n := erasedIn(t, l); n > 0 {
		check(t, l) // what was forgotten was to be, and nothing else was
	} else if got := stateOf(t, l); got != s.entries[at].state {
		t.Fatalf("after entry %d the state is %x, want %x", at, got, s.entries[at].state)
	}
	return at
}

// goOn applies what comes after where l stands, and checks the end (L2).
func (s *story) goOn(t testing.TB, l *Ledger) {
	t.Helper()
	for _, e := range s.entries[s.at(t, l)+1:] {
		if _, err := l.Apply(e.pos, e.raw); err != nil {
			t.Fatalf("applying %v: %v", e.pos, err)
		}
	}
	if at := s.whole(t, l); at != len(s.entries)-1 {
		t.Fatalf("the ledger stands after entry %d, want %d", at, len(s.entries)-1)
	}
}

// erasedIn is how many batches a ledger has erased.
func erasedIn(t testing.TB, l *Ledger) int {
	t.Helper()
	v := l.View()
	defer closeView(t, v)
	erased, err := v.pin.erasedBatches()
	if err != nil {
		t.Fatal(err)
	}
	return len(erased)
}

func sameBytes(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s is %x, want %x", what, got, want)
	}
}

// tablesOf is SHA-256 over all that is the same on every node after the same
// entries: the whole store but for what is held, what is certified, and what
// was erased.
func tablesOf(t testing.TB, l *Ledger) [32]byte {
	t.Helper()
	v := l.View()
	defer closeView(t, v)
	h := sha256.New()
	err := v.pin.scan(nil, nil, func(k, val []byte) (bool, error) {
		switch k[0] {
		case tableHeld, tableErased, tableAttachment:
			return true, nil
		case tableState:
			if !state.Sealed(k[1:]) {
				return true, nil
			}
		case tableMeta:
			if bytes.Equal(k, keyCertified) || bytes.Equal(k, keyCovered) {
				return true, nil
			}
		}
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(k))))
		h.Write(k)
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(val))))
		h.Write(val)
		return true, nil
	})
	if err != nil {
		t.Fatalf("reading the tables: %v", err)
	}
	return [32]byte(h.Sum(nil))
}
