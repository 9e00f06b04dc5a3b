package httpapi

import (
	"crypto/sha256"
	"encoding/json"
	"testing"

	"concordat/ledger/statement"
)

// What came with protocol level 3 is shown by name; a document by its size and
// its digest, and what is not given is left out.
func TestRuleBodies(t *testing.T) {
	doc := statement.Document{Deflated: []byte{1, 2, 0, 0xfd, 0xff, '{', '}'}, Size: 2, Digest: sha256.Sum256([]byte("{}"))}
	const shown = `{"digest":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}`
	for _, c := range []struct {
		body statement.Body
		want string
	}{
		{&statement.PublishRule{Set: "default", ID: "VR-XA-0001", Version: "1.0.0", From: 1_622_505_600, Until: 1_625_097_600, Document: doc},
			`{"document":` + shown + `,"from":"2021-06-01T00:00:00Z","invalidation":false,"rule":"VR-XA-0001","ruleSet":"default","until":"2021-07-01T00:00:00Z","version":"1.0.0"}`},
		{&statement.RetireRule{Set: "default", ID: "VR-XA-0001", At: 1_622_505_600}, `{"at":"2021-06-01T00:00:00Z","rule":"VR-XA-0001","ruleSet":"default"}`},
		{&statement.PublishValueSet{ID: "vaccines", Version: "2021-05-27", Document: doc}, `{"document":` + shown + `,"valueSet":"vaccines","version":"2021-05-27"}`},
		{&statement.RetireValueSet{ID: "vaccines", Reason: "not used"}, `{"reason":"not used","valueSet":"vaccines"}`},
		{&statement.PublishScheme{Name: "cn-risk", Levels: []statement.SchemeLevel{{Name: "low"}, {Name: "high", Refuse: true, Lookback: 14, Title: "High"}}, Supersedes: "old"},
			`{"levels":[{"name":"low","refuse":false},{"lookbackDays":14,"name":"high","refuse":true,"title":"High"}],"scheme":"cn-risk","supersedes":"old"}`},
		{&statement.DeclareCase{Name: "crew", Admit: true, Region: "XB", Formats: []string{"hc1"}, Keys: []statement.Thumbprint{{}}, Condition: &doc, Reason: "r"},
			`{"admit":true,"condition":` + shown + `,"formats":["hc1"],"keys":["0000000000000000000000000000000000000000000000000000000000000000"],"name":"crew","reason":"r","region":"XB"}`},
		{&statement.DeclareCase{Name: "misprint", Reason: "r"}, `{"admit":false,"name":"misprint","reason":"r"}`},
		{&statement.EndCase{Name: "crew", At: 1_622_505_600, Reason: "r"}, `{"at":"2021-06-01T00:00:00Z","name":"crew","reason":"r"}`},
		{&statement.Grant{Terms: statement.Terms{Region: "XB", LegalRef: "Treaty 4", Formats: []string{"hc1"}, Algorithms: []string{"ES256"}, Schemes: []string{"default"}, RuleSet: "neighbours"}},
			`{"algorithms":["ES256"],"formats":["hc1"],"legalRef":"Treaty 4","region":"XB","ruleSet":"neighbours","schemes":["default"]}`},
		{&statement.Grant{Terms: statement.Terms{Region: "XB"}}, `{"region":"XB"}`},
		{&statement.Suspend{Region: "XB", Reason: "r", LegalRef: "l"}, `{"legalRef":"l","reason":"r","region":"XB"}`},
		{&statement.Withdraw{Region: "XB", LegalRef: "l"}, `{"legalRef":"l","region":"XB"}`},
	} {
		m, err := bodyJSON(c.body)
		if err != nil {
			t.Errorf("%s: %v", c.body.Kind(), err)
			continue
		}
		got, err := json.Marshal(m)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s (%v), want %s", c.body.Kind(), got, err, c.want)
		}
	}
}
