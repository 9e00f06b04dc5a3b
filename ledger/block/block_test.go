package block_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"concordat/ledger/block"
	"concordat/ledger/internal/annotate"
	"concordat/ledger/statement"
)

var update = flag.Bool("update", false, "write the golden files anew; never after a release")

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("concordat test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

var (
	network = statement.NetworkID(sha256.Sum256([]byte("a genesis file")))
	node    = testKey("XA node")
	header  = block.Header{Network: network, Term: 3, Size: 1_000_000, Root: sha256.Sum256([]byte("a tree")), Time: 1_622_505_600_123, Proposer: "XA"}
)

var attachment = statement.NewAttachment([]statement.RevocationHash{{1}, {2}})

func signed(t testing.TB, revision uint64, b statement.Body) []byte {
	t.Helper()
	v, err := statement.Sign(statement.Statement{Issuer: "XB", Network: network, Revision: revision, Body: b}, testKey("XB"))
	if err != nil {
		t.Fatal(err)
	}
	return v.Raw()
}

func withdraw(t testing.TB, reason string) []byte {
	return signed(t, 2, &statement.Withdraw{Region: "XC", Reason: reason})
}

func revoke(t testing.TB, attachment []byte) []byte {
	return signed(t, 0, &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, attachment, 1_700_000_000, "r")})
}

func seal(t testing.TB, h block.Header, statements, attachments [][]byte) []byte {
	t.Helper()
	raw, err := block.Seal(h, statements, attachments, node)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

var names = annotate.Names{
	"":      "block",
	"/0":    "+header, which is signed",
	"/0//1": "version", "/0//2": "network, SHA-256 of the genesis file", "/0//3": "term", "/0//4": "size that it builds on",
	"/0//5": "Merkle root at that size", "/0//6": "time, Unix milliseconds", "/0//7": "proposer", "/0//8": "SHA-256 of the body", "/0//9": "count of statements",
	"/1":      "signature, Ed25519 by the proposer's node key",
	"/2":      "+body",
	"/2//0":   "statements",
	"/2//1":   "attachments",
	"/2//0/0": "a statement", "/2//0/1": "a statement", "/2//1/0": "attachment of the first statement that has one",
}

func TestGolden(t *testing.T) {
	raw := seal(t, header, [][]byte{withdraw(t, "ended"), revoke(t, attachment)}, [][]byte{attachment})
	text, err := annotate.CBOR(raw, names)
	if err != nil {
		t.Fatal(err)
	}
	text = "# Signed is \"concordat block v1\\n\" followed by the header's bytes.\n" + text
	const path = "testdata/block.txt"
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	golden, err := annotate.Bytes(string(want))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw, golden) || text != string(want) {
		t.Errorf("differs from %s:\n%s", path, text)
	}
	s, err := block.Parse(golden)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.VerifyBy(public(node))
	if err != nil {
		t.Fatal(err)
	}
	if b.Header.Version != 1 || b.Header.Count != 2 || b.Header.Size != header.Size || b.Header.Root != header.Root || len(b.Statements) != 2 {
		t.Errorf("read %+v", b.Header)
	}
	// The signature, by hand: what an auditor without our code would do.
	p := s.Proof()
	if !ed25519.Verify(public(node), append([]byte("concordat block v1\n"), p.Header...), p.Signature) {
		t.Error("crypto/ed25519 does not verify the header")
	}
}

// Any statements with any attachments come out as they went in.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.SliceOfN(rapid.Byte(), 1, 300)
		statements := rapid.SliceOfN(some, 1, 40).Draw(t, "statements")
		attachments := rapid.SliceOfN(some, 0, len(statements)).Draw(t, "attachments")
		h := block.Header{Network: network, Term: rapid.Uint64Min(1).Draw(t, "term"), Size: rapid.Uint64Range(0, block.MaxLogSize-40).Draw(t, "size"),
			Time: rapid.Int64Range(0, block.MaxTime).Draw(t, "time"), Proposer: "XA-1"}
		raw, err := block.Seal(h, statements, attachments, node)
		if err != nil {
			t.Fatal(err)
		}
		s, err := block.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if s.Header().Term != h.Term || s.Header().Size != h.Size || s.Header().Time != h.Time || s.Header().Count != uint64(len(statements)) {
			t.Fatalf("header %+v, want %+v", s.Header(), h)
		}
		b, err := s.VerifyBy(public(node))
		if err != nil {
			t.Fatal(err)
		}
		same(t, b.Statements, statements)
		same(t, b.Attachments, attachments)
		if _, err := s.VerifyBy(public(testKey("XB node"))); !errors.Is(err, block.ErrSignature) {
			t.Fatalf("another key: %v", err)
		}
		p, err := block.ParseHeaderProof(s.Proof().Encode())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Verify(public(node)); err != nil || got != s.Header() {
			t.Fatalf("the proof alone: %+v, %v", got, err)
		}
	})
}

