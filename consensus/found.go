package consensus

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/raft"
)

var (
	// ErrNotFounded: there is no Raft state, and nobody said to begin. Where the
	// network runs already, catch up with it, then Adopt with rejoin.
	ErrNotFounded = errors.New("this node has no state")
	// ErrStateLost: this node took part before, and what it voted is gone. Catch
	// up with the others, then Adopt with rejoin.
	ErrStateLost = errors.New("this node's raft state is lost")
	// ErrOtherNetwork: the marker is of another network.
	ErrOtherNetwork = errors.New("this directory belongs to another network")
)

// What becomes of a node without its votes, for whoever reads the error.
const (
	rejoins = "what it voted is forgotten: it catches up with the other nodes, and votes for nobody until it has what it may have promised"
	// olderCopy: an older copy of raft.db has older votes, which is none at all.
	olderCopy = "raft's log was lost or is an older copy, and with it votes may be lost; " + rejoins
)

// found makes sure that Raft has a state to start from, and that a marker says
// so (C10). A node that lost its votes and began again could vote a second time
// in a term, and a block could be replaced that was acknowledged; so whoever
// has the marker, a ledger or an anchor, and no votes, does not start: it
// rejoins (Adopt), and abstains at first (C18).
//
// stable and logs are the stores themselves: nothing runs yet.
func found(c Config, stable raft.StableStore, logs raft.LogStore, anchors raft.SnapshotStore) error {
	marked, err := readMarker(c)
	if err != nil {
		return err
	}
	// An anchor is no state: it says that there was one, and holds no vote.
	has, err := raft.HasExistingState(logs, stable, raft.NewDiscardSnapshotStore())
	if err != nil {
		return fmt.Errorf("%w: reading raft's state in %s: %w; %s", ErrStorage, c.Dir, err, mendCorrupt)
	}
	metas, err := anchors.List()
	if err != nil {
		return fmt.Errorf("listing anchors in %s: %w", c.Dir, err)
	}
	rejoin, err := readRejoin(stable)
	if err != nil {
		return err
	}
	votes := filepath.Join(c.Dir, logFile)
	switch applied := c.Ledger.Head().Applied; {
	case has && marked:
		return nil
	case has:
		// The crash that found's last line speaks of, or a marker removed by hand.
		c.Logger.Warn("the marker of this node's part in the network is missing; it is written again", "path", c.MarkerPath)
		return writeMarker(c)
	case marked:
		return fmt.Errorf("%w: %s says that it took part in the network, and %s is missing or empty; %s", ErrStateLost, c.MarkerPath, votes, rejoins)
	case applied.Index > 0:
		return fmt.Errorf("%w: the ledger was applied up to entry %d, and %s is missing or empty; %s", ErrStateLost, applied.Index, votes, rejoins)
	case len(metas) > 0:
		return fmt.Errorf("%w: there is an anchor of entry %d in %s, and %s is missing or empty; %s", ErrStateLost, metas[0].Index, c.Dir, votes, rejoins)
	case rejoin.Phase != "":
		return fmt.Errorf("%w: %s says that this node was about to rejoin when it was interrupted; %s", ErrStateLost, votes, rejoins)
	case c.Found && !slices.ContainsFunc(c.Servers, func(s Server) bool { return s.ID == c.Self }):
		return fmt.Errorf("%w: %s is none of the %d validators that found the network; it joins them once they have", ErrNotFounded, c.Self, len(c.Servers))
	case !c.Found:
		return fmt.Errorf("%w: %s is empty, and this node was not told to found a network; is this the right directory? "+
			"Set found (--found) only at the very first start of this authority's node; never if it ever ran, here or elsewhere: it would forget what it voted", ErrNotFounded, c.Dir)
	}
	if c.Late {
		// First: what lies there otherwise is a node that votes.
		if err := writeRejoin(stable, rejoinRecord{Phase: rejoinUnheard}); err != nil {
			return err
		}
	}
	if err := raft.BootstrapCluster(c.raft(), logs, stable, anchors, c.Transport, foundingMembership(c)); err != nil {
		return fmt.Errorf("founding in %s: %w", c.Dir, err)
	}
	// A crash between these lines leaves a state without a marker, which the
	// next start mends. The other way round, it would find a loss where there is none.
	return writeMarker(c)
}

// foundingMembership is the network's first membership, entry 1 of its log.
func foundingMembership(c Config) (conf raft.Configuration) {
	for _, s := range c.Servers {
		conf.Servers = append(conf.Servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(s.ID), Address: raft.ServerAddress(s.Address)})
	}
	return conf
}

const markerFormat = "concordat-founded/1"

// marker is the file's whole content: format, network and authority, a line each.
func marker(c Config) string {
	return markerFormat + "\n" + c.Network.String() + "\n" + c.Self + "\n"
}

func readMarker(c Config) (bool, error) {
	b, err := os.ReadFile(c.MarkerPath)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading the marker: %w", err)
	case string(b) == marker(c):
		return true, nil
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) != 4 || lines[0] != markerFormat {
		return false, fmt.Errorf("%w: the marker %s is none of ours; if it was damaged, and %s is whole, remove the marker: it is written again",
			ErrStateLost, c.MarkerPath, c.Dir)
	}
	return false, fmt.Errorf("%w: %s says %s of network %s, this is %s of network %s; give the right directory, or the right genesis",
		ErrOtherNetwork, c.MarkerPath, lines[2], lines[1], c.Self, c.Network)
}

// writeMarker writes the marker so that it is there whole, or not at all, whatever crashes.
func writeMarker(c Config) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing the marker %s: %w", c.MarkerPath, err)
		}
	}()
	dir := filepath.Dir(c.MarkerPath)
	f, err := os.CreateTemp(dir, filepath.Base(c.MarkerPath)+".*.tmp")
	if err != nil {
		return err
	}
	if _, err = f.WriteString(marker(c)); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), c.MarkerPath)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
