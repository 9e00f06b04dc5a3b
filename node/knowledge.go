package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/statement"
)

const (
	// pollInterval is how often the time of the last contact is looked up. A
	// check reads what was found and so waits for nothing; its knowledge
	// counts as this much older than it may be.
	pollInterval = 20 * time.Millisecond
	// rememberInterval is how often the last contact is written down. After a
	// restart knowledge counts as this much older than it may be.
	rememberInterval = 10 * time.Second

	contactFormat = "concordat-contact/1"
)

// knowledge is how fresh this node's ledger is: when this node last knew that
// it had applied all that was committed anywhere.
//
// Only what this node has seen by its own clock counts. A block's time is its
// proposer's word, and a proposer whose clock is ahead would make what this
// node knows look fresh until that time has come.
//
// The last contact is written down with the ledger's size, for a node that
// restarts while it can reach nobody: without it, a verifier would be told
// that nothing is known of the age. It counts only for a ledger that has as
// many statements at least: one that a crash took back does not know what it
// knew then.
type knowledge struct {
	path    string
	network statement.NetworkID
	log     *slog.Logger
	status  func() consensus.Status
	head    func() ledger.Head

	contact atomic.Pointer[time.Time] // of this run, with Go's monotonic reading; nil if there was none
	before  time.Time                 // of an earlier run; zero if none counts

	cancel context.CancelFunc
	done   chan struct{}
}

// remembered is the file's whole content.
type remembered struct {
	Format  string `json:"format"`
	Network string `json:"network"`
	At      int64  `json:"at"`   // Unix milliseconds by this node's clock
	Size    uint64 `json:"size"` // of the ledger then, or a moment after
}

func newKnowledge(path string, network statement.NetworkID, log *slog.Logger, status func() consensus.Status, head func() ledger.Head) *knowledge {
	ctx, cancel := context.WithCancel(context.Background())
	k := &knowledge{path: path, network: network, log: log, status: status, head: head, cancel: cancel, done: make(chan struct{})}
	var err error
	if k.before, err = k.recall(); err != nil {
		log.Warn("the time of the last contact is not known", "err", err)
	}
	k.look()
	go func() {
		defer close(k.done)
		k.run(ctx)
	}()
	return k
}

// close writes down the last contact.
func (k *knowledge) close() {
	k.cancel()
	<-k.done
}

func (k *knowledge) run(ctx context.Context) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	var written, tried time.Time
	write := func() {
		tried = time.Now()
		at := k.contact.Load()
		if at == nil || at.Equal(written) {
			return
		}
		if err := k.remember(*at); err != nil {
			k.log.Warn("the time of the last contact is not written down", "err", err)
			return
		}
		written = *at
	}
	for {
		select {
		case <-tick.C:
			k.look()
			if time.Since(tried) >= rememberInterval {
				write()
			}
		case <-ctx.Done():
			write()
			return
		}
	}
}

func (k *knowledge) look() {
	if at := k.status().Contact; !at.IsZero() {
		k.contact.Store(&at)
	}
}

// age is how old what this node knows is at now; negative if nobody knows.
func (k *knowledge) age(now time.Time) time.Duration {
	if at := k.contact.Load(); at != nil {
		// The monotonic clock stands still while the machine is suspended, and
		// the other may be set back: the larger of the two is safe.
		return max(now.Sub(*at), now.Round(0).Sub(at.Round(0)), 0)
	}
	if k.before.IsZero() {
		return -1
	}
	// Negative where the clock says that it is earlier than it was: then nobody knows.
	return max(now.Sub(k.before), -1)
}

// remember writes down a contact. It is not synced: where a crash loses it,
// the age is not known, which is safe.
func (k *knowledge) remember(at time.Time) error {
	// The contact was before this size: a ledger of this size knows what was known then.
	b, err := json.Marshal(remembered{contactFormat, k.network.String(), at.UnixMilli(), k.head().Size})
	if err != nil {
		return err
	}
	temp := k.path + ".tmp"
	if err := os.WriteFile(temp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, k.path)
}

// recall gives the contact that was written down; zero if none counts.
func (k *knowledge) recall() (time.Time, error) {
	b, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	var r remembered
	if err := json.Unmarshal(b, &r); err != nil || r.Format != contactFormat || r.Network != k.network.String() {
		return time.Time{}, fmt.Errorf("%s is not a contact of this network", k.path)
	}
	if have := k.head().Size; have < r.Size {
		return time.Time{}, fmt.Errorf("the ledger has %d statements, and had %d then", have, r.Size)
	}
	return time.UnixMilli(r.At), nil
}

// sleep waits, unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
