package bridge_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/ledger/ledgertest"
	"concordat/ledger/statement"
)

// app is a verifier app as the DGCA verifier app is: it asks for one certificate
// after the other with the token of the last until it is answered 204, then for
// the key ids that are good, and drops what is not among them.
type app struct {
	w     *world
	query string
	token string
	has   map[string][]string // certificates, by key id
}

func (a *app) sync() {
	t := a.w.t
	t.Helper()
	if a.has == nil {
		a.has = map[string][]string{}
	}
	for {
		var headers []string
		if a.token != "" {
			headers = []string{"x-resume-token", a.token}
		}
		got := a.w.get("/signercertificateUpdate"+a.query, headers...)
		if got.Code == http.StatusNoContent {
			break
		}
		got.is(http.StatusOK)
		if ct := got.Header().Get("Content-Type"); ct != "text/plain" {
			t.Fatalf("a certificate comes as %q", ct)
		}
		next, kid := got.Header().Get("X-RESUME-TOKEN"), got.Header().Get("X-KID")
		if next == a.token || kid == "" {
			t.Fatalf("token %q after %q, key id %q", next, a.token, kid)
		}
		a.token = next
		if !slices.Contains(a.has[kid], got.Body.String()) {
			a.has[kid] = append(a.has[kid], got.Body.String())
		}
	}
	var good []string
	a.w.get("/signercertificateStatus" + a.query).into(&good)
	for kid := range a.has {
		if !slices.Contains(good, kid) {
			delete(a.has, kid)
		}
	}
}

// knows checks which keys the app relies on now.
func (a *app) knows(want ...*statement.RegisterKey) {
	a.w.t.Helper()
	a.sync()
	var got, wanted []string
	for _, raws := range a.has {
		got = append(got, raws...)
	}
	for _, k := range want {
		wanted = append(wanted, rawOf(k))
	}
	slices.Sort(got)
	slices.Sort(wanted)
	if !slices.Equal(got, wanted) {
		a.w.t.Errorf("the app has %d certificates, want %d: %v", len(got), len(wanted), got)
	}
}

// TestVerifierApp walks through what happens to a region's keys, with an app
// that comes back after each step.
func TestVerifierApp(t *testing.T) {
	w := newWorld(t, "XA", "XB", "XC")
	own := &app{w: w}
	own.knows()
	a1, a2, b1, b2 := dsc(t), dsc(t, statement.Vaccination), dsc(t), dsc(t, statement.Test)
	w.says("XA", a1)
	w.says("XB", b1)
	own.knows(a1)

	w.says("XA", a2)
	w.says("XA", grant("XB"))
	own.knows(a1, a2, b1) // an older key than the app's last: its region is recognised now
	w.says("XB", b2)
	own.knows(a1, a2, b1, b2)

	// The grant is narrowed: an app would accept tests and recoveries by b1 too.
	w.says("XA", &statement.ChangeGrant{Terms: statement.Terms{Region: "XB", Kinds: []statement.CodeKind{statement.Test}}})
	own.knows(a1, a2, b2)
	w.says("XA", &statement.Suspend{Region: "XB", Reason: "forgeries"})
	own.knows(a1, a2)
	w.says("XA", &statement.ChangeGrant{Terms: statement.Terms{Region: "XB"}})
	own.knows(a1, a2, b1, b2)

	w.says("XA", retire(a1, w.now.Add(-time.Minute)))
	own.knows(a1, a2, b1, b2) // codes issued before stay good
	w.says("XA", compromise(a1))
	own.knows(a2, b1, b2)
	w.says("XB", &statement.CompromiseKey{Key: b1.Thumbprint(), Since: statement.TimeOf(w.now), SpareEarlier: true})
	own.knows(a2, b2) // an app cannot tell which are spared

	w.Carry(statement.Action{Expel: &statement.Expel{Authority: "XB"}})
	own.knows(a2)
	w.now = expires.Add(time.Second) // nothing was said
	own.knows()
}

