package audit_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"testing"
	"time"

	"concordat/client/audit"
	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/seal"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// when is the time of everything in these tests.
const when statement.Time = 1_600_000_000

var validators = []statement.Region{"XA", "XB", "XC", "XD"}

// testKey is the same key for the same name, always.
func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("audit test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func founding(t testing.TB, network string) *genesis.Document {
	t.Helper()
	doc := &genesis.Document{
		Format: genesis.Format, Network: network, Created: "2020-01-01T00:00:00Z",
		ProtocolLevel: genesis.ProtocolLevel, Policy: genesis.DefaultPolicy(),
	}
	for i, id := range validators {
		key := func(use string) genesis.Key {
			return genesis.Key(testKey(string(id) + "/" + use).Public().(ed25519.PublicKey))
		}
		doc.Authorities = append(doc.Authorities, genesis.Authority{
			ID: id, Name: "Region " + string(id), Role: genesis.Validator,
			Keys:      genesis.Keys{Governance: key("governance"), Statement: key("statement"), Node: key("node"), Cosign: key("cosign")},
			Addresses: []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", 4001+i)},
		})
	}
	if err := doc.Check(); err != nil {
		t.Fatal(err)
	}
	return doc
}

// memory is a log in memory, and a Source of it. It is built by the ledger's
// rules, and can then be made to lie.
type memory struct {
	doc         *genesis.Document
	entries     [][]byte
	attachments map[[32]byte][]byte
	tiles       tileMap
	root        merkle.Hash
	note        []byte

	state  *state.Memory
	sealed *seal.Memory
}

type tileMap map[merkle.Tile][]byte

func (m tileMap) ReadTile(t merkle.Tile, _ int) ([]byte, error) { return m[t], nil }

func newLog(t testing.TB, doc *genesis.Document) *memory {
	t.Helper()
	l := &memory{
		doc: doc, attachments: map[[32]byte][]byte{}, tiles: tileMap{}, root: merkle.EmptyRoot(),
		state: state.NewMemory(state.Found(doc)), sealed: seal.NewMemory(),
	}
	if err := l.sealed.Put(state.Found(doc)); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *memory) size() uint64 { return uint64(len(l.entries)) }

