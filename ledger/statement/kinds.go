package statement

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Kind names what a statement does. The text is on the wire.
type Kind string

// The kinds of statement; Level says from which protocol level on each has an effect.
const (
	IssuerKeyRegister   Kind = "issuer-key.register"
	IssuerKeyRetire     Kind = "issuer-key.retire"
	IssuerKeyCompromise Kind = "issuer-key.compromise"
	RevocationAdd       Kind = "revocation.add"
	RevocationUndo      Kind = "revocation.undo"
	RiskDeclare         Kind = "risk-area.declare"
	RiskChange          Kind = "risk-area.change"
	RiskLift            Kind = "risk-area.lift"
	RecognitionGrant    Kind = "recognition.grant"
	RecognitionChange   Kind = "recognition.change"
	RecognitionSuspend  Kind = "recognition.suspend"
	RecognitionWithdraw Kind = "recognition.withdraw"
	AuthorityRotateKey  Kind = "authority.rotate-key"
	AuthoritySetNode    Kind = "authority.set-node"
	GovernancePropose   Kind = "governance.propose"
	GovernanceVote      Kind = "governance.vote"
	GovernanceWithdraw  Kind = "governance.withdraw"
	NetworkRecovery     Kind = "recovery"
	IncidentReport      Kind = "incident.report"
	RulePublish         Kind = "rule.publish"
	RuleRetire          Kind = "rule.retire"
	ValueSetPublish     Kind = "value-set.publish"
	ValueSetRetire      Kind = "value-set.retire"
	RiskSchemePublish   Kind = "risk-scheme.publish"
	SpecialCaseDeclare  Kind = "special-case.declare"
	SpecialCaseEnd      Kind = "special-case.end"
	Seal                Kind = "seal"     // made by nodes
	EvidenceReport      Kind = "evidence" // made by nodes
	Handover            Kind = "handover" // made by nodes
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{
		IssuerKeyRegister, IssuerKeyRetire, IssuerKeyCompromise, RevocationAdd, RevocationUndo,
		RiskDeclare, RiskChange, RiskLift, RecognitionGrant, RecognitionChange, RecognitionSuspend, RecognitionWithdraw,
		AuthorityRotateKey, AuthoritySetNode, GovernancePropose, GovernanceVote, GovernanceWithdraw, NetworkRecovery,
		IncidentReport, RulePublish, RuleRetire, ValueSetPublish, ValueSetRetire, RiskSchemePublish, SpecialCaseDeclare, SpecialCaseEnd,
		Seal, EvidenceReport, Handover,
	}
}

// Level is the protocol level from which on statements of kind k have an effect.
// One with fields that are younger than its kind needs more: see Statement.Level.
func (k Kind) Level() uint64 {
	switch k {
	case IncidentReport:
		return 2
	case RulePublish, RuleRetire, ValueSetPublish, ValueSetRetire, RiskSchemePublish, SpecialCaseDeclare, SpecialCaseEnd:
		return 3
	}
	return 1
}

// Level is the protocol level from which on the statement has an effect: its
// kind's, or that of the youngest field that it uses.
func (s *Statement) Level() uint64 {
	if b, ok := s.Body.(interface{ youngest() uint64 }); ok {
		return max(s.Kind().Level(), b.youngest())
	}
	return s.Kind().Level()
}

// ByGovernance reports whether statements of kind k are signed with the
// governance key of the authority that issues them.
func (k Kind) ByGovernance() bool {
	switch k {
	case AuthorityRotateKey, GovernancePropose, GovernanceVote, GovernanceWithdraw, NetworkRecovery:
		return true
	}
	return false
}

// Time is a moment in Unix seconds. Zero means "not given".
type Time int64

// CodeKind is a kind of health code: what it attests.
type CodeKind string

// The kinds of code. EU DCC knows the first three.
const (
	Vaccination CodeKind = "vaccination"
	Test        CodeKind = "test"
	Recovery    CodeKind = "recovery"
	Health      CodeKind = "health"
	Itinerary   CodeKind = "itinerary"
)

// CodeKinds lists every kind of code, in the order in which lists of kinds are written.
var CodeKinds = []CodeKind{Vaccination, Test, Recovery, Health, Itinerary}

// HashType says what a revocation hash was taken over. The values are those of
// the EU DCC revocation list (SIGNATURE, UCI, COUNTRYCODEUCI) and of SMART
// Health Cards (rid).
type HashType string

