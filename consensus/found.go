package consensus

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/raft"
)

var (
	// ErrNotFounded: there is no Raft state, and nobody said to begin.
	ErrNotFounded = errors.New("this node has no state")
	// ErrStateLost: this node took part before, and what it voted is gone.
	ErrStateLost = errors.New("this node's raft state is lost")
	// ErrOtherNetwork: the marker is of another network.
	ErrOtherNetwork = errors.New("this directory belongs to another network")
)

// found makes sure that Raft has a state to start from, and that a marker says
// so (C10). A node that lost its votes and began again could vote a second time
// in a term, and a block could be replaced that was acknowledged; so whoever
// has the marker and no state is told to join anew instead.
//
// stable and logs are the stores themselves: nothing runs yet.
func found(c Config, stable raft.StableStore, logs raft.LogStore, anchors raft.SnapshotStore) error {
	marked, err := readMarker(c)
	if err != nil {
		return err
	}
	has, err := raft.HasExistingState(logs, stable, anchors)
	if err != nil {
		return fmt.Errorf("reading raft's state in %s: %w", c.Dir, err)
	}
	switch applied := c.Ledger.Head().Applied; {
	case has && marked:
		return nil
	case has:
		// The crash that found's last line speaks of, or a marker removed by hand.
		c.Logger.Warn("the marker of this node's part in the network is missing; it is written again", "path", c.MarkerPath)
		return writeMarker(c)
	case marked:
		return fmt.Errorf("%w: %s says that it took part in the network, and %s holds no raft state; "+
			"put the lost disk back, or let the other validators expel this one and admit it anew under new keys; "+
			"starting from nothing could make it vote twice", ErrStateLost, c.MarkerPath, c.Dir)
	case applied.Index > 0:
		return fmt.Errorf("%w: the ledger was applied up to entry %d, and %s holds no raft state; "+
			"put the lost disk back, or let the other validators expel this one and admit it anew under new keys", ErrStateLost, applied.Index, c.Dir)
	case !c.Found:
		return fmt.Errorf("%w: %s is empty, and this node was not told to found a network; "+
			"is this the right directory? To take part in founding, start it with found set", ErrNotFounded, c.Dir)
	}
	conf := raft.Configuration{}
	for _, s := range c.Servers {
		conf.Servers = append(conf.Servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(s.ID), Address: raft.ServerAddress(s.Address)})
	}
	if err := raft.BootstrapCluster(c.raft(), logs, stable, anchors, c.Transport, conf); err != nil {
		return fmt.Errorf("founding in %s: %w", c.Dir, err)
	}
	// A crash between these lines leaves a state without a marker, which the
	// next start mends. The other way round, it would find a loss where there is none.
	return writeMarker(c)
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
