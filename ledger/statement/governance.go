package statement

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"

	"concordat/ledger/internal/canonical"
)

// KeyUse is what a key of an authority is for.
type KeyUse string

// The uses of an authority's keys.
const (
	UseGovernance KeyUse = "governance" // offline: proposes, votes, and replaces the others
	UseStatement  KeyUse = "statement"  // what the authority says
	UseNode       KeyUse = "node"       // its node's libp2p identity, its blocks, and what nodes say
	UseCosign     KeyUse = "cosign"     // checkpoints
)

// KeyUses lists the uses in the order in which they are written.
var KeyUses = []KeyUse{UseGovernance, UseStatement, UseNode, UseCosign}

// Role is an authority's part in the network, as proposals name it.
type Role string

// The roles.
const (
	RoleValidator Role = "validator" // orders, vouches and votes
	RoleObserver  Role = "observer"  // states and reads
)

// NewKey is a key that replaces an authority's present one of that use. Proof is
// the new key's own signature (KeyProof): nobody names a key that is not his.
type NewKey struct {
	Use    KeyUse `cbor:"1,keyasint"`
	Public []byte `cbor:"2,keyasint"` // Ed25519
	Proof  []byte `cbor:"3,keyasint"` // by the new key, over KeyProofMessage
}

// Place is where an authority's node is found.
type Place struct {
	Addresses []string `cbor:"1,keyasint"`           // libp2p multiaddrs without /p2p
	HTTP      string   `cbor:"2,keyasint,omitempty"` // base URL of its API
}

// RotateOwnKey replaces one of the issuer's own keys, any but that of governance,
// which only the others' vote replaces (RotateKey). What the old key signed
// before stays what it is; after this statement it signs nothing.
type RotateOwnKey struct{ NewKey }

// SetNode says where the issuer's node is found from now on. Who it is its key
// says, so this is no secret of governance.
type SetNode struct{ Place }

// Propose asks the validators to decide on something that no authority may do
// alone. Who may vote, and how many votes carry it, is fixed where it stands.
type Propose struct {
	Action Action `cbor:"1,keyasint"`
	Reason string `cbor:"2,keyasint"`
}

// Action is what a proposal would do: exactly one of its fields is given.
type Action struct {
	Admit        *Admit            `cbor:"1,keyasint,omitempty"`
	ChangeRole   *ChangeRole       `cbor:"2,keyasint,omitempty"`
	Suspend      *SuspendAuthority `cbor:"3,keyasint,omitempty"`
	Restore      *RestoreAuthority `cbor:"4,keyasint,omitempty"`
	Expel        *Expel            `cbor:"5,keyasint,omitempty"`
	RotateKey    *RotateKey        `cbor:"6,keyasint,omitempty"`
	SetNode      *SetNodeOf        `cbor:"7,keyasint,omitempty"`
	ChangePolicy *ChangePolicy     `cbor:"8,keyasint,omitempty"`
	RaiseLevel   *RaiseLevel       `cbor:"9,keyasint,omitempty"`
}

// Admit takes an authority into the network. Descriptor is the file that
// `concordat init` made, as package genesis reads it.
type Admit struct {
	Descriptor []byte `cbor:"1,keyasint"`
	Role       Role   `cbor:"2,keyasint"`
}

// ChangeRole makes an observer a validator, or the other way round.
type ChangeRole struct {
	Authority Region `cbor:"1,keyasint"`
	Role      Role   `cbor:"2,keyasint"`
}

// SuspendAuthority takes an authority's voice for the time being: what it said
// stands, and it says nothing new; as a validator it counts towards no quorum,
// and still in the number that a quorum is of.
type SuspendAuthority struct {
	Authority Region `cbor:"1,keyasint"`
}

// RestoreAuthority ends a suspension. After evidence it wants other node and
// co-signing keys than the evidence is about, which RotateKey brings.
type RestoreAuthority struct {
	Authority Region `cbor:"1,keyasint"`
}

