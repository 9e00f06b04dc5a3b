package trustlist

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// jwk is a JSON Web Key (RFC 7517, RFC 7518 §6, RFC 8037), as far as it is read.
type jwk struct {
	Kty string   `json:"kty"`
	Crv string   `json:"crv"`
	X   string   `json:"x"`
	Y   string   `json:"y"`
	N   string   `json:"n"`
	E   string   `json:"e"`
	Kid string   `json:"kid"`
	Use string   `json:"use"`
	X5c []string `json:"x5c"`

	// What only a private or shared key has.
	D json.RawMessage `json:"d"`
	K json.RawMessage `json:"k"`
	P json.RawMessage `json:"p"`
	Q json.RawMessage `json:"q"`
}

// jwks reads JWKs; one by itself is not said to be the first.
func (r *reader) jwks(items []json.RawMessage, several bool) error {
	if err := count(len(items)); err != nil {
		return err
	}
	for i, raw := range items {
		where := ""
		if several {
			where = fmt.Sprintf("key %d", i+1)
		}
		e, err := r.jwk(where, raw)
		switch {
		case errors.Is(err, ErrPrivateKey) && several:
			return private(where)
		case errors.Is(err, ErrPrivateKey):
			return private("it")
		case err != nil:
			r.refuse(where, "", e.Certificate, err)
		default:
			r.add(e)
		}
	}
	return nil
}

// jwk makes an entry of a JWK that names its key as codes do.
func (r *reader) jwk(where string, raw []byte) (Entry, error) {
	var j jwk
	if err := json.Unmarshal(raw, &j); err != nil {
		return Entry{}, fmt.Errorf("it is no JWK that can be used here: %s", clip(err.Error()))
	}
	return r.jwkEntry(where, &j, false)
}

// jwkEntry makes an entry of a JWK. listed says that the list gives the 8-byte
// kid of a certificate, as those of EU DCC do (T1).
func (r *reader) jwkEntry(where string, j *jwk, listed bool) (Entry, error) {
	if j.private() {
		return Entry{}, ErrPrivateKey
	}
	if j.Use != "" && j.Use != "sig" {
		return Entry{}, fmt.Errorf("its use is %q, want sig", clip(j.Use))
	}
	e := Entry{Where: where}
	if len(j.X5c) > 0 {
		c, err := parseText(j.X5c[0])
		if err != nil {
			return e, fmt.Errorf("x5c: %w", err)
		}
		e = r.certified(where, "", c)
	}
	key, remarks, err := j.public()
	switch {
	case errors.Is(err, errCurve) && e.Certificate != nil:
		remarks = append(remarks, fmt.Sprintf("its curve is given as %q; the key was taken from its certificate", clip(j.Crv)))
		key = e.Certificate.PublicKey
	case err != nil:
		return e, fmt.Errorf("it is no JWK that can be used here: %w", err)
	case e.Certificate != nil && !same(key, e.Certificate.PublicKey):
		return e, errors.New("its x5c is the certificate of another key")
	}
	e.Key = key
	e.Remarks = append(e.Remarks, remarks...)
	if err := Suitable(key); err != nil {
		return e, err
	}
	if listed {
		return e, nil
	}
	if kid, err := Base64(j.Kid); err == nil && len(kid) == 8 && e.Certificate != nil {
		if err := checkKeyID(j.Kid, kid, e.Certificate); err != nil {
			return e, err
		}
	}
	e.Region = "" // who signed a bare JWK's certificate is no region's authority
	e.KeyID, err = jwkKeyID(j.Kid, thumbprint(key))
	if err != nil && j.Kty == "EC" && j.Kid == base64.RawURLEncoding.EncodeToString(sha256Of(ecMembers(j.Crv, j.X, j.Y))) {
		// Two issuers of the VCI directory leave out a coordinate's leading zero, and
		// took the thumbprint of that: by it their cards name the key.
		e.KeyID, err = Base64(j.Kid)
	}
	if e.Certificate != nil && !e.Chained && len(e.KeyID) == sha256.Size {
		// A key that codes name by its thumbprint is the key set's (T3).
		e.Certificate, e.ValidFrom, e.ValidUntil, e.Remarks = nil, time.Time{}, time.Time{}, remarks
	}
	return e, err
}

func (j *jwk) private() bool {
	return j.Kty == "oct" || j.D != nil || j.K != nil || j.P != nil || j.Q != nil
}

// errCurve: the JWK names no curve that there is.
var errCurve = errors.New("unknown curve")

