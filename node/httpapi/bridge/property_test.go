package bridge_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concordat/ledger/statement"
)

// TestNothingIsMissed (B4): whatever is said in whatever order, however late it
// becomes final and wherever clocks stand, an app that comes now and then has
// in the end what one has that begins anew; and a delta from the Last-Modified
// of the answer before names whatever changed.
func TestNothingIsMissed(t *testing.T) {
	var pool []*statement.RegisterKey
	for range 12 {
		pool = append(pool, dsc(t))
	}
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t, "XA", "XB", "XC")
		defer w.finalise()
		old := &app{w: w}
		next, cases := 0, 0
		var registered []*statement.RegisterKey
		owner := map[*statement.RegisterKey]statement.Region{}
		gone := map[*statement.RegisterKey]bool{}
		granted := map[statement.Region]bool{}
		foreign := rapid.SampledFrom([]statement.Region{"XB", "XC"})
		moment := func(label string) statement.Time {
			return statement.TimeOf(w.now.Add(time.Duration(rapid.IntRange(-20, 20).Draw(r, label)) * time.Minute))
		}
		type status struct{ Updated, Deleted []string }
		good := func() (kids []string) {
			w.get("/signercertificateStatus").into(&kids)
			return kids
		}
		before, since := good(), w.get("/signercertificateStatus/delta").Header().Get("Last-Modified")
		steps := rapid.IntRange(5, 25).Draw(r, "steps")
		for range steps {
			switch rapid.IntRange(0, 9).Draw(r, "what") {
			case 0, 1:
				if next == len(pool) {
					continue
				}
				k, by := pool[next], rapid.SampledFrom([]statement.Region{"XA", "XB", "XC"}).Draw(r, "by")
				k.ValidFrom = 0
				if rapid.Bool().Draw(r, "later") {
					k.ValidFrom = moment("from")
				}
				next++
				w.says(by, k)
				registered, owner[k] = append(registered, k), by
			case 2:
				if len(registered) > 0 {
					if k := rapid.SampledFrom(registered).Draw(r, "key"); !gone[k] {
						gone[k] = true
						w.says(owner[k], compromise(k))
					}
				}
			case 3, 4:
				of := foreign.Draw(r, "of")
				terms := statement.Terms{Region: of, Reason: fmt.Sprint(w.Ledger.Head().Size)}
				if rapid.Bool().Draw(r, "window") {
					terms.From = moment("granted from")
					terms.Until = terms.From + statement.Time(rapid.IntRange(1, 3000).Draw(r, "for"))
				}
				if granted[of] {
					w.says("XA", &statement.ChangeGrant{Terms: terms})
				} else {
					w.says("XA", &statement.Grant{Terms: terms})
				}
				granted[of] = true
			case 5:
				if of := foreign.Draw(r, "of"); granted[of] {
					s := &statement.Suspend{Region: of, Reason: fmt.Sprint(w.Ledger.Head().Size)}
					if rapid.Bool().Draw(r, "window") {
						s.From = moment("suspended from")
						s.Until = s.From + statement.Time(rapid.IntRange(1, 3000).Draw(r, "for"))
					}
					w.says("XA", s)
				}
			case 6:
				c := &statement.DeclareCase{Name: fmt.Sprint("case-", cases%2), Admit: rapid.Bool().Draw(r, "admit"), Region: foreign.Draw(r, "of"), Reason: fmt.Sprint(w.Ledger.Head().Size)}
				cases++
				w.says("XA", c)
			case 7:
				step := time.Duration(rapid.IntRange(1, 1800).Draw(r, "seconds")) * time.Second
				w.now = w.now.Add(step)
				if rapid.Bool().Draw(r, "proposers too") {
					w.Now = w.Now.Add(step)
				}
			case 8:
				if w.final == nil {
					w.hold()
				} else {
					w.finalise()
				}
			case 9:
				old.sync()
				var d status
				a := w.get("/signercertificateStatus/delta", "If-Modified-Since", since)
				a.into(&d)
				now := good()
				for _, kid := range now {
					if !slices.Contains(before, kid) && !slices.Contains(d.Updated, kid) {
						r.Fatalf("%s is listed since %s, and the delta has only %v", kid, since, d.Updated)
					}
				}
				for _, kid := range before {
					if !slices.Contains(now, kid) && !slices.Contains(d.Deleted, kid) {
						r.Fatalf("%s is listed no more since %s, and the delta has only %v", kid, since, d.Deleted)
					}
				}
				before, since = now, a.Header().Get("Last-Modified")
			}
		}
		fresh := &app{w: w}
		old.sync()
		fresh.sync()
		if len(old.has) != len(fresh.has) {
			r.Fatalf("the app that came before has %d certificates, a new one %d", len(old.has), len(fresh.has))
		}
		// What is listed needs no clock but those that are the same everywhere.
		other := w.at("XB")
		for _, path := range []string{"/trustList?region=XA", "/signercertificateStatus?region=XA", "/v2/trustlist/did.json?region=XA", "/trustList/DSC/XB?region=XC"} {
			a, b := w.get(path), askOf(w.t, other, "GET", path, "")
			if a.Body.String() != b.Body.String() || a.Header().Get("ETag") != b.Header().Get("ETag") {
				r.Fatalf("%s: two nodes differ:\n%s\n%s", path, a.Body, b.Body)
			}
		}
	})
}
