package node

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/statement"
	"concordat/recognition"
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
	// Found lets the node take part in founding the network: it begins with an
	// empty ledger. Without it, a node that has no data joins the network that the
	// others run, and waits for one, because an empty folder is as likely a lost
	// disk as a new network.
	Found bool `mapstructure:"found"`
	// Join is the base URL of any node of a network that this authority is not a
	// member of yet: the node waits there for its admission, and joins. Later it is
	// asked when nobody else can be reached.
	Join string `mapstructure:"join"`
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
	// RotateLeader is how long this node leads before it hands leadership to
	// another validator: a leader that leaves statements out does so for that long
	// at most. Default 1h.
	RotateLeader time.Duration `mapstructure:"rotate_leader"`

	Check   CheckConfig   `mapstructure:"check"`
	Limits  LimitsConfig  `mapstructure:"limits"`
	Order   OrderConfig   `mapstructure:"order"`
	Storage StorageConfig `mapstructure:"storage"`
	Vouch   VouchConfig   `mapstructure:"vouch"`
	Witness WitnessConfig `mapstructure:"witness"`
	Bridge  BridgeConfig  `mapstructure:"bridge"`
	Log     LogConfig     `mapstructure:"log"`

	// Passphrase opens encrypted keys. It is asked only where one is encrypted.
	// The command takes it from CONCORDAT_PASSPHRASE, CONCORDAT_PASSPHRASE_FILE
	// or the terminal, never from a file of settings.
	Passphrase func() (string, error) `mapstructure:"-"`
	// Logger takes the node's log. Default: slog's default logger.
	Logger *slog.Logger `mapstructure:"-"`
	// Version is what /v1/status shows.
	Version string `mapstructure:"-"`

	// outlook is what is known of the network beyond the node's own ledger, from the
	// run before in this process; door is the API's listener that it left open.
	outlook *outlook
	door    *door
	// guess is the node key that the network may have come to name, with which this
	// run finds out; guesses is how often that was done since the process began.
	guess   ed25519.PrivateKey
	guesses int
	// ledgerOptions lets a test put a failing disk under the ledger.
	ledgerOptions func(*ledger.Options)
	// orderConfig lets a test have Raft keep less of its log.
	orderConfig func(*consensus.Config)
}

// CheckConfig is how checks are answered.
type CheckConfig struct {
	// MaxAge is how old this node's knowledge may be for a check to say
	// recognized: beyond it the answer is undetermined. Default 1h.
	MaxAge time.Duration `mapstructure:"max_age"`
	// MaxCodes bounds how many codes one request may present. Default 16, and
	// no more can be.
	MaxCodes int `mapstructure:"max_codes"`
	// MaxStays bounds the stays of one itinerary. Default 200.
	MaxStays int `mapstructure:"max_stays"`
	// MaxPictures bounds the pictures of one request, of 8 MiB each. Default 4.
	MaxPictures int `mapstructure:"max_pictures"`
	// Pictures bounds requests whose pictures are being read at once. Each takes
	// a processor for a second, and 160 MiB, at the very worst; commonly some
	// milliseconds, and what the pictures have. Default: half the processors.
	Pictures int `mapstructure:"pictures"`
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
	// SubmitTimeout is how long a submission may wait to be ordered. Default 30s,
	// or twice the time that the profile allows for finding a leader.
	SubmitTimeout time.Duration `mapstructure:"submit_timeout"`
	// Events bounds streams of events open at once. Default 256.
	Events int `mapstructure:"events"`
	// QuotaStatements bounds how many statements of one authority this node takes
	// in a minute, and passes on while it leads; as many may come at once. Default
	// 120000.
	QuotaStatements int `mapstructure:"quota_statements"`
	// QuotaBytes bounds the same in bytes, attachments included. Default 256 MiB.
	QuotaBytes int64 `mapstructure:"quota_bytes"`
}

// OrderConfig is how this node watches over the order.
type OrderConfig struct {
	// CensorAfter is how long a statement that a node has accepted may stay
	// unordered while its leader orders others, before that leader is shown as
	// suspected of leaving it out. Default 30s, or three times what the profile
	// allows for finding a leader.
	CensorAfter time.Duration `mapstructure:"censor_after"`
}