// TestOtherRegions: every region's lists are to be had at every node.
func TestOtherRegions(t *testing.T) {
	w := newWorld(t, "XA", "XB", "XC")
	a, b := dsc(t), dsc(t)
	w.says("XA", a)
	w.says("XB", b)
	w.says("XC", grant("XA"))
	(&app{w: w}).knows(a)
	(&app{w: w, query: "?region=xb"}).knows(b)
	(&app{w: w, query: "?region=XC"}).knows(a)
	w.get("/signercertificateStatus?region=XD").is(http.StatusBadRequest)
	w.get("/signercertificateStatus?region=!").is(http.StatusBadRequest)
}

// TestWithheld: a client knows nothing of what narrows the region's word, so the
// key is not in its list.
func TestWithheld(t *testing.T) {
	only := []statement.CodeKind{statement.Vaccination}
	for name, c := range map[string]struct {
		key   func(testing.TB) *statement.RegisterKey
		terms statement.Terms
		then  statement.Body
		in    bool
	}{
		"all":                 {in: true},
		"another kind":        {terms: statement.Terms{Kinds: only}},
		"the kind":            {key: func(t testing.TB) *statement.RegisterKey { return dsc(t, statement.Vaccination) }, terms: statement.Terms{Kinds: only}, in: true},
		"another format":      {terms: statement.Terms{Formats: []string{"shc"}}},
		"the format":          {terms: statement.Terms{Formats: []string{"hc1", "shc"}}, in: true},
		"another algorithm":   {terms: statement.Terms{Algorithms: []string{"PS256"}}},
		"the algorithm":       {terms: statement.Terms{Algorithms: []string{"ES256"}}, in: true},
		"RSA":                 {key: func(t testing.TB) *statement.RegisterKey { return certificate(t, rsaKey(t, 2048), expires) }, in: true},
		"RSA, not granted":    {key: func(t testing.TB) *statement.RegisterKey { return certificate(t, rsaKey(t, 2048), expires) }, terms: statement.Terms{Algorithms: []string{"ES256"}}},
		"RSA, too small":      {key: func(t testing.TB) *statement.RegisterKey { return certificate(t, rsaKey(t, 1024), expires) }},
		"registered for less": {key: func(t testing.TB) *statement.RegisterKey { k := dsc(t); k.Kinds = only; return k }},
		"not yet valid": {key: func(t testing.TB) *statement.RegisterKey {
			k := dsc(t)
			k.ValidFrom = statement.TimeOf(ledgertest.Begins.AddDate(0, 1, 0))
			return k
		}},
		"valid no more": {key: func(t testing.TB) *statement.RegisterKey {
			k := dsc(t)
			k.ValidUntil = statement.TimeOf(ledgertest.Begins.Add(time.Minute))
			return k
		}},
		"without certificate":  {key: func(t testing.TB) *statement.RegisterKey { k := dsc(t); k.Certificate = nil; return k }},
		"of another key":       {key: func(t testing.TB) *statement.RegisterKey { k := dsc(t); k.PublicKey = dsc(t).PublicKey; return k }},
		"a special case":       {then: &statement.DeclareCase{Name: "no-xb", Region: "XB", Reason: "x"}},
		"one of other formats": {then: &statement.DeclareCase{Name: "no-xb", Region: "XB", Formats: []string{"shc"}, Reason: "x"}, in: true},
		"one of other regions": {then: &statement.DeclareCase{Name: "no-xc", Region: "XC", Reason: "x"}, in: true},
		"one that is over":     {then: &statement.DeclareCase{Name: "no-xb", Region: "XB", Until: statement.TimeOf(ledgertest.Begins.Add(-time.Minute)), Reason: "x"}, in: true},
		"one that admits":      {then: &statement.DeclareCase{Name: "xb", Admit: true, Region: "XB", Reason: "x"}, in: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "XA", "XB", "XC")
			k := dsc(t)
			if c.key != nil {
				k = c.key(t)
			}
			w.says("XB", k)
			c.terms.Region = "XB"
			w.says("XA", &statement.Grant{Terms: c.terms})
			if c.then != nil {
				w.says("XA", c.then)
			}
			w.Fill(1)
			if c.in {
				(&app{w: w}).knows(k)
			} else {
				(&app{w: w}).knows()
			}
		})
	}
}

