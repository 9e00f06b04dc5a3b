package authority

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// maxKeyFile bounds a key's file; an encrypted one takes about 500 bytes.
const maxKeyFile = 16 << 10

var (
	// ErrKey: the file does not hold a key that can be used here.
	ErrKey = errors.New("unusable key file")
	// ErrPassphrase: the key is encrypted, and the passphrase is missing or not the one.
	ErrPassphrase = errors.New("wrong or missing passphrase")
)

// Passphrase gives the passphrase of encrypted keys. It is called only where
// one is encrypted, and at most once for a Directory that it opens. nil: there is none.
type Passphrase func() (string, error)

// ask gives the passphrase. Its errors wrap ErrPassphrase.
func (p Passphrase) ask() (string, error) {
	if p == nil {
		return "", fmt.Errorf("%w: the key is encrypted", ErrPassphrase)
	}
	s, err := p()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	if s == "" {
		return "", fmt.Errorf("%w: the key is encrypted, and the passphrase given is empty", ErrPassphrase)
	}
	return s, nil
}

// sealer turns a key into the bytes of its file.
type sealer struct {
	passphrase string // "": plain
	workFactor int    // of scrypt, the exponent of 2; 0: age's own, about a second
}

// seal takes whatever key PKCS#8 takes.
func (s sealer) seal(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	plain := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if s.passphrase == "" {
		return plain, nil
	}
	to, err := age.NewScryptRecipient(s.passphrase)
	if err != nil {
		return nil, fmt.Errorf("encrypting a key: %w", err)
	}
	if s.workFactor != 0 {
		to.SetWorkFactor(s.workFactor)
	}
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	w, err := age.Encrypt(a, to)
	if err != nil {
		return nil, fmt.Errorf("encrypting a key: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("encrypting a key: %w", err)
	}
	if err := errors.Join(w.Close(), a.Close()); err != nil {
		return nil, fmt.Errorf("encrypting a key: %w", err)
	}
	return out.Bytes(), nil
}

// unseal reads the file of an authority's key. Errors are those of parseKey.
func unseal(data []byte, passphrase Passphrase) (PrivateKey, error) {
	parsed, err := parseKey(data, passphrase)
	if err != nil {
		return PrivateKey{}, err
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return PrivateKey{}, fmt.Errorf("%w: it holds a %T; want Ed25519", ErrKey, parsed)
	}
	return newPrivateKey(key), nil
}

// parseKey reads the one key in a file. Errors wrap ErrKey or ErrPassphrase and
// never hold what was read.
func parseKey(data []byte, passphrase Passphrase) (any, error) {
	if encrypted(data) {
		plain, err := decrypt(data, passphrase)
		if err != nil {
			return nil, err
		}
		data = plain
	}
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf(`%w: want one PEM block "PRIVATE KEY" (PKCS#8), plain or encrypted by age in armor`, ErrKey)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: it is not PKCS#8", ErrKey) // err might quote the bytes
	}
	return parsed, nil
}

// encrypted reports whether a key's file is encrypted.
func encrypted(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(data), []byte(armor.Header))
}

func decrypt(data []byte, passphrase Passphrase) ([]byte, error) {
	s, err := passphrase.ask()
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(data)), id)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return nil, fmt.Errorf("%w: the key does not open with it", ErrPassphrase)
	case err != nil:
		return nil, fmt.Errorf("%w: age: %w", ErrKey, err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxKeyFile)) // r cannot give more than data had
	if err != nil {
		return nil, fmt.Errorf("%w: age: %w", ErrKey, err)
	}
	return plain, nil
}
