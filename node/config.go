package node

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"concordat/consensus"
)

// Config is everything that one node is told. The zero value of a field with a
// default means the default; configs/ has examples that start.
type Config struct {
	// Dir is the authority's directory, as `concordat init` makes it: keys,
	// descriptor, and below it data/ (everything the node writes). Required.
	Dir string `mapstructure:"dir"`
	// Genesis is the path of the network's founding document. Default:
	// genesis.json in Dir.
	Genesis string `mapstructure:"genesis"`
	// Found lets the node take part in founding the network: it starts with an
	// empty ledger. Without it, a node that has no data refuses to start,
	// because an empty folder is as likely a lost disk as a new network.
	Found bool `mapstructure:"found"`
	// HTTP is the address of the API. Default 127.0.0.1:8460. Put a reverse
	// proxy with TLS before it where others than this machine ask.
	HTTP string `mapstructure:"http"`
	// Listen are the libp2p addresses to listen on. Default: the addresses that
	// the genesis gives for this authority.
	Listen []string `mapstructure:"listen"`
	// Profile is the timing of the links between validators: site, country or
	// continents. Default country.
	Profile string `mapstructure:"profile"`
	// PreferQUIC dials QUIC before TCP. Default false: TCP with TLS is faster
	// where no packets are lost.
	PreferQUIC bool `mapstructure:"prefer_quic"`

	Check   CheckConfig   `mapstructure:"check"`
	Limits  LimitsConfig  `mapstructure:"limits"`
	Storage StorageConfig `mapstructure:"storage"`
	Log     LogConfig     `mapstructure:"log"`

	// Passphrase opens encrypted keys. It is asked only where one is encrypted.
	// The command takes it from CONCORDAT_PASSPHRASE, CONCORDAT_PASSPHRASE_FILE
	// or the terminal, never from a file of settings.
	Passphrase func() (string, error) `mapstructure:"-"`
	// Logger takes the node's log. Default: slog's default logger.
	Logger *slog.Logger `mapstructure:"-"`
	// Version is what /v1/status shows.
	Version string `mapstructure:"-"`
}

// CheckConfig is how checks are answered.
type CheckConfig struct {
	// MaxAge is how old this node's knowledge may be for a check to say
	// recognized: beyond it the answer is undetermined. Default 1h.
	MaxAge time.Duration `mapstructure:"max_age"`
	// MaxCodes bounds how many codes one request may present. Default 16.
	MaxCodes int `mapstructure:"max_codes"`
	// MaxStays bounds the stays of one itinerary. Default 200.
	MaxStays int `mapstructure:"max_stays"`
	// Concurrent bounds checks under way at once; more wait, and are told to
	// come later when they have waited for a second. Default 256.
	Concurrent int `mapstructure:"concurrent"`
}

// LimitsConfig bounds what the node takes on.
type LimitsConfig struct {
	// Submissions bounds statements under way at once. Default 4096.
	Submissions int `mapstructure:"submissions"`
	// Held bounds statements accepted and not yet ordered. Default 100000.
	Held int `mapstructure:"held"`
	// Connections bounds HTTP connections. Default 4096.
	Connections int `mapstructure:"connections"`
	// SubmitTimeout is how long a submission may wait to be ordered. Default 30s.
	SubmitTimeout time.Duration `mapstructure:"submit_timeout"`
	// Events bounds streams of events open at once. Default 256.
	Events int `mapstructure:"events"`
}

// StorageConfig is how data is kept.
type StorageConfig struct {
	// Cache is the ledger's block cache in bytes. Default 256 MiB.
	Cache int64 `mapstructure:"cache"`
	// WriteDeadline is how long Raft's log may take to store an entry before
	// this node gives up leadership. Default 8s.
	WriteDeadline time.Duration `mapstructure:"write_deadline"`
}

// LogConfig is how the command logs.
type LogConfig struct {
	// Level is debug, info, warn or error. Default info.
	Level string `mapstructure:"level"`
	// Format is text or json. Default text.
	Format string `mapstructure:"format"`
}

// Defaults fills what was left out.
func (c Config) Defaults() Config {
	def(&c.HTTP, "127.0.0.1:8460")
	def(&c.Profile, string(consensus.Country.Name))
	def(&c.Check.MaxAge, time.Hour)
	def(&c.Check.MaxCodes, 16)
	def(&c.Check.MaxStays, 200)
	def(&c.Check.Concurrent, 256)
	def(&c.Limits.Submissions, 4096)
	def(&c.Limits.Held, 100_000)
	def(&c.Limits.Connections, 4096)
	def(&c.Limits.SubmitTimeout, 30*time.Second)
	def(&c.Limits.Events, 256)
	def(&c.Storage.Cache, 256<<20)
	def(&c.Storage.WriteDeadline, 8*time.Second)
	def(&c.Log.Level, "info")
	def(&c.Log.Format, "text")
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports every fault of a configuration with its defaults filled in.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	between := func(name string, v, least, most int64) {
		if v < least || v > most {
			fault("%s is %d, want %d to %d", name, v, least, most)
		}
	}
	if c.Dir == "" {
		fault("dir is missing: give the authority's directory, made by `concordat init`")
	}
	if _, _, err := net.SplitHostPort(c.HTTP); err != nil {
		fault("http is %q, want host:port like 127.0.0.1:8460", c.HTTP)
	}
	if _, err := consensus.ProfileByName(c.Profile); err != nil {
		faults = append(faults, err)
	}
	between("check.max_age (seconds)", int64(c.Check.MaxAge/time.Second), 1, 365*24*3600)
	between("check.max_codes", int64(c.Check.MaxCodes), 1, 64)
	between("check.max_stays", int64(c.Check.MaxStays), 1, 1000)
	between("check.concurrent", int64(c.Check.Concurrent), 1, 100_000)
	between("limits.submissions", int64(c.Limits.Submissions), 1, 1_000_000)
	between("limits.held", int64(c.Limits.Held), 1, 10_000_000)
	between("limits.connections", int64(c.Limits.Connections), 1, 1_000_000)
	between("limits.submit_timeout (seconds)", int64(c.Limits.SubmitTimeout/time.Second), 1, 600)
	between("limits.events", int64(c.Limits.Events), 1, 100_000)
	between("storage.cache (bytes)", c.Storage.Cache, 8<<20, 1<<40)
	between("storage.write_deadline (seconds)", int64(c.Storage.WriteDeadline/time.Second), 1, 120)
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		fault("log.level is %q, want debug, info, warn or error", c.Log.Level)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		fault("log.format is %q, want text or json", c.Log.Format)
	}
	return errors.Join(faults...)
}