// StorageConfig is how data is kept.
type StorageConfig struct {
	// Cache is the ledger's block cache in bytes. Default 256 MiB.
	Cache int64 `mapstructure:"cache"`
	// WriteDeadline is how long Raft's log may take to store an entry before
	// this node gives up leadership. Default 8s.
	WriteDeadline time.Duration `mapstructure:"write_deadline"`
	// KeepLog is how many bytes of Raft's log are kept for followers that are
	// behind; what is older they fetch as certified statements. Default 256 MiB.
	KeepLog int64 `mapstructure:"keep_log"`
	// EraseAfter is how long after their expiry the hashes of a revocation are
	// erased. Default 24h.
	EraseAfter time.Duration `mapstructure:"erase_after"`
	// ServeRate bounds, in bytes a second, what one node that catches up is
	// served, so that ordering does not wait for it. Default 32 MiB.
	ServeRate int64 `mapstructure:"serve_rate"`
}

// VouchConfig is how this node vouches for what is ordered.
type VouchConfig struct {
	// Refresh is how often an unchanged ledger is co-signed again: knowledge
	// looks at most about as old while nothing happens. Default 15s.
	Refresh time.Duration `mapstructure:"refresh"`
	// Seal is how often, at most, the digest of the state is logged, while this
	// node leads: bundles for offline checks are that old. Default 1m.
	Seal time.Duration `mapstructure:"seal"`
}

// WitnessConfig is who outside of the network watches whom.
type WitnessConfig struct {
	// Witnesses are asked to co-sign this network's checkpoints (C2SP
	// tlog-witness). Each is a verifier key, a blank, and the URL below which its
	// add-checkpoint is.
	Witnesses []string `mapstructure:"witnesses"`
	// Logs are other logs whose checkpoints this node co-signs when they are
	// given to it. Each is a verifier key, whose name is the log's origin.
	Logs []string `mapstructure:"logs"`
}

