package trustlist

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
)

// germanParts cuts Germany's list (de.dscg.ubirch.com/trustList/DSC) in two: a
// line with a signature, then the JSON that it is over.
func germanParts(text []byte) (sig, body []byte, ok bool) {
	line, body, more := bytes.Cut(text, []byte("\n"))
	if !more || len(line) > 1024 || !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		return nil, nil, false
	}
	sig, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(line)))
	return sig, body, err == nil && len(sig) > 0
}

// germany reads Germany's list with its signature: r and s of ECDSA on P-256
// with SHA-256, over what follows the line.
func (r *reader) germany(sig, body []byte) error {
	if r.o.Signer == nil {
		r.remark("the list's signature was not checked: give the key that its publisher signs with")
	} else {
		key, name, err := signer(r.o.Signer)
		if err != nil {
			return err
		}
		k, is := key.(*ecdsa.PublicKey)
		if !is || !raw(k, sig, sha256Of(body)) && !raw(k, sig, sha256Of(bytes.TrimSpace(body))) {
			return fmt.Errorf("%w: the list is not what %s signed", ErrSignature, name)
		}
		r.list.Signed = name
	}
	if err := distinct(body); err != nil {
		return err
	}
	var m struct {
		Certificates json.RawMessage `json:"certificates"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return malformed("the list", err)
	}
	return r.german(m.Certificates)
}

// certificates reads the same list without its signature.
func (r *reader) certificates(array []byte) error {
	r.remark("the list carries no signature")
	return r.german(array)
}

func (r *reader) german(array []byte) error {
	var items []json.RawMessage
	if err := json.Unmarshal(array, &items); err != nil {
		return malformed("certificates", err)
	}
	return r.items(items, nil)
}

func sha256Of(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

// raw verifies an ECDSA signature that is r and s one after the other.
func raw(k *ecdsa.PublicKey, sig, digest []byte) bool {
	if size := (k.Curve.Params().BitSize + 7) / 8; len(sig) != 2*size {
		return false
	}
	half := len(sig) / 2
	return ecdsa.Verify(k, digest, new(big.Int).SetBytes(sig[:half]), new(big.Int).SetBytes(sig[half:]))
}
