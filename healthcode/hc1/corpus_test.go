package hc1

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/healthcode"
)

// corpusRoots are the folders with cases of eu-digital-green-certificates/
// dgc-testdata and an expected.json. The first is part of this repository; the
// second, with more of the same, is run as well where it exists.
var corpusRoots = []string{"testdata/dcc", "../../../shared/corpus/dcc"}

// corpusMinimum is the least number of cases that the first root must have.
const corpusMinimum = 40

// corpusCase is one case and what a correct verifier says of it.
type corpusCase struct {
	Path          string         `json:"path"`
	SHA256        string         `json:"sha256"`
	Verdict       string         `json:"verdict"` // accept, refuse or policy
	RefuseReasons []string       `json:"refuse_reasons"`
	Issuer        *string        `json:"iss"`
	KeyIDIn       *string        `json:"kid_in"`
	Entries       map[string]int `json:"entries"`

	text        string
	certificate *x509.Certificate
	clock       time.Time
	cose        []byte // the file's own idea of the message, where it has one
	payload     struct{ V, T, R []struct{ CI, CO string } }
}

// loadCorpus reads a root; ok is false if there is none.
func loadCorpus(t testing.TB, root string) (cases []*corpusCase, ok bool) {
	t.Helper()
	index, err := os.ReadFile(filepath.Join(root, "expected.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, false
	}
	if err != nil {
		t.Fatal(err)
	}
	var expected struct{ Cases []*corpusCase }
	if err := json.Unmarshal(index, &expected); err != nil {
		t.Fatal(err)
	}
	for _, c := range expected.Cases {
		c.load(t, root)
	}
	return expected.Cases, true
}

func (c *corpusCase) load(t testing.TB, root string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, c.Path))
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != c.SHA256 {
		t.Fatalf("%s is not the file of the corpus: SHA-256 %x, want %s", c.Path, sum, c.SHA256)
	}
	var file struct {
		Prefix  string          `json:"PREFIX"`
		COSE    string          `json:"COSE"`
		JSON    json.RawMessage `json:"JSON"`
		Context struct {
			Certificate []byte `json:"CERTIFICATE"`
			Clock       string `json:"VALIDATIONCLOCK"`
		} `json:"TESTCTX"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &file); err != nil {
		t.Fatalf("%s: %v", c.Path, err)
	}
	c.text = file.Prefix
	if c.certificate, err = x509.ParseCertificate(file.Context.Certificate); err != nil {
		t.Fatalf("%s: %v", c.Path, err)
	}
	c.clock = parseClock(t, file.Context.Clock)
	c.cose, _ = hex.DecodeString(file.COSE) // some cases have none, or a faulty one on purpose
	// Some files have the payload in another shape; those have no part in the
	// comparison that needs it.
	_ = json.Unmarshal(file.JSON, &c.payload)
}

// parseClock reads the clocks of the corpus, of which many have no zone (then
// UTC is meant).
func parseClock(t testing.TB, text string) time.Time {
	t.Helper()
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05-0700"} {
		if clock, err := time.Parse(layout, text); err == nil {
			return clock
		}
	}
	t.Fatalf("clock %q is in no known layout", text)
	return time.Time{}
}

// judge says what package recognition says of a code if its issuer's only key is
// the case's certificate: "" to accept, or the name of the first reason against.
func (c *corpusCase) judge() (reason string, v *healthcode.Verified, err error) {
	u, err := healthcode.Decode(c.text, Decoder{})
	if err != nil {
		return healthcode.Name(err), nil, err
	}
	if kid := KeyID(c.certificate.Raw); !bytes.Equal(u.KeyID(), kid[:]) {
		return "issuer-unknown", nil, nil
	}
	if v, err = u.Verify(c.certificate.PublicKey); err != nil {
		return healthcode.Name(err), nil, err
	}
	if kinds := Kinds(c.certificate); kinds != nil && !slices.Contains(kinds, v.Kind()) {
		return "key-usage", v, nil
	}
	if v.IssuedAt().After(c.clock) || v.NotBefore().After(c.clock) {
		return "not-yet-valid", v, nil
	}
	if exp := v.ExpiresAt(); !exp.IsZero() && c.clock.After(exp) {
		return "expired", v, nil
	}
	return "", v, nil
}

// wantReason turns the corpus's words into our names.
func (c *corpusCase) wantReason(t *testing.T) string {
	t.Helper()
	if c.Verdict == "policy" {
		// P-384 (P1) and alg unprotected (P2): we accept both.
		if !slices.Contains([]string{"ES/2DCode/raw/401.json", "ES/2DCode/raw/402.json", "ES/2DCode/raw/403.json", "common/2DCode/raw/CO20.json"}, c.Path) {
			t.Fatalf("no policy is written down for %s", c.Path)
		}
		return ""
	}
	if c.Verdict == "accept" {
		return ""
	}
	for _, known := range []struct{ words, name string }{
		{"decode: prefix", "format-unknown"},
		{"decode: base45", "base45-invalid"},
		{"decode: zlib", "compression-invalid"},
		{"decode: cose", "cbor-invalid"}, // CBO2: an integer, then more bytes
		{"decode: cwt", "claims-invalid"},
		{"unknown key", "issuer-unknown"},
		{"bad signature", "signature-invalid"},
		{"key usage", "key-usage"},
		{"issued after", "not-yet-valid"},
		{"expired", "expired"},
		{"no v/t/r entry", "entries-invalid"},
		{"more than one kind", "entries-invalid"},
		{"two entries", "entries-invalid"},
	} {
		if len(c.RefuseReasons) > 0 && strings.HasPrefix(c.RefuseReasons[0], known.words) {
			return known.name
		}
	}
	t.Fatalf("%s: no name for the reasons %q", c.Path, c.RefuseReasons)
	return ""
}

// TestCorpus: every case gets its verdict, for its reason.
func TestCorpus(t *testing.T) {
	for i, root := range corpusRoots {
		cases, ok := loadCorpus(t, root)
		if !ok && i == 0 {
			t.Fatalf("%s is missing", root)
		}
		if ok && len(cases) < corpusMinimum {
			t.Errorf("%s has %d cases, want %d at least", root, len(cases), corpusMinimum)
		}
		for _, c := range cases {
			t.Run(root+"/"+c.Path, func(t *testing.T) {
				reason, v, err := c.judge()
				if want := c.wantReason(t); reason != want {
					t.Fatalf("judged %q (%v), want %q", reason, err, want)
				}
				if err != nil {
					checkDiscreet(t, err, c.text)
				}
				if v != nil {
					c.checkVerified(t, v)
				}
			})
		}
	}
}

// checkVerified compares what was read with what the corpus's independent reader
// read.
func (c *corpusCase) checkVerified(t *testing.T, v *healthcode.Verified) {
	if c.Issuer != nil && v.Issuer() != *c.Issuer {
		t.Errorf("iss = %q, want %q", v.Issuer(), *c.Issuer)
	}
	want := map[healthcode.Kind]string{healthcode.Vaccination: "v", healthcode.Test: "t", healthcode.Recovery: "r"}[v.Kind()]
	if c.Entries[want] != 1 {
		t.Errorf("kind = %s, want one of %v", v.Kind(), c.Entries)
	}
	if v.IssuedAt().IsZero() || v.ExpiresAt().IsZero() {
		t.Errorf("iat = %s, exp = %s", v.IssuedAt(), v.ExpiresAt())
	}
	names := map[string]bool{}
	for _, f := range v.Fields() {
		if f.Value == "" || names[f.Name] {
			t.Errorf("field %s is empty or there twice", f.Name)
		}
		names[f.Name] = true
		if strings.Contains(strings.ToUpper(f.Value), "UVCI") {
			t.Errorf("field %s spreads the certificate identifier", f.Name)
		}
	}
	if !names["familyName"] && !names["familyNameTransliterated"] || !names["dateOfBirth"] || !names["disease"] {
		t.Errorf("fields %v lack a name, a date of birth or the disease", names)
	}
}

// TestCorpusVerdictsCovered makes sure that the copied subset has every reason
// to refuse and every policy that the corpus has.
func TestCorpusVerdictsCovered(t *testing.T) {
	cases, ok := loadCorpus(t, corpusRoots[0])
	if !ok {
		t.Fatalf("%s is missing", corpusRoots[0])
	}
	seen := map[string]int{}
	for _, c := range cases {
		if c.Verdict == "policy" {
			seen["policy"]++
		}
		seen[c.wantReason(t)]++
	}
	for _, name := range []string{"", "policy", "format-unknown", "base45-invalid", "compression-invalid", "cbor-invalid", "claims-invalid",
		"issuer-unknown", "signature-invalid", "key-usage", "not-yet-valid", "expired", "entries-invalid"} {
		if seen[name] == 0 {
			t.Errorf("no case in the subset for %q", name)
		}
	}
}
