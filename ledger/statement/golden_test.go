package statement_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"concordat/ledger/internal/annotate"
	"concordat/ledger/statement"
)

var update = flag.Bool("update", false, "write the golden files anew; never after a release: signed bytes do not change")

// envelopeNames annotates what is common to all kinds.
var envelopeNames = annotate.Names{
	"":         "COSE_Sign1",
	"/0":       "+protected header",
	"/0//1":    "alg, EdDSA",
	"/0//3":    "content type",
	"/0//4":    "kid, first 8 bytes of SHA-256 of the public key",
	"/0//15":   "CWT claims",
	"/0//15/1": "iss, the authority",
	"/0//15/2": "sub, what it is about",
	"/1":       "unprotected header, empty",
	"/2":       "+payload",
	"/2//1":    "version",
	"/2//2":    "network, SHA-256 of the genesis file",
	"/2//3":    "kind",
	"/2//4":    "revision of the subject that this makes",
	"/2//5":    "issued at, by the signer's clock",
	"/2//6":    "body",
	"/3":       "signature, Ed25519",
}

// bodyNames annotates the bodies, by the kind's noun or, where its verbs differ, by the kind.
var bodyNames = map[string][]string{
	"issuer-key.register":   {"public key, SubjectPublicKeyInfo", "kid in codes", "certificate", "kinds of code", "valid from", "valid until", "issuer's URL", "issuer's name"},
	"issuer-key.retire":     {"thumbprint of the key", "at"},
	"issuer-key.compromise": {"thumbprint of the key", "since", "spare earlier", "reason"},
	"revocation":            {"hash type", "count", "SHA-256 of the attachment", "expires", "reason", "issued before"},
	"risk-area":             {"area", "scheme", "level", "from", "until", "look-back, days", "refuse", "legal reference"},
	"risk-area.lift":        {"area", "scheme", "at", "reason"},
	"recognition":           {"region", "kinds of code", "from", "until", "reason", "legal reference", "formats", "algorithms", "schemes", "rule set"},
	"recognition.withdraw":  {"region", "reason", "legal reference"},
	"rule.publish":          {"rule set", "id", "version", "from", "until", "invalidation", "document"},
	"rule.retire":           {"rule set", "id", "at", "reason"},
	"value-set.publish":     {"id", "version", "document"},
	"value-set.retire":      {"id", "reason"},
	"risk-scheme":           {"name", "levels", "supersedes", "title", "legal reference"},
	"special-case.declare":  {"name", "admit", "region", "kinds of code", "formats", "thumbprints of keys", "issued from", "issued until", "from", "until", "condition", "reason", "legal reference"},
	"special-case.end":      {"name", "at", "reason"},
	"seal":                  {"size", "at", "root over the records", "root over the revoked hashes", "validators"},
	"evidence":              {"culprit", "proof"},
	"authority.rotate-key":  {"use", "public key, Ed25519", "proof, by the new key"},
	"authority.set-node":    {"addresses", "base URL of the API"},
	"governance.propose":    {"action", "reason"},
	"governance.vote":       {"index of the proposal", "its hash", "yes", "reason"},
	"governance.withdraw":   {"index of the proposal", "its hash", "reason"},
	"handover":              {"index of the seal", "note"},
	"recovery":              {"plan", "signatures"},
	"incident.report":       {"title", "text", "thumbprint of the key that it is about"},
}

