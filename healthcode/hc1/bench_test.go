package hc1

import (
	"crypto"
	"testing"
)

// The path of every check: text in, verified code out.
func BenchmarkDecodeVerify(b *testing.B) {
	for _, bench := range []struct {
		name string
		text string
		key  crypto.PublicKey
	}{
		{"ES256", forged(b), keyP256().Public()},
		{"PS256-2048", forged(b, func(f *forgery) {
			f.protected = enc(b, m{1: -37, 4: forgedKeyID})
			f.sign = func(s []byte) any { return signRSA(b, keyRSA(), 32, s) }
		}), keyRSA().Public()},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				u, err := Decoder{}.Decode(bench.text)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := u.Verify(bench.key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Decoding alone, to see what is left when the signature's price is taken off.
func BenchmarkDecode(b *testing.B) {
	text := forged(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := (Decoder{}).Decode(text); err != nil {
			b.Fatal(err)
		}
	}
}
