package consensus

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"concordat/ledger"
)

// ErrAdopt: a place was given to Adopt where Raft cannot begin.
var ErrAdopt = errors.New("raft cannot begin there")

// The keys that Raft keeps its term and vote under (raft.go of v1.7.3).
var (
	keyCurrentTerm  = []byte("CurrentTerm")
	keyLastVoteTerm = []byte("LastVoteTerm")
	keyLastVoteCand = []byte("LastVoteCand")
)

// Adopt makes Raft begin where the ledger stands, after it was caught up with
// from other nodes: it makes an anchor there, and deletes what of the log does not
// go on from it. No Node may be open on c.Dir. It needs of c only Self, Network,
// Dir, MarkerPath, Ledger, Servers, Members, Fresh and Logger.
//
// at is the position of the ledger's last block; it has to be certified, or to
// have been applied from Raft's own log here. With rejoin, this node's votes are
// lost, or it never had any: from then on it abstains (C18) until Open has found
// out what it may have promised; with c.Fresh it never had any, and does not. Without,
// its votes are there and hold: its ledger was lost, or it fell behind the others'
// logs. A node that abstains already goes on abstaining.
//
// Who takes part is then taken from c.Members: a guess, which no leader has confirmed,
// and by which this node neither stands for election nor comes back to its vote (C22).
// Where its log goes on from the place, it has the membership from there.
//
// A crash at any point leaves a state which Open goes on from, or for which it
// says ErrStateLost, ErrNotFounded or ErrGap, as before: then Adopt is called
// again. Errors wrap ErrConfig, ErrAdopt, ErrLocked, ErrCorrupt, ErrStateLost
// (without rejoin, and there is no vote), ErrGap (without rejoin, and at is still
// before the log's begin), ErrOtherNetwork or ErrStorage where they are that.
func Adopt(c Config, at ledger.Position, rejoin bool) (err error) {
	c = c.withDefaults()
	if err := errors.Join(c.placeFaults()...); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if err := standsAt(c, at); err != nil {
		return err
	}
	if _, err := readMarker(c); err != nil && (!rejoin || errors.Is(err, ErrOtherNetwork)) {
		return err
	}
	a, end, err := openAdoption(c, at)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if rejoin {
		// Before anything that makes this directory look like a node's.
		phase := rejoinUnheard
		if c.Fresh {
			phase = rejoinDone
		}
		if err := writeRejoin(a.stable, rejoinRecord{Phase: phase}); err != nil {
			return err
		}
		if err := a.crash("the rejoin is noted"); err != nil {
			return err
		}
	} else if _, err := a.stable.GetUint64(keyCurrentTerm); isNotFound(err) {
		return fmt.Errorf("%w: %s holds no vote; %s", ErrStateLost, filepath.Join(c.Dir, logFile), rejoins)
	} else if err != nil {
		return fmt.Errorf("%w: reading raft's term in %s: %w", ErrStorage, filepath.Join(c.Dir, logFile), err)
	}
	return a.run(adoptingRecord{Index: at.Index, Term: at.Term, Rejoin: rejoin})
}

// standsAt refuses a place that is not that of the ledger's last block.
func standsAt(c Config, at ledger.Position) error {
	head := c.Ledger.Head()
	if at != head.Applied || at.Index == 0 || at.Term == 0 {
		return fmt.Errorf("%w: entry %d of term %d was given, the ledger stands at entry %d of term %d; want the same, and none of them 0",
			ErrAdopt, at.Index, at.Term, head.Applied.Index, head.Applied.Term)
	}
	return nil
}

// openAdoption opens the stores of a node that is stopped, until end is called.
func openAdoption(c Config, at ledger.Position) (a adoption, end func() error, err error) {
	bolt, err := openBolt(c.Dir, c.noSyncForTest, nil)
	if err != nil {
		return a, nil, err
	}
	anchors, err := raft.NewFileSnapshotStoreWithLogger(c.Dir, keptAnchors, newRaftLogger(c.Logger))
	if err != nil {
		return a, nil, errors.Join(fmt.Errorf("opening anchors in %s: %w", c.Dir, err), bolt.Close())
	}
	path := filepath.Join(c.Dir, logFile)
	a = adoption{c: c, logs: &sealedLog{LogStore: bolt, path: path}, stable: &sealedStable{StableStore: bolt, path: path}, anchors: anchors, at: at}
	return a, bolt.Close, nil
}

