package backup

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"concordat/ledger/block"
	"concordat/ledger/genesis"
)

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("backup test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func testDocument(t testing.TB) *genesis.Document {
	t.Helper()
	doc := &genesis.Document{
		Format: genesis.Format, Network: "backup.test", Created: "2021-01-01T00:00:00Z",
		ProtocolLevel: genesis.ProtocolLevel, Policy: genesis.DefaultPolicy(),
	}
	key := func(use string) genesis.Key { return genesis.Key(testKey(use).Public().(ed25519.PublicKey)) }
	doc.Authorities = []genesis.Authority{{
		ID: "XA", Name: "A", Role: genesis.Validator, Addresses: []string{"/ip4/127.0.0.1/tcp/4001"},
		Keys: genesis.Keys{Governance: key("governance"), Statement: key("statement"), Node: key("node"), Cosign: key("cosign")},
	}}
	if err := doc.Check(); err != nil {
		t.Fatal(err)
	}
	return doc
}

// testBlocks are blocks of made-up statements: what they say is for others to judge.
func testBlocks(t testing.TB, doc *genesis.Document, counts ...int) (out []Block, size uint64) {
	t.Helper()
	for n, count := range counts {
		var b Block
		for i := range count {
			b.Statements = append(b.Statements, fmt.Appendf(nil, "statement %d of block %d", i, n))
		}
		if n%2 == 1 {
			b.Attachments = [][]byte{fmt.Appendf(nil, "attachment of block %d", n)}
		}
		raw, err := block.Seal(block.Header{Network: doc.ID(), Term: 1, Size: size, Proposer: "XA", Time: 5}, b.Statements, nil, testKey("node"))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := block.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		b.Proof = signed.Proof()
		out = append(out, b)
		size += uint64(count)
	}
	return out, size
}

func write(t testing.TB, counts ...int) ([]byte, Manifest, []Block) {
	t.Helper()
	doc := testDocument(t)
	blocks, size := testBlocks(t, doc, counts...)
	m := Manifest{Network: doc.ID(), Size: size, Root: sha256.Sum256([]byte("root")), Certified: size, Time: 1_700_000_000, Version: "v1"}
	var out bytes.Buffer
	w, err := NewWriter(&out, m, doc.Encode(), []byte("a proof"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if err := w.Block(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), m, blocks
}

func TestRoundTrip(t *testing.T) {
	raw, m, blocks := write(t, 3, 1, 7)
	r, err := NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if r.Manifest() != m || r.Genesis().ID() != m.Network || string(r.Proof()) != "a proof" {
		t.Errorf("read %+v of %s with proof %q", r.Manifest(), r.Genesis().ID(), r.Proof())
	}
	for i, want := range blocks {
		b, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Proof.Header, want.Proof.Header) || !same(b.Statements, want.Statements) || !same(b.Attachments, want.Attachments) {
			t.Errorf("block %d is another", i)
		}
	}
	for range 2 {
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("after the last block: %v, want io.EOF", err)
		}
	}
}

func same(a, b [][]byte) bool { return bytes.Equal(bytes.Join(a, []byte{0}), bytes.Join(b, []byte{0})) }

// K1: whatever bit is changed, wherever the file ends, whatever follows.
func TestEveryChangeIsFound(t *testing.T) {
	raw, _, _ := write(t, 2, 1)
	for i := range raw {
		for _, bit := range []byte{1, 0x80} {
			changed := bytes.Clone(raw)
			changed[i] ^= bit
			if _, err := Verify(bytes.NewReader(changed)); !errors.Is(err, ErrDamaged) {
				t.Fatalf("byte %d of %d changed by %#x: %v, want ErrDamaged", i, len(raw), bit, err)
			}
		}
	}
	for i := len(Magic); i < len(raw); i++ {
		if _, err := Verify(bytes.NewReader(raw[:i])); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut after %d of %d bytes: %v, want ErrDamaged", i, len(raw), err)
		}
	}
	if _, err := Verify(bytes.NewReader(append(bytes.Clone(raw), 0))); !errors.Is(err, ErrDamaged) {
		t.Errorf("with a byte more: %v, want ErrDamaged", err)
	}
	for _, other := range []string{"", "concordat bundle v1\n…", strings.Repeat("x", 100)} {
		if _, err := Verify(strings.NewReader(other)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v, want ErrMalformed", other, err)
		}
	}
}

// K2: a Writer writes nothing that a Reader would not read.
func TestWriterRefuses(t *testing.T) {
	doc := testDocument(t)
	blocks, size := testBlocks(t, doc, 2, 3)
	m := Manifest{Network: doc.ID(), Size: size}
	begin := func(m Manifest) *Writer {
		t.Helper()
		w, err := NewWriter(io.Discard, m, doc.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	if err := begin(m).Block(blocks[1]); err == nil {
		t.Error("a block out of order was written")
	}
	w := begin(m)
	if err := errors.Join(w.Block(blocks[0]), w.Block(blocks[0])); err == nil {
		t.Error("a block was written twice")
	}
	w = begin(m)
	if err := w.Block(blocks[0]); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err == nil {
		t.Error("a backup ended before its last block")
	}
	m.Size = 2
	w = begin(m)
	if err := w.Block(blocks[0]); err != nil {
		t.Fatal(err)
	}
	if err := w.Block(blocks[1]); err == nil {
		t.Error("more statements were written than the manifest says")
	}
	for what, bad := range map[string]Manifest{
		"a checkpoint beyond its end": {Network: doc.ID(), Size: 1, Certified: 2},
		"too many statements":         {Network: doc.ID(), Size: block.MaxLogSize + 1},
		"a time before 1970":          {Network: doc.ID(), Time: -1},
		"a long version":              {Network: doc.ID(), Version: strings.Repeat("v", MaxVersion+1)},
	} {
		if _, err := NewWriter(io.Discard, bad, doc.Encode(), nil); err == nil {
			t.Errorf("a manifest with %s was written", what)
		}
	}
	if _, err := NewWriter(failing{}, m, bytes.Repeat([]byte("g"), 1<<17), nil); !errors.Is(err, errFull) {
		t.Errorf("a full disk gave %v", err)
	}
}

var errFull = errors.New("no space left")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }

// What a Reader takes, a Writer writes again to the byte (K1).
func FuzzRead(f *testing.F) {
	for _, counts := range [][]int{{}, {1}, {2, 1}} {
		raw, _, _ := write(f, append([]int{1}, counts...)...)
		f.Add(raw)
		f.Add(raw[:len(raw)/2])
	}
	f.Add([]byte(Magic + "m\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := NewReader(bytes.NewReader(raw))
		if err != nil {
			return
		}
		var again bytes.Buffer
		w, err := NewWriter(&again, r.Manifest(), r.Genesis().Encode(), r.Proof())
		if err != nil {
			t.Fatal(err)
		}
		for {
			b, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return
			}
			if err := w.Block(b); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Bytes(), raw) {
			t.Errorf("%d bytes were read, and are written as %d others", len(raw), again.Len())
		}
	})
}
