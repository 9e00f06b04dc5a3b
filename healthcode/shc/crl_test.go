package shc

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"concordat/healthcode"
)

// TestRevocationHash pins the definition: computed with sha256sum(1) over
// "<kid>.<rid>".
func TestRevocationHash(t *testing.T) {
	kid, err := base64.RawURLEncoding.DecodeString(corpusKID)
	if err != nil {
		t.Fatal(err)
	}
	for rid, want := range map[string]string{
		"MKyCxh7p6uQ": "801db4b49d9cd210cb38889db8e8125a",
		"YjKhdFoxL_g": "c33e5495205a500c767112669a1bbb77",
		"vwAjHdarZuc": "49e18d74f5b017d5666419b2ec72d53c",
	} {
		if got := RevocationHash(kid, rid); hex.EncodeToString(got[:]) != want {
			t.Errorf("%s: %x, want %s", rid, got, want)
		}
	}
}

func TestParseCRL(t *testing.T) {
	list := func(rids string) string {
		return `{"kid":"` + corpusKID + `","method":"rid","ctr":7,"rids":` + rids + `}`
	}
	for _, test := range []struct {
		name, text string
		groups     string // "time:count …", time 0 for none
		reason     string
		says       string
	}{
		{"empty", list(`[]`), "", "", ""},
		{"no time", list(`["a","b"]`), "0:2", "", ""},
		{"times, sorted", list(`["a.20","b","c.10","d.20","e"]`), "0:2 10:1 20:2", "", ""},
		{"the same with and without a time", list(`["a.20","a","a.10"]`), "0:1 10:1 20:1", "", ""},
		{"twice the same (dev-tools)", list(`["a","a"]`), "0:2", "", ""},
		{"rids before kid, others between, ctr a string", `{"rids":["a"],"x":{"y":[1]},"ctr":"12","method":"rid","kid":"` + corpusKID + `"}`, "0:1", "", ""},
		{"white space", " {\n \"kid\" : \"" + corpusKID + "\", \"method\":\"rid\",\"ctr\":1,\"rids\": [ \"a\" , \"b.1\" ] } ", "0:1 1:1", "", ""},

		{"another method (dev-tools)", strings.Replace(list(`[]`), `"rid"`, `"rid2"`, 1), "", "claims-invalid", "method"},
		{"rid too long (dev-tools)", list(`["a","` + strings.Repeat("x", 25) + `"]`), "", "claims-invalid", "entry 2 of rids: an identifier of 25 characters"},
		{"rid of another alphabet (dev-tools)", list(`["a+b"]`), "", "claims-invalid", "entry 1 of rids"},
		{"rid empty", list(`[""]`), "", "claims-invalid", "an identifier of 0 characters"},
		{"rid empty with a time", list(`[".5"]`), "", "claims-invalid", "an identifier of 0 characters"},
		{"time 0", list(`["a.0"]`), "", "claims-invalid", "no number of seconds"},
		{"time empty", list(`["a."]`), "", "claims-invalid", "no number of seconds"},
		{"time with a sign", list(`["a.+5"]`), "", "claims-invalid", "no number of seconds"},
		{"time negative", list(`["a.-5"]`), "", "claims-invalid", "no number of seconds"},
		{"two times", list(`["a.5.5"]`), "", "claims-invalid", "no number of seconds"},
		{"time in words", list(`["a.2021-01-01"]`), "", "claims-invalid", "no number of seconds"},
		{"time in milliseconds", list(`["a.1687450765000"]`), "", "claims-invalid", "milliseconds"},
		{"rid is a number", list(`[1]`), "", "claims-invalid", "rids is no string"},
		{"rids is an object", list(`{}`), "", "claims-invalid", "rids is no array"},
		{"rids missing", strings.Replace(list(`[]`), "rids", "ridz", 1), "", "claims-invalid", "rids is missing"},
		{"kid missing", strings.Replace(list(`[]`), "kid", "kit", 1), "", "claims-invalid", "kid is missing"},
		{"kid no thumbprint", strings.Replace(list(`[]`), corpusKID, "abc", 1), "", "jws-invalid", "kid has 3 characters"},
		{"ctr missing", strings.Replace(list(`[]`), "ctr", "ctx", 1), "", "claims-invalid", "ctr is missing"},
		{"ctr a fraction", strings.Replace(list(`[]`), ":7", ":7.5", 1), "", "claims-invalid", "ctr is no whole number"},
		{"kid twice", strings.Replace(list(`[]`), `{`, `{"kid":"",`, 1), "", "json-invalid", "twice"},
		{"a BOM", "\ufeff" + list(`[]`), "", "json-invalid", "byte order mark"},
		{"a tail", list(`[]`) + "]", "", "json-invalid", "1 bytes follow"},
		{"a card", `{"verifiableCredential":["eyJ"]}`, "", "claims-invalid", "kid is missing"},
		{"too long", strings.Repeat(" ", MaxCRL+1), "", "code-too-large", "at most 33554432"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseCRL([]byte(test.text))
			if test.reason != "" {
				if healthcode.Name(err) != test.reason || !errors.Is(err, healthcode.ErrUnreadable) || !strings.Contains(err.Error(), test.says) {
					t.Errorf("%v (%s)", err, healthcode.Name(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if base64.RawURLEncoding.EncodeToString(got.KeyID) != corpusKID || got.Counter == 0 {
				t.Errorf("list %d of key %x", got.Counter, got.KeyID)
			}
			if groups := describeGroups(got); groups != test.groups {
				t.Errorf("groups %q, want %q", groups, test.groups)
			}
		})
	}
}

// TestRealCRLs reads the lists that issuers published, where there is a snapshot
// of the VCI directory beside the repository.
func TestRealCRLs(t *testing.T) {
	data, err := os.ReadFile("../../../shared/corpus/vci/vci_snapshot.json")
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var snapshot struct {
		IssuerInfo []struct{ CRLs []json.RawMessage }
	}
	if err := json.Unmarshal(data, &snapshot); err != nil {
		t.Fatal(err)
	}
	lists, hashes := 0, 0
	for _, issuer := range snapshot.IssuerInfo {
		for _, raw := range issuer.CRLs {
			list, err := ParseCRL(raw)
			if err != nil {
				t.Fatal(err)
			}
			lists++
			for _, g := range list.Groups {
				hashes += len(g.Hashes)
			}
		}
	}
	if lists != 6 || hashes != 771+17+555 {
		t.Errorf("%d lists with %d hashes", lists, hashes)
	}
}
