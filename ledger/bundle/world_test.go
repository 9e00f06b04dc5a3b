package bundle_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"concordat/ledger/bundle"
	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/seal"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// regions of the tests' network; all are validators.
var regions = []statement.Region{"AT", "DE", "SE", "XA"}

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("bundle test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func testHash(i int) statement.RevocationHash {
	sum := sha256.Sum256(fmt.Appendf(nil, "hash %d", i))
	return statement.RevocationHash(sum[:statement.HashSize])
}

func founding(t testing.TB, network string) *genesis.Document {
	t.Helper()
	doc := &genesis.Document{
		Format: genesis.Format, Network: network, Created: "2021-01-01T00:00:00Z",
		ProtocolLevel: genesis.ProtocolLevel, Policy: genesis.DefaultPolicy(),
	}
	for _, id := range regions {
		key := func(use string) genesis.Key {
			return genesis.Key(testKey(string(id) + "/" + use).Public().(ed25519.PublicKey))
		}
		doc.Authorities = append(doc.Authorities, genesis.Authority{
			ID: id, Name: "Authority of " + string(id), Role: genesis.Validator, Addresses: []string{"/ip4/127.0.0.1/tcp/4001"},
			Keys: genesis.Keys{Governance: key("governance"), Statement: key("statement"), Node: key("node"), Cosign: key("cosign")},
		})
	}
	if err := doc.Check(); err != nil {
		t.Fatal(err)
	}
	return doc
}

// world is a network without nodes: the state machine, the tree and the seals
// over real signed statements.
type world struct {
	t           testing.TB
	doc         *genesis.Document
	state       *state.Memory
	shards      *seal.Memory
	log         tiles
	root        merkle.Hash
	size        uint64
	attachments map[uint64][]byte
	sealed      sealed // the newest
}

// sealed is a seal and the shards that it is about.
type sealed struct {
	index            uint64
	statement        []byte
	records, revoked [][]byte
	head             bundle.Header // but for the receipt
}

type tiles map[merkle.Tile][]byte

func (t tiles) ReadTile(at merkle.Tile, width int) ([]byte, error) {
	if len(t[at]) < width*merkle.HashSize {
		return nil, fmt.Errorf("tile %v has %d bytes", at, len(t[at]))
	}
	return t[at], nil
}

func newWorld(t testing.TB, falsePositiveBits int) *world {
	t.Helper()
	w := &world{t: t, doc: founding(t, "bundle.test"), log: tiles{}, attachments: map[uint64][]byte{}}
	var err error
	if w.shards, err = seal.NewMemoryWith(falsePositiveBits); err != nil {
		t.Fatal(err)
	}
	w.state = state.NewMemory(nil)
	w.put(state.Found(w.doc))
	return w
}

func (w *world) put(writes []state.Write) {
	w.t.Helper()
	w.state.Put(writes)
	if err := w.shards.Put(writes); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) view() state.View { return state.View{Reader: w.state} }

// say signs and applies a statement, and gives its index; refused ones are not in the log.
func (w *world) say(by statement.Region, body statement.Body, attachment []byte) (uint64, bool) {
	w.t.Helper()
	s := statement.Statement{Issuer: by, Network: w.doc.ID(), IssuedAt: 1, Body: body}
	use := "statement"
	if s.Kind().ByNode() {
		use = "node"
	}
	if s.Kind().HasRevision() {
		current, err := w.view().Revision(s.Subject())
		if err != nil {
			w.t.Fatal(err)
		}
		s.Revision = current + 1
	}
	v, err := statement.Sign(s, testKey(string(by)+"/"+use))
	if err != nil {
		w.t.Fatal(err)
	}
	index := w.size
	writes, verdict, err := state.Apply(w.state, index, v, attachment)
	if err != nil {
		w.t.Fatal(err)
	}
	if !verdict.Accepted() {
		return 0, false
	}
	w.put(writes)
	w.append(v.Raw())
	if attachment != nil {
		w.attachments[index] = attachment
	}
	return index, true
}

func (w *world) append(raw []byte) {
	w.t.Helper()
	writes, root, err := merkle.Append(w.log, w.size, []merkle.Hash{merkle.LeafHash(raw)})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, tile := range writes {
		w.log[tile.Tile] = tile.Data
	}
	w.root = root
	w.size++
}

// must is say for what has to be accepted.
func (w *world) must(by statement.Region, body statement.Body, attachment []byte) uint64 {
	w.t.Helper()
	index, ok := w.say(by, body, attachment)
	if !ok {
		w.t.Fatalf("%s by %s is refused", body.Kind(), by)
	}
	return index
}

