package testnet

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"concordat/client/audit"
	"concordat/ledger/bundle"
	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
)

// notes collects the certified checkpoints that the nodes of a network show,
// all the while, as a monitor outside does that has nothing but the genesis. It
// complains of a note that a quorum did not co-sign, of two roots for one size,
// and of a node that takes back what it has shown.
type notes struct {
	doc *genesis.Document
	vs  checkpoint.Validators

	mu     sync.Mutex
	roots  map[uint64]merkle.Hash // of every size that was certified
	newest map[string]uint64      // size by region
	wiped  map[string]int         // how often, by region
	shown  int
	faults []error
	// Where the validators change: what is still to be judged, by who they were at
	// that size. Nil where they do not.
	later  map[string]unjudged
	judged map[string]bool

	ctx context.Context
	wg  sync.WaitGroup
}

// unjudged is a note, and the node that has shown it.
type unjudged struct {
	note   *checkpoint.Note
	region string
}

// monitor starts to collect, until the test ends.
func monitor(t *testing.T, net *Network) *notes {
	t.Helper()
	return collect(t, net, &notes{})
}

// monitorChanges does so where the validators change: who may certify is told by
// judge, which the test calls.
func monitorChanges(t *testing.T, net *Network) *notes {
	t.Helper()
	return collect(t, net, &notes{later: map[string]unjudged{}, judged: map[string]bool{}})
}

func collect(t *testing.T, net *Network, n *notes) *notes {
	t.Helper()
	raw, err := os.ReadFile(net.Genesis)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := genesis.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	n.doc, n.vs = doc, receipt.FoundingValidators(doc)
	n.roots, n.newest, n.wiped = map[uint64]merkle.Hash{}, map[string]uint64{}, map[string]int{}
	var cancel context.CancelFunc
	n.ctx, cancel = context.WithCancel(t.Context())
	for _, node := range net.Nodes {
		n.watch(node)
	}
	t.Cleanup(func() {
		cancel()
		n.wg.Wait()
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, err := range n.faults {
			t.Error(err)
		}
		t.Logf("%d checkpoints were shown, of %d sizes up to %d", n.shown, len(n.roots), n.largestLocked())
	})
	return n
}

// watch looks at one more node from now on, as it is now: one that moves is
// watched anew.
func (n *notes) watch(node *Node) {
	at := *node // its address, where its owner may change that
	n.wg.Go(func() {
		for n.ctx.Err() == nil {
			// That a node does not answer is what these tests are about.
			_, _ = n.look(n.ctx, &at)
			select {
			case <-n.ctx.Done():
			case <-time.After(25 * time.Millisecond):
			}
		}
	})
}

// look takes the checkpoint that a node shows now, and gives its size.
func (n *notes) look(ctx context.Context, node *Node) (uint64, error) {
	n.mu.Lock()
	least, wiped := n.newest[node.Region], n.wiped[node.Region]
	n.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	raw, err := sourceOf(node).Checkpoint(ctx)
	if err != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		if errors.Is(err, fs.ErrNotExist) && least > 0 && n.wiped[node.Region] == wiped {
			n.faults = append(n.faults, fmt.Errorf("%s shows no checkpoint, and has shown size %d", node.Region, least))
		}
		return 0, err
	}
	note, err := checkpoint.ParseNote(raw)
	if err != nil {
		n.fault(fmt.Errorf("%s shows no note: %w", node.Region, err))
		return 0, err
	}
	c := note.Checkpoint
	n.mu.Lock()
	defer n.mu.Unlock()
	n.shown++
	if n.later != nil {
		if !n.judged[string(raw)] {
			n.later[string(raw)] = unjudged{note, node.Region}
		}
	} else if _, err := note.Certify(n.vs); err != nil || c.Origin != n.doc.Network {
		err = fmt.Errorf("%s shows a note of the log %q that proves nothing: %w", node.Region, c.Origin, err)
		n.faults = append(n.faults, err)
		return 0, err
	}
	if root, known := n.roots[c.Size]; known && root != c.Root {
		n.faults = append(n.faults, fmt.Errorf("two certified checkpoints conflict: size %d has root %x and, at %s, %x", c.Size, root, node.Region, c.Root))
	}
	n.roots[c.Size] = c.Root
	if n.wiped[node.Region] != wiped {
		return c.Size, nil
	}
	if c.Size < least {
		n.faults = append(n.faults, fmt.Errorf("%s shows size %d, and has shown %d", node.Region, c.Size, least))
	}
	n.newest[node.Region] = max(n.newest[node.Region], c.Size)
	return c.Size, nil
}

