package httpapi_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"concordat/client"
	"concordat/ledger/statement"
)

// TestTags: the size is the tag of every listing, and a poller that has it is spared the rest.
func TestTags(t *testing.T) {
	said(t, 1, risk("XA-TAGS"), nil)
	for _, path := range []string{
		"/v1/statements", "/v1/authorities", "/v1/issuers", "/v1/risk-areas", "/v1/recognitions", "/v1/rules", "/v1/value-sets", "/v1/revocations/" + strings.Repeat("00", 16), "/v1/revisions?subject=x",
	} {
		var body struct {
			AsOf client.AsOf `json:"asOf"`
		}
		a := get(t, path)
		a.into(t, http.StatusOK, &body)
		tag := a.header.Get("ETag")
		if tag != fmt.Sprintf(`"%d"`, body.AsOf.Size) || len(body.AsOf.Root) != 64 || body.AsOf.Age == "" || body.AsOf.AgeMillis < 0 {
			t.Errorf("%s: tag %s, as of %+v", path, tag, body.AsOf)
		}
		for _, have := range []string{tag, "W/" + tag, `"0", ` + tag, "*"} {
			if a := get(t, path, "If-None-Match", have); a.status != http.StatusNotModified || len(a.body) != 0 || a.header.Get("ETag") != tag {
				t.Errorf("%s with %s: %d", path, have, a.status)
			}
		}
		if a := get(t, path, "If-None-Match", `"999999"`); a.status != http.StatusOK {
			t.Errorf("%s with another tag: %d", path, a.status)
		}
	}
	a := get(t, "/v1/statements")
	said(t, 2, &statement.LiftRisk{Area: "XA-TAGS", Scheme: "default", At: 1_700_000_000, Reason: "over"}, nil)
	if b := get(t, "/v1/statements", "If-None-Match", a.header.Get("ETag")); b.status != http.StatusOK {
		t.Errorf("after one more statement: %d", b.status)
	}
}

func TestPages(t *testing.T) {
	for i := range 5 {
		said(t, 1, risk(fmt.Sprintf("XA-PAGES-%d", i)), nil)
	}
	var all client.Statements
	get(t, "/v1/statements?limit=1000").into(t, http.StatusOK, &all)
	if uint64(len(all.Statements)) != all.AsOf.Size || all.Next != nil {
		t.Fatalf("%d of %d statements, next %v", len(all.Statements), all.AsOf.Size, all.Next)
	}
	for _, query := range []string{"limit=1", "limit=3", "limit=" + fmt.Sprint(len(all.Statements)), "limit=2&authority=xa"} {
		path, seen := "/v1/statements?"+query, uint64(0)
		for next := path; next != ""; {
			var page client.Statements
			get(t, next).into(t, http.StatusOK, &page)
			if len(page.Statements) == 0 {
				t.Fatalf("%s: an empty page was announced", query)
			}
			for _, s := range page.Statements {
				if s.Index != seen {
					t.Fatalf("%s: index %d, want %d", query, s.Index, seen)
				}
				seen++
			}
			if next = ""; page.Next != nil {
				next = fmt.Sprintf("%s&after=%d", path, *page.Next)
			}
		}
		if seen != all.AsOf.Size {
			t.Errorf("%s: %d of %d", query, seen, all.AsOf.Size)
		}
	}
	var some client.Statements
	get(t, "/v1/statements?kind=risk-area.declare&limit=3").into(t, http.StatusOK, &some)
	if len(some.Statements) != 3 || some.Next == nil {
		t.Errorf("three of a kind: %d", len(some.Statements))
	}
	for _, s := range some.Statements {
		if s.Kind != "risk-area.declare" {
			t.Errorf("a %s among them", s.Kind)
		}
	}
	for _, bad := range []string{"after=-1", "after=x", "after=18446744073709551615", "limit=0", "limit=1001", "limit=x", "kind=gossip", "authority=!"} {
		get(t, "/v1/statements?"+bad).failure(t, 400, client.BadRequest)
	}
	get(t, "/v1/statements?after=9223372036854775807").into(t, http.StatusOK, &some)
	if len(some.Statements) != 0 {
		t.Error("there is something after the end")
	}
}