func same(t interface{ Fatalf(string, ...any) }, got, want [][]byte) {
	if len(got) != len(want) {
		t.Fatalf("%d, want %d", len(got), len(want))
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("%d: %x, want %x", i, got[i], want[i])
		}
	}
}

// B2: whatever bit of a block is changed, it is refused or not signed.
func TestEveryBitCounts(t *testing.T) {
	raw := seal(t, header, [][]byte{withdraw(t, "ended"), revoke(t, attachment)}, [][]byte{attachment})
	for i := range raw {
		for bit := range 8 {
			changed := bytes.Clone(raw)
			changed[i] ^= 1 << bit
			s, err := block.Parse(changed)
			if err != nil {
				continue
			}
			if _, err := s.VerifyBy(public(node)); !errors.Is(err, block.ErrSignature) {
				t.Errorf("bit %d of byte %d changed: %v", bit, i, err)
			}
		}
	}
}

func TestHeaderBounds(t *testing.T) {
	one := [][]byte{{1}}
	for name, change := range map[string]func(*block.Header){
		"term 0":        func(h *block.Header) { h.Term = 0 },
		"size":          func(h *block.Header) { h.Size = block.MaxLogSize },
		"negative time": func(h *block.Header) { h.Time = -1 },
		"far time":      func(h *block.Header) { h.Time = block.MaxTime + 1 },
		"no proposer":   func(h *block.Header) { h.Proposer = "" },
		"proposer":      func(h *block.Header) { h.Proposer = "xa" },
	} {
		h := header
		change(&h)
		if _, err := block.Seal(h, one, nil, node); !errors.Is(err, block.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	h := header
	h.Term, h.Size, h.Time = 1<<64-1, block.MaxLogSize-1, block.MaxTime
	h.Proposer = "XAA-ABCDEFGH-ABCDEFGH-ABCDEFGH"
	s, err := block.Parse(seal(t, h, one, nil))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.Proof().Header); n > 200 {
		t.Errorf("the longest header has %d bytes; limits.go says less than 200", n)
	}
}

func TestContentBounds(t *testing.T) {
	big := make([]byte, statement.MaxSize)
	many := func(n int, b []byte) (out [][]byte) {
		for range n {
			out = append(out, b)
		}
		return out
	}
	mib := make([]byte, statement.MaxAttachment)
	for _, c := range []struct {
		name                    string
		statements, attachments [][]byte
		want                    error
	}{
		{"1024 statements", many(1024, []byte{1}), nil, nil},
		{"1025 statements", many(1025, []byte{1}), nil, block.ErrMalformed},
		{"none", nil, nil, block.ErrMalformed},
		{"an empty one", [][]byte{{}}, nil, block.ErrMalformed},
		{"the largest", [][]byte{big}, [][]byte{mib}, nil},
		{"too large a statement", [][]byte{append(big, 0)}, nil, block.ErrMalformed},
		{"512 KiB of statements", append(many(8, big), make([]byte, 512<<10-8*statement.MaxSize)), nil, nil},
		{"a byte more", append(many(8, big), make([]byte, 512<<10-8*statement.MaxSize+1)), nil, block.ErrTooLarge},
		{"too large an attachment", [][]byte{big}, [][]byte{append(mib, 0)}, block.ErrMalformed},
		{"an empty attachment", [][]byte{big}, [][]byte{{}}, block.ErrMalformed},
		{"more attachments than statements", [][]byte{big}, [][]byte{{1}, {2}}, block.ErrMalformed},
		{"3 MiB", many(3, []byte{1}), many(3, mib), block.ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw, err := block.Seal(header, c.statements, c.attachments, node)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Fatalf("Seal: got %v, want %v", err, c.want)
			}
			if err == nil {
				if _, err := block.Parse(raw); err != nil {
					t.Errorf("Parse: %v", err)
				}
			}
		})
	}
	if _, err := block.Parse(make([]byte, block.MaxBytes+1)); !errors.Is(err, block.ErrTooLarge) {
		t.Errorf("Parse of too much: %v", err)
	}
}

