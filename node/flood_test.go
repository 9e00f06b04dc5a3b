package node_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"concordat/client"
	"concordat/node"
	"concordat/node/nodetest"
)

// TestFlood: an authority that says more than its quota is told when to come
// back, at the node that it floods and, where it floods through several, by the
// leader; nobody else is kept from anything, and nobody can use up another's.
func TestFlood(t *testing.T) {
	const quota = 5
	n := nodetest.NewWith(t, func(_ string, c *node.Config) { c.Limits.QuotaStatements = quota }, "XA", "XB", "XC")
	leader := n.Node("XA").Status().Leader
	var others []string
	for _, r := range n.Regions {
		if r != leader {
			others = append(others, r)
		}
	}
	said := 0
	submit := func(by, at string) error {
		t.Helper()
		said++
		_, err := n.Client(at).Submit(t.Context(), n.Sign(t, by, 1, risk(fmt.Sprintf("XA-%d", said))).Raw(), nil, client.Ordered)
		return err
	}
	// What somebody else signed in XA's name uses up nothing of XA's.
	other, err := nodetest.Found(t.TempDir(), n.Regions...)
	if err != nil {
		t.Fatal(err)
	}
	other.Doc = n.Doc
	for i := range 2 * quota {
		var f *client.Failure
		if _, err := n.Client(others[0]).Submit(t.Context(), other.Sign(t, "XA", 1, risk(fmt.Sprintf("XA-F%d", i))).Raw(), nil, client.Ordered); !errors.As(err, &f) || f.Name != "unknown-key" {
			t.Fatalf("forged: %v", err)
		}
	}
	for i := range quota {
		if err := submit("XA", others[0]); err != nil {
			t.Fatalf("statement %d of %d: %v", i, quota, err)
		}
	}
	over := func(what string, err error) {
		t.Helper()
		var f *client.Failure
		again := 0.0
		if errors.As(err, &f) {
			again, _ = f.Detail["retryAfter"].(float64)
		}
		if f == nil || f.Name != client.QuotaExceeded || f.Status() != http.StatusTooManyRequests || again < 1 || again > 60/quota || f.Hint == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	over("one more at the same node", submit("XA", others[0]))
	over("one more at another node, which the leader refuses", submit("XA", others[1]))
	for _, r := range n.Regions {
		if err := submit("XB", r); err != nil {
			t.Errorf("another authority at %s: %v", r, err)
		}
	}

	resp, err := http.Post(n.URL(others[0])+"/v1/statements", "application/cose", bytes.NewReader(n.Sign(t, "XA", 1, risk("XA-LAST")).Raw()))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
		t.Errorf("it is answered %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	limits := n.Node(others[0]).Status().Limits
	i := slices.IndexFunc(limits.Usage, func(u client.Usage) bool { return u.Authority == "XA" })
	if i < 0 || limits.Statements != quota || limits.Window != "1m0s" || limits.Usage[i].Refused != 2 || limits.Usage[i].Statements == 0 {
		t.Errorf("the status shows %+v", limits)
	}
	if at := n.Node(leader).Status().Limits; !slices.ContainsFunc(at.Usage, func(u client.Usage) bool { return u.Authority == "XA" && u.Refused == 1 }) {
		t.Errorf("the leader's status shows %+v", at)
	}
}

// TestAgainCostsNothing: what is in the ledger, or held, is public, and whoever
// sends it again, however often, uses up nothing of its authority's quota.
func TestAgainCostsNothing(t *testing.T) {
	const quota = 4
	n := nodetest.NewWith(t, func(_ string, c *node.Config) { c.Limits.QuotaStatements = quota }, "XA", "XB", "XC")
	used := func(at string) int {
		for _, u := range n.Node(at).Status().Limits.Usage {
			if u.Authority == "XA" {
				return u.Statements
			}
		}
		return 0
	}
	first := n.Sign(t, "XA", 1, risk("XA-1"))
	said, err := n.Client("XA").Submit(t.Context(), first.Raw(), nil, client.Final)
	if err != nil {
		t.Fatal(err)
	}
	again := func(wait string) {
		t.Helper()
		for i := range 3 * quota {
			at := n.Regions[i%len(n.Regions)]
			if n.Node(at).FinalSize() <= *said.Index { // it is not in this one's ledger yet, perhaps
				at = "XA"
			}
			got, err := n.Client(at).Submit(t.Context(), first.Raw(), nil, wait)
			if err != nil || !got.Known || got.Index == nil || *got.Index != *said.Index || got.State != client.Final {
				t.Fatalf("sent again at %s, time %d: %+v, %v", at, i, got, err)
			}
		}
	}
	again(client.Ordered)
	if u := used("XA"); u > 1 {
		t.Errorf("one statement sent again used up %d", u)
	}

	for _, r := range []string{"XB", "XC"} {
		if err := n.Stop(r); err != nil {
			t.Fatal(err)
		}
	}
	n.Regions = n.Regions[:1]
	again(client.Final) // without a quorum, too
	waits := n.Sign(t, "XA", 1, risk("XA-2"))
	promise := ""
	for i := range 3 * quota {
		got, err := n.Client("XA").Submit(t.Context(), waits.Raw(), nil, client.Accepted)
		if err != nil || got.State != client.Accepted || i > 0 && got.Promise != promise {
			t.Fatalf("held, and sent again, time %d: %+v, %v", i, got, err)
		}
		promise = got.Promise
	}
	if u := used("XA"); u > 2 {
		t.Errorf("two statements sent again used up %d", u)
	}
}
