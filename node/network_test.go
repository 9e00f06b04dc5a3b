package node_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"concordat/client"
	"concordat/ledger/statement"
	"concordat/node"
	"concordat/node/nodetest"
)

var clock = time.Date(2021, 9, 1, 12, 0, 0, 0, time.UTC)

func risk(area string) *statement.DeclareRisk {
	return &statement.DeclareRisk{RiskLevel: statement.RiskLevel{Area: statement.Area(area), Scheme: "default", Level: "high", From: 1_600_000_000, Lookback: 14, Refuse: true}}
}

// say declares an area at risk, in the name of a region and at a node.
func say(t *testing.T, n *nodetest.Network, region, at, area, wait string) client.Submitted {
	t.Helper()
	s, err := n.Client(at).Submit(t.Context(), n.Sign(t, region, 1, risk(area)).Raw(), nil, wait)
	if err != nil {
		t.Fatalf("%s at %s: %v", area, at, err)
	}
	return s
}

// hashes makes an attachment of n hashes.
func hashes(n int, name string) []byte {
	out := make([]statement.RevocationHash, n)
	for i := range out {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", name, i))
		out[i] = statement.RevocationHash(sum[:statement.HashSize])
	}
	return statement.NewAttachment(out)
}

// sameLedgers waits until all running nodes have one size and one root, and gives the size.
func sameLedgers(t *testing.T, n *nodetest.Network) uint64 {
	t.Helper()
	var size uint64
	if err := nodetest.Await(t.Context(), "one ledger", func() bool {
		heads := map[string]bool{}
		for _, r := range n.Regions {
			s := n.Node(r).Status()
			size = s.Size
			heads[fmt.Sprint(s.Size, s.Root)] = true
		}
		return len(heads) == 1
	}); err != nil {
		t.Fatal(err)
	}
	return size
}

// TestForwarding: every node takes statements, whoever leads; the largest do
// not keep the small ones waiting, and nobody's fault is a neighbour's.
func TestForwarding(t *testing.T) {
	n := nodetest.New(t, "XA", "XB", "XC", "XD")
	var wg sync.WaitGroup
	var mu sync.Mutex
	acked := map[uint64]string{}
	ack := func(s client.Submitted, err error) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
			t.Error(err)
		case acked[*s.Index] != "":
			t.Errorf("index %d is given twice", *s.Index)
		default:
			acked[*s.Index] = s.Hash
		}
	}
	const bulk, small, bad = 2, 40, 8
	bulkDone := make(chan struct{})
	go func() {
		defer close(bulkDone)
		var wg sync.WaitGroup
		for _, r := range n.Regions {
			for i := range bulk {
				count := 8192 // 128 KiB: heavy
				if r == "XA" && i == 0 {
					count = 65_536 // the most there can be
				}
				attachment := hashes(count, fmt.Sprint("bulk", r, i))
				v := n.Sign(t, r, 0, &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, attachment, 2_000_000_000, "bulk")})
				wg.Go(func() { ack(n.Client(r).Submit(t.Context(), v.Raw(), attachment, client.Ordered)) })
			}
		}
		wg.Wait()
	}()
	for _, r := range n.Regions {
		for i := range small {
			v := n.Sign(t, r, 1, risk(fmt.Sprintf("%s-%d", r, i)))
			wg.Go(func() { ack(n.Client(r).Submit(t.Context(), v.Raw(), nil, client.Ordered)) })
		}
		for i := range bad {
			v := n.Sign(t, r, 9, risk(fmt.Sprintf("%s-BAD-%d", r, i)))
			wg.Go(func() {
				var f *client.Failure
				if _, err := n.Client(r).Submit(t.Context(), v.Raw(), nil, client.Ordered); !errors.As(err, &f) || f.Name != "revision-conflict" || f.Status() != http.StatusConflict {
					t.Errorf("a bad one at %s: %v", r, err)
				}
			})
		}
	}
	wg.Wait()
	<-bulkDone
	if size, want := sameLedgers(t, n), uint64(len(n.Regions)*(bulk+small)); size != want || uint64(len(acked)) != want {
		t.Errorf("%d statements in the ledgers and %d acknowledged, want %d", size, len(acked), want)
	}

	// A conflict tells the same at every node: where the subject stands, and since which statement.
	first := say(t, n, "XA", "XB", "XA-CONFLICT", client.Ordered)
	second := n.Sign(t, "XA", 1, &statement.ChangeRisk{RiskLevel: risk("XA-CONFLICT").RiskLevel})
	for _, r := range n.Regions {
		var f *client.Failure
		_, err := n.Client(r).Submit(t.Context(), second.Raw(), nil, client.Ordered)
		if !errors.As(err, &f) || f.Detail["revision"] != 1.0 || f.Detail["statement"] != float64(*first.Index) {
			t.Errorf("the conflict at %s: %v with %v", r, err, f.Detail)
		}
	}
	// A linearizable check sees, at every node, what was acknowledged at another just before.
	for i, r := range n.Regions {
		said := say(t, n, "XA", n.Regions[(i+1)%4], fmt.Sprintf("XA-LIN-%d", i), client.Ordered)
		c, err := n.Client(r).Check(t.Context(), client.Check{Codes: []string{"x"}, Consistency: "linearizable", MaxAge: "10s"})
		if err != nil || c.AsOf.Size <= *said.Index {
			t.Errorf("%s knows %d statements, index %d was acknowledged: %v", r, c.AsOf.Size, *said.Index, err)
		}
	}
}