// BridgeConfig is how existing verifier apps and backends are served in their own
// formats (docs/formats/bridge.md).
type BridgeConfig struct {
	// Disabled leaves those paths out. Default false.
	Disabled bool `mapstructure:"disabled"`
	// URL is where clients reach this node's API, like https://node.xa.example: it
	// is in lists that name places. Default: what the ledger has for this
	// authority, else the name that a client asks by.
	URL string `mapstructure:"url"`
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
	def(&c.RotateLeader, time.Hour)
	def(&c.Check.MaxAge, time.Hour)
	def(&c.Check.MaxCodes, recognition.MaxCodes)
	def(&c.Check.MaxStays, 200)
	def(&c.Check.MaxPictures, 4)
	def(&c.Check.Pictures, max(runtime.GOMAXPROCS(0)/2, 1))
	def(&c.Check.Concurrent, 256)
	def(&c.Limits.Submissions, 4096)
	def(&c.Limits.Held, 100_000)
	def(&c.Limits.Connections, 4096)
	// A new leader may be found, and a statement then still be ordered.
	submit, censor := 30*time.Second, 30*time.Second
	if p, err := consensus.ProfileByName(c.Profile); err == nil {
		submit, censor = max(submit, 2*p.Patience), max(censor, 3*p.Patience)
	}
	def(&c.Limits.SubmitTimeout, submit)
	def(&c.Limits.Events, 256)
	def(&c.Limits.QuotaStatements, 120_000)
	def(&c.Limits.QuotaBytes, 256<<20)
	def(&c.Order.CensorAfter, censor)
	def(&c.Storage.Cache, 256<<20)
	def(&c.Storage.WriteDeadline, 8*time.Second)
	def(&c.Storage.KeepLog, 256<<20)
	def(&c.Storage.EraseAfter, 24*time.Hour)
	def(&c.Storage.ServeRate, 32<<20)
	def(&c.Vouch.Refresh, 15*time.Second)
	def(&c.Vouch.Seal, time.Minute)
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
	if c.Dir == "" {
		fault("dir is missing: give the authority's directory, made by `concordat init`")
	}
	if _, port, err := net.SplitHostPort(c.HTTP); err != nil || !validPort(port) {
		fault("http is %q, want host:port like 127.0.0.1:8460", c.HTTP)
	}
	if u, err := url.Parse(c.Join); c.Join != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		fault("join is %q, want the URL of a node's API like https://node.example:8460", c.Join)
	}
	if c.Join != "" && c.Found {
		fault("join and found are both given: a network is founded, or joined")
	}
	if u, err := url.Parse(c.Bridge.URL); c.Bridge.URL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "") {
		fault("bridge.url is %q, want where clients reach this node, like https://node.example", c.Bridge.URL)
	}
	if _, err := multiaddrs(c.Listen); err != nil {
		fault("listen: %w", err)
	}
	if _, err := consensus.ProfileByName(c.Profile); err != nil {
		fault("profile: %w", err)
	}
	for _, n := range []struct {
		name           string
		v, least, most int
	}{
		{"check.max_codes", c.Check.MaxCodes, 1, recognition.MaxCodes},
		{"check.max_stays", c.Check.MaxStays, 1, recognition.MaxStays},
		{"check.max_pictures", c.Check.MaxPictures, 1, recognition.MaxCodes},
		{"check.pictures", c.Check.Pictures, 1, 1000},
		{"check.concurrent", c.Check.Concurrent, 1, 100_000},
		{"limits.submissions", c.Limits.Submissions, 1, 100_000},
		{"limits.held", c.Limits.Held, 1, 10_000_000},
		{"limits.connections", c.Limits.Connections, 1, 1_000_000},
		{"limits.events", c.Limits.Events, 1, 100_000},
		{"limits.quota_statements", c.Limits.QuotaStatements, 1, 100_000_000},
	} {
		if n.v < n.least || n.v > n.most {
			fault("%s is %d, want %d to %d", n.name, n.v, n.least, n.most)
		}
	}
	for _, d := range []struct {
		name           string
		v, least, most time.Duration
	}{
		{"rotate_leader", c.RotateLeader, time.Second, 30 * 24 * time.Hour},
		{"check.max_age", c.Check.MaxAge, time.Second, 365 * 24 * time.Hour},
		{"limits.submit_timeout", c.Limits.SubmitTimeout, time.Second, 10 * time.Minute},
		{"order.censor_after", c.Order.CensorAfter, time.Second, 24 * time.Hour},
		{"storage.write_deadline", c.Storage.WriteDeadline, time.Second, 2 * time.Minute},
		{"storage.erase_after", c.Storage.EraseAfter, time.Minute, 10 * 365 * 24 * time.Hour},
		{"vouch.refresh", c.Vouch.Refresh, time.Second, time.Hour},
		{"vouch.seal", c.Vouch.Seal, time.Second, 24 * time.Hour},
	} {
		if d.v < d.least || d.v > d.most {
			fault("%s is %v, want %v to %v", d.name, d.v, d.least, d.most)
		}
	}
	if k, least := c.Limits.QuotaBytes, int64(statement.MaxSize+statement.MaxAttachment); k < least || k > 1<<50 {
		fault("limits.quota_bytes is %d bytes a minute, want %d, which is one largest statement, to %d", k, least, int64(1)<<50)
	}
	if c.Storage.Cache < 8<<20 || c.Storage.Cache > 1<<40 {
		fault("storage.cache is %d bytes, want %d to %d", c.Storage.Cache, 8<<20, 1<<40)
	}
	if k := c.Storage.KeepLog; k < 1<<20 || k > 1<<40 {
		fault("storage.keep_log is %d bytes, want %d to %d", k, 1<<20, 1<<40)
	}
	if k := c.Storage.ServeRate; k < 1<<16 || k > 1<<40 {
		fault("storage.serve_rate is %d bytes a second, want %d to %d", k, 1<<16, 1<<40)
	}
	for _, w := range c.Witness.Witnesses {
		if _, _, err := outsideWitness(w); err != nil {
			fault("witness.witnesses: %w", err)
		}
	}
	for _, l := range c.Witness.Logs {
		if _, err := note.NewVerifier(l); err != nil {
			fault("witness.logs: %q: %w; want a verifier key like origin+0123abcd+AQ…", l, err)
		}
	}
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

// outsideWitness reads a witness of another operator. The form of its key is
// for package witness to judge, which knows co-signatures.
func outsideWitness(s string) (vkey string, at *url.URL, err error) {
	vkey, where, found := strings.Cut(s, " ")
	at, err = url.Parse(where)
	if !found || vkey == "" || err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		return "", nil, fmt.Errorf("%q: want a verifier key, a blank and a URL like https://witness.example/", s)
	}
	return vkey, at, nil
}

func validPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}
