package bridge

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"

	"concordat/healthcode/hc1"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition"
)

// publicKey is what a registered key's bytes say, whoever registered it.
type publicKey struct {
	key      crypto.PublicKey     // nil: this program cannot read it
	formats  []string             // of code that it can sign; none: of none that is listed
	signs    []string             // the algorithms that codes under it may name, as grants have them
	notAfter statement.Time       // of the certificate; 0: there is none
	leaf     bool                 // the certificate can be read
	kinds    []statement.CodeKind // what a client takes the key to be good for: by the certificate, else EU DCC's kinds
}

// dccKinds are the kinds of code that existing clients know.
var dccKinds = []statement.CodeKind{statement.Vaccination, statement.Test, statement.Recovery}

func parseKey(k *state.IssuerKey) *publicKey {
	p := &publicKey{kinds: dccKinds}
	key, err := recognition.ParsePublicKey(k.PublicKey) // lists give keys in that encoding (W6)
	if err != nil {
		return p // it is in no list: nobody could use it
	}
	p.key = key
	p.formats, p.signs = uses(key)
	if len(k.Certificate) == 0 {
		return p
	}
	cert, err := x509.ParseCertificate(k.Certificate)
	if err != nil || !bytes.Equal(cert.RawSubjectPublicKeyInfo, k.PublicKey) {
		return p // likewise, where the list is one of certificates: clients would take another key from it
	}
	p.leaf, p.notAfter = true, statement.TimeOf(cert.NotAfter)
	if kinds := hc1.Kinds(cert); len(kinds) > 0 {
		p.kinds = nil
		for _, kind := range kinds {
			p.kinds = append(p.kinds, statement.CodeKind(kind))
		}
	}
	return p
}

// minRSA and maxRSA bound the modulus that codes are verified with, in bits, as package hc1 does.
const minRSA, maxRSA = 2048, 4096

// uses gives the formats that a key can sign codes of, and the algorithms that
// its codes may name. A P-384 key signs EU DCC that name ES256.
func uses(key crypto.PublicKey) (formats, algorithms []string) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return []string{hc1Format, shcFormat}, []string{"ES256"}
		case elliptic.P384():
			return []string{hc1Format}, []string{"ES256", "ES384"}
		}
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits >= minRSA && bits <= maxRSA {
			return []string{hc1Format}, []string{"PS256"}
		}
	}
	return nil, nil
}

// jwk is a public key (RFC 7517). It has no place for a private one.
type jwk struct {
	Kty string   `json:"kty"`
	Use string   `json:"use,omitempty"`
	Alg string   `json:"alg,omitempty"`
	Kid string   `json:"kid"`
	Crv string   `json:"crv,omitempty"`
	X   string   `json:"x,omitempty"`
	Y   string   `json:"y,omitempty"`
	N   string   `json:"n,omitempty"`
	E   string   `json:"e,omitempty"`
	X5c []string `json:"x5c,omitempty"`
}

// jwkOf gives a key as RFC 7518 §6 writes it: coordinates have the
// curve's full length and no byte more. It is false for a key of another type.
func jwkOf(key crypto.PublicKey) (jwk, bool) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			return jwk{}, false
		}
		point = point[1:] // 4, for an uncompressed one
		half := len(point) / 2
		return jwk{Kty: "EC", Crv: k.Params().Name, X: b64url(point[:half]), Y: b64url(point[half:])}, true
	case *rsa.PublicKey:
		return jwk{Kty: "RSA", N: b64url(k.N.Bytes()), E: b64url(big.NewInt(int64(k.E)).Bytes())}, true
	}
	return jwk{}, false
}

// thumbprint is RFC 7638's, of an EC key: SMART Health Cards name keys by it.
func (j jwk) thumbprint() (string, error) {
	// The members that are required, in lexicographic order, without blanks.
	b, err := json.Marshal(struct {
		Crv string `json:"crv"`
		Kty string `json:"kty"`
		X   string `json:"x"`
		Y   string `json:"y"`
	}{j.Crv, j.Kty, j.X, j.Y})
	if err != nil {
		return "", fmt.Errorf("thumbprint of a key: %w", err)
	}
	sum := sha256.Sum256(b)
	return b64url(sum[:]), nil
}

func b64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
func b64(b []byte) string    { return base64.StdEncoding.EncodeToString(b) }
