package hc1

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"slices"
	"testing"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
)

// TestRevocationHashesOfCorpus computes every hash by another path: signature
// from the end of the file's own COSE field, identifier and country from its
// JSON field, none of which the decoder reads.
func TestRevocationHashesOfCorpus(t *testing.T) {
	short := func(kind healthcode.HashType, data []byte) healthcode.RevocationHash {
		sum := sha256.Sum256(data)
		return healthcode.RevocationHash{Type: kind, Hash: [16]byte(sum[:])}
	}
	compared := map[string]int{}
	for _, root := range corpusRoots {
		cases, _ := loadCorpus(t, root)
		for _, c := range cases {
			entries := slices.Concat(c.payload.V, c.payload.T, c.payload.R)
			_, v, _ := c.judge()
			if v == nil || len(entries) != 1 || len(c.cose) < 200 || c.Issuer == nil {
				continue
			}
			var signed []byte
			algorithm := ""
			switch k := c.certificate.PublicKey.(type) {
			case *ecdsa.PublicKey:
				size := (k.Curve.Params().BitSize + 7) / 8
				signed, algorithm = c.cose[len(c.cose)-2*size:len(c.cose)-size], k.Curve.Params().Name
			case *rsa.PublicKey:
				signed, algorithm = c.cose[len(c.cose)-k.Size():], "RSA"
			}
			want := []healthcode.RevocationHash{
				short(healthcode.HashSignature, signed),
				short(healthcode.HashUCI, []byte(entries[0].CI)),
				short(healthcode.HashCountryCodeUCI, []byte(*c.Issuer+entries[0].CI)),
			}
			if entries[0].CO != *c.Issuer {
				want = append(want, short(healthcode.HashCountryCodeUCI, []byte(entries[0].CO+entries[0].CI)))
				compared["iss is not co"]++
			}
			if !slices.Equal(v.RevocationHashes(), want) {
				// A file whose COSE or JSON field is of another run of its generator
				// would show here; the corpus has none among the verified.
				t.Errorf("%s: hashes differ from those computed from the COSE and JSON fields", c.Path)
			}
			compared[algorithm]++
		}
	}
	t.Logf("compared: %v", compared)
	for _, need := range []string{"P-256", "RSA", "iss is not co"} {
		if compared[need] == 0 {
			t.Errorf("no case compared for %q", need)
		}
	}
}

func hashesOf(t *testing.T, change func(m)) []healthcode.RevocationHash {
	t.Helper()
	u, err := Decoder{}.Decode(forged(t, func(f *forgery) {
		c := vaccination()
		change(c)
		f.claims = c
	}))
	if err != nil {
		t.Fatal(err)
	}
	return u.RevocationHashes()
}

// TestCountryOfRevocationHash: iss, co, or both.
func TestCountryOfRevocationHash(t *testing.T) {
	country := func(cc string) healthcode.RevocationHash {
		return cwt.Hash16(healthcode.HashCountryCodeUCI, []byte(cc+forgedUCI))
	}
	uci := cwt.Hash16(healthcode.HashUCI, []byte(forgedUCI))
	for _, test := range []struct {
		name   string
		change func(m)
		want   []healthcode.RevocationHash
	}{
		{"equal", func(m) {}, []healthcode.RevocationHash{uci, country("XA")}},
		{"different", func(c m) { entry(c)["co"] = "XB" }, []healthcode.RevocationHash{uci, country("XA"), country("XB")}},
		{"iss absent", func(c m) { delete(c, 1) }, []healthcode.RevocationHash{uci, country("XA")}},
		{"co absent", func(c m) { delete(entry(c), "co") }, []healthcode.RevocationHash{uci, country("XA")}},
		{"both absent", func(c m) { delete(c, 1); delete(entry(c), "co") }, []healthcode.RevocationHash{uci}},
		{"identifier not normalised", func(c m) { entry(c)["ci"] = " urn:uvci:01:xa:ä " }, []healthcode.RevocationHash{
			cwt.Hash16(healthcode.HashUCI, []byte(" urn:uvci:01:xa:ä ")), cwt.Hash16(healthcode.HashCountryCodeUCI, []byte("XA urn:uvci:01:xa:ä "))}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := hashesOf(t, test.change)[1:]; !slices.Equal(got, test.want) {
				t.Errorf("got %x, want %x", got, test.want)
			}
		})
	}
}

// TestSignatureHashSurvivesMalleability: anyone can turn (r, s) into (r, n-s),
// which verifies as well; the revocation must still hit.
func TestSignatureHashSurvivesMalleability(t *testing.T) {
	var first []byte
	original := forged(t, func(f *forgery) {
		f.sign = func(s []byte) any { first = signEC(t, keyP256(), s); return first }
	})
	twin := forged(t, func(f *forgery) {
		f.sign = func([]byte) any {
			s := new(big.Int).SetBytes(first[32:])
			s.Sub(keyP256().Params().N, s)
			return append(slices.Clone(first[:32]), s.FillBytes(make([]byte, 32))...)
		}
	})
	if original == twin {
		t.Fatal("the twin is the original")
	}
	a, b := mustVerify(t, original, keyP256().Public()), mustVerify(t, twin, keyP256().Public())
	if !slices.Equal(a.RevocationHashes(), b.RevocationHashes()) {
		t.Error("the twin escapes the revocation")
	}
}
