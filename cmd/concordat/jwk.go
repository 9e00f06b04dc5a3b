package main

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	jose "github.com/go-jose/go-jose/v4"
)

// readJWKs reads one JWK, or a JWK set (RFC 7517).
func readJWKs(path string) ([]issuerKey, error) {
	raw, err := readFile(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, usage("%s is no JWK: %w", path, err)
	}
	if set.Keys == nil {
		k, err := jwkKey(path, raw)
		if err != nil {
			return nil, err
		}
		return []issuerKey{k}, nil
	}
	var found []issuerKey
	for i, one := range set.Keys {
		k, err := jwkKey(fmt.Sprintf("%s, key %d", path, i+1), one)
		if err != nil {
			return nil, err
		}
		found = append(found, k)
	}
	return found, nil
}

func jwkKey(where string, raw []byte) (issuerKey, error) {
	var j jose.JSONWebKey
	if err := j.UnmarshalJSON(raw); err != nil {
		return issuerKey{}, usage("%s is no JWK that can be used here: %w", where, err)
	}
	if !j.IsPublic() {
		return issuerKey{}, usage("%s holds a private or shared key: it belongs to the issuer alone; give the public key by itself", where)
	}
	if j.Use != "" && j.Use != "sig" {
		return issuerKey{}, usage("%s: its use is %q, want sig", where, j.Use)
	}
	thumbprint, err := j.Thumbprint(crypto.SHA256)
	if err != nil {
		return issuerKey{}, usage("%s: %w", where, err)
	}
	kid, err := jwkKeyID(j.KeyID, thumbprint)
	if err != nil {
		return issuerKey{}, usage("%s: %w", where, err)
	}
	k := issuerKey{where: where, key: j.Key, kid: kid}
	if len(j.Certificates) > 0 {
		k.certificate = j.Certificates[0] // go-jose has checked that it is the key's
	}
	return k, nil
}

// jwkKeyID says how codes name a JWK's key. SMART Health Cards name the RFC
// 7638 thumbprint; trust lists of EU DCC give the 8 bytes of a certificate that
// the JWK may not carry. Any other name would match no code, silently.
func jwkKeyID(kid string, thumbprint []byte) ([]byte, error) {
	if kid == "" {
		return thumbprint, nil
	}
	b, err := parseBase64(kid)
	if err == nil && (bytes.Equal(b, thumbprint) || len(b) == 8) {
		return b, nil
	}
	return nil, fmt.Errorf("its kid %.80q is neither its thumbprint %s nor 8 bytes in base64: codes would not be found by it; correct it or leave it out",
		kid, base64.RawURLEncoding.EncodeToString(thumbprint))
}

// parseBase64 reads base64 of either alphabet, padded or not.
func parseBase64(s string) ([]byte, error) {
	plain := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(s), "=")
	return base64.RawStdEncoding.DecodeString(plain)
}

// parseHex reads exactly size bytes of hex.
func parseHex(s string, size int) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != size {
		return nil, fmt.Errorf("%.80q is not %d hex digits", s, 2*size)
	}
	return b, nil
}