// TestOneKeyTwice: a compromise counts for every certificate of the key, and not
// when it is claimed by somebody who registered it later.
func TestOneKeyTwice(t *testing.T) {
	w := newWorld(t, "XA", "XB", "XC")
	key := newKey(t)
	first, renewed, copied := certificate(t, key, expires), certificate(t, key, expires), certificate(t, key, expires)
	w.says("XA", first)
	w.says("XA", renewed)
	w.says("XB", copied)
	w.says("XA", grant("XB"))
	a := &app{w: w}
	a.knows(first, renewed, copied)
	w.says("XB", compromise(copied))
	a.knows(first, renewed)
	w.says("XA", compromise(first))
	a.knows()
}

// TestOneKeyID: two keys may have one key id. An app keeps them apart by the
// certificates, and drops the key id only when no key is good under it.
func TestOneKeyID(t *testing.T) {
	w := newWorld(t, "XA", "XB")
	a, b := dsc(t), dsc(t)
	b.KeyID = a.KeyID
	w.says("XA", a)
	w.says("XB", b)
	w.says("XA", grant("XB"))
	(&app{w: w}).knows(a, b)
	w.says("XB", compromise(b))
	(&app{w: w}).knows(a)
	var delta struct{ Updated, Deleted []string }
	w.get("/signercertificateStatus/delta").into(&delta)
	if !slices.Equal(delta.Updated, []string{kidOf(a)}) || len(delta.Deleted) != 0 {
		t.Errorf("%+v", delta)
	}
	w.says("XA", compromise(a))
	w.get("/signercertificateStatus/delta").into(&delta)
	if len(delta.Updated) != 0 || !slices.Equal(delta.Deleted, []string{kidOf(a)}) {
		t.Errorf("%+v", delta)
	}
}

// TestFinality: what lets in counts once it is final, what keeps out once it is
// ordered; and an app that comes in between misses nothing of what becomes final later.
func TestFinality(t *testing.T) {
	w := newWorld(t, "XA", "XB")
	a, b, c := dsc(t), dsc(t), dsc(t)
	w.says("XA", a)
	w.says("XB", b)
	client := &app{w: w}
	client.knows(a)
	w.hold()
	w.says("XA", c)
	w.says("XA", grant("XB"))
	client.knows(a)
	w.says("XA", compromise(a))
	client.knows()
	w.finalise()
	client.knows(b, c)

	// Said again while the newest is not final: the key stays, by the old terms.
	w.hold()
	d := dsc(t)
	w.says("XA", d)
	w.says("XA", &statement.ChangeGrant{Terms: statement.Terms{Region: "XB", Reason: "renewed"}})
	client.knows(b, c)
	w.finalise()
	client.knows(b, c, d)
}

// TestWindows: what begins is let in by the ledger's clock, and what ends goes by this node's.
func TestWindows(t *testing.T) {
	w := newWorld(t, "XA", "XB", "XC")
	a, b, c := dsc(t), dsc(t), dsc(t)
	w.says("XB", b)
	w.says("XC", c)
	at := func(d time.Duration) statement.Time { return statement.TimeOf(ledgertest.Begins.Add(d)) }
	w.says("XA", &statement.Grant{Terms: statement.Terms{Region: "XB", From: at(2 * time.Hour), Until: at(4 * time.Hour)}})
	w.says("XA", grant("XC"))
	w.says("XA", &statement.Suspend{Region: "XC", From: at(3 * time.Hour), Until: at(5 * time.Hour), Reason: "x"})
	client := &app{w: w}
	w.now = ledgertest.Begins.Add(90 * time.Minute)
	client.knows(c)
	w.now = ledgertest.Begins.Add(150 * time.Minute)
	client.knows(c) // the ledger has not got there yet
	w.Now = w.now
	w.says("XA", a) // whose token is greater than what b's could have been without the ledger's clock
	client.knows(a, b, c)
	w.now = ledgertest.Begins.Add(3 * time.Hour)
	client.knows(a, b)
	w.now = ledgertest.Begins.Add(5 * time.Hour)
	client.knows(a)
	w.now = ledgertest.Begins.Add(6 * time.Hour)
	w.Now = w.now
	w.Fill(1)
	client.knows(a, c)
}

