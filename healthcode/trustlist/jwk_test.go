package trustlist

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"maps"
	"math/big"
	"strings"
	"testing"

	"concordat/healthcode"
)

// jwkOf writes a public key as a JWK.
func jwkOf(key crypto.PublicKey) map[string]any {
	raw := base64.RawURLEncoding.EncodeToString
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		point := must(k.Bytes())
		half := len(point) / 2
		return map[string]any{"kty": "EC", "crv": k.Curve.Params().Name, "x": raw(point[1 : 1+half]), "y": raw(point[1+half:])}
	case *rsa.PublicKey:
		return map[string]any{"kty": "RSA", "n": raw(k.N.Bytes()), "e": raw(big.NewInt(int64(k.E)).Bytes())}
	case ed25519.PublicKey:
		return map[string]any{"kty": "OKP", "crv": "Ed25519", "x": raw(k)}
	}
	panic(key)
}

func TestJWKs(t *testing.T) {
	key := p256()
	ca := csca("XA", nil)
	dsc := ca.dsc("XA", key.Public(), usages(vaccinationUsage))
	bare := func(more ...any) map[string]any {
		return with(jwkOf(key.Public()), more...)
	}
	eight := []byte{0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8}
	print := thumbprint(key.Public())
	for _, test := range []struct {
		name string
		jwk  any
		kid  []byte // nil: refused
		says string
	}{
		{"no kid", bare(), print, ""},
		{"its thumbprint", bare("kid", base64.RawURLEncoding.EncodeToString(print)), print, ""},
		{"its thumbprint in the other alphabet", bare("kid", b64(print)), print, ""},
		{"of a trust list", bare("kid", b64(eight), "use", "sig"), eight, ""},
		{"with its certificate and that one's kid", bare("x5c", []string{b64(dsc.Raw)}, "kid", b64(sha256Of(dsc.Raw)[:8])), sha256Of(dsc.Raw)[:8], ""},
		{"with its certificate and another's kid", bare("x5c", []string{b64(dsc.Raw)}, "kid", b64(eight)), nil, "and the certificate's is"},
		{"with its certificate", bare("x5c", []string{b64(dsc.Raw)}), print, ""},
		{"another's thumbprint", bare("kid", b64(make([]byte, 32))), nil, "neither its thumbprint"},
		{"a name", bare("kid", "key of May"), nil, "neither its thumbprint"},
		{"for encryption", bare("use", "enc"), nil, "want sig"},
		{"another's certificate", bare("x5c", []string{b64(ca.dsc("XA", nil, nil).Raw)}), nil, "certificate of another key"},
		{"no certificate", bare("x5c", []string{"AAAA"}), nil, "x5c: it is no X.509"},
		{"RSA 1024", jwkOf(&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}), nil, "1024 bits; want 2048 to 4096"},
		{"RSA 2048", jwkOf(&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 2047, 1), E: 65537}), thumbprint(&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 2047, 1), E: 65537}), ""},
		{"RSA of an even exponent", jwkOf(&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 2047, 1), E: 65536}), nil, "exponent is 65536"},
		{"RSA of a huge exponent", map[string]any{"kty": "RSA", "n": "AQAB", "e": "AQAAAAAAAAAB"}, nil, "and e 9"},
		{"Ed25519", jwkOf(ed25519.NewKeyFromSeed(make([]byte, 32)).Public()), thumbprint(ed25519.NewKeyFromSeed(make([]byte, 32)).Public()), ""},
		{"X25519", map[string]any{"kty": "OKP", "crv": "X25519", "x": "AAAA"}, nil, "want Ed25519"},
		{"P-521", jwkOf(must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)).Public()), nil, "curve P-521"},
		{"secp256k1", bare("crv", "secp256k1"), nil, "unknown curve"},
		{"no kty", map[string]any{"kty": ""}, nil, "want EC, RSA or OKP"},
		{"a sign byte", bare("x", b64(append([]byte{0}, must(key.PublicKey.Bytes())[1:33]...))), print, ""},
		{"34 bytes", bare("x", b64(append([]byte{0, 0}, must(key.PublicKey.Bytes())[1:33]...))), nil, "x has 34 bytes, want 32"},
	} {
		for form, data := range map[string][]byte{"alone": object(test.jwk), "in a set": object(map[string]any{"keys": []any{test.jwk}})} {
			l := read(t, data, Options{})
			if test.kid == nil {
				taken(t, l, 0, test.says)
				continue
			}
			taken(t, l, 1)
			e := l.Entries[0]
			if !bytes.Equal(e.KeyID, test.kid) || l.Format != JWK || (e.Where == "") != (form == "alone") {
				t.Errorf("%s %s: %+v", test.name, form, e)
			}
			switch test.name {
			case "with its certificate and that one's kid":
				if e.Certificate == nil || len(e.Kinds) != 1 {
					t.Errorf("%s: %+v", test.name, e)
				}
			case "with its certificate": // a key that is named by its thumbprint does not end with it
				if e.Certificate != nil || !e.ValidUntil.IsZero() || len(e.Kinds) != 1 || e.Kinds[0] != healthcode.Vaccination || e.Region != "" {
					t.Errorf("%s: %+v", test.name, e)
				}
			case "a sign byte":
				remarked(t, e.Remarks, "has 33 bytes where RFC 7518 demands 32")
			}
		}
	}
	for name, jwk := range map[string]any{
		"private": bare("d", "AAAA"), "shared": map[string]any{"kty": "oct", "k": "AAAA"}, "a prime": bare("p", "AAAA"),
	} {
		for _, data := range [][]byte{object(jwk), object(map[string]any{"keys": []any{bare(), jwk}})} {
			if _, err := Read(data, Options{}); !errors.Is(err, ErrPrivateKey) || strings.Contains(err.Error(), "AAAA") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	l := read(t, file(t, "shc-jwks.json"), Options{})
	taken(t, l, len(l.Entries))
	if len(l.Entries) < 2 {
		t.Errorf("%d keys of the specification's issuer", len(l.Entries))
	}
}

// TestThumbprint is the example of RFC 7638 §3.1, and that of RFC 8037 A.3.
func TestThumbprint(t *testing.T) {
	n := must(base64.RawURLEncoding.DecodeString("0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"))
	if got := base64.RawURLEncoding.EncodeToString(thumbprint(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537})); got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("RSA: %s", got)
	}
	ed := ed25519.PublicKey(must(hex.DecodeString("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")))
	if got := base64.RawURLEncoding.EncodeToString(thumbprint(ed)); got != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Errorf("Ed25519: %s", got)
	}
}

// jwkPrint is the thumbprint of a JWK, in text.
func jwkPrint(j map[string]any) (string, error) {
	var r reader
	e, err := r.jwk("", object(j))
	return base64.RawURLEncoding.EncodeToString(e.KeyID), err
}

// with is a JWK with other members.
func with(j map[string]any, more ...any) map[string]any {
	j = maps.Clone(j)
	for i := 0; i < len(more); i += 2 {
		j[more[i].(string)] = more[i+1]
	}
	return j
}
