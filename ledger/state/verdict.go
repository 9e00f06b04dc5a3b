package state

import (
	"fmt"

	"concordat/ledger/statement"
)

// Verdict is what the state says to a statement. The zero Verdict accepts it.
// It is not an error: a refusal is an ordinary result, the same on every node.
type Verdict struct {
	Name     string  // stable, of the table below; "" for accepted
	Message  string  // what is in the way, with the value and the bound
	Hint     string  // what to do about it
	Revision uint64  // the subject's current revision, where the subject exists
	Index    *uint64 // the newest statement on the subject, where there is one
}

// Accepted reports whether the statement may be applied.
func (v Verdict) Accepted() bool { return v.Name == "" }

// Class is the broad answer to who erred.
func (v Verdict) Class() Class { return Refusals[v.Name].Class }

// String is the verdict in one line.
func (v Verdict) String() string {
	switch {
	case v.Accepted():
		return "accepted"
	case v.Hint == "":
		return v.Name + ": " + v.Message
	}
	return v.Name + ": " + v.Message + "; " + v.Hint
}

// Class groups refusals by what the one who submitted can do.
type Class string

// The classes.
const (
	Conflict  Class = "conflict"  // the statement is one that could have been right; the state has moved, or is not there yet
	Forbidden Class = "forbidden" // the signer may not say this
	Malformed Class = "malformed" // the statement can never be right as it is
)

// The names of refusals. They are stable: programs compare them.
const (
	WrongNetwork        = "wrong-network"
	UnknownAuthority    = "unknown-authority"
	UnknownKey          = "unknown-key"
	UnknownKind         = "unknown-kind"
	RevisionConflict    = "revision-conflict"
	AttachmentMissing   = "attachment-missing"
	AttachmentMismatch  = "attachment-mismatch"
	AlreadyRegistered   = "already-registered"
	NotRegistered       = "not-registered"
	AlreadyRetired      = "already-retired"
	KeyCompromised      = "key-compromised"
	TooManyKeys         = "too-many-keys"
	TooManySchemes      = "too-many-schemes"
	SelfRecognition     = "self-recognition"
	UnknownRegion       = "unknown-region"
	AlreadyGranted      = "already-granted"
	NotGranted          = "not-granted"
	AlreadySuspended    = "already-suspended"
	NothingToChange     = "nothing-to-change"
	RiskAlreadyDeclared = "risk-already-declared"
	RiskNotDeclared     = "risk-not-declared"
	NotAValidator       = "not-a-validator"
	SealMisplaced       = "seal-misplaced"
	SealBackdated       = "seal-backdated"
	SealMismatch        = "seal-mismatch"
	AlreadyKnown        = "already-known"
	ProvesNothing       = "proves-nothing"
	AuthoritySuspended  = "authority-suspended"
	AuthorityExpelled   = "authority-expelled"
	KeyUsed             = "key-used"
	KeyNotProven        = "key-not-proven"
	BadAddress          = "bad-address"
	DescriptorRefused   = "descriptor-refused"
	AlreadyMember       = "already-member"
	NotAMember          = "not-a-member"
	TooManyValidators   = "too-many-validators"
	LastValidator       = "last-validator"
	CaughtKeys          = "caught-keys"
	LevelNotNext        = "level-not-next"
	TooManyProposals    = "too-many-proposals"
	TooFewElectors      = "too-few-electors"
	TooManyRotations    = "too-many-rotations"
	UnknownProposal     = "unknown-proposal"
	ProposalMismatch    = "proposal-mismatch"
	ProposalClosed      = "proposal-closed"
	NotAnElector        = "not-an-elector"
	AlreadyVoted        = "already-voted"
	NotTheProposer      = "not-the-proposer"
	HandoverPending     = "handover-pending"
	NoHandover          = "no-handover"
	HandoverMismatch    = "handover-mismatch"
	RecoveryMisplaced   = "recovery-misplaced"
	RecoveryUnsigned    = "recovery-unsigned"
	RecoveryMismatch    = "recovery-mismatch"
	TooMuchPublished    = "too-much-published"
	VersionNotNewer     = "version-not-newer"
	StartsEarlier       = "starts-earlier"
	NotPublished        = "not-published"
	SupersedesInACircle = "supersedes-in-a-circle"
	NoSpecialCase       = "no-special-case"
	AlreadyEnded        = "already-ended"
)

// Refusal is what a name means, apart from any one statement.
type Refusal struct {
	Class   Class
	Meaning string
}