// TestDelta is the verifier service's own test of its delta, and a little more:
// one who sends back the Last-Modified that he was given has everything.
func TestDelta(t *testing.T) {
	w := newWorld(t, "XA")
	a, b, c := dsc(t), dsc(t), dsc(t)
	type delta struct {
		Updated []string `json:"updated"`
		Deleted []string `json:"deleted"`
	}
	ask := func(since string) (d delta) {
		t.Helper()
		headers := []string{}
		if since != "" {
			headers = []string{"if-modified-since", since}
		}
		w.get("/signercertificateStatus/delta", headers...).into(&d)
		return d
	}
	is := func(got delta, updated, deleted []string) {
		t.Helper()
		if !slices.Equal(got.Updated, updated) || !slices.Equal(got.Deleted, deleted) {
			t.Errorf("%v, want %v and %v", got, updated, deleted)
		}
	}
	none := []string{}
	is(ask(""), none, none)
	w.says("XA", a)
	first := w.Now
	w.Now = w.Now.Add(time.Hour)
	w.says("XA", b)
	w.says("XA", c)
	w.says("XA", compromise(c))
	second := w.Now
	w.now = w.Now
	is(ask(""), []string{kidOf(a), kidOf(b)}, []string{kidOf(c)})
	is(ask(first.Format(time.RFC3339)), []string{kidOf(a), kidOf(b)}, []string{kidOf(c)}) // within the margin
	for _, layout := range []string{time.RFC3339, http.TimeFormat, time.RFC1123Z} {
		is(ask(first.Add(11*time.Minute).Format(layout)), []string{kidOf(b)}, []string{kidOf(c)})
		is(ask(second.Add(11*time.Minute).Format(layout)), none, none)
	}
	last := w.get("/signercertificateStatus/delta").is(200).Header().Get("Last-Modified")
	w.says("XA", compromise(b))
	if got := ask(last); !slices.Contains(got.Deleted, kidOf(b)) {
		t.Errorf("since %s: %v", last, got)
	}
	w.get("/signercertificateStatus/delta", "If-Modified-Since", "NotValid").is(http.StatusBadRequest)
}

// TestByKeyID is the verifier service's second way: certificates for a list of key ids.
func TestByKeyID(t *testing.T) {
	w := newWorld(t, "GR", "XB")
	a, b, c := dsc(t), dsc(t), dsc(t)
	w.says("GR", a)
	w.says("GR", c)
	w.says("GR", compromise(c))
	w.says("XB", b)
	w.says("GR", grant("XB"))
	type one struct{ Kid, RawData string }
	var got map[string][]one
	post := func(body string) answer {
		return w.ask(http.MethodPost, "/signercertificateUpdate", body, "Content-Type", "application/json")
	}
	post(fmt.Sprintf("[%q,%q,%q,%q]", kidOf(a), kidOf(b), kidOf(c), "NotAvailable=")).into(&got)
	if len(got) != 2 || !slices.Equal(got["EL"], []one{{kidOf(a), rawOf(a)}}) || !slices.Equal(got["XB"], []one{{kidOf(b), rawOf(b)}}) {
		t.Errorf("%v", got)
	}
	got = nil
	if post(`["NotAvailable="]`).into(&got); len(got) != 0 {
		t.Errorf("%v", got)
	}
	post(`{"kid":1}`).is(http.StatusBadRequest)
	post(``).is(http.StatusBadRequest)
	post("[" + strings.Repeat(`"",`, 10_000) + `""]`).is(http.StatusBadRequest)
	post(`["` + strings.Repeat("x", 600_000) + `"]`).is(http.StatusRequestEntityTooLarge)
}

