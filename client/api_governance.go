package client

import "time"

// Proposal is something that the validators decide on by vote (GET
// /v1/proposals). What it would do follows from the statement that made it; the
// node's Effect adds what is there now.
type Proposal struct {
	Index      uint64   `json:"index"` // of the statement that made it: the proposal's number
	By         string   `json:"by"`
	Hash       string   `json:"hash"`               // of that statement: what a vote names
	Type       string   `json:"type"`               // one of the Action… names
	Words      string   `json:"words"`              // one sentence
	Effect     string   `json:"effect,omitempty"`   // of an open one: what it would do, with what is there now
	Concerns   string   `json:"concerns,omitempty"` // the authority that it is about
	Role       string   `json:"role,omitempty"`     // that it would give
	Reason     string   `json:"reason"`
	Action     Action   `json:"action"`
	Status     string   `json:"status"`     // one of the Proposal… names
	Electorate []string `json:"electorate"` // who may vote, fixed when it was made
	Needed     int      `json:"needed"`     // yes votes that carry it
	Yes        []Ballot `json:"yes"`        // the proposer's is the proposal itself
	No         []Ballot `json:"no"`
	WaitingFor []string `json:"waitingFor"` // who may still vote; none once it is closed
	ClosedAt   *uint64  `json:"closedAt,omitempty"`
	Why        string   `json:"why,omitempty"` // of one that failed
}

// The statuses of a proposal.
const (
	ProposalOpen      = "open"
	ProposalCarried   = "carried"   // and carried out
	ProposalRejected  = "rejected"  // too many said no
	ProposalWithdrawn = "withdrawn" // by whoever made it
	ProposalFailed    = "failed"    // carried, and could not be carried out any more
)

// Ballot is one vote: whose, and the statement that it is.
type Ballot struct {
	Authority string `json:"authority"`
	Statement uint64 `json:"statement"`
}

// ProposalAnswer is one proposal (GET /v1/proposals/{index}).
type ProposalAnswer struct {
	Proposal
	AsOf AsOf `json:"asOf"`
}

// Proposals lists them by index, and the rules of the vote as they are now.
type Proposals struct {
	Proposals     []Proposal `json:"proposals"`
	Policy        Policy     `json:"policy"`
	ProtocolLevel uint64     `json:"protocolLevel"` // whose rules are in force
	AsOf          AsOf       `json:"asOf"`
}

// Policy says what share of the votes carries each class of action: majority,
// two-thirds or all.
type Policy struct {
	AdmitObserver  string `json:"admitObserver"`
	AdmitValidator string `json:"admitValidator"`
	Suspend        string `json:"suspend"`
	Expel          string `json:"expel"`
	RotateKeys     string `json:"rotateKeys"`
	ChangePolicy   string `json:"changePolicy"`
}

// The types of action.
const (
	ActionAdmit        = "admit"
	ActionChangeRole   = "change-role"
	ActionSuspend      = "suspend"
	ActionRestore      = "restore"
	ActionExpel        = "expel"
	ActionRotateKey    = "rotate-key"
	ActionSetNode      = "set-node"
	ActionChangePolicy = "change-policy"
	ActionRaiseLevel   = "raise-level"
)

// Action is what a proposal would do. Beside Type it has the fields of its type;
// ActionOf and Action.Statement lead from and to its form in statements.
type Action struct {
	Type       string      `json:"type"`
	Authority  string      `json:"authority,omitempty"`
	Role       string      `json:"role,omitempty"`       // admit, change-role
	Descriptor []byte      `json:"descriptor,omitempty"` // admit: the file, base64
	Key        *KeyRequest `json:"key,omitempty"`        // rotate-key
	Addresses  []string    `json:"addresses,omitempty"`  // set-node
	HTTP       string      `json:"http,omitempty"`       // set-node
	Policy     *Policy     `json:"policy,omitempty"`     // change-policy
	Level      uint64      `json:"level,omitempty"`      // raise-level
}

// KeyRequest is a new key with its own proof: what `authority rotate governance`
// writes, and `propose rotate` proposes.
type KeyRequest struct {
	Use    string `json:"use"`
	Public []byte `json:"public"` // Ed25519, base64
	Proof  []byte `json:"proof"`  // by the new key, base64
}

// ProposalCheck is one thing that was looked at before a vote. One that is not OK
// says why, and what to do; nothing but the ledger's own rules keeps a vote from
// being cast all the same.
type ProposalCheck struct {
	Name    string `json:"name"` // stable, for programs
	OK      bool   `json:"ok"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// ProposalChecks is what was looked at (GET /v1/proposals/{index}/checks, POST
// /v1/proposals/checks): when it was asked for, by the node that was asked.
type ProposalChecks struct {
	Words      string          `json:"words"`            // what it would do, in one sentence
	Effect     string          `json:"effect,omitempty"` // the same with what is there now, where that can be said
	Electorate []string        `json:"electorate"`       // who votes, or would
	Needed     int             `json:"needed"`
	Checks     []ProposalCheck `json:"checks"`
	AsOf       AsOf            `json:"asOf"`
}

// Draft is a proposal that is not made yet (POST /v1/proposals/checks).
type Draft struct {
	By     string `json:"by,omitempty"` // who would make it; the node's own authority if empty
	Action Action `json:"action"`
}

// KeyState is one key that an authority has, or had, by the ledger.
type KeyState struct {
	Use    string  `json:"use"`
	KeyID  string  `json:"kid"`             // hex; statements carry it
	Public string  `json:"public"`          // base64
	From   uint64  `json:"from"`            // the first statement that it counts for
	Until  *uint64 `json:"until,omitempty"` // the first that it does not count for any more
}

// Transfer asks a node's operator for another leader (POST /v1/operator/transfer).
type Transfer struct {
	To string `json:"to,omitempty"` // whose node; any other healthy validator's if empty
}

// Transferred says who leads now.
type Transferred struct {
	Leader string    `json:"leader"`
	Term   uint64    `json:"term"`
	At     time.Time `json:"at"`
}
