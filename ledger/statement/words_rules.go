package statement

import (
	"fmt"
	"strings"
)

// ruleWords says what came with protocol level 3 in one sentence; "" for bodies
// of other kinds.
func ruleWords(by string, body Body) string {
	switch b := body.(type) {
	case *PublishRule:
		kind := "acceptance"
		if b.Invalidation {
			kind = "invalidation"
		}
		return fmt.Sprintf("%s publishes %s rule %s, version %s, in rule set %s, in force%s: %s", by, kind, b.ID, b.Version, b.Set, windowInWords(b.From, b.Until), b.Document.words())
	case *RetireRule:
		return fmt.Sprintf("%s retires rule %s of rule set %s, in all its versions, as of %s%s", by, b.ID, b.Set, b.At, because(b.Reason))
	case *PublishValueSet:
		return fmt.Sprintf("%s publishes value set %s, version %s: %s", by, b.ID, b.Version, b.Document.words())
	case *RetireValueSet:
		return fmt.Sprintf("%s retires value set %s%s", by, b.ID, because(b.Reason))
	case *PublishScheme:
		return fmt.Sprintf("%s publishes %s", by, b.words())
	case *DeclareCase:
		return fmt.Sprintf("%s declares %s", by, b.words())
	case *EndCase:
		return fmt.Sprintf("%s ends special case %s as of %s%s", by, b.Name, b.At, because(b.Reason))
	}
	return ""
}

// words names a document by what whoever has its text can compare.
func (d *Document) words() string {
	return fmt.Sprintf("a text of %d bytes with SHA-256 %x", d.Size, d.Digest[:8])
}

func (b *PublishScheme) words() string {
	levels := make([]string, len(b.Levels))
	for i, l := range b.Levels {
		levels[i] = l.Name
		switch {
		case l.Refuse:
			levels[i] += " (refused)"
		default:
			levels[i] += " (noted)"
		}
		if l.Lookback != 0 {
			levels[i] += fmt.Sprintf(" for %d days", l.Lookback)
		}
		if l.Title != "" {
			levels[i] += fmt.Sprintf(" %q", l.Title)
		}
	}
	s := "scheme " + b.Name
	if b.Title != "" {
		s += fmt.Sprintf(" %q", b.Title)
	}
	s += " with the levels " + strings.Join(levels, ", ")
	if b.Supersedes != "" {
		s += ", in the place of scheme " + b.Supersedes
	}
	return s + legally(b.LegalRef)
}

func (b *DeclareCase) words() string {
	effect := "refused"
	if b.Admit {
		effect = "admitted"
	}
	whose := "any region"
	if b.Region != "" {
		whose = string(b.Region)
	}
	s := fmt.Sprintf("special case %s: codes of %s for %s", b.Name, whose, kindsInWords(b.Kinds))
	if len(b.Formats) > 0 {
		s += " in the formats " + strings.Join(b.Formats, ", ")
	}
	if n := len(b.Keys); n > 0 {
		keys := make([]string, n)
		for i, k := range b.Keys {
			keys[i] = fmt.Sprintf("%.16s", k)
		}
		s += " made with issuer keys " + strings.Join(keys, ", ")
	}
	if w := windowInWords(b.IssuedFrom, b.IssuedUntil); w != "" {
		s += " issued" + w
	}
	if b.Condition != nil {
		s += " that meet the condition in " + b.Condition.words()
	}
	return fmt.Sprintf("%s are %s at checks%s%s%s", s, effect, windowInWords(b.From, b.Until), legally(b.LegalRef), because(b.Reason))
}

// legally is the legal ground in a sentence.
func legally(ref string) string {
	if ref == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", ref)
}

// listInWords is a scope in a sentence: a list that limits; "" if it does not.
func listInWords(before string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	return before + strings.Join(names, ", ")
}
