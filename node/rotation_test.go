package node_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
	"concordat/node"
	"concordat/node/nodetest"
)

// directory opens a region's directory, as it is on the disk now.
func directory(t testing.TB, n *nodetest.Network, region string) *authority.Directory {
	t.Helper()
	dir, err := authority.Open(n.NodeDir(region), nil)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// rotate has the ledger name a region's next key for a role, which is made if it
// is not there, and gives its public half.
func rotate(ctx context.Context, t *testing.T, n *nodetest.Network, region, at string, role authority.Role) ed25519.PublicKey {
	t.Helper()
	next, err := directory(t, n, region).NewNext(role)
	if err != nil {
		t.Fatal(err)
	}
	proof := statement.ProveKey(n.Doc.ID(), statement.Region(region), statement.KeyUse(role), next.Ed25519())
	v, err := n.Governor(t, region, at).Compose(ctx, &statement.RotateOwnKey{NewKey: proof}, 0)
	if err != nil {
		t.Fatal(err)
	}
	// The same bytes again: the node that is asked may be the one that starts anew.
	if err := nodetest.Await(ctx, fmt.Sprintf("a new %s key of %s", role, region), func() bool {
		_, err := n.Client(at).Submit(ctx, v.Raw(), nil, client.Final)
		var f *client.Failure
		if err != nil && (!errors.As(err, &f) || f.Name != client.HandoverPending && !f.Retriable()) {
			t.Fatalf("%s rotates its %s key: %v", region, role, err)
		}
		return err == nil
	}); err != nil {
		t.Fatal(err)
	}
	return next.Public()
}

// promoted waits until the node has moved a new key to its place.
func promoted(ctx context.Context, t *testing.T, n *nodetest.Network, region string, role authority.Role, public ed25519.PublicKey) {
	t.Helper()
	if err := nodetest.Await(ctx, fmt.Sprintf("the new %s key of %s to be in its place", role, region), func() bool {
		dir := directory(t, n, region)
		key, err := dir.Key(role)
		_, none := dir.Next(role)
		return err == nil && key.Public().Equal(public) && errors.Is(none, authority.ErrNoNext)
	}); err != nil {
		t.Fatalf("%v\n%s", err, n.Log(region).Tail(2<<10))
	}
}

// traffic is users who submit at every node, and watchers who ask each how it is,
// until it is ended.
type traffic struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	acked  map[string]uint64 // by hash
	faults []error
}

// begin begins traffic. A user sends the same bytes again where it is told that
// this may help, and signs anew where its key has been replaced since; a watcher
// takes no excuse.
func begin(ctx context.Context, t *testing.T, n *nodetest.Network) *traffic {
	t.Helper()
	tr := &traffic{acked: map[string]uint64{}}
	ctx, tr.cancel = context.WithCancel(ctx)
	for _, r := range n.Regions {
		users, err := client.New([]string{n.URL(r)}) // of one node: it is to go on by itself
		if err != nil {
			t.Fatal(err)
		}
		tr.wg.Go(func() {
			for i := 0; sleepFor(ctx, 20*time.Millisecond); i++ {
				tr.submit(ctx, t, n, users, r, fmt.Sprintf("%s-T-%d", r, i))
			}
		})
		status := n.URL(r) + "/v1/status"
		watcher := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		tr.wg.Go(func() {
			for sleepFor(ctx, 20*time.Millisecond) {
				resp, err := watcher.Get(status)
				if err == nil {
					err = resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						err = fmt.Errorf("%s answers %d", r, resp.StatusCode)
					}
				}
				if err != nil {
					err = fmt.Errorf("%s at %s: %w", r, time.Now().UTC().Format("15:04:05.000"), err)
				}
				tr.note(err)
			}
		})
	}
	return tr
}

