package corpus_test

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/recognition"
	"concordat/recognition/rules"
)

// TestRulesAreServed: the rules that stand are those that were published, to the byte.
func TestRulesAreServed(t *testing.T) {
	n := 0
	for i, region := range validators {
		standing, err := world.Client(validators[(i+1)%len(validators)]).Rules(t.Context(), client.RuleQuery{Region: region, Set: "default", At: epoch})
		if err != nil {
			t.Fatal(err)
		}
		hashes := map[string]string{}
		for _, r := range standing.Rules {
			hashes[r.ID] = r.Hash
		}
		for _, r := range shown.rules[region] {
			sum := sha256.Sum256(r.text)
			if hashes[r.rule.Identifier] != hex.EncodeToString(sum[:]) {
				t.Errorf("%s: rule %s is not served as it was published", region, r.rule.Identifier)
				continue
			}
			n++
		}
		if len(standing.Rules) != len(shown.rules[region]) {
			t.Errorf("%s: %d rules stand, %d were published", region, len(standing.Rules), len(shown.rules[region]))
		}
	}
	t.Logf("%d rules", n)
}

// TestRulesDecideAsTheyRun: for every good certificate, at two times, the rules
// that a node finds not met are those that a run of the rules by themselves, on
// the payload as the test data's own file has it, finds not met.
func TestRulesDecideAsTheyRun(t *testing.T) {
	sets := rules.CodesOf(shown.sets...)
	times := []time.Time{time.Date(2021, 7, 20, 12, 0, 0, 0, time.UTC), time.Date(2021, 12, 20, 12, 0, 0, 0, time.UTC)}
	passed, asked, unmet, met := map[string]int{}, map[string]int{}, 0, 0
	for i, c := range shown.cases {
		if c.Verdict != "accept" || c.payload == nil {
			continue
		}
		for _, region := range validators {
			if region == "CZ" && (c.home() == "GR" || c.home() == "PT") {
				continue // whose codes are judged by other sets there
			}
			for _, at := range times {
				a, _ := ask(t, validators[i%len(validators)], client.Check{Codes: []string{c.text}, Region: region, At: &at})
				code := a.Codes[0]
				external := map[string]any{
					"validationClock": at.Format(time.RFC3339), "valueSets": sets, "countryCode": region, "issuerCountryCode": string(code.Region), "kid": code.Key,
					"iat": code.IssuedAt.UTC().Format(time.RFC3339), "exp": code.ExpiresAt.UTC().Format(time.RFC3339),
				}
				var want []string
				for _, r := range shown.rules[region] {
					if at.Before(r.rule.ValidFrom) || at.After(r.rule.ValidTo) || !r.rule.AppliesTo(code.Kind) {
						continue
					}
					if o := rules.Run(r.rule, &rules.Case{Payload: c.payload, External: external}, nil); !o.Met {
						want = append(want, r.rule.Identifier)
					} else {
						met++
					}
				}
				slices.Sort(want)
				var got []string
				for _, r := range a.Reasons {
					if strings.HasPrefix(r.Name, "rule-") && r.Effect == recognition.Against {
						got = append(got, r.Detail)
					} else if r.Effect == recognition.Unknown && strings.HasPrefix(r.Name, "rule") {
						t.Errorf("%s at %s: %s", c.Path, region, r.Message)
					}
				}
				slices.Sort(got)
				asked[region]++
				if !slices.Equal(got, want) {
					t.Errorf("%s at %s, %s: the node finds not met %q, the rules by themselves %q", c.Path, region, at.Format(time.DateOnly), got, want)
					continue
				}
				unmet += len(want)
				passed[region]++
			}
		}
	}
	if met == 0 || unmet == 0 {
		t.Errorf("%d rules were met and %d were not: this shows nothing", met, unmet)
	}
	t.Logf("%v of %v questions; rules met %d times, not met %d times", passed, asked, met, unmet)
}

// TestRulesBySet: Greece's codes are judged by the set that its grant names, and
// Portugal's by one in which there is no rule.
func TestRulesBySet(t *testing.T) {
	at := time.Date(2021, 12, 20, 12, 0, 0, 0, time.UTC)
	seen := map[string]bool{}
	for _, c := range shown.cases {
		if c.Verdict != "accept" || c.home() != "GR" && c.home() != "PT" {
			continue
		}
		a, _ := ask(t, "EU", client.Check{Codes: []string{c.text}, Region: "CZ", At: &at})
		for _, r := range a.Reasons {
			if !strings.HasPrefix(r.Name, "rule") {
				continue
			}
			seen[c.home()+" "+r.Name] = true
			if strings.HasPrefix(r.Name, "rule-not") && r.Detail != shown.rules["DE"][0].rule.Identifier {
				t.Errorf("%s: rule %s is in another set", c.Path, r.Detail)
			}
		}
	}
	if !seen["PT rule-set-empty"] || seen["GR rule-set-empty"] {
		t.Errorf("seen %v", seen)
	}
}