// B4, and the promise of Budget: what it takes can be sealed and read.
func TestBudget(t *testing.T) {
	var b block.Budget
	if !b.Take(make([]byte, statement.MaxSize), make([]byte, statement.MaxAttachment)) {
		t.Error("the largest statement with the largest attachment does not fit")
	}
	rapid.Check(t, func(t *rapid.T) {
		var b block.Budget
		var statements, attachments [][]byte
		size := rapid.SampledFrom([]int{200, 3_000, statement.MaxSize}).Draw(t, "size")
		for i := range 1100 {
			s := make([]byte, rapid.IntRange(1, size).Draw(t, "statement"))
			var a []byte
			if rapid.IntRange(0, 200).Draw(t, "has one") == 0 {
				a = make([]byte, rapid.IntRange(1, statement.MaxAttachment).Draw(t, "attachment"))
			}
			if !b.Take(s, a) {
				if i == 0 {
					t.Fatal("the first does not fit")
				}
				continue
			}
			statements = append(statements, s)
			if a != nil {
				attachments = append(attachments, a)
			}
		}
		if b.Count() != len(statements) {
			t.Fatalf("Count is %d of %d", b.Count(), len(statements))
		}
		if _, err := block.Seal(header, statements, attachments, node); err != nil {
			t.Fatalf("what was taken cannot be sealed: %v", err)
		}
	})
}

