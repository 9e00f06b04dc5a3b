package consensus

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"concordat/ledger"
)

var (
	// ErrLedgerAhead: the ledger has applied what Raft's log does not have, so
	// the log, and the votes beside it, are not the newest of this node: they
	// count as lost. Catch up, then Adopt with rejoin.
	ErrLedgerAhead = errors.New("the ledger is ahead of raft's log")
	// ErrGap: entries are missing between the ledger and Raft's log. Catch up,
	// then Adopt without rejoin: the votes are there.
	ErrGap = errors.New("raft's log begins after the ledger ends")
	// ErrSnapshot: nothing is ever restored from a snapshot.
	ErrSnapshot = errors.New("raft's snapshots hold no state here: what a node misses comes as entries")
)

const (
	anchorFormat = "concordat-anchor/1"
	maxAnchor    = 4 << 10
	// keptAnchors is how many anchors stay: the newest counts, the one before is for people.
	keptAnchors = 2
)

// anchor is what a Raft snapshot says here: where the ledger stood (C8). Its
// Applied is the last block's position; the snapshot's own index may be
// higher, by entries that carry no block.
type anchor struct {
	Format  string `json:"format"`
	Network string `json:"network"`
	Size    uint64 `json:"size"`
	Root    string `json:"root"`
	Index   uint64 `json:"index"` // of the last block
	Term    uint64 `json:"term"`  // of the last block
}

func anchorOf(c Config, h ledger.Head) anchor {
	return anchor{Format: anchorFormat, Network: c.Network.String(), Size: h.Size, Root: hex.EncodeToString(h.Root[:]), Index: h.Applied.Index, Term: h.Applied.Term}
}

func (a anchor) write(sink raft.SnapshotSink) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_, err = sink.Write(b)
	return err
}

// anchorsDir is where raft.FileSnapshotStore keeps its snapshots below its base.
func anchorsDir(dir string) string { return filepath.Join(dir, "snapshots") }

func readAnchor(store raft.SnapshotStore, id string) (anchor, error) {
	_, r, err := store.Open(id)
	if err != nil {
		return anchor{}, err
	}
	b, err := io.ReadAll(io.LimitReader(r, maxAnchor))
	if err := errors.Join(err, r.Close()); err != nil {
		return anchor{}, err
	}
	var a anchor
	if err := json.Unmarshal(b, &a); err != nil {
		return anchor{}, err
	}
	if a.Format != anchorFormat {
		return anchor{}, fmt.Errorf("format is %q, want %q", a.Format, anchorFormat)
	}
	return a, nil
}

// fitAnchors makes Raft start where the ledger stands (C7): anchors beyond it
// are dropped, and where it is beyond them, one is made at its place. So what
// is applied is not delivered again, and what is not is delivered, whichever of
// the two a crash or a lost disk took back. It gives the anchor that Raft will
// begin with; nil if that is the log's own begin.
func fitAnchors(c Config, logs raft.LogStore, stable raft.StableStore, store raft.SnapshotStore) (*raft.SnapshotMeta, error) {
	head := c.Ledger.Head()
	if err := dropHalves(c); err != nil {
		return nil, err
	}
	metas, err := store.List()
	if err != nil {
		return nil, fmt.Errorf("listing anchors in %s: %w", c.Dir, err)
	}
	if err := checkLog(c, logs, metas, head); err != nil {
		return nil, err
	}
	var base *raft.SnapshotMeta // the newest that stays
	readable := false           // all that is to be applied again
	for _, m := range metas {
		a, err := readAnchor(store, m.ID)
		fits := err == nil && a.Network == c.Network.String() && a.Index <= head.Applied.Index
		if fits && a.Index == head.Applied.Index && a != anchorOf(c, head) {
			return nil, fmt.Errorf("%w: after entry %d of term %d the ledger has size %d and root %x, and the anchor says term %d, size %d and root %s; "+
				"one of the two was changed on the disk. Keep a copy of data/, then move data/ledger, and nothing else, away: the node makes it again from raft's log and its peers", ErrStorage,
				head.Applied.Index, head.Applied.Term, head.Size, head.Root, a.Term, a.Size, a.Root)
		}
		if fits {
			base = m
			break // older ones fit too
		}
		if !readable {
			// An anchor that is gone does not come back: a ledger that was moved away may.
			if err := readAll(logs, head.Applied.Index+1); err != nil {
				return nil, fmt.Errorf("the ledger is to be made again from raft's log: %w", err)
			}
			readable = true
		}
		c.Logger.Warn("an anchor is ahead of the ledger and is dropped; what is missing is applied again from raft's log",
			"anchor", m.ID, "anchor_index", m.Index, "applied", head.Applied.Index, "err", err)
		if err := os.RemoveAll(filepath.Join(anchorsDir(c.Dir), m.ID)); err != nil {
			return nil, fmt.Errorf("dropping an anchor: %w", err)
		}
	}
	if err := syncDir(anchorsDir(c.Dir)); err != nil {
		return nil, fmt.Errorf("dropping anchors: %w", err)
	}
	if base != nil && base.Index >= head.Applied.Index || head.Applied.Index == 0 {
		return base, nil
	}
	at, err := membershipAt(c, logs, stable, metas, head.Applied.Index)
	if err != nil {
		return nil, err
	}
	return makeAnchor(c, store, head, at)
}

