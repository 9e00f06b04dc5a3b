package node_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/healthcode"
	"concordat/healthcode/hc1"
	"concordat/ledger"
	"concordat/ledger/statement"
	"concordat/node"
	"concordat/node/nodetest"
	"concordat/recognition"
)

// revocation revokes a code by one of its hashes, in the name of a region.
func revocation(t *testing.T, n *nodetest.Network, region, code string) (*statement.Verified, []byte) {
	t.Helper()
	u, err := healthcode.Decode(code, hc1.Decoder{})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range u.RevocationHashes() {
		if h.Type == healthcode.HashSignature {
			attachment := statement.NewAttachment([]statement.RevocationHash{statement.RevocationHash(h.Hash)})
			batch := statement.NewBatch(statement.HashSignature, attachment, 2_000_000_000, "issued in error")
			return n.Sign(t, region, 0, &statement.Revoke{Batch: batch}), attachment
		}
	}
	t.Fatal("the code has no hash of its signature")
	return nil, nil
}

// pendingReason finds a reason that rests on a statement which is not ordered.
func pendingReason(c client.CheckAnswer, name string) (recognition.Reason, bool) {
	i := slices.IndexFunc(c.Reasons, func(r recognition.Reason) bool { return r.Name == name && r.Pending })
	if i < 0 {
		return recognition.Reason{}, false
	}
	return c.Reasons[i], true
}

func problemNamed(s client.Status, name string) (client.Problem, bool) {
	i := slices.IndexFunc(s.Problems, func(p client.Problem) bool { return p.Name == name })
	if i < 0 {
		return client.Problem{}, false
	}
	return s.Problems[i], true
}

