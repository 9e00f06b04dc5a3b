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
	// ErrLedgerAhead: the ledger has applied what Raft's log does not have.
	ErrLedgerAhead = errors.New("the ledger is ahead of raft's log")
	// ErrGap: entries are missing between the ledger and Raft's log.
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
// the two a crash or a lost disk took back.
func fitAnchors(c Config, logs raft.LogStore, store raft.SnapshotStore) error {
	head := c.Ledger.Head()
	if err := checkLog(c, logs, head); err != nil {
		return err
	}
	// What a crash left half-made, raft.FileSnapshotStore leaves lying.
	halves, err := filepath.Glob(filepath.Join(anchorsDir(c.Dir), "*.tmp"))
	if err != nil {
		return err
	}
	for _, h := range halves {
		if err := os.RemoveAll(h); err != nil {
			return fmt.Errorf("removing a half-made anchor: %w", err)
		}
	}
	metas, err := store.List()
	if err != nil {
		return fmt.Errorf("listing anchors in %s: %w", c.Dir, err)
	}
	var base *raft.SnapshotMeta // the newest that stays
	readable := false           // all that is to be applied again
	for _, m := range metas {
		a, err := readAnchor(store, m.ID)
		fits := err == nil && a.Network == c.Network.String() && a.Index <= head.Applied.Index
		if fits && a.Index == head.Applied.Index && a != anchorOf(c, head) {
			return fmt.Errorf("%w: after entry %d of term %d the ledger has size %d and root %x, and the anchor says term %d, size %d and root %s; "+
				"one of the two was changed on the disk. Keep a copy of data/, then move data/ledger, and nothing else, away: the node makes it again from raft's log", ErrStorage,
				head.Applied.Index, head.Applied.Term, head.Size, head.Root, a.Term, a.Size, a.Root)
		}
		if fits {
			base = m
			break // older ones fit too
		}
		if !readable {
			// An anchor that is gone does not come back: a ledger that was moved away may.
			if err := readAll(logs, head.Applied.Index+1); err != nil {
				return fmt.Errorf("the ledger is to be made again from raft's log: %w", err)
			}
			readable = true
		}
		c.Logger.Warn("an anchor is ahead of the ledger and is dropped; what is missing is applied again from raft's log",
			"anchor", m.ID, "anchor_index", m.Index, "applied", head.Applied.Index, "err", err)
		if err := os.RemoveAll(filepath.Join(anchorsDir(c.Dir), m.ID)); err != nil {
			return fmt.Errorf("dropping an anchor: %w", err)
		}
	}
	if err := syncDir(anchorsDir(c.Dir)); err != nil {
		return fmt.Errorf("dropping anchors: %w", err)
	}
	if base != nil && base.Index >= head.Applied.Index || head.Applied.Index == 0 {
		return nil
	}
	return makeAnchor(c, logs, store, base, head)
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

// checkLog checks that the log goes on where the ledger ends.
func checkLog(c Config, logs raft.LogStore, head ledger.Head) error {
	first, err := logs.FirstIndex()
	if err != nil {
		return fmt.Errorf("reading raft's log: %w", err)
	}
	last, err := logs.LastIndex()
	if err != nil {
		return fmt.Errorf("reading raft's log: %w", err)
	}
	at := head.Applied
	switch {
	case at.Index > last:
		return fmt.Errorf("%w: it was applied up to entry %d, the log in %s ends with %d; raft's log was lost or is an older copy, and with it votes may be lost; %s", ErrLedgerAhead, at.Index, c.Dir, last, backOrDown)
	case first > at.Index+1:
		return fmt.Errorf("%w: it was applied up to entry %d, the log in %s begins with %d; bring the ledger back from this node's own disk, as it was when it had reached entry %d",
			ErrGap, at.Index, c.Dir, first, first-1)
	case at.Index < first:
		return nil // nothing to compare
	}
	var l raft.Log
	if err := logs.GetLog(at.Index, &l); err != nil {
		return fmt.Errorf("looking where the ledger ends: %w", err)
	}
	if l.Term != at.Term {
		return fmt.Errorf("%w: it has entry %d of term %d, the log in %s has term %d there; the two are not of one node, or not of one time; "+
			"data/ledger and data/raft belong together: put back the pair that this node wrote",
			ErrLedgerAhead, at.Index, at.Term, c.Dir, l.Term)
	}
	return nil
}

// makeAnchor makes an anchor at the ledger's place, with the membership that
// the log had there. What the ledger has applied is committed, so that
// membership is too.
func makeAnchor(c Config, logs raft.LogStore, store raft.SnapshotStore, base *raft.SnapshotMeta, head ledger.Head) error {
	if err := c.Ledger.Flush(); err != nil {
		return fmt.Errorf("flushing the ledger: %w", err)
	}
	var conf raft.Configuration
	var confIndex uint64
	from, err := logs.FirstIndex()
	if err != nil {
		return fmt.Errorf("reading raft's log: %w", err)
	}
	if base != nil {
		conf, confIndex, from = base.Configuration, base.ConfigurationIndex, base.Index+1
	}
	for i := from; i <= head.Applied.Index; i++ {
		var l raft.Log
		if err := logs.GetLog(i, &l); err != nil {
			return fmt.Errorf("making an anchor: %w", err)
		}
		if l.Type == raft.LogConfiguration {
			if conf, err = decodeConfiguration(l.Data); err != nil {
				return fmt.Errorf("entry %d of raft's log: %w", i, err)
			}
			confIndex = i
		}
	}
	if confIndex == 0 {
		return fmt.Errorf("%w: no membership before entry %d", ErrGap, head.Applied.Index)
	}
	sink, err := store.Create(raft.SnapshotVersionMax, head.Applied.Index, head.Applied.Term, conf, confIndex, c.Transport)
	if err != nil {
		return fmt.Errorf("making an anchor: %w", err)
	}
	if err := anchorOf(c, head).write(sink); err != nil {
		return fmt.Errorf("making an anchor: %w", errors.Join(err, sink.Cancel()))
	}
	if err := sink.Close(); err != nil {
		return fmt.Errorf("making an anchor: %w", err)
	}
	return nil
}

// decodeConfiguration is raft.DecodeConfiguration with an error in place of a panic.
func decodeConfiguration(data []byte) (conf raft.Configuration, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("membership cannot be decoded: %.200v", r)
		}
	}()
	return raft.DecodeConfiguration(data), nil
}
