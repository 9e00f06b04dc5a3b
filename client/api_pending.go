package client

import "time"

// PendingStatement is a statement that some node has accepted and that is not
// ordered yet, as the node that is asked knows it.
type PendingStatement struct {
	Hash       string    `json:"hash"` // SHA-256 of the statement, hex
	Authority  string    `json:"authority"`
	Kind       string    `json:"kind"`
	Size       int       `json:"size"`       // bytes, with what comes beside the statement
	Since      time.Time `json:"since"`      // the first promise's time, by the clock of the node that gave it
	PromisedBy []string  `json:"promisedBy"` // the authorities whose nodes hold it and have promised to get it ordered
	KnownTo    []string  `json:"knownTo"`    // the authorities whose nodes are known to know of it, this one included
	Leaders    []string  `json:"leaders"`    // who has led since this node knows of it, the newest last
	Urgent     bool      `json:"urgent"`     // it only denies, and counts before it is ordered where it is held
	InForce    bool      `json:"inForce"`    // it counts in this node's checks already
	Overdue    bool      `json:"overdue"`    // it waits for longer than order.censor_after, for whatever reason
	CensoredBy string    `json:"censoredBy"` // the leader that is suspected of leaving it out; "" if none is
}

// PendingList lists them (GET /v1/pending): the oldest first, and how many there
// are beyond those.
type PendingList struct {
	Pending []PendingStatement `json:"pending"`
	More    int                `json:"more"`
	AsOf    AsOf               `json:"asOf"`
}

// PendingStatus is what waits to be ordered, in figures.
type PendingStatus struct {
	Known      int               `json:"known"`           // statements that this node knows to wait, those that it holds included
	InForce    int               `json:"inForce"`         // urgent ones that count in this node's checks already
	Overdue    int               `json:"overdue"`         // that wait for longer than order.censor_after, for whatever reason
	Censored   int               `json:"censored"`        // that a leader is suspected of leaving out, now
	Since      *time.Time        `json:"since,omitempty"` // the oldest one's
	CensoredBy map[string]uint64 `json:"censoredBy"`      // how many, since the node's start, by the leader suspected
}

// Limits are the quotas at this node's doors (GET /v1/status).
type Limits struct {
	Window     string  `json:"window"`     // a duration: what the figures are for
	Statements int     `json:"statements"` // of one authority in a window
	Bytes      int64   `json:"bytes"`      // of one authority in a window, with what comes beside the statements
	Usage      []Usage `json:"usage"`      // by authorities that have said something lately, ascending
}

// Usage is how much of its quota an authority has used here.
type Usage struct {
	Authority  string `json:"authority"`
	Statements int    `json:"statements"` // of the window's; it falls as time goes by
	Bytes      int64  `json:"bytes"`
	Refused    uint64 `json:"refused"` // statements, since the node's start
}
