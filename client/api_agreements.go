package client

import "time"

// Recognition is what one region recognises of another's codes (GET
// /v1/recognitions). Of each list of names, an empty one means all.
type Recognition struct {
	Grantor      string      `json:"grantor"`
	Grantee      string      `json:"grantee"`
	Status       string      `json:"status"` // granted, suspended or withdrawn
	Kinds        []string    `json:"kinds"`
	Formats      []string    `json:"formats,omitempty"`
	Algorithms   []string    `json:"algorithms,omitempty"`
	Schemes      []string    `json:"schemes,omitempty"`
	RuleSet      string      `json:"ruleSet,omitempty"` // "": the default one
	From         *time.Time  `json:"from,omitempty"`
	Until        *time.Time  `json:"until,omitempty"`
	Reason       string      `json:"reason,omitempty"`
	LegalRef     string      `json:"legalRef,omitempty"`
	Suspension   *Suspension `json:"suspension,omitempty"`
	InForce      bool        `json:"inForce"`      // at the time asked about, for one kind of code at least
	KindsInForce []string    `json:"kindsInForce"` // at the time asked about
	Mutual       bool        `json:"mutual"`       // in force, and so is the other's recognition of the grantor
	Revision     uint64      `json:"revision"`
	Statement    uint64      `json:"statement"`        // that made it so
	SaidAt       *time.Time  `json:"saidAt,omitempty"` // when that was, by the grantor's clock; absent where it was before protocol level 3

	// Past is how it stood before, the oldest first; EndedBy and EndedAt say of each
	// which statement ended it, and when by the grantor's clock.
	Past    []Recognition `json:"past,omitempty"`
	EndedBy *uint64       `json:"endedBy,omitempty"`
	EndedAt *time.Time    `json:"endedAt,omitempty"`
}

// Suspension is why and for what a recognition is suspended.
type Suspension struct {
	Kinds    []string   `json:"kinds"`
	From     *time.Time `json:"from,omitempty"`
	Until    *time.Time `json:"until,omitempty"`
	Reason   string     `json:"reason"`
	LegalRef string     `json:"legalRef,omitempty"`
}

// Recognitions lists them.
type Recognitions struct {
	Recognitions []Recognition `json:"recognitions"`
	AsOf         AsOf          `json:"asOf"`
}

// Scheme is what an authority makes of the levels under a name (GET /v1/schemes):
// at checks for its region this counts, whoever used a level.
type Scheme struct {
	Authority  string        `json:"authority"`
	Name       string        `json:"name"`
	Title      string        `json:"title,omitempty"`
	Levels     []SchemeLevel `json:"levels"` // from the least risk to the greatest
	Supersedes string        `json:"supersedes,omitempty"`
	LegalRef   string        `json:"legalRef,omitempty"`
	Revision   uint64        `json:"revision"`
	Statement  uint64        `json:"statement"`
}

// SchemeLevel is one level of a scheme.
type SchemeLevel struct {
	Name     string `json:"name"`
	Refuse   bool   `json:"refuse"`
	Lookback uint64 `json:"lookbackDays,omitempty"` // 0: as the declaration of an area says
	Title    string `json:"title,omitempty"`
}

// Schemes lists them.
type Schemes struct {
	Schemes []Scheme `json:"schemes"`
	AsOf    AsOf     `json:"asOf"`
}

// SpecialCase is a named exception that an authority has declared (GET
// /v1/special-cases). Of each list an empty one means all.
type SpecialCase struct {
	Authority   string     `json:"authority"`
	Name        string     `json:"name"`
	Effect      string     `json:"effect"` // admit or refuse
	Region      string     `json:"region,omitempty"`
	Kinds       []string   `json:"kinds"`
	Formats     []string   `json:"formats,omitempty"`
	Keys        []string   `json:"keys,omitempty"` // thumbprints, hex
	IssuedFrom  *time.Time `json:"issuedFrom,omitempty"`
	IssuedUntil *time.Time `json:"issuedUntil,omitempty"`
	From        *time.Time `json:"from,omitempty"` // of the check
	Until       *time.Time `json:"until,omitempty"`
	Conditional bool       `json:"conditional"` // a CertLogic expression must be true of the code; the statement has it
	Reason      string     `json:"reason"`
	LegalRef    string     `json:"legalRef,omitempty"`
	EndedAt     *time.Time `json:"endedAt,omitempty"`
	EndReason   string     `json:"endReason,omitempty"`
	InForce     bool       `json:"inForce"` // at the time asked about
	Revision    uint64     `json:"revision"`
	Statement   uint64     `json:"statement"`
}

// SpecialCases lists them.
type SpecialCases struct {
	SpecialCases []SpecialCase `json:"specialCases"`
	AsOf         AsOf          `json:"asOf"`
}
