package hc1

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
)

// Keys made once per run. RSA-2048 takes a tenth of a second; larger ones are
// left to the corpus (CO2 has 3072 bits).
var (
	keyP256 = sync.OnceValue(func() *ecdsa.PrivateKey { return ecKey(elliptic.P256()) })
	keyP384 = sync.OnceValue(func() *ecdsa.PrivateKey { return ecKey(elliptic.P384()) })
	keyRSA  = sync.OnceValue(func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return k
	})
)

func ecKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

// rsaModulus gives an RSA public key of so many bits that nobody has the private
// half of.
func rsaModulus(bits uint) *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537}
}

type m = map[any]any

// The words that must never appear in an error.
const (
	forgedName = "Zwetschkenbaum"
	forgedDOB  = "1957-03-29"
	forgedUCI  = "URN:UVCI:01:XA:9F3B7A#1"
)

var forgedKeyID = []byte{1, 2, 3, 4, 5, 6, 7, 8}

// forgery is a code in the making. Each field is one layer; a test changes the
// layer that it is about and the layers around it follow.
type forgery struct {
	protected   []byte // content of the protected bucket
	unprotected any
	claims      any
	payload     []byte                     // replaces the encoded claims if set
	sign        func(structure []byte) any // element 4
	tags        []uint64                   // outermost first
	message     func(parts []any) any      // the array, before the tags
	encoded     func(message []byte) []byte
	compressed  func(zlib []byte) []byte
	text        func(text string) string
}

// forged makes a code that is good but for what the changes do to it.
func forged(t testing.TB, changes ...func(*forgery)) string {
	t.Helper()
	f := &forgery{
		protected:   enc(t, m{1: -7, 4: forgedKeyID}),
		unprotected: m{},
		claims:      vaccination(),
		sign:        func(s []byte) any { return signEC(t, keyP256(), s) },
		tags:        []uint64{18},
		message:     func(parts []any) any { return parts },
		encoded:     func(b []byte) []byte { return b },
		compressed:  func(b []byte) []byte { return b },
		text:        func(s string) string { return s },
	}
	for _, change := range changes {
		change(f)
	}
	if f.payload == nil {
		f.payload = enc(t, f.claims)
	}
	structure := enc(t, []any{"Signature1", f.protected, []byte{}, f.payload})
	var message any = f.message([]any{f.protected, f.unprotected, f.payload, f.sign(structure)})
	for i := len(f.tags) - 1; i >= 0; i-- {
		message = cbor.Tag{Number: f.tags[i], Content: message}
	}
	return f.text("HC1:" + cwt.EncodeBase45(f.compressed(cwt.Deflate(f.encoded(enc(t, message))))))
}

// vaccination is a plain claims set.
func vaccination() m {
	return m{
		1: "XA", 4: 1700000000, 6: 1620000000,
		-260: m{1: m{
			"ver": "1.3.0",
			"nam": m{"fn": forgedName, "gn": "Ilse", "fnt": "ZWETSCHKENBAUM", "gnt": "ILSE"},
			"dob": forgedDOB,
			"v": []any{m{
				"tg": "840539006", "vp": "1119349007", "mp": "EU/1/20/1528", "ma": "ORG-100030215",
				"dn": 2, "sd": 2, "dt": "2021-02-18", "co": "XA", "is": "Ministry of Health", "ci": forgedUCI,
			}},
		}},
	}
}

func dcc(claims m) m                { return claims[-260].(m)[1].(m) }
func entry(claims m) m              { return dcc(claims)["v"].([]any)[0].(m) }
func raw(b ...byte) cbor.RawMessage { return b }

// canonical sorts map keys, so that one input makes one code.
var canonical = func() cbor.EncMode {
	mode, err := cbor.EncOptions{Sort: cbor.SortCoreDeterministic}.EncMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

func enc(t testing.TB, v any) []byte {
	t.Helper()
	b, err := canonical.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func signEC(t testing.TB, k *ecdsa.PrivateKey, structure []byte) []byte {
	t.Helper()
	digest := sha256.Sum256(structure)
	r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	size := (k.Curve.Params().BitSize + 7) / 8
	return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
}

func signRSA(t testing.TB, k *rsa.PrivateKey, salt int, structure []byte) []byte {
	t.Helper()
	digest := sha256.Sum256(structure)
	sig, err := rsa.SignPSS(rand.Reader, k, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// mustVerify decodes and verifies what has to be good.
func mustVerify(t *testing.T, text string, key crypto.PublicKey) *healthcode.Verified {
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

// checkDiscreet fails if an error repeats anything of the code: of its text, or
// of what is in it.
func checkDiscreet(t *testing.T, err error, text string) {
	t.Helper()
	for _, secret := range []string{forgedName, strings.ToUpper(forgedName), forgedDOB, forgedUCI, "Ilse"} {
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