// TestCutOff is what is promised to a region that has lost the others: what its
// authority says urgently counts at once, here and at whomever this node still
// reaches, over a restart, and is ordered once when the others are back.
func TestCutOff(t *testing.T) {
	n := nodetest.NewWith(t, func(_ string, c *node.Config) { c.Order.CensorAfter = time.Second }, "XA", "XB", "XC", "XD")
	code := prepare(t, n)
	for _, r := range []string{"XC", "XD"} {
		if err := n.Stop(r); err != nil {
			t.Fatal(err)
		}
	}
	check := func(at string) client.CheckAnswer {
		t.Helper()
		c, err := n.Client(at).Check(t.Context(), client.Check{Codes: []string{code}, At: &clock})
		if err != nil {
			t.Fatalf("a check at %s: %v", at, err)
		}
		return c
	}
	before := check("XA")
	if before.Decision.Decision != "recognized" || before.AsOf.Pending != 0 {
		t.Fatalf("before anything is revoked: %s, %+v", before.Decision.Decision, before.AsOf)
	}

	revoke, attachment := revocation(t, n, "XA", code)
	began := time.Now()
	s, err := n.Client("XA").Submit(t.Context(), revoke.Raw(), attachment, client.Final)
	if err != nil || s.State != client.Accepted || !s.InForce || s.Index != nil || !strings.Contains(s.Note, "in force at this node") {
		t.Fatalf("a revocation without a quorum: %+v, %v", s, err)
	}
	if took := time.Since(began); took > 9*time.Second { // patience is 6s, and noticing the loss takes up to 2s
		t.Errorf("it took %v", took)
	}
	promise, err := client.ParsePromise(s.Promise)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := n.Doc.Authority("XA")
	if err := promise.Verify(n.Doc.ID(), revoke.Hash(), a.Keys.Node.Public()); err != nil {
		t.Error(err)
	}
	refused := func(at string) (client.CheckAnswer, bool) {
		c := check(at)
		r, is := pendingReason(c, recognition.Revoked)
		return c, is && r.Hash == s.Hash && r.Statement == nil && c.Decision.Decision == recognition.Refused && c.AsOf.Pending > 0
	}
	if c, is := refused("XA"); !is {
		t.Errorf("at once it is %s, as of %+v: %+v", c.Decision.Decision, c.AsOf, c.Reasons)
	} else if c.AsOf.Size != before.AsOf.Size || c.AsOf.AgeMillis <= before.AsOf.AgeMillis {
		t.Errorf("what is known of the others is as of %+v, before it %+v", c.AsOf, before.AsOf)
	}
	// The same again changes nothing, and gives the same promise; now that the
	// loss is known there is no wait.
	began = time.Now()
	if again, err := n.Client("XA").Submit(t.Context(), revoke.Raw(), attachment, client.Ordered); err != nil || again.Promise != s.Promise {
		t.Errorf("the same again: %+v, %v", again, err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the same again took %v", took)
	}

	// XB, which XA reaches, has it too, and lists who promised it.
	if err := nodetest.Await(t.Context(), "XB to enforce it", func() bool { _, is := refused("XB"); return is }); err != nil {
		t.Fatal(err)
	}
	if err := nodetest.Await(t.Context(), "both to know that both hold it", func() bool {
		for _, r := range []string{"XA", "XB"} {
			list, err := n.Client(r).Pending(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(list.Pending) != 1 {
				return false
			}
			p := list.Pending[0]
			if p.Hash != s.Hash || p.Kind != "revocation.add" || p.Authority != "XA" || !p.Urgent || !p.InForce || fmt.Sprint(p.PromisedBy, p.KnownTo) != "[XA XB] [XA XB]" {
				return false
			}
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}

	// Two words on one area, each in force where it was said: one of them will be refused.
	level := risk("XA-AREA").RiskLevel
	high := n.Sign(t, "XA", 1, &statement.DeclareRisk{RiskLevel: level})
	level.Level = "severe"
	severe := n.Sign(t, "XA", 1, &statement.DeclareRisk{RiskLevel: level})
	for at, v := range map[string]*statement.Verified{"XA": high, "XB": severe} {
		if s, err := n.Client(at).Submit(t.Context(), v.Raw(), nil, client.Ordered); err != nil || s.State != client.Accepted || !s.InForce {
			t.Fatalf("a risk area at %s: %+v, %v", at, s, err)
		}
	}

	// A restart loses nothing, and a check finds it in force from the first on.
	if err := n.Stop("XA"); err != nil {
		t.Fatal(err)
	}
	if err := n.Start("XA"); err != nil {
		t.Fatal(err)
	}
	if c, is := refused("XA"); !is {
		t.Errorf("after a restart it is %s, as of %+v", c.Decision.Decision, c.AsOf)
	}
	// Nobody leaves anything out: there is nobody to order it.
	for _, r := range []string{"XA", "XB"} {
		st := n.Node(r).Status()
		if p, is := problemNamed(st, "censored"); is || st.Pending.Censored > 0 || len(st.Pending.CensoredBy) > 0 {
			t.Errorf("without a quorum %s suspects: %+v, %+v", r, p, st.Pending)
		}
	}

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
	if err := nodetest.Await(ctx, "nothing to wait anywhere", func() bool {
		return !slices.ContainsFunc(n.Regions, func(r string) bool {
			st := n.Node(r).Status()
			return st.Held != 0 || st.Pending.Known != 0 || st.Pending.InForce != 0
		})
	}); err != nil {
		t.Fatal(err)
	}
	size := sameLedgers(t, n)
	all, err := n.Client("XD").Statements(ctx, client.Filter{Limit: 1000})
	if err != nil || uint64(len(all.Statements)) != size {
		t.Fatalf("XD lists %d of %d: %v", len(all.Statements), size, err)
	}
	times := map[string]int{}
	for _, st := range all.Statements {
		times[st.Hash]++
	}
	if times[s.Hash] != 1 || times[high.Hash().String()]+times[severe.Hash().String()] != 1 {
		t.Errorf("ordered are %v", times)
	}
	lost := high.Hash().String()
	if times[lost] > 0 {
		lost = severe.Hash().String()
	}
	told := 0
	for _, r := range []string{"XA", "XB"} {
		if st, err := n.Client(r).Statement(ctx, lost); err == nil && st.State == client.Refused && st.Refusal != nil {
			told++
		}
	}
	if told == 0 {
		t.Error("nobody tells what became of the statement that was refused")
	}
	for _, r := range n.Regions {
		c := check(r)
		if _, is := pendingReason(c, recognition.Revoked); is || c.Decision.Decision != recognition.Refused || c.AsOf.Pending != 0 {
			t.Errorf("in the end %s says %s, as of %+v", r, c.Decision.Decision, c.AsOf)
		}
	}
}

// TestUrgentWithoutRoom: what cannot be held is not in force, and nothing is
// promised: the answer is an error, and another authority still has its room.
func TestUrgentWithoutRoom(t *testing.T) {
	n := nodetest.NewWith(t, func(_ string, c *node.Config) {
		node.OnLedger(c, func(o *ledger.Options) { o.HeldStatementsEach = 1 })
	}, "XA", "XB")
	if err := n.Stop("XB"); err != nil {
		t.Fatal(err)
	}
	submit := func(by, area string) (client.Submitted, error) {
		return n.Client("XA").Submit(t.Context(), n.Sign(t, by, 1, risk(area)).Raw(), nil, client.Ordered)
	}
	if s, err := submit("XA", "XA-1"); err != nil || !s.InForce {
		t.Fatalf("the first: %+v, %v", s, err)
	}
	var f *client.Failure
	if s, err := submit("XA", "XA-2"); !errors.As(err, &f) || f.Name != client.Busy || s.Promise != "" {
		t.Errorf("one more than there is room for: %+v, %v", s, err)
	}
	if s, err := submit("XB", "XB-1"); err != nil || !s.InForce {
		t.Errorf("of another authority: %+v, %v", s, err)
	}
	if st := n.Node("XA").Status(); st.Held != 2 || n.Node("XA").Waiting().AsOf.Size != st.Size || len(n.Node("XA").Waiting().Pending) != 2 {
		t.Errorf("%d are held, and listed are %+v", st.Held, n.Node("XA").Waiting())
	}
}

// TestUrgentForged: what no authority signed is in force nowhere, and what its
// authority may not say is refused at once.
func TestUrgentForged(t *testing.T) {
	n := nodetest.New(t, "XA", "XB")
	if err := n.Stop("XB"); err != nil {
		t.Fatal(err)
	}
	other, err := nodetest.Found(t.TempDir(), "XA", "XB")
	if err != nil {
		t.Fatal(err)
	}
	other.Doc = n.Doc
	var f *client.Failure
	forged := other.Sign(t, "XA", 1, risk("XA-1"))
	if s, err := n.Client("XA").Submit(t.Context(), forged.Raw(), nil, client.Final); !errors.As(err, &f) || f.Name != "unknown-key" {
		t.Errorf("another's signature: %+v, %v", s, err)
	}
	unknown := n.Sign(t, "XA", 1, &statement.CompromiseKey{Key: statement.Thumbprint{1}, Since: 1, Reason: "stolen"})
	if s, err := n.Client("XA").Submit(t.Context(), unknown.Raw(), nil, client.Final); !errors.As(err, &f) {
		t.Errorf("a key that is not there: %+v, %v", s, err)
	}
	if st := n.Node("XA").Status(); st.Held != 0 || st.Pending.InForce != 0 {
		t.Errorf("of these %d are held and %d in force", st.Held, st.Pending.InForce)
	}
}
