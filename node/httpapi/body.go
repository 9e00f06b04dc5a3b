package httpapi

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"concordat/ledger/statement"
)

// bodyJSON gives a statement's body with names in place of the numbers that it
// has on the wire. Bytes that people compare are hex, as in docs/formats.
func bodyJSON(b statement.Body) (map[string]any, error) {
	m := map[string]any{}
	set := func(name string, v any) {
		switch x := v.(type) {
		case string:
			if x == "" {
				return
			}
		case statement.Time:
			if x == 0 {
				return
			}
			v = x.String()
		case []byte:
			if len(x) == 0 {
				return
			}
			v = base64.StdEncoding.EncodeToString(x)
		case []statement.CodeKind:
			if len(x) == 0 {
				return
			}
		case []string:
			if len(x) == 0 {
				return
			}
		case statement.Region:
			if x == "" {
				return
			}
		}
		m[name] = v
	}
	batch := func(b *statement.Batch) {
		set("hashType", b.HashType)
		set("count", b.Count)
		set("digest", hex.EncodeToString(b.Digest[:]))
		set("expires", b.Expires)
		set("issuedBefore", b.IssuedBefore)
		set("reason", b.Reason)
	}
	risk := func(b *statement.RiskLevel) {
		set("area", b.Area)
		set("scheme", b.Scheme)
		set("level", b.Level)
		set("from", b.From)
		set("until", b.Until)
		set("lookbackDays", b.Lookback)
		set("refuse", b.Refuse)
		set("legalRef", b.LegalRef)
	}
	terms := func(b *statement.Terms) {
		set("region", b.Region)
		set("kinds", b.Kinds)
		set("from", b.From)
		set("until", b.Until)
		set("reason", b.Reason)
		set("legalRef", b.LegalRef)
		set("formats", b.Formats)
		set("algorithms", b.Algorithms)
		set("schemes", b.Schemes)
		set("ruleSet", b.RuleSet)
	}
	switch b := b.(type) {
	case *statement.RegisterKey:
		set("key", b.Thumbprint().String())
		set("kid", b.KeyID)
		set("publicKey", b.PublicKey)
		set("certificate", b.Certificate)
		set("kinds", b.Kinds)
		set("validFrom", b.ValidFrom)
		set("validUntil", b.ValidUntil)
		set("issuer", b.Issuer)
		set("name", b.Name)
	case *statement.RetireKey:
		set("key", b.Key.String())
		set("at", b.At)
	case *statement.CompromiseKey:
		set("key", b.Key.String())
		set("since", b.Since)
		set("spareEarlier", b.SpareEarlier)
		set("reason", b.Reason)
	case *statement.Revoke:
		batch(&b.Batch)
	case *statement.Reinstate:
		batch(&b.Batch)
	case *statement.DeclareRisk:
		risk(&b.RiskLevel)
	case *statement.ChangeRisk:
		risk(&b.RiskLevel)
	case *statement.LiftRisk:
		set("area", b.Area)
		set("scheme", b.Scheme)
		set("at", b.At)
		set("reason", b.Reason)
	case *statement.Grant:
		terms(&b.Terms)
	case *statement.ChangeGrant:
		terms(&b.Terms)
	case *statement.Suspend:
		set("region", b.Region)
		set("kinds", b.Kinds)
		set("from", b.From)
		set("until", b.Until)
		set("reason", b.Reason)
		set("legalRef", b.LegalRef)
	case *statement.Withdraw:
		set("region", b.Region)
		set("reason", b.Reason)
		set("legalRef", b.LegalRef)
	case *statement.SealState:
		m["size"] = b.Size
		set("at", b.At)
		set("records", hex.EncodeToString(b.Records[:]))
		set("revoked", hex.EncodeToString(b.Revoked[:]))
		validators := make([]map[string]string, len(b.Validators))
		for i, v := range b.Validators {
			validators[i] = map[string]string{
				"id": string(v.ID), "cosign": base64.StdEncoding.EncodeToString(v.Cosign), "node": base64.StdEncoding.EncodeToString(v.Node),
				"governance": base64.StdEncoding.EncodeToString(v.Governance),
			}
		}
		m["validators"] = validators
	case *statement.ReportEvidence:
		set("culprit", b.Culprit)
		set("proof", b.Proof)
	default:
		if !ruleBody(b, set) && !governanceBody(b, set) {
			return nil, fmt.Errorf("no names for the body of a %s", b.Kind())
		}
	}
	return m, nil
}

func timeOrNil(t statement.Time) *time.Time {
	if t == 0 {
		return nil
	}
	at := t.Time()
	return &at
}

// texts gives a list of typed names as strings; never nil, so that JSON has [].
func texts[T ~string](in []T) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}
