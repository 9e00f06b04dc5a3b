package httpapi

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/backup"
	"concordat/ledger/statement"
	"concordat/node/httpapi/bridge"
)

// Node is what the API needs of a running node.
type Node interface {
	// Check decides on codes. A fault is a *client.Failure.
	Check(context.Context, client.Check) (client.CheckAnswer, error)
	// Submit takes a signed statement and waits for the state named.
	Submit(ctx context.Context, raw, attachment []byte, wait string) (client.Submitted, error)
	// View pins the ledger as it stands; the caller closes it.
	View() *ledger.View
	// AsOf says what knowledge the view is.
	AsOf(*ledger.View) client.AsOf
	// Status is the node at a glance.
	Status() client.Status
	// Peers are the other nodes as this one sees them.
	Peers() []client.Peer
	// Await returns once the ledger has more than size statements, or more than
	// final of them are final.
	Await(ctx context.Context, size, final uint64) error
	// FinalSize is how many statements are final.
	FinalSize() uint64
	// Receipt proves the statement at index to a stranger who has the genesis: a
	// C2SP tlog-proof, or, as cose, an RFC 9942 receipt. Failures: NotFound, NotFinal.
	Receipt(index uint64, cose bool) ([]byte, error)
	// Bundle writes the state at the newest certified seal, or what changed in it
	// after since. Before the first byte it calls begin with the seal's size, and
	// when a quorum last vouched for that. Failures: NotFound before the first seal.
	Bundle(w io.Writer, since uint64, begin func(size uint64, vouched time.Time) (goOn bool)) error
	// Backup writes a backup of the ledger as it is now. Before the first byte it
	// calls begin with what the backup will say of itself.
	Backup(w io.Writer, begin func(backup.Manifest)) error
	// Evidence lists who is proved to have signed two histories.
	Evidence(*ledger.View) ([]client.Culprit, error)
	// Ready is nil when the node can answer from a state it knows to be current.
	Ready() error
	// Healthy is nil while the process does its work.
	Healthy() error
	// Operator reports whether a token is that of this node's operator.
	Operator(token string) bool
	Governor
	// Pending gives a statement that this node has accepted and that is not in
	// its ledger.
	Pending(statement.Hash) (Pending, bool, error)
	// Waiting lists what waits to be ordered, here and at other nodes.
	Waiting() client.PendingList
}

// Pending is a statement that a node has accepted: it waits to be ordered, or
// was refused since.
type Pending struct {
	Statement *statement.Unverified
	Refusal   *client.Failure // nil while it waits
}

// Config is how the API behaves.
type Config struct {
	Logger      *slog.Logger
	Registry    *prometheus.Registry // where its figures go, and what /metrics shows
	Checks      int                  // checks under way at once
	Pictures    int                  // of these, with pictures that are being read
	MaxPictures int                  // pictures in one check; 0: none
	Submits     int                  // submissions under way at once
	Events      int                  // event streams open at once
	CheckBytes  int64                // bound of a check's body
	BundleRate  int64                // bytes a second that a bundle's reader takes at least; 0: DefaultBundleRate
	BundleTime  time.Duration        // what a bundle's reader has beyond that; 0: DefaultBundleTime
	Stop        context.Context      // ends when the node stops, and streams with it; nil: never
	Log         http.Handler         // the transparency log: /checkpoint and /tile/…
	Witness     http.Handler         // POST /add-checkpoint
	Bridge      *bridge.Bridge       // the formats of existing clients; nil: they are not served
}

// api is one API over one node.
type api struct {
	node        Node
	log         *slog.Logger
	metrics     *metrics
	checks      gate
	eyes        gate // checks whose pictures are being read
	pictures    scale
	maxPictures int
	submits     gate
	bodies      scale
	events      gate
	bundles     gate
	backups     gate
	drafts      gate
	stop        context.Context
	pace        pace
	guests      *guests
	maxBody     int64
	tiles       http.Handler
	witness     http.Handler
	bridge      *bridge.Bridge
	lists       gate
	ruleLists   gate
	described   descriptions
}

// DefaultCheckBytes bounds the body of a check: sixteen of the largest codes and an itinerary.
const DefaultCheckBytes = 256 << 10

// New makes the handler of a node's API.
func New(n Node, c Config) http.Handler {
	if c.CheckBytes == 0 {
		c.CheckBytes = DefaultCheckBytes
	}
	if c.BundleRate == 0 {
		c.BundleRate = DefaultBundleRate
	}
	if c.BundleTime == 0 {
		c.BundleTime = DefaultBundleTime
	}
	if c.Stop == nil {
		c.Stop = context.Background()
	}
	a := &api{
		node: n, log: c.Logger, metrics: newMetrics(c.Registry, n), maxBody: c.CheckBytes,
		checks: newGate(c.Checks), submits: newGate(c.Submits), eyes: newGate(c.Pictures), pictures: newScale(maxPictureBytes), maxPictures: c.MaxPictures, bodies: newScale(maxBodies), events: newGate(c.Events), stop: c.Stop,
		bundles: newGate(maxBundles), backups: newGate(maxBackups), drafts: newGate(maxDrafts), pace: pace{c.BundleRate, c.BundleTime}, guests: newGuests(), tiles: c.Log, witness: c.Witness,
	}
	a.bridge, a.lists, a.ruleLists = c.Bridge, newGate(maxLists), newGate(maxRuleLists)
	mux := http.NewServeMux()
	for pattern, h := range a.routes() {
		mux.Handle(pattern, a.wrap(pattern, h))
	}
	mux.Handle("GET /metrics", promhttp.HandlerFor(c.Registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(c.Logger.Handler(), slog.LevelWarn)}))
	mux.Handle("/", a.wrap("other", a.noRoute(mux)))
	return mux
}

