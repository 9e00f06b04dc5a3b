package state

import (
	"crypto/sha256"
	"errors"
	"slices"
	"testing"

	"concordat/ledger/statement"
)

// TestRecordRules: bytes in their one encoding, under their own key, that still say what cannot be.
func TestRecordRules(t *testing.T) {
	w := story(t)
	v := View{w.mem}
	authority := func(change func(*Authority)) Write {
		a, _, err := v.Authority("XA")
		if err != nil {
			t.Fatal(err)
		}
		change(&a)
		return put(&a)
	}
	key := func(change func(*IssuerKey)) Write {
		k, _, err := v.IssuerKey("XA", issuerKeyFor("K1").Thumbprint())
		if err != nil {
			t.Fatal(err)
		}
		change(&k)
		return put(&k)
	}
	counted := func(change func(*keyCount)) Write {
		c, err := load[keyCount](w.mem, keyCountKey("XA", []byte("the same")))
		if err != nil {
			t.Fatal(err)
		}
		change(c)
		return put(c)
	}
	times := func(change func(*registrationCount)) Write {
		c, err := load[registrationCount](w.mem, registrationCountKey("XA", sha256.Sum256(issuerKeyFor("K1").PublicKey)))
		if err != nil {
			t.Fatal(err)
		}
		change(c)
		return put(c)
	}
	schemes := func(change func(*schemeCount)) Write {
		c, err := load[schemeCount](w.mem, schemeCountKey("CN-31", "XA"))
		if err != nil {
			t.Fatal(err)
		}
		change(c)
		return put(c)
	}
	recognition := func(change func(*Recognition)) Write {
		g, _, err := v.Recognition("XA", "XB")
		if err != nil {
			t.Fatal(err)
		}
		change(&g)
		return put(&g)
	}
	area := func(change func(*RiskArea)) Write {
		a, _, err := v.RiskArea("XA", "default", "CN-31")
		if err != nil {
			t.Fatal(err)
		}
		change(&a)
		return put(&a)
	}
	ruleOf := func(change func(*Rule)) Write {
		r, _, err := v.Rule("XA", "default", "R1")
		if err != nil {
			t.Fatal(err)
		}
		change(&r)
		return put(&r)
	}
	version := func(change func(*RuleVersion)) Write {
		r, err := load[RuleVersion](w.mem, ruleVersionKey("XA", "default", "R1", "1.0.1"))
		if err != nil {
			t.Fatal(err)
		}
		change(r)
		return put(r)
	}
	said := func(change func(*published)) Write {
		p, err := load[published](w.mem, publishedKey("XA"))
		if err != nil {
			t.Fatal(err)
		}
		change(p)
		return put(p)
	}
	valueSet, _, err := v.ValueSet("XA", "vaccines")
	if err != nil {
		t.Fatal(err)
	}
	scheme, _, err := v.Scheme("XA", "default")
	if err != nil {
		t.Fatal(err)
	}
	special, _, err := v.SpecialCase("XA", "crew")
	if err != nil {
		t.Fatal(err)
	}
	for what, wr := range map[string]Write{
		"revision of a rule":       ruleOf(func(r *Rule) { r.Revision = 0 }),
		"rule without a version":   ruleOf(func(r *Rule) { r.Versions, r.Ends = nil, nil }),
		"versions in disorder":     ruleOf(func(r *Rule) { slices.Reverse(r.Versions) }),
		"version of a kind":        ruleOf(func(r *Rule) { r.Versions[1] = "two" }),
		"ends of nothing":          ruleOf(func(r *Rule) { r.Ends = []statement.Time{0, 0} }),
		"an end too many":          ruleOf(func(r *Rule) { r.Ends = append(r.Ends, 0) }),
		"the last version ended":   ruleOf(func(r *Rule) { r.Ends = []statement.Time{9, 9} }),
		"rule in no set":           ruleOf(func(r *Rule) { r.Set = "" }),
		"rule of nobody":           ruleOf(func(r *Rule) { r.Authority = "xa" }),
		"version without document": version(func(r *RuleVersion) { r.Document.Deflated = nil }),
		"version that never is":    version(func(r *RuleVersion) { r.Until = r.From }),
		"nothing published":        said(func(p *published) { *p = published{Authority: p.Authority} }),
		"too much published":       said(func(p *published) { p.Rules = MaxRules + 1 }),
		"published by nobody":      said(func(p *published) { p.Authority = "xa" }),
		"revision of a value set":  put(&ValueSet{Authority: "XA", ID: "vaccines", Version: "1", Document: valueSet.Document}),
		"value set of no version":  put(&ValueSet{Authority: "XA", ID: "vaccines", Document: valueSet.Document, Revision: 1}),
		"revision of a scheme":     put(&Scheme{Authority: "XA", Name: "default", Levels: scheme.Levels}),
		"scheme of no levels":      put(&Scheme{Authority: "XA", Name: "default", Revision: 1}),
		"revision of a case":       put(&SpecialCase{Authority: "XA", Case: special.Case}),
		"case without a reason":    put(&SpecialCase{Authority: "XA", Case: statement.DeclareCase{Name: "crew"}, Revision: 1}),
		"too much of the past":     recognition(func(g *Recognition) { g.Past = make([]PastTerms, MaxPastTerms+1) }),
		"a past that does not end": recognition(func(g *Recognition) { g.Past[len(g.Past)-1].EndedBy++ }),
		"a past with a gap":        recognition(func(g *Recognition) { g.Past = slices.Delete(g.Past, 1, 2) }),
		"a past without status":    recognition(func(g *Recognition) { g.Past[0].Status = "" }),
		"event of another time":    {appendRevocationKey(nil, make([]byte, 16), 2, "XA", 5), encode(sparing{Expires: 100, IssuedBefore: 9})},
		"event that spares all":    {appendRevocationKey(nil, make([]byte, 16), 2, "XA", 5), encode(sparing{Expires: 100})},
		"role":                     authority(func(a *Authority) { a.Role = "king" }),
		"use of key":               authority(func(a *Authority) { a.Keys[0].Use = "party" }),
		"length of key":            authority(func(a *Authority) { a.Keys[0].Public = a.Keys[0].Public[:31] }),
		"key that never counts":    authority(func(a *Authority) { a.Keys[0].From, a.Keys[0].Until = 5, 5 }),
		"status of key":            key(func(k *IssuerKey) { k.Status = "lost" }),
		"revision of key":          key(func(k *IssuerKey) { k.Revision = 0 }),
		"retired by nobody":        key(func(k *IssuerKey) { k.RetiredBy = nil }),
		"count of no keys":         counted(func(c *keyCount) { c.Keys = 0 }),
		"count of too many keys":   counted(func(c *keyCount) { c.Keys = MaxKeysPerID + 1 }),
		"count for no kid":         counted(func(c *keyCount) { c.KeyID = nil }),
		"count for a long kid":     counted(func(c *keyCount) { c.KeyID = make([]byte, statement.MaxKeyID+1) }),
		"count of nobody":          counted(func(c *keyCount) { c.Region = "xa" }),
		"registered no times":      times(func(c *registrationCount) { c.Times = 0 }),
		"registered too often":     times(func(c *registrationCount) { c.Times = MaxRegistrations + 1 }),
		"registered by nobody":     times(func(c *registrationCount) { c.Region = "xa" }),
		"count of no schemes":      schemes(func(c *schemeCount) { c.Schemes = 0 }),
		"count of many schemes":    schemes(func(c *schemeCount) { c.Schemes = MaxSchemes + 1 }),
		"schemes of nobody":        schemes(func(c *schemeCount) { c.Authority = "xa" }),
		"schemes on no area":       schemes(func(c *schemeCount) { c.Area = "cn" }),
		"status of recognition":    recognition(func(g *Recognition) { g.Status = "perhaps" }),
		"revision of recognition":  recognition(func(g *Recognition) { g.Revision = 0 }),
		"suspension of granted":    recognition(func(g *Recognition) { g.Suspension = &Suspension{Reason: "x"} }),
		"suspended by nothing":     recognition(func(g *Recognition) { g.Status = Suspended }),
		"revision of area":         area(func(a *RiskArea) { a.Revision = 0 }),
		"stands without a window":  area(func(a *RiskArea) { a.Standing, a.Windows = true, nil }),
		"too many windows":         area(func(a *RiskArea) { a.Windows = make([]RiskWindow, MaxWindows+1) }),
		"open window in between":   area(func(a *RiskArea) { a.Windows[0].Until = 0 }),
		"window that ends early":   area(func(a *RiskArea) { a.Windows[0].Until = a.Windows[0].From }),
		"windows that overlap":     area(func(a *RiskArea) { a.Windows[0].Until = a.Windows[1].From + 1 }),
		"event without its batch":  {appendRevocationKey(nil, make([]byte, 16), 1, "XA", 999), encode(event{Expires: 1})},
		"event of another's batch": {appendRevocationKey(nil, make([]byte, 16), 2, "XB", 5), encode(event{Expires: 100})},
		"event of no type":         {appendRevocationKey(nil, make([]byte, 16), 9, "XA", 5), encode(event{Expires: 100})},
		"event of nobody":          {appendRevocationKey(nil, make([]byte, 16), 2, "xa", 5), encode(event{Expires: 100})},
		"event with no end of it":  {append(slices.Concat([]byte{tagRevocation}, make([]byte, 16), []byte{2}, []byte("XA1")), 0, 0, 0, 0, 0, 0, 0, 5), encode(event{Expires: 100})},
		"event under a short key":  {[]byte("r123456789"), encode(event{Expires: 100})},
		"index of no key":          {registration(keyIDPrefix([]byte("kid")), "XA", statement.Thumbprint{}), present},
		"index under another kid":  {registration(keyIDPrefix([]byte("kid")), "XA", issuerKeyFor("K1").Thumbprint()), present},
		"index that says more":     {registration(keyIDPrefix([]byte("the same")), "XA", issuerKeyFor("K1").Thumbprint()), []byte{0xf4}},
		"index of no region":       {registration(keyIDPrefix([]byte("kid")), "xa", statement.Thumbprint{}), present},
		"tag":                      {[]byte("zebra"), present},
		"totals of no type":        {totalsKey("XA", "colour"), encode(Totals{})},
		"batch under a short key":  {[]byte("b1"), encode(Batch{})},
	} {
		if _, err := describe(w.mem, wr.Key, wr.Value); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: want ErrCorrupt, got %v", what, err)
		}
	}
	// The queries that follow an index or an event notice as well.
	w.mem.Put([]Write{{registration(keyIDPrefix([]byte("kid")), "XA", statement.Thumbprint{}), present}})
	if _, err := v.IssuerKeysByKID([]byte("kid")); !errors.Is(err, ErrCorrupt) {
		t.Errorf("index of no key: want ErrCorrupt, got %v", err)
	}
	h := testHash("h1")
	w.mem.Put([]Write{{appendRevocationKey(nil, h[:], 1, "XA", 999), encode(event{Expires: 1})}})
	events, _, err := v.Revocations(h, 1)
	if err != nil || len(events) != 1 {
		t.Fatal(events, err)
	}
	if _, err := v.RevocationReason(events[0]); !errors.Is(err, ErrCorrupt) {
		t.Errorf("event without its batch: want ErrCorrupt, got %v", err)
	}
}

func TestVerdictInOneLine(t *testing.T) {
	for want, v := range map[string]Verdict{
		"accepted":          {},
		"name: message":     {Name: "name", Message: "message"},
		"name: message; do": {Name: "name", Message: "message", Hint: "do"},
	} {
		if got := v.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
