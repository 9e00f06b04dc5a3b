package recognition_test

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"

	"concordat/healthcode"
	"concordat/healthcode/native"
	"concordat/ledger/statement"
	"concordat/recognition/rules"
)

// The words of the scripts for schemes, special cases and our own codes.

// condition introduces a CertLogic expression under a name, for special cases to
// have as their condition: `condition NAME` and the text below it.
func (s *scenario) condition(d *datadriven.TestData) string {
	doc, err := rules.Document([]byte(d.Input))
	if err != nil {
		s.t.Fatalf("%s: %v", d.Pos, err)
	}
	s.conditions[d.CmdArgs[0].Key] = doc
	return ""
}

// exception declares a special case: `excepts NAME [admit] [region=R] [kinds=…]
// [formats=…] [keys=(CODE, …)] [issued-from=T] [issued-until=T] [from=T]
// [until=T] [if=CONDITION] reason=… [legal=…]`.
func (s *scenario) exception(name string, a arguments) *statement.DeclareCase {
	c := &statement.DeclareCase{
		Name: name, Admit: a.has("admit"), Region: statement.Region(a.textOr("region", "")), Kinds: a.kinds("kinds"), Formats: a.list("formats"),
		IssuedFrom: a.time("issued-from"), IssuedUntil: a.time("issued-until"), From: a.time("from"), Until: a.time("until"),
		Reason: a.text("reason"), LegalRef: a.textOr("legal", ""),
	}
	for _, code := range a.list("keys") {
		c.Keys = append(c.Keys, s.sample(code).register().Thumbprint())
	}
	if a.has("if") {
		doc, ok := s.conditions[a.text("if")]
		if !ok {
			s.t.Fatalf("no condition is called %q", a.text("if"))
		}
		c.Condition = &doc
	}
	return c
}

// levels reads the levels of a scheme, from the least risk on: `(green, red
// refuses, high refuses 14 days)`.
func (a arguments) levels(key string) []statement.SchemeLevel {
	var out []statement.SchemeLevel
	for _, level := range a.list(key) {
		words := strings.Fields(level)
		l := statement.SchemeLevel{Name: words[0]}
		for _, w := range words[1:] {
			days, err := strconv.Atoi(w)
			switch {
			case w == "refuses":
				l.Refuse = true
			case err == nil:
				l.Lookback = uint64(days)
			case w != "days":
				a.t.Fatalf("level %q: unknown word %q", level, w)
			}
		}
		out = append(out, l)
	}
	return out
}

// card reads our own code: `health|itinerary key=ISSUER id=N issued=T expires=T
// [region=R] [born=D]`, a health code's `status=(SCHEME, LEVEL) [until=T]
// [declared=passed|failed|pending]`, an itinerary's `from=T to=T [stays=(AREA
// FROM TO, …)]`.
func (a arguments) card() native.Card {
	c := native.Card{
		Region: a.textOr("region", "XA"), BirthDate: a.textOr("born", ""),
		IssuedAt: a.time("issued").Time(), ExpiresAt: a.time("expires").Time(),
	}
	copy(c.ID[:], fmt.Sprintf("%16d", a.number("id", 0)))
	if a.has("itinerary") {
		c.Itinerary = &native.Itinerary{Covered: healthcode.Span{From: a.time("from").Time(), To: a.time("to").Time()}}
		for _, stay := range a.list("stays") {
			f := strings.Fields(stay)
			if len(f) != 3 {
				a.t.Fatalf("stay %q: want AREA FROM TO", stay)
			}
			c.Itinerary.Stays = append(c.Itinerary.Stays, healthcode.Stay{Area: f[0], From: parseTime(a.t, f[1]).Time(), To: parseTime(a.t, f[2]).Time()})
		}
		return c
	}
	status := a.list("status")
	if len(status) != 2 {
		a.t.Fatalf("status %q: want (SCHEME, LEVEL)", status)
	}
	c.Health = &native.Health{Status: healthcode.Status{Scheme: status[0], Level: status[1]}}
	if a.has("until") {
		c.Health.Status.Until = a.time("until").Time()
	}
	if a.has("declared") {
		d := &healthcode.Declaration{At: c.IssuedAt.Add(-time.Hour), Audit: healthcode.Audit(a.text("declared")), Auditor: "Office 7"}
		if d.Audit != healthcode.AuditPending {
			d.AuditedAt = c.IssuedAt
		}
		c.Health.Declared = d
	}
	return c
}
