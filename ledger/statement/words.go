package statement

import (
	"fmt"
	"strings"
	"time"
)

// Words says the statement in one sentence, for a person who must decide
// whether to sign it, or who reads the log.
func (s *Statement) Words() string {
	by := string(s.Issuer)
	switch b := s.Body.(type) {
	case *RegisterKey:
		return fmt.Sprintf("%s registers issuer key %.16s for %s%s%s", by, b.Thumbprint(), kindsInWords(b.Kinds), windowInWords(b.ValidFrom, b.ValidUntil), b.issuerInWords())
	case *RetireKey:
		return fmt.Sprintf("%s retires issuer key %.16s: codes issued after %s are not good", by, b.Key, b.At)
	case *CompromiseKey:
		spared := "all its codes are refused"
		if b.SpareEarlier {
			spared = "codes issued before then stay good"
		}
		return fmt.Sprintf("%s declares issuer key %.16s compromised since %s: %s%s", by, b.Key, b.Since, spared, because(b.Reason))
	case *Revoke:
		before := ""
		if b.IssuedBefore != 0 {
			before = fmt.Sprintf(", where issued before %s,", b.IssuedBefore)
		}
		return fmt.Sprintf("%s revokes %s by %s hash%s until %s%s", by, codesInWords(b.Count), b.HashType, before, b.Expires, because(b.Reason))
	case *Reinstate:
		return fmt.Sprintf("%s reinstates %s by %s hash%s", by, codesInWords(b.Count), b.HashType, because(b.Reason))
	case *DeclareRisk:
		return by + " declares " + b.words()
	case *ChangeRisk:
		return by + " changes " + b.words()
	case *LiftRisk:
		return fmt.Sprintf("%s lifts its word on area %s (scheme %s) as of %s%s", by, b.Area, b.Scheme, b.At, because(b.Reason))
	case *Grant:
		return fmt.Sprintf("%s recognises codes of %s", by, b.words())
	case *ChangeGrant:
		return fmt.Sprintf("%s changes its recognition of codes of %s", by, b.words())
	case *Suspend:
		return fmt.Sprintf("%s suspends its recognition of codes of %s for %s%s%s%s", by, b.Region, kindsInWords(b.Kinds), windowInWords(b.From, b.Until), legally(b.LegalRef), because(b.Reason))
	case *Withdraw:
		return fmt.Sprintf("%s withdraws its recognition of codes of %s%s%s", by, b.Region, legally(b.LegalRef), because(b.Reason))
	case *SealState:
		return fmt.Sprintf("the node of %s seals %s", by, b.words())
	case *ReportEvidence:
		return fmt.Sprintf("the node of %s reports that %s vouched for what cannot both be true, with a proof of %d bytes", by, b.Culprit, len(b.Proof))
	}
	if words := ruleWords(by, s.Body); words != "" {
		return words
	}
	if words := governanceWords(by, s.Body); words != "" {
		return words
	}
	return fmt.Sprintf("%s says a %s", by, s.Kind())
}

func (b *RiskLevel) words() string {
	effect := "noted on a check"
	if b.Refuse {
		effect = "refused"
	}
	return fmt.Sprintf("area %s at level %s of scheme %s%s: a stay within %d days before a check is %s%s",
		b.Area, b.Level, b.Scheme, windowInWords(b.From, b.Until), b.Lookback, effect, legally(b.LegalRef))
}

func (b *Terms) words() string {
	rules := ""
	if b.RuleSet != "" {
		rules = ", under the rules of set " + b.RuleSet
	}
	return fmt.Sprintf("%s for %s%s%s%s%s%s%s%s", b.Region, kindsInWords(b.Kinds), listInWords(" in the formats ", b.Formats),
		listInWords(" signed with ", b.Algorithms), listInWords(" with levels of the schemes ", b.Schemes),
		windowInWords(b.From, b.Until), rules, legally(b.LegalRef), because(b.Reason))
}

// issuerInWords says whose key it is, in quotes: that is the authority's word for it.
func (b *RegisterKey) issuerInWords() string {
	switch {
	case b.Issuer == "" && b.Name == "":
		return ""
	case b.Issuer == "":
		return fmt.Sprintf(", of %q", b.Name)
	case b.Name == "":
		return fmt.Sprintf(", of %q", b.Issuer)
	}
	return fmt.Sprintf(", of %q (%q)", b.Name, b.Issuer)
}

func codesInWords(n uint64) string {
	if n == 1 {
		return "one code"
	}
	return fmt.Sprintf("%d codes", n)
}

func kindsInWords(kinds []CodeKind) string {
	if len(kinds) == 0 {
		return "all kinds of code"
	}
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

func windowInWords(from, until Time) string {
	var s string
	if from != 0 {
		s += " from " + from.String()
	}
	if until != 0 {
		s += " until " + until.String()
	}
	return s
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return fmt.Sprintf(", because: %q", reason)
}

// String gives RFC 3339 in UTC; "-" where no time is given.
func (t Time) String() string {
	if t == 0 {
		return "-"
	}
	return t.Time().Format(time.RFC3339)
}

// Time gives t in UTC; the zero time where none is given.
func (t Time) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.Unix(int64(t), 0).UTC()
}

// TimeOf cuts a time to whole seconds. The zero time gives "not given".
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.Unix())
}
