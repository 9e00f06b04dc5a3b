package testnet

import (
	"context"
	"errors"
	"testing"
	"time"

	"concordat/client"
	"concordat/ledger/statement"
	"concordat/testnet/codes"
)

// TestPausedLeader stops the leader in its tracks (as a virtual machine that
// is moved, or a process that is swapped out), lets the others go on without
// it, and asks it the moment it wakes, while it still thinks that it leads: a
// linearizable answer must know what was acknowledged meanwhile, or not come.
func TestPausedLeader(t *testing.T) {
	net := up(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	code, err := codes.Get("AT-1")
	if err != nil {
		t.Fatal(err)
	}
	leader, err := net.Leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	other := net.Nodes[0]
	if other == leader {
		other = net.Nodes[1]
	}
	// The code is the other's own; the leader's region recognises it.
	owner, err := authorOf(net, other)
	if err != nil {
		t.Fatal(err)
	}
	body, err := registration(code.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	key, err := owner.Say(ctx, body, nil, client.Final)
	if err != nil {
		t.Fatal(err)
	}
	judge, err := authorOf(net, leader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := judge.Say(ctx, &statement.Grant{Terms: statement.Terms{Region: owner.Authority}}, nil, client.Final); err != nil {
		t.Fatal(err)
	}
	ask := func(consistency string) (client.CheckAnswer, error) {
		return leader.Client().Check(ctx, client.Check{Codes: []string{code.Text}, At: &demoTime, Consistency: consistency})
	}
	before, err := ask("linearizable")
	if err != nil || before.Decision.Decision != "recognized" {
		t.Fatalf("before the pause: %s, %v: %+v", before.Decision.Decision, err, before.Reasons)
	}

	if err := leader.Pause(); err != nil {
		t.Fatal(err)
	}
	compromise := &statement.CompromiseKey{Key: body.Thumbprint(), Since: statement.TimeOf(demoTime.AddDate(-1, 0, 0)), Reason: "stolen"}
	rest, err := client.New([]string{other.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	owner.Client = rest
	said, err := owner.Say(ctx, compromise, nil, client.Ordered)
	if err != nil {
		t.Fatal(err)
	}
	if *said.Index <= *key.Index {
		t.Errorf("said at %d, after %d", *said.Index, *key.Index)
	}
	if err := leader.Resume(); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); time.Since(start) < 2*time.Second; {
		a, err := ask("linearizable")
		var f *client.Failure
		switch {
		case err == nil && a.Decision.Decision != "refused":
			t.Fatalf("%s after it woke, a linearizable answer is %s as of size %d; the key was compromised in statement %d, acknowledged before", time.Since(start), a.Decision.Decision, a.AsOf.Size, *said.Index)
		case err != nil && (!errors.As(err, &f) || f.Exit() != client.ExitUnreachable):
			t.Fatal(err)
		}
	}
	if err := waitFor(ctx, "the paused node to know", func() bool {
		a, err := ask("linearizable")
		return err == nil && a.Decision.Decision == "refused"
	}); err != nil {
		t.Fatal(err)
	}
}
