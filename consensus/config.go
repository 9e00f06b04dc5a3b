package consensus

import (
	"context"
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
	// Judge says what applying the candidates, in order, would say, without
	// writing. It refuses seals.
	Judge([]ledger.Candidate) ([]ledger.Judgement, error)
	// JudgeAlone says what applying a block of one candidate would say, at being
	// the block's time in Unix milliseconds: of the leader's own statement.
	JudgeAlone(at int64, c ledger.Candidate) (ledger.Judgement, error)
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
	// all of them. Raft's own log has the voters from then on. A node that came in
	// later is not among them.
	Servers []Server
	// Members is who takes part now, as the ledger says; Raft's membership follows
	// it (C21), and Adopt begins with it. It is called often, from any goroutine, and
	// by Open and Adopt: it must be quick. Nil: Servers, for ever.
	Members func() (Membership, error)
	// Fresh says that, by the ledger that Adopt adopts, this authority has never been
	// a validator: it has no vote to have forgotten, and need not abstain. Only Adopt asks.
	Fresh bool
	// RotateLeader is how long this node leads, and up to a quarter more at random,
	// before it hands leadership to the next voter by id that answers and has caught
	// up. 0: for as long as it can; else at least Profile.Election.
	RotateLeader time.Duration
	// Found lets a node that has no Raft state begin with Servers. Without it
	// such a node does not start: an empty folder is as likely a lost disk as a
	// new network. It is for the network's very first start; to join one that
	// runs, catch up with it and Adopt.
	Found bool
	// Late is for a node that is told to found a network which others have founded
	// already, though nothing is certified that it could catch up with: it begins as
	// with Found, and abstains (C18), since it may have voted and forgotten.
	Late bool
	// Logger takes the node's log. Default: slog.Default().
	Logger *slog.Logger
	// LogWriteDeadline is how long a write to Raft's log may take before a
	// leader steps down (C9). Default 8 s; at most 2 minutes.
	LogWriteDeadline time.Duration
	// AnchorEvery is how many entries there are between anchors while the node
	// runs; a quarter of KeepLogBytes makes one sooner. It bounds how much of
	// the log a start after a crash has to look through. Default 4096.
	AnchorEvery uint64
	// KeepLogEntries and KeepLogBytes are how much of Raft's log stays, for
	// followers that lag: what is beyond either is cut off at the next anchor (C16).
	// Defaults 65536 entries, at least 1, and 256 MiB as stored, at least 1 MiB.
	KeepLogEntries uint64
	KeepLogBytes   int64
	// Certified is where in the order the block stands that the newest certified
	// checkpoint ends with; false while there is none. Whoever is behind the cut
	// catches up to there, so nothing above it is ever cut off. Nil cuts nothing.
	// It is called from a goroutine of its own.
	Certified func() (ledger.Position, bool)
	// Seal is asked, while this node leads and orders nothing else, for a
	// statement that the ledger wants from whoever leads: the seal of its state.
	// base is where the ledger stands and at the time of the block that will hold
	// it, alone. Nil means that none is due. It is asked at least every second and
	// before each block, from the goroutine that orders: it must be quick to say
	// no. A seal that fails or is refused is logged, and asked for again later.
	Seal func(base ledger.Head, at time.Time) (*ledger.Candidate, error)
	// Proposes is nil while the ledger, as it stands, takes blocks of this node under
	// Key, and else says why not: its key was replaced, or it is no validator any
	// more. Such a leader hands over before it makes another block. It is asked
	// before each block, from the goroutine that orders: it must be quick. Nil: always.
	Proposes func() error
	// Diverged says, in a sentence, that this ledger is known not to be what the
	// others have, by what is no part of the order: a quorum has certified another
	// one. "" while nothing says so; nil if nothing ever does. Such a node is astray
	// (C15) until it is made anew, and hands on whatever leadership it gets. It is
	// asked often, from any goroutine: it must be quick, and not ask this Node.
	Diverged func() string
	// Refused, if set, gets the bytes of each block that the ledger refused, which
	// may be evidence against its proposer; from the goroutine that applies, and
	// before anybody is answered: it must be quick, and not keep them.
	Refused func(raw []byte)
	// PeerTerm asks another voter, by id, for the term that it is in (Node.Term
	// there). Needed by a node that came back without its votes (C18); only it asks.
	PeerTerm func(ctx context.Context, id string) (uint64, error)
	// LeaderFrontier asks whoever leads for Node.Frontier, and hands it adopted. It
	// must not answer from memory: what counts is that the leader named it after it was
	// asked. Needed with Members, and by a node that came back without its votes.
	LeaderFrontier func(ctx context.Context, adopted uint64) (index uint64, err error)
	// MaxTerm is the highest term that is plausible now. A validator that answers
	// PeerTerm with a higher one is taken for one that does not answer, and no rejoin
	// raises this node's term above it. Nil: there is no bound.
	MaxTerm func() uint64
	// Now is the clock that blocks get their times from. Default: time.Now.
	Now func() time.Time
	// QueueStatements and QueueBytes bound what waits to be proposed; beyond
	// them Submit answers ErrBusy. Defaults 16384 and 64 MiB.
	QueueStatements int
	QueueBytes      int

	// hook puts a fault between Raft and its stores; nil outside of tests.
	hook func(raft.LogStore, raft.StableStore) (raft.LogStore, raft.StableStore)
	// noSyncForTest spares tests of thousands of blocks their disk's time.
	noSyncForTest bool
	// silenceForTest is deadSilence for tests; 0: deadSilence.
	silenceForTest time.Duration
	// sealRetryForTest is sealRetry for tests; 0: sealRetry.
	sealRetryForTest time.Duration
	// crashForTest is called between the steps of Adopt, and ends it with the
	// error that it gives.
	crashForTest func(step string) error
}

