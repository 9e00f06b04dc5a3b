package node_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/healthcode"
	"concordat/healthcode/hc1"
	"concordat/ledger/bundle"
	"concordat/ledger/statement"
	"concordat/node/nodetest"
	"concordat/recognition"
)

// TestStanding: a suspended authority's codes are told of as such, an expelled
// one's are refused, at the nodes of the others and by a bundle; and its own node
// marks its answers and recognises nothing for its region any more.
func TestStanding(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	n := nodetest.New(t, "XA", "XB", "XC", "XD")
	code := prepare(t, n)
	// XA's node is cut off with the vote that expels it: it hears of that from XB's API.
	place := statement.Place{Addresses: n.Doc.Authorities[1].Addresses, HTTP: n.URL("XB")}
	if _, err := n.Author(t, "XB", "XB").Say(ctx, &statement.SetNode{Place: place}, nil, client.Final); err != nil {
		t.Fatal(err)
	}
	// check asks a node that knows that all of what it has is final; to an expelled
	// one's, nobody says so any more.
	check := func(at, region string) (c client.CheckAnswer) {
		t.Helper()
		if err := nodetest.Await(ctx, "all at "+at+" to be final", func() bool {
			var err error
			if c, err = n.Client(at).Check(ctx, client.Check{Codes: []string{code}, Region: region, At: &clock}); err != nil {
				t.Fatalf("a check at %s: %v", at, err)
			}
			return c.AsOf.FinalSize == c.AsOf.Size || c.AsOf.Standing == client.StandingExpelled
		}); err != nil {
			t.Fatalf("%v: as of %+v", err, c.AsOf)
		}
		return c
	}
	stands := func(standing string) {
		t.Helper()
		if err := nodetest.Await(ctx, "XA's node to say that it is "+standing, func() bool {
			return n.Node("XA").Status().Standing == standing
		}); err != nil {
			t.Fatalf("%v: %+v", err, n.Node("XA").Status())
		}
	}
	if c := check("XB", "XB"); c.Decision.Decision != recognition.Recognized || c.AsOf.Standing != "" || standingReasons(c.Decision) != "" {
		t.Errorf("before any vote: %s as of %+v, %+v", c.Decision.Decision, c.AsOf, c.Reasons)
	}

	decide(ctx, t, n, statement.Action{Suspend: &statement.SuspendAuthority{Authority: "XA"}}, "XC", "XD", "XB")
	stands(client.StandingSuspended)
	if c := check("XB", "XB"); c.Decision.Decision != recognition.Recognized || c.AsOf.Standing != "" || standingReasons(c.Decision) != recognition.IssuerSuspended {
		t.Errorf("XA is suspended, at XB: %s as of %+v, %+v", c.Decision.Decision, c.AsOf, c.Reasons)
	}
	if c := check("XA", "XA"); c.Decision.Decision != recognition.Recognized || c.AsOf.Standing != client.StandingSuspended || standingReasons(c.Decision) != recognition.IssuerSuspended+" "+recognition.RegionSuspended {
		t.Errorf("XA is suspended, at XA: %s as of %+v, %+v", c.Decision.Decision, c.AsOf, c.Reasons)
	}

	decide(ctx, t, n, statement.Action{Expel: &statement.Expel{Authority: "XA"}}, "XC", "XD", "XB")
	there := check("XB", "XB")
	if there.Decision.Decision != recognition.Refused || there.AsOf.Standing != "" || standingReasons(there.Decision) != recognition.IssuerExpelled {
		t.Errorf("XA is expelled, at XB: %s as of %+v, %+v", there.Decision.Decision, there.AsOf, there.Reasons)
	}
	stands(client.StandingExpelled)
	for at, standing := range map[string]string{"XA": client.StandingExpelled, "XB": ""} {
		c := check(at, "XA")
		if c.Decision.Decision != recognition.Refused || c.AsOf.Standing != standing || standingReasons(c.Decision) != recognition.IssuerExpelled+" "+recognition.RegionExpelled {
			t.Errorf("XA is expelled, for XA at %s: %s as of %+v, %+v", at, c.Decision.Decision, c.AsOf, c.Reasons)
		}
	}
	if a, err := n.Client("XA").Authorities(ctx); err != nil || a.AsOf.Standing != client.StandingExpelled {
		t.Errorf("XA's node lists authorities as of %+v: %v", a.AsOf, err)
	}

	b := bundleBeyond(ctx, t, n, "XB", *there.Reasons[expelledAt(t, there.Decision)].Statement)
	u, err := healthcode.Decode(code, hc1.Decoder{})
	if err != nil {
		t.Fatal(err)
	}
	offline, err := recognition.Decide([]recognition.Code{{Unverified: u}}, recognition.Query{Region: "XB", At: clock}, b.State())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprintf("%+v", told(offline)), fmt.Sprintf("%+v", told(there.Decision)); got != want {
		t.Errorf("by a bundle:\n%s, at XB:\n%s", got, want)
	}
}

// standingReasons are the names of the reasons that are about a standing, in their order.
func standingReasons(d recognition.Decision) string {
	var out []string
	for _, r := range d.Reasons {
		switch r.Name {
		case recognition.IssuerSuspended, recognition.IssuerExpelled, recognition.RegionSuspended, recognition.RegionExpelled:
			if r.Statement == nil {
				return r.Name + " rests on no statement"
			}
			out = append(out, r.Name)
		}
	}
	return strings.Join(out, " ")
}

// expelledAt is the place of the reason that refuses an expelled authority's code.
func expelledAt(t *testing.T, d recognition.Decision) int {
	t.Helper()
	i := slices.IndexFunc(d.Reasons, func(r recognition.Reason) bool { return r.Name == recognition.IssuerExpelled })
	if i < 0 {
		t.Fatalf("no reason %s: %+v", recognition.IssuerExpelled, d.Reasons)
	}
	return i
}

// told is what a decision tells, in sentences.
func told(d recognition.Decision) []string {
	out := []string{string(d.Decision)}
	for _, r := range d.Reasons {
		out = append(out, fmt.Sprintf("%s: %s", r.Name, r.Message))
	}
	return out
}

// bundleBeyond waits for a bundle of a node that has the statement at index.
func bundleBeyond(ctx context.Context, t *testing.T, n *nodetest.Network, at string, index uint64) *bundle.Bundle {
	t.Helper()
	var out *bundle.Bundle
	var fault error
	if err := nodetest.Await(ctx, "a bundle beyond the vote", func() bool {
		var file strings.Builder
		if fault = n.Client(at).Bundle(ctx, 0, &file, nil); fault != nil {
			return false
		}
		u, err := bundle.Parse([]byte(file.String()))
		if err != nil {
			t.Fatal(err)
		}
		if out, err = u.Verify(n.Doc); err != nil {
			t.Fatal(err)
		}
		return out.Size() > index
	}); err != nil {
		t.Fatalf("%v: %v", err, fault)
	}
	return out
}
