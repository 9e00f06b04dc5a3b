package trustlist

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// vci reads a snapshot of the VCI directory (the-commons-project/vci-directory,
// logs/vci_snapshot.json): its SMART Health Card issuers, with the keys and the
// revocation lists that were found at each.
func (r *reader) vci(text []byte) error {
	if err := r.detached(); err != nil {
		return err
	}
	var snapshot struct {
		Directory  string `json:"directory"`
		Time       string `json:"time"`
		IssuerInfo []struct {
			Issuer struct {
				Iss  string `json:"iss"`
				Name string `json:"name"`
			} `json:"issuer"`
			Keys []json.RawMessage `json:"keys"`
			CRLs []json.RawMessage `json:"crls"`
		} `json:"issuerInfo"`
	}
	if err := json.Unmarshal(text, &snapshot); err != nil {
		return malformed("the VCI snapshot", err)
	}
	if t, err := time.Parse(time.RFC3339, snapshot.Time); err == nil {
		r.list.Time = t.UTC()
	}
	keys, lists := 0, 0
	for _, i := range snapshot.IssuerInfo {
		keys, lists = keys+len(i.Keys), lists+len(i.CRLs)
	}
	if err := errors.Join(count(len(snapshot.IssuerInfo)), count(keys), count(lists)); err != nil {
		return err
	}
	holders := map[string]*issuers{} // who lists a key id
	hold := func(kid []byte, issuer string) {
		if holders[string(kid)] == nil {
			holders[string(kid)] = &issuers{}
		}
		holders[string(kid)].add(issuer)
	}
	for n, i := range snapshot.IssuerInfo {
		for k, raw := range i.Keys {
			where := fmt.Sprintf("issuer %d (%s), key %d", n+1, clip(i.Issuer.Iss), k+1)
			e, err := r.jwk(where, raw)
			switch {
			case errors.Is(err, ErrPrivateKey):
				return private(where)
			case err != nil:
				r.refuse(where, "", e.Certificate, err)
				hold(listedKeyID(raw), i.Issuer.Iss) // though it is not taken, that issuer uses it
				continue
			}
			e.Issuer, e.Name = i.Issuer.Iss, clipTo(i.Issuer.Name, MaxName-len("…"))
			hold(e.KeyID, i.Issuer.Iss)
			r.add(e)
		}
	}
	var crls []crl
	for n, i := range snapshot.IssuerInfo {
		for c, raw := range i.CRLs {
			where := fmt.Sprintf("issuer %d (%s), revocation list %d", n+1, clip(i.Issuer.Iss), c+1)
			if one, ok := r.crl(where, i.Issuer.Iss, holders, raw); ok {
				crls = append(crls, one)
			}
		}
	}
	r.revocations(crls, holders)
	return nil
}

// detached checks the detached signature over the file, where one was given:
// what `openssl dgst -sha512 -verify` checks.
func (r *reader) detached() error {
	switch {
	case r.o.Signature == nil && r.o.Signer == nil:
		r.remark("the list's signature was not checked: none was given")
		return nil
	case r.o.Signature == nil || r.o.Signer == nil:
		return fmt.Errorf("%w: a signature and its signer's certificate belong together, and one of them is missing", ErrSigner)
	}
	key, name, err := signer(r.o.Signer)
	if err != nil {
		return err
	}
	sum := sha512.Sum512(r.data)
	good := false
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		good = ecdsa.VerifyASN1(k, sum[:], r.o.Signature)
	case *rsa.PublicKey:
		good = rsa.VerifyPKCS1v15(k, crypto.SHA512, sum[:], r.o.Signature) == nil
	}
	if !good {
		return fmt.Errorf("%w: the file is not what %s signed, or the signature is another file's", ErrSignature, name)
	}
	r.list.Signed = name
	return nil
}

// signer reads who signed a list: a certificate or a public key, PEM or DER. The
// name says which, by a fingerprint that can be compared.
func signer(data []byte) (key crypto.PublicKey, name string, err error) {
	der := data
	if block, _ := pem.Decode(data); block != nil {
		if strings.Contains(block.Type, "PRIVATE KEY") {
			return nil, "", private("the signer's file")
		}
		der = block.Bytes
	}
	sum := sha256.Sum256(der)
	if c, err := x509.ParseCertificate(der); err == nil {
		key, name = c.PublicKey, fmt.Sprintf("the certificate of %s (SHA-256 %s)", clip(c.Subject.String()), hex.EncodeToString(sum[:]))
	} else if key, err = x509.ParsePKIXPublicKey(der); err == nil {
		name = fmt.Sprintf("the key with SHA-256 %s", hex.EncodeToString(sum[:]))
	} else {
		return nil, "", fmt.Errorf("%w: the signer's file is neither a certificate nor a public key, in PEM or DER", ErrSigner)
	}
	switch k := key.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxAnchorRSABits {
			return nil, "", fmt.Errorf("%w: the signer's RSA key has %d bits; want %d to %d", ErrSigner, bits, minRSABits, maxAnchorRSABits)
		}
	default:
		return nil, "", fmt.Errorf("%w: the signer's key is a %T", ErrSigner, key)
	}
	return key, name, nil
}
