package statement_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"concordat/ledger/statement"
)

// Every bound on what changes the network: the last that is taken, and the first that is not.
func TestGovernanceBounds(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	key := newKey("XA", statement.UseNode)
	bad := func(change func(*statement.NewKey)) *statement.RotateOwnKey {
		k := with(key, change)
		return &statement.RotateOwnKey{NewKey: k}
	}
	at := func(addresses ...string) *statement.SetNode {
		return &statement.SetNode{Place: statement.Place{Addresses: addresses}}
	}
	many := func(n int) (out []string) {
		for i := range n {
			out = append(out, string(rune('a'+i)))
		}
		return out
	}
	does := func(a statement.Action) *statement.Propose { return &statement.Propose{Action: a, Reason: "r"} }
	admit := func(n int, role statement.Role) *statement.Propose {
		return does(statement.Action{Admit: &statement.Admit{Descriptor: make([]byte, n), Role: role}})
	}
	policy := statement.ChangePolicy{AdmitObserver: "majority", AdmitValidator: "two-thirds", Suspend: "all", Expel: "all", RotateKeys: "all", ChangePolicy: "all"}
	recovery := statement.Recover{
		Plan:       statement.RecoveryPlan{Lineage: 2, Validators: []statement.Region{"XA", "XB"}, Reason: "r"},
		Signatures: []statement.RecoverySignature{{Authority: "XA", Signature: make([]byte, 64)}, {Authority: "XB", Signature: make([]byte, 64)}},
	}
	recover := func(change func(*statement.Recover)) *statement.Recover {
		b := recovery
		b.Plan.Validators, b.Signatures = slices.Clone(b.Plan.Validators), slices.Clone(b.Signatures)
		change(&b)
		return &b
	}
	good := &statement.RotateOwnKey{NewKey: key}
	type body = statement.Body
	for _, c := range []struct {
		name      string
		good, bad body
	}{
		{"own governance key", good, bad(func(k *statement.NewKey) { k.Use = statement.UseGovernance })},
		{"use of a key", good, bad(func(k *statement.NewKey) { k.Use = "party" })},
		{"short key", good, bad(func(k *statement.NewKey) { k.Public = k.Public[:31] })},
		{"key of small order", good, bad(func(k *statement.NewKey) { k.Public = make([]byte, 32) })},
		{"short proof", good, bad(func(k *statement.NewKey) { k.Proof = k.Proof[:63] })},
		{"addresses", at(many(statement.MaxAddresses)...), at(many(statement.MaxAddresses + 1)...)},
		{"no address", at("a"), at()},
		{"address", at(long(statement.MaxAddress)), at(long(statement.MaxAddress + 1))},
		{"address twice", at("a", "b"), at("a", "a")},
		{"url", &statement.SetNode{Place: statement.Place{Addresses: many(1), HTTP: long(statement.MaxAddress)}}, &statement.SetNode{Place: statement.Place{Addresses: many(1), HTTP: long(statement.MaxAddress + 1)}}},
		{"descriptor", admit(statement.MaxDescriptor, statement.RoleObserver), admit(statement.MaxDescriptor+1, statement.RoleObserver)},
		{"no descriptor", admit(1, statement.RoleValidator), admit(0, statement.RoleValidator)},
		{"role", admit(1, statement.RoleValidator), admit(1, "king")},
		{"no action", admit(1, statement.RoleValidator), does(statement.Action{})},
		{"two actions", admit(1, statement.RoleValidator), does(statement.Action{Expel: &statement.Expel{Authority: "XB"}, Suspend: &statement.SuspendAuthority{Authority: "XB"}})},
		{"reason of a proposal", admit(1, statement.RoleValidator), &statement.Propose{Action: statement.Action{Expel: &statement.Expel{Authority: "XB"}}}},
		{"new role", does(statement.Action{ChangeRole: &statement.ChangeRole{Authority: "XB", Role: statement.RoleObserver}}), does(statement.Action{ChangeRole: &statement.ChangeRole{Authority: "XB"}})},
		{"whom to suspend", does(statement.Action{Suspend: &statement.SuspendAuthority{Authority: "XB"}}), does(statement.Action{Suspend: &statement.SuspendAuthority{Authority: "UK"}})},
		{"whom to restore", does(statement.Action{Restore: &statement.RestoreAuthority{Authority: "XB"}}), does(statement.Action{Restore: &statement.RestoreAuthority{}})},
		{"whom to expel", does(statement.Action{Expel: &statement.Expel{Authority: "XB"}}), does(statement.Action{Expel: &statement.Expel{Authority: "xb"}})},
		{"whose key", does(statement.Action{RotateKey: &statement.RotateKey{Authority: "XB", NewKey: key}}), does(statement.Action{RotateKey: &statement.RotateKey{Authority: "UK", NewKey: key}})},
		{"new key of another", does(statement.Action{RotateKey: &statement.RotateKey{Authority: "XB", NewKey: newKey("XB", statement.UseGovernance)}}), does(statement.Action{RotateKey: &statement.RotateKey{Authority: "XB"}})},
		{"place of another", does(statement.Action{SetNode: &statement.SetNodeOf{Authority: "XB", Place: place}}), does(statement.Action{SetNode: &statement.SetNodeOf{Authority: "XB"}})},
		{"policy", does(statement.Action{ChangePolicy: &policy}), does(statement.Action{ChangePolicy: &statement.ChangePolicy{AdmitObserver: "majority"}})},
		{"level", does(statement.Action{RaiseLevel: &statement.RaiseLevel{Level: 2}}), does(statement.Action{RaiseLevel: &statement.RaiseLevel{Level: 1}})},
		{"proposal voted on", &statement.Vote{Proposal: statement.MaxLogSize}, &statement.Vote{Proposal: statement.MaxLogSize + 1}},
		{"reason of a vote", &statement.Vote{Reason: long(statement.MaxReason)}, &statement.Vote{Reason: long(statement.MaxReason + 1)}},
		{"proposal withdrawn", &statement.WithdrawProposal{Proposal: 1}, &statement.WithdrawProposal{Proposal: statement.MaxLogSize + 1}},
		{"note", &statement.HandOver{Note: make([]byte, statement.MaxNote)}, &statement.HandOver{Note: make([]byte, statement.MaxNote+1)}},
		{"no note", &statement.HandOver{Note: make([]byte, 1)}, &statement.HandOver{}},
		{"seal of a handover", &statement.HandOver{Note: make([]byte, 1), Seal: statement.MaxLogSize}, &statement.HandOver{Note: make([]byte, 1), Seal: statement.MaxLogSize + 1}},
		{"lineage", &recovery, recover(func(b *statement.Recover) { b.Plan.Lineage = 1 })},
		{"last lineage", recover(func(b *statement.Recover) { b.Plan.Lineage = 1000 }), recover(func(b *statement.Recover) { b.Plan.Lineage = 1001 })},
		{"no validators", &recovery, recover(func(b *statement.Recover) { b.Plan.Validators = nil })},
		{"validators in order", &recovery, recover(func(b *statement.Recover) { slices.Reverse(b.Plan.Validators) })},
		{"validator's id", &recovery, recover(func(b *statement.Recover) { b.Plan.Validators[1] = "xb" })},
		{"reason of a recovery", &recovery, recover(func(b *statement.Recover) { b.Plan.Reason = "" })},
		{"no signatures", &recovery, recover(func(b *statement.Recover) { b.Signatures = nil })},
		{"signatures in order", &recovery, recover(func(b *statement.Recover) { slices.Reverse(b.Signatures) })},
		{"signature twice", &recovery, recover(func(b *statement.Recover) { b.Signatures[1] = b.Signatures[0] })},
		{"signature", &recovery, recover(func(b *statement.Recover) { b.Signatures[0].Signature = make([]byte, 63) })},
		{"signer's id", &recovery, recover(func(b *statement.Recover) { b.Signatures[1].Authority = "xb" })},
		{"title", &statement.ReportIncident{Title: long(statement.MaxTitle)}, &statement.ReportIncident{Title: long(statement.MaxTitle + 1)}},
		{"no title", &statement.ReportIncident{Title: "x"}, &statement.ReportIncident{}},
		{"text", &statement.ReportIncident{Title: "x", Text: long(statement.MaxText)}, &statement.ReportIncident{Title: "x", Text: long(statement.MaxText + 1)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := statement.Statement{Issuer: "XA", Network: network, Body: c.good}
			if c.good.Kind().HasRevision() {
				s.Revision = 1
			}
			if _, err := statement.Sign(s, keyXA); err != nil {
				t.Errorf("the last that is good: %v", err)
			}
			s.Body = c.bad
			if _, err := statement.Sign(s, keyXA); !errors.Is(err, statement.ErrInvalid) {
				t.Errorf("the first that is bad: got %v, want ErrInvalid", err)
			}
		})
	}
}