// The types of revocation hash.
const (
	HashSignature      HashType = "signature"
	HashUCI            HashType = "uci"
	HashCountryCodeUCI HashType = "countrycode-uci"
	HashRID            HashType = "rid"
)

// HashTypes lists every type of hash; a type's place in it plus one is its byte in the state's keys.
var HashTypes = []HashType{HashSignature, HashUCI, HashCountryCodeUCI, HashRID}

// RevocationHash is SHA-256 of what its type names, cut to 16 bytes.
type RevocationHash [HashSize]byte

// Thumbprint identifies an issuer's key within its region: SHA-256 of the
// certificate's DER where there is one, else of the key's SubjectPublicKeyInfo.
// The eight-byte kid on codes is only an index.
type Thumbprint [sha256.Size]byte

// String gives 64 hex digits.
func (t Thumbprint) String() string { return hex.EncodeToString(t[:]) }

// Body is what one kind of statement says. The bodies below are all of them.
type Body interface {
	// Kind is the kind that the body belongs to.
	Kind() Kind
	// Subject is what a statement by issuer with this body is about: the thing whose revision it makes.
	Subject(issuer Region) string
	// Validate checks every field against limits.go and against the others.
	Validate() error
}

// RegisterKey makes an issuer's public key known: codes signed with it are the
// authority's from then on.
type RegisterKey struct {
	PublicKey   []byte     `cbor:"1,keyasint"`           // SubjectPublicKeyInfo, DER
	KeyID       []byte     `cbor:"2,keyasint"`           // kid as it stands in codes
	Certificate []byte     `cbor:"3,keyasint,omitempty"` // the DSC, DER
	Kinds       []CodeKind `cbor:"4,keyasint,omitempty"` // none: all kinds
	ValidFrom   Time       `cbor:"5,keyasint,omitempty"` // codes issued earlier are not good
	ValidUntil  Time       `cbor:"6,keyasint,omitempty"` // codes issued later are not good
	Issuer      string     `cbor:"7,keyasint,omitempty"` // level 3: the issuer's URL, as its codes name it (SMART Health Cards: iss)
	Name        string     `cbor:"8,keyasint,omitempty"` // level 3: the issuer's name, for people
}

// RetireKey ends a key's use: codes issued up to At stay good until they expire.
type RetireKey struct {
	Key Thumbprint `cbor:"1,keyasint"`
	At  Time       `cbor:"2,keyasint"`
}

// CompromiseKey says that a key is in wrong hands, for good. It refuses all
// codes of the key, because whoever holds the key can back-date them, unless
// SpareEarlier says in so many words that codes issued before Since stay good.
// A further one may follow only if it spares fewer codes.
type CompromiseKey struct {
	Key          Thumbprint `cbor:"1,keyasint"`
	Since        Time       `cbor:"2,keyasint"`
	SpareEarlier bool       `cbor:"3,keyasint,omitempty"`
	Reason       string     `cbor:"4,keyasint,omitempty"`
}

// Batch describes an attachment of revocation hashes: what must be forgotten
// is not in the log, only its digest is.
type Batch struct {
	HashType HashType          `cbor:"1,keyasint"`
	Count    uint64            `cbor:"2,keyasint"`
	Digest   [sha256.Size]byte `cbor:"3,keyasint"` // SHA-256 of the attachment
	Expires  Time              `cbor:"4,keyasint"` // from it on a revocation does not count (an undo still does), and its hashes may be erased
	Reason   string            `cbor:"5,keyasint"`
	// IssuedBefore, if given, spares codes issued at that time or later (level 3;
	// SMART Health Cards: a rid that is followed by a time).
	IssuedBefore Time `cbor:"6,keyasint,omitempty"`
}

// Revoke refuses the codes whose hashes are in the attachment.
type Revoke struct{ Batch }

// Reinstate undoes what this authority said before of the hashes in the attachment.
type Reinstate struct{ Batch }

// RiskLevel declares, or changes, how an area stands in a scheme of levels.
// A stay in it within Lookback days before the check, while it was so
// declared, is held against an itinerary when Refuse is set.
type RiskLevel struct {
	Area     Area   `cbor:"1,keyasint"`
	Scheme   string `cbor:"2,keyasint"` // whose levels: "default", "ecdc-2021", …
	Level    string `cbor:"3,keyasint"` // "high", "dark-red", …
	From     Time   `cbor:"4,keyasint"`
	Until    Time   `cbor:"5,keyasint,omitempty"`
	Lookback uint64 `cbor:"6,keyasint"`           // days
	Refuse   bool   `cbor:"7,keyasint,omitempty"` // a stay refuses; otherwise it is a note on the answer
	LegalRef string `cbor:"8,keyasint,omitempty"`
}

