package statement_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"testing"

	"concordat/ledger/statement"
)

// testKey gives the same key for the same name, always.
func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("concordat test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

var (
	keyXA   = testKey("XA")
	network = statement.NetworkID(sha256.Sum256([]byte("a genesis file")))
	thumb   = statement.Thumbprint(sha256.Sum256([]byte("a certificate")))
)

const (
	june = statement.Time(1_622_505_600) // 2021-06-01T00:00:00Z
	july = statement.Time(1_625_097_600) // 2021-07-01T00:00:00Z
)

// attachment is the one that the samples of revocation describe.
var attachment = statement.NewAttachment([]statement.RevocationHash{{0xbb}, {0xaa, 1}, {0xaa}})

type sample struct {
	name string
	statement.Statement
}

// samples has every kind, each once with all its fields and, where some may be
// left out, once without.
func samples() []sample {
	batch := statement.NewBatch(statement.HashUCI, attachment, july, "issued in error")
	of := func(name string, revision uint64, b statement.Body) sample {
		return sample{name, statement.Statement{Issuer: "XA", Network: network, Revision: revision, IssuedAt: june, Body: b}}
	}
	risk := statement.RiskLevel{Area: "CN-31-0115", Scheme: "default", Level: "high", From: june, Until: july,
		Lookback: 14, Refuse: true, LegalRef: "Ordinance 7 §2"}
	terms := statement.Terms{Region: "XB", Kinds: []statement.CodeKind{statement.Vaccination, statement.Test},
		From: june, Until: july, Reason: "agreement of May"}
	validators := []statement.SealedValidator{
		{ID: "XA", Cosign: public(testKey("XA/cosign")), Node: public(testKey("XA/node")), Governance: public(testKey("XA/governance"))},
		{ID: "XB", Cosign: public(testKey("XB/cosign")), Node: public(testKey("XB/node")), Governance: public(testKey("XB/governance"))},
	}
	return []sample{
		of("issuer-key.register", 1, &statement.RegisterKey{PublicKey: []byte("a public key in DER"), KeyID: []byte("8 bytes!"),
			Certificate: []byte("a certificate in DER"), Kinds: []statement.CodeKind{statement.Recovery}, ValidFrom: june, ValidUntil: july}),
		of("issuer-key.register-least", 1, &statement.RegisterKey{PublicKey: []byte("a public key in DER"), KeyID: []byte{0}}),
		of("issuer-key.retire", 2, &statement.RetireKey{Key: thumb, At: july}),
		of("issuer-key.compromise", 3, &statement.CompromiseKey{Key: thumb, Since: june, SpareEarlier: true, Reason: "stolen"}),
		of("issuer-key.compromise-least", 3, &statement.CompromiseKey{Key: thumb, Since: june}),
		of("revocation.add", 0, &statement.Revoke{Batch: batch}),
		of("revocation.undo", 0, &statement.Reinstate{Batch: batch}),
		of("risk-area.declare", 1, &statement.DeclareRisk{RiskLevel: risk}),
		of("risk-area.declare-least", 1, &statement.DeclareRisk{RiskLevel: statement.RiskLevel{Area: "XB", Scheme: "default", Level: "low", From: june}}),
		of("risk-area.change", 24, &statement.ChangeRisk{RiskLevel: risk}),
		of("risk-area.lift", 256, &statement.LiftRisk{Area: "CN-31-0115", Scheme: "default", At: july, Reason: "no new cases"}),
		of("recognition.grant", 1, &statement.Grant{Terms: terms}),
		of("recognition.grant-least", 1, &statement.Grant{Terms: statement.Terms{Region: "XB"}}),
		of("recognition.change", 65_536, &statement.ChangeGrant{Terms: terms}),
		of("recognition.suspend", 1<<32, &statement.Suspend{Region: "XB", Kinds: []statement.CodeKind{statement.Health, statement.Itinerary},
			From: june, Until: july, Reason: "reading « errors »"}),
		of("recognition.withdraw", 1<<64-1, &statement.Withdraw{Region: "XB", Reason: "ended"}),
		of("seal", 0, &statement.SealState{Size: 1_000_000, At: june, Records: sha256.Sum256([]byte("records")), Revoked: sha256.Sum256([]byte("revoked")),
			Validators: validators}),
		of("seal-least", 0, &statement.SealState{Size: 1, At: june, Validators: validators[:1]}),
		of("evidence", 0, &statement.ReportEvidence{Culprit: "XB", Proof: []byte("a proof of evidence")}),
		of("authority.rotate-key", 1, &statement.RotateOwnKey{NewKey: newKey("XA", statement.UseNode)}),
		of("authority.set-node", 2, &statement.SetNode{Place: place}),
		of("authority.set-node-least", 3, &statement.SetNode{Place: statement.Place{Addresses: place.Addresses[:1]}}),
		propose("admit", statement.Action{Admit: &statement.Admit{Descriptor: []byte("a descriptor"), Role: statement.RoleObserver}}),
		propose("change-role", statement.Action{ChangeRole: &statement.ChangeRole{Authority: "XB", Role: statement.RoleValidator}}),
		propose("suspend", statement.Action{Suspend: &statement.SuspendAuthority{Authority: "XB"}}),
		propose("restore", statement.Action{Restore: &statement.RestoreAuthority{Authority: "XB"}}),
		propose("expel", statement.Action{Expel: &statement.Expel{Authority: "XB"}}),
		propose("rotate-key", statement.Action{RotateKey: &statement.RotateKey{Authority: "XB", NewKey: newKey("XB", statement.UseGovernance)}}),
		propose("set-node", statement.Action{SetNode: &statement.SetNodeOf{Authority: "XB", Place: place}}),
		propose("change-policy", statement.Action{ChangePolicy: &statement.ChangePolicy{AdmitObserver: "majority", AdmitValidator: "two-thirds",
			Suspend: "majority", Expel: "two-thirds", RotateKeys: "two-thirds", ChangePolicy: "all"}}),
		propose("raise-level", statement.Action{RaiseLevel: &statement.RaiseLevel{Level: 2}}),
		of("governance.vote", 0, &statement.Vote{Proposal: 7, Of: proposed, Yes: true, Reason: "they run it well"}),
		of("governance.vote-least", 0, &statement.Vote{Proposal: 7, Of: proposed}),
		of("governance.withdraw", 0, &statement.WithdrawProposal{Proposal: 7, Of: proposed, Reason: "a newer one follows"}),
		of("governance.withdraw-least", 0, &statement.WithdrawProposal{Proposal: 7, Of: proposed}),
		of("handover", 0, &statement.HandOver{Seal: 1_000_000, Note: []byte("a note")}),
		of("recovery", 0, &statement.Recover{
			Plan: statement.RecoveryPlan{Lineage: 2, Size: 1_000_000, Root: sha256.Sum256([]byte("root")),
				Validators: []statement.Region{"XA", "XB"}, Reason: "two sites burnt down"},
			Signatures: []statement.RecoverySignature{{Authority: "XA", Signature: make([]byte, 64)}, {Authority: "XB", Signature: make([]byte, 64)}}}),
		of("issuer-key.register-named", 1, &statement.RegisterKey{PublicKey: []byte("a public key in DER"), KeyID: []byte("8 bytes!"),
			Issuer: "https://clinic.example/issuer", Name: "Clinic of XA"}),
		of("revocation.add-before", 0, &statement.Revoke{Batch: with(batch, func(b *statement.Batch) { b.HashType, b.IssuedBefore = statement.HashRID, june })}),
		of("recognition.grant-scoped", 1, &statement.Grant{Terms: with(terms, func(b *statement.Terms) {
			b.LegalRef, b.Formats, b.Algorithms = "Treaty 4", []string{"hc1", "native"}, []string{"ES256", "EdDSA"}
			b.Schemes, b.RuleSet = []string{"cn-health", "default"}, "neighbours"
		})}),
		of("recognition.suspend-legal", 2, &statement.Suspend{Region: "XB", Reason: "wrong dates", LegalRef: "Treaty 4, art. 9"}),
		of("recognition.withdraw-legal", 3, &statement.Withdraw{Region: "XB", LegalRef: "Treaty 4, art. 12"}),
		of("rule.publish", 1, &statement.PublishRule{Set: statement.DefaultRuleSet, ID: "VR-XA-0001", Version: "1.0.0", From: june, Until: july,
			Invalidation: true, Document: document}),
		of("rule.publish-least", 1, &statement.PublishRule{Set: "neighbours", ID: "GR-XA-0001", Version: "1.0.0-rc.1+b7", From: june, Document: document}),
		of("rule.retire", 2, &statement.RetireRule{Set: statement.DefaultRuleSet, ID: "VR-XA-0001", At: july, Reason: "the ordinance ended"}),
		of("value-set.publish", 1, &statement.PublishValueSet{ID: "vaccines-covid-19-names", Version: "2021-05-27", Document: document}),
		of("value-set.retire", 2, &statement.RetireValueSet{ID: "vaccines-covid-19-names", Reason: "not used any more"}),
		of("risk-scheme.publish", 1, &statement.PublishScheme{Name: "cn-risk-2", Levels: []statement.SchemeLevel{
			{Name: "low"}, {Name: "medium", Lookback: 14, Title: "中风险"}, {Name: "high", Refuse: true, Lookback: 21}},
			Supersedes: "cn-risk", Title: "Levels of risk", LegalRef: "Protocol 8"}),
		of("risk-scheme.publish-least", 1, &statement.PublishScheme{Name: "default", Levels: []statement.SchemeLevel{{Name: "high"}}}),
		of("special-case.declare", 1, &statement.DeclareCase{Name: "transit-crew", Admit: true, Region: "XB", Kinds: []statement.CodeKind{statement.Test},
			Formats: []string{"hc1", "shc"}, Keys: []statement.Thumbprint{{1}, thumb}, IssuedFrom: june, IssuedUntil: july, From: june, Until: july,
			Condition: &document, Reason: "crews of freight trains", LegalRef: "Decision 3"}),
		of("special-case.declare-least", 1, &statement.DeclareCase{Name: "misprint", Reason: "a lot with wrong dates"}),
		of("special-case.end", 2, &statement.EndCase{Name: "transit-crew", At: july, Reason: "trains stopped"}),
		of("incident.report", 0, &statement.ReportIncident{Title: "forged certificates", Text: "Seen at two borders.\nDo not rely on test codes.", Key: &thumb}),
		of("incident.report-least", 0, &statement.ReportIncident{Title: "an outage"}),
	}
}

// document is that of an empty JSON object, deflated as a stored block (RFC 1951 §3.2.4).
var document = statement.Document{Deflated: []byte{1, 2, 0, 0xfd, 0xff, '{', '}'}, Size: 2, Digest: sha256.Sum256([]byte("{}"))}

var (
	place    = statement.Place{Addresses: []string{"/dns/node.example/tcp/4001", "/ip4/192.0.2.1/udp/4001/quic-v1"}, HTTP: "https://node.example:8460"}
	proposed = statement.Hash(sha256.Sum256([]byte("a proposal")))
)

// newKey is a key with its proof.
func newKey(by statement.Region, use statement.KeyUse) statement.NewKey {
	return statement.ProveKey(network, by, use, testKey(string(by)+"/newer "+string(use)))
}

// propose is a sample of a proposal.
func propose(name string, a statement.Action) sample {
	return sample{"governance.propose-" + name, statement.Statement{Issuer: "XA", Network: network, Revision: 1, IssuedAt: june,
		Body: &statement.Propose{Action: a, Reason: "agreed in May"}}}
}

func sign(t testing.TB, s statement.Statement, key ed25519.PrivateKey) *statement.Verified {
	t.Helper()
	v, err := statement.Sign(s, key)
	if err != nil {
		t.Fatalf("Sign: %v", err)
	}
	return v
}

func grant(t testing.TB) *statement.Verified {
	t.Helper()
	return sign(t, statement.Statement{Issuer: "XA", Network: network, Revision: 1, IssuedAt: june,
		Body: &statement.Grant{Terms: statement.Terms{Region: "XB"}}}, keyXA)
}

// replaceOnce fails the test unless old stands in b exactly once: a mutation that misses tests nothing.
func replaceOnce(t testing.TB, b, old, with []byte) []byte {
	t.Helper()
	if n := bytes.Count(b, old); n != 1 {
		t.Fatalf("%x stands %d times in %x", old, n, b)
	}
	return bytes.Replace(b, old, with, 1)
}
