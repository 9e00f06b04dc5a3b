package issue

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
)

// ErrKey: codes cannot be signed with the key, or it is not the certificate's.
var ErrKey = errors.New("unusable issuer's key")

// Key is what an issuer signs with.
type Key struct {
	signer      crypto.Signer
	algorithm   healthcode.Algorithm
	id          [8]byte
	certificate *x509.Certificate
}

// NewKey takes an EC P-256 key (ES256), an RSA key of 2048 to 4096 bits (PS256)
// or an Ed25519 key (EdDSA, native codes only). certificate is the key's Document
// Signer Certificate, nil where it has none. Errors wrap ErrKey.
func NewKey(signer crypto.Signer, certificate *x509.Certificate) (*Key, error) {
	if signer == nil {
		return nil, fmt.Errorf("%w: none is given", ErrKey)
	}
	k := &Key{signer: signer, certificate: certificate}
	switch public := signer.Public().(type) {
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return nil, fmt.Errorf("%w: the curve is %s; codes are issued with P-256", ErrKey, public.Curve.Params().Name)
		}
		k.algorithm = healthcode.ES256
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < cwt.MinRSABits || bits > cwt.MaxRSABits {
			return nil, fmt.Errorf("%w: an RSA key of %d bits; %d to %d are accepted", ErrKey, bits, cwt.MinRSABits, cwt.MaxRSABits)
		}
		k.algorithm = healthcode.PS256
	case ed25519.PublicKey:
		k.algorithm = healthcode.EdDSA
	default:
		return nil, fmt.Errorf("%w: a key of type %T; want EC P-256, RSA or Ed25519", ErrKey, public)
	}
	named, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	if certificate != nil {
		own, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
		if !ok || !own.Equal(certificate.PublicKey) {
			return nil, fmt.Errorf("%w: the certificate is another key's", ErrKey)
		}
		named = certificate.Raw
	}
	sum := sha256.Sum256(named)
	k.id = [8]byte(sum[:8])
	return k, nil
}

// ID is the key id that the codes carry: the first 8 bytes of the SHA-256 over
// the certificate's DER (hcert_spec 3.3.1) or, where there is no certificate,
// over the SubjectPublicKeyInfo.
func (k *Key) ID() []byte { return append([]byte(nil), k.id[:]...) }

// Algorithm is what codes are signed with.
func (k *Key) Algorithm() healthcode.Algorithm { return k.algorithm }

// Public is the public half.
func (k *Key) Public() crypto.PublicKey { return k.signer.Public() }

// Certificate is the key's certificate; nil where it has none.
func (k *Key) Certificate() *x509.Certificate { return k.certificate }

// sign makes the signature of a COSE_Sign1 over a Sig_structure.
func (k *Key) sign(structure []byte, random io.Reader) ([]byte, error) {
	switch k.algorithm {
	case healthcode.EdDSA:
		return k.signer.Sign(random, structure, crypto.Hash(0))
	case healthcode.PS256:
		if random == nil {
			return nil, fmt.Errorf("%w: PS256 signatures need randomness, and none was given", ErrKey)
		}
		digest := sha256.Sum256(structure)
		return k.signer.Sign(random, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	}
	digest := sha256.Sum256(structure)
	der, err := k.signer.Sign(random, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	// Signers speak ASN.1, COSE puts r and s side by side (RFC 9053 section 2.1).
	var pair struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &pair); err != nil || len(rest) > 0 || pair.R.BitLen() > 256 || pair.S.BitLen() > 256 || pair.R.Sign() < 0 || pair.S.Sign() < 0 {
		return nil, fmt.Errorf("%w: the signer gave no ECDSA signature of P-256", ErrKey)
	}
	return append(pair.R.FillBytes(make([]byte, 32)), pair.S.FillBytes(make([]byte, 32))...), nil
}