// TestLeaderStops: a leader that is stopped in order costs nobody an error.
func TestLeaderStops(t *testing.T) {
	n := nodetest.New(t, "XA", "XB", "XC")
	leader := n.Node("XA").Status().Leader
	other := n.Regions[0]
	if other == leader {
		other = n.Regions[1]
	}
	done, faults := make(chan struct{}), make(chan error, 1)
	sent := 0
	c := n.Client(other)
	go func() {
		defer close(faults)
		for {
			select {
			case <-done:
				return
			default:
			}
			v := n.Sign(t, other, 1, risk(fmt.Sprintf("%s-%d", other, sent)))
			if _, err := c.Submit(t.Context(), v.Raw(), nil, client.Ordered); err != nil {
				faults <- err
				return
			}
			sent++
		}
	}()
	if err := nodetest.Await(t.Context(), "work", func() bool { return n.Node(other).Status().Size > 20 }); err != nil {
		t.Fatal(err)
	}
	if err := n.Stop(leader); err != nil {
		t.Fatal(err)
	}
	at := n.Node(other).Status().Size
	if err := nodetest.Await(t.Context(), "more work", func() bool { return n.Node(other).Status().Size > at+20 }); err != nil {
		t.Error(err)
	}
	close(done)
	for err := range faults {
		t.Errorf("while the leader stopped: %v", err)
	}
}

