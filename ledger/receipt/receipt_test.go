package receipt_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"github.com/fxamacker/cbor/v2"
	tproof "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/veraison/go-cose"
	"golang.org/x/mod/sumdb/tlog"

	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/internal/annotate"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
)

var update = flag.Bool("update", false, "write the golden files anew; never after a release")

// sample is the receipt of the fourth of nine statements.
func sample(t testing.TB) (*genesis.Document, receipt.Receipt) {
	w := newWorld(t, origin)
	w.say(9)
	return w.doc, w.receipt(3, nil, founders[:3]...)
}

// A receipt verifies with the genesis file's bytes and the receipt's, and nothing else.
func TestVerify(t *testing.T) {
	doc, r := sample(t)
	doc, err := genesis.Parse(doc.Encode())
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]func() (receipt.Receipt, error){
		"as made": func() (receipt.Receipt, error) { return r, nil },
		"tlog-proof": func() (receipt.Receipt, error) {
			raw, err := r.TLogProof()
			if err != nil {
				return receipt.Receipt{}, err
			}
			return receipt.ParseTLogProof(raw)
		},
		"COSE": func() (receipt.Receipt, error) {
			raw, err := r.COSE(founders[2].key("node"))
			if err != nil {
				return receipt.Receipt{}, err
			}
			return receipt.ParseCOSE(raw)
		},
	}
	for name, form := range forms {
		got, err := form()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		v, err := receipt.Verify(doc, got)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if v.Index != 3 || !bytes.Equal(v.Statement.Raw(), r.Statement) || v.Certified.Checkpoint().Size != 9 || len(v.Certified.Cosigners()) != 3 || len(v.Validators) != 4 {
			t.Errorf("%s: %+v", name, v)
		}
		if want := map[string]string{"COSE": "XC"}[name]; string(v.Signer) != want {
			t.Errorf("%s: signed by %q, want %q", name, v.Signer, want)
		}
		// One form goes over into the other.
		if raw, err := got.TLogProof(); err != nil || !bytes.Contains(raw, r.Note) {
			t.Errorf("%s, as a tlog-proof: %v", name, err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	w := newWorld(t, origin)
	w.say(9)
	good := w.receipt(3, nil, founders...)
	again := document(t, origin)
	again.Created = "2026-02-01T12:00:00Z"
	for name, x := range map[string]struct {
		doc    *genesis.Document
		change func(*receipt.Receipt)
		want   error
	}{
		"another index":              {w.doc, func(r *receipt.Receipt) { r.Index = 4 }, receipt.ErrNotIncluded},
		"an index beyond":            {w.doc, func(r *receipt.Receipt) { r.Index = 9 }, receipt.ErrNotIncluded},
		"another statement":          {w.doc, func(r *receipt.Receipt) { r.Statement = w.entries[4] }, receipt.ErrNotIncluded},
		"a hash altered":             {w.doc, func(r *receipt.Receipt) { r.Proof = slices.Clone(r.Proof); r.Proof[1][0]++ }, receipt.ErrNotIncluded},
		"a hash missing":             {w.doc, func(r *receipt.Receipt) { r.Proof = r.Proof[1:] }, receipt.ErrNotIncluded},
		"two of four":                {w.doc, func(r *receipt.Receipt) { r.Note = w.note(founders[:2]...) }, receipt.ErrNotCertified},
		"strangers":                  {w.doc, func(r *receipt.Receipt) { r.Note = w.note(members("YA", "YB", "YC", "YD")...) }, receipt.ErrNotCertified},
		"their names, other keys":    {w.doc, func(r *receipt.Receipt) { r.Note = w.note(member{"XA", "2"}, member{"XB", "2"}, member{"XC", "2"}) }, receipt.ErrNotCertified},
		"no note":                    {w.doc, func(r *receipt.Receipt) { r.Note = nil }, receipt.ErrMalformed},
		"no notes":                   {w.doc, func(r *receipt.Receipt) { r.Note = []byte("note") }, receipt.ErrRefused},
		"no statement":               {w.doc, func(r *receipt.Receipt) { r.Statement = nil }, receipt.ErrMalformed},
		"not a statement":            {w.doc, func(r *receipt.Receipt) { r.Statement = []byte("statement") }, receipt.ErrRefused},
		"another network":            {document(t, "other.example"), func(*receipt.Receipt) {}, receipt.ErrOtherNetwork},
		"a network of the same name": {again, func(*receipt.Receipt) {}, receipt.ErrOtherNetwork},
		"another log's checkpoint": {w.doc, func(r *receipt.Receipt) {
			other := newWorld(t, "other.example")
			other.say(9)
			r.Note = other.note(founders...)
		}, receipt.ErrOtherNetwork},
	} {
		r := good
		x.change(&r)
		if v, err := receipt.Verify(x.doc, r); !errors.Is(err, x.want) {
			t.Errorf("%s: %+v, %v; want %v", name, v, err, x.want)
		}
	}
	if _, err := receipt.Verify(w.doc, good); err != nil {
		t.Error(err)
	}
}

// policy is the founders as torchwood knows them: three of four, and one's log key.
func policy(t testing.TB, doc *genesis.Document) torchwood.Policy {
	t.Helper()
	vs := receipt.FoundingValidators(doc)
	text, group := fmt.Sprintf("log %s\n", checkpoint.LogVKey(origin, vs[0].Node)), fmt.Sprintf("group q %d", vs.Quorum())
	for _, v := range vs {
		text += fmt.Sprintf("witness %s %s\n", v.ID, checkpoint.CosignerVKey(origin, v.ID, v.Cosign))
		group += " " + string(v.ID)
	}
	p, err := torchwood.ParsePolicy([]byte(text + group + "\nquorum q\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// torchwood verifies our file as it is.
func TestTLogProofByTorchwood(t *testing.T) {
	doc, r := sample(t)
	raw, err := r.TLogProof()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/receipt.tlog-proof", raw)
	p := policy(t, doc)
	if err := torchwood.VerifyProof(p, tlog.RecordHash(r.Statement), raw); err != nil {
		t.Error(err)
	}
	if err := torchwood.VerifyProof(p, tlog.RecordHash([]byte("another")), raw); err == nil {
		t.Error("torchwood verifies another entry: it checks nothing")
	}
	if more, err := torchwood.ProofExtraData(raw); err != nil || !bytes.Contains(more, r.Statement) {
		t.Errorf("torchwood's extra data: %x, %v", more, err)
	}
	// And what torchwood writes, we read.
	var hashes tlog.RecordProof
	for _, h := range r.Proof {
		hashes = append(hashes, tlog.Hash(h))
	}
	more, err := torchwood.ProofExtraData(raw)
	if err != nil {
		t.Fatal(err)
	}
	if theirs := torchwood.FormatProofWithExtraData(3, more, hashes, r.Note); !bytes.Equal(theirs, raw) {
		t.Errorf("torchwood writes\n%s", theirs)
	}
}

// RFC 9942, by others' code alone: go-cose for the signatures, transparency-dev
// for the tree. Nothing of this package is called but COSE.
func TestCOSEByOthers(t *testing.T) {
	_, r := sample(t)
	raw, err := r.COSE(founders[1].key("node"))
	if err != nil {
		t.Fatal(err)
	}
	verifier := func(m member, role string) cose.Verifier {
		v, err := cose.NewVerifier(cose.AlgorithmEdDSA, public(m.key(role)))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	var outer cose.Sign1Message
	if err := outer.UnmarshalCBOR(raw); err != nil {
		t.Fatal(err)
	}
	// The statement's own signature holds with the receipt attached.
	if err := outer.Verify(nil, verifier(founders[0], "statement")); err != nil {
		t.Error(err)
	}
	attached, ok := outer.Headers.Unprotected[int64(394)].([]any)
	if !ok || len(attached) != 1 {
		t.Fatalf("header 394 is %v", outer.Headers.Unprotected)
	}
	var inner cose.Sign1Message
	if err := inner.UnmarshalCBOR(attached[0].([]byte)); err != nil {
		t.Fatal(err)
	}
	if vds := inner.Headers.Protected[int64(395)]; vds != int64(1) || inner.Payload != nil {
		t.Errorf("vds is %v, payload %x", vds, inner.Payload)
	}
	proofs := inner.Headers.Unprotected[int64(396)].(map[any]any)[int64(-1)].([]any)
	var inclusion struct {
		_           struct{} `cbor:",toarray"`
		Size, Index uint64
		Path        [][]byte
	}
	if err := cbor.Unmarshal(proofs[0].([]byte), &inclusion); err != nil {
		t.Fatal(err)
	}
	// The entry is the statement without what is attached.
	outer.Headers.RawUnprotected, outer.Headers.Unprotected = nil, cose.UnprotectedHeader{}
	entry, err := outer.MarshalCBOR()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(entry, r.Statement) {
		t.Fatalf("the entry is\n%x, want\n%x", entry, r.Statement)
	}
	root, err := tproof.RootFromInclusionProof(rfc6962.DefaultHasher, inclusion.Index, inclusion.Size, rfc6962.DefaultHasher.HashLeaf(entry), inclusion.Path)
	if err != nil {
		t.Fatal(err)
	}
	inner.Payload = root
	if err := inner.Verify(nil, verifier(founders[1], "node")); err != nil {
		t.Error(err)
	}
	if err := inner.Verify(nil, verifier(founders[2], "node")); err == nil {
		t.Error("another key verifies: it checks nothing")
	}
}

// Who hands out a COSE Receipt signs it; but the quorum is what counts.
func TestCOSESigner(t *testing.T) {
	doc, r := sample(t)
	observer, err := r.COSE(testKey("observer"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := receipt.ParseCOSE(observer)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := receipt.Verify(doc, got); err != nil || v.Signer != "" {
		t.Errorf("of an observer's node: %+v, %v", v, err)
	}
	raw, err := r.COSE(founders[1].key("node"))
	if err != nil {
		t.Fatal(err)
	}
	// The signature is the last of the inner message, before the outer payload.
	var outer cose.Sign1Message
	if err := outer.UnmarshalCBOR(raw); err != nil {
		t.Fatal(err)
	}
	inner := outer.Headers.Unprotected[int64(394)].([]any)[0].([]byte)
	forged := bytes.Clone(inner)
	forged[len(forged)-1] ^= 1
	if got, err = receipt.ParseCOSE(bytes.Replace(raw, inner, forged, 1)); err != nil {
		t.Fatal(err)
	}
	if v, err := receipt.Verify(doc, got); !errors.Is(err, receipt.ErrCOSESignature) || !errors.Is(err, receipt.ErrRefused) {
		t.Errorf("a forged signature: %+v, %v", v, err)
	}
	if _, err := r.COSE(nil); !errors.Is(err, receipt.ErrMalformed) {
		t.Errorf("no key: %v", err)
	}
}

var coseNames = annotate.Names{
	"":   "statement with receipt, COSE_Sign1",
	"/0": "protected header of the statement", "/1": "unprotected header", "/1/394": "receipts (RFC 9942)",
	"/1/394/0": "a receipt: COSE_Sign1, tagged 18", "/2": "payload of the statement", "/3": "signature of the statement",
}

func TestCOSEGolden(t *testing.T) {
	_, r := sample(t)
	raw, err := r.COSE(founders[1].key("node"))
	if err != nil {
		t.Fatal(err)
	}
	var outer cose.Sign1Message
	if err := outer.UnmarshalCBOR(raw); err != nil {
		t.Fatal(err)
	}
	inner := outer.Headers.Unprotected[int64(394)].([]any)[0].([]byte)
	text := "# After the tag d2:\n"
	for _, part := range []struct {
		raw   []byte
		names annotate.Names
	}{
		{raw[1:], coseNames},
		{inner[1:], annotate.Names{
			"": "the receipt, after its tag d2", "/0": "+protected header", "/0//1": "alg: EdDSA", "/0//4": "kid of the node key", "/0//15": "CWT claims",
			"/0//15/1": "iss: the log's origin", "/0//15/2": "sub: what the statement is about", "/0//395": "vds: RFC9162_SHA256",
			"/1": "unprotected header", "/1/396": "vdp", "/1/396/-1": "inclusion proofs", "/1/396/-1/0": "+inclusion proof",
			"/1/396/-1/0//0": "tree size", "/1/396/-1/0//1": "leaf index", "/1/396/-1/0//2": "path",
			"/1/-65537": "the certified note", "/2": "payload: detached, the root", "/3": "signature by the node key",
		}},
	} {
		more, err := annotate.CBOR(part.raw, part.names)
		if err != nil {
			t.Fatal(err)
		}
		text += more + "\n"
	}
	golden(t, "testdata/receipt.cose.txt", []byte(text))
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s:\n%s", path, got)
	}
}

// Whatever byte of a receipt is changed, it proves the same or nothing.
func TestEveryByteCounts(t *testing.T) {
	doc, r := sample(t)
	tlogProof, err := r.TLogProof()
	if err != nil {
		t.Fatal(err)
	}
	coseProof, err := r.COSE(founders[1].key("node"))
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		raw   []byte
		parse func([]byte) (receipt.Receipt, error)
	}{"tlog-proof": {tlogProof, receipt.ParseTLogProof}, "COSE": {coseProof, receipt.ParseCOSE}} {
		for i := range x.raw {
			changed := bytes.Clone(x.raw)
			changed[i] ^= 1 << (i % 8)
			got, err := x.parse(changed)
			if err != nil {
				if !errors.Is(err, receipt.ErrMalformed) {
					t.Fatalf("%s: an error of no name: %v", name, err)
				}
				continue
			}
			if v, err := receipt.Verify(doc, got); err == nil && (v.Index != 3 || !bytes.Equal(v.Statement.Raw(), r.Statement)) {
				t.Errorf("%s: byte %d changed: proves %+v", name, i, v)
			}
		}
		for what, raw := range map[string][]byte{
			"nothing": nil, "cut": x.raw[:len(x.raw)-1], "more": append(bytes.Clone(x.raw), '\n'), "large": make([]byte, receipt.MaxSize+1), "half": x.raw[:len(x.raw)/2],
		} {
			if _, err := x.parse(raw); !errors.Is(err, receipt.ErrMalformed) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

// Every field of the COSE form that could be another is refused if it is.
func TestCOSEStrictly(t *testing.T) {
	_, r := sample(t)
	good, err := r.COSE(founders[1].key("node"))
	if err != nil {
		t.Fatal(err)
	}
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	encode := func(v any) []byte {
		raw, err := mode.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	decode := func(raw []byte, v any) {
		if err := cbor.Unmarshal(raw, v); err != nil {
			t.Fatal(err)
		}
	}
	type parts struct {
		outer     []any
		inner     []any
		head      map[int64]any
		inclusion []any
	}
	// changed takes the receipt apart, changes it, and puts it together again.
	changed := func(change func(*parts)) []byte {
		var p parts
		decode(good[1:], &p.outer)
		decode(p.outer[1].(map[any]any)[uint64(394)].([]any)[0].([]byte)[1:], &p.inner)
		decode(p.inner[0].([]byte), &p.head)
		proofs := p.inner[1].(map[any]any)[uint64(396)].(map[any]any)
		decode(proofs[int64(-1)].([]any)[0].([]byte), &p.inclusion)
		p.inner[0], proofs[int64(-1)] = nil, []any{nil}
		change(&p)
		if p.inner[0] == nil {
			p.inner[0] = encode(p.head)
		}
		if list := proofs[int64(-1)].([]any); list[0] == nil {
			list[0] = encode(p.inclusion)
		}
		p.outer[1].(map[any]any)[uint64(394)].([]any)[0] = append([]byte{0xd2}, encode(p.inner)...)
		return append([]byte{0xd2}, encode(p.outer)...)
	}
	if same := changed(func(*parts) {}); !bytes.Equal(same, good) {
		t.Fatalf("put together again it is\n%x, want\n%x", same, good)
	}
	unprotected := func(p *parts) map[any]any { return p.inner[1].(map[any]any) }
	for name, change := range map[string]func(*parts){
		"another alg":            func(p *parts) { p.head[1] = -7 },
		"another structure":      func(p *parts) { p.head[395] = 2 },
		"a short kid":            func(p *parts) { p.head[4] = []byte{1} },
		"no kid":                 func(p *parts) { delete(p.head, 4) },
		"a header more":          func(p *parts) { p.head[3] = "text/plain" },
		"another iss":            func(p *parts) { p.head[15] = map[int]string{1: "other.example", 2: "recognition/XA/XB"} },
		"another sub":            func(p *parts) { p.head[15] = map[int]string{1: origin, 2: "recognition/XA/XC"} },
		"the root attached":      func(p *parts) { p.inner[2] = make([]byte, 32) },
		"an empty payload":       func(p *parts) { p.inner[2] = []byte{} },
		"a short signature":      func(p *parts) { p.inner[3] = make([]byte, 63) },
		"another size":           func(p *parts) { p.inclusion[0] = 10 },
		"a short hash":           func(p *parts) { p.inclusion[2].([]any)[0] = make([]byte, 31) },
		"a long hash":            func(p *parts) { p.inclusion[2].([]any)[0] = make([]byte, 33) },
		"no path":                func(p *parts) { p.inclusion[2] = nil },
		"two inclusion proofs":   func(p *parts) { unprotected(p)[uint64(396)].(map[any]any)[int64(-1)] = []any{nil, []byte{0}} },
		"a consistency proof":    func(p *parts) { unprotected(p)[uint64(396)].(map[any]any)[int64(-2)] = []any{[]byte{0}} },
		"no note":                func(p *parts) { delete(unprotected(p), int64(-65537)) },
		"not a note":             func(p *parts) { unprotected(p)[int64(-65537)] = []byte("note") },
		"no steps, but said":     func(p *parts) { unprotected(p)[int64(-65538)] = []any{} },
		"an unknown header":      func(p *parts) { unprotected(p)[int64(-65539)] = 1 },
		"another header outside": func(p *parts) { p.outer[1].(map[any]any)[uint64(4)] = []byte{1} },
		"two receipts": func(p *parts) {
			m := p.outer[1].(map[any]any)
			m[uint64(394)] = append(m[uint64(394)].([]any), []byte{0})
		},
		"not a statement":         func(p *parts) { p.outer[2] = []byte{0xa0} },
		"an index above the tree": func(p *parts) { p.inclusion[1] = uint64(merkle.MaxSize) },
	} {
		if got, err := receipt.ParseCOSE(changed(change)); !errors.Is(err, receipt.ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for name, raw := range map[string][]byte{"no tag": good[1:], "another tag": append([]byte{0xd1}, good[1:]...), "without a receipt": r.Statement} {
		if _, err := receipt.ParseCOSE(raw); !errors.Is(err, receipt.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTLogProofStrictly(t *testing.T) {
	_, r := sample(t)
	raw, err := r.TLogProof()
	if err != nil {
		t.Fatal(err)
	}
	good := string(raw)
	lines := strings.SplitAfter(good, "\n")
	for name, s := range map[string]string{
		"without extra":     lines[0] + strings.Join(lines[2:], ""),
		"extra after index": lines[0] + lines[2] + lines[1] + strings.Join(lines[3:], ""),
		"index with zero":   strings.Replace(good, "index 3", "index 03", 1),
		"no index":          strings.Replace(good, "index 3\n", "", 1),
		"negative index":    strings.Replace(good, "index 3", "index -3", 1),
		"version 2":         strings.Replace(good, "@v1", "@v2", 1),
		"too many hashes":   strings.Join(lines[:3], "") + strings.Repeat(lines[3], merkle.MaxProof+1) + "\n" + string(r.Note),
		"a short hash":      strings.Join(lines[:3], "") + "AAAA\n\n" + string(r.Note),
		"no end of proof":   strings.Join(lines[:4], ""),
		"carriage returns":  strings.ReplaceAll(good, "\n", "\r\n"),
		"no CBOR":           strings.Replace(good, lines[1], "extra AAAA\n", 1),
	} {
		if _, err := receipt.ParseTLogProof([]byte(s)); !errors.Is(err, receipt.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*receipt.Receipt){
		"no note":           func(r *receipt.Receipt) { r.Note = nil },
		"a long statement":  func(r *receipt.Receipt) { r.Statement = make([]byte, 60_001) },
		"a long proof":      func(r *receipt.Receipt) { r.Proof = make([]merkle.Hash, merkle.MaxProof+1) },
		"an index too high": func(r *receipt.Receipt) { r.Index = merkle.MaxSize },
		"too many steps":    func(r *receipt.Receipt) { r.Steps = make([]receipt.Step, receipt.MaxSteps+1) },
		"an empty step":     func(r *receipt.Receipt) { r.Steps = make([]receipt.Step, 1) },
	} {
		bad := r
		change(&bad)
		if _, err := bad.TLogProof(); !errors.Is(err, receipt.ErrMalformed) {
			t.Errorf("tlog-proof with %s: %v", name, err)
		}
		if _, err := bad.COSE(founders[1].key("node")); !errors.Is(err, receipt.ErrMalformed) {
			t.Errorf("COSE with %s: %v", name, err)
		}
	}
}

// A ledger of one statement: the tree is the leaf, the proof empty.
func TestFirstStatement(t *testing.T) {
	w := newWorld(t, origin)
	w.say(1)
	r := w.receipt(0, nil, founders...)
	tlogProof, err := r.TLogProof()
	if err != nil {
		t.Fatal(err)
	}
	coseProof, err := r.COSE(founders[0].key("node"))
	if err != nil {
		t.Fatal(err)
	}
	if err := torchwood.VerifyProof(policy(t, w.doc), tlog.RecordHash(r.Statement), tlogProof); err != nil {
		t.Error(err)
	}
	a, err := receipt.ParseTLogProof(tlogProof)
	if err != nil {
		t.Fatal(err)
	}
	b, err := receipt.ParseCOSE(coseProof)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []receipt.Receipt{a, b} {
		if _, err := receipt.Verify(w.doc, r); err != nil {
			t.Error(err)
		}
	}
}

func FuzzParseTLogProof(f *testing.F) {
	doc, r := sample(f)
	raw, err := r.TLogProof()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	long := longWalk(f)
	more, err := long.receipt(0, long.steps[:2], long.set...).TLogProof()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(more)
	recovered := recoveredWorld(f)
	more, err = recovered.receipt(0, recovered.steps, recovered.set[:1]...).TLogProof()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(more)
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := receipt.ParseTLogProof(raw)
		check(t, doc, r, got, err, raw, receipt.Receipt.TLogProof)
	})
}

func FuzzParseCOSE(f *testing.F) {
	doc, r := sample(f)
	raw, err := r.COSE(founders[1].key("node"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	recovered := recoveredWorld(f)
	if raw, err = recovered.receipt(0, recovered.steps, recovered.set[:1]...).COSE(founders[1].key("node")); err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := receipt.ParseCOSE(raw)
		check(t, doc, r, got, err, raw, nil)
	})
}

// check holds what is true of every foreign receipt: errors have names, what is
// read is written so again, and it proves nothing but what is so.
func check(t *testing.T, doc *genesis.Document, r, got receipt.Receipt, err error, raw []byte, encode func(receipt.Receipt) ([]byte, error)) {
	if err != nil {
		if !errors.Is(err, receipt.ErrMalformed) {
			t.Fatalf("an error of no name: %v", err)
		}
		return
	}
	if encode != nil {
		if again, err := encode(got); err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("took a receipt that it would not write: %v", err)
		}
	}
	v, err := receipt.Verify(doc, got)
	switch {
	case err == nil && !bytes.Equal(v.Statement.Raw(), r.Statement):
		t.Fatalf("proves %+v", got)
	case err != nil && !errors.Is(err, receipt.ErrRefused) && !errors.Is(err, receipt.ErrMalformed):
		t.Fatalf("an error of no name: %v", err)
	}
}
