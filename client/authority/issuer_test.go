package authority

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestIssuerKey: an issuer's key comes back as it went, plain and encrypted, and
// nothing else passes for one.
func TestIssuerKey(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "issuer.key")
	write := func(data []byte, mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, data, mode)); err != nil {
			t.Fatal(err)
		}
	}
	plain, err := SealIssuerKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	locked, err := sealer{passphrase: "secret", workFactor: 4}.seal(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"plain": plain, "encrypted": locked} {
		write(data, 0o600)
		got, err := LoadIssuerKey(path, says("secret"))
		if err != nil || !key.Equal(got) {
			t.Errorf("%s: %v", name, err)
		}
	}
	write(locked, 0o600)
	if _, err := LoadIssuerKey(path, says("another")); !errors.Is(err, ErrPassphrase) {
		t.Errorf("another passphrase: %v", err)
	}
	if _, err := LoadKey(path, says("secret")); !errors.Is(err, ErrKey) {
		t.Errorf("an issuer's key as an authority's: %v", err)
	}
	write(plain, 0o644)
	if _, err := LoadIssuerKey(path, nil); !errors.Is(err, ErrPermissions) {
		t.Errorf("a key for everyone to read: %v", err)
	}
	agreement, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(agreement)
	if err != nil {
		t.Fatal(err)
	}
	write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	if _, err := LoadIssuerKey(path, nil); !errors.Is(err, ErrKey) {
		t.Errorf("a key that signs nothing: %v", err)
	}
}