// Refusals is every refusal there is, by name.
var Refusals = map[string]Refusal{
	WrongNetwork:        {Malformed, "The statement was signed for another network."},
	UnknownAuthority:    {Forbidden, "The issuer is not an authority of this network."},
	UnknownKey:          {Forbidden, "The signing key is not the issuer's for this kind of statement, or counts no longer."},
	UnknownKind:         {Malformed, "No statement of this kind has an effect at this protocol level."},
	RevisionConflict:    {Conflict, "The statement does not make the next revision of its subject."},
	AttachmentMissing:   {Malformed, "The statement describes an attachment that did not come with it."},
	AttachmentMismatch:  {Malformed, "The attachment is not the one that the statement describes."},
	AlreadyRegistered:   {Conflict, "The authority has registered this key before."},
	NotRegistered:       {Conflict, "The authority has not registered this key."},
	AlreadyRetired:      {Conflict, "The key, or the rule as of this time or an earlier one, has been retired before."},
	KeyCompromised:      {Conflict, "The key is compromised, which is final; only a stricter compromise may follow."},
	TooManyKeys:         {Forbidden, "The authority has as many keys with this key id, or as many registrations of this public key, as one may have."},
	TooManySchemes:      {Forbidden, "The authority has spoken of this area in as many schemes as one authority may."},
	SelfRecognition:     {Malformed, "A region recognises its own codes without a grant, and cannot withhold it."},
	UnknownRegion:       {Malformed, "The region that the statement is about has no authority in this network."},
	AlreadyGranted:      {Conflict, "The recognition stands; terms of one that stands are changed, not granted."},
	NotGranted:          {Conflict, "There is no recognition to change, suspend or withdraw."},
	AlreadySuspended:    {Conflict, "The recognition is suspended in exactly this way."},
	NothingToChange:     {Conflict, "What the statement says is so already."},
	RiskAlreadyDeclared: {Conflict, "A declaration stands; one that stands is changed, not declared."},
	RiskNotDeclared:     {Conflict, "No declaration stands that could be changed or lifted."},
	NotAValidator:       {Forbidden, "Only a validator, or its node, makes this kind of statement."},
	SealMisplaced:       {Conflict, "The seal does not stand right after the statements that it seals."},
	SealBackdated:       {Conflict, "The seal is for an earlier time than the one before it."},
	SealMismatch:        {Forbidden, "What the seal says is not so: its digests, or its validators, are not those of the state."},
	AlreadyKnown:        {Conflict, "There is evidence against this validator already; one piece suspends it, and more changes nothing."},
	ProvesNothing:       {Forbidden, "The evidence does not prove what it says, with the keys that the ledger has."},
	AuthoritySuspended:  {Forbidden, "The others have suspended the issuer: it says nothing until they end the suspension."},
	AuthorityExpelled:   {Forbidden, "The others have expelled the issuer: it is no authority of this network any more."},
	KeyUsed:             {Malformed, "The new key is, or was, somebody's key in this network before."},
	KeyNotProven:        {Malformed, "The new key has not signed that it is this authority's, for this use, in this network."},
	BadAddress:          {Malformed, "The address, or the URL, is not one that others could dial."},
	DescriptorRefused:   {Malformed, "The descriptor cannot be read, breaks a bound, or is not signed by all its keys."},
	AlreadyMember:       {Conflict, "The authority to admit is a member already."},
	NotAMember:          {Conflict, "The authority that it is about is not a member."},
	TooManyValidators:   {Conflict, "There are as many validators as a network may have."},
	LastValidator:       {Conflict, "No validator would be left that is not suspended."},
	CaughtKeys:          {Conflict, "The authority still has a key that the evidence against it is about."},
	LevelNotNext:        {Conflict, "The protocol level is raised by one at a time."},
	TooManyRotations:    {Forbidden, "The authority has replaced its node and co-signing keys by its own word as often as one may without a vote."},
	TooFewElectors:      {Conflict, "Too few validators may vote for the proposal ever to be carried: the others are suspended."},
	TooManyProposals:    {Conflict, "The authority has as many open proposals as one may."},
	UnknownProposal:     {Conflict, "There is no proposal at this index."},
	ProposalMismatch:    {Conflict, "The proposal at this index is another than the one that was read."},
	ProposalClosed:      {Conflict, "The proposal is decided or withdrawn."},
	NotAnElector:        {Forbidden, "The authority has no vote on this proposal."},
	AlreadyVoted:        {Conflict, "The authority has voted on this proposal before; a vote is final."},
	NotTheProposer:      {Forbidden, "Only its proposer withdraws a proposal."},
	HandoverPending:     {Conflict, "A change of validators is being handed over; the next waits until that is done."},
	NoHandover:          {Conflict, "No change of validators waits for this handover."},
	HandoverMismatch:    {Forbidden, "The note does not show that the validators before the change and those after it vouch for this ledger."},
	RecoveryMisplaced:   {Conflict, "The plan is for another lineage or another size than the ledger is at."},
	RecoveryUnsigned:    {Forbidden, "A majority of the validators has not signed this plan."},
	RecoveryMismatch:    {Forbidden, "The plan names another root than the ledger has."},
	TooMuchPublished:    {Forbidden, "The authority has published as many rules, value sets, schemes or special cases, or as many bytes of them, as one may."},
	VersionNotNewer:     {Conflict, "The rule has been published in this version, or in a later one."},
	StartsEarlier:       {Conflict, "A later version of a rule would be in force before the one that it follows."},
	NotPublished:        {Conflict, "The authority has not published the rule or value set, or has retired it."},
	SupersedesInACircle: {Conflict, "The scheme would supersede itself by way of others."},
	NoSpecialCase:       {Conflict, "The authority has declared no special case of this name."},
	AlreadyEnded:        {Conflict, "The special case has been ended before, as of this time or an earlier one."},
}

func refuse(name, hint, format string, a ...any) Verdict {
	return Verdict{Name: name, Message: fmt.Sprintf(format, a...), Hint: hint}
}

// on adds how the subject stands.
func (v Verdict) on(revision, index uint64) Verdict {
	v.Revision, v.Index = revision, &index
	return v
}

// nextRevision refuses a statement that does not make the revision after
// current (ST6). index is that of the newest statement on the subject. What no
// revision could mend (the subject is not there, or is final) is said before
// it; what was decided on outdated knowledge is said by it, before anything else.
func nextRevision(s *statement.Statement, current, index uint64) Verdict {
	if s.Revision == current+1 {
		return Verdict{}
	}
	if current == 0 {
		return refuse(RevisionConflict, "sign it again with revision 1",
			"%s does not exist yet, and this statement makes revision %d of it", s.Subject(), s.Revision)
	}
	return refuse(RevisionConflict,
		fmt.Sprintf("see what statement %d changed; if yours is still meant, sign it again with revision %d", index, current+1),
		"%s is at revision %d since statement %d, and this statement makes revision %d",
		s.Subject(), current, index, s.Revision).on(current, index)
}