// TestQuorumLoss is what is promised to a verifier and to an authority whose
// node can reach too few others.
func TestQuorumLoss(t *testing.T) {
	const maxAge = 15 * time.Second
	n := nodetest.New(t, "XA", "XB", "XC", "XD")
	n.Config = func(_ string, c *node.Config) { c.Check.MaxAge = maxAge }
	code := prepare(t, n)
	for _, r := range []string{"XC", "XD"} {
		if err := n.Stop(r); err != nil {
			t.Fatal(err)
		}
	}
	check := func(at string, q client.Check) client.CheckAnswer {
		t.Helper()
		q.At = &clock
		if len(q.Codes) == 0 {
			q.Codes = []string{code}
		}
		c, err := n.Client(at).Check(t.Context(), q)
		if err != nil {
			t.Fatalf("a check at %s: %v", at, err)
		}
		return c
	}
	if c := check("XB", client.Check{}); c.Decision.Decision != "recognized" || c.AsOf.AgeMillis < 0 {
		t.Errorf("without a quorum: %s, age %s", c.Decision.Decision, c.AsOf.Age)
	}

	// A submission that allows something is answered in bounded time, and told to
	// come again; of one that denies see TestCutOff.
	later := n.Sign(t, "XB", 1, &statement.Grant{Terms: statement.Terms{Region: "XD"}})
	began := time.Now()
	refusal, err := http.Post(n.URL("XB")+"/v1/statements", "application/cose", strings.NewReader(string(later.Raw())))
	if err != nil {
		t.Fatal(err)
	}
	refusal.Body.Close()
	if refusal.StatusCode != http.StatusServiceUnavailable || refusal.Header.Get("Retry-After") == "" {
		t.Errorf("a submission is answered %d, Retry-After %q", refusal.StatusCode, refusal.Header.Get("Retry-After"))
	}
	if took := time.Since(began); took > 9*time.Second { // patience is 6s, and noticing the loss takes up to 2s
		t.Errorf("it took %v", took)
	}
	var f *client.Failure
	again := time.Now()
	if _, err := n.Client("XB").Submit(t.Context(), later.Raw(), nil, client.Final); !errors.As(err, &f) || f.Name != client.NoQuorum || f.Hint == "" {
		t.Errorf("another is answered %v", err)
	}
	if took := time.Since(again); took > 3*time.Second {
		t.Errorf("when the loss is old, it took %v to say so", took)
	}
	if _, err := n.Client("XB").Check(t.Context(), client.Check{Codes: []string{code}, At: &clock, Consistency: "linearizable"}); !errors.As(err, &f) || f.Name != client.Stale {
		t.Errorf("a linearizable check: %v", err)
	}
	if err := n.Client("XB").Ready(t.Context()); !errors.As(err, &f) || f.Status() != http.StatusServiceUnavailable {
		t.Errorf("ready: %v", err)
	}

	// What is accepted now is a chain: each rests on the one before, and is kept in that order over a restart.
	var accepted []string
	for revision, body := range []statement.Body{
		&statement.Grant{Terms: statement.Terms{Region: "XC"}},
		&statement.Suspend{Region: "XC", Reason: "forgeries"},
		&statement.ChangeGrant{Terms: statement.Terms{Region: "XC", Reason: "review closed"}},
		&statement.Withdraw{Region: "XC", Reason: "over"},
	} {
		s, err := n.Client("XB").Submit(t.Context(), n.Sign(t, "XB", uint64(revision+1), body).Raw(), nil, client.Accepted)
		if err != nil || s.State != client.Accepted || s.Promise == "" {
			t.Fatalf("to be accepted: %+v, %v", s, err)
		}
		accepted = append(accepted, s.Hash)
	}
	if st := n.Node("XB").Status(); st.Held != len(accepted) || st.Quorum || st.Since == nil {
		t.Errorf("%d are held, want %d; quorum %v since %v", st.Held, len(accepted), st.Quorum, st.Since)
	}
	if s, err := n.Client("XB").Statement(t.Context(), accepted[2]); err != nil || s.State != client.Accepted {
		t.Errorf("one that waits is %q, %v", s.State, err)
	}

	// A restart without a quorum: the age goes on from what was known before.
	before := check("XB", client.Check{}).AsOf
	if err := n.Stop("XB"); err != nil {
		t.Fatal(err)
	}
	if err := n.Start("XB"); err != nil {
		t.Fatal(err)
	}
	c := check("XB", client.Check{})
	if c.Decision.Decision != "recognized" || c.AsOf.Size != before.Size || c.AsOf.AgeMillis < before.AgeMillis {
		t.Errorf("after a restart: %s, size %d, age %s; before it %d and %s", c.Decision.Decision, c.AsOf.Size, c.AsOf.Age, before.Size, before.Age)
	}
	// Beyond the bound nothing is passed off as fresh, but a code's own faults stay what they are.
	if err := nodetest.Await(t.Context(), "the bound", func() bool {
		c := check("XB", client.Check{})
		return c.Decision.Decision == "undetermined" && c.AsOf.AgeMillis >= maxAge.Milliseconds()
	}); err != nil {
		t.Fatal(err)
	}
	if c := check("XB", client.Check{Codes: []string{"HC1:NOTHING"}}); c.Decision.Decision != "refused" {
		t.Errorf("beyond the bound, what is no code is %s", c.Decision.Decision)
	}

	// They return: everything goes on, and what was accepted is ordered, once and in order.
	for _, r := range []string{"XC", "XD"} {
		if err := n.Start(r); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := n.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if err := nodetest.Await(ctx, "the promises to be kept", func() bool { return n.Node("XB").Status().Held == 0 }); err != nil {
		t.Fatal(err)
	}
	size := sameLedgers(t, n)
	for _, r := range n.Regions {
		all, err := n.Client(r).Statements(ctx, client.Filter{Limit: 1000})
		if err != nil || uint64(len(all.Statements)) != size {
			t.Fatalf("%s lists %d of %d: %v", r, len(all.Statements), size, err)
		}
		var order []string
		for _, s := range all.Statements {
			for _, h := range accepted {
				if s.Hash == h {
					order = append(order, h)
				}
			}
		}
		if fmt.Sprint(order) != fmt.Sprint(accepted) {
			t.Errorf("%s has the accepted ones as %v, want %v", r, order, accepted)
		}
	}
	// What lifts, and how fresh all this is, counts once a quorum has vouched for it.
	if err := nodetest.Await(ctx, "a code to be recognized in the end", func() bool {
		return check("XB", client.Check{}).Decision.Decision == "recognized"
	}); err != nil {
		t.Error(err)
	}
	say(t, n, "XB", "XB", "XB-IN-THE-END", client.Ordered)
}
