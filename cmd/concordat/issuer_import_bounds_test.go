package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/healthcode/trustlist"
)

// dry runs a command with --dry-run for XA, with no node there.
func dry(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	args = append(args, "--dry-run", "--json", "--authority", "XA", "--node", "http://127.0.0.1:1")
	code = run(t.Context(), args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func writeJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	path := filepath.Join(t.TempDir(), "list.json")
	if err == nil {
		err = os.WriteFile(path, raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestManyTimesInARevocationList: each time is a statement, and whoever writes the
// list decides how many there are; beyond a bound the operator is asked.
func TestManyTimesInARevocationList(t *testing.T) {
	crl := func(n int) map[string]any {
		var rids []string
		for i := range n {
			rids = append(rids, fmt.Sprintf("A.%d", i+1))
		}
		return map[string]any{"kid": "7JvktUpf1_9NPwdM-70FJT3YdyTiSe2IvmVxxgDSRb0", "method": "rid", "ctr": 1, "rids": rids}
	}
	list := func(n int) map[string]any {
		key := map[string]any{"kty": "EC", "use": "sig", "crv": "P-256", "x": "3dQz5ZlbazChP3U7bdqShfF0fvSXLXD9WMa1kqqH6i4", "y": "FV4AsWjc7ZmfhSiHsw2gjnDMKNLwNqi2jMLmJpiKWtE", "kid": "7JvktUpf1_9NPwdM-70FJT3YdyTiSe2IvmVxxgDSRb0"}
		return map[string]any{"issuerInfo": []any{map[string]any{"issuer": map[string]any{"iss": "https://a.example", "name": "A"}, "keys": []any{key}, "crls": []any{crl(n)}}}}
	}
	for _, test := range []struct {
		name string
		args []string
		says string // "": it is done
		has  int    // batches
	}{
		{"an import of a few", []string{"issuer", "import", writeJSON(t, list(unaskedBatches))}, "", unaskedBatches},
		{"an import of many", []string{"issuer", "import", writeJSON(t, list(unaskedBatches+1))}, "come to 1001 statements", 0},
		{"an import of many, asked", []string{"issuer", "import", "--yes", writeJSON(t, list(unaskedBatches+1))}, "", unaskedBatches + 1},
		{"an import of too many", []string{"issuer", "import", "--yes", writeJSON(t, list(mostBatches+1))}, "come to 100001 statements, at most 100000", 0},
		{"an import without them", []string{"issuer", "import", "--no-revocations", writeJSON(t, list(unaskedBatches+1))}, "", 0},
		{"a few", []string{"revoke", "--expires", "2032-01-01T00:00:00Z", "--reason", "r", "--file", writeJSON(t, crl(unaskedBatches))}, "", unaskedBatches},
		{"many", []string{"revoke", "--expires", "2032-01-01T00:00:00Z", "--reason", "r", "--file", writeJSON(t, crl(unaskedBatches+1))}, "comes to 1001 statements", 0},
		{"many, asked", []string{"revoke", "--yes", "--expires", "2032-01-01T00:00:00Z", "--reason", "r", "--file", writeJSON(t, crl(unaskedBatches+1))}, "", unaskedBatches + 1},
		{"taken back", []string{"revoke", "undo", "--expires", "2032-01-01T00:00:00Z", "--reason", "r", "--file", writeJSON(t, crl(unaskedBatches+1))}, "", 1},
	} {
		code, out, errs := dry(t, test.args...)
		if test.says != "" {
			if code != client.ExitUsage || !strings.Contains(errs, "nothing was sent") || !strings.Contains(errs, test.says) {
				t.Errorf("%s: exit code %d\n%.1000s", test.name, code, errs)
			}
			continue
		}
		var a struct{ Revoked, Batches []said }
		if err := json.Unmarshal([]byte(out), &a); err != nil || code != client.ExitDone || len(a.Revoked)+len(a.Batches) != test.has {
			t.Errorf("%s: exit code %d, %d batches, %v\n%.1000s", test.name, code, len(a.Revoked)+len(a.Batches), err, errs)
		}
		if n := strings.Count(errs, "signing: "); n > maxListed+1 {
			t.Errorf("%s: %d announcements", test.name, n)
		}
	}
}

// TestCountryOfACertificate: a list that gives a certificate to another country is
// told of, and --strict does not take it.
func TestCountryOfACertificate(t *testing.T) {
	path := writeJSON(t, map[string]any{"keys": []any{map[string]any{"certificate": selfSigned(t, "RU").Raw, "region": "XA"}}})
	code, out, errs := dry(t, "issuer", "import", path)
	if code != client.ExitDone || !strings.Contains(out, "the certificate's country is RU, and the list says XA") || !strings.Contains(errs, "what the list says is of XA is RU") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if code, _, errs := dry(t, "issuer", "import", "--strict", path); code != client.ExitUsage || !strings.Contains(errs, "nothing was sent: 1 of 1 entries are refused") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
}

func selfSigned(t *testing.T, country string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{Country: []string{country}}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err == nil {
		c, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestKinship: what --retire-missing may touch of an authority's keys.
func TestKinship(t *testing.T) {
	listed := selfSigned(t, "EL")
	p := &plan{list: &trustlist.List{Entries: []trustlist.Entry{
		{Issuer: "https://a.example"}, {Issuer: "https://b.example", Certificate: selfSigned(t, "FR")}, {Certificate: listed}, {KeyID: []byte("12345678")},
	}}}
	for _, test := range []struct {
		name string
		key  client.IssuerKey
		says string // "": it may
	}{
		{"an issuer on the list", client.IssuerKey{Issuer: "https://a.example"}, ""},
		{"the same with a certificate", client.IssuerKey{Issuer: "https://b.example", Certificate: selfSigned(t, "DE").Raw}, ""},
		{"a country on the list", client.IssuerKey{Certificate: selfSigned(t, "GR").Raw}, ""},
		{"another issuer", client.IssuerKey{Issuer: "https://c.example", Certificate: listed.Raw}, `no key of its issuer "https://c.example" is`},
		{"a country of an issuer's certificate only", client.IssuerKey{Certificate: selfSigned(t, "FR").Raw}, `no certificate of its country "FR" is`},
		{"a certificate without country", client.IssuerKey{Certificate: selfSigned(t, "").Raw}, `no certificate of its country "" is`},
		{"a bare key", client.IssuerKey{PublicKey: []byte("key")}, "neither a certificate nor an issuer's URL"},
	} {
		if got := p.kinship().stranger(&test.key); got != test.says && (test.says == "" || !strings.Contains(got, test.says)) {
			t.Errorf("%s: %q, want %q", test.name, got, test.says)
		}
	}
}
