package node_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"concordat/client"
	"concordat/client/audit"
	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/bundle"
	"concordat/ledger/statement"
	"concordat/node"
	"concordat/node/nodetest"
)

// eventually waits for up to a minute until a condition holds, and fails with
// what says why it does not.
func eventually(t *testing.T, what string, holds func() bool, why func() any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for nodetest.Await(ctx, what, holds) != nil {
		if ctx.Err() != nil {
			t.Fatalf("waiting for %s: %v", what, why())
		}
	}
}

// finalAt submits until a statement is final, whoever leads by then.
func finalAt(t *testing.T, n *nodetest.Network, by, at, area string) uint64 {
	t.Helper()
	raw := n.Sign(t, by, 1, risk(area)).Raw()
	var s client.Submitted
	var err error
	eventually(t, area+" to be final", func() bool {
		s, err = n.Client(at).Submit(t.Context(), raw, nil, client.Final)
		return err == nil && s.State == client.Final
	}, func() any { return fmt.Sprint(s, err, n.Node(at).Status().Problems) })
	return *s.Index
}

// same waits until all running nodes have one ledger, all of it final.
func same(t *testing.T, n *nodetest.Network) {
	t.Helper()
	var heads []string
	eventually(t, "one ledger, all of it final", func() bool {
		heads = nil
		for _, r := range n.Regions {
			if one := n.Node(r); one != nil {
				s := one.Status()
				heads = append(heads, fmt.Sprint(s.Size, s.Root, s.Final.Size, s.Final.Root))
				if s.Final.Size != s.Size {
					return false
				}
			}
		}
		return len(slices.Compact(slices.Clone(heads))) == 1
	}, func() any { return heads })
}

// whole waits until a node takes part in everything: it votes, vouches, and its
// word is under what is certified of all that anybody has by now.
func whole(t *testing.T, n *nodetest.Network, region string) {
	t.Helper()
	var size uint64
	for _, r := range n.Regions {
		if one := n.Node(r); one != nil {
			size = max(size, one.Status().Size)
		}
	}
	eventually(t, region+" to take part in everything", func() bool {
		s := n.Node(region).Status()
		return n.Node(region).Ready() == nil && s.Vouching && len(s.Problems) == 0 && s.CatchingUp == nil && s.Final.Size >= size && slices.Contains(s.Final.Cosigners, region)
	}, func() any { return fmt.Sprintf("%+v", n.Node(region).Status()) })
}

// goesOn waits until the others have a leader after a node has stopped.
func goesOn(t *testing.T, n *nodetest.Network, at, without string) {
	t.Helper()
	eventually(t, "the order to go on", func() bool {
		s := n.Node(at).Status()
		return s.Quorum && s.Leader != "" && s.Leader != without
	}, func() any { return fmt.Sprintf("%+v", n.Node(at).Status()) })
}

// nobody holds that no validator is accused of anything, anywhere.
func nobody(t *testing.T, n *nodetest.Network) {
	t.Helper()
	for _, r := range n.Regions {
		if one := n.Node(r); one != nil {
			if e := one.Status().Evidence; len(e) != 0 {
				t.Errorf("%s accuses %+v", r, e)
			}
		}
	}
}

