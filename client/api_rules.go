package client

import "time"

// Rule is one version of a rule that an authority has published (GET /v1/rules).
type Rule struct {
	ID        string `json:"id"`
	Version   string `json:"version"`
	Authority string `json:"authority"`
	Set       string `json:"set"`
	Type      string `json:"type"` // RuleAcceptance or RuleInvalidation

	From      *time.Time `json:"from,omitempty"`
	Until     *time.Time `json:"until,omitempty"`
	RetiredAt *time.Time `json:"retiredAt,omitempty"` // of the rule, with all its versions
	Reason    string     `json:"reason,omitempty"`    // of the retirement
	InForce   bool       `json:"inForce"`             // at the time asked about, and not below another version in force

	Hash      string `json:"hash"` // SHA-256 of the rule's text, hex: existing clients ask for it by this
	Size      uint64 `json:"size"` // of the text, in bytes
	Revision  uint64 `json:"revision"`
	Statement uint64 `json:"statement"` // that published this version

	CertificateType string `json:"certificateType,omitempty"`
	Country         string `json:"country,omitempty"`     // as the rule names it
	Part            string `json:"part,omitempty"`        // of the country of arrival; "": all of it
	Description     string `json:"description,omitempty"` // in the language that suits Accept-Language best
	Language        string `json:"language,omitempty"`    // of the description, as the rule names it
	Fault           string `json:"fault,omitempty"`       // why the node cannot read the rule; then the five above are missing
	Text            string `json:"text,omitempty"`        // the rule itself, where it was asked for
}

// The types of rule.
const (
	RuleAcceptance   = "acceptance"
	RuleInvalidation = "invalidation"
)

// Rules lists rules by authority, set, id and version.
type Rules struct {
	Rules []Rule `json:"rules"`
	More  bool   `json:"more"` // there are others; ask for those of one region, set or id
	AsOf  AsOf   `json:"asOf"`
}

// ValueSet is a value set that an authority has published (GET /v1/value-sets).
type ValueSet struct {
	ID        string   `json:"id"`
	Version   string   `json:"version"` // its date
	Authority string   `json:"authority"`
	Retired   bool     `json:"retired,omitempty"`
	Reason    string   `json:"reason,omitempty"` // of the retirement
	Hash      string   `json:"hash"`             // SHA-256 of its text, hex
	Size      uint64   `json:"size"`             // of the text, in bytes
	Revision  uint64   `json:"revision"`
	Statement uint64   `json:"statement"`
	Codes     []string `json:"codes,omitempty"` // where one value set was asked for
	Fault     string   `json:"fault,omitempty"` // why the node cannot read it
	Text      string   `json:"text,omitempty"`  // the value set itself, where one was asked for
}

// ValueSets lists value sets by authority and id.
type ValueSets struct {
	ValueSets []ValueSet `json:"valueSets"`
	AsOf      AsOf       `json:"asOf"`
}
