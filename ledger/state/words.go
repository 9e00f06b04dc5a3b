package state

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"concordat/ledger/statement"
)

// The records in words, one line each: what Dump prints.

// moment writes a time for people, to the second and in UTC.
func moment(t statement.Time) string {
	return time.Unix(int64(t), 0).UTC().Format(time.RFC3339)
}

// window writes the part of a line that limits it to a time.
func window(from, until statement.Time) string {
	var s string
	if from != 0 {
		s += " from " + moment(from)
	}
	if until != 0 {
		s += " until " + moment(until)
	}
	return s
}

func kinds(of []statement.CodeKind) string {
	if len(of) == 0 {
		return "all kinds"
	}
	s := make([]string, len(of))
	for i, k := range of {
		s[i] = string(k)
	}
	return strings.Join(s, " and ")
}

func count(n uint64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", reason)
}

func (n *Network) words() string {
	s := fmt.Sprintf("network %s, %s, protocol level %d", n.Name, n.ID, n.ProtocolLevel)
	if n.Lineage != 0 {
		s += fmt.Sprintf(", lineage %d", n.Lineage)
	}
	return s
}

func (a *Authority) words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q is %s", a.ID, a.Name, a.Role)
	if a.AdmittedAt != nil {
		fmt.Fprintf(&b, " by statement %d", *a.AdmittedAt)
	} else {
		b.WriteString(" by the genesis")
	}
	if a.Standing != StandingMember {
		fmt.Fprintf(&b, ", %s by statement %d", a.Standing, *a.StandingBy)
	}
	for _, k := range a.Keys {
		fmt.Fprintf(&b, "; %s key %x", k.Use, statement.KeyIDOf(k.Public))
		if k.From != 0 {
			fmt.Fprintf(&b, " from statement %d on", k.From)
		}
		if k.Until != 0 {
			fmt.Fprintf(&b, " until before statement %d", k.Until)
		}
	}
	if a.Revision != 0 {
		fmt.Fprintf(&b, "; revision %d", a.Revision)
	}
	return b.String()
}

func (k *IssuerKey) words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s has key %s, kid %x, for %s%s; registered by statement %d",
		k.Region, k.Thumbprint, k.KeyID, kinds(k.Kinds), window(k.ValidFrom, k.ValidUntil), k.RegisteredAt)
	if k.Issuer != "" {
		fmt.Fprintf(&b, ", of issuer %q", k.Issuer)
	}
	if k.Name != "" {
		fmt.Fprintf(&b, ", named %q", k.Name)
	}
	if k.RetiredBy != nil {
		fmt.Fprintf(&b, ", retired by statement %d as of %s", *k.RetiredBy, moment(k.RetiredAt))
	}
	if k.Status == Compromised {
		fmt.Fprintf(&b, ", compromised by statement %d since %s", k.ChangedAt, moment(k.Since))
		if k.SpareEarlier {
			b.WriteString(" sparing what was issued earlier")
		}
		b.WriteString(because(k.Reason))
	}
	fmt.Fprintf(&b, "; revision %d", k.Revision)
	return b.String()
}

func (g *Recognition) words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "recognition of %s by %s: %s; terms %s, granted by statement %d", g.Grantee, g.Grantor, g.Status, g.Terms.words(), g.GrantedAt)
	b.WriteString(ended(g.Status, g.ChangedAt, g.Suspension, g.Reason, g.LegalRef))
	if g.SaidAt != 0 {
		fmt.Fprintf(&b, ", said at %s", moment(g.SaidAt))
	}
	fmt.Fprintf(&b, "; revision %d", g.Revision)
	for i := range g.Past {
		p := &g.Past[i]
		fmt.Fprintf(&b, "; before: %s by statement %d, terms %s%s", p.Status, p.Index, p.Terms.words(), ended(p.Status, p.Index, p.Suspension, p.Reason, p.LegalRef))
		if p.SaidAt != 0 {
			fmt.Fprintf(&b, ", said at %s", moment(p.SaidAt))
		}
		fmt.Fprintf(&b, ", until statement %d said at %s", p.EndedBy, moment(p.EndedAt))
	}
	return b.String()
}

// ended is the part of a line on what a suspension or a withdrawal takes.
func ended(status RecognitionStatus, by uint64, s *Suspension, reason, legalRef string) string {
	switch {
	case s != nil:
		return fmt.Sprintf("; suspended by statement %d for %s%s%s%s", by, kinds(s.Kinds), window(s.From, s.Until), because(s.Reason), under(s.LegalRef))
	case status == Withdrawn:
		return fmt.Sprintf("; withdrawn by statement %d%s%s", by, because(reason), under(legalRef))
	}
	return ""
}

func (t *Terms) words() string {
	var b strings.Builder
	b.WriteString(kinds(t.Kinds))
	for _, of := range []struct {
		before string
		names  []string
	}{{"in", t.Formats}, {"signed with", t.Algorithms}, {"with the schemes", t.Schemes}} {
		if len(of.names) > 0 {
			fmt.Fprintf(&b, " %s %s", of.before, strings.Join(of.names, " and "))
		}
	}
	b.WriteString(window(t.From, t.Until) + because(t.Reason) + under(t.LegalRef))
	if t.RuleSet != "" {
		fmt.Fprintf(&b, ", by rule set %s", t.RuleSet)
	}
	return b.String()
}

// under names the legal ground.
func under(legalRef string) string {
	if legalRef == "" {
		return ""
	}
	return fmt.Sprintf(" under %q", legalRef)
}

func (a *RiskArea) words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s in scheme %q: ", a.Authority, a.Area, a.Scheme)
	if a.Standing {
		b.WriteString("declared")
	} else {
		fmt.Fprintf(&b, "lifted by statement %d%s", a.ChangedAt, because(a.Reason))
	}
	for _, w := range a.Windows {
		effect := "noted"
		if w.Refuse {
			effect = "refused"
		}
		fmt.Fprintf(&b, "; %q%s by statement %d", w.Level, window(w.From, w.Until), w.Index)
		if w.EndedBy != nil {
			fmt.Fprintf(&b, " (ended by statement %d)", *w.EndedBy)
		}
		fmt.Fprintf(&b, ", stays %s for %s%s", effect, count(w.Lookback, "day", "days"), because(w.LegalRef))
	}
	fmt.Fprintf(&b, "; revision %d", a.Revision)
	return b.String()
}

func (b *Batch) words(index uint64) string {
	verb := "revoked"
	if b.Undo {
		verb = "reinstated"
	}
	number := ""
	if b.Ordinal != 0 {
		number = fmt.Sprintf(", batch %d", b.Ordinal)
	}
	return fmt.Sprintf("statement %d: %s %s %s of type %s until %s%s%s, digest %x%s",
		index, b.Authority, verb, count(b.Count, "hash", "hashes"), b.HashType, moment(b.Expires), sparingFrom(b.IssuedBefore), because(b.Reason), b.Digest[:8], number)
}

func (e *RevocationEvent) words(hash []byte) string {
	verb := "revoked"
	if e.Undo {
		verb = "reinstated"
	}
	return fmt.Sprintf("hash %s of type %s: %s by statement %d of %s until %s%s",
		hex.EncodeToString(hash), e.Type, verb, e.Index, e.Authority, moment(e.Expires), sparingFrom(e.IssuedBefore))
}

// sparingFrom says which codes a revocation says nothing of.
func sparingFrom(t statement.Time) string {
	if t == 0 {
		return ""
	}
	return fmt.Sprintf(", sparing what was issued from %s on", moment(t))
}
