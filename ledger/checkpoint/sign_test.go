package checkpoint_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"github.com/oasisprotocol/curve25519-voi/curve"
	"github.com/oasisprotocol/curve25519-voi/curve/scalar"
	"golang.org/x/mod/sumdb/note"

	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// What others sign, we verify: x/mod's notes and torchwood's co-signatures.
func TestVerifyOthers(t *testing.T) {
	vs := validators(4)
	c := at(7)
	skey := fmt.Sprintf("PRIVATE+KEY+%s+%s", strings.Join(strings.Split(checkpoint.LogVKey(origin, vs[1].Node), "+")[:2], "+"),
		base64.StdEncoding.EncodeToString(append([]byte{1}, nodeKey(vs[1].ID).Seed()...)))
	logSigner, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	cosigner, err := torchwood.NewCosignatureSigner(checkpoint.CosignerName(origin, vs[2].ID), cosignKey(vs[2].ID))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cosigner.Verifier().String(), checkpoint.CosignerVKey(origin, vs[2].ID, vs[2].Cosign); got != want {
		t.Errorf("torchwood's verifier key is %s, ours %s", got, want)
	}
	raw, err := note.Sign(&note.Note{Text: c.Text()}, logSigner, cosigner)
	if err != nil {
		t.Fatal(err)
	}
	n, err := checkpoint.ParseNote(raw)
	if err != nil {
		t.Fatal(err)
	}
	if by, err := vs.VerifyLog(c, n.Lines[0]); err != nil || by != vs[1].ID {
		t.Errorf("the log's signature: %s, %v", by, err)
	}
	sig, err := vs.VerifyCosignature(c, n.Lines[1])
	if age := time.Since(sig.At); err != nil || sig.By != vs[2].ID || age < 0 || age > time.Minute {
		t.Errorf("the co-signature: %+v, %v", sig, err)
	}
	if string(n.Bytes()) != string(raw) {
		t.Errorf("written as %q, want %q", n.Bytes(), raw)
	}
}