// dropHalves removes the anchors that a crash left half-made:
// raft.FileSnapshotStore leaves them lying.
func dropHalves(c Config) error {
	halves, err := filepath.Glob(filepath.Join(anchorsDir(c.Dir), "*.tmp"))
	if err != nil {
		return err
	}
	for _, h := range halves {
		if err := os.RemoveAll(h); err != nil {
			return fmt.Errorf("removing a half-made anchor: %w", err)
		}
	}
	return nil
}

// readAll reads the log from an entry on, to its end.
func readAll(logs raft.LogStore, from uint64) error {
	last, err := logs.LastIndex()
	if err != nil {
		return fmt.Errorf("reading raft's log: %w", err)
	}
	for i := from; i <= last; i++ {
		var l raft.Log
		if err := logs.GetLog(i, &l); err != nil {
			return err
		}
	}
	return nil
}

// checkLog checks that the log goes on where the ledger ends. An anchor alone
// proves nothing: one that is durable beyond the ledger, with the log cut below
// it, would let Raft skip what the ledger lacks.
func checkLog(c Config, logs raft.LogStore, anchors []*raft.SnapshotMeta, head ledger.Head) error {
	first, err := logs.FirstIndex()
	if err != nil {
		return fmt.Errorf("reading raft's log: %w", err)
	}
	last, err := logs.LastIndex()
	if err != nil {
		return fmt.Errorf("reading raft's log: %w", err)
	}
	newest := uint64(0)
	for _, m := range anchors {
		newest = max(newest, m.Index)
	}
	if last == 0 && newest == 0 {
		return fmt.Errorf("%w: the log in %s is empty, and there is no anchor; %s", ErrStateLost, c.Dir, olderCopy)
	}
	if last == 0 {
		// Nothing has come since Adopt emptied the log: it would go on after the anchor.
		first, last = newest+1, newest
	}
	at := head.Applied
	switch {
	case newest > last:
		return fmt.Errorf("%w: there is an anchor of entry %d, the log in %s ends with %d; %s", ErrLedgerAhead, newest, c.Dir, last, olderCopy)
	case at.Index > last:
		return fmt.Errorf("%w: it was applied up to entry %d, the log in %s ends with %d; %s", ErrLedgerAhead, at.Index, c.Dir, last, olderCopy)
	case first > at.Index+1:
		return fmt.Errorf("%w: it was applied up to entry %d, the log in %s begins with %d; what is missing is to be caught up with from other nodes",
			ErrGap, at.Index, c.Dir, first)
	case at.Index < first:
		return nil // nothing to compare
	}
	var l raft.Log
	if err := logs.GetLog(at.Index, &l); err != nil {
		return fmt.Errorf("looking where the ledger ends: %w", err)
	}
	if l.Term != at.Term {
		return fmt.Errorf("%w: it has entry %d of term %d, the log in %s has term %d there; the two are not of one node, or not of one time; %s",
			ErrLedgerAhead, at.Index, at.Term, c.Dir, l.Term, olderCopy)
	}
	return nil
}

// keyBase is where a membership is kept that the log does not say any more.
var keyBase = []byte("concordat/membership")