// ErrConfig: a configuration that cannot work.
var ErrConfig = errors.New("consensus: bad configuration")

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.LogWriteDeadline == 0 {
		c.LogWriteDeadline = 8 * time.Second
	}
	if c.AnchorEvery == 0 {
		c.AnchorEvery = 4096
	}
	if c.KeepLogEntries == 0 {
		c.KeepLogEntries = 65536
	}
	if c.KeepLogBytes == 0 {
		c.KeepLogBytes = 256 << 20
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
	faults := c.placeFaults()
	fault := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	if len(c.Key) != ed25519.PrivateKeySize {
		fault("Key has %d bytes, want %d: the node's Ed25519 private key", len(c.Key), ed25519.PrivateKeySize)
	}
	if c.Transport == nil {
		fault("Transport is missing")
	} else if _, ok := c.Transport.(raft.WithPreVote); !ok {
		fault("Transport %T knows no pre-vote; without it a node that was cut off disturbs the others when it returns", c.Transport)
	}
	if err := c.Profile.validate(); err != nil {
		faults = append(faults, err)
	}
	if c.RotateLeader < 0 || c.RotateLeader > 0 && c.RotateLeader < c.Profile.Election {
		fault("RotateLeader is %v, want 0 (never), or at least the profile's election, %v", c.RotateLeader, c.Profile.Election)
	}
	if c.Members != nil && c.LeaderFrontier == nil {
		fault("LeaderFrontier is missing: with Members, a node that caught up asks the leader for the membership")
	}
	if c.LogWriteDeadline < 10*time.Millisecond || c.LogWriteDeadline > 2*time.Minute {
		fault("LogWriteDeadline is %v, want 10ms to 2m", c.LogWriteDeadline)
	}
	if c.KeepLogBytes < 1<<20 {
		fault("KeepLogBytes is %d, want at least %d", c.KeepLogBytes, 1<<20)
	}
	if c.QueueStatements < 1 || c.QueueBytes < 1 {
		fault("the queue's bounds are %d statements and %d bytes, want at least one of each", c.QueueStatements, c.QueueBytes)
	}
	for _, s := range c.Servers { // of one with Members the address may have changed since
		if c.Members == nil && s.ID == c.Self && c.Transport != nil && s.Address != string(c.Transport.LocalAddr()) {
			fault("this node is %q among the servers, and its transport %q", s.Address, c.Transport.LocalAddr())
		}
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

// placeFaults are the faults of what says where this node's state is, and whose it is.
func (c Config) placeFaults() (faults []error) {
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
	if c.Ledger == nil {
		fault("Ledger is missing")
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
	}
	if !ids[c.Self] && (c.Members == nil || c.Found && len(c.Servers) == 0) {
		fault("this node, %q, is not among the %d servers that founded the network, and Members, which would name it, is missing", c.Self, len(c.Servers))
	}
	return faults
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
	// When an anchor is made, and what is cut off then, keeper decides. Raft
	// compares with TrailingLogs before it computes with it, so the largest there
	// is deletes nothing; and looks in vain for a log that is longer than any.
	r.TrailingLogs = ^uint64(0)
	r.SnapshotThreshold = ^uint64(0)
	r.SnapshotInterval = time.Hour
	// The ledger is what it is: see C7.
	r.NoSnapshotRestoreOnStart = true
	r.NoLegacyTelemetry = true
	r.Logger = newRaftLogger(c.Logger)
	return r
}