// DeclareRisk is the first word on an area in a scheme, or the first after it was lifted.
type DeclareRisk struct{ RiskLevel }

// ChangeRisk replaces a declaration that stands.
type ChangeRisk struct{ RiskLevel }

// LiftRisk ends a declaration as of At; stays before At still count within the look-back.
type LiftRisk struct {
	Area   Area   `cbor:"1,keyasint"`
	Scheme string `cbor:"2,keyasint"`
	At     Time   `cbor:"3,keyasint"`
	Reason string `cbor:"4,keyasint,omitempty"`
}

// Terms are what a region recognises of another's codes.
type Terms struct {
	Region Region     `cbor:"1,keyasint"`           // whose codes
	Kinds  []CodeKind `cbor:"2,keyasint,omitempty"` // none: all kinds
	From   Time       `cbor:"3,keyasint,omitempty"` // checks at earlier times are not covered
	Until  Time       `cbor:"4,keyasint,omitempty"`
	Reason string     `cbor:"5,keyasint,omitempty"` // the agreement or decision it rests on

	// Level 3. Of each list, none means all.
	LegalRef   string   `cbor:"6,keyasint,omitempty"`
	Formats    []string `cbor:"7,keyasint,omitempty"`  // of code: FormatNames
	Algorithms []string `cbor:"8,keyasint,omitempty"`  // that codes are signed with: AlgorithmNames
	Schemes    []string `cbor:"9,keyasint,omitempty"`  // in which a health code's status, or an area's level, is taken from that region
	RuleSet    string   `cbor:"10,keyasint,omitempty"` // the grantor's rules that these codes must meet; none: its DefaultRuleSet
}

// Grant recognises a region's codes.
type Grant struct{ Terms }

// ChangeGrant replaces the terms of a recognition; on a suspended one it also resumes it.
type ChangeGrant struct{ Terms }

// Suspend stops recognising for the time being and says why.
type Suspend struct {
	Region Region     `cbor:"1,keyasint"`
	Kinds  []CodeKind `cbor:"2,keyasint,omitempty"` // none: all kinds that were granted
	From   Time       `cbor:"3,keyasint,omitempty"`
	Until  Time       `cbor:"4,keyasint,omitempty"`
	Reason string     `cbor:"5,keyasint"`

	LegalRef string `cbor:"6,keyasint,omitempty"` // level 3
}

// Withdraw ends a recognition.
type Withdraw struct {
	Region   Region `cbor:"1,keyasint"`
	Reason   string `cbor:"2,keyasint,omitempty"`
	LegalRef string `cbor:"3,keyasint,omitempty"` // level 3
}

// Kind of each body.
func (*RegisterKey) Kind() Kind    { return IssuerKeyRegister }
func (*RetireKey) Kind() Kind      { return IssuerKeyRetire }
func (*CompromiseKey) Kind() Kind  { return IssuerKeyCompromise }
func (*Revoke) Kind() Kind         { return RevocationAdd }
func (*Reinstate) Kind() Kind      { return RevocationUndo }
func (*DeclareRisk) Kind() Kind    { return RiskDeclare }
func (*ChangeRisk) Kind() Kind     { return RiskChange }
func (*LiftRisk) Kind() Kind       { return RiskLift }
func (*Grant) Kind() Kind          { return RecognitionGrant }
func (*ChangeGrant) Kind() Kind    { return RecognitionChange }
func (*Suspend) Kind() Kind        { return RecognitionSuspend }
func (*Withdraw) Kind() Kind       { return RecognitionWithdraw }
func (*SealState) Kind() Kind      { return Seal }
func (*ReportEvidence) Kind() Kind { return EvidenceReport }

// Thumbprint of the key that is registered.
func (b *RegisterKey) Thumbprint() Thumbprint {
	if len(b.Certificate) > 0 {
		return sha256.Sum256(b.Certificate)
	}
	return sha256.Sum256(b.PublicKey)
}