// write submits many statements of a region at once, and batches of revocations
// of which half have expired. It gives the digests of those that live, and of
// those that have expired.
func write(t *testing.T, n *nodetest.Network, by, at string, many int) (alive, expired [][32]byte) {
	t.Helper()
	var wg sync.WaitGroup
	c := n.Client(at)
	send := func(v *statement.Verified, attachment []byte) {
		wg.Go(func() {
			if _, err := c.Submit(t.Context(), v.Raw(), attachment, client.Ordered); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range many {
		send(n.Sign(t, by, 1, risk(fmt.Sprintf("%s-%s-%d", by, at, i))), nil)
	}
	for i := range 6 {
		a := hashes(100+i, fmt.Sprint("write", by, at, i))
		expires := statement.Time(2_000_000_000)
		if i%2 == 0 {
			expires = 1_650_000_000
			expired = append(expired, sha256.Sum256(a))
		} else {
			alive = append(alive, sha256.Sum256(a))
		}
		send(n.Sign(t, by, 0, &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, a, expires, "lost")}), a)
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return alive, expired
}

// has tells which of the attachments a node has.
func has(t *testing.T, n *nodetest.Network, region string, digests [][32]byte) (out []bool) {
	t.Helper()
	v := n.Node(region).View()
	defer v.Close()
	for _, d := range digests {
		_, err := v.Attachment(d)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			t.Fatal(err)
		}
		out = append(out, err == nil)
	}
	return out
}

// sealed tells of a node's bundle: its size and its roots, verified.
func sealed(t *testing.T, n *nodetest.Network, region string) string {
	t.Helper()
	var file strings.Builder
	if err := n.Client(region).Bundle(t.Context(), 0, &file, nil); err != nil {
		return err.Error()
	}
	u, err := bundle.Parse([]byte(file.String()))
	if err != nil {
		t.Fatal(err)
	}
	b, err := u.Verify(n.Doc)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %x %x", b.Size(), b.Seal().Records, b.Seal().Revoked)
}

// remove deletes some of what is in an authority's directory.
func remove(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// copyTree copies a file, or a directory and all that is below it.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		err = os.CopyFS(to, os.DirFS(from))
	} else {
		var b []byte
		if b, err = os.ReadFile(from); err == nil {
			err = os.WriteFile(to, b, 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestWiped: a node whose disk was lost becomes a full replica by being started
// and nothing else, and is one: when another stops then, its vote and its
// co-signature are what work goes on with.
func TestWiped(t *testing.T) {
	for _, c := range []struct {
		name string
		lost []string
	}{
		{"the data", []string{"data"}},
		{"all but the keys and the genesis", []string{"data", "signer", "signer.lock", "founded", "witnessed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := nodetest.NewWith(t, func(_ string, c *node.Config) { c.Vouch.Seal, c.Vouch.Refresh = time.Second, time.Second }, "XA", "XB", "XC", "XD")
			wiped(t, n, "XC", c.lost)
		})
	}
}

func wiped(t *testing.T, n *nodetest.Network, region string, lost []string) {
	const at = "XA"
	finalAt(t, n, at, at, "XA-BEFORE")
	if err := n.Stop(region); err != nil {
		t.Fatal(err)
	}
	remove(t, n.NodeDir(region), lost...)
	// While it is away: more than a tile, live batches and expired ones, and those erased.
	goesOn(t, n, at, region)
	alive, expired := write(t, n, at, at, 300)
	same(t, n) // what is not final yet it would be sent by the leader, attachments and all
	for _, r := range n.Regions {
		if n.Node(r) == nil {
			continue
		}
		eventually(t, "the expired to be erased at "+r, func() bool {
			if _, err := node.EraseNow(n.Node(r)); err != nil {
				t.Fatal(err)
			}
			return !slices.Contains(has(t, n, r, expired), true)
		}, func() any { return fmt.Sprint(has(t, n, r, expired), n.Node(r).Status().Seal) })
	}

	if err := n.Start(region); err != nil {
		t.Fatal(err)
	}
	whole(t, n, region)
	same(t, n)
	if got := has(t, n, region, alive); slices.Contains(got, false) {
		t.Errorf("of the live attachments it has %v", got)
	}
	if got := has(t, n, region, expired); slices.Contains(got, true) {
		t.Errorf("of the erased attachments it has %v", got)
	}
	if log := n.Log(region).String(); !strings.Contains(log, "catching up with the others") || !strings.Contains(log, "caught up with the others") {
		t.Error("it did not catch up")
	}
	// It serves the whole log, and makes the bundles that the others make.
	source, err := audit.HTTP(n.URL(region), nil)
	if err != nil {
		t.Fatal(err)
	}
	report, err := audit.Run(t.Context(), audit.Config{Genesis: n.Doc, Source: source})
	if err != nil || report.Batches.Erased != uint64(len(expired)) || report.Batches.Absent != 0 || report.Batches.Verified != uint64(len(alive)) {
		t.Errorf("its audit: %+v, %v", report, err)
	}
	var bundles []string
	eventually(t, "the same bundle from all", func() bool {
		bundles = nil
		for _, r := range n.Regions {
			bundles = append(bundles, sealed(t, n, r))
		}
		return len(slices.Compact(slices.Clone(bundles))) == 1
	}, func() any { return bundles })

	// Another stops, the one that leads: without the vote of the one that was
	// wiped nobody could follow it, and without its co-signature nothing were final.
	leader := n.Node(region).Status().Leader
	if leader == region || leader == "" {
		leader = at
	}
	if err := n.Stop(leader); err != nil {
		t.Fatal(err)
	}
	finalAt(t, n, "XB", region, "XB-WITHOUT-ONE")
	if err := n.Start(leader); err != nil {
		t.Fatal(err)
	}
	whole(t, n, leader)
	same(t, n)
	nobody(t, n)
}

// TestLogCut: a node that was down until the others had cut their logs goes on
// by itself once it is started, with its vote.
func TestLogCut(t *testing.T) {
	t.Parallel()
	n := nodetest.NewWith(t, func(_ string, c *node.Config) {
		c.Vouch.Refresh = time.Second
		node.OnOrder(c, func(o *consensus.Config) { o.AnchorEvery, o.KeepLogEntries = 20, 10 })
	}, "XA", "XB", "XC", "XD")
	finalAt(t, n, "XA", "XA", "XA-BEFORE")
	if err := n.Stop("XC"); err != nil {
		t.Fatal(err)
	}
	goesOn(t, n, "XA", "XC")
	for i := range 80 { // one after another: each is a block
		finalIf := client.Ordered
		if i%20 == 19 {
			finalIf = client.Final // so that there is something to cut
		}
		say(t, n, "XA", "XA", fmt.Sprintf("XA-CUT-%d", i), finalIf)
	}
	same(t, n)
	if err := n.Start("XC"); err != nil {
		t.Fatal(err)
	}
	whole(t, n, "XC")
	same(t, n)
	if log := n.Log("XC").String(); !strings.Contains(log, "the others' log begins after its own ends") || !strings.Contains(log, "caught up with the others") {
		t.Error("the others had kept their logs")
	}
	if err := n.Stop("XD"); err != nil {
		t.Fatal(err)
	}
	finalAt(t, n, "XC", "XC", "XC-AGAIN")
	nobody(t, n)
}

// TestKeepsItsWord: whatever of a node's files is an older copy, it contradicts
// nothing that it has said, and goes on.
func TestKeepsItsWord(t *testing.T) {
	t.Parallel()
	n := nodetest.NewWith(t, func(_ string, c *node.Config) { c.Vouch.Refresh = time.Second }, "XA", "XB", "XC", "XD")
	const region = "XB"
	dir, backup := n.NodeDir(region), t.TempDir()
	finalAt(t, n, "XA", "XA", "XA-FIRST")
	whole(t, n, region)
	if err := n.Stop(region); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"data", "signer"} {
		copyTree(t, filepath.Join(dir, name), filepath.Join(backup, name))
	}
	if err := n.Start(region); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		name  string
		older []string // what is put back
	}{
		{"nothing", nil},
		{"the signer file", []string{"signer"}},
		{"the ledger", []string{"data/ledger"}},
		{"the order's log", []string{"data/raft"}},
		{"ledger and log", []string{"data"}},
		{"everything", []string{"data", "signer"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			finalAt(t, n, "XA", region, fmt.Sprintf("XA-MORE-%d", i)) // of which the copies do not know
			whole(t, n, region)
			if err := n.Stop(region); err != nil {
				t.Fatal(err)
			}
			for _, name := range c.older {
				remove(t, dir, name)
				copyTree(t, filepath.Join(backup, name), filepath.Join(dir, name))
			}
			if err := n.Start(region); err != nil {
				t.Fatal(err)
			}
			finalAt(t, n, "XA", "XA", fmt.Sprintf("XA-AFTER-%d", i))
			whole(t, n, region)
			same(t, n)
			nobody(t, n)
		})
		if t.Failed() {
			return
		}
	}
}
