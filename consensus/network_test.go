package consensus

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"testing"

	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// testKey is the same key for the same name, always.
func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("consensus test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

// testNetwork is a founding document with all its keys.
type testNetwork struct {
	doc *genesis.Document
	id  statement.NetworkID
}

func newTestNetwork(t testing.TB, ids ...string) *testNetwork {
	t.Helper()
	doc := &genesis.Document{
		Format: genesis.Format, Network: "test.example", Created: "2021-01-01T00:00:00Z",
		ProtocolLevel: genesis.ProtocolLevel, Policy: genesis.DefaultPolicy(),
	}
	for i, id := range ids {
		key := func(use string) genesis.Key {
			return genesis.Key(testKey(id + "/" + use).Public().(ed25519.PublicKey))
		}
		doc.Authorities = append(doc.Authorities, genesis.Authority{
			ID: statement.Region(id), Name: "Region " + id, Role: genesis.Validator,
			Keys:      genesis.Keys{Governance: key("governance"), Statement: key("statement"), Node: key("node"), Cosign: key("cosign")},
			Addresses: []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", 4001+i)},
		})
	}
	if err := doc.Check(); err != nil {
		t.Fatalf("founding document: %v", err)
	}
	return &testNetwork{doc: doc, id: doc.ID()}
}

func (n *testNetwork) say(t testing.TB, by string, revision uint64, body statement.Body) ledger.Candidate {
	t.Helper()
	v, err := statement.Sign(statement.Statement{
		Issuer: statement.Region(by), Network: n.id, Revision: revision, IssuedAt: 1_600_000_000, Body: body,
	}, testKey(by+"/statement"))
	if err != nil {
		t.Fatalf("signing a %s: %v", body.Kind(), err)
	}
	return ledger.Candidate{Raw: v.Raw()}
}

// risk declares the i-th area at risk: a statement that is good once, whatever came before.
func (n *testNetwork) risk(t testing.TB, by string, i int) ledger.Candidate {
	t.Helper()
	return n.riskAt(t, by, i, "high")
}

func (n *testNetwork) riskAt(t testing.TB, by string, i int, level string) ledger.Candidate {
	t.Helper()
	return n.say(t, by, 1, &statement.DeclareRisk{RiskLevel: statement.RiskLevel{
		Area: statement.Area(fmt.Sprintf("%s-%06d", by, i)), Scheme: "default", Level: level, From: 1_600_000_000, Lookback: 14,
	}})
}

// revoke revokes n hashes, which come as an attachment.
func (n *testNetwork) revoke(t testing.TB, by string, from, count int) ledger.Candidate {
	t.Helper()
	hashes := make([]statement.RevocationHash, count)
	for i := range hashes {
		sum := sha256.Sum256(fmt.Appendf(nil, "hash %d", from+i))
		hashes[i] = statement.RevocationHash(sum[:statement.HashSize])
	}
	a := statement.NewAttachment(hashes)
	c := n.say(t, by, 0, &statement.Revoke{Batch: statement.NewBatch(statement.HashSignature, a, 2_000_000_000, "test")})
	c.Attachment = a
	return c
}

// sealed makes a block as its proposer would.
func (n *testNetwork) sealed(t testing.TB, by string, term uint64, head ledger.Head, cs ...ledger.Candidate) []byte {
	t.Helper()
	var statements, attachments [][]byte
	for _, c := range cs {
		statements = append(statements, c.Raw)
		if c.Attachment != nil {
			attachments = append(attachments, c.Attachment)
		}
	}
	raw, err := block.Seal(block.Header{
		Network: n.id, Term: term, Size: head.Size, Root: head.Root, Time: head.Time + 1, Proposer: statement.Region(by),
	}, statements, attachments, testKey(by+"/node"))
	if err != nil {
		t.Fatalf("sealing: %v", err)
	}
	return raw
}
