package certify

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"concordat/ledger"
	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
	"concordat/ledger/statement"
)

// Net reaches the other nodes.
type Net interface {
	// Members are the other nodes, by their authority: validators and observers.
	Members() []string
	// Call asks one of them. It returns when ctx ends, at the latest.
	Call(ctx context.Context, to, name string, req []byte) ([]byte, error)
}

// Ledger is what is certified; *ledger.Ledger is one.
type Ledger interface {
	// View pins the ledger as it is now.
	View() *ledger.View
	// Changed gives a channel that is closed when the ledger next grows.
	Changed() <-chan struct{}
	// Certify keeps a certified checkpoint of this ledger, if it is newer than what is kept.
	Certify(*checkpoint.Certified) error
	// Certified gives the newest that is kept; nil before the first.
	Certified() *checkpoint.Certified
}

// Config is everything that a Certifier is told. Open validates it whole.
type Config struct {
	// Self is this node's authority.
	Self statement.Region
	// Origin names the log in checkpoints: the network's name in the genesis, with
	// the lineage from the second on (checkpoint.Origin). Nothing is signed for another.
	Origin string
	// Network is the network's id.
	Network statement.NetworkID
	// Cosign and Node are the keys with which a validator signs: the
	// co-signature, and the log's own signature. An observer may leave both out;
	// one that is to become a validator gives them, so that it knows by then that
	// they have signed nothing (F10).
	Cosign, Node ed25519.PrivateKey
	// Former are this validator's keys before a rotation, as long as the validators
	// with the new ones have not taken over. Every checkpoint is signed with all
	// keys that its electorate has for this validator.
	Former []Keys
	// SignerPath is the file that remembers what was signed (F1). Keep it apart
	// from the database, and out of every backup. An observer may leave it out.
	SignerPath string
	// Ran says that this validator has run before, or may have: then a signer
	// file that is not there is lost, and it signs nothing until it is safe
	// without (F10). Joins says the same later. Default: it is new, and where
	// there is no file there was nothing signed.
	Ran bool
	// Ledger is what is certified. The caller closes it, after Close.
	Ledger Ledger
	// Net reaches the other nodes.
	Net Net
	// Leads reports that this node leads the order, and so sets the pace of
	// marks. Default: never, which costs a second for each round.
	Leads func() bool
	// May is nil if this node may vouch, and else says why not. Default: it may.
	May func() error
	// Now is the clock that signatures tell. Default: time.Now.
	Now func() time.Time
	// MarkEvery is the least time between two marks. Default 100 ms.
	MarkEvery time.Duration
	// RefreshEvery is how often an unchanged head is co-signed again. Default 15 s.
	RefreshEvery time.Duration
	// Logger takes the log. Default: slog.Default().
	Logger *slog.Logger
	// OnEvidence is told of each proof, once for each culprit and kind while the
	// process lives, from a goroutine of its own. Close waits for it. If it gives
	// an error it is told again, later and later, until it gives none or the
	// ledger has evidence against the culprit.
	OnEvidence func(evidence.Proof) error

	disk disk // nil: the operating system's; else a test's
	// electorateAt reads from a view who certifies a size of at most its own. Nil:
	// as its state says. Tests have other histories.
	electorateAt func(v *ledger.View, size uint64) (checkpoint.Electorate, error)
	// electorates reads all up to a view's size. Nil: as its state says.
	electorates func(v *ledger.View) (checkpoint.Electorates, error)
}

// ErrConfig: a configuration that cannot work.
var ErrConfig = errors.New("certify: bad configuration")

func (c Config) withDefaults() Config {
	if c.Leads == nil {
		c.Leads = func() bool { return false }
	}
	if c.May == nil {
		c.May = func() error { return nil }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MarkEvery == 0 {
		c.MarkEvery = 100 * time.Millisecond
	}
	if c.RefreshEvery == 0 {
		c.RefreshEvery = 15 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.OnEvidence == nil {
		c.OnEvidence = func(evidence.Proof) error { return nil }
	}
	if c.disk == nil {
		c.disk = osDisk{}
	}
	if c.electorateAt == nil {
		c.electorateAt = func(v *ledger.View, size uint64) (checkpoint.Electorate, error) { return v.State().ElectorateAt(size) }
	}
	if c.electorates == nil {
		c.electorates = func(v *ledger.View) (checkpoint.Electorates, error) { return v.State().Electorates() }
	}
	return c
}

// validate reports every fault at once; defaults are filled in.
func (c Config) validate() error {
	var faults []error
	fault := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	if err := c.Self.Validate(); err != nil {
		fault("Self: %w", err)
	}
	if err := (checkpoint.Checkpoint{Origin: c.Origin, Size: 1}).Check(); err != nil {
		fault("Origin: %w", err)
	}
	if c.Network == (statement.NetworkID{}) {
		fault("Network is zero: want the SHA-256 of the genesis file")
	}
	check := func(name string, key ed25519.PrivateKey) {
		if len(key) != ed25519.PrivateKeySize {
			fault("%s has %d bytes, want %d: an Ed25519 private key", name, len(key), ed25519.PrivateKeySize)
		}
	}
	if len(c.Former) > maxFormer {
		fault("Former has %d pairs of keys, at most %d: those of a rotation that is not handed over", len(c.Former), maxFormer)
	}
	for i, k := range c.Former {
		check(fmt.Sprintf("Former[%d].Cosign", i), k.Cosign)
		check(fmt.Sprintf("Former[%d].Node", i), k.Node)
	}
	if !c.signs() && len(c.Former) > 0 {
		fault("Former has keys, and Cosign and Node are missing")
	}
	if c.signs() {
		check("Cosign", c.Cosign)
		check("Node", c.Node)
		if c.SignerPath == "" {
			fault("SignerPath is missing: give a file apart from the database, which no backup holds")
		}
	}
	if c.Ledger == nil {
		fault("Ledger is missing")
	}
	if c.Net == nil {
		fault("Net is missing")
	}
	if c.MarkEvery < time.Millisecond || c.MarkEvery > time.Minute {
		fault("MarkEvery is %v, want 1ms to 1m", c.MarkEvery)
	}
	if c.RefreshEvery < 100*time.Millisecond || c.RefreshEvery > 24*time.Hour {
		fault("RefreshEvery is %v, want 100ms to 24h", c.RefreshEvery)
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

// signs reports that this node has keys to vouch with.
func (c Config) signs() bool { return c.Cosign != nil || c.Node != nil }