// public gives the key, and what was tolerated to read it.
func (j *jwk) public() (crypto.PublicKey, []string, error) {
	switch j.Kty {
	case "EC":
		return j.ec()
	case "RSA":
		n, err := Base64(j.N)
		if err != nil {
			return nil, nil, fmt.Errorf("n is not in base64: %s", clip(err.Error()))
		}
		x, err := Base64(j.E)
		if err != nil {
			return nil, nil, fmt.Errorf("e is not in base64: %s", clip(err.Error()))
		}
		x = bytes.TrimLeft(x, "\x00")
		if len(n) > 2*maxRSABits/8 || len(x) == 0 || len(x) > 4 || len(x) == 4 && x[0] >= 0x80 {
			return nil, nil, fmt.Errorf("n has %d bytes and e %d; want at most %d, and 1 to 4", len(n), len(x), maxRSABits/8)
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(x).Int64())}, nil, nil
	case "OKP":
		if j.Crv != "Ed25519" {
			return nil, nil, fmt.Errorf("%w %q; want Ed25519", errCurve, clip(j.Crv))
		}
		x, err := Base64(j.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			return nil, nil, fmt.Errorf("x is not %d bytes in base64", ed25519.PublicKeySize)
		}
		return ed25519.PublicKey(x), nil, nil
	}
	return nil, nil, fmt.Errorf("its kty is %q; want EC, RSA or OKP", clip(j.Kty))
}

func (j *jwk) ec() (crypto.PublicKey, []string, error) {
	var curve elliptic.Curve
	switch j.Crv {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return nil, nil, fmt.Errorf("%w %q; want P-256 or P-384", errCurve, clip(j.Crv))
	}
	size := (curve.Params().BitSize + 7) / 8
	point, longer := []byte{4}, 0
	for _, c := range []struct{ name, text string }{{"x", j.X}, {"y", j.Y}} {
		b, err := Base64(c.text)
		if err != nil {
			return nil, nil, fmt.Errorf("%s is not in base64: %s", c.name, clip(err.Error()))
		}
		// RFC 7518 §6.2.1.2 demands exactly size bytes. Java's BigInteger writes a sign
		// byte more where the first bit is set, and leaves leading zeros out.
		if n := len(b); n == size+1 && b[0] == 0 || n < size && n > 0 {
			longer = n
			b = new(big.Int).SetBytes(b).FillBytes(make([]byte, size))
		}
		if len(b) != size {
			return nil, nil, fmt.Errorf("%s has %d bytes, want %d", c.name, len(b), size)
		}
		point = append(point, b...)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, nil, fmt.Errorf("it is no point on %s", j.Crv)
	}
	if longer == 0 {
		return key, nil, nil
	}
	return key, []string{fmt.Sprintf("a coordinate has %d bytes where RFC 7518 demands %d; it was read as a number", longer, size)}, nil
}

// same reports whether two public keys are one.
func same(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// thumbprint is a key's RFC 7638 thumbprint with SHA-256; RFC 8037 for Ed25519.
func thumbprint(key crypto.PublicKey) []byte {
	b64 := base64.RawURLEncoding.EncodeToString
	var text string
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			return nil // the key is on no curve; Suitable has refused it
		}
		half := len(point) / 2
		text = string(ecMembers(k.Curve.Params().Name, b64(point[1:1+half]), b64(point[1+half:])))
	case *rsa.PublicKey:
		text = fmt.Sprintf(`{"e":%q,"kty":"RSA","n":%q}`, b64(big.NewInt(int64(k.E)).Bytes()), b64(k.N.Bytes()))
	case ed25519.PublicKey:
		text = fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":%q}`, b64(k))
	}
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// ecMembers are the members of an EC key of which RFC 7638 takes the thumbprint.
func ecMembers(crv, x, y string) []byte {
	return fmt.Appendf(nil, `{"crv":%q,"kty":"EC","x":%q,"y":%q}`, crv, x, y)
}

// jwkKeyID says how codes name a JWK's key. SMART Health Cards name the RFC
// 7638 thumbprint; trust lists of EU DCC give the 8 bytes of a certificate that
// the JWK may not carry. Any other name would match no code, silently.
func jwkKeyID(kid string, thumbprint []byte) ([]byte, error) {
	if kid == "" {
		return thumbprint, nil
	}
	b, err := Base64(kid)
	if err == nil && (bytes.Equal(b, thumbprint) || len(b) == 8) {
		return b, nil
	}
	return nil, fmt.Errorf("its kid %q is neither its thumbprint %s nor 8 bytes in base64: codes would not be found by it; correct it or leave it out",
		clipTo(kid, maxShown), base64.RawURLEncoding.EncodeToString(thumbprint))
}

// checkKeyID refuses an 8-byte kid that is not the certificate's (T1).
func checkKeyID(text string, kid []byte, c *x509.Certificate) error {
	if want := sha256.Sum256(c.Raw); !bytes.Equal(kid, want[:8]) {
		return fmt.Errorf("its kid is %q, and the certificate's is %s", clipTo(text, maxShown), base64.StdEncoding.EncodeToString(want[:8]))
	}
	return nil
}
