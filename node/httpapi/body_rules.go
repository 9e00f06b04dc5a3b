package httpapi

import (
	"encoding/hex"

	"concordat/ledger/statement"
)

// ruleBody gives the body of what decides at checks (rules, value sets, schemes
// and special cases) with names in place of numbers; false for other bodies.
func ruleBody(b statement.Body, set func(name string, v any)) bool {
	switch b := b.(type) {
	case *statement.PublishRule:
		set("ruleSet", b.Set)
		set("rule", b.ID)
		set("version", b.Version)
		set("from", b.From)
		set("until", b.Until)
		set("invalidation", b.Invalidation)
		set("document", documentBody(&b.Document))
	case *statement.RetireRule:
		set("ruleSet", b.Set)
		set("rule", b.ID)
		set("at", b.At)
		set("reason", b.Reason)
	case *statement.PublishValueSet:
		set("valueSet", b.ID)
		set("version", b.Version)
		set("document", documentBody(&b.Document))
	case *statement.RetireValueSet:
		set("valueSet", b.ID)
		set("reason", b.Reason)
	case *statement.PublishScheme:
		set("scheme", b.Name)
		set("levels", levelsBody(b.Levels))
		set("supersedes", b.Supersedes)
		set("title", b.Title)
		set("legalRef", b.LegalRef)
	case *statement.DeclareCase:
		set("name", b.Name)
		set("admit", b.Admit)
		set("region", b.Region)
		set("kinds", b.Kinds)
		set("formats", b.Formats)
		keys := make([]string, len(b.Keys))
		for i, k := range b.Keys {
			keys[i] = k.String()
		}
		set("keys", keys)
		set("issuedFrom", b.IssuedFrom)
		set("issuedUntil", b.IssuedUntil)
		set("from", b.From)
		set("until", b.Until)
		if b.Condition != nil {
			set("condition", documentBody(b.Condition))
		}
		set("reason", b.Reason)
		set("legalRef", b.LegalRef)
	case *statement.EndCase:
		set("name", b.Name)
		set("at", b.At)
		set("reason", b.Reason)
	default:
		return false
	}
	return true
}

// documentBody names a document by its size in bytes and its SHA-256, by which
// the text is asked for; the compressed bytes are in the statement itself.
func documentBody(d *statement.Document) map[string]any {
	return map[string]any{"size": d.Size, "digest": hex.EncodeToString(d.Digest[:])}
}

func levelsBody(levels []statement.SchemeLevel) []map[string]any {
	out := make([]map[string]any, len(levels))
	for i, l := range levels {
		out[i] = map[string]any{"name": l.Name, "refuse": l.Refuse}
		if l.Lookback != 0 {
			out[i]["lookbackDays"] = l.Lookback
		}
		if l.Title != "" {
			out[i]["title"] = l.Title
		}
	}
	return out
}
