package receipt_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
)

const origin = "health.example"

var created = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("concordat test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// member is a validator with a generation of its keys.
type member struct {
	id         statement.Region
	generation string
}

func (m member) key(role string) ed25519.PrivateKey {
	return testKey(string(m.id) + " " + role + m.generation)
}

func members(ids ...statement.Region) (ms []member) {
	for _, id := range ids {
		ms = append(ms, member{id: id})
	}
	return ms
}

var founders = members("XA", "XB", "XC", "XD")

func document(t testing.TB, name string) *genesis.Document {
	t.Helper()
	var ds []genesis.Descriptor
	for _, m := range founders {
		d, err := genesis.SignDescriptor(
			genesis.Authority{ID: m.id, Name: "Authority of " + string(m.id), Addresses: []string{"/dns/node.example/tcp/4001"}},
			genesis.PrivateKeys{Governance: m.key("governance"), Statement: m.key("statement"), Node: m.key("node"), Cosign: m.key("cosign")})
		if err != nil {
			t.Fatal(err)
		}
		ds = append(ds, *d)
	}
	doc, err := genesis.New(name, created, ds)
	if err != nil {
		t.Fatal(err)
	}
	doc.ProtocolLevel = 2 // the newest when the golden receipts were made: the network's id is in them
	return doc
}

// world is a ledger in memory, by the tlog of golang.org/x/mod.
type world struct {
	t       testing.TB
	lineage uint64
	doc     *genesis.Document
	entries [][]byte
	hashes  []tlog.Hash
}

func newWorld(t testing.TB, name string) *world { return &world{t: t, doc: document(t, name)} }

func (w *world) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, w.hashes[i])
	}
	return out, nil
}

func (w *world) append(raw []byte) uint64 {
	w.t.Helper()
	hs, err := tlog.StoredHashes(int64(len(w.entries)), raw, w)
	if err != nil {
		w.t.Fatal(err)
	}
	w.entries, w.hashes = append(w.entries, raw), append(w.hashes, hs...)
	return uint64(len(w.entries) - 1)
}

func (w *world) size() uint64 { return uint64(len(w.entries)) }

func (w *world) sign(by member, role string, revision uint64, body statement.Body) []byte {
	w.t.Helper()
	v, err := statement.Sign(statement.Statement{Issuer: by.id, Network: w.doc.ID(), Revision: revision, Body: body}, by.key(role))
	if err != nil {
		w.t.Fatal(err)
	}
	return v.Raw()
}

// say appends some statements of XA, and gives the index of the last.
func (w *world) say(n int) (index uint64) {
	w.t.Helper()
	for range n {
		index = w.append(w.sign(founders[0], "statement", w.size()+1, &statement.Withdraw{Region: "XB", Reason: fmt.Sprintf("reason %d", w.size())}))
	}
	return index
}

// seal appends a seal that lists these validators.
func (w *world) seal(ms []member) uint64 {
	w.t.Helper()
	return w.append(w.sealOf(ms, w.size()))
}

func (w *world) sealOf(ms []member, size uint64) []byte {
	w.t.Helper()
	body := &statement.SealState{Size: size, At: statement.Time(created.Unix())}
	for _, m := range ms {
		body.Validators = append(body.Validators, statement.SealedValidator{ID: m.id, Cosign: public(m.key("cosign")), Node: public(m.key("node")), Governance: public(m.key("governance"))})
	}
	return w.sign(founders[0], "node", 0, body)
}

func (w *world) checkpoint() checkpoint.Checkpoint {
	w.t.Helper()
	root, err := tlog.TreeHash(int64(w.size()), w)
	if err != nil {
		w.t.Fatal(err)
	}
	return checkpoint.Checkpoint{Origin: checkpoint.Origin(w.doc.Network, w.lineage), Size: w.size(), Root: merkle.Hash(root)}
}

// note is the note of the whole ledger, signed by these with both keys.
func (w *world) note(by ...member) []byte {
	w.t.Helper()
	c := w.checkpoint()
	var lines []string
	for _, m := range by {
		sig, err := checkpoint.Cosign(c, m.id, created, m.key("cosign"))
		if err != nil {
			w.t.Fatal(err)
		}
		log, err := checkpoint.SignLog(c, m.key("node"))
		if err != nil {
			w.t.Fatal(err)
		}
		lines = append(lines, log, sig.Line)
	}
	return checkpoint.Assemble(c, lines).Bytes()
}

func (w *world) proof(index uint64) []merkle.Hash {
	w.t.Helper()
	p, err := tlog.ProveRecord(int64(w.size()), int64(index), w)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []merkle.Hash
	for _, h := range p {
		out = append(out, merkle.Hash(h))
	}
	return out
}

// receipt is that of a statement in the whole ledger.
func (w *world) receipt(index uint64, steps []receipt.Step, by ...member) receipt.Receipt {
	w.t.Helper()
	return receipt.Receipt{Index: index, Statement: w.entries[index], Proof: w.proof(index), Note: w.note(by...), Steps: steps}
}

func (w *world) step(index uint64, by ...member) receipt.Step {
	w.t.Helper()
	return receipt.Step{Index: index, Statement: w.entries[index], Proof: w.proof(index), Note: w.note(by...)}
}