// writeBase notes a committed membership, or a guess, before the log is made to
// begin after it. Anchors have it too, but those ahead of the ledger are dropped.
func writeBase(s raft.StableStore, e enrolled) error { return writeRecord(s, keyBase, e) }

// membershipAt is the membership that holds at an entry which the ledger has
// applied: what is known to be committed at or before it, the newest of it. Where
// that was cut off, it is the first that is committed after it, which the log says
// again. metas are all anchors, also those that were dropped.
func membershipAt(c Config, logs raft.LogStore, stable raft.StableStore, metas []*raft.SnapshotMeta, at uint64) (best enrolled, err error) {
	first, err := logs.FirstIndex()
	if err != nil {
		return best, fmt.Errorf("reading raft's log: %w", err)
	}
	last, err := logs.LastIndex()
	if err != nil {
		return best, fmt.Errorf("reading raft's log: %w", err)
	}
	var known []enrolled
	var base enrolled
	if err := readRecord(stable, keyBase, &base); err != nil {
		return best, err
	}
	if len(base.Conf.Servers) > 0 {
		known = append(known, base)
	}
	from := first
	for _, m := range metas {
		known = append(known, enrolled{m.ConfigurationIndex, m.Configuration})
		if m.Index <= at {
			from = max(from, m.Index+1) // nothing newer stands before
		}
	}
	for i := from; i > 0 && i <= min(at, last); i++ {
		var l raft.Log
		if err := logs.GetLog(i, &l); err != nil {
			return best, fmt.Errorf("looking for the membership: %w", err)
		}
		if l.Type == raft.LogConfiguration {
			conf, err := decodeConfiguration(l.Data)
			if err != nil {
				return best, fmt.Errorf("entry %d of raft's log: %w", i, err)
			}
			known = append(known, enrolled{i, conf})
		}
	}
	if len(known) == 0 { // nothing was written but by the founders
		return enrolled{1, foundingMembership(c)}, nil
	}
	best = known[0]
	for _, e := range known[1:] {
		if newer := e.Index > best.Index; e.Index <= at && (newer || best.Index > at) || best.Index > at && !newer {
			best = e
		}
	}
	return best, nil
}

// lone reports that this node is the only server that Raft knows of here.
func lone(c Config, logs raft.LogStore, stable raft.StableStore, base *raft.SnapshotMeta) (bool, error) {
	last, err := logs.LastIndex()
	if err != nil {
		return false, fmt.Errorf("reading raft's log: %w", err)
	}
	var metas []*raft.SnapshotMeta
	if base != nil {
		metas, last = append(metas, base), max(last, base.Index)
	}
	e, err := membershipAt(c, logs, stable, metas, last)
	return len(e.Conf.Servers) == 1, err
}

// makeAnchor makes an anchor at the ledger's place, with the membership there.
func makeAnchor(c Config, store raft.SnapshotStore, head ledger.Head, at enrolled) (*raft.SnapshotMeta, error) {
	if err := c.Ledger.Flush(); err != nil {
		return nil, fmt.Errorf("flushing the ledger: %w", err)
	}
	sink, err := store.Create(raft.SnapshotVersionMax, head.Applied.Index, head.Applied.Term, at.Conf, at.Index, plainAddresses{})
	if err != nil {
		return nil, fmt.Errorf("making an anchor: %w", err)
	}
	if err := anchorOf(c, head).write(sink); err != nil {
		return nil, fmt.Errorf("making an anchor: %w", errors.Join(err, sink.Cancel()))
	}
	if err := sink.Close(); err != nil {
		return nil, fmt.Errorf("making an anchor: %w", err)
	}
	return &raft.SnapshotMeta{ID: sink.ID(), Index: head.Applied.Index, Term: head.Applied.Term, Configuration: at.Conf, ConfigurationIndex: at.Index}, nil
}

// plainAddresses is all of a transport that an anchor needs: how an address is written.
type plainAddresses struct{ raft.Transport }

func (plainAddresses) EncodePeer(_ raft.ServerID, a raft.ServerAddress) []byte { return []byte(a) }

// decodeConfiguration is raft.DecodeConfiguration with an error in place of a panic.
func decodeConfiguration(data []byte) (conf raft.Configuration, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("membership cannot be decoded: %.200v", r)
		}
	}()
	return raft.DecodeConfiguration(data), nil
}