// adoption is one call of Adopt or Reset, or what Open does of one that a crash cut short.
type adoption struct {
	c       Config
	logs    raft.LogStore
	stable  raft.StableStore
	anchors raft.SnapshotStore
	at      ledger.Position
}

// run takes the steps of what rec says. Each can be taken again.
func (a adoption) run(rec adoptingRecord) error {
	fits, err := a.logFits()
	if err != nil {
		return err
	}
	goesOn := fits && !rec.Rejoin && rec.Reset == nil // the log stays
	if first, err := a.logs.FirstIndex(); err != nil {
		return fmt.Errorf("reading raft's log: %w", err)
	} else if !rec.Rejoin && rec.Reset == nil && !fits && first > a.at.Index+1 {
		// Entries of ours after a hole: they may be committed because we hold them.
		return fmt.Errorf("%w: the ledger was caught up with to entry %d, the log in %s begins with %d", ErrGap, a.at.Index, a.c.Dir, first)
	}
	members, err := a.membership(rec, goesOn)
	if err != nil {
		return err
	}
	if err := a.c.Ledger.Flush(); err != nil {
		return fmt.Errorf("flushing the ledger: %w", err)
	}
	// From here until it says done, the log may lie anywhere beside the anchor.
	if err := writeAdopting(a.stable, rec); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"the adoption is noted", func() error { return a.raiseTerm(rec.term()) }},
		{"the term is raised", func() error {
			if rec.Reset == nil {
				return nil
			}
			// Its votes were for terms below this one.
			return writeRejoin(a.stable, rejoinRecord{})
		}},
		{"the votes are settled", func() error { return writeBase(a.stable, members) }},
		{"the membership is noted", a.dropAnchors},
		{"old anchors are gone", func() error {
			_, err := makeAnchor(a.c, a.anchors, a.c.Ledger.Head(), members)
			return err
		}},
		{"the anchor is made", func() error {
			if goesOn {
				return nil
			}
			return a.emptyLog()
		}},
		{"the log is emptied", func() error { return writeMarker(a.c) }},
		{"the marker is written", func() error {
			if rec.Reset == nil {
				return nil
			}
			return writeRecord(a.stable, keyReset, a.at)
		}},
		{"the reset is noted", func() error { return writeAdopting(a.stable, adoptingRecord{}) }},
		{"the adoption is done", func() error { return nil }},
	} {
		if err := a.crash(step.name); err != nil {
			return err
		}
		if err := step.do(); err != nil {
			return fmt.Errorf("adopting entry %d, after %s: %w", a.at.Index, step.name, err)
		}
	}
	a.c.Logger.Info("raft begins where the ledger stands", "index", a.at.Index, "term", a.at.Term, "size", a.c.Ledger.Head().Size,
		"rejoin", rec.Rejoin, "reset", rec.Reset != nil, "servers", len(members.Conf.Servers), "guessed", members.guessed())
	return nil
}

// membership is what Raft begins with.
func (a adoption) membership(rec adoptingRecord, goesOn bool) (enrolled, error) {
	switch {
	case rec.Reset != nil:
		// All who go on begin with the same, at the same entry: it needs no other.
		return enrolled{a.at.Index, rec.Reset.Members.configuration(Server{ID: a.c.Self})}, nil
	case !goesOn:
		return a.c.guess(a.at.Index)
	}
	metas, err := a.anchors.List()
	if err != nil {
		return enrolled{}, fmt.Errorf("listing anchors in %s: %w", a.c.Dir, err)
	}
	return membershipAt(a.c, a.logs, a.stable, metas, a.at.Index)
}

func (a adoption) crash(step string) error {
	if a.c.crashForTest == nil {
		return nil
	}
	return a.c.crashForTest(step)
}