// What we sign, others verify.
func TestOthersVerify(t *testing.T) {
	vs := validators(4)
	c := at(1_000_000)
	certified := certify(t, checkpoint.Assemble(c, signedBy(t, c, vs)), vs)
	var known []note.Verifier
	for _, v := range vs {
		logV, err := note.NewVerifier(checkpoint.LogVKey(origin, v.Node))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := torchwood.NewCosignatureVerifier(checkpoint.CosignerVKey(origin, v.ID, v.Cosign))
		if err != nil {
			t.Fatal(err)
		}
		ours, err := checkpoint.NewCosignatureVerifier(theirs.String())
		if err != nil || ours.Name() != theirs.Name() || ours.KeyHash() != theirs.KeyHash() || ours.String() != theirs.String() {
			t.Fatalf("our verifier is %v, torchwood's %v: %v", ours, theirs, err)
		}
		known = append(known, logV, theirs)
	}
	n, err := note.Open(certified.Note(), note.VerifierList(known...))
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Sigs) != 8 || len(n.UnverifiedSigs) != 0 || n.Text != c.Text() {
		t.Errorf("x/mod verified %d and not %d", len(n.Sigs), len(n.UnverifiedSigs))
	}
	times := make(map[string]int64)
	for _, s := range n.Sigs {
		if s.Name != origin {
			if times[s.Name], err = torchwood.CosignatureTimestamp(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, sig := range certified.Cosigners() {
		if got := times[checkpoint.CosignerName(origin, sig.By)]; got != sig.At.Unix() {
			t.Errorf("torchwood's time of %s is %d, ours %d", sig.By, got, sig.At.Unix())
		}
		if at, ok := checkpoint.CosignatureTime(sig.Line); !ok || !at.Equal(sig.At) {
			t.Errorf("the time of its line is %v, %v", at, ok)
		}
	}
	policy := fmt.Sprintf("log %s\n", checkpoint.LogVKey(origin, vs[0].Node))
	group := "group q 3"
	for _, v := range vs {
		policy += fmt.Sprintf("witness %s %s\n", v.ID, checkpoint.CosignerVKey(origin, v.ID, v.Cosign))
		group += " " + string(v.ID)
	}
	p, err := torchwood.ParsePolicy([]byte(policy + group + "\nquorum q\n"))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := torchwood.VerifyCheckpoint(certified.Note(), p)
	if err != nil || got.String() != c.Text() {
		t.Errorf("torchwood's policy: %+v, %v", got, err)
	}
	two := checkpoint.Assemble(c, signedBy(t, c, vs[:2]))
	if _, _, err := torchwood.VerifyCheckpoint(two.Bytes(), p); err == nil {
		t.Error("torchwood's policy takes two of four")
	}
}

func TestVerifyRefuses(t *testing.T) {
	vs := validators(4)
	c := at(7)
	good, log := cosign(t, c, vs[0].ID, start), signLog(t, c, vs[0].ID)
	stranger, err := checkpoint.Cosign(c, vs[0].ID, start, cosignKey("ZZ"))
	if err != nil {
		t.Fatal(err)
	}
	otherOrigin := c
	otherOrigin.Origin = "other.example"
	for name, x := range map[string]struct {
		c    checkpoint.Checkpoint
		line string
		want error
	}{
		"another size":            {at(8), good, checkpoint.ErrSignature},
		"another root":            {checkpoint.Checkpoint{Origin: origin, Size: 7}, good, checkpoint.ErrSignature},
		"another origin":          {otherOrigin, good, checkpoint.ErrUnknownSigner},
		"another time":            {c, altered(t, good, 11), checkpoint.ErrSignature},
		"another signature":       {c, altered(t, good, 40), checkpoint.ErrSignature},
		"a key of the same name":  {c, stranger.Line, checkpoint.ErrUnknownSigner},
		"a validator not known":   {c, cosign(t, c, "ZZ", start), checkpoint.ErrUnknownSigner},
		"the log's signature":     {c, log, checkpoint.ErrUnknownSigner},
		"no line feed":            {c, strings.TrimSuffix(good, "\n"), checkpoint.ErrMalformed},
		"a carriage return":       {c, strings.Replace(good, "\n", "\r\n", 1), checkpoint.ErrMalformed},
		"two lines":               {c, good + good, checkpoint.ErrMalformed},
		"a hyphen for the dash":   {c, strings.Replace(good, "—", "-", 1), checkpoint.ErrMalformed},
		"nothing":                 {c, "", checkpoint.ErrMalformed},
		"a name with a plus":      {c, strings.Replace(good, origin, "a+b", 1), checkpoint.ErrMalformed},
		"base64 with other bits":  {c, strings.Replace(good, "=\n", "\n", 1), checkpoint.ErrMalformed},
		"no signature in it":      {c, "— health.example/GA AAAAAA==\n", checkpoint.ErrMalformed},
		"a signature cut in half": {c, cut(t, good, 40), checkpoint.ErrSignature},
	} {
		if sig, err := vs.VerifyCosignature(x.c, x.line); !errors.Is(err, x.want) {
			t.Errorf("%s: %+v, %v; want %v", name, sig, err, x.want)
		}
	}
	for name, x := range map[string]struct {
		c    checkpoint.Checkpoint
		line string
		want error
	}{
		"another size":      {at(8), log, checkpoint.ErrSignature},
		"another origin":    {otherOrigin, log, checkpoint.ErrUnknownSigner},
		"another signature": {c, altered(t, log, 40), checkpoint.ErrSignature},
		"not a validator's": {c, signLog(t, c, "ZZ"), checkpoint.ErrUnknownSigner},
		"a co-signature":    {c, good, checkpoint.ErrUnknownSigner},
	} {
		if by, err := vs.VerifyLog(x.c, x.line); !errors.Is(err, x.want) {
			t.Errorf("%s: %s, %v; want %v", name, by, err, x.want)
		}
	}
	if _, err := vs.VerifyCosignature(c, good); err != nil {
		t.Error(err)
	}
}

// altered changes a bit of the i-th byte of the line's id and signature.
func altered(t testing.TB, line string, i int) string {
	t.Helper()
	return change(t, line, func(b []byte) []byte { b[i] ^= 1; return b })
}

func cut(t testing.TB, line string, n int) string {
	t.Helper()
	return change(t, line, func(b []byte) []byte { return b[:n] })
}

func change(t testing.TB, line string, f func([]byte) []byte) string {
	t.Helper()
	i := strings.LastIndex(line, " ") + 1
	b, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(line[i:], "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return line[:i] + base64.StdEncoding.EncodeToString(f(b)) + "\n"
}

// Two node keys can be made whose ids are the same. Neither can then spoil what
// the other signs, nor pass for it.
func TestCollidingKeyIDs(t *testing.T) {
	var keys []ed25519.PrivateKey
	for _, i := range []int{110781, 117317} {
		seed := sha256.Sum256(fmt.Appendf(nil, "concordat test key collides %d", i))
		keys = append(keys, ed25519.NewKeyFromSeed(seed[:]))
	}
	vs := validators(4)
	vs[1].Node, vs[2].Node = public(keys[0]), public(keys[1])
	keyID := func(k ed25519.PublicKey) string { return strings.Split(checkpoint.LogVKey(origin, k), "+")[1] }
	if keyID(vs[1].Node) != keyID(vs[2].Node) {
		t.Fatal("the ids do not collide")
	}
	c := at(7)
	for i, k := range keys {
		line, err := checkpoint.SignLog(c, k)
		if err != nil {
			t.Fatal(err)
		}
		if by, err := vs.VerifyLog(c, line); err != nil || by != vs[1+i].ID {
			t.Errorf("key %d: %s, %v", i, by, err)
		}
		if _, err := vs.VerifyLog(c, altered(t, line, 20)); !errors.Is(err, checkpoint.ErrSignature) {
			t.Errorf("key %d, altered: %v", i, err)
		}
	}
}

// K3: a signature that ZIP 215 takes and RFC 8032's usual verifiers do not is
// none here, or we would certify what tools refuse.
func TestSignatureRuleIsThatOfTools(t *testing.T) {
	c := at(7)
	var a, r, k, s scalar.Scalar
	for x, seed := range map[*scalar.Scalar]string{&a: "a", &r: "r"} {
		wide := sha512.Sum512([]byte(seed))
		if _, err := x.SetBytesModOrderWide(wide[:]); err != nil {
			t.Fatal(err)
		}
	}
	var A, R, T curve.EdwardsPoint
	A.MulBasepoint(curve.ED25519_BASEPOINT_TABLE, &a)
	R.MulBasepoint(curve.ED25519_BASEPOINT_TABLE, &r)
	// The point of order 2: y = -1.
	order2 := curve.CompressedEdwardsY{0xec}
	for i := 1; i < 31; i++ {
		order2[i] = 0xff
	}
	order2[31] = 0x7f
	if _, err := T.SetCompressedY(&order2); err != nil {
		t.Fatal(err)
	}
	R.Add(&R, &T)
	var cA, cR curve.CompressedEdwardsY
	cA.SetEdwardsPoint(&A)
	cR.SetEdwardsPoint(&R)
	message := []byte(c.Text())
	h := sha512.New()
	h.Write(cR[:])
	h.Write(cA[:])
	h.Write(message)
	if _, err := k.SetBytesModOrderWide(h.Sum(nil)); err != nil {
		t.Fatal(err)
	}
	s.Mul(&k, &a)
	s.Add(&s, &r)
	var sb [32]byte
	if err := s.ToBytes(sb[:]); err != nil {
		t.Fatal(err)
	}
	sig := append(cR[:], sb[:]...)
	key := ed25519.PublicKey(cA[:])
	if err := statement.CheckPublicKey(key); err != nil {
		t.Fatal(err)
	}
	if !statement.VerifySignature(key, message, sig) {
		t.Fatal("ZIP 215 refuses the signature: it shows nothing")
	}
	vs := validators(4)
	vs[0].Node = key
	line := change(t, signLog(t, c, vs[1].ID), func([]byte) []byte {
		id := []byte{}
		if _, err := fmt.Sscanf(strings.Split(checkpoint.LogVKey(origin, key), "+")[1], "%x", &id); err != nil {
			t.Fatal(err)
		}
		return append(id, sig...)
	})
	if _, err := vs.VerifyLog(c, line); !errors.Is(err, checkpoint.ErrSignature) {
		t.Errorf("got %v, want ErrSignature", err)
	}
}

// A witness co-signs other logs' checkpoints too, whatever lines they have.
func TestWitnessForeign(t *testing.T) {
	const text = "rome.ct.example/2026h1\n9\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nan extension\n"
	key := testKey("witness")
	theirs, err := torchwood.NewCosignatureSigner("witness.example/w1", key)
	if err != nil {
		t.Fatal(err)
	}
	v, err := checkpoint.NewCosignatureVerifier(theirs.Verifier().String())
	if err != nil {
		t.Fatal(err)
	}
	line, err := checkpoint.CosignText("witness.example/w1", text, start, key)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.VerifyLine(text, line); err != nil || !got.Equal(start) {
		t.Errorf("our line: %v, %v", got, err)
	}
	// x/mod goes through our note.Verifier, and through torchwood's.
	for _, known := range []note.Verifier{v, theirs.Verifier()} {
		if _, err := note.Open([]byte(text+"\n"+line), note.VerifierList(known)); err != nil {
			t.Errorf("%T: %v", known, err)
		}
	}
	for name, err := range map[string]error{
		"another text":   second(v.VerifyLine(strings.Replace(text, "9", "8", 1), line)),
		"another signer": second(v.VerifyLine(text, cosign(t, at(9), "XA", start))),
		"no text":        second(v.VerifyLine("", line)),
	} {
		if err == nil {
			t.Errorf("%s is verified", name)
		}
	}
	for name, s := range map[string]string{
		"of the log": checkpoint.LogVKey(origin, public(key)), "nothing": "", "another id": strings.Replace(v.String(), "+", "+0", 1),
		"cut": v.String()[:len(v.String())-4], "another name": "x" + v.String(),
	} {
		if _, err := checkpoint.NewCosignatureVerifier(s); !errors.Is(err, checkpoint.ErrMalformed) {
			t.Errorf("verifier key %s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"a name with a space": second(checkpoint.CosignText("a b", text, start, key)),
		"before 1970":         second(checkpoint.CosignText("a", text, time.Unix(-1, 0), key)),
		"after 9999":          second(checkpoint.CosignText("a", text, time.Unix(statement.MaxTime+1, 0), key)),
		"no checkpoint":       second(checkpoint.CosignText("a", "text\n", start, key)),
		"no key":              second(checkpoint.CosignText("a", text, start, nil)),
		"no region":           second(checkpoint.Cosign(at(1), "x a", start, key)),
		"no node key":         second(checkpoint.SignLog(at(1), nil)),
	} {
		if !errors.Is(err, checkpoint.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