// KeySubject is the subject of every statement about one issuer's key.
func KeySubject(issuer Region, key Thumbprint) string {
	return fmt.Sprintf("issuer-key/%s/%s", issuer, key)
}

// RevocationSubject is the subject of an authority's revocations. They have no revision.
func RevocationSubject(issuer Region) string { return "revocation/" + string(issuer) }

// RiskSubject is the subject of an authority's word on an area in a scheme.
func RiskSubject(issuer Region, scheme string, area Area) string {
	return fmt.Sprintf("risk-area/%s/%s/%s", issuer, scheme, area)
}

// RecognitionSubject is the subject of one region's recognition of another's codes.
func RecognitionSubject(issuer, of Region) string {
	return fmt.Sprintf("recognition/%s/%s", issuer, of)
}

// Subject of each body.
func (b *RegisterKey) Subject(by Region) string   { return KeySubject(by, b.Thumbprint()) }
func (b *RetireKey) Subject(by Region) string     { return KeySubject(by, b.Key) }
func (b *CompromiseKey) Subject(by Region) string { return KeySubject(by, b.Key) }
func (b *Batch) Subject(by Region) string         { return RevocationSubject(by) }
func (b *RiskLevel) Subject(by Region) string     { return RiskSubject(by, b.Scheme, b.Area) }
func (b *LiftRisk) Subject(by Region) string      { return RiskSubject(by, b.Scheme, b.Area) }
func (b *Terms) Subject(by Region) string         { return RecognitionSubject(by, b.Region) }
func (b *Suspend) Subject(by Region) string       { return RecognitionSubject(by, b.Region) }
func (b *Withdraw) Subject(by Region) string      { return RecognitionSubject(by, b.Region) }
func (b *SealState) Subject(Region) string        { return SealSubject(b.Size) }
func (b *ReportEvidence) Subject(Region) string   { return EvidenceSubject(b.Culprit) }

// HasRevision reports whether statements of kind k make a revision of their
// subject. Revocations and reports only ever add, what nodes make has its place
// by itself (a size, a culprit), and a vote is given once; none of them has one.
func (k Kind) HasRevision() bool {
	switch k {
	case RevocationAdd, RevocationUndo, GovernanceVote, GovernanceWithdraw, NetworkRecovery, IncidentReport:
		return false
	}
	return !k.ByNode()
}

// HasAttachment reports whether statements of kind k come with an attachment.
func (k Kind) HasAttachment() bool { return k == RevocationAdd || k == RevocationUndo }

// newBody gives an empty body of kind k to decode into; false if k is unknown.
func newBody(k Kind) (Body, bool) {
	switch k {
	case IssuerKeyRegister:
		return new(RegisterKey), true
	case IssuerKeyRetire:
		return new(RetireKey), true
	case IssuerKeyCompromise:
		return new(CompromiseKey), true
	case RevocationAdd:
		return new(Revoke), true
	case RevocationUndo:
		return new(Reinstate), true
	case RiskDeclare:
		return new(DeclareRisk), true
	case RiskChange:
		return new(ChangeRisk), true
	case RiskLift:
		return new(LiftRisk), true
	case RecognitionGrant:
		return new(Grant), true
	case RecognitionChange:
		return new(ChangeGrant), true
	case RecognitionSuspend:
		return new(Suspend), true
	case RecognitionWithdraw:
		return new(Withdraw), true
	case Seal:
		return new(SealState), true
	case EvidenceReport:
		return new(ReportEvidence), true
	case AuthorityRotateKey:
		return new(RotateOwnKey), true
	case AuthoritySetNode:
		return new(SetNode), true
	case GovernancePropose:
		return new(Propose), true
	case GovernanceVote:
		return new(Vote), true
	case GovernanceWithdraw:
		return new(WithdrawProposal), true
	case Handover:
		return new(HandOver), true
	case NetworkRecovery:
		return new(Recover), true
	case IncidentReport:
		return new(ReportIncident), true
	case RulePublish:
		return new(PublishRule), true
	case RuleRetire:
		return new(RetireRule), true
	case ValueSetPublish:
		return new(PublishValueSet), true
	case ValueSetRetire:
		return new(RetireValueSet), true
	case RiskSchemePublish:
		return new(PublishScheme), true
	case SpecialCaseDeclare:
		return new(DeclareCase), true
	case SpecialCaseEnd:
		return new(EndCase), true
	}
	return nil, false
}
