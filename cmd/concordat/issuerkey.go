package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"time"

	"concordat/healthcode/hc1"
	"concordat/ledger/statement"
)

// Bounds on RSA keys, in bits: those by which codes are verified (hc1).
const (
	minRSABits = 2048
	maxRSABits = 4096
)

// issuerKey is an issuer's key as a file gave it.
type issuerKey struct {
	where       string // file, and place in it
	key         crypto.PublicKey
	kid         []byte
	certificate *x509.Certificate // nil: a bare key
}

// registration is the statement that registers the key as its file describes
// it. Keys that no code can be relied upon with are refused.
func (k *issuerKey) registration() (*statement.RegisterKey, error) {
	if err := suitable(k.key); err != nil {
		return nil, usage("%s: %w", k.where, err)
	}
	body := &statement.RegisterKey{KeyID: k.kid}
	if c := k.certificate; c != nil {
		body.PublicKey, body.Certificate = c.RawSubjectPublicKeyInfo, c.Raw
		body.ValidUntil = statement.TimeOf(c.NotAfter)
		for _, kind := range hc1.Kinds(c) {
			body.Kinds = append(body.Kinds, statement.CodeKind(kind))
		}
		body.Kinds = statement.SortKinds(body.Kinds)
	} else {
		var err error
		if body.PublicKey, err = x509.MarshalPKIXPublicKey(k.key); err != nil {
			return nil, usage("%s: %w", k.where, err)
		}
	}
	if err := body.CheckKey(); err != nil {
		return nil, fmt.Errorf("%s: %w", k.where, err)
	}
	if err := body.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", k.where, err)
	}
	return body, nil
}

// remarks says what the one who registers should know, and is no reason to refuse.
func (k *issuerKey) remarks(t *terminal, now time.Time, untilCertificate bool) {
	c := k.certificate
	if c == nil {
		return
	}
	if now.After(c.NotAfter) {
		t.say("remark: %s: the certificate expired at %s; codes issued before stay good until they expire", k.where, stamp(&c.NotAfter))
		if untilCertificate {
			t.say("remark: codes issued after that are refused; if that is not meant, give --valid-until")
		}
	}
	if now.Before(c.NotBefore) {
		t.say("remark: %s: the certificate begins at %s, which is to come", k.where, stamp(&c.NotBefore))
	}
}

// suitable refuses keys that codes cannot be verified with, or not safely.
func suitable(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() {
			return nil
		}
		return fmt.Errorf("the key is on the curve %s; want P-256 or P-384", k.Curve.Params().Name)
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fmt.Errorf("the RSA key has %d bits; want %d to %d", bits, minRSABits, maxRSABits)
		}
		return nil
	}
	return fmt.Errorf("the key is a %T; codes are signed with EC P-256, EC P-384, or RSA of %d to %d bits", key, minRSABits, maxRSABits)
}
