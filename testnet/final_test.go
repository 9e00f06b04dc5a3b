package testnet

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/ledger/statement"
)

// sayFinal revokes an invented hash at a node, and waits until that is final.
func sayFinal(ctx context.Context, t *testing.T, net *Network, n *Node, i int) client.Submitted {
	t.Helper()
	raw, attachment := invented(t, net, n, n.Region+" final", i, 1)
	got, err := n.Client().Submit(ctx, raw, attachment, client.Final)
	if err != nil || got.State != client.Final {
		t.Fatalf("at %s: %q %s, %v; want it final", n.Region, got.State, got.Note, err)
	}
	return got
}

// standsStill waits until a node says that nothing becomes final, and that it
// is those validators which do not answer that are down, and no other; it checks
// since when.
func standsStill(ctx context.Context, t *testing.T, net *Network, n *Node, after time.Time) client.Status {
	t.Helper()
	var down []string
	for _, other := range net.Nodes {
		if !other.Running() {
			down = append(down, other.Region)
		}
	}
	want := fmt.Sprintf("do not answer: %s;", strings.Join(down, ", "))
	var st client.Status
	var err error
	if waited := waitFor(ctx, n.Region+" to say who is missing", func() bool {
		st, err = n.Client().Status(ctx)
		return err == nil && st.Final.Since != nil && strings.Contains(st.Final.Note, want)
	}); waited != nil {
		t.Fatalf("%v; it says %+v, %v", waited, st.Final, err)
	}
	since, err := time.Parse(time.RFC3339, *st.Final.Since)
	if err != nil || since.Before(after.Add(-2*time.Second)) || since.After(time.Now()) {
		t.Errorf("%s says that nothing is final since %q, %v; validators are gone since %s", n.Region, *st.Final.Since, err, after)
	}
	t.Logf("%s: since %s: %s", n.Region, *st.Final.Since, st.Final.Note)
	return st
}

// goesOn waits until a node says that all is final again.
func goesOn(ctx context.Context, t *testing.T, n *Node, size uint64) {
	t.Helper()
	if err := waitFor(ctx, n.Region+" to find all final", func() bool {
		st, err := n.Client().Status(ctx)
		return err == nil && st.Final.Since == nil && st.Final.Size >= size && st.Final.Size == st.Size
	}); err != nil {
		t.Fatal(err)
	}
}

// TestFinalWithValidatorsDown: with one of four validators down, whichever it
// is, certification goes on; with two down nothing is final, and the nodes that
// are left say since when and why; when one returns, all goes on by itself.
func TestFinalWithValidatorsDown(t *testing.T) {
	net := upWith(t, Options{Env: []string{"CONCORDAT_VOUCH_REFRESH=1s"}})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	seen := monitor(t, net)
	leader, err := net.Leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var left []*Node
	for _, n := range net.Nodes {
		sayFinal(ctx, t, net, n, 0)
		if n != leader {
			left = append(left, n)
		}
	}
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Leader(ctx); err != nil {
		t.Fatal(err)
	}
	for _, n := range left {
		got := sayFinal(ctx, t, net, n, 1)
		st, err := n.Client().Status(ctx)
		if err != nil || st.Final.Size <= *got.Index || len(st.Final.Cosigners) != 3 || st.Final.Quorum != 3 {
			t.Errorf("with one of four down %s says %+v, %v", n.Region, st.Final, err)
		}
	}

	gone := time.Now()
	if err := left[2].Kill(); err != nil {
		t.Fatal(err)
	}
	before := map[*Node]client.Status{}
	for _, n := range left[:2] {
		before[n] = standsStill(ctx, t, net, n, gone)
	}
	raw, attachment := invented(t, net, left[0], "without a quorum", 0, 1)
	if got, err := left[0].Client().Submit(ctx, raw, attachment, client.Final); err != nil || got.State != client.Accepted || !got.InForce || got.Index != nil {
		t.Errorf("with two of four down a revocation is %+v, %v; want it in force here, and not ordered", got, err)
	}
	for _, n := range left[:2] {
		st, err := n.Client().Status(ctx)
		if err != nil || st.Final.Size != before[n].Final.Size || st.Quorum {
			t.Errorf("with two of four down %s has size %d final, then %d, quorum: %t, %v", n.Region, before[n].Final.Size, st.Final.Size, st.Quorum, err)
		}
	}

	if err := leader.Start(); err != nil {
		t.Fatal(err)
	}
	if err := leader.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	for _, n := range append(left[:2:2], leader) {
		goesOn(ctx, t, n, before[left[0]].Final.Size)
		sayFinal(ctx, t, net, n, 2)
	}
	if _, err := seen.prove(ctx, leader); err != nil {
		t.Error(err)
	}
	noEvidence(t, net)
}

// TestOrderedAndNotFinal: of five validators three order statements, and four
// must vouch. With two down what is said is ordered and not final: a
// revocation counts and a recognition does not, until one returns.
func TestOrderedAndNotFinal(t *testing.T) {
	net := upWith(t, Options{
		Regions: []string{"XA", "XB", "XC", "XD", "XE"}, Env: []string{"CONCORDAT_VOUCH_REFRESH=1s", "CONCORDAT_LIMITS_SUBMIT_TIMEOUT=2s"},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	seen := monitor(t, net)
	for _, n := range net.Nodes {
		sayFinal(ctx, t, net, n, 0)
	}
	gone := time.Now()
	for _, n := range net.Nodes[3:] {
		if err := n.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := net.Leader(ctx); err != nil {
		t.Fatal(err)
	}
	one := net.Nodes[0]
	author, err := authorOf(net, one)
	if err != nil {
		t.Fatal(err)
	}
	author.Client = one.Client()
	var said client.Submitted
	if err := waitFor(ctx, "a statement to be ordered", func() bool { // a leader may just have been lost
		said, err = author.Say(ctx, &statement.Grant{Terms: statement.Terms{Region: "XB"}}, nil, client.Final)
		return err == nil
	}); err != nil {
		t.Fatal(err)
	}
	if said.State != client.Ordered || !strings.Contains(said.Note, "not final") {
		t.Errorf("with two of five down a statement is %q: %s", said.State, said.Note)
	}
	st := standsStill(ctx, t, net, one, gone)
	if st.Size <= *said.Index || st.Final.Size > *said.Index || !st.Quorum {
		t.Errorf("ordered up to %d, final up to %d, quorum: %t; the statement is at %d", st.Size, st.Final.Size, st.Quorum, *said.Index)
	}
	if got, err := one.Client().Statement(ctx, said.Hash); err != nil || got.State != client.Ordered {
		t.Errorf("the statement is %q, %v", got.State, err)
	}
	if err := net.Nodes[4].Start(); err != nil {
		t.Fatal(err)
	}
	goesOn(ctx, t, one, *said.Index+1)
	if got, err := one.Client().Statement(ctx, said.Hash); err != nil || got.State != client.Final {
		t.Errorf("with four of five the statement is %q, %v", got.State, err)
	}
	if _, err := seen.prove(ctx, one); err != nil {
		t.Error(err)
	}
	noEvidence(t, net)
}
