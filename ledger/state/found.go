package state

import (
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
	writes := make([]Write, 0, len(doc.Authorities)+2)
	vouch := new(validatorSet)
	for _, from := range doc.Authorities {
		writes = append(writes, put(&Authority{
			ID: from.ID, Name: from.Name, Role: Role(from.Role),
			Keys: []AuthorityKey{
				{Use: Governance, Public: from.Keys.Governance.Public()},
				{Use: Statements, Public: from.Keys.Statement.Public()},
				{Use: Node, Public: from.Keys.Node.Public()},
				{Use: Cosign, Public: from.Keys.Cosign.Public()},
			},
			Addresses: from.Addresses, HTTP: from.HTTP,
		}))
	}
	for _, from := range doc.Validators() {
		vouch.Members = append(vouch.Members, member{ID: from.ID, Cosign: from.Keys.Cosign.Public(), Node: from.Keys.Node.Public()})
	}
	return append(writes, put(n), put(vouch))
}
