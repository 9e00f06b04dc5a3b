package recovery

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"

	"concordat/ledger/block"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("recovery test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func governance(id statement.Region) ed25519.PrivateKey { return testKey(string(id) + "/governance") }

var electorate = []statement.Region{"XA", "XB", "XC", "XD"}

func testFile(t testing.TB) *File {
	t.Helper()
	f := &File{
		Format: Format, Network: "recovery.test", NetworkID: sha256.Sum256([]byte("genesis")),
		PreviousLog: "recovery.test", Log: "recovery.test/2",
		Lineage: 2, Size: 12, Root: sha256.Sum256([]byte("root")), Validators: []statement.Region{"XB", "XE"}, Reason: "two disks are lost",
		MadeBy: "XB", MadeAt: "2026-01-02T03:04:05Z", Proposer: "XB", Findings: []string{"its own certified checkpoint of size 12"},
		Signatures: []Signature{},
	}
	for _, id := range electorate {
		key, err := genesis.KeyOf(governance(id).Public().(ed25519.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		f.Electors = append(f.Electors, Elector{Authority: id, Governance: key})
	}
	return f
}

// seal makes the block as the proposer does.
func seal(t testing.TB, f *File) {
	t.Helper()
	said, err := statement.Sign(statement.Statement{
		Issuer: f.Proposer, Network: statement.NetworkID(f.NetworkID), IssuedAt: 1_700_000_000, Body: f.Body(),
	}, governance(f.Proposer))
	if err != nil {
		t.Fatal(err)
	}
	f.Statement = said.Raw()
	f.Block, err = block.Seal(block.Header{
		Network: statement.NetworkID(f.NetworkID), Term: 9, Size: f.Size, Root: f.Root, Time: 1_700_000_000_000, Proposer: f.Proposer,
	}, [][]byte{f.Statement}, nil, testKey("XB/node"))
	if err != nil {
		t.Fatal(err)
	}
}

func signed(t testing.TB, by ...statement.Region) *File {
	t.Helper()
	f := testFile(t)
	for _, id := range by {
		if err := f.Sign(id, governance(id)); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestPlan(t *testing.T) {
	f := signed(t, "XC", "XA", "XC")
	if err := f.Complete(); !errors.Is(err, ErrUnsigned) || !strings.Contains(err.Error(), "2 of 4 have signed, 3 are needed") {
		t.Errorf("with two of four signatures: %v", err)
	}
	if u := f.Unsigned(); !slices.Equal(u, []statement.Region{"XB", "XD"}) {
		t.Errorf("still to sign: %v", u)
	}
	if err := f.Sign("XD", governance("XD")); err != nil {
		t.Fatal(err)
	}
	if err := f.Complete(); err != nil {
		t.Error(err)
	}
	again, err := Parse(f.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if !SamePlan(f, again) || len(again.Signatures) != 3 || !bytes.Equal(again.Encode(), f.Encode()) {
		t.Errorf("read again it is %+v", again)
	}
	words := strings.Join(f.Words(), "\n")
	for _, want := range []string{"12 statements", `"recovery.test/2"`, "XB, XE order and vouch", "XA, XC, XD: validators no more", `"two disks are lost"`, "signed by XA, XC, XD; 3 of XA, XB, XC, XD have to"} {
		if !strings.Contains(words, want) {
			t.Errorf("the words do not have %q:\n%s", want, words)
		}
	}
	seal(t, f)
	if again, err = Parse(f.Encode()); err != nil || !bytes.Equal(again.Block, f.Block) {
		t.Errorf("sealed: %v", err)
	}
	if err := f.Sign("XB", governance("XB")); !errors.Is(err, ErrSealed) {
		t.Errorf("signing a sealed plan: %v", err)
	}
}

func TestSignRefuses(t *testing.T) {
	f := testFile(t)
	if err := f.Sign("XE", governance("XE")); !errors.Is(err, ErrNotElector) {
		t.Errorf("an authority that is no validator: %v", err)
	}
	f.Electors[2].Suspended = true
	if err := f.Sign("XC", governance("XC")); !errors.Is(err, ErrNotElector) || slices.Contains(f.Unsigned(), "XC") {
		t.Errorf("a suspended validator: %v, %v", err, f.Unsigned())
	}
	if f.Electors[1].Suspended = true; Proposer(f.Plan(), f.Electors) != "" {
		t.Error("a suspended validator would make the block")
	}
	if err := f.Sign("XA", governance("XB")); !errors.Is(err, ErrNotElector) {
		t.Errorf("with another's key: %v", err)
	}
}

// V1 to V3: nothing is taken that was changed, in whatever field.
func TestParseRefuses(t *testing.T) {
	for what, c := range map[string]struct {
		change func(f *File)
		want   error
	}{
		"another size":          {func(f *File) { f.Size++ }, ErrSignature},
		"another root":          {func(f *File) { f.Root[0] ^= 1 }, ErrSignature},
		"another reason":        {func(f *File) { f.Reason = "none" }, ErrSignature},
		"others who go on":      {func(f *File) { f.Validators = []statement.Region{"XB"} }, ErrSignature},
		"another lineage":       {func(f *File) { f.Lineage, f.PreviousLog, f.Log = 3, f.Log, "recovery.test/3" }, ErrSignature},
		"another network":       {func(f *File) { f.NetworkID[0] ^= 1 }, ErrSignature},
		"another's signature":   {func(f *File) { f.Signatures[0].Signature = f.Signatures[1].Signature }, ErrSignature},
		"an empty ledger":       {func(f *File) { f.Size = 0 }, ErrMalformed},
		"another proposer":      {func(f *File) { f.Proposer = "XA" }, ErrMalformed},
		"a proposer not chosen": {func(f *File) { f.Validators = []statement.Region{"XE"} }, ErrMalformed},
		"a signature twice":     {func(f *File) { f.Signatures = append(f.Signatures, f.Signatures[2]) }, ErrMalformed},
		"an elector twice":      {func(f *File) { f.Electors = append(f.Electors, f.Electors[3]) }, ErrMalformed},
		"a signer of no part":   {func(f *File) { f.Electors = f.Electors[:3] }, ErrMalformed},
		"a signer suspended":    {func(f *File) { f.Electors[0].Suspended = true }, ErrMalformed},
		"no time":               {func(f *File) { f.MadeAt = "yesterday" }, ErrMalformed},
		"a long finding":        {func(f *File) { f.Findings = []string{strings.Repeat("x", MaxFinding+1)} }, ErrMalformed},
		"another log":           {func(f *File) { f.Log = "recovery.test" }, ErrMalformed},
		"another name":          {func(f *File) { f.Network = "other.test" }, ErrMalformed},
		"another format":        {func(f *File) { f.Format = "concordat-recovery/2" }, ErrMalformed},
	} {
		f := signed(t, "XA", "XB", "XD")
		c.change(f)
		if _, err := Parse(f.Encode()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
	for what, change := range map[string]func(f *File){
		"a block without its statement": func(f *File) { f.Statement = nil },
		"a statement without its block": func(f *File) { f.Block = nil },
		"another term":                  func(f *File) { f.Block[20] ^= 1 },
		"a signature less than in the block": func(f *File) {
			f.Signatures = f.Signatures[:2]
		},
		"a block of another's statement": func(f *File) {
			other := signed(t, "XA", "XC", "XD")
			seal(t, other)
			f.Block = other.Block
		},
	} {
		f := signed(t, "XA", "XB", "XD")
		seal(t, f)
		change(f)
		if _, err := Parse(f.Encode()); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", what, err)
		}
	}
	few := signed(t, "XA", "XB")
	seal(t, few)
	if _, err := Parse(few.Encode()); !errors.Is(err, ErrUnsigned) {
		t.Errorf("sealed with two of four: %v", err)
	}
	whole := signed(t).Encode()
	for what, raw := range map[string][]byte{
		"nothing":                 nil,
		"another encoding":        bytes.ReplaceAll(whole, []byte("  "), []byte(" ")),
		"a field that is unknown": bytes.Replace(whole, []byte(`"format"`), []byte(`"more": 1, "format"`), 1),
		"something after":         append(bytes.Clone(whole), '{'),
		"too much":                bytes.Repeat([]byte(" "), MaxSize+1),
	} {
		if _, err := Parse(raw); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", what, err)
		}
	}
}

// The places of recoveries in the order ascend, and stay below what nodes take.
func TestIndex(t *testing.T) {
	for lineage := uint64(2); lineage <= 1000; lineage++ {
		if i := Index(lineage); i <= Index(lineage-1) || i >= 1<<48 {
			t.Fatalf("lineage %d begins at entry %d", lineage, i)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(signed(f).Encode())
	whole := signed(f, "XA", "XB", "XD")
	f.Add(whole.Encode())
	seal(f, whole)
	f.Add(whole.Encode())
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := Parse(raw)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Encode(), raw) || len(p.Words()) == 0 {
			t.Errorf("%q is read, and written as %q", raw, p.Encode())
		}
	})
}
