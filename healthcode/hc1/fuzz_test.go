package hc1

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"sync"
	"testing"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
)

// strangers are public keys that signed nothing: the generator of P-256, and a
// modulus that nobody made a key with. Making real ones takes longer than a
// fuzz run, under its instrumentation.
var strangers = sync.OnceValue(func() []crypto.PublicKey {
	p := elliptic.P256().Params()
	point := append([]byte{4}, append(p.Gx.FillBytes(make([]byte, 32)), p.Gy.FillBytes(make([]byte, 32))...)...)
	generator, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		panic(err)
	}
	return []crypto.PublicKey{generator, rsaModulus(2048)}
})

// Run the targets with -fuzzminimizetime 10x: a zlib reader from the pool takes
// another path than a fresh one, and the fuzzer would spend its minute trying to
// shrink that difference.

// checkDecoded states what holds for every text: an error of ours, small and
// named; or a code that has revocation hashes and that no stranger's key
// verifies. It uses no randomness, which the fuzzer would take for coverage.
func checkDecoded(t *testing.T, text string) {
	u, err := Decoder{}.Decode(text)
	if err != nil {
		if u != nil || !errors.Is(err, healthcode.ErrUnreadable) || healthcode.Name(err) == "" || len(err.Error()) > 400 {
			t.Fatalf("%v, %v (%s)", u, err, healthcode.Name(err))
		}
		return
	}
	if n := len(u.RevocationHashes()); n < 1 || n > 4 {
		t.Fatalf("%d revocation hashes", n)
	}
	if u.Format() != healthcode.FormatHC1 {
		t.Fatalf("format %q", u.Format())
	}
	for _, key := range strangers() {
		v, err := u.Verify(key)
		if v != nil || !errors.Is(err, healthcode.ErrSignature) && !errors.Is(err, healthcode.ErrKeyUnsuitable) {
			t.Fatalf("verified by a key that signed nothing: %v, %v", v, err)
		}
	}
}

// FuzzDecode throws texts at the whole pipeline.
func FuzzDecode(f *testing.F) {
	cases, _ := loadCorpus(f, corpusRoots[0])
	for _, c := range cases {
		f.Add(c.text)
	}
	f.Add(forged(f))
	f.Add("HC1:")
	f.Add("")
	f.Fuzz(checkDecoded)
}

// FuzzMessage throws bytes at what lies below zlib, which mutated texts hardly
// ever reach past the checksum.
func FuzzMessage(f *testing.F) {
	cases, _ := loadCorpus(f, corpusRoots[0])
	for _, c := range cases {
		if len(c.cose) > 0 {
			f.Add(c.cose)
		}
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) > 4<<10 {
			return // longer ones hardly fit a code
		}
		checkDecoded(t, Prefix+cwt.EncodeBase45(cwt.Deflate(message)))
	})
}

// FuzzPayload throws bytes at the claims, inside of a sound envelope.
func FuzzPayload(f *testing.F) {
	f.Add(enc(f, vaccination()))
	f.Add(indefinite(f, vaccination()))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > 4<<10 {
			return
		}
		checkDecoded(t, forged(t, func(f *forgery) {
			f.payload = append([]byte{}, payload...)
			f.sign = func([]byte) any { return make([]byte, 64) }
		}))
	})
}