// TestTokens: a token is a number, and a client that has none begins anew.
func TestTokens(t *testing.T) {
	w := newWorld(t, "XA")
	w.says("XA", dsc(t))
	for _, token := range []string{"0", ""} {
		w.get("/signercertificateUpdate", "X-RESUME-TOKEN", token).is(http.StatusOK)
	}
	w.get("/signercertificateUpdate", "X-RESUME-TOKEN", "9223372036854775807").is(http.StatusNoContent)
	for _, token := range []string{"x", "-1", "1.0", "9223372036854775808", strings.Repeat("1", 100)} {
		w.get("/signercertificateUpdate", "X-RESUME-TOKEN", token).is(http.StatusBadRequest)
	}
}

// TestTrustedIssuers: the issuers that have a URL, with a tag that clients send
// back with its quotes and without.
func TestTrustedIssuers(t *testing.T) {
	w := newWorld(t, "XA", "XB")
	w.get("/trustedissuers").is(200)
	k := &statement.RegisterKey{PublicKey: dsc(t).PublicKey, KeyID: make([]byte, 32), Issuer: "https://smart.example/xb", Name: "Clinic of XB"}
	w.says("XB", k)
	w.says("XA", grant("XB"))
	type issuer struct {
		URL, Type, Country, Thumbprint, SSLPublicKey, KeyStorageType, Signature, Timestamp, Name, Domain, UUID string
	}
	var got []issuer
	a := w.get("/trustedissuers").into(&got)
	if len(got) != 1 || got[0].URL != k.Issuer || got[0].Type != "HTTP" || got[0].Country != "XB" || got[0].Name != k.Name || got[0].KeyStorageType != "JWKS" {
		t.Errorf("%+v", got)
	}
	tag := a.Header().Get("ETag")
	for _, have := range []string{tag, "W/" + tag, strings.Trim(tag, `"`)} {
		if b := w.get("/trustedissuers", "If-None-Match", have).is(http.StatusNotModified); b.Body.Len() != 0 {
			t.Errorf("304 with %s", b.Body)
		}
	}
	w.get("/trustedissuers", "If-None-Match", "NoMatchEtag").is(200)
	w.Fill(1) // nothing of it changed
	w.get("/trustedissuers", "If-None-Match", tag).is(http.StatusNotModified)
	if w.get("/trustList/issuers?country=xb").into(&got); len(got) != 1 {
		t.Errorf("of its country: %v", got)
	}
	got = nil
	if w.get("/trustList/issuers?country=XA").into(&got); len(got) != 0 {
		t.Errorf("of another: %v", got)
	}
	w.get("/trustList/issuers?country=!").is(http.StatusBadRequest)
}

// TestContext: an app is told where everything is, and finds it there.
func TestContext(t *testing.T) {
	w := newWorld(t, "GR", "XB")
	type endpoint struct {
		URL     string   `json:"url"`
		PubKeys []string `json:"pubKeys"`
	}
	var got struct {
		Origin   string `json:"origin"`
		Versions map[string]struct {
			PrivacyURL string              `json:"privacyUrl"`
			Context    endpoint            `json:"context"`
			Endpoints  map[string]endpoint `json:"endpoints"`
		} `json:"versions"`
	}
	for _, query := range []string{"", "?region=XB"} {
		w.get("/context" + query).into(&got)
		at := got.Versions["default"].Endpoints
		if len(at) != 5 {
			t.Fatalf("%+v", got)
		}
		for name, e := range at {
			path, ok := strings.CutPrefix(e.URL, "https://node.example:8443/health")
			if !ok || e.PubKeys == nil {
				t.Errorf("%s is at %+v", name, e)
			}
			if code := w.get(path).Code; code != http.StatusOK && code != http.StatusNoContent {
				t.Errorf("%s: %d", e.URL, code)
			}
		}
	}
	if w.get("/context").into(&got); got.Origin != "EL" {
		t.Errorf("origin %q", got.Origin)
	}
}