// Expel ends a membership. What the authority said stays in the log, and nobody
// relies on its keys any more.
type Expel struct {
	Authority Region `cbor:"1,keyasint"`
}

// RotateKey replaces any key of an authority, that of governance included.
type RotateKey struct {
	Authority Region `cbor:"1,keyasint"`
	NewKey    NewKey `cbor:"2,keyasint"`
}

// SetNodeOf says where an authority's node is found, in its place.
type SetNodeOf struct {
	Authority Region `cbor:"1,keyasint"`
	Place     Place  `cbor:"2,keyasint"`
}

// ChangePolicy replaces the thresholds: "majority", "two-thirds" or "all" each.
type ChangePolicy struct {
	AdmitObserver  string `cbor:"1,keyasint"`
	AdmitValidator string `cbor:"2,keyasint"`
	Suspend        string `cbor:"3,keyasint"`
	Expel          string `cbor:"4,keyasint"`
	RotateKeys     string `cbor:"5,keyasint"`
	ChangePolicy   string `cbor:"6,keyasint"`
}

// RaiseLevel turns on the rules of a protocol level, the one after the present,
// for every statement after the deciding vote.
type RaiseLevel struct {
	Level uint64 `cbor:"1,keyasint"`
}

// Vote is one authority's word on a proposal. It is final.
type Vote struct {
	Proposal uint64 `cbor:"1,keyasint"` // index of the proposal
	Of       Hash   `cbor:"2,keyasint"` // its hash: what was read is what is voted on
	Yes      bool   `cbor:"3,keyasint,omitempty"`
	Reason   string `cbor:"4,keyasint,omitempty"`
}

// WithdrawProposal takes the issuer's own proposal back, while it is open.
type WithdrawProposal struct {
	Proposal uint64 `cbor:"1,keyasint"`
	Of       Hash   `cbor:"2,keyasint"`
	Reason   string `cbor:"3,keyasint,omitempty"`
}

// HandOver shows that the validators before a change and those after it vouch
// for the same ledger, which has a seal that lists the latter: from here on they
// alone certify. A leader's node makes it; the note proves it.
type HandOver struct {
	Seal uint64 `cbor:"1,keyasint"` // index of the seal
	Note []byte `cbor:"2,keyasint"` // a checkpoint beyond the seal that a quorum of either has co-signed
}

// Recover begins a new lineage where a majority of the validators' disks was
// lost: with a ledger of Size statements, and those validators alone. It stands
// at index Size, and counts by the signatures in it.
type Recover struct {
	Plan       RecoveryPlan        `cbor:"1,keyasint"`
	Signatures []RecoverySignature `cbor:"2,keyasint"` // in ascending order of authority
}

// RecoveryPlan is what the authorities sign.
type RecoveryPlan struct {
	Lineage    uint64            `cbor:"1,keyasint"` // 2 for the first recovery, then one more each
	Size       uint64            `cbor:"2,keyasint"`
	Root       [sha256.Size]byte `cbor:"3,keyasint"`
	Validators []Region          `cbor:"4,keyasint"` // who goes on, in ascending order
	Reason     string            `cbor:"5,keyasint"`
}

// RecoverySignature is by an authority's governance key over RecoveryMessage.
type RecoverySignature struct {
	Authority Region `cbor:"1,keyasint"`
	Signature []byte `cbor:"2,keyasint"`
}

// ReportIncident tells the others of an incident, in words: forged certificates,
// a key in wrong hands, an outage. It changes nothing by itself. Protocol level 2.
type ReportIncident struct {
	Title string      `cbor:"1,keyasint"`
	Text  string      `cbor:"2,keyasint,omitempty"`
	Key   *Thumbprint `cbor:"3,keyasint,omitempty"` // the issuer's key that it is about
}

