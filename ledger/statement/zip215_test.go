package statement_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
	"pgregory.net/rapid"

	"concordat/ledger/statement"
)

// smallOrder is every encoding of a point of small order: the eight points, and
// six further encodings that are not canonical (ZIP 215, test vectors).
var smallOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000080",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

// withSignature is the grant with another signature: for small-order keys, any
// message is signed by a small-order R and S = 0.
func withSignature(t testing.TB, sig []byte) *statement.Unverified {
	t.Helper()
	raw := grant(t).Raw()
	u, err := statement.Parse(append(bytes.Clone(raw[:len(raw)-64]), sig...))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// S5: ZIP 215 takes all 196 pairs of small-order keys and points, one by one
// and in a batch. Nodes that followed RFC 8032 would part from us here.
func TestZIP215SmallOrder(t *testing.T) {
	var us []*statement.Unverified
	var keys []ed25519.PublicKey
	for _, a := range smallOrder {
		for _, r := range smallOrder {
			key := ed25519.PublicKey(unhex(t, a))
			u := withSignature(t, append(unhex(t, r), make([]byte, 32)...))
			if _, err := u.Verify(key); err != nil {
				t.Errorf("key %s, R %s: %v", a, r, err)
			}
			us, keys = append(us, u), append(keys, key)
		}
	}
	_, errs := statement.NewChecker(1).VerifyAll(us, keys)
	for i, err := range errs {
		if err != nil {
			t.Errorf("in a batch, key %x: %v", keys[i], err)
		}
	}
}

// The twelve cases of "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko
// 2020; ed25519-speccheck), with what ZIP 215 says of each.
func TestZIP215Speccheck(t *testing.T) {
	raw, err := os.ReadFile("testdata/speccheck.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Case      string `json:"case"`
		Good      bool   `json:"good"`
		Message   string `json:"message"`
		PublicKey string `json:"pub_key"`
		Signature string `json:"signature"`
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 12 {
		t.Fatalf("%d cases, want 12", len(cases))
	}
	for _, c := range cases {
		got := statement.VerifySignature(unhex(t, c.PublicKey), unhex(t, c.Message), unhex(t, c.Signature))
		if got != c.Good {
			t.Errorf("%s: got %v, want %v", c.Case, got, c.Good)
		}
	}
}

// The doors by which keys come in refuse what ZIP 215 would verify with and no honest authority has.
func TestCheckPublicKey(t *testing.T) {
	if err := statement.CheckPublicKey(public(keyXA)); err != nil {
		t.Errorf("an ordinary key: %v", err)
	}
	bad := map[string]string{
		"mixed order":    "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
		"not on a curve": "0200000000000000000000000000000000000000000000000000000000000000",
		"short":          "00",
	}
	for _, s := range smallOrder {
		bad["small order "+s] = s
	}
	for name, s := range bad {
		if err := statement.CheckPublicKey(unhex(t, s)); !errors.Is(err, statement.ErrKey) {
			t.Errorf("%s: got %v, want ErrKey", name, err)
		}
	}
}

func TestVerifySignatureOfOddSizes(t *testing.T) {
	sig := ed25519.Sign(keyXA, []byte("m"))
	for _, n := range []int{0, 31, 33} {
		if statement.VerifySignature(make([]byte, n), []byte("m"), sig) {
			t.Errorf("took a key of %d bytes", n)
		}
	}
	for _, n := range []int{0, 63} {
		if statement.VerifySignature(public(keyXA), []byte("m"), sig[:n]) {
			t.Errorf("took a signature of %d bytes", n)
		}
	}
	if !statement.VerifySignature(public(keyXA), []byte("m"), sig) {
		t.Error("did not take the signature")
	}
}

// torsioned signs with a key whose public point has a part of small order
// added: what only its own holder can do. It is good under ZIP 215; verifiers
// that leave out the cofactor take one in eight.
func torsioned(t testing.TB, seed byte, torsion string) (ed25519.PublicKey, *statement.Unverified) {
	t.Helper()
	var wide [64]byte
	wide[0] = seed
	var a, r, k, s scalar.Scalar
	must(t, second(a.SetBytesModOrderWide(sum512("a", wide[:]))))
	must(t, second(r.SetBytesModOrderWide(sum512("r", wide[:]))))
	var A, R, T curve.EdwardsPoint
	A.MulBasepoint(curve.ED25519_BASEPOINT_TABLE, &a)
	R.MulBasepoint(curve.ED25519_BASEPOINT_TABLE, &r)
	compressed := curve.CompressedEdwardsY(unhex(t, torsion))
	must(t, second(T.SetCompressedY(&compressed)))
	A.Add(&A, &T)
	var cA, cR curve.CompressedEdwardsY
	cA.SetEdwardsPoint(&A)
	cR.SetEdwardsPoint(&R)
	p := split(t, grant(t).Raw())
	tbs := toBeSigned(t, p)
	h := sha512.New()
	h.Write(cR[:])
	h.Write(cA[:])
	h.Write(tbs)
	must(t, second(k.SetBytesModOrderWide(h.Sum(nil))))
	s.Mul(&k, &a)
	s.Add(&s, &r)
	var sb [32]byte
	must(t, s.ToBytes(sb[:]))
	return cA[:], withSignature(t, append(cR[:], sb[:]...))
}

func sum512(domain string, b []byte) []byte {
	h := sha512.Sum512(append([]byte(domain), b...))
	return h[:]
}

func second[T any](_ T, err error) error { return err }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// S5: however many are verified at once, and whoever crafted them, the checker
// says of each what Verify says of it alone.
func TestBatchAgreesWithSingle(t *testing.T) {
	type pair struct {
		u   *statement.Unverified
		key ed25519.PublicKey
	}
	raw := grant(t).Raw()
	good := raw[len(raw)-64:]
	var pool []pair
	add := func(u *statement.Unverified, key ed25519.PublicKey) { pool = append(pool, pair{u, key}) }
	for _, name := range []string{"XA", "XB", "XC"} {
		v := sign(t, statement.Statement{Issuer: "XA", Network: network, Revision: 7, Body: &statement.Withdraw{Region: "XB"}}, testKey(name))
		u, err := statement.Parse(v.Raw())
		must(t, err)
		add(u, public(testKey(name)))
		add(u, public(testKey(name+" other")))
	}
	for bit := range 8 {
		changed := bytes.Clone(good)
		changed[bit*8] ^= 1 << bit
		add(withSignature(t, changed), public(keyXA))
	}
	// S + L: the same number, not in its one form.
	add(withSignature(t, append(bytes.Clone(good[:32]), unhex(t, "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")...)), public(keyXA))
	for i, a := range smallOrder {
		key, u := torsioned(t, byte(i), a)
		add(u, key)
		add(u, public(keyXA))
		add(withSignature(t, append(unhex(t, a), good[32:]...)), public(keyXA))
		add(withSignature(t, good), unhex(t, a))
	}
	add(withSignature(t, good), unhex(t, "0200000000000000000000000000000000000000000000000000000000000000"))
	add(withSignature(t, good), nil)
	add(withSignature(t, good), public(keyXA))

	alone := make([]bool, len(pool))
	taken := 0
	for i, p := range pool {
		v, err := p.u.Verify(p.key)
		if alone[i] = err == nil; alone[i] {
			taken++
			if !v.SignedBy(p.key) {
				t.Errorf("%d: SignedBy is false", i)
			}
		} else if !errors.Is(err, statement.ErrSignature) {
			t.Errorf("%d: got %v, want ErrSignature", i, err)
		}
	}
	if taken < 3+14+1 || taken == len(pool) {
		t.Fatalf("the pool of %d has %d good ones: not a test", len(pool), taken)
	}
	checker := statement.NewChecker(8) // small: what is verified is forgotten often
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.SliceOfN(rapid.IntRange(0, len(pool)-1), 1, 40).Draw(t, "statements")
		var us []*statement.Unverified
		var keys []ed25519.PublicKey
		for _, i := range at {
			us, keys = append(us, pool[i].u), append(keys, pool[i].key)
		}
		vs, errs := checker.VerifyAll(us, keys)
		for j, i := range at {
			if (errs[j] == nil) != alone[i] || (vs[j] != nil) != alone[i] {
				t.Fatalf("key %s: in a batch %v, alone %v", hex.EncodeToString(keys[j]), errs[j], alone[i])
			}
			if vs[j] != nil && (vs[j].Hash() != us[j].Hash() || !vs[j].SignedBy(keys[j])) {
				t.Fatal("verified another statement")
			}
		}
	})
}
