package state

import (
	"fmt"
	"strings"

	"concordat/ledger/statement"
)

func (r *Rule) words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "rule %s of %s in set %s: versions %s", r.ID, r.Authority, r.Set, strings.Join(r.Versions, ", "))
	for i, end := range r.Ends {
		if end != 0 {
			fmt.Fprintf(&b, "; %s ended for good at %s", r.Versions[i], moment(end))
		}
	}
	if r.RetiredAt != 0 {
		fmt.Fprintf(&b, "; retired by statement %d as of %s%s", r.ChangedAt, moment(r.RetiredAt), because(r.Reason))
	}
	fmt.Fprintf(&b, "; revision %d", r.Revision)
	return b.String()
}

func (r *RuleVersion) words() string {
	kind := "acceptance"
	if r.Invalidation {
		kind = "invalidation"
	}
	return fmt.Sprintf("version %s of rule %s of %s in set %s: %s%s, by statement %d, %s", r.Version, r.ID, r.Authority, r.Set,
		kind, window(r.From, r.Until), r.Index, document(&r.Document))
}

func (v *ValueSet) words() string {
	state := "published"
	if v.Retired {
		state = "retired"
	}
	return fmt.Sprintf("value set %s of %s: version %s, %s, %s by statement %d%s; revision %d",
		v.ID, v.Authority, v.Version, document(&v.Document), state, v.ChangedAt, because(v.Reason), v.Revision)
}

func (s *Scheme) words() string {
	levels := make([]string, len(s.Levels))
	for i, l := range s.Levels {
		levels[i] = l.Name
		if l.Refuse {
			levels[i] += " (refused)"
		}
		if l.Lookback != 0 {
			levels[i] += " for " + count(l.Lookback, "day", "days")
		}
		levels[i] += because(l.Title)
	}
	over := ""
	if s.Supersedes != "" {
		over = fmt.Sprintf("; supersedes %q", s.Supersedes)
	}
	return fmt.Sprintf("scheme %q of %s%s: %s%s%s; by statement %d, revision %d",
		s.Name, s.Authority, because(s.Title), strings.Join(levels, ", "), over, under(s.LegalRef), s.ChangedAt, s.Revision)
}

func (c *SpecialCase) words() string {
	var b strings.Builder
	x := &c.Case
	effect := "refused"
	if x.Admit {
		effect = "admitted"
	}
	whose := "anybody"
	if x.Region != "" {
		whose = string(x.Region)
	}
	fmt.Fprintf(&b, "special case %q of %s: codes of %s for %s", x.Name, c.Authority, whose, kinds(x.Kinds))
	if len(x.Formats) > 0 {
		fmt.Fprintf(&b, " in %s", strings.Join(x.Formats, " and "))
	}
	if n := len(x.Keys); n > 0 {
		fmt.Fprintf(&b, ", made with %s", oneOf(uint64(n)))
	}
	if s := window(x.IssuedFrom, x.IssuedUntil); s != "" {
		fmt.Fprintf(&b, ", issued%s", s)
	}
	if x.Condition != nil {
		fmt.Fprintf(&b, ", under the condition in a %s", document(x.Condition))
	}
	fmt.Fprintf(&b, ", are %s%s%s%s", effect, window(x.From, x.Until), because(x.Reason), under(x.LegalRef))
	if c.EndedAt != 0 {
		fmt.Fprintf(&b, "; ended by statement %d as of %s%s", c.ChangedAt, moment(c.EndedAt), because(c.Reason))
	}
	fmt.Fprintf(&b, "; by statement %d, revision %d", c.ChangedAt, c.Revision)
	return b.String()
}

func oneOf(n uint64) string {
	if n == 1 {
		return "one key"
	}
	return fmt.Sprintf("one of %d keys", n)
}

// document names a document, which is not looked into.
func document(d *statement.Document) string {
	return fmt.Sprintf("document of %s, digest %x", count(d.Size, "byte", "bytes"), d.Digest[:8])
}
