package state

import (
	"crypto/ed25519"

	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// What the records call an index is a statement's place in the log, counted
// from 0. The genesis is no statement: what it says has no index.

// Network is the founding document in short, as votes have changed it.
type Network struct {
	ID            statement.NetworkID `cbor:"1,keyasint"`
	Name          string              `cbor:"2,keyasint"`
	ProtocolLevel uint64              `cbor:"3,keyasint"`
	Policy        Policy              `cbor:"4,keyasint"`
	Lineage       uint64              `cbor:"5,keyasint,omitempty"` // the network's so-manyth since a recovery; 0: the first, before any
}

// Origin is the log's name in checkpoints of the present lineage.
func (n Network) Origin() string { return checkpoint.Origin(n.Name, n.Lineage) }

// Policy says what share of the validators' votes carries each class of
// action: "majority", "two-thirds" or "all", as package genesis defines them.
type Policy struct {
	AdmitObserver  string `cbor:"1,keyasint"`
	AdmitValidator string `cbor:"2,keyasint"`
	Suspend        string `cbor:"3,keyasint"`
	Expel          string `cbor:"4,keyasint"`
	RotateKeys     string `cbor:"5,keyasint"`
	ChangePolicy   string `cbor:"6,keyasint"`
}

// Role is what an authority does in the network. It decides who validates and
// votes; every authority may make statements about what is its own.
type Role string

// The roles.
const (
	Validator Role = "validator"
	Observer  Role = "observer"
)

// Use is what an authority's key is for.
type Use string

// The uses of an authority's keys, in the order in which they are written.
const (
	Governance Use = "governance"
	Statements Use = "statement"
	Node       Use = "node"
	Cosign     Use = "cosign"
)

var uses = []Use{Governance, Statements, Node, Cosign}

// AuthorityKey is an Ed25519 key of an authority. It counts for statements
// whose index is at least From and, unless Until is 0, below Until.
type AuthorityKey struct {
	Use    Use               `cbor:"1,keyasint"`
	Public ed25519.PublicKey `cbor:"2,keyasint"`
	From   uint64            `cbor:"3,keyasint"`
	Until  uint64            `cbor:"4,keyasint,omitempty"`
}

// CountsAt reports whether the key counts for the statement at index.
func (k *AuthorityKey) CountsAt(index uint64) bool {
	return index >= k.From && (k.Until == 0 || index < k.Until)
}

// Authority is who may speak for a region.
type Authority struct {
	ID         statement.Region `cbor:"1,keyasint"`
	Name       string           `cbor:"2,keyasint"`
	Role       Role             `cbor:"3,keyasint"`
	Keys       []AuthorityKey   `cbor:"4,keyasint"` // by use in the order of the uses, then by From
	Addresses  []string         `cbor:"5,keyasint,omitempty"`
	HTTP       string           `cbor:"6,keyasint,omitempty"`
	AdmittedAt *uint64          `cbor:"7,keyasint,omitempty"` // index; nil: by the genesis
	Revision   uint64           `cbor:"8,keyasint,omitempty"` // of "authority/ID"; 0: as it was founded
	Standing   Standing         `cbor:"9,keyasint,omitempty"`
	StandingBy *uint64          `cbor:"10,keyasint,omitempty"` // index of the vote that made it so; nil while a member
	ChangedAt  *uint64          `cbor:"11,keyasint,omitempty"` // index of what changed it last; nil: nothing has
	// OwnRotations counts the node and co-signing keys that it replaced by its own word
	// since the last that a vote replaced (MaxOwnRotations).
	OwnRotations uint64 `cbor:"13,keyasint,omitempty"`
	Forgotten    uint64 `cbor:"12,keyasint,omitempty"` // replaced keys that are not in Keys any more; nobody may use them again
}

// Present reports whether the authority is a member, be it a suspended one.
func (a *Authority) Present() bool { return a.Standing != StandingExpelled }

// Key is the authority's newest key for a use; nil if it has none.
func (a *Authority) Key(u Use) ed25519.PublicKey {
	for _, k := range a.Keys {
		if k.Use == u && k.Until == 0 {
			return k.Public
		}
	}
	return nil
}

// KeyStatus is how an issuer's key stands.
type KeyStatus string

// The statuses of an issuer's key.
const (
	Registered  KeyStatus = "registered"
	Retired     KeyStatus = "retired"
	Compromised KeyStatus = "compromised"
)

// IssuerKey is a key that signs a region's codes. RegisteredAt, RetiredBy and
// ChangedAt are indexes; the other times are Unix seconds.
type IssuerKey struct {
	Region       statement.Region     `cbor:"1,keyasint"`
	Thumbprint   statement.Thumbprint `cbor:"2,keyasint"`
	PublicKey    []byte               `cbor:"3,keyasint"` // SubjectPublicKeyInfo, DER
	KeyID        []byte               `cbor:"4,keyasint"`
	Certificate  []byte               `cbor:"5,keyasint,omitempty"`
	Kinds        []statement.CodeKind `cbor:"6,keyasint,omitempty"` // none: all kinds
	ValidFrom    statement.Time       `cbor:"7,keyasint,omitempty"`
	ValidUntil   statement.Time       `cbor:"8,keyasint,omitempty"`
	Status       KeyStatus            `cbor:"9,keyasint"`
	RetiredAt    statement.Time       `cbor:"10,keyasint,omitempty"` // stays when the key is compromised later
	RetiredBy    *uint64              `cbor:"11,keyasint,omitempty"` // index of the retirement
	Since        statement.Time       `cbor:"12,keyasint,omitempty"` // of the compromise
	SpareEarlier bool                 `cbor:"13,keyasint,omitempty"` // codes issued before Since stay good
	Reason       string               `cbor:"14,keyasint,omitempty"` // of the compromise
	RegisteredAt uint64               `cbor:"15,keyasint"`
	ChangedAt    uint64               `cbor:"16,keyasint"` // index of the newest statement on the key
	Revision     uint64               `cbor:"17,keyasint"`
	Issuer       string               `cbor:"18,keyasint,omitempty"` // the issuer's URL, as its codes name it
	Name         string               `cbor:"19,keyasint,omitempty"` // the issuer's name
}

// RecognitionStatus is how one region's recognition of another's codes stands.
type RecognitionStatus string

// The statuses of a recognition.
const (
	Granted   RecognitionStatus = "granted"
	Suspended RecognitionStatus = "suspended"
	Withdrawn RecognitionStatus = "withdrawn"
)

// Terms are what a recognition covers.
type Terms struct {
	Kinds  []statement.CodeKind `cbor:"1,keyasint,omitempty"` // none: all kinds
	From   statement.Time       `cbor:"2,keyasint,omitempty"`
	Until  statement.Time       `cbor:"3,keyasint,omitempty"`
	Reason string               `cbor:"4,keyasint,omitempty"`

	LegalRef   string   `cbor:"5,keyasint,omitempty"`
	Formats    []string `cbor:"6,keyasint,omitempty"` // of each list, none means all
	Algorithms []string `cbor:"7,keyasint,omitempty"`
	Schemes    []string `cbor:"8,keyasint,omitempty"`
	RuleSet    string   `cbor:"9,keyasint,omitempty"` // none: statement.DefaultRuleSet
}

// Suspension is what is taken from a recognition for the time being, and why.
// With kinds or a window it takes only those, and the rest goes on.
type Suspension struct {
	Kinds  []statement.CodeKind `cbor:"1,keyasint,omitempty"` // none: all kinds
	From   statement.Time       `cbor:"2,keyasint,omitempty"`
	Until  statement.Time       `cbor:"3,keyasint,omitempty"`
	Reason string               `cbor:"4,keyasint"`

	LegalRef string `cbor:"5,keyasint,omitempty"`
}

// Recognition is what Grantor recognises of Grantee's codes.
type Recognition struct {
	Grantor    statement.Region  `cbor:"1,keyasint"`
	Grantee    statement.Region  `cbor:"2,keyasint"`
	Status     RecognitionStatus `cbor:"3,keyasint"`
	Terms      Terms             `cbor:"4,keyasint"`           // as last granted or changed
	Suspension *Suspension       `cbor:"5,keyasint,omitempty"` // while suspended
	Reason     string            `cbor:"6,keyasint,omitempty"` // of the withdrawal
	GrantedAt  uint64            `cbor:"7,keyasint"`           // index of the newest grant
	ChangedAt  uint64            `cbor:"8,keyasint"`           // index of the newest statement
	Revision   uint64            `cbor:"9,keyasint"`
	LegalRef   string            `cbor:"10,keyasint,omitempty"` // of the withdrawal
	// Past is how the recognition stood before, the oldest first: what answers
	// questions about the past. The last MaxPastTerms are kept, those said at
	// protocol level 3 or later.
	Past   []PastTerms    `cbor:"11,keyasint,omitempty"`
	SaidAt statement.Time `cbor:"12,keyasint,omitempty"` // of ChangedAt's statement, by the grantor's clock; 0: before level 3
}

// MaxPastTerms bounds the history of a recognition.
const MaxPastTerms = 32

// PastTerms is how a recognition stood from one statement of its grantor to the next.
type PastTerms struct {
	Status     RecognitionStatus `cbor:"1,keyasint"`
	Terms      Terms             `cbor:"2,keyasint"`
	Suspension *Suspension       `cbor:"3,keyasint,omitempty"`
	Reason     string            `cbor:"4,keyasint,omitempty"`
	LegalRef   string            `cbor:"5,keyasint,omitempty"`
	Index      uint64            `cbor:"6,keyasint"`           // of the statement that made it so
	SaidAt     statement.Time    `cbor:"7,keyasint,omitempty"` // by the grantor's clock; 0: before level 3
	EndedBy    uint64            `cbor:"8,keyasint"`           // index of the next statement
	EndedAt    statement.Time    `cbor:"9,keyasint"`           // by the grantor's clock
}

// RiskWindow is the level that an area had, has or will have for a time: from
// From (inclusive) to Until (exclusive; 0: open).
type RiskWindow struct {
	Level    string         `cbor:"1,keyasint"`
	From     statement.Time `cbor:"2,keyasint"`
	Until    statement.Time `cbor:"3,keyasint,omitempty"`
	Lookback uint64         `cbor:"4,keyasint"` // days before a check within which a stay counts
	Refuse   bool           `cbor:"5,keyasint,omitempty"`
	LegalRef string         `cbor:"6,keyasint,omitempty"`
	Index    uint64         `cbor:"7,keyasint"`           // of the statement that declared the level
	EndedBy  *uint64        `cbor:"8,keyasint,omitempty"` // index of the statement that cut the window short
}

// MaxWindows bounds the history of a risk area. A year of weekly changes fits;
// beyond it the oldest window is forgotten.
const MaxWindows = 64

// RiskArea is one authority's word on an area in a scheme of levels.
type RiskArea struct {
	Authority statement.Region `cbor:"1,keyasint"`
	Area      statement.Area   `cbor:"2,keyasint"`
	Scheme    string           `cbor:"3,keyasint"`
	Standing  bool             `cbor:"4,keyasint"`           // false: lifted; the past still counts
	Windows   []RiskWindow     `cbor:"5,keyasint,omitempty"` // ST10
	Reason    string           `cbor:"6,keyasint,omitempty"` // of the lift
	ChangedAt uint64           `cbor:"7,keyasint"`
	Revision  uint64           `cbor:"8,keyasint"`
}

// At is the window that holds t, if one does.
func (a *RiskArea) At(t statement.Time) (RiskWindow, bool) {
	for _, w := range a.Windows {
		if t >= w.From && (w.Until == 0 || t < w.Until) {
			return w, true
		}
	}
	return RiskWindow{}, false
}