func (w *world) revoke(by statement.Region, of statement.HashType, expires statement.Time, hashes ...statement.RevocationHash) uint64 {
	w.t.Helper()
	a := statement.NewAttachment(hashes)
	return w.must(by, &statement.Revoke{Batch: statement.NewBatch(of, a, expires, fmt.Sprintf("revoked in %d", w.size))}, a)
}

func (w *world) reinstate(by statement.Region, of statement.HashType, expires statement.Time, hashes ...statement.RevocationHash) uint64 {
	w.t.Helper()
	a := statement.NewAttachment(hashes)
	return w.must(by, &statement.Reinstate{Batch: statement.NewBatch(of, a, expires, "reinstated")}, a)
}

// seal seals the state for the time at.
func (w *world) seal(at statement.Time) sealed {
	w.t.Helper()
	s, err := w.shards.Seal(at, func(b seal.Batch) ([]byte, error) { return w.attachments[b.Index], nil })
	if err != nil || len(s.Unverifiable) > 0 {
		w.t.Fatalf("%+v, %v", s, err)
	}
	vs, err := w.view().Validators()
	if err != nil {
		w.t.Fatal(err)
	}
	body := &statement.SealState{Size: w.size, At: at, Records: s.Records, Revoked: s.Revoked}
	for _, v := range vs {
		body.Validators = append(body.Validators, statement.SealedValidator{ID: v.ID, Cosign: v.Cosign, Node: v.Node, Governance: v.Governance})
	}
	return w.sealWith(body)
}

func (w *world) sealWith(body *statement.SealState) sealed {
	w.t.Helper()
	signed, err := statement.Sign(statement.Statement{Issuer: "XA", Network: w.doc.ID(), IssuedAt: 1, Body: body}, testKey("XA/node"))
	if err != nil {
		w.t.Fatal(err)
	}
	out := sealed{index: w.must("XA", body, nil), statement: signed.Raw(), head: bundle.Header{Summary: w.shards.Summary()}}
	for i := range seal.RecordShards {
		out.records = append(out.records, w.shards.Records(i))
	}
	for i := range w.shards.Summary().Shards() {
		out.revoked = append(out.revoked, w.shards.Revoked(i))
	}
	w.sealed = out
	return out
}

// note is a checkpoint of the log as it is, co-signed by some at a time.
func (w *world) note(at time.Time, by ...statement.Region) []byte {
	w.t.Helper()
	c := checkpoint.Checkpoint{Origin: w.doc.Network, Size: w.size, Root: w.root}
	var lines []string
	for _, id := range by {
		cosig, err := checkpoint.Cosign(c, id, at, testKey(string(id)+"/cosign"))
		if err != nil {
			w.t.Fatal(err)
		}
		line, err := checkpoint.SignLog(c, testKey(string(id)+"/node"))
		if err != nil {
			w.t.Fatal(err)
		}
		lines = append(lines, line, cosig.Line)
	}
	n := checkpoint.Assemble(c, lines)
	if certified, err := n.Certify(receipt.FoundingValidators(w.doc)); err == nil {
		return certified.Note()
	}
	return n.Bytes()
}

// file is the bundle of a seal, certified by the log as it is; a delta if since is given.
func (w *world) file(s sealed, note []byte, since *sealed) []byte {
	w.t.Helper()
	n, err := checkpoint.ParseNote(note)
	if err != nil {
		w.t.Fatal(err)
	}
	proof, err := merkle.InclusionProof(w.log, s.index, n.Checkpoint.Size)
	if err != nil {
		w.t.Fatal(err)
	}
	head := s.head
	head.Receipt = receipt.Receipt{Index: s.index, Statement: s.statement, Proof: proof, Note: note}
	of := func(now, before [][]byte, all bool) bundle.Shards {
		return bundle.Shards{
			Read:    func(i int) ([]byte, error) { return now[i], nil },
			Changed: func(i int) (bool, error) { return all || !bytes.Equal(now[i], before[i]), nil },
		}
	}
	records, set := of(s.records, nil, true), of(s.revoked, nil, true)
	if since != nil {
		head.Since = since.index
		records = of(s.records, since.records, false)
		set = of(s.revoked, since.revoked, s.head.Summary.Params != since.head.Summary.Params)
	}
	var out bytes.Buffer
	if err := bundle.Write(&out, head, records, set); err != nil {
		w.t.Fatal(err)
	}
	return out.Bytes()
}

// bundle is the verified bundle of a file.
func (w *world) bundle(raw []byte) *bundle.Bundle {
	w.t.Helper()
	u, err := bundle.Parse(raw)
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := u.Verify(w.doc)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// sealedAt seals now and gives the bundle, certified a second later.
func (w *world) sealedAt(at statement.Time) (*bundle.Bundle, []byte) {
	w.t.Helper()
	s := w.seal(at)
	raw := w.file(s, w.note(at.Time().Add(time.Second), regions...), nil)
	return w.bundle(raw), raw
}
