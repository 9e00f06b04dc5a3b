package bridge_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

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

// TestRulesOnceFinal: what is said of rules and value sets is in the lists once it
// is final, whether it adds or ends.
func TestRulesOnceFinal(t *testing.T) {
	w := newWorld(t, "XA")
	const id, set = "GR-XA-0001", "country-2-codes"
	values := func(version string) *statement.PublishValueSet {
		return &statement.PublishValueSet{ID: set, Version: version, Document: document(t, `{"valueSetDate":"`+version+`"}`)}
	}
	first := values("2021-04-27")
	w.says("XA", rule(t, statement.DefaultRuleSet, id, "1.0.0"))
	w.says("XA", first)
	listed := func(path, text string) bool {
		return strings.Contains(w.get(path).is(http.StatusOK).Body.String(), text)
	}
	hash := func(v *statement.PublishValueSet) string { return hex.EncodeToString(v.Document.Digest[:]) }

	w.hold()
	w.says("XA", rule(t, statement.DefaultRuleSet, id, "1.0.1"))
	later := values("2021-05-01")
	w.says("XA", later)
	if !listed("/rules", `"1.0.0"`) || listed("/rules", `"1.0.1"`) || !listed("/valuesets", hash(first)) || listed("/valuesets", hash(later)) {
		t.Error("before it is final, what is published is not just what was")
	}
	w.get("/valuesets/" + hash(later)).is(http.StatusNotFound)
	w.hold()
	if !listed("/rules", `"1.0.1"`) || listed("/valuesets", hash(first)) || !listed("/valuesets", hash(later)) {
		t.Error("once it is final, it is not listed")
	}

	w.says("XA", &statement.RetireRule{Set: statement.DefaultRuleSet, ID: id, At: statement.TimeOf(ledgertest.Begins)})
	w.says("XA", &statement.RetireValueSet{ID: set})
	if !listed("/rules", id) || !listed("/valuesets", set) {
		t.Error("they are gone before their end is final")
	}
	w.mux = w.at("XA") // a node that has just started reads what is final too
	if !listed("/rules", id) || !listed("/valuesets", set) {
		t.Error("they are gone before their end is final")
	}
	w.finalise()
	if listed("/rules", id) || listed("/valuesets", set) {
		t.Error("they are listed though their end is final")
	}
}

// TestRuleRetiredLongAgo: at any moment before now, the first of all included.
func TestRuleRetiredLongAgo(t *testing.T) {
	w := newWorld(t, "XA")
	for i, at := range []statement.Time{1, 2, statement.TimeOf(ledgertest.Begins), statement.TimeOf(w.now)} {
		r := rule(t, statement.DefaultRuleSet, fmt.Sprintf("GR-XA-000%d", i), "1.0.0")
		w.says("XA", r)
		w.says("XA", &statement.RetireRule{Set: r.Set, ID: r.ID, At: at})
	}
	soon := rule(t, statement.DefaultRuleSet, "GR-XA-0009", "1.0.0")
	w.says("XA", soon)
	w.says("XA", &statement.RetireRule{Set: soon.Set, ID: soon.ID, At: statement.TimeOf(w.now) + 1})
	var list []ruleItem
	if w.get("/rules").into(&list); len(list) != 1 || list[0].Identifier != soon.ID {
		t.Errorf("%v", list)
	}
	w.now = w.now.Add(time.Second)
	if w.get("/rules").into(&list); len(list) != 0 {
		t.Errorf("%v", list)
	}
}

// TestRulesOfAPart: what is a part of a country makes no rules for the country.
func TestRulesOfAPart(t *testing.T) {
	w := newWorld(t, "XA", "DE", "DE-BY", "CN-31")
	for _, by := range []statement.Region{"DE", "DE-BY", "CN-31"} {
		w.says(by, rule(t, statement.DefaultRuleSet, "GR-"+string(by)+"-0001", "1.0.0"))
	}
	for path, want := range map[string]string{"/rules": "[CN-31 DE DE-BY]", "/rules/DE": "[DE]", "/rules/DE-BY": "[DE-BY]", "/rules/CN": "[]", "/rules/CN-31": "[CN-31]"} {
		var list []ruleItem
		w.get(path).into(&list)
		got := []string{}
		for _, i := range list {
			got = append(got, i.Country)
			w.get("/rules/" + i.Country + "/" + i.Hash).is(http.StatusOK)
			if i.Country == "DE-BY" {
				w.get("/rules/DE/" + i.Hash).is(http.StatusNotFound)
			}
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%s: %v, want %s", path, got, want)
		}
	}
	var countries []string
	if w.get("/countrylist").into(&countries); fmt.Sprint(countries) != "[CN-31 DE DE-BY XA]" {
		t.Errorf("countries %v", countries)
	}
}

// TestDigestOfAnother: a document under somebody else's digest takes nothing away.
func TestDigestOfAnother(t *testing.T) {
	w := newWorld(t, "XB", "XA", "XC")
	good := document(t, `{"valueSetId":"vs"}`)
	path := "/valuesets/" + hex.EncodeToString(good.Digest[:])
	rubbish := statement.Document{Deflated: []byte("rubbish"), Size: 7, Digest: good.Digest}
	other := document(t, `{"valueSetId":"of XA"}`)
	other.Digest = good.Digest
	w.says("XA", &statement.PublishValueSet{ID: "one", Version: "1", Document: rubbish})
	w.says("XA", &statement.PublishValueSet{ID: "two", Version: "1", Document: other})
	w.get(path).is(http.StatusNotFound)
	w.says("XB", &statement.PublishValueSet{ID: "vs", Version: "1", Document: good})
	w.says("XC", &statement.PublishValueSet{ID: "vs", Version: "1", Document: rubbish})
	for range 3 {
		if got := w.signed(path).Body.String(); got != `{"valueSetId":"vs"}` {
			t.Errorf("it is %s", got)
		}
	}
	w.says("XB", &statement.RetireValueSet{ID: "vs"})
	if a := w.get(path).is(http.StatusNotFound); strings.Contains(a.Body.String(), "of XA") {
		t.Errorf("%s", a.Body)
	}
	// Whoever has published rubbish may publish what he names.
	w.says("XA", &statement.PublishValueSet{ID: "one", Version: "1", Document: good})
	w.signed(path)
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
