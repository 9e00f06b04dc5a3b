package client

import (
	"time"

	"concordat/recognition"
)

// Check asks for a decision (POST /v1/check).
type Check struct {
	Codes       []string   `json:"codes"`
	Pictures    [][]byte   `json:"-"`                 // PNG or JPEG, with codes in them; they come after Codes in the order of what is shown
	Region      string     `json:"region,omitempty"`  // the region that decides; the node's own if empty
	At          *time.Time `json:"at,omitempty"`      // the time asked about; now if nil
	Arrival     string     `json:"arrival,omitempty"` // the area of the region where the person arrives; the region itself if empty
	Itinerary   []Stay     `json:"itinerary,omitempty"`
	Consistency string     `json:"consistency,omitempty"` // "local" (the default) or "linearizable"
	MaxAge      string     `json:"maxAge,omitempty"`      // a duration such as "60s"; never more than the node's own bound
	Language    string     `json:"-"`                     // as Accept-Language has it: "de, en;q=0.5"; "": English
}

// Stay is one stay of an itinerary.
type Stay struct {
	Area string    `json:"area"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// CheckAnswer is the decision, every reason for it, and what it was based on.
type CheckAnswer struct {
	recognition.Decision
	Region string    `json:"region"` // the region that decided
	At     time.Time `json:"at"`     // the time that it was decided for
	AsOf   AsOf      `json:"asOf"`
}

// AsOf says what an answer knows: the size and root of the ledger that it was
// read from, up to where that is certified and by whom, and how old that
// knowledge is.
type AsOf struct {
	Size      uint64   `json:"size"`
	Root      string   `json:"root"`      // hex
	FinalSize uint64   `json:"finalSize"` // of the newest certified checkpoint; 0 before the first
	Cosigners []string `json:"cosigners"` // the validators that co-signed it, ascending
	Age       string   `json:"age"`       // a duration: how long ago, by their co-signatures' times, a quorum vouched for it; "unknown" before the first
	AgeMillis int64    `json:"ageMillis"` // the same in milliseconds; -1 where it is not known
	// Pending is how many urgent statements, which are not ordered yet, a check has
	// taken into account: they are in no ledger, and no size or root covers them.
	Pending int `json:"pending,omitempty"`
	// Standing is how the authority of the node that answers stands in the network,
	// by what the node knows: "" of a member in good standing, StandingSuspended,
	// StandingExpelled or StandingApplicant. An expelled one's node answers from what
	// it had then, and nothing newer reaches it.
	Standing string `json:"standing,omitempty"`
}

// The standings of an authority that is no member in good standing.
const (
	StandingSuspended = "suspended" // for the time being it says nothing, and its node vouches for nothing
	StandingExpelled  = "expelled"  // it is no member any more
	StandingApplicant = "applicant" // it is no member yet
)

// Submitted is the answer to a statement (POST /v1/statements).
type Submitted struct {
	Hash    string  `json:"hash"`              // SHA-256 of the statement, hex
	Index   *uint64 `json:"index,omitempty"`   // its place in the ledger, once ordered
	State   string  `json:"state"`             // "accepted", "ordered" or "final"
	Known   bool    `json:"known,omitempty"`   // it was in the ledger already; Index is the first's
	Promise string  `json:"promise,omitempty"` // of one that is accepted: see ParsePromise
	InForce bool    `json:"inForce,omitempty"` // of one that is accepted: it counts in this node's checks already
	Note    string  `json:"note,omitempty"`    // where State is less than was waited for, why
}

// The states of a statement, and what a caller may wait for.
const (
	Accepted = "accepted" // one node holds it and has signed a promise
	Ordered  = "ordered"  // it has its place in the ledger
	Final    = "final"    // a certified checkpoint covers it
	Refused  = "refused"  // it was accepted, and could not be ordered after all
)

// Statement is one entry of the ledger, in words and as signed. Of one that a
// node has accepted and that is in no ledger, the JSON has no index, and State
// is Accepted or Refused.
type Statement struct {
	Index     uint64         `json:"index"`
	Hash      string         `json:"hash"`
	Kind      string         `json:"kind"`
	Authority string         `json:"authority"`
	Subject   string         `json:"subject"`
	Revision  uint64         `json:"revision,omitempty"`
	IssuedAt  *time.Time     `json:"issuedAt,omitempty"` // by the signer's clock
	Words     string         `json:"words"`              // one sentence
	Body      map[string]any `json:"body"`
	State     string         `json:"state"`
	Raw       []byte         `json:"raw,omitempty"`     // the COSE_Sign1, base64
	Refusal   *Failure       `json:"refusal,omitempty"` // why, where State is Refused
}

// Statements is a page of the ledger (GET /v1/statements).
type Statements struct {
	Statements []Statement `json:"statements"`
	Next       *uint64     `json:"next,omitempty"` // give it as "after" to read on; absent at the end
	AsOf       AsOf        `json:"asOf"`
}

// Authority is one authority of the network (GET /v1/authorities).
type Authority struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Role      string            `json:"role"`
	Standing  string            `json:"standing,omitempty"`   // "" of a member in good standing; else suspended or expelled
	By        *uint64           `json:"standingBy,omitempty"` // the statement that made it so
	Keys      map[string]string `json:"keys"`                 // base64 Ed25519 public keys by role: those that count now
	History   []KeyState        `json:"keyStates"`            // every key that it has or had
	Addresses []string          `json:"addresses"`
	HTTP      string            `json:"http,omitempty"`      // base URL of its node's API
	Revision  uint64            `json:"revision"`            // of its record: what changes it makes the next one
	Changed   *uint64           `json:"changedBy,omitempty"` // the newest statement that changed it; nil: none did
	Statement *uint64           `json:"statement,omitempty"` // that admitted it; nil: from the genesis
}

// Authorities lists them.
type Authorities struct {
	Authorities []Authority `json:"authorities"`
	AsOf        AsOf        `json:"asOf"`
}

// IssuerKey is an issuer's key as the ledger has it (GET /v1/issuers).
type IssuerKey struct {
	ID           string     `json:"id"`  // thumbprint, hex: what retire and compromise take
	KeyID        string     `json:"kid"` // as in trust lists, base64; a thumbprint as in key sets, base64url
	Region       string     `json:"region"`
	Status       string     `json:"status"` // registered, retired or compromised
	Algorithm    string     `json:"algorithm"`
	Kinds        []string   `json:"kinds"`            // empty: all
	Issuer       string     `json:"issuer,omitempty"` // the issuer's URL, as its codes name it
	Name         string     `json:"name,omitempty"`   // the issuer's name, for people
	ValidFrom    *time.Time `json:"validFrom,omitempty"`
	ValidUntil   *time.Time `json:"validUntil,omitempty"`
	RetiredAt    *time.Time `json:"retiredAt,omitempty"`
	Since        *time.Time `json:"compromisedSince,omitempty"`
	SpareEarlier bool       `json:"spareEarlier,omitempty"`
	Reason       string     `json:"reason,omitempty"`
	Revision     uint64     `json:"revision"`
	Registered   uint64     `json:"registeredBy"` // statement index
	Statement    uint64     `json:"statement"`    // the newest statement on it
	Certificate  []byte     `json:"certificate,omitempty"`
	PublicKey    []byte     `json:"publicKey"`
}

// Issuers lists issuers' keys.
type Issuers struct {
	Issuers []IssuerKey `json:"issuers"`
	AsOf    AsOf        `json:"asOf"`
}

// Revocation is one thing said of a revocation hash (GET /v1/revocations/{hash}).
type Revocation struct {
	Authority string    `json:"authority"`
	HashType  string    `json:"hashType"`
	Action    string    `json:"action"` // "revoked" or "reinstated"
	InForce   bool      `json:"inForce"`
	Expires   time.Time `json:"expires"`
	Reason    string    `json:"reason,omitempty"`
	Statement uint64    `json:"statement"`
}

// Revocations is what is said of a hash, by type, authority and statement: the
// first 1,000, and More if there are others. Then Revoked and InForce follow
// from what is listed only; a check looks at all that counts.
type Revocations struct {
	Hash        string       `json:"hash"`
	Revoked     bool         `json:"revoked"`
	More        bool         `json:"more"`
	Revocations []Revocation `json:"revocations"`
	AsOf        AsOf         `json:"asOf"`
}

// RiskArea is an authority's word on an area (GET /v1/risk-areas).
type RiskArea struct {
	Area      string     `json:"area"`
	Authority string     `json:"authority"`
	Scheme    string     `json:"scheme"`
	Level     string     `json:"level"`
	Refuse    bool       `json:"refuse"`
	From      *time.Time `json:"from,omitempty"`
	Until     *time.Time `json:"until,omitempty"`
	Lookback  uint64     `json:"lookbackDays"`
	LegalRef  string     `json:"legalRef,omitempty"`
	InForce   bool       `json:"inForce"`  // at the time asked about
	Standing  bool       `json:"standing"` // its authority's newest word on the area, and not lifted
	Revision  uint64     `json:"revision"`
	Statement uint64     `json:"statement"`
}

// RiskAreas lists them, ended ones that still count in a look-back included.
type RiskAreas struct {
	RiskAreas []RiskArea `json:"riskAreas"`
	AsOf      AsOf       `json:"asOf"`
}

// Status is a node at a glance (GET /v1/status).
type Status struct {
	Network     string        `json:"network"`     // the genesis file's SHA-256, hex
	NetworkName string        `json:"networkName"` // what people call it
	Region      string        `json:"region"`
	Role        string        `json:"role"`     // in the ledger: validator or observer; "" while it is not a member
	Standing    string        `json:"standing"` // in the ledger: "" of a member in good standing, suspended or expelled
	Lineage     uint64        `json:"lineage"`  // 1; one more after each recovery from the loss of a majority
	RaftRole    string        `json:"raftRole"` // leader, follower, candidate
	Leader      string        `json:"leader"`   // "" while there is none
	Term        uint64        `json:"term"`
	Size        uint64        `json:"size"`
	Root        string        `json:"root"`
	Final       FinalHead     `json:"final"`
	Log         LogInfo       `json:"log"`
	Age         string        `json:"age"`
	AgeMillis   int64         `json:"ageMillis"`
	MaxAge      string        `json:"maxAge"`        // beyond it checks are undetermined
	Quorum      bool          `json:"quorum"`        // the node can get statements ordered, as far as it knows
	Since       *string       `json:"noQuorumSince"` // RFC 3339
	Held        int           `json:"held"`          // statements accepted and not yet ordered
	Pending     PendingStatus `json:"pending"`       // what waits to be ordered, here and elsewhere
	Limits      Limits        `json:"limits"`        // the quotas, and what is used of them
	Vouching    bool          `json:"vouching"`      // this node co-signs
	Problems    []Problem     `json:"problems"`      // what is wrong here, and what to do; none where nothing is
	CatchingUp  *Progress     `json:"catchingUp,omitempty"`
	Seal        *Seal         `json:"seal,omitempty"`     // the newest
	Handover    *Handover     `json:"handover,omitempty"` // while validators hand over
	Evidence    []Culprit     `json:"evidence"`           // who is proved to have signed two histories
	Expiring    []Expiring    `json:"expiring"`           // what of this authority's ends within 30 days, the first first
	Peers       []Peer        `json:"peers"`
	Version     string        `json:"version"`
	Started     string        `json:"started"`
}

// FinalHead is the newest certified checkpoint, and what keeps newer ones away.
type FinalHead struct {
	Size      uint64   `json:"size"`
	Root      string   `json:"root"`
	Cosigners []string `json:"cosigners"`
	Quorum    int      `json:"quorum"` // how many validators must co-sign
	Age       string   `json:"age"`    // how long ago a quorum last vouched for it
	AgeMillis int64    `json:"ageMillis"`
	Since     *string  `json:"notFinalSince"`  // RFC 3339: since when what is ordered does not become final; null while it does
	Note      string   `json:"note,omitempty"` // why
}

// Problem is one thing that is wrong at a node, for its operator.
type Problem struct {
	Name    string `json:"name"`    // stable, for programs
	Message string `json:"message"` // what is wrong, since when
	Hint    string `json:"hint"`    // what to do
	Vouch   bool   `json:"keepsFromVouching"`
}

// Handover is a change of validators under way: until a checkpoint that those
// before it and those after it co-sign, both certify.
type Handover struct {
	ChangedBy uint64  `json:"changedBy"` // the statement that changed them
	Seal      *uint64 `json:"seal"`      // the statement that lists the new ones; null while there is none
}

// Expiring is something of the node's own authority that ends soon.
type Expiring struct {
	What string    `json:"what"` // issuer-key, certificate or recognition
	ID   string    `json:"id"`
	At   time.Time `json:"at"`
	Days int       `json:"days"` // whole ones that are left
	Hint string    `json:"hint"`
}

// Progress is how far a node has come that catches up with the others.
type Progress struct {
	Phase   string  `json:"phase"`             // what it does now
	Size    uint64  `json:"size"`              // statements that it has
	Target  uint64  `json:"target"`            // statements under the checkpoint that it works towards; 0 while none is known
	Rate    float64 `json:"rate"`              // statements a second, lately
	Peers   int     `json:"peers"`             // that it fetches from
	Waiting string  `json:"waiting,omitempty"` // for what it waits, where it does
	Started string  `json:"started"`           // RFC 3339
}

// Seal is the newest seal: the digest of the state, logged as a statement. The
// newest certified one is what the bundle is of.
type Seal struct {
	Statement uint64    `json:"statement"` // its index: the size that it is of
	At        time.Time `json:"at"`
}

// Culprit is who was caught signing two histories.
type Culprit struct {
	Region    string  `json:"region"`
	Kind      string  `json:"kind"`                // what the evidence is: two-roots, two-histories or two-blocks
	Words     string  `json:"words"`               // one sentence
	Statement *uint64 `json:"statement,omitempty"` // where the ledger has it; nil while it is on its way there
	Proof     []byte  `json:"proof,omitempty"`     // what `concordat evidence verify` reads, as a file
}

// EvidenceList lists them (GET /v1/evidence).
type EvidenceList struct {
	Evidence []Culprit `json:"evidence"`
	AsOf     AsOf      `json:"asOf"`
}

// LogInfo names the transparency log that the ledger is.
type LogInfo struct {
	Origin string `json:"origin"`
	VKey   string `json:"vkey"` // this validator's signed-note verifier key
}

// Peer is another node as this one sees it (GET /v1/peers).
type Peer struct {
	Region    string   `json:"region"`
	PeerID    string   `json:"peerId"`
	Connected bool     `json:"connected"`
	Addresses []string `json:"addresses"`
}

// Peers lists them.
type Peers struct {
	Peers []Peer `json:"peers"`
}

// Event is one server-sent event (GET /v1/events).
type Event struct {
	State     string    `json:"state"` // ordered, and once more when it is final
	Statement Statement `json:"statement"`
	AsOf      AsOf      `json:"asOf"`
}

// Revision is where a subject stands (GET /v1/revisions?subject=…): a new
// statement on it makes Revision+1.
type Revision struct {
	Subject  string `json:"subject"`
	Revision uint64 `json:"revision"` // 0: nothing was said of it yet
	AsOf     AsOf   `json:"asOf"`
}
