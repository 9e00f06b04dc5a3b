package consensus

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"concordat/ledger"
	"concordat/ledger/statement"
)

// Ledger is what the order is applied to; *ledger.Ledger is one.
type Ledger interface {
	// Head is where the ledger stands.
	Head() ledger.Head
	// Judge says what applying the candidates, in order, would say, without writing.
	Judge([]ledger.Candidate) ([]ledger.Judgement, error)
	// Apply applies the entry at pos. An error means that storage is broken.
	Apply(pos ledger.Position, raw []byte) (ledger.Applied, error)
	// Flush returns when what is applied is on disk.
	Flush() error
}

// Server is a voter.
type Server struct {
	ID      string // its authority
	Address string // how the transport knows it: a peer id, never a network address
}

// Config is everything that a Node is told. Open validates it whole.
type Config struct {
	// Self is this node's authority, and its id in Servers.
	Self string
	// Network is the network that blocks are for.
	Network statement.NetworkID
	// Dir holds Raft's log (raft.db) and anchors. It is made if it is not there.
	Dir string
	// MarkerPath is a file beside the keys, outside of Dir, which says that this
	// node took part in founding the network (C10). It outlives a lost data disk.
	MarkerPath string
	// Profile is the timing, one of Profiles unless in tests.
	Profile Profile
	// Key is the node's key, with which it signs the blocks that it proposes.
	Key ed25519.PrivateKey
	// Transport carries Raft's messages; it must support pre-votes. Close closes it.
	Transport raft.Transport
	// Ledger is applied to. The caller closes it, after Close.
	Ledger Ledger
	// Servers are the voters with which the network was founded, the same at
	// all of them. Raft's own log has the voters from then on.
	Servers []Server
	// Found lets a node that has no Raft state begin with Servers. Without it
	// such a node does not start: an empty folder is as likely a lost disk as a
	// new network.
	Found bool
	// Logger takes the node's log. Default: slog.Default().
	Logger *slog.Logger
	// LogWriteDeadline is how long a write to Raft's log may take before a
	// leader steps down (C9). Default 8 s; at most 2 minutes.
	LogWriteDeadline time.Duration
	// AnchorEvery is about how many entries there are between anchors while the
	// node runs; they are looked for every half minute. It bounds how much of
	// the log a start after a crash has to look through. Default 4096.
	AnchorEvery uint64
	// QueueStatements and QueueBytes bound what waits to be proposed; beyond
	// them Submit answers ErrBusy. Defaults 16384 and 64 MiB.
	QueueStatements int
	QueueBytes      int

	// hook puts a fault between Raft and its stores; nil outside of tests.
	hook func(raft.LogStore, raft.StableStore) (raft.LogStore, raft.StableStore)
	// noSyncForTest spares tests of thousands of blocks their disk's time.
	noSyncForTest bool
}

// ErrConfig: a configuration that cannot work.
var ErrConfig = errors.New("consensus: bad configuration")

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.LogWriteDeadline == 0 {
		c.LogWriteDeadline = 8 * time.Second
	}
	if c.AnchorEvery == 0 {
		c.AnchorEvery = 4096
	}
	if c.QueueStatements == 0 {
		c.QueueStatements = 16384
	}
	if c.QueueBytes == 0 {
		c.QueueBytes = 64 << 20
	}
	// The same servers in one order: the entry that founds the network is then
	// the same, to the byte, at every node.
	c.Servers = slices.Clone(c.Servers)
	slices.SortFunc(c.Servers, func(a, b Server) int { return strings.Compare(a.ID, b.ID) })
	return c
}

// validate reports every fault at once; defaults are filled in.
func (c Config) validate() error {
	var faults []error
	fault := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	if c.Dir == "" {
		fault("Dir is missing")
	}
	if c.MarkerPath == "" {
		fault("MarkerPath is missing: give a file beside the keys, outside of the data directory")
	}
	if c.Network == (statement.NetworkID{}) {
		fault("Network is zero: want the SHA-256 of the genesis file")
	}
	if len(c.Key) != ed25519.PrivateKeySize {
		fault("Key has %d bytes, want %d: the node's Ed25519 private key", len(c.Key), ed25519.PrivateKeySize)
	}
	if c.Transport == nil {
		fault("Transport is missing")
	} else if _, ok := c.Transport.(raft.WithPreVote); !ok {
		fault("Transport %T knows no pre-vote; without it a node that was cut off disturbs the others when it returns", c.Transport)
	}
	if c.Ledger == nil {
		fault("Ledger is missing")
	}
	if err := c.Profile.validate(); err != nil {
		faults = append(faults, err)
	}
	if c.LogWriteDeadline < 10*time.Millisecond || c.LogWriteDeadline > 2*time.Minute {
		fault("LogWriteDeadline is %v, want 10ms to 2m", c.LogWriteDeadline)
	}
	if c.QueueStatements < 1 || c.QueueBytes < 1 {
		fault("the queue's bounds are %d statements and %d bytes, want at least one of each", c.QueueStatements, c.QueueBytes)
	}
	ids, addresses := map[string]bool{}, map[string]bool{}
	for _, s := range c.Servers {
		if s.ID == "" || s.Address == "" {
			fault("server %q at %q: id or address is missing", s.ID, s.Address)
		}
		if ids[s.ID] || addresses[s.Address] {
			fault("server %q at %q is there twice", s.ID, s.Address)
		}
		ids[s.ID], addresses[s.Address] = true, true
		if s.ID == c.Self && c.Transport != nil && s.Address != string(c.Transport.LocalAddr()) {
			fault("this node is %q among the servers, and its transport %q", s.Address, c.Transport.LocalAddr())
		}
	}
	if !ids[c.Self] {
		fault("this node, %q, is not among the %d servers; only validators take part in ordering", c.Self, len(c.Servers))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

func (c Config) raft() *raft.Config {
	r := raft.DefaultConfig()
	r.LocalID = raft.ServerID(c.Self)
	r.HeartbeatTimeout = c.Profile.Heartbeat
	r.ElectionTimeout = c.Profile.Election
	r.LeaderLeaseTimeout = c.Profile.Lease
	r.CommitTimeout = c.Profile.Commit
	r.MaxAppendEntries = c.Profile.MaxAppend
	// A node that was voted out goes on answering checks.
	r.ShutdownOnRemove = false
	// We make the groups ourselves, and with a buffer before Raft a refused
	// Apply could not be told from one that was taken.
	r.BatchApplyCh = false
	// Until replicas catch up from one another's ledgers, a follower needs the
	// log from wherever it is. Raft compares with this number before it
	// computes with it, so the largest there is deletes nothing.
	r.TrailingLogs = ^uint64(0)
	r.SnapshotThreshold = c.AnchorEvery
	r.SnapshotInterval = 30 * time.Second
	// The ledger is what it is: see C7.
	r.NoSnapshotRestoreOnStart = true
	r.NoLegacyTelemetry = true
	r.Logger = newRaftLogger(c.Logger)
	return r
}