// sign signs a body as by would say it next.
func (l *memory) sign(t testing.TB, by statement.Region, body statement.Body) *statement.Verified {
	t.Helper()
	s := statement.Statement{Issuer: by, Network: l.doc.ID(), IssuedAt: when, Body: body}
	if body.Kind().HasRevision() {
		at, err := state.View{Reader: l.state}.Revision(body.Subject(by))
		if err != nil {
			t.Fatal(err)
		}
		s.Revision = at + 1
	}
	use := "/statement"
	if body.Kind().ByNode() {
		use = "/node"
	}
	v, err := statement.Sign(s, testKey(string(by)+use))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// say appends a statement that the rules accept.
func (l *memory) say(t testing.TB, by statement.Region, body statement.Body, attachment ...byte) {
	t.Helper()
	v := l.sign(t, by, body)
	writes, verdict, err := state.Apply(l.state, l.size(), v, attachment)
	if err != nil || !verdict.Accepted() {
		t.Fatalf("%s of %s at %d: %s, %v", body.Kind(), by, l.size(), verdict, err)
	}
	l.state.Put(writes)
	if err := l.sealed.Put(writes); err != nil {
		t.Fatal(err)
	}
	if attachment != nil {
		l.attachments[sha256.Sum256(attachment)] = attachment
	}
	l.append(t, v.Raw())
}

// append appends bytes, whatever they are.
func (l *memory) append(t testing.TB, entries ...[]byte) {
	t.Helper()
	leaves := make([]merkle.Hash, len(entries))
	for i, e := range entries {
		leaves[i] = merkle.LeafHash(e)
	}
	writes, root, err := merkle.Append(l.tiles, l.size(), leaves)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range writes {
		l.tiles[w.Tile] = w.Data
	}
	l.entries, l.root = append(l.entries, entries...), root
}

// register appends n registrations of keys.
func (l *memory) register(t testing.TB, n int) {
	t.Helper()
	for range n {
		l.say(t, validators[l.size()%4], issuerKey(fmt.Sprint(l.size())))
	}
}

func issuerKey(name string) *statement.RegisterKey {
	sum := sha256.Sum256([]byte(name))
	key := bytes.Repeat(sum[:], 3)[:91]
	return &statement.RegisterKey{PublicKey: key, KeyID: key[:8]}
}

// revoke appends a batch of n hashes.
func (l *memory) revoke(t testing.TB, by statement.Region, n int, expires statement.Time) {
	t.Helper()
	hashes := make([]statement.RevocationHash, n)
	for i := range hashes {
		sum := sha256.Sum256(fmt.Appendf(nil, "hash %d %d", l.size(), i))
		hashes[i] = statement.RevocationHash(sum[:])
	}
	a := statement.NewAttachment(hashes)
	l.say(t, by, &statement.Revoke{Batch: statement.NewBatch(statement.HashSignature, a, expires, "lost")}, a...)
}

// trueSeal is the seal that belongs at the log's end.
func (l *memory) trueSeal(t testing.TB, at statement.Time) *statement.SealState {
	t.Helper()
	s, err := l.sealed.Seal(at, func(b seal.Batch) ([]byte, error) { return l.attachments[b.Digest], nil })
	if err != nil {
		t.Fatal(err)
	}
	vs, err := state.View{Reader: l.state}.SealedValidators()
	if err != nil {
		t.Fatal(err)
	}
	return &statement.SealState{Size: l.size(), At: at, Records: s.Records, Revoked: s.Revoked, Validators: vs}
}

func (l *memory) seal(t testing.TB, at statement.Time) {
	t.Helper()
	l.say(t, "XA", l.trueSeal(t, at))
}

func (l *memory) checkpoint() checkpoint.Checkpoint {
	return checkpoint.Checkpoint{Origin: l.doc.Network, Size: l.size(), Root: l.root}
}

// certify signs the log as it is; by none given, three of the four validators do.
func (l *memory) certify(t testing.TB, by ...statement.Region) {
	t.Helper()
	if by == nil {
		by = validators[:3]
	}
	l.note = noteBy(t, l.checkpoint(), by...)
}

func noteBy(t testing.TB, c checkpoint.Checkpoint, by ...statement.Region) []byte {
	t.Helper()
	var lines []string
	for _, id := range by {
		line, err := checkpoint.SignLog(c, testKey(string(id)+"/node"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := checkpoint.Cosign(c, id, when.Time().Add(time.Hour), testKey(string(id)+"/cosign"))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line, s.Line)
	}
	return checkpoint.Assemble(c, lines).Bytes()
}

// clone is a log that can be spoiled without harm to the first. It can not be
// built on.
func (l *memory) clone() *memory {
	c := *l
	c.entries, c.attachments, c.tiles = slices.Clone(l.entries), maps.Clone(l.attachments), tileMap{}
	for t, data := range l.tiles {
		c.tiles[t] = bytes.Clone(data)
	}
	c.state, c.sealed = nil, nil
	return &c
}

// recompute makes the tree that belongs to the entries, as a careful liar does.
func (l *memory) recompute(t testing.TB) {
	t.Helper()
	entries := l.entries
	l.entries, l.tiles = nil, tileMap{}
	l.append(t, entries...)
}

// receiptOf is the receipt of a statement under the log's note.
func (l *memory) receiptOf(t testing.TB, index uint64) receipt.Receipt {
	t.Helper()
	proof, err := merkle.InclusionProof(l.tiles, index, l.size())
	if err != nil {
		t.Fatal(err)
	}
	return receipt.Receipt{Index: index, Statement: l.entries[index], Proof: proof, Note: l.note}
}

// Checkpoint implements audit.Source.
func (l *memory) Checkpoint(context.Context) ([]byte, error) {
	if l.note == nil {
		return nil, fs.ErrNotExist
	}
	return l.note, nil
}

// Tile implements audit.Source.
func (l *memory) Tile(_ context.Context, t merkle.Tile, width int) ([]byte, error) {
	data := l.tiles[t]
	if len(data) < width*merkle.HashSize {
		return nil, fmt.Errorf("%s: %w", t.Path(width), fs.ErrNotExist)
	}
	return data[:width*merkle.HashSize], nil
}

// Entries implements audit.Source.
func (l *memory) Entries(_ context.Context, index uint64, width int) ([]byte, error) {
	first := index * merkle.TileWidth
	if first+uint64(width) > l.size() {
		return nil, fmt.Errorf("%s: %w", merkle.EntriesPath(index, width), fs.ErrNotExist)
	}
	var out []byte
	for _, e := range l.entries[first:][:width] {
		out = binary.BigEndian.AppendUint16(out, uint16(len(e)))
		out = append(out, e...)
	}
	return out, nil
}

// Attachment implements audit.Source.
func (l *memory) Attachment(_ context.Context, digest [32]byte) ([]byte, error) {
	a, is := l.attachments[digest]
	if !is {
		return nil, fmt.Errorf("attachment %x: %w", digest, fs.ErrNotExist)
	}
	return a, nil
}

var _ audit.Source = (*memory)(nil)

// run audits a log.
func run(t testing.TB, s audit.Source, doc *genesis.Document) (*audit.Report, error) {
	t.Helper()
	return audit.Run(t.Context(), audit.Config{Genesis: doc, Source: s})
}