// logFits reports that the log has the entry adopted, or begins right after it.
// Where it has another there, all that it has from there on was never committed;
// where it ends before, all of it is in the ledger.
func (a adoption) logFits() (bool, error) {
	first, err := a.logs.FirstIndex()
	if err != nil {
		return false, fmt.Errorf("reading raft's log: %w", err)
	}
	last, err := a.logs.LastIndex()
	if err != nil {
		return false, fmt.Errorf("reading raft's log: %w", err)
	}
	switch {
	case last == 0 || a.at.Index > last || first > a.at.Index+1:
		return false, nil
	case first == a.at.Index+1:
		return true, nil
	}
	var l raft.Log
	if err := a.logs.GetLog(a.at.Index, &l); err != nil {
		return false, fmt.Errorf("looking for the entry adopted: %w", err)
	}
	return l.Term == a.at.Term, nil
}

// raiseTerm makes Raft's term at least that of an entry that it has. A vote of
// an earlier term stays what it is: it binds in that term only.
func (a adoption) raiseTerm(term uint64) error {
	have, err := a.stable.GetUint64(keyCurrentTerm)
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("reading raft's term: %w", err)
	}
	if have >= term {
		return nil
	}
	return a.stable.SetUint64(keyCurrentTerm, term)
}

func (a adoption) dropAnchors() error {
	if err := os.RemoveAll(anchorsDir(a.c.Dir)); err != nil {
		return err
	}
	if err := os.MkdirAll(anchorsDir(a.c.Dir), 0o755); err != nil {
		return err
	}
	return syncDir(a.c.Dir)
}

// emptyLog deletes the log from its begin on, a piece at a time.
func (a adoption) emptyLog() error {
	for {
		first, err := a.logs.FirstIndex()
		if err != nil {
			return err
		}
		last, err := a.logs.LastIndex()
		if err != nil {
			return err
		}
		if last == 0 {
			return nil
		}
		if err := a.logs.DeleteRange(first, min(last, first+cutEntries-1)); err != nil {
			return err
		}
	}
}

// finishAdoption does what a crash left undone of an adoption, if that was for
// where the ledger stands. It is for Open, before it looks at anything else.
func finishAdoption(c Config, stable raft.StableStore, logs raft.LogStore, anchors raft.SnapshotStore) error {
	rec, err := readAdopting(stable)
	if err != nil || rec.Index == 0 {
		return err
	}
	at := ledger.Position{Index: rec.Index, Term: rec.Term}
	if have := c.Ledger.Head().Applied; have != at {
		return fmt.Errorf("%w: raft was about to begin after entry %d of term %d when it was interrupted, and the ledger stands at entry %d of term %d; it is to catch up again",
			ErrGap, at.Index, at.Term, have.Index, have.Term)
	}
	return adoption{c: c, logs: logs, stable: stable, anchors: anchors, at: at}.run(rec)
}

// adoptingRecord is in raft.db, so that it is as new as the votes there, while
// log and anchors are being changed; zero otherwise.
type adoptingRecord struct {
	Index  uint64 `json:"index"`
	Term   uint64 `json:"term"`
	Rejoin bool   `json:"rejoin"`
	Reset  *reset `json:"reset,omitempty"` // nil: no Reset
}

// term is what Raft's is to be at least.
func (r adoptingRecord) term() uint64 {
	if r.Reset != nil {
		return r.Reset.Term
	}
	return r.Term
}

var (
	keyAdopting = []byte("concordat/adopting")
	keyRejoin   = []byte("concordat/rejoin")
)

func readAdopting(s raft.StableStore) (r adoptingRecord, err error) {
	return r, readRecord(s, keyAdopting, &r)
}
func writeAdopting(s raft.StableStore, r adoptingRecord) error { return writeRecord(s, keyAdopting, r) }
func writeRejoin(s raft.StableStore, r rejoinRecord) error     { return writeRecord(s, keyRejoin, r) }
func readRejoin(s raft.StableStore) (r rejoinRecord, err error) {
	return r, readRecord(s, keyRejoin, &r)
}

// readRecord leaves into as it is where there is no such record.
func readRecord(s raft.StableStore, key []byte, into any) error {
	raw, err := s.Get(key)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", key, err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, key, err)
	}
	return nil
}

func writeRecord(s raft.StableStore, key []byte, r any) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := s.Set(key, raw); err != nil {
		return fmt.Errorf("%w: storing %s: %w", ErrStorage, key, err)
	}
	return nil
}

// isNotFound is how Raft itself tells a value that was never stored.
func isNotFound(err error) bool { return err != nil && err.Error() == "not found" }