func sleepFor(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func (tr *traffic) note(err error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if err != nil {
		tr.faults = append(tr.faults, err)
	}
}

func (tr *traffic) submit(ctx context.Context, t *testing.T, n *nodetest.Network, c *client.Client, region, area string) {
	v := n.Sign(t, region, 1, risk(area))
	for {
		s, err := c.Submit(ctx, v.Raw(), nil, client.Ordered)
		var f *client.Failure
		switch {
		case err == nil && s.Index == nil: // it denies, and is accepted: it will be ordered
		case err == nil:
			tr.mu.Lock()
			tr.acked[s.Hash] = *s.Index
			tr.mu.Unlock()
			return
		case ctx.Err() != nil:
			return
		case errors.As(err, &f) && f.Name == "unknown-key":
			v = n.Sign(t, region, 1, risk(area)) // until the new one is in its place
		case errors.As(err, &f) && (f.Retriable() || f.Status() == http.StatusGatewayTimeout):
		default:
			tr.note(fmt.Errorf("%s at %s: %w", area, region, err))
			return
		}
		sleepFor(ctx, 20*time.Millisecond)
	}
}

// end ends traffic, and holds that nothing was refused that should not be, and
// nothing that was acknowledged is lost: each node has it where it was said to be.
func (tr *traffic) end(t *testing.T, n *nodetest.Network) {
	t.Helper()
	tr.cancel()
	tr.wg.Wait()
	if len(tr.faults) > 0 {
		t.Errorf("%d faults under traffic, the first are %v", len(tr.faults), tr.faults[:min(4, len(tr.faults))])
	}
	if len(tr.acked) < 100 {
		t.Errorf("%d statements were acknowledged: that is no traffic", len(tr.acked))
	}
	same(t, n)
	for _, r := range n.Regions {
		view := n.Node(r).View()
		for hash, index := range tr.acked {
			if e, err := view.ByIndex(index); err != nil || e.Hash().String() != hash {
				t.Errorf("%s has lost statement %d: %v", r, index, err)
			}
		}
		if err := view.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// proved fetches the receipt of a statement, which is final: at another node it
// may become so a moment later.
func proved(t *testing.T, n *nodetest.Network, at string, index uint64) []byte {
	t.Helper()
	var raw []byte
	var err error
	eventually(t, fmt.Sprintf("the receipt of statement %d at %s", index, at), func() bool {
		raw, err = n.Client(at).Receipt(t.Context(), fmt.Sprint(index), false)
		var f *client.Failure
		if err != nil && (!errors.As(err, &f) || f.Name != client.NotFinal && !f.Retriable()) {
			t.Fatal(err)
		}
		return err == nil
	}, func() any { return err })
	return raw
}

// proves holds that a receipt is good for who has the genesis alone, and gives it.
func proves(t *testing.T, n *nodetest.Network, raw []byte, index uint64) receipt.Receipt {
	t.Helper()
	r, err := receipt.ParseTLogProof(raw)
	if err != nil {
		t.Fatal(err)
	}
	v, err := receipt.Verify(n.Doc, r)
	if err != nil || v.Index != index {
		t.Errorf("the receipt of statement %d, with the genesis alone: %+v, %v", index, v, err)
	}
	return r
}

func quick(_ string, c *node.Config) { c.Vouch.Refresh, c.Vouch.Seal = time.Second, time.Second }

// TestRotateKeys: every key of every validator is replaced while work goes on,
// and nobody notices but those who look at the keys.
func TestRotateKeys(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	n := nodetest.NewWith(t, quick, "XA", "XB", "XC", "XD")
	first := say(t, n, "XA", "XA", "XA-FIRST", client.Final)
	old := proved(t, n, "XA", *first.Index)
	before := n.Sign(t, "XA", 1, risk("XA-BY-THE-OLD-KEY"))
	said := n.Sign(t, "XA", 1, risk("XA-TOO-LATE"))
	tr := begin(ctx, t, n)
	ordered, err := n.Client("XA").Submit(ctx, before.Raw(), nil, client.Final)
	if err != nil {
		t.Fatal(err)
	}

	// The keys of the operator.
	next := rotate(ctx, t, n, "XA", "XB", authority.Statement)
	var f *client.Failure
	if _, err := n.Client("XC").Submit(ctx, said.Raw(), nil, client.Ordered); !errors.As(err, &f) || f.Name != "unknown-key" {
		t.Errorf("what the old statement key signs is answered %v", err)
	}
	if err := directory(t, n, "XA").Promote(authority.Statement, next); err != nil {
		t.Fatal(err)
	}
	say(t, n, "XA", "XD", "XA-BY-THE-NEW-KEY", client.Final)
	s, err := n.Client("XB").Statement(ctx, first.Hash)
	if err != nil || s.State != client.Final {
		t.Errorf("what the old key signed is %q, %v", s.State, err)
	}

	// The keys of the nodes, the one that leads included.
	for _, r := range n.Regions {
		began := time.Now()
		for _, role := range []authority.Role{authority.Cosign, authority.Node} {
			leader := n.Node(r).Status().Leader
			public := rotate(ctx, t, n, r, r, role)
			promoted(ctx, t, n, r, role, public)
			handedOver(ctx, t, n, r)
			t.Logf("%s has a new %s key (leader %s) after %v", r, role, leader, time.Since(began).Round(time.Millisecond))
		}
		whole(t, n, r)
	}

	// And who leads now, twice in a row.
	leader := n.Node("XA").Status().Leader
	for range 2 {
		promoted(ctx, t, n, leader, authority.Node, rotate(ctx, t, n, leader, leader, authority.Node))
	}
	whole(t, n, leader)

	// The key of governance, by the others.
	dir := directory(t, n, "XD")
	fresh, err := dir.NewNext(authority.Governance)
	if err != nil {
		t.Fatal(err)
	}
	decide(ctx, t, n, statement.Action{RotateKey: &statement.RotateKey{Authority: "XD",
		NewKey: statement.ProveKey(n.Doc.ID(), "XD", statement.UseGovernance, fresh.Ed25519())}}, "XA", "XB", "XC")
	handedOver(ctx, t, n, "XD")
	if err := dir.Promote(authority.Governance, fresh.Public()); err != nil {
		t.Fatal(err)
	}
	promoted(ctx, t, n, "XD", authority.Cosign, rotate(ctx, t, n, "XD", "XA", authority.Cosign)) // it governs
	handedOver(ctx, t, n, "XD")
	tr.end(t, n)

	last := say(t, n, "XA", "XC", "XA-LAST", client.Final)
	if r := proves(t, n, proved(t, n, "XB", *last.Index), *last.Index); len(r.Steps) < 2+2*len(n.Regions) {
		t.Errorf("the newest receipt has %d steps from the genesis", len(r.Steps))
	}
	proves(t, n, old, *first.Index)
	proves(t, n, proved(t, n, "XD", *ordered.Index), *ordered.Index)
	nobody(t, n)

	// From disk, with the promoted keys: one after the other, and the last then
	// needs all of them to be what the ledger says.
	for _, r := range n.Regions {
		if err := n.Stop(r); err != nil {
			t.Fatal(err)
		}
		goesOn(t, n, n.Regions[(slices.Index(n.Regions, r)+1)%4], r)
		if err := n.Start(r); err != nil {
			t.Fatal(err)
		}
		whole(t, n, r)
	}
	same(t, n)
}

// TestRotatedBeforeHandover: a node that is stopped right after its key was
// replaced, before the seal or after it, signs with both keys when it is back.
func TestRotatedBeforeHandover(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	n := nodetest.NewWith(t, quick, "XA", "XB", "XC", "XD")
	say(t, n, "XA", "XA", "XA-FIRST", client.Final)
	var was [][]byte
	for i, role := range []authority.Role{authority.Cosign, authority.Node} {
		// With XC away nobody hands over without XD, by its old key and by its new one.
		if err := n.Stop("XC"); err != nil {
			t.Fatal(err)
		}
		goesOn(t, n, "XA", "XC")
		present, err := directory(t, n, "XD").Key(role)
		if err != nil {
			t.Fatal(err)
		}
		was = append(was, present.Public())
		next, err := directory(t, n, "XD").NewNext(role)
		if err != nil {
			t.Fatal(err)
		}
		v, err := n.Governor(t, "XD", "XA").Compose(ctx, &statement.RotateOwnKey{
			NewKey: statement.ProveKey(n.Doc.ID(), "XD", statement.KeyUse(role), next.Ed25519())}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Client("XA").Submit(ctx, v.Raw(), nil, client.Ordered); err != nil {
			t.Fatal(err)
		}
		// Twice: before the seal, as far as it is quick, and after.
		for again := range 2 {
			if err := n.Stop("XD"); err != nil {
				t.Fatal(err)
			}
			if again == 1 {
				break
			}
			if err := n.Start("XD"); err != nil {
				t.Fatal(err)
			}
			if err := nodetest.Await(ctx, "the seal", func() bool {
				view := n.Node("XA").View()
				defer view.Close()
				p, pending, err := view.State().PendingHandover()
				return err == nil && (!pending || p.SealedAt != nil)
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := n.Start("XD"); err != nil {
			t.Fatal(err)
		}
		handedOver(ctx, t, n, "XD")
		promoted(ctx, t, n, "XD", role, next.Public())
		if err := n.Start("XC"); err != nil {
			t.Fatal(err)
		}
		whole(t, n, "XC")
		whole(t, n, "XD")
		index := finalAt(t, n, "XD", "XD", fmt.Sprintf("XD-%d", i))
		proves(t, n, proved(t, n, "XC", index), index)
	}
	for i, role := range []authority.Role{authority.Cosign, authority.Node} {
		if _, err := directory(t, n, "XD").KeyFor(role, was[i]); err != nil {
			t.Errorf("the former %s key: %v", role, err)
		}
	}
	if bytes.Equal(was[0], was[1]) {
		t.Error("one key for two roles")
	}
	nobody(t, n)
}

// elsewhere takes a region's next key away, as if it had been made on another
// machine, and gives what brings it.
func elsewhere(t *testing.T, n *nodetest.Network, region string, role authority.Role) (bring func()) {
	t.Helper()
	dir := directory(t, n, region)
	if _, err := dir.NewNext(role); err != nil {
		t.Fatal(err)
	}
	at, away := dir.NextPath(role), filepath.Join(t.TempDir(), "next.key")
	if err := os.Rename(at, away); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Rename(away, at); err != nil {
			t.Fatal(err)
		}
	}
}

// problem waits until a node shows a problem.
func problem(ctx context.Context, t *testing.T, n *nodetest.Network, region, name, says string) {
	t.Helper()
	if err := nodetest.Await(ctx, region+" to say "+name, func() bool {
		return slices.ContainsFunc(n.Node(region).Status().Problems, func(p client.Problem) bool {
			return p.Name == name && strings.Contains(p.Message+p.Hint, says)
		})
	}); err != nil {
		t.Fatalf("%v: %+v", err, n.Node(region).Status().Problems)
	}
}

// TestRotatedWhileDown: a node whose key was replaced while it was down, and
// which nobody speaks with as it comes back, finds that out.
func TestRotatedWhileDown(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	n := nodetest.NewWith(t, quick, "XA", "XB", "XC", "XD")
	say(t, n, "XA", "XA", "XA-FIRST", client.Final)
	back := func(public ed25519.PublicKey, area string) {
		t.Helper()
		whole(t, n, "XD")
		promoted(ctx, t, n, "XD", authority.Node, public)
		finalAt(t, n, "XD", "XD", area)
	}
	down := func() {
		t.Helper()
		if err := n.Stop("XD"); err != nil {
			t.Fatal(err)
		}
		goesOn(t, n, "XA", "XD")
	}
	up := func() {
		t.Helper()
		if err := n.Start("XD"); err != nil {
			t.Fatal(err)
		}
	}

	// The key is not here yet, and nobody can be asked.
	down()
	next, err := directory(t, n, "XD").NewNext(authority.Node)
	if err != nil {
		t.Fatal(err)
	}
	rotate(ctx, t, n, "XD", "XA", authority.Node)
	bring := elsewhere(t, n, "XD", authority.Node)
	sleepFor(ctx, node.KeyGrace+200*time.Millisecond) // else it hears of it by its old key
	up()
	problem(ctx, t, n, "XD", "isolated", "--join URL")
	bring() // it tries the key
	back(next.Public(), "XD-BY-A-GUESS")

	// The ledger says whom to ask, and the operator was quicker to move the key.
	if _, err := n.Author(t, "XA", "XA").Say(ctx, &statement.SetNode{Place: statement.Place{Addresses: directory(t, n, "XA").Descriptor().Authority.Addresses, HTTP: n.URL("XA")}}, nil, client.Final); err != nil {
		t.Fatal(err)
	}
	same(t, n)
	down()
	public := rotate(ctx, t, n, "XD", "XA", authority.Node)
	if err := directory(t, n, "XD").Promote(authority.Node, public); err != nil {
		t.Fatal(err)
	}
	sleepFor(ctx, node.KeyGrace+200*time.Millisecond)
	up()
	back(public, "XD-BY-A-BUNDLE")
	same(t, n)
	nobody(t, n)
}

// TestKeyFromElsewhere: a node whose new key is on another machine says what it
// lacks, goes on answering, and takes the key when it is there.
func TestKeyFromElsewhere(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n := nodetest.NewWith(t, quick, "XA", "XB", "XC", "XD")
	say(t, n, "XA", "XA", "XA-FIRST", client.Final)
	next, err := directory(t, n, "XB").NewNext(authority.Cosign)
	if err != nil {
		t.Fatal(err)
	}
	proof := statement.ProveKey(n.Doc.ID(), "XB", statement.UseCosign, next.Ed25519())
	bring := elsewhere(t, n, "XB", authority.Cosign)
	insistAs(ctx, t, n, "XB", "XB", &statement.RotateOwnKey{NewKey: proof})
	problem(ctx, t, n, "XB", "key-missing", "keys/next")
	say(t, n, "XB", "XB", "XB-WITHOUT-IT", client.Final)
	bring()
	promoted(ctx, t, n, "XB", authority.Cosign, next.Public())
	whole(t, n, "XB")
	nobody(t, n)
}
