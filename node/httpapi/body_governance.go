package httpapi

import (
	"encoding/base64"
	"encoding/hex"

	"concordat/client"
	"concordat/ledger/statement"
)

// governanceBody gives the body of what changes the network itself with names in
// place of numbers; false for other bodies.
func governanceBody(b statement.Body, set func(name string, v any)) bool {
	switch b := b.(type) {
	case *statement.RotateOwnKey:
		set("key", client.KeyRequestOf(b.NewKey))
	case *statement.SetNode:
		set("addresses", b.Addresses)
		set("http", b.HTTP)
	case *statement.Propose:
		set("action", client.ActionOf(b.Action))
		set("reason", b.Reason)
	case *statement.Vote:
		set("proposal", b.Proposal)
		set("of", b.Of.String())
		set("yes", b.Yes)
		set("reason", b.Reason)
	case *statement.WithdrawProposal:
		set("proposal", b.Proposal)
		set("of", b.Of.String())
		set("reason", b.Reason)
	case *statement.HandOver:
		set("seal", b.Seal)
		set("note", b.Note)
	case *statement.Recover:
		set("lineage", b.Plan.Lineage)
		set("size", b.Plan.Size)
		set("root", hex.EncodeToString(b.Plan.Root[:]))
		set("validators", texts(b.Plan.Validators))
		set("reason", b.Plan.Reason)
		signatures := make([]map[string]string, len(b.Signatures))
		for i, s := range b.Signatures {
			signatures[i] = map[string]string{"authority": string(s.Authority), "signature": base64.StdEncoding.EncodeToString(s.Signature)}
		}
		set("signatures", signatures)
	case *statement.ReportIncident:
		set("title", b.Title)
		set("text", b.Text)
		if b.Key != nil {
			set("key", b.Key.String())
		}
	default:
		return false
	}
	return true
}
