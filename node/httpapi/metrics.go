package httpapi

import (
	"math"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"concordat/client"
)

// metrics are the API's figures. Their labels are routes, statuses, decisions
// and names of reasons: nothing that tells of a person or a code.
type metrics struct {
	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	decisions *prometheus.CounterVec
	reasons   *prometheus.CounterVec
	pictures  prometheus.Counter
}

func newMetrics(r *prometheus.Registry, n Node) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "concordat_http_requests_total", Help: "Requests answered, by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "concordat_http_request_seconds", Help: "Time to answer, by route.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "concordat_check_decisions_total", Help: "Checks answered, by decision.",
		}, []string{"decision"}),
		reasons: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "concordat_check_reasons_total", Help: "Reasons given against a code or for not knowing, by name.",
		}, []string{"reason"}),
	}
	m.pictures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "concordat_check_pictures_total", Help: "Pictures shown in checks that were answered.",
	})
	r.MustRegister(m.requests, m.seconds, m.decisions, m.reasons, m.pictures, glance{n})
	return m
}

// glance collects what /v1/status tells as figures, from one Status for each
// scrape: they are of one moment, and cost what one costs.
type glance struct{ node Node }

// figure is one number of a Status.
type figure struct {
	desc  *prometheus.Desc
	value func(client.Status) float64
}

func newFigure(name, help string, value func(client.Status) float64) figure {
	return figure{prometheus.NewDesc(name, help, nil, nil), value}
}

var figures = []figure{
	newFigure("concordat_ledger_size", "Statements in this node's ledger.", func(s client.Status) float64 { return float64(s.Size) }),
	newFigure("concordat_final_size", "Statements under the newest certified checkpoint.", func(s client.Status) float64 { return float64(s.Final.Size) }),
	newFigure("concordat_cosigners", "Validators that co-signed the newest certified checkpoint.", func(s client.Status) float64 { return float64(len(s.Final.Cosigners)) }),
	newFigure("concordat_vouching", "1 while this node co-signs.", func(s client.Status) float64 { return one(s.Vouching) }),
	newFigure("concordat_problems", "What is wrong at this node; /v1/status says what.", func(s client.Status) float64 { return float64(len(s.Problems)) }),
	newFigure("concordat_culprits", "Validators proved to have signed two histories.", func(s client.Status) float64 { return float64(len(s.Evidence)) }),
	newFigure("concordat_expiring", "Keys, certificates and recognitions of this authority that end within 30 days; /v1/status says which.", func(s client.Status) float64 { return float64(len(s.Expiring)) }),
	newFigure("concordat_expires_in_seconds", "Until the first of them ends; +Inf where none does.", expiresIn),
	newFigure("concordat_knowledge_age_seconds", "How long ago a quorum last vouched for what this node has; +Inf where that is not known.", age),
	newFigure("concordat_leader", "1 where this node leads.", func(s client.Status) float64 { return one(s.RaftRole == "leader") }),
	newFigure("concordat_quorum", "1 while this node can get statements ordered, as far as it knows.", func(s client.Status) float64 { return one(s.Quorum) }),
	newFigure("concordat_raft_term", "Raft's term.", func(s client.Status) float64 { return float64(s.Term) }),
	newFigure("concordat_held_statements", "Statements accepted and not yet ordered.", func(s client.Status) float64 { return float64(s.Held) }),
	newFigure("concordat_pending_statements", "Statements accepted somewhere and, as far as this node knows, not ordered.", func(s client.Status) float64 { return float64(s.Pending.Known) }),
	newFigure("concordat_pending_in_force", "Urgent statements that this node's checks take into account before they are ordered.", func(s client.Status) float64 { return float64(s.Pending.InForce) }),
	newFigure("concordat_pending_overdue", "Statements that wait to be ordered for longer than order.censor_after, for whatever reason.", func(s client.Status) float64 { return float64(s.Pending.Overdue) }),
	newFigure("concordat_pending_censored", "Statements that a leader is suspected of leaving out, now.", func(s client.Status) float64 { return float64(s.Pending.Censored) }),
	newFigure("concordat_peers_connected", "Other nodes connected.", func(s client.Status) float64 { return float64(connected(s.Peers)) }),
}

// Counters with a label, of the same Status.
var (
	censored = prometheus.NewDesc("concordat_censored_total", "Statements that a leader was suspected of leaving out.", []string{"leader"}, nil)
	overrun  = prometheus.NewDesc("concordat_quota_refused_total", "Statements refused since their authority had used up its quota.", []string{"authority"}, nil)
)

// Describe implements prometheus.Collector.
func (g glance) Describe(out chan<- *prometheus.Desc) {
	out <- censored
	out <- overrun
	for _, f := range figures {
		out <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (g glance) Collect(out chan<- prometheus.Metric) {
	s := g.node.Status()
	for _, f := range figures {
		out <- prometheus.MustNewConstMetric(f.desc, prometheus.GaugeValue, f.value(s))
	}
	for leader, n := range s.Pending.CensoredBy {
		out <- prometheus.MustNewConstMetric(censored, prometheus.CounterValue, float64(n), leader)
	}
	for _, u := range s.Limits.Usage {
		out <- prometheus.MustNewConstMetric(overrun, prometheus.CounterValue, float64(u.Refused), u.Authority)
	}
}

func (m *metrics) observe(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) decided(a client.CheckAnswer) {
	m.decisions.WithLabelValues(string(a.Decision.Decision)).Inc()
	for _, r := range a.Reasons {
		if r.Effect == "against" || r.Effect == "unknown" {
			m.reasons.WithLabelValues(r.Name).Inc()
		}
	}
}

// age is in seconds; infinite where it is not known, so that a bound on it holds.
func age(s client.Status) float64 {
	if s.AgeMillis < 0 {
		return math.Inf(1)
	}
	return float64(s.AgeMillis) / 1000
}

// expiresIn is in seconds until what ends first does.
func expiresIn(s client.Status) float64 {
	if len(s.Expiring) == 0 {
		return math.Inf(1)
	}
	return time.Until(s.Expiring[0].At).Seconds()
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func connected(peers []client.Peer) (n int) {
	for _, p := range peers {
		if p.Connected {
			n++
		}
	}
	return n
}
