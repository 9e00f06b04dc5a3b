package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"concordat/ledger/statement"
)

// ValueSet is the codes that a value set has.
type ValueSet struct {
	ID    string
	Date  string   // its version, 2021-05-27; "": the text has none
	Codes []string // in the order of the text
}

// ParseValueSets reads value sets: one as the EU publishes it ({"valueSetId",
// "valueSetDate", "valueSetValues"}), a list of such, or an object of codes by
// id ({"id": ["code"]}). Errors wrap ErrValueSet.
func ParseValueSets(text []byte) ([]ValueSet, error) {
	if len(text) > MaxValueSets*statement.MaxDocumentText/16 {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrValueSet, len(text), MaxValueSets*statement.MaxDocumentText/16)
	}
	if isArray(text) {
		var list []json.RawMessage
		if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &list); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrValueSet, err)
		}
		if len(list) > MaxValueSets {
			return nil, fmt.Errorf("%w: a list of %d, at most %d", ErrValueSet, len(list), MaxValueSets)
		}
		out := make([]ValueSet, len(list))
		for i, one := range list {
			var err error
			if out[i], err = ParseValueSet(one); err != nil {
				return nil, fmt.Errorf("value set %d: %w", i+1, err)
			}
		}
		return out, unique(out)
	}
	all, err := members(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrValueSet, err)
	}
	for _, m := range all {
		if m.name == "valueSetId" {
			one, err := ParseValueSet(text)
			return []ValueSet{one}, err
		}
	}
	if len(all) == 0 || len(all) > MaxValueSets {
		return nil, fmt.Errorf("%w: %d of them, want 1 to %d", ErrValueSet, len(all), MaxValueSets)
	}
	out := make([]ValueSet, len(all))
	for i, m := range all {
		out[i].ID = m.name
		if !plain(m.name) {
			return nil, badID(m.name)
		}
		if err := json.Unmarshal(m.value, &out[i].Codes); err != nil {
			return nil, fmt.Errorf("%w: %s is no list of codes", ErrValueSet, m.name)
		}
		if n := len(out[i].Codes); n > MaxCodes {
			return nil, fmt.Errorf("%w: %s has %d codes, at most %d", ErrValueSet, m.name, n, MaxCodes)
		}
	}
	return out, nil
}

// ParseValueSet reads one value set as the EU publishes it, which is how one
// stands in the ledger.
func ParseValueSet(text []byte) (ValueSet, error) {
	if len(text) > statement.MaxDocumentText {
		return ValueSet{}, fmt.Errorf("%w: %d bytes, at most %d", ErrValueSet, len(text), statement.MaxDocumentText)
	}
	all, err := members(text)
	if err != nil {
		return ValueSet{}, fmt.Errorf("%w: %w", ErrValueSet, err)
	}
	var v ValueSet
	var values json.RawMessage
	for _, m := range all {
		switch m.name {
		case "valueSetId":
			err = json.Unmarshal(m.value, &v.ID)
		case "valueSetDate":
			err = json.Unmarshal(m.value, &v.Date)
		case "valueSetValues":
			values = m.value
		}
		if err != nil {
			return ValueSet{}, fmt.Errorf("%w: %s is no text", ErrValueSet, m.name)
		}
	}
	if !plain(v.ID) {
		return ValueSet{}, badID(v.ID)
	}
	if v.Date != "" && !plain(v.Date) {
		return ValueSet{}, fmt.Errorf("%w: %s: valueSetDate is %.70q, want one like 2021-05-27", ErrValueSet, v.ID, v.Date)
	}
	if values == nil {
		return ValueSet{}, fmt.Errorf("%w: %s: valueSetValues is missing", ErrValueSet, v.ID)
	}
	codes, err := members(values)
	if err != nil {
		return ValueSet{}, fmt.Errorf("%w: %s: valueSetValues: %w", ErrValueSet, v.ID, err)
	}
	for _, c := range codes {
		v.Codes = append(v.Codes, c.name)
	}
	return v, nil
}

func badID(id string) error {
	return fmt.Errorf("%w: id %.70q, want letters, digits, \"-\", \"_\", \".\" and \"+\", at most %d", ErrValueSet, id, statement.MaxName)
}

// unique refuses a value set that is there twice.
func unique(sets []ValueSet) error {
	seen := make(map[string]bool, len(sets))
	for _, s := range sets {
		if seen[s.ID] {
			return fmt.Errorf("%w: %s is there twice", ErrValueSet, s.ID)
		}
		seen[s.ID] = true
	}
	return nil
}

// Marshal writes a value set as the EU publishes it. day is its date where it
// has none.
func (v ValueSet) Marshal(day time.Time) ([]byte, error) {
	date := v.Date
	if date == "" {
		date = day.UTC().Format(time.DateOnly)
	}
	type value struct {
		Display string `json:"display"`
		Lang    string `json:"lang"`
		Active  bool   `json:"active"`
		Version string `json:"version"`
		System  string `json:"system"`
	}
	var out bytes.Buffer
	head, err := json.Marshal(map[string]string{"valueSetDate": date, "valueSetId": v.ID})
	if err != nil {
		return nil, err
	}
	out.Write(head[:len(head)-1])
	out.WriteString(`,"valueSetValues":{`)
	for i, code := range v.Codes { // by hand: a map would lose the order
		name, err := json.Marshal(code)
		if err != nil {
			return nil, err
		}
		as, err := json.Marshal(value{Display: code, Lang: "en", Active: true})
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(name)
		out.WriteByte(':')
		out.Write(as)
	}
	out.WriteString("}}")
	return out.Bytes(), nil
}