func TestState(t *testing.T) {
	code := registered(t, "DE-1")
	var issuers client.Issuers
	get(t, "/v1/issuers?region=xa").into(t, http.StatusOK, &issuers)
	var key *client.IssuerKey
	for i, k := range issuers.Issuers {
		if string(k.Certificate) == string(code.Certificate) {
			key = &issuers.Issuers[i]
		}
	}
	if key == nil || key.Status != "registered" || key.Region != region || key.Algorithm != "EC P-256" || len(key.PublicKey) == 0 || key.Revision != 1 {
		t.Fatalf("the key is listed as %+v", key)
	}
	kid, err := base64.StdEncoding.DecodeString(key.KeyID)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{hex.EncodeToString(kid), base64.URLEncoding.EncodeToString(kid), strings.ReplaceAll(key.KeyID, "+", "%2B")} {
		var found client.Issuers
		get(t, "/v1/issuers?kid="+form).into(t, http.StatusOK, &found)
		if len(found.Issuers) != 1 || found.Issuers[0].ID != key.ID {
			t.Errorf("by kid %s: %d keys", form, len(found.Issuers))
		}
	}
	get(t, "/v1/issuers?kid=%21").failure(t, 400, client.BadRequest)
	get(t, "/v1/issuers?region=%21").failure(t, 400, client.BadRequest)
	get(t, "/v1/revocations/abc").failure(t, 400, client.BadRequest)
	get(t, "/v1/revisions").failure(t, 400, client.BadRequest)
	for _, path := range []string{"/v1/risk-areas", "/v1/recognitions", "/v1/revocations/" + strings.Repeat("0", 32)} {
		get(t, path+"?at=yesterday").failure(t, 400, client.BadRequest)
	}

	var authorities client.Authorities
	get(t, "/v1/authorities").into(t, http.StatusOK, &authorities)
	if a := authorities.Authorities; len(a) != 1 || a[0].ID != region || a[0].Role != "validator" || len(a[0].Keys) != 4 || len(a[0].Addresses) != 1 {
		t.Errorf("authorities: %+v", a)
	}

	said(t, 1, risk("XA-STATE"), nil)
	inForce := func(at string) bool {
		var areas client.RiskAreas
		get(t, "/v1/risk-areas?at="+at).into(t, http.StatusOK, &areas)
		for _, r := range areas.RiskAreas {
			if r.Area == "XA-STATE" {
				if r.Authority != region || r.Level != "high" || r.Lookback != 14 || !r.Refuse || r.LegalRef == "" {
					t.Errorf("declared: %+v", r)
				}
				return r.InForce
			}
		}
		t.Error("the area is not listed")
		return false
	}
	if inForce("2020-01-01T00:00:00Z") || !inForce("2021-01-01T00:00:00Z") || !inForce("now") {
		t.Error("a window is judged wrongly")
	}
	var rev client.Revision
	get(t, "/v1/revisions?subject="+statement.RiskSubject(region, "default", "XA-STATE")).into(t, http.StatusOK, &rev)
	if rev.Revision != 1 {
		t.Errorf("its revision is %d", rev.Revision)
	}
}

func TestStatus(t *testing.T) {
	submit(t, "final", network.Sign(t, region, 1, risk("XA-STATUS")), nil).into(t, http.StatusOK, new(client.Submitted))
	var s client.Status
	get(t, "/v1/status").into(t, http.StatusOK, &s)
	if s.Network != network.Doc.ID().String() || s.Region != region || s.Role != "validator" || s.RaftRole != "leader" || s.Leader != region ||
		!s.Quorum || s.Since != nil || s.Log.Origin != network.Doc.Network || !strings.HasPrefix(s.Log.VKey, network.Doc.Network+"+") || s.AgeMillis < 0 || s.AgeMillis > 20_000 ||
		s.Final.Size == 0 || s.Final.Size > s.Size || len(s.Final.Root) != 64 || fmt.Sprint(s.Final.Cosigners) != "[XA]" || s.Final.Quorum != 1 || s.Final.AgeMillis < 0 ||
		!s.Vouching || s.Problems == nil || len(s.Problems) != 0 || s.CatchingUp != nil || s.Evidence == nil || len(s.Evidence) != 0 {
		t.Errorf("status: %+v", s)
	}
	var p client.Peers
	get(t, "/v1/peers").into(t, http.StatusOK, &p)
	if p.Peers == nil || len(p.Peers) != 0 {
		t.Errorf("peers of a lone node: %+v", p)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if a := get(t, path); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}
