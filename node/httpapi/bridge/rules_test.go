package bridge_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"concordat/ledger/ledgertest"
	"concordat/ledger/statement"
	"concordat/recognition/rules"
)

func document(t testing.TB, text string) statement.Document {
	t.Helper()
	d, err := rules.Document([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func rule(t testing.TB, set, id, version string) *statement.PublishRule {
	return &statement.PublishRule{
		Set: set, ID: id, Version: version, From: statement.TimeOf(ledgertest.Begins),
		Document: document(t, `{"Identifier": "`+id+`",  "Version": "`+version+`"}`+"\n"),
	}
}

type ruleItem struct{ Identifier, Version, Country, Hash string }

// signed checks what the business-rule service's clients check: the signature
// is on the hex digits of the body's SHA-256.
func (w *world) signed(path string) answer {
	w.t.Helper()
	a := w.get(path, "X-VERSION", "1.0").is(http.StatusOK)
	spki, err := base64.StdEncoding.DecodeString(w.get("/publickey", "X-VERSION", "1.0").is(http.StatusOK).Body.String())
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		w.t.Fatal(err)
	}
	signature, err := base64.StdEncoding.DecodeString(a.Header().Get("X-SIGNATURE"))
	if err != nil {
		w.t.Fatal(err)
	}
	sum := sha256.Sum256(a.Body.Bytes())
	digest := sha256.Sum256([]byte(hex.EncodeToString(sum[:])))
	if !ecdsa.VerifyASN1(key.(*ecdsa.PublicKey), digest[:], signature) {
		w.t.Errorf("%s is not signed", path)
	}
	if again := w.get(path).Header().Get("X-SIGNATURE"); again != a.Header().Get("X-SIGNATURE") {
		w.t.Errorf("%s is signed otherwise each time", path)
	}
	return a
}

// TestBusinessRules asks as the EU's wallet and verifier apps do: the countries,
// the list, and each document by its hash.
func TestBusinessRules(t *testing.T) {
	w := newWorld(t, "XA", "GR", "XB")
	one, newer, greek := rule(t, statement.DefaultRuleSet, "VR-XA-0001", "1.0.0"), rule(t, statement.DefaultRuleSet, "VR-XA-0001", "1.0.1"), rule(t, statement.DefaultRuleSet, "GR-EL-0001", "1.0.0")
	other, invalid := rule(t, "strict", "VR-XA-0002", "1.0.0"), rule(t, "strict", "IR-XA-0003", "1.0.0")
	invalid.Invalidation = true
	retired, ended := rule(t, statement.DefaultRuleSet, "VR-XA-0004", "1.0.0"), rule(t, statement.DefaultRuleSet, "VR-XA-0005", "1.0.0")
	ended.Until = statement.TimeOf(ledgertest.Begins) + 60
	for _, r := range []*statement.PublishRule{one, newer, other, invalid, retired, ended} {
		w.says("XA", r)
	}
	w.says("GR", greek)
	w.says("XA", &statement.RetireRule{Set: statement.DefaultRuleSet, ID: retired.ID, At: statement.TimeOf(ledgertest.Begins) + 60})

	var countries []string
	if w.signed("/countrylist").into(&countries); !slices.Equal(countries, []string{"EL", "XA", "XB"}) {
		t.Errorf("countries %v", countries)
	}
	hash := func(r *statement.PublishRule) string { return hex.EncodeToString(r.Document.Digest[:]) }
	want := []ruleItem{
		{"GR-EL-0001", "1.0.0", "EL", hash(greek)},
		{"IR-XA-0003", "1.0.0", "XA", hash(invalid)},
		{"VR-XA-0001", "1.0.0", "XA", hash(one)},
		{"VR-XA-0001", "1.0.1", "XA", hash(newer)},
	}
	var list []ruleItem
	if w.signed("/rules").into(&list); !slices.Equal(list, want) {
		t.Errorf("rules\n%v, want\n%v", list, want)
	}
	for _, cc := range []string{"EL", "el", "GR"} {
		if w.signed("/rules/" + cc).into(&list); !slices.Equal(list, want[:1]) {
			t.Errorf("rules of %s: %v", cc, list)
		}
	}
	for _, r := range want {
		a := w.signed("/rules/" + r.Country + "/" + r.Hash)
		sum := sha256.Sum256(a.Body.Bytes())
		var text struct{ Identifier, Version string }
		if err := json.Unmarshal(a.Body.Bytes(), &text); err != nil || hex.EncodeToString(sum[:]) != r.Hash || text.Identifier != r.Identifier || text.Version != r.Version {
			t.Errorf("%v is %s (%v)", r, a.Body, err)
		}
		w.get("/rules/"+r.Country+"/"+r.Hash, "If-None-Match", a.Header().Get("ETag")).is(http.StatusNotModified)
	}
	w.get("/rules/XB/" + hash(one)).is(http.StatusNotFound)
	w.get("/rules/XA/" + strings.Repeat("0", 64)).is(http.StatusNotFound)
	w.get("/rules/XA/abc").is(http.StatusBadRequest)
	w.get("/rules/!").is(http.StatusBadRequest)

	set := func(id, version string) *statement.PublishValueSet {
		return &statement.PublishValueSet{ID: id, Version: version, Document: document(t, `{"valueSetId":"`+id+`","valueSetDate":"`+version+`","valueSetValues":{}}`)}
	}
	mine, gone, theirs := set("disease-agent-targeted", "2021-04-27"), set("country-2-codes", "2021-04-27"), set("disease-agent-targeted", "2021-05-01")
	w.says("XA", mine)
	w.says("XA", gone)
	w.says("GR", theirs)
	w.says("XA", &statement.RetireValueSet{ID: gone.ID})
	var sets []struct{ ID, Hash string }
	for path, v := range map[string]*statement.PublishValueSet{"/valuesets": mine, "/valuesets?region=EL": theirs} {
		w.signed(path).into(&sets)
		if len(sets) != 1 || sets[0].ID != v.ID || sets[0].Hash != hex.EncodeToString(v.Document.Digest[:]) {
			t.Errorf("%s: %v", path, sets)
			continue
		}
		a := w.signed("/valuesets/" + sets[0].Hash)
		if sum := sha256.Sum256(a.Body.Bytes()); sum != v.Document.Digest {
			t.Errorf("%s is %s", path, a.Body)
		}
	}
	w.get("/valuesets/" + hex.EncodeToString(gone.Document.Digest[:])).is(http.StatusNotFound)

	// Who is expelled has no rules here, and is no country of arrival.
	w.Carry(statement.Action{Expel: &statement.Expel{Authority: "GR"}})
	if w.get("/rules").into(&list); !slices.Equal(list, want[1:]) {
		t.Errorf("after the expulsion: %v", list)
	}
	if w.get("/countrylist").into(&countries); slices.Contains(countries, "EL") {
		t.Errorf("countries %v", countries)
	}
}

// TestUnreadableDocument: what cannot be inflated is its publisher's fault, and nobody is given a part of it.
func TestUnreadableDocument(t *testing.T) {
	w := newWorld(t, "XA")
	r := rule(t, statement.DefaultRuleSet, "VR-XA-0001", "1.0.0")
	r.Document.Digest[0]++
	w.says("XA", r)
	a := w.get("/rules/XA/" + hex.EncodeToString(r.Document.Digest[:])).is(http.StatusNotFound)
	if strings.Contains(a.Body.String(), "Identifier") {
		t.Errorf("%s", a.Body)
	}
}