// judge verifies all notes that were shown so far with those who certify at their
// size, as a bundle of that node proves it, which the genesis alone verifies.
func (n *notes) judge(ctx context.Context, node *Node) error {
	size := n.largest()
	var proved *bundle.Bundle
	var last error
	if err := waitFor(ctx, fmt.Sprintf("a bundle of %s that covers size %d", node.Region, size), func() bool {
		var raw bytes.Buffer
		if last = node.Client().Bundle(ctx, 0, &raw, nil); last != nil {
			return false
		}
		var u *bundle.Unverified
		if u, last = bundle.Parse(raw.Bytes()); last != nil {
			return false
		}
		proved, last = u.Verify(n.doc)
		// A bundle's seal is the statement after those that it covers, and changes nobody.
		return last == nil && proved.Size()+1 >= size
	}); err != nil {
		return errors.Join(err, last)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for raw, l := range n.later {
		at := l.note.Checkpoint.Size
		if at > proved.Size()+1 {
			continue // shown since
		}
		e, err := proved.State().ElectorateAt(at)
		if err == nil {
			_, err = l.note.CertifyBy(e)
		}
		if err != nil {
			return fmt.Errorf("%s has shown a checkpoint of size %d, of the log %q, that proves nothing: %w", l.region, at, l.note.Checkpoint.Origin, err)
		}
		delete(n.later, raw)
		n.judged[raw] = true
	}
	return nil
}

func (n *notes) fault(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = append(n.faults, err)
}

// forget lets a node begin anew, whose disk was wiped.
func (n *notes) forget(node *Node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.newest, node.Region)
	n.wiped[node.Region]++
}

func (n *notes) largestLocked() (size uint64) {
	for s := range n.roots {
		size = max(size, s)
	}
	return size
}

// largest is the largest size that was certified so far.
func (n *notes) largest() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.largestLocked()
}

// reach waits until a node shows a checkpoint of that size or more.
func (n *notes) reach(ctx context.Context, node *Node, size uint64) error {
	return waitFor(ctx, fmt.Sprintf("%s to show a checkpoint of size %d", node.Region, size), func() bool {
		got, err := n.look(ctx, node)
		return err == nil && got >= size
	})
}

// prove reads a node's log and finds every root that was ever certified in it,
// so that all of them are of one history. It gives the statements. The tree is
// golang.org/x/mod's.
func (n *notes) prove(ctx context.Context, node *Node) ([][]byte, error) {
	size := n.largest()
	if err := n.reach(ctx, node, size); err != nil {
		return nil, err
	}
	statements, err := entries(ctx, node, size)
	if err != nil {
		return nil, err
	}
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, at := range indexes {
			out[i] = stored[at]
		}
		return out, nil
	})
	for i, raw := range statements {
		hashes, err := tlog.StoredHashes(int64(i), raw, read)
		if err != nil {
			return nil, err
		}
		stored = append(stored, hashes...)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for at, root := range n.roots {
		if at > size {
			continue // certified since
		}
		h, err := tlog.TreeHash(int64(at), read)
		if err != nil {
			return nil, err
		}
		if merkle.Hash(h) != root {
			return nil, fmt.Errorf("the certified root at size %d is %x, and %s's statements make %x", at, root, node.Region, h)
		}
	}
	return statements, nil
}

// entries reads the first statements of a node's log from its tiles.
func entries(ctx context.Context, node *Node, size uint64) ([][]byte, error) {
	var out [][]byte
	for from := uint64(0); from < size; from += merkle.TileWidth {
		width := min(size-from, merkle.TileWidth)
		bundle, err := sourceOf(node).Entries(ctx, from/merkle.TileWidth, int(width))
		if err != nil {
			return nil, err
		}
		for range width {
			if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
				return nil, fmt.Errorf("%s: the statements from %d on are cut short", node.Region, from)
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			out = append(out, slices.Clone(bundle[2:end]))
			bundle = bundle[end:]
		}
	}
	return out, nil
}

func sourceOf(node *Node) audit.Source {
	s, err := audit.HTTP(node.HTTP, nil)
	if err != nil {
		panic(err) // the URL was made here
	}
	return s
}

// noEvidence fails the test if any node has evidence against anybody.
func noEvidence(t *testing.T, net *Network) {
	t.Helper()
	for _, n := range net.Nodes {
		if !n.Running() {
			continue
		}
		got, err := n.Client().Evidence(t.Context())
		if err != nil {
			t.Error(err)
		}
		for _, e := range got.Evidence {
			t.Errorf("%s has evidence against %s, and nobody cheats here: %s", n.Region, e.Region, e.Words)
		}
	}
}

// audited replays a node's log, and compares its checkpoint with another's.
func audited(t *testing.T, n *notes, node, other *Node) {
	t.Helper()
	report, err := audit.Run(t.Context(), audit.Config{Genesis: n.doc, Source: sourceOf(node)})
	if err != nil {
		t.Errorf("the audit of %s: %v", node.Region, err)
		return
	}
	if report.Seals.Partial > 0 || report.Batches.Absent > 0 || len(report.Evidence) > 0 {
		t.Errorf("the audit of %s found %+v, %+v, evidence %v", node.Region, report.Seals, report.Batches, report.Evidence)
	}
	t.Logf("the audit of %s: %d statements, %d seals, %d batches, in %s", node.Region, report.Checkpoint.Size, report.Seals.Whole, report.Batches.Verified, report.Took.Round(time.Millisecond))
	if _, err := audit.Compare(t.Context(), n.doc, nil, sourceOf(node), sourceOf(other)); err != nil {
		t.Errorf("%s beside %s: %v", node.Region, other.Region, err)
	}
}
