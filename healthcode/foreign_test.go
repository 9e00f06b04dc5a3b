package healthcode_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"concordat/healthcode"
	"concordat/healthcode/hc1"
	"concordat/healthcode/shc"
)

// foreignFile is what one program made that we did not write. The folders that
// hold some say how it was made; .ci/interop/run makes more.
type foreignFile struct {
	Program, Version, Licence string
	Codes                     []struct {
		Kind        healthcode.Kind
		Text        string
		Certificate []byte // DER
		JWK         *struct{ X, Y string }
	}
}

// TestForeignCodes reads codes of issuers that we did not write: those that are
// kept here, and those in the folder that CONCORDAT_FOREIGN_CODES names.
func TestForeignCodes(t *testing.T) {
	folders := []string{"hc1/testdata/foreign", "shc/testdata/foreign"}
	if more := os.Getenv("CONCORDAT_FOREIGN_CODES"); more != "" {
		folders = append(folders, more)
	}
	for _, folder := range folders {
		names, err := filepath.Glob(filepath.Join(folder, "*.json"))
		if err != nil || len(names) == 0 {
			t.Fatalf("no codes in %s, %v", folder, err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var f foreignFile
			if err := json.Unmarshal(data, &f); err != nil || len(f.Codes) == 0 || f.Program == "" || f.Version == "" || f.Licence == "" {
				t.Fatalf("%s: %v", name, err)
			}
			for _, code := range f.Codes {
				t.Run(f.Program+"/"+string(code.Kind), func(t *testing.T) {
					u, err := healthcode.Decode(code.Text, hc1.Decoder{}, shc.Decoder{})
					if err != nil {
						t.Fatal(err)
					}
					var key crypto.PublicKey
					if code.JWK != nil {
						key = pointOf(t, code.JWK.X, code.JWK.Y)
					} else {
						certificate, err := x509.ParseCertificate(code.Certificate)
						if err != nil {
							t.Fatal(err)
						}
						key = certificate.PublicKey
						if kid := hc1.KeyID(certificate.Raw); string(u.KeyID()) != string(kid[:]) {
							t.Errorf("key id %x, want %x", u.KeyID(), kid)
						}
					}
					v, err := u.Verify(key)
					if err != nil {
						t.Fatal(err)
					}
					if v.Kind() != code.Kind || v.IssuedAt().IsZero() || len(v.Fields()) == 0 || v.Holder().BirthDate == "" {
						t.Errorf("read as %s, issued at %s, with %d fields", v, v.IssuedAt(), len(v.Fields()))
					}
				})
			}
		}
	}
}

func pointOf(t *testing.T, x, y string) *ecdsa.PublicKey {
	t.Helper()
	point := []byte{4}
	for _, s := range []string{x, y} {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		point = append(point, b...)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
