package es256

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"math/big"
	"testing"
)

// TestAsBigIntegers: the answer is that of crypto/ecdsa.Verify for what is good,
// for each bit that is changed, and at the edges of r and s.
func TestAsBigIntegers(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		size := (curve.Params().BitSize + 7) / 8
		digest := sha256.Sum256([]byte("message"))
		compare := func(signature []byte) bool {
			t.Helper()
			want := ecdsa.Verify(&k.PublicKey, digest[:], new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:]))
			if got := Verify(&k.PublicKey, digest[:], signature); got != want {
				t.Errorf("%s, signature %x: %v, want %v", curve.Params().Name, signature, got, want)
			}
			return want
		}
		short := 0
		for range 100 { // some of which have an r or s that begins with zeros
			r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
			if err != nil {
				t.Fatal(err)
			}
			signature := append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
			if signature[0] == 0 || signature[size] == 0 {
				short++
			}
			if !compare(signature) {
				t.Fatal("a good signature does not verify")
			}
			signature[short%len(signature)] ^= 1
			compare(signature)
		}
		n := curve.Params().N
		for _, edge := range []*big.Int{new(big.Int), big.NewInt(1), new(big.Int).Sub(n, big.NewInt(1)), n, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(8*size)), big.NewInt(1))} {
			for _, other := range []*big.Int{edge, big.NewInt(1)} {
				compare(append(edge.FillBytes(make([]byte, size)), other.FillBytes(make([]byte, size))...))
				compare(append(other.FillBytes(make([]byte, size)), edge.FillBytes(make([]byte, size))...))
			}
		}
		for _, odd := range [][]byte{nil, {1}, make([]byte, 2*size+1), make([]byte, 200)} {
			if Verify(&k.PublicKey, digest[:], odd) {
				t.Errorf("a signature of %d bytes verifies", len(odd))
			}
		}
	}
}