// handler answers a request, or returns the failure to answer with.
type handler func(http.ResponseWriter, *http.Request) error

// routes is the whole API. A test holds it against openapi.json.
func (a *api) routes() map[string]handler {
	all := map[string]handler{
		"POST /v1/check":                   a.check,
		"POST /v1/statements":              a.submit,
		"GET /v1/statements":               a.statements,
		"GET /v1/statements/{ref}":         a.statement,
		"GET /v1/authorities":              a.authorities,
		"GET /v1/issuers":                  a.issuers,
		"GET /v1/revocations/{hash}":       a.revocations,
		"GET /v1/risk-areas":               a.riskAreas,
		"GET /v1/recognitions":             a.recognitions,
		"GET /v1/schemes":                  a.schemes,
		"GET /v1/special-cases":            a.specialCases,
		"GET /v1/rules":                    a.rules,
		"GET /v1/value-sets":               a.valueSets,
		"GET /v1/reasons":                  a.reasons,
		"GET /v1/revisions":                a.revision,
		"GET /v1/status":                   a.status,
		"GET /v1/pending":                  a.waiting,
		"GET /v1/peers":                    a.peers,
		"GET /v1/evidence":                 a.evidence,
		"GET /v1/bundle":                   a.bundle,
		"GET /v1/proposals":                a.proposals,
		"POST /v1/proposals/checks":        a.draftChecks,
		"GET /v1/proposals/{index}":        a.proposal,
		"GET /v1/proposals/{index}/checks": a.proposalChecks,
		"POST /v1/operator/transfer":       a.transfer,
		"GET /v1/operator/backup":          a.backup,
		"GET /v1/statements/{ref}/receipt": a.receipt,
		"GET /checkpoint":                  a.transparency,
		"GET /attachment/{digest}":         a.transparency,
		"GET /tile/{path...}":              a.transparency,
		"POST /add-checkpoint":             a.addCheckpoint,
		"GET /v1/events":                   a.stream,
		"GET /healthz":                     a.healthz,
		"GET /readyz":                      a.readyz,
		"GET /openapi.json":                a.openapi,
	}
	a.bridged(all)
	return all
}

// noRoute tells an unknown path from a known one asked with another method.
func (a *api) noRoute(mux *http.ServeMux) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var takes []string
		for _, m := range []string{http.MethodGet, http.MethodPost} {
			probe := r.Clone(r.Context())
			probe.Method = m
			if _, pattern := mux.Handler(probe); pattern != "/" && m != r.Method {
				takes = append(takes, m)
			}
		}
		if len(takes) > 0 {
			allow := strings.Join(takes, ", ")
			w.Header().Set("Allow", allow)
			return client.Fail(client.MethodNotAllowed, "%s takes %s, not %s", clip(r.URL.Path), allow, clip(r.Method))
		}
		return client.Fail(client.NotFound, "there is nothing at %s", clip(r.URL.Path)).WithHint("/openapi.json lists every path")
	}
}

// wrap gives a handler its error answers, its figures, and a floor under panics.
func (a *api) wrap(pattern string, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				// The value of a panic may quote a request: the stack is enough to find the fault.
				a.log.Error("request panicked", "route", pattern, "stack", string(debug.Stack()))
				if rec.status == 0 {
					fail(rec, client.Fail("internal", "this node made a mistake; its log says where"))
				}
			}
			if rec.status == 0 {
				rec.status = http.StatusOK // what net/http writes where a handler wrote nothing
			}
			a.metrics.observe(pattern, rec.status, time.Since(start))
		}()
		if err := h(rec, r); err != nil {
			if rec.status != 0 { // the answer had begun: nothing more can be said on it
				a.log.Debug("answer broken off", "route", pattern, "err", err)
				return
			}
			f := asFailure(err)
			if f.Status() >= http.StatusInternalServerError && f.Name != client.NoQuorum && f.Name != client.Busy {
				a.log.Warn("request failed", "route", pattern, "name", f.Name, "message", f.Message)
			}
			fail(rec, f)
		}
	})
}

// asFailure turns any error into one with a name.
func asFailure(err error) *client.Failure {
	var f *client.Failure
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &tooLarge):
		return client.Fail(client.TooLarge, "the body has more than %d bytes", tooLarge.Limit)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return client.Fail(client.Timeout, "no answer in time: %v", err)
	case errors.Is(err, ledger.ErrClosed):
		return client.Fail(client.ShuttingDown, "this node is stopping")
	case errors.Is(err, ledger.ErrBroken):
		return client.Fail(client.Broken, "%v", err)
	}
	return client.Fail("internal", "%v", err)
}

// recorder remembers the status that was written.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
