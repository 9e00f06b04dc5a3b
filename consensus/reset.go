package consensus

import (
	"errors"
	"fmt"
	"path/filepath"

	"concordat/ledger"
)

// reset is what a Reset under way is about.
type reset struct {
	Term    uint64     `json:"term"` // Raft's, once it is done
	Members Membership `json:"members"`
}

// keyReset is where the place of the last Reset is noted.
var keyReset = []byte("concordat/reset")

// Reset makes Raft begin anew where the ledger stands, with other servers: after
// a majority of the validators' disks was lost, and only by their authorities'
// common word, for it forgets what this node voted and stored for those who are
// gone (C23). All who go on are to reset to the same place, with the same members.
// No Node may be open on c.Dir. It needs of c only Self, Network, Dir, MarkerPath,
// Ledger and Logger.
//
// at is the place of the ledger's last block, in a term of the recovery's own, above
// all that the survivors know of (TermOf). Raft's term rises well above it and above
// any that is known here, so that nobody's log from before is newer.
//
// A crash at any point leaves a state which Open goes on from, and which Reset can be
// called for again. Once it is done, Reset to the same place does nothing. Errors wrap
// ErrConfig, ErrAdopt, ErrLocked, ErrOtherNetwork, ErrCorrupt or ErrStorage where they
// are that.
func Reset(c Config, m Membership, at ledger.Position) (err error) {
	c.Servers, c.Members = nil, func() (Membership, error) { return m, nil }
	c = c.withDefaults()
	if err := errors.Join(c.placeFaults()...); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if _, _, is := m.server(c.Self); !is || len(m.Voters) == 0 {
		return fmt.Errorf("%w: %s is not among the %d voters and %d followers who go on, or nobody votes", ErrConfig, c.Self, len(m.Voters), len(m.Followers))
	}
	if err := standsAt(c, at); err != nil {
		return err
	}
	if _, err := readMarker(c); errors.Is(err, ErrOtherNetwork) {
		return err
	}
	a, end, err := openAdoption(c, at)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	var done ledger.Position
	if err := readRecord(a.stable, keyReset, &done); err != nil {
		return err
	}
	pending, err := readAdopting(a.stable)
	if err != nil {
		return err
	}
	if done == at && pending.Index == 0 {
		return nil // this node may have voted since
	}
	term, err := a.stable.GetUint64(keyCurrentTerm)
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("%w: reading raft's term in %s: %w", ErrStorage, filepath.Join(c.Dir, logFile), err)
	}
	return a.run(adoptingRecord{Index: at.Index, Term: at.Term, Reset: &reset{Term: max(term, at.Term) + termMargin, Members: m}})
}
