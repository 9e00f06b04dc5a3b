package httpapi

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/text/language"

	"concordat/ledger/statement"
	"concordat/recognition/rules"
)

// listed is a rule whose logic is of some length.
func listed(t *testing.T, i int, logic string) *statement.Document {
	t.Helper()
	text := fmt.Sprintf(`{"Identifier":"GR-XM-%04d","Type":"Acceptance","Country":"XM","Version":"1.0.0","SchemaVersion":"1.0.0","Engine":"CERTLOGIC","EngineVersion":"1.0.0",
	"CertificateType":"General","Description":[{"lang":"en","desc":"In English."},{"lang":"de","desc":"Auf Deutsch."}],"ValidFrom":"2021-01-01T00:00:00Z","ValidTo":"2030-01-01T00:00:00Z",
	"AffectedFields":["v"],"Logic":%s}`, i, logic)
	d, err := rules.Document([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &d
}

// TestMemoryOfListings: what is remembered of rules for lists of them is what a
// list tells, however much a rule unpacks to; and what cannot be read is not
// read again.
func TestMemoryOfListings(t *testing.T) {
	m := &descriptions{}
	const n = 60
	var all []*statement.Document
	for i := range n {
		logic := `{"and":[false` + strings.Repeat(`,{"!":[{"var":"a"}]}`, 3_000) + `]}`
		if i%10 == 0 {
			logic = `[` + strings.Repeat(`1,`, 20_001) + `1]` // too many values
		}
		all = append(all, listed(t, i, logic))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i, d := range all {
		b := &readers{left: maxListedText}
		rule, err := m.rule(d, b)
		if bad := i%10 == 0; errors.Is(err, errListedText) || (err != nil) != bad || !bad && rule.Describe(language.German).Desc != "Auf Deutsch." {
			t.Fatalf("rule %d: %+v, %v", i, rule, err)
		}
		none := &readers{}
		if again, failed := m.rule(d, none); again != rule || fmt.Sprint(failed) != fmt.Sprint(err) {
			t.Errorf("rule %d is read again: %v", i, failed)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept, most := int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(n*10_000); kept > most || m.weight > int(most) {
		t.Errorf("of %d rules %d bytes are kept, by its own account %d; want at most %d", n, kept, m.weight, most)
	}
	runtime.KeepAlive(m)
	runtime.KeepAlive(all)
}

// TestListingsAreBounded: what one answer reads anew is bounded, and so is all that is kept.
func TestListingsAreBounded(t *testing.T) {
	m := &descriptions{}
	b := &readers{left: 10_000}
	read := 0
	for i := range 100 {
		if _, err := m.rule(listed(t, i, `true`), b); err == nil {
			read++
		} else if !errors.Is(err, errListedText) {
			t.Fatal(err)
		}
	}
	if read == 0 || read > 40 {
		t.Errorf("%d rules of some 350 bytes are read within 10,000", read)
	}
	m.weight = maxDescriptions
	if _, err := m.rule(listed(t, 1000, `true`), &readers{left: maxListedText}); err != nil || len(m.known) != 1 || m.weight > 10_000 {
		t.Errorf("%v, %d are known, which weigh %d: it does not begin anew when it is full", err, len(m.known), m.weight)
	}
}