// Kind of each body.
func (*RotateOwnKey) Kind() Kind     { return AuthorityRotateKey }
func (*SetNode) Kind() Kind          { return AuthoritySetNode }
func (*Propose) Kind() Kind          { return GovernancePropose }
func (*Vote) Kind() Kind             { return GovernanceVote }
func (*WithdrawProposal) Kind() Kind { return GovernanceWithdraw }
func (*HandOver) Kind() Kind         { return Handover }
func (*Recover) Kind() Kind          { return NetworkRecovery }
func (*ReportIncident) Kind() Kind   { return IncidentReport }

// AuthoritySubject is the subject of what changes an authority's record.
func AuthoritySubject(id Region) string { return "authority/" + string(id) }

// ProposalsSubject is the subject of an authority's proposals: each makes the next revision.
func ProposalsSubject(by Region) string { return "proposals/" + string(by) }

// VoteSubject is the subject of one authority's vote on a proposal.
func VoteSubject(proposal uint64, by Region) string { return fmt.Sprintf("vote/%d/%s", proposal, by) }

// ProposalSubject is the subject of what ends a proposal.
func ProposalSubject(proposal uint64) string { return fmt.Sprintf("proposal/%d", proposal) }

// HandoverSubject is the subject of the handover that a seal begins.
func HandoverSubject(seal uint64) string { return fmt.Sprintf("handover/%d", seal) }

// RecoverySubject is the subject of the recovery that begins a lineage.
func RecoverySubject(lineage uint64) string { return fmt.Sprintf("recovery/%d", lineage) }

// IncidentSubject is the subject of an authority's reports of incidents.
func IncidentSubject(by Region) string { return "incidents/" + string(by) }

// Subject of each body.
func (b *RotateOwnKey) Subject(by Region) string   { return AuthoritySubject(by) }
func (b *SetNode) Subject(by Region) string        { return AuthoritySubject(by) }
func (b *Propose) Subject(by Region) string        { return ProposalsSubject(by) }
func (b *Vote) Subject(by Region) string           { return VoteSubject(b.Proposal, by) }
func (b *WithdrawProposal) Subject(Region) string  { return ProposalSubject(b.Proposal) }
func (b *HandOver) Subject(Region) string          { return HandoverSubject(b.Seal) }
func (b *Recover) Subject(Region) string           { return RecoverySubject(b.Plan.Lineage) }
func (b *ReportIncident) Subject(by Region) string { return IncidentSubject(by) }

// What is signed beside statements begins with these, so that neither can be
// taken for anything else that the keys sign.
const (
	keyProofDomain = "concordat key proof v1\n"
	recoveryDomain = "concordat recovery v1\n"
)

// KeyProofMessage is what a new key signs: that it is this authority's, for this
// use, in this network.
func KeyProofMessage(network NetworkID, authority Region, use KeyUse, public []byte) []byte {
	out := append([]byte(keyProofDomain), network[:]...)
	out = append(out, authority...)
	out = append(out, '\n')
	out = append(out, use...)
	out = append(out, '\n')
	return append(out, public...)
}

// ProveKey makes the NewKey that names a private key's public half.
func ProveKey(network NetworkID, authority Region, use KeyUse, key ed25519.PrivateKey) NewKey {
	public := key.Public().(ed25519.PublicKey)
	return NewKey{Use: use, Public: public, Proof: ed25519.Sign(key, KeyProofMessage(network, authority, use, public))}
}

// Proves reports whether the proof is the key's own, for that authority.
func (k *NewKey) Proves(network NetworkID, authority Region) bool {
	return len(k.Public) == ed25519.PublicKeySize &&
		VerifySignature(k.Public, KeyProofMessage(network, authority, k.Use, k.Public), k.Proof)
}

var planCodec = canonical.New(4, MaxValidators, 16)

// RecoveryMessage is what an authority's governance key signs of a plan.
func RecoveryMessage(network NetworkID, plan RecoveryPlan) ([]byte, error) {
	raw, err := planCodec.Encode(plan)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	out := append([]byte(recoveryDomain), network[:]...)
	return append(out, raw...), nil
}
