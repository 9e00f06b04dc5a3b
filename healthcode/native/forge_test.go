package native

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"strings"
	"sync"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
)

var (
	keyEC  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	keyRSA = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	keyEd  = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type m = map[any]any

// The words that must never appear in an error.
const (
	forgedDOB     = "1957-03-29"
	forgedLevel   = "forged-level"
	forgedGround  = "Paragraph of Zwetschkenbaum"
	forgedAuditor = "Office of Zwetschkenbaum"
	forgedArea    = "XA-ZWETSCHKE"
)

var (
	forgedKeyID = []byte{1, 2, 3, 4, 5, 6, 7, 8}
	forgedID    = ID{0xde, 0xad, 0xbe, 0xef, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
)

const (
	forgedIAT = 1668556800 // 2022-11-16T00:00:00Z
	forgedEXP = forgedIAT + 7*86400
)

func healthClaims() m {
	return m{1: "XA", 4: forgedEXP, 6: forgedIAT, claimCard: m{
		1: forgedID[:], 2: forgedDOB,
		3: m{1: "default", 2: forgedLevel, 3: forgedGround, 4: forgedEXP, 5: m{1: forgedIAT - 7200, 2: 1, 3: forgedIAT - 3600, 4: forgedAuditor}},
	}}
}

func itineraryClaims() m {
	return m{1: "XA", 4: forgedEXP, 6: forgedIAT, claimCard: m{
		1: forgedID[:],
		4: m{1: forgedIAT - 14*86400, 2: forgedIAT, 3: []any{
			[]any{forgedArea, forgedIAT - 10*86400, forgedIAT - 9*86400},
			[]any{"CN-31-0115", forgedIAT - 9*86400, forgedIAT - 86400},
		}},
	}}
}

func card(c m) m        { return c[claimCard].(m) }
func health(c m) m      { return card(c)[3].(m) }
func declaration(c m) m { return health(c)[5].(m) }
func itinerary(c m) m   { return card(c)[4].(m) }

func raw(b ...byte) cbor.RawMessage { return b }

func enc(t testing.TB, v any) []byte {
	t.Helper()
	b, err := canonical.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sign makes a code of any payload.
func sign(t testing.TB, key crypto.Signer, payload []byte) string {
	t.Helper()
	alg := healthcode.EdDSA
	switch key.(type) {
	case *ecdsa.PrivateKey:
		alg = healthcode.ES256
	case *rsa.PrivateKey:
		alg = healthcode.PS256
	}
	protected := cwt.Protected(alg, forgedKeyID)
	structure := cwt.ToBeSigned(protected, payload)
	digest := sha256.Sum256(structure)
	var signature []byte
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case *rsa.PrivateKey:
		signature = must(rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: 32}))
	case ed25519.PrivateKey:
		signature = ed25519.Sign(key, structure)
	}
	return cwt.CHC1.Seal(protected, payload, signature)
}

// forged makes a code by an Ed25519 key, whose signatures are made the fastest.
func forged(t testing.TB, claims any) string { return sign(t, keyEd, enc(t, claims)) }

func mustVerify(t testing.TB, text string, key crypto.PublicKey) *healthcode.Verified {
	t.Helper()
	u, err := Decoder{}.Decode(text)
	if err != nil {
		t.Fatalf("Decode: %v", err)
	}
	v, err := u.Verify(key)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return v
}

// checkDiscreet fails if an error repeats anything of the code.
func checkDiscreet(t *testing.T, err error, text string) {
	t.Helper()
	for _, secret := range []string{forgedDOB, forgedLevel, "Zwetschke", "ZWETSCHKE", forgedID.Text()[:8]} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error repeats the code's content: %v", err)
		}
	}
	const window = 7
	body := strings.TrimPrefix(text, Prefix)
	for i := 0; i+window <= len(body); i++ {
		if strings.Contains(err.Error(), body[i:i+window]) {
			t.Errorf("the error repeats %q of the code's text: %v", body[i:i+window], err)
		}
	}
}
