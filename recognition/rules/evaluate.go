package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition/certlogic"
)

// MaxSteps is how many steps one rule may take. Of the 55 published ones of DE,
// IE, CZ and the EU none takes 100.
const MaxSteps = certlogic.MaxSteps

// External is what is given to a rule beside the code. Its values are used as
// they are: whoever keeps them must not change them.
type External struct {
	Clock     time.Time      // validationClock
	ValueSets map[string]any // codes, []any of string, by id
	Country   string         // countryCode: of arrival
	Region    string         // region: of arrival, within the country; ""
	Issuer    string         // issuerCountryCode: whose key verifies the code
	KeyID     string         // kid, base64
	IssuedAt  time.Time      // iat; zero: the code does not say
	ExpiresAt time.Time      // exp; zero: the code does not say
}

// Data is what a rule looks at.
func (x *External) Data(payload any) map[string]any {
	external := map[string]any{
		"validationClock": x.Clock.UTC().Format(time.RFC3339), "valueSets": x.ValueSets,
		"countryCode": x.Country, "region": x.Region, "issuerCountryCode": x.Issuer, "kid": x.KeyID,
	}
	if !x.IssuedAt.IsZero() {
		external["iat"] = x.IssuedAt.UTC().Format(time.RFC3339)
	}
	if !x.ExpiresAt.IsZero() {
		external["exp"] = x.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return map[string]any{"payload": payload, "external": external}
}

// Met reports whether a rule is met: whether it comes to true. Its error wraps
// one of package certlogic; then the rule is not met. It takes its steps from b,
// at most MaxSteps.
func (r *Rule) Met(data map[string]any, b *certlogic.Budget) (bool, error) {
	result, err := r.evaluate(data, b)
	return certlogic.IsTrue(result), err
}

func (r *Rule) evaluate(data map[string]any, b *certlogic.Budget) (any, error) {
	if r.logic == nil {
		return nil, fmt.Errorf("%w: of %s there is the head alone", certlogic.ErrInvalid, r.Identifier)
	}
	most := min(MaxSteps, b.Left())
	own := certlogic.NewBudget(most)
	result, err := r.logic.EvaluateWithin(data, own)
	b.Spend(most - own.Left())
	return result, err
}

// InForce gives the version of a rule that counts at a time: the highest of
// those in force, both ends of their windows included (T1); none, from the time
// at which the rule is retired.
func InForce(r state.RuleRecord, at time.Time) (state.RuleVersion, bool) {
	if r.RetiredAt != 0 && !at.Before(r.RetiredAt.Time()) {
		return state.RuleVersion{}, false
	}
	var best state.RuleVersion
	found := false
	for _, v := range r.Published {
		if at.Before(v.From.Time()) || v.Until != 0 && at.After(v.Until.Time()) {
			continue
		}
		if !found || statement.CompareVersions(v.Version, best.Version) >= 0 {
			best, found = v, true
		}
	}
	return best, found
}

// Read reads the rule that a document holds.
func Read(d statement.Document) (*Rule, error) {
	text, err := Text(d)
	if err != nil {
		return nil, err
	}
	return ParseRule(text)
}

// Is wants the rule to be what a statement that published it says of it. Its
// window is the statement's. Errors wrap ErrRule.
func (r *Rule) Is(v state.RuleVersion) error {
	if r.Identifier != v.ID || r.Version != v.Version || (r.Type == Invalidation) != v.Invalidation {
		return fmt.Errorf("%w: the statement names %s %s, its document %s %s (%s)", ErrRule, v.ID, v.Version, r.Identifier, r.Version, r.Type)
	}
	return nil
}

// Case is one test of a rule: what it is to come to for a code.
type Case struct {
	Name     string
	Payload  any
	External map[string]any
	Expected any
}

// ParseCase reads a test of a rule: {"name", "payload", "external", "expected"}.
// Errors wrap ErrCase.
func ParseCase(text []byte) (*Case, error) {
	all, err := members(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCase, err)
	}
	var c Case
	found := 0
	for _, m := range all {
		switch m.name {
		case "name":
			err = json.Unmarshal(m.value, &c.Name)
		case "payload":
			err = json.Unmarshal(m.value, &c.Payload)
			found++
		case "external":
			err = json.Unmarshal(m.value, &c.External)
		case "expected":
			err = json.Unmarshal(m.value, &c.Expected)
			found++
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrCase, m.name, err)
		}
	}
	if found < 2 {
		return nil, fmt.Errorf("%w: it needs payload and expected", ErrCase)
	}
	return &c, nil
}

// Outcome is what became of one test of a rule.
type Outcome struct {
	Passed bool
	Met    bool  // the rule came to true
	Err    error // of the evaluation: the rule counts as not met
}

// Run tests a rule with a case. sets, by id, stand in for the case's value sets
// if it has none. A case that expects false or another falsy value is passed by
// a rule that is not met, for whichever reason; Err tells of an error.
func Run(r *Rule, c *Case, sets map[string]any) Outcome {
	external := map[string]any{}
	maps.Copy(external, c.External)
	if _, ok := external["valueSets"]; !ok && sets != nil {
		external["valueSets"] = sets
	}
	met, err := r.Met(map[string]any{"payload": c.Payload, "external": external}, certlogic.NewBudget(MaxSteps))
	return Outcome{Passed: met == certlogic.IsTrue(c.Expected), Met: met, Err: err}
}

// CodesOf gives value sets as External has them.
func CodesOf(sets ...ValueSet) map[string]any {
	out := make(map[string]any, len(sets))
	for _, s := range sets {
		out[s.ID] = s.List()
	}
	return out
}

// List gives the codes as a rule sees them.
func (v ValueSet) List() []any {
	list := make([]any, len(v.Codes))
	for i, code := range v.Codes {
		list[i] = code
	}
	return list
}