// innerNames annotates what lies deeper in a body, by the path in it.
var innerNames = map[statement.Kind]annotate.Names{
	statement.Seal: {"/5/0/1": "id", "/5/0/2": "co-signing key", "/5/0/3": "node key", "/5/0/4": "governance key"},
	statement.GovernancePropose: {
		"/1/1": "admit", "/1/1/1": "descriptor", "/1/1/2": "role",
		"/1/2": "change role", "/1/2/1": "authority", "/1/2/2": "role",
		"/1/3": "suspend", "/1/3/1": "authority", "/1/4": "restore", "/1/4/1": "authority", "/1/5": "expel", "/1/5/1": "authority",
		"/1/6": "rotate key", "/1/6/1": "authority", "/1/6/2": "new key", "/1/6/2/1": "use", "/1/6/2/2": "public key, Ed25519", "/1/6/2/3": "proof, by the new key",
		"/1/7": "set node", "/1/7/1": "authority", "/1/7/2": "place", "/1/7/2/1": "addresses", "/1/7/2/2": "base URL of the API",
		"/1/8": "change policy", "/1/8/1": "admit observer", "/1/8/2": "admit validator", "/1/8/3": "suspend", "/1/8/4": "expel", "/1/8/5": "rotate keys", "/1/8/6": "change policy",
		"/1/9": "raise level", "/1/9/1": "level",
	},
	statement.RulePublish:        {"/7/1": "text, deflated", "/7/2": "size of the text", "/7/3": "SHA-256 of the text"},
	statement.ValueSetPublish:    {"/3/1": "text, deflated", "/3/2": "size of the text", "/3/3": "SHA-256 of the text"},
	statement.RiskSchemePublish:  {"/2/0/1": "name", "/2/1/1": "name", "/2/1/3": "look-back, days", "/2/1/4": "title", "/2/2/1": "name", "/2/2/2": "refuse", "/2/2/3": "look-back, days"},
	statement.SpecialCaseDeclare: {"/11/1": "text, deflated", "/11/2": "size of the text", "/11/3": "SHA-256 of the text"},
	statement.NetworkRecovery:    {"/1/1": "lineage", "/1/2": "size", "/1/3": "root", "/1/4": "validators", "/1/5": "reason"},
}

func namesOf(k statement.Kind) annotate.Names {
	fields, ok := bodyNames[string(k)]
	if !ok {
		noun, _, _ := strings.Cut(string(k), ".")
		fields = bodyNames[noun]
	}
	names := annotate.Names{}
	for path, name := range envelopeNames {
		names[path] = name
	}
	for i, f := range fields {
		names["/2//6/"+strconv.Itoa(i+1)] = f
	}
	for path, name := range innerNames[k] {
		names["/2//6"+path] = name
	}
	return names
}

// What is signed outlives all of us: the bytes of every kind are kept, with a
// remark on each, and neither signing nor reading them may change.
func TestGolden(t *testing.T) {
	seen := make(map[statement.Kind]bool)
	for _, s := range samples() {
		seen[s.Kind()] = true
		t.Run(s.name, func(t *testing.T) {
			v := sign(t, s.Statement, keyXA)
			path := filepath.Join("testdata", "golden", s.name+".txt")
			text, err := annotate.CBOR(v.Raw(), namesOf(s.Kind()))
			if err != nil {
				t.Fatal(err)
			}
			text = "# " + s.Words() + "\n# SHA-256: " + v.Hash().String() + "\n" + text
			if *update {
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := annotate.Bytes(string(golden))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(raw, v.Raw()) {
				t.Errorf("Sign gives other bytes than %s:\n%s", path, text)
			}
			if string(golden) != text {
				t.Errorf("remarks differ from %s:\n%s", path, text)
			}
			u, err := statement.Parse(raw)
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			if got := u.Statement(); !reflect.DeepEqual(got, s.Statement) {
				t.Errorf("Parse gives %+v, want %+v", got, s.Statement)
			}
			if _, err := u.Verify(public(keyXA)); err != nil {
				t.Errorf("Verify: %v", err)
			}
			if _, err := u.Verify(public(testKey("XB"))); err == nil {
				t.Error("Verify took another key")
			}
		})
	}
	for _, k := range statement.Kinds() {
		if !seen[k] {
			t.Errorf("no sample of %s", k)
		}
	}
}

func TestWords(t *testing.T) {
	var got strings.Builder
	for _, s := range samples() {
		got.WriteString(s.Words() + "\n")
	}
	path := filepath.Join("testdata", "words.txt")
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("Words differ from %s:\n%s", path, got.String())
	}
}