// A proof of a key is good for that network, authority, use and key, and for nothing else.
func TestKeyProof(t *testing.T) {
	k := newKey("XA", statement.UseNode)
	if !k.Proves(network, "XA") {
		t.Fatal("the key's own proof is refused")
	}
	other := network
	other[0] ^= 1
	if k.Proves(other, "XA") || k.Proves(network, "XB") {
		t.Error("the proof is good for another network, or another authority")
	}
	for what, wrong := range map[string]statement.NewKey{
		"use":   with(k, func(k *statement.NewKey) { k.Use = statement.UseCosign }),
		"key":   with(k, func(k *statement.NewKey) { k.Public = public(testKey("another")) }),
		"proof": with(k, func(k *statement.NewKey) { k.Proof = newKey("XB", statement.UseNode).Proof }),
		"short": with(k, func(k *statement.NewKey) { k.Public = k.Public[:31] }),
	} {
		if wrong.Proves(network, "XA") {
			t.Errorf("%s: the proof is good for another", what)
		}
	}
}

// What a plan says is what is signed: any other plan has another message.
func TestRecoveryMessage(t *testing.T) {
	plan := statement.RecoveryPlan{Lineage: 2, Size: 9, Validators: []statement.Region{"XA"}, Reason: "r"}
	seen := map[string]string{}
	other := network
	other[0] ^= 1
	for what, m := range map[string]struct {
		net  statement.NetworkID
		plan statement.RecoveryPlan
	}{
		"plan":       {network, plan},
		"network":    {other, plan},
		"lineage":    {network, with(plan, func(p *statement.RecoveryPlan) { p.Lineage++ })},
		"size":       {network, with(plan, func(p *statement.RecoveryPlan) { p.Size++ })},
		"root":       {network, with(plan, func(p *statement.RecoveryPlan) { p.Root[0]++ })},
		"validators": {network, with(plan, func(p *statement.RecoveryPlan) { p.Validators = []statement.Region{"XA", "XB"} })},
		"reason":     {network, with(plan, func(p *statement.RecoveryPlan) { p.Reason = "another" })},
	} {
		message, err := statement.RecoveryMessage(m.net, m.plan)
		if err != nil {
			t.Fatal(err)
		}
		if before, twice := seen[string(message)]; twice {
			t.Errorf("another %s has the message of another %s", what, before)
		}
		seen[string(message)] = what
	}
}

// The governance key signs what changes the network, and each kind has one sort of key.
func TestByGovernance(t *testing.T) {
	var of []statement.Kind
	for _, k := range statement.Kinds() {
		if k.ByGovernance() {
			of = append(of, k)
		}
		if k.ByGovernance() && k.ByNode() {
			t.Errorf("%s is signed by two sorts of key", k)
		}
		want := uint64(1)
		switch {
		case k == statement.IncidentReport:
			want = 2
		case strings.HasPrefix(string(k), "rule.") || strings.HasPrefix(string(k), "value-set.") ||
			strings.HasPrefix(string(k), "risk-scheme.") || strings.HasPrefix(string(k), "special-case."):
			want = 3
		}
		if k.Level() != want {
			t.Errorf("%s is of level %d, want %d", k, k.Level(), want)
		}
	}
	want := []statement.Kind{statement.AuthorityRotateKey, statement.GovernancePropose, statement.GovernanceVote, statement.GovernanceWithdraw, statement.NetworkRecovery}
	if !slices.Equal(of, want) {
		t.Errorf("governance keys sign %v, want %v", of, want)
	}
}