// Forms that say the same in other bytes, each signed as it stands.
func TestOnlyOneEncoding(t *testing.T) {
	good := seal(t, header, [][]byte{{0xaa}}, nil)
	var e struct {
		_                       struct{} `cbor:",toarray"`
		Header, Signature, Body []byte
	}
	if err := cbor.Unmarshal(good, &e); err != nil {
		t.Fatal(err)
	}
	body := "828141aa80"
	if hex.EncodeToString(e.Body) != body {
		t.Fatalf("body is %x", e.Body)
	}
	build := func(headerHex, bodyHex string) []byte {
		b, err := hex.DecodeString(bodyHex)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		h, err := hex.DecodeString(strings.ReplaceAll(headerHex, "BODY", hex.EncodeToString(sum[:])))
		if err != nil {
			t.Fatal(err)
		}
		x := e
		x.Header, x.Body, x.Signature = h, b, ed25519.Sign(node, append([]byte("concordat block v1\n"), h...))
		raw, err := cbor.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	sum := sha256.Sum256(e.Body)
	headerHex := strings.Replace(hex.EncodeToString(e.Header), hex.EncodeToString(sum[:]), "BODY", 1)
	if raw := build(headerHex, body); !bytes.Equal(raw, good) {
		t.Fatal("the test does not build what Seal does")
	}
	for name, bodyHex := range map[string]string{
		"null attachments": "828141aaf6", "no attachments": "818141aa", "three": "838141aa8080", "null statement": "8281f680", "statements null": "82f680",
		"length longer than needed": "82815801aa80", "indefinite": "829f41aaff80", "text": "82816161" + "80", "number": "82810180", "trailing": body + "00",
		"a map": "a2008141aa0180", "count differs": "828241aa41bb80", "empty": "",
	} {
		if _, err := block.Parse(build(headerHex, bodyHex)); !errors.Is(err, block.ErrMalformed) {
			t.Errorf("body with %s: got %v, want ErrMalformed", name, err)
		}
	}
	for name, c := range map[string][2]string{
		"unknown field":      {"a90101", "aa00000101"},
		"version 2":          {"a90101", "a90102"},
		"longer version":     {"a90101", "a9011801"},
		"order":              {"a9010102", "a902"},
		"float term":         {"0303041a", "03f94200041a"},
		"null root":          {"055820" + hex.EncodeToString(header.Root[:]), "05f6"},
		"tagged time":        {"061b", "06c11b"},
		"proposer as bytes":  {"07625841", "07425841"},
		"count 0":            {"BODY0901", "BODY0900"},
		"another body":       {"BODY", strings.Repeat("00", 32)},
		"indefinite map":     {"a90101", "bf0101"},
		"header in a string": {"a90101", "41a90101"},
	} {
		if strings.Count(headerHex, c[0]) != 1 {
			t.Fatalf("%s: %s stands %d times in %s", name, c[0], strings.Count(headerHex, c[0]), headerHex)
		}
		bad := strings.Replace(headerHex, c[0], c[1], 1)
		if _, err := block.Parse(build(bad, body)); !errors.Is(err, block.ErrMalformed) && !errors.Is(err, block.ErrInvalid) {
			t.Errorf("header with %s: got %v", name, err)
		}
	}
	for name, raw := range map[string][]byte{
		"nothing": nil, "trailing": append(bytes.Clone(good), 0), "cut": good[:len(good)-1], "tagged": append([]byte{0xc1}, good...),
		"short signature": bytes.Replace(good, append([]byte{0x58, 0x40}, e.Signature...), append([]byte{0x58, 0x3f}, e.Signature[1:]...), 1),
	} {
		if _, err := block.Parse(raw); !errors.Is(err, block.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

func TestItems(t *testing.T) {
	other := statement.NewAttachment([]statement.RevocationHash{{3}})
	a, b, c := withdraw(t, "a"), revoke(t, attachment), revoke(t, other)
	for _, x := range []struct {
		name                    string
		statements, attachments [][]byte
		want                    string // of the error; "": none
	}{
		{"each its own", [][]byte{b, a, c}, [][]byte{attachment, other}, ""},
		{"none has one", [][]byte{a}, nil, ""},
		{"another order", [][]byte{b, a, c}, [][]byte{other, attachment}, "statement 0: attachment does not fit"},
		{"one missing", [][]byte{b, a, c}, [][]byte{attachment}, "statement 2: its attachment is missing"},
		{"one too many", [][]byte{a, b}, [][]byte{attachment, other}, "1 attachments belong to no statement"},
		{"not a statement", [][]byte{a, {1}}, nil, "statement 1: malformed statement"},
	} {
		t.Run(x.name, func(t *testing.T) {
			s, err := block.Parse(seal(t, header, x.statements, x.attachments))
			if err != nil {
				t.Fatal(err)
			}
			blk, err := s.VerifyBy(public(node))
			if err != nil {
				t.Fatal(err)
			}
			items, err := blk.Items()
			if x.want != "" {
				if !errors.Is(err, block.ErrMalformed) || !strings.Contains(fmt.Sprint(err), x.want) {
					t.Errorf("got %v, want it to say %q", err, x.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			rest := x.attachments
			for i, item := range items {
				said := item.Statement.Statement()
				if !bytes.Equal(item.Statement.Raw(), x.statements[i]) {
					t.Errorf("item %d is another statement", i)
				}
				if err := said.CheckAttachment(item.Attachment); err != nil {
					t.Errorf("item %d: %v", i, err)
				}
				if item.Attachment != nil {
					rest = rest[1:]
				}
			}
			if len(rest) != 0 {
				t.Errorf("%d attachments are left", len(rest))
			}
		})
	}
}

// Two headers by one key for one place are evidence; nothing else is.
func TestRivals(t *testing.T) {
	proof := func(key ed25519.PrivateKey, change func(*block.Header), content byte) block.HeaderProof {
		h := header
		change(&h)
		raw, err := block.Seal(h, [][]byte{{content}}, nil, key)
		if err != nil {
			t.Fatal(err)
		}
		s, err := block.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return s.Proof()
	}
	as := func(*block.Header) {}
	one := proof(node, as, 1)
	for name, rival := range map[string]block.HeaderProof{
		"other content": proof(node, as, 2),
		"other time":    proof(node, func(h *block.Header) { h.Time++ }, 1),
		"other root":    proof(node, func(h *block.Header) { h.Root[0]++ }, 1),
	} {
		if err := block.CheckRivals(one, rival, public(node)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	forged := proof(node, as, 2)
	forged.Signature = one.Signature
	for name, other := range map[string]block.HeaderProof{
		"the same again":  proof(node, as, 1),
		"another term":    proof(node, func(h *block.Header) { h.Term++ }, 2),
		"another size":    proof(node, func(h *block.Header) { h.Size++ }, 2),
		"another network": proof(node, func(h *block.Header) { h.Network[0]++ }, 2),
		"another key":     proof(testKey("XB node"), as, 2),
		"forged":          forged,
		"empty":           {},
	} {
		for _, err := range []error{block.CheckRivals(one, other, public(node)), block.CheckRivals(other, one, public(node))} {
			if !errors.Is(err, block.ErrNoRivals) {
				t.Errorf("%s: got %v, want ErrNoRivals", name, err)
			}
		}
	}
}

func TestHeaderProofStrictly(t *testing.T) {
	s, err := block.Parse(seal(t, header, [][]byte{{1}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	good := s.Proof().Encode()
	for name, raw := range map[string][]byte{
		"nothing": nil, "cut": good[:len(good)-1], "trailing": append(bytes.Clone(good), 0), "large": make([]byte, block.MaxHeaderProof+1),
		"empty": {0x82, 0x40, 0x40}, "no header": append([]byte{0x82, 0x40}, good[len(good)-66:]...),
	} {
		if _, err := block.ParseHeaderProof(raw); !errors.Is(err, block.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

// FuzzParse: no panic, no error without a name, and B1 on whatever is taken.
func FuzzParse(f *testing.F) {
	f.Add(seal(f, header, [][]byte{withdraw(f, "ended"), revoke(f, attachment)}, [][]byte{attachment}))
	f.Add(seal(f, header, [][]byte{{1}}, nil))
	f.Add([]byte{0x83, 0x40, 0x40, 0x40})
	f.Fuzz(func(t *testing.T, raw []byte) {
		named := func(err error) {
			if err != nil && !errors.Is(err, block.ErrMalformed) && !errors.Is(err, block.ErrInvalid) {
				t.Fatalf("an error of no name: %v", err)
			}
		}
		p, err := block.ParseHeaderProof(raw)
		named(err)
		if err == nil && !bytes.Equal(p.Encode(), raw) {
			t.Fatal("took a proof that it would not write")
		}
		if proof, err := block.PeekProof(raw); err == nil {
			if _, err := proof.Claimed(); err != nil {
				t.Errorf("a proof whose header cannot be read was taken out: %v", err)
			}
		}
		peeked, peekErr := block.PeekHeader(raw)
		named(peekErr)
		s, err := block.Parse(raw)
		named(err)
		if err != nil {
			return
		}
		if peekErr != nil || peeked != s.Header() {
			t.Fatalf("a look at the header says %+v (%v), the block %+v", peeked, peekErr, s.Header())
		}
		b, err := s.VerifyBy(public(node))
		if err != nil {
			return
		}
		again, err := block.Seal(b.Header, b.Statements, b.Attachments, node)
		if err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("took a block that it would not write: %v", err)
		}
		_, err = b.Items()
		named(err)
	})
}

// TestPeekProof: what is taken out of a block's bytes is its proof, to the byte,
// and from a block cut short there is none.
func TestPeekProof(t *testing.T) {
	raw := seal(t, header, [][]byte{withdraw(t, "ended"), revoke(t, attachment)}, [][]byte{attachment})
	whole, err := block.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	got, err := block.PeekProof(raw)
	if err != nil || !bytes.Equal(got.Encode(), whole.Proof().Encode()) {
		t.Fatalf("%+v, %v, want %+v", got, err, whole.Proof())
	}
	end := 1 + len(whole.Proof().Header) + 2 + 64 // and the header's own head
	for cut := range end {
		if _, err := block.PeekProof(raw[:cut]); !errors.Is(err, block.ErrMalformed) {
			t.Fatalf("of %d bytes: %v", cut, err)
		}
	}
}

func TestPeekHeader(t *testing.T) {
	raw := seal(t, header, [][]byte{withdraw(t, "ended"), revoke(t, attachment)}, [][]byte{attachment})
	whole, err := block.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	// Whatever follows the header is not looked at: so it may be missing, too.
	end := bytes.Index(raw, whole.Proof().Header) + len(whole.Proof().Header)
	for _, cut := range []int{len(raw), end + 1, end} {
		if h, err := block.PeekHeader(raw[:cut]); err != nil || h != whole.Header() {
			t.Errorf("of %d bytes: %+v, %v; want %+v", cut, h, err, whole.Header())
		}
	}
	for cut := range end {
		if _, err := block.PeekHeader(raw[:cut]); !errors.Is(err, block.ErrMalformed) {
			t.Errorf("of %d bytes: %v, want ErrMalformed", cut, err)
		}
	}
	for name, bad := range map[string][]byte{
		"no array":               append([]byte{0x84}, raw[1:]...),
		"no byte string":         {0x83, 0x01, 0x01},
		"a header of 4 GiB":      {0x83, 0x5a, 0xff, 0xff, 0xff, 0xff},
		"a header without end":   {0x83, 0x5f, 0x41, 0x00},
		"a header over MaxBytes": append([]byte{0x83, 0x59, 0x01, 0x01}, make([]byte, 257)...),
	} {
		if _, err := block.PeekHeader(bad); !errors.Is(err, block.ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
	bad := header
	bad.Version, bad.Count = 2, 1
	odd, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	h, err := odd.Marshal(bad)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := block.PeekHeader(append([]byte{0x83, 0x58, byte(len(h))}, h...)); !errors.Is(err, block.ErrInvalid) {
		t.Errorf("of another version: %v, want ErrInvalid", err)
	}
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1, 128, 1024} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var statements [][]byte
			for i := range n {
				statements = append(statements, withdraw(b, fmt.Sprint(i)))
			}
			raw := seal(b, header, statements, nil)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				s, err := block.Parse(raw)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := s.VerifyBy(public(node)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
