package state

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"concordat/ledger/genesis"
)

// Found is the state before statement 0: what the founding document says. The
// writes are in ascending order of their keys.
func Found(doc *genesis.Document) []Write {
	p := doc.Policy
	n := &Network{
		ID: doc.ID(), Name: doc.Network, ProtocolLevel: doc.ProtocolLevel,
		Policy: Policy{
			AdmitObserver: string(p.AdmitObserver), AdmitValidator: string(p.AdmitValidator),
			Suspend: string(p.Suspend), Expel: string(p.Expel),
			RotateKeys: string(p.RotateKeys), ChangePolicy: string(p.ChangePolicy),
		},
	}
	var writes, used []Write
	vouch := new(validatorSet)
	for _, from := range doc.Authorities {
		au := &Authority{
			ID: from.ID, Name: from.Name, Role: Role(from.Role),
			Keys: []AuthorityKey{
				{Use: Governance, Public: from.Keys.Governance.Public()},
				{Use: Statements, Public: from.Keys.Statement.Public()},
				{Use: Node, Public: from.Keys.Node.Public()},
				{Use: Cosign, Public: from.Keys.Cosign.Public()},
			},
			Addresses: from.Addresses, HTTP: from.HTTP,
		}
		writes = append(writes, put(au))
		for _, k := range au.Keys {
			used = append(used, put(&UsedKey{Sum: sha256.Sum256(k.Public), Authority: au.ID, Use: k.Use}))
		}
		if au.Role == Validator {
			vouch.Members = append(vouch.Members, memberOf(au, nil))
		}
	}
	slices.SortFunc(used, func(a, b Write) int { return bytes.Compare(a.Key, b.Key) })
	return slices.Concat(writes, []Write{put(n)}, used, []Write{put(vouch), put(&electorate{Sets: vouch.sets()})})
}
