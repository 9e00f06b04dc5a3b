package recognition_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"

	"concordat/ledger/statement"
	"concordat/recognition/rules"
)

// logics are the rules of scripts that are not real ones.
var logics = map[string]string{
	"met":               `{"===":[1,1]}`,
	"never-met":         `{"===":[1,2]}`,
	"no-vaccination":    `{"!":[{"var":"payload.v.0"}]}`,
	"more-than-a-date":  `{">":[{"var":"payload.dob"},1]}`,
	"unknown-operation": `{"or":[false,true]}`,
	"audited":           `{"===":[{"var":"payload.health.declaration.audit"},"passed"]}`,
	"known-product":     `{"in":[{"var":"payload.v.0.mp"},{"var":"external.valueSets.vaccines-covid-19-names"}]}`,
	"endless":           `{"reduce":[` + numbers + `,{"reduce":[` + numbers + `,{"reduce":[` + numbers + `,1,0]},0]},0]}`,
}

// numbers is an array of a hundred.
var numbers = "[" + strings.Repeat("1,", 99) + "1]"

// ruleStatement makes what scripts say of rules: `publishes ID [file=PATH] [logic=NAME]
// [version=V] [from=T] [until=T] [set=NAME] [type=KIND] [part=REGION] [engine=V]
// [invalidation] [damaged] [padded]`, `shelves ID at=T`, `lists VALUE-SET codes=(…)`; nil for another verb.
func (s *scenario) ruleStatement(a arguments, verb, object string) statement.Body {
	set := a.textOr("set", statement.DefaultRuleSet)
	switch verb {
	case "publishes":
		b := &statement.PublishRule{Set: set, ID: object, Version: a.textOr("version", "1.0.0"), Invalidation: a.has("invalidation"), From: a.time("from"), Until: a.time("until")}
		if b.From == 0 {
			b.From = parseTime(s.t, "2021-01-01")
		}
		b.Document = s.document(s.ruleText(a, b))
		if a.has("damaged") {
			b.Document.Digest[0]++
		}
		return b
	case "shelves":
		return &statement.RetireRule{Set: set, ID: object, At: a.time("at"), Reason: a.textOr("reason", "")}
	case "lists":
		v := rules.ValueSet{ID: object, Codes: a.list("codes")}
		text, err := v.Marshal(parseTime(s.t, "2021-05-27").Time())
		if err != nil {
			s.t.Fatal(err)
		}
		d := s.document(text)
		if a.has("damaged") {
			d.Digest[0]++
		}
		return &statement.PublishValueSet{ID: object, Version: "2021-05-27", Document: d}
	}
	return nil
}

func (s *scenario) document(text []byte) statement.Document {
	d, err := rules.Document(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// ruleText is a real rule, or one made for the script.
func (s *scenario) ruleText(a arguments, b *statement.PublishRule) []byte {
	fields := map[string]any{}
	if a.has("file") {
		raw, err := os.ReadFile("rules/testdata/" + a.text("file") + "/rule.json")
		if err != nil {
			s.t.Fatal(err)
		}
		if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&fields); err != nil {
			s.t.Fatal(err)
		}
	} else {
		fields["Description"] = []any{map[string]any{"lang": "en", "desc": "A rule of this script: " + a.text("logic") + "."}}
		fields["Logic"] = json.RawMessage(logics[a.text("logic")])
		fields["CertificateType"] = a.textOr("type", rules.General)
		fields["Country"], fields["SchemaVersion"] = "XX", "1.0.0"
		fields["AffectedFields"] = []string{"v"}
		fields["ValidFrom"], fields["ValidTo"] = "2021-01-01T00:00:00Z", "2030-01-01T00:00:00Z"
		fields["Engine"], fields["EngineVersion"] = "CERTLOGIC", a.textOr("engine", "0.7.5")
		if a.has("part") {
			fields["Region"] = a.text("part")
		}
	}
	fields["Identifier"], fields["Version"], fields["Type"] = b.ID, b.Version, rules.Acceptance
	if b.Invalidation {
		fields["Type"] = rules.Invalidation
	}
	if a.has("padded") { // to just below what a document may have
		fields["Padding"] = strings.Repeat(" ", statement.MaxDocumentText-2_000)
	}
	text, err := json.Marshal(fields)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}
