package recognition_test

import (
	"testing"
	"time"

	"concordat/ledger/statement"
	"concordat/recognition"
)

// One ES256 code (P-256), recognised, over a state in a map: what a check costs
// apart from storage. Reading the code is measured in healthcode/hc1.
func BenchmarkDecide(b *testing.B) {
	s := realCode(b, "AT/2DCode/raw/1.json")
	n := found(b, "AT", "DE")
	n.must("AT", s.register(), nil)
	n.must("DE", &statement.Grant{Terms: statement.Terms{Region: "AT"}}, nil)
	codes := []recognition.Code{s.code()}
	q := recognition.Query{Region: "DE", At: time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)}
	d := recognition.NewDecider(1024)
	for name, decide := range map[string]func() (recognition.Decision, error){
		"cached": func() (recognition.Decision, error) { return d.Decide(codes, q, n.view()) },
		"parsed": func() (recognition.Decision, error) { return recognition.Decide(codes, q, n.view()) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				got, err := decide()
				if err != nil || got.Decision != recognition.Recognized {
					b.Fatalf("%s, %v", got.Decision, err)
				}
			}
		})
	}
}
