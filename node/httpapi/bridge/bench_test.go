package bridge_test

import (
	"net/http"
	"testing"

	"concordat/ledger"
	"concordat/ledger/statement"
)

// BenchmarkLists: 500 keys, listed from what is at hand, and after something
// was said that bears on them.
func BenchmarkLists(b *testing.B) {
	w := newWorld(b, "XA", "XB")
	var cs []ledger.Candidate
	for range 500 {
		cs = append(cs, w.Sign("XA", dsc(b)))
	}
	w.Say(cs...)
	get := func(path string) {
		b.Helper()
		if a := w.get(path); a.Code != http.StatusOK {
			b.Fatal(a.Code)
		}
	}
	for _, path := range []string{"/signercertificateUpdate", "/signercertificateStatus", "/trustList/DSC", "/v2/trustlist/did.json"} {
		b.Run(path[1:], func(b *testing.B) {
			for b.Loop() {
				get(path)
			}
		})
	}
	b.Run("anew", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			if i%2 == 0 {
				w.says("XA", &statement.DeclareCase{Name: "case", Reason: "a", Formats: []string{"native"}})
			} else {
				w.says("XA", &statement.DeclareCase{Name: "case", Reason: "b", Formats: []string{"native"}})
			}
			b.StartTimer()
			get("/signercertificateUpdate")
		}
	})
}
