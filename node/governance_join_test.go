package node_test

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"testing"
	"time"

	"concordat/client"
	"concordat/ledger/statement"
	"concordat/node/nodetest"
	"concordat/recognition"
)

// insistAs says something with a governance key, and waits while the validators hand over.
func insistAs(ctx context.Context, t *testing.T, n *nodetest.Network, region, at string, body statement.Body) client.Submitted {
	t.Helper()
	for {
		got, err := n.Governor(t, region, at).Say(ctx, body, nil, client.Final)
		var f *client.Failure
		if errors.As(err, &f) && (f.Name == client.HandoverPending || f.Retriable()) && ctx.Err() == nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if err != nil {
			t.Fatalf("%s says a %s: %v", region, body.Kind(), err)
		}
		return got
	}
}

// decide has the first propose something and the others vote yes, each at its own node.
func decide(ctx context.Context, t *testing.T, n *nodetest.Network, do statement.Action, voters ...string) {
	t.Helper()
	got := insistAs(ctx, t, n, voters[0], voters[0], &statement.Propose{Action: do, Reason: "a test"})
	raw, err := hex.DecodeString(got.Hash)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range voters[1:] {
		insistAs(ctx, t, n, v, v, &statement.Vote{Proposal: *got.Index, Of: statement.Hash(raw), Yes: true})
	}
}

// becomes waits until a region's node is ready in a role.
func becomes(ctx context.Context, t *testing.T, n *nodetest.Network, region, role string) {
	t.Helper()
	if err := nodetest.Await(ctx, region+" to be "+role, func() bool {
		one := n.Node(region)
		return one != nil && one.Status().Role == role && one.Ready() == nil
	}); err != nil {
		st := n.Node(region).Status()
		t.Fatalf("%v: role %q, problems %+v, final %+v, raft %q", err, st.Role, st.Problems, st.Final, st.RaftRole)
	}
}

// TestJoinByVote: a partner that has the genesis and one address waits, is voted
// in as an observer, then as a validator, and counts towards the quorum; what was
// said before and after it verifies with the genesis alone. Then it leaves again,
// and is told so.
func TestJoinByVote(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	n := nodetest.New(t, "XA", "XB", "XC", "XD")
	say(t, n, "XA", "XA", "XA-BEFORE", client.Final)
	d, err := n.Newcomer("XE", "XB")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start("XE"); err != nil {
		t.Fatal(err)
	}
	if err := nodetest.Await(ctx, "XE to say that it waits", func() bool {
		st := n.Node("XE").Status()
		return st.Role == "" && len(st.Problems) == 1 && st.Problems[0].Name == client.NotAMember
	}); err != nil {
		t.Fatalf("%v: %+v", err, n.Node("XE").Status())
	}
	if a, err := n.Client("XE").Authorities(ctx); err != nil || a.AsOf.Standing != client.StandingApplicant {
		t.Errorf("before it is admitted, XE's node answers as of %+v: %v", a.AsOf, err)
	}
	decide(ctx, t, n, statement.Action{Admit: &statement.Admit{Descriptor: d.Encode(), Role: statement.RoleObserver}}, "XA", "XB", "XC")
	becomes(ctx, t, n, "XE", "observer")
	say(t, n, "XE", "XE", "XE-OBSERVES", client.Final)
	decide(ctx, t, n, statement.Action{ChangeRole: &statement.ChangeRole{Authority: "XE", Role: statement.RoleValidator}}, "XB", "XC", "XD")
	becomes(ctx, t, n, "XE", "validator")
	handedOver(ctx, t, n, "XA")
	if err := n.Stop("XD"); err != nil {
		t.Fatal(err)
	}
	say(t, n, "XE", "XE", "XE-VALIDATES", client.Final)
	// XA's node learns of it a moment after XE's.
	if err := nodetest.Await(ctx, "four of five to vouch with XD down", func() bool {
		final := n.Node("XA").Status().Final
		return final.Quorum == 4 && slices.Contains(final.Cosigners, "XE")
	}); err != nil {
		t.Errorf("%v: %+v", err, n.Node("XA").Status().Final)
	}
	if err := n.Start("XD"); err != nil {
		t.Fatal(err)
	}
	becomes(ctx, t, n, "XD", "validator")
	decide(ctx, t, n, statement.Action{Expel: &statement.Expel{Authority: "XE"}}, "XA", "XB", "XC", "XD")
	if err := nodetest.Await(ctx, "XE to be told that it was expelled", func() bool {
		st := n.Node("XE").Status()
		return st.Standing == "expelled" && len(st.Problems) > 0 && st.Problems[0].Name == client.ExpelledMember
	}); err != nil {
		t.Fatalf("%v: %+v", err, n.Node("XE").Status())
	}
	// It answers still, and says what that is worth.
	for region, want := range map[string]string{"XE": recognition.RegionExpelled, "XA": recognition.CodeUnreadable} {
		c, err := n.Client("XE").Check(ctx, client.Check{Codes: []string{"x"}, Region: region})
		if err != nil || c.AsOf.Standing != client.StandingExpelled || c.Reasons[len(c.Reasons)-1].Name != want {
			t.Errorf("XE's node answers for %s as of %+v, %+v: %v", region, c.AsOf, c.Reasons, err)
		}
	}
	say(t, n, "XA", "XA", "XA-AFTER", client.Final)
}

// handedOver waits until the validators of today certify alone.
func handedOver(ctx context.Context, t *testing.T, n *nodetest.Network, at string) {
	t.Helper()
	if err := nodetest.Await(ctx, "the handover", func() bool {
		view := n.Node(at).View()
		defer view.Close()
		_, pending, err := view.State().PendingHandover()
		return err == nil && !pending
	}); err != nil {
		t.Fatal(err)
	}
}
