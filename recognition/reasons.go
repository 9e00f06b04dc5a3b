package recognition

// The stable names of reasons. They are part of the interface: a name is never
// changed, nor given another meaning or effect.
const (
	CodeUnreadable         = "code-unreadable"
	NoCode                 = "no-code"
	IssuerUnknown          = "issuer-unknown"
	KeyUnreadable          = "key-unreadable"
	KeyUnreadableElsewhere = "key-unreadable-elsewhere"
	KeyUnsuitable          = "key-unsuitable"
	SignatureInvalid       = "signature-invalid"
	KeyRegistered          = "key-registered"
	AlsoRegistered         = "also-registered"
	IssuerDiffers          = "issuer-differs"
	IssuerExpelled         = "issuer-expelled"
	IssuerSuspended        = "issuer-suspended"
	KeyNotForKind          = "key-not-for-kind"
	KeyNotYetValid         = "key-not-yet-valid"
	KeyExpired             = "key-expired"
	KeyRetired             = "key-retired"
	KeyCompromised         = "key-compromised"
	KeyCompromisedLater    = "key-compromised-later"
	KeyCompromiseClaimed   = "key-compromise-claimed"
	IssueTimeMissing       = "issue-time-missing"
	CertificateUnreadable  = "certificate-unreadable"
	IssuedBeforeCert       = "issued-before-certificate"
	OutlivesCertificate    = "outlives-certificate"
	SignatureValid         = "signature-valid"
	CodeNotYetValid        = "code-not-yet-valid"
	CodeExpired            = "code-expired"
	InTime                 = "in-time"
	Revoked                = "revoked"
	RevokedElsewhere       = "revoked-elsewhere"
	RevocationUndone       = "revocation-undone"
	RevocationsLeftOut     = "revocations-left-out"
	NotRevoked             = "not-revoked"
	OwnRegion              = "own-region"
	RecognitionGranted     = "recognition-granted"
	RecognitionMissing     = "recognition-missing"
	RecognitionWithdrawn   = "recognition-withdrawn"
	RecognitionNotYet      = "recognition-not-yet"
	RecognitionEnded       = "recognition-ended"
	RecognitionNotForKind  = "recognition-not-for-kind"
	RecognitionSuspended   = "recognition-suspended"
	SuspensionOutside      = "suspension-outside"
	StayUnreadable         = "stay-unreadable"
	RiskArea               = "risk-area"
	RiskAreaNoted          = "risk-area-noted"
	ItineraryClear         = "itinerary-clear"
	RegionExpelled         = "region-expelled"
	RegionSuspended        = "region-suspended"
	KnowledgeStale         = "knowledge-stale"
	FinalityUnknown        = "finality-unknown"
	NotFinalYet            = "not-final-yet"
)

// Meaning is what a reason's name stands for.
type Meaning struct {
	Name   string
	Effect Effect
	// Final marks what no statement could change: it refuses even where the
	// state is too old to decide by (D1).
	Final bool
	Text  string
}

// Reasons is the one table of names, in the order of judgement. docs/reasons.md
// is made from it.
var Reasons = []Meaning{
	{CodeUnreadable, Against, true, "the text that was shown is not a health code, or a damaged one; `detail` names the fault"},
	{NoCode, Unknown, false, "no code was shown, so there is nothing to recognise"},

	{IssuerUnknown, Against, false, "no authority has registered a key with the key id that the code names, or only keys that cannot be read, by authorities that the checking region does not recognise; or the code names none"},
	{KeyUnreadable, Unknown, false, "the only keys with that key id are such as this program cannot read, and one is of the checking region or of one that it recognises"},
	{KeyUnreadableElsewhere, Note, false, "a key with that key id cannot be read by this program, and does not count: its authority is not recognised, or other keys could be tried"},
	{KeyRegistered, For, false, "the key that verifies the code is registered by the authority of the region named"},
	{AlsoRegistered, Note, false, "another registration of a key that verifies the code was judged too, and was no better"},
	{IssuerDiffers, Note, false, "the code names another region as its issuer than the one whose key verifies it; the key decides"},
	{IssuerExpelled, Against, false, "the authority whose key verifies the code was expelled by a vote of the others: it can revoke no code and give up no key any more, so its codes are refused, in its own region too, until a vote admits it anew"},
	{IssuerSuspended, Note, false, "the authority whose key verifies the code is suspended by a vote of the others: what it said stands, and for the time being it can revoke no code and give up no key"},

	{KeyNotForKind, Against, false, "the key is not registered for codes of this kind"},
	{KeyNotYetValid, Against, false, "the code was issued before the time from which its authority lets the key issue codes"},
	{KeyExpired, Against, false, "the code was issued after the end of the key's validity, as registered or else as in its certificate"},
	{KeyRetired, Against, false, "the code was issued after its authority retired the key"},
	{KeyCompromised, Against, false, "the key is in wrong hands, and the code is not among those spared"},
	{KeyCompromisedLater, Note, false, "the key is in wrong hands, but codes issued before that time are spared, and this is one"},
	{KeyCompromiseClaimed, Note, false, "an authority whose word does not count here has registered the same key, and says that it is in wrong hands"},
	{IssueTimeMissing, Unknown, false, "the code does not say when it was issued, and its key is good for some times only"},
	{CertificateUnreadable, Unknown, false, "the key's end of validity stands only in its certificate, and this program cannot read that"},
	{IssuedBeforeCert, Note, false, "the code was issued before its certificate begins; a fault of the issuer that is not held against the holder"},
	{OutlivesCertificate, Note, false, "the code expires after its certificate; a fault of the issuer that is not held against the holder"},

	{SignatureInvalid, Against, true, "no registered key with that key id made the signature"},
	{KeyUnsuitable, Against, true, "the registered key cannot have made such a signature: it is of another type, or too weak to rely on"},
	{SignatureValid, For, false, "the signature is the key's, over the bytes that were shown"},

	{CodeNotYetValid, Against, true, "the code was issued, or begins to count, after the time asked about"},
	{CodeExpired, Against, true, "the code expired before the time asked about"},
	{InTime, For, false, "the code counts at the time asked about, by its own word"},

	{Revoked, Against, false, "the region of the code's key, the region that checks, or one that it recognises for such codes and that registered the same key earlier, has revoked the code"},
	{RevokedElsewhere, Note, false, "another authority, whose word does not count for this code, has revoked it"},
	{RevocationUndone, Note, false, "the code was revoked and reinstated, and the revocation would still count"},
	{RevocationsLeftOut, Note, false, "more was said of the code's revocation than the answer tells: of each sort it has the newest, and of what does not count not all is looked at"},
	{NotRevoked, For, false, "no revocation that counts names the code"},

	{OwnRegion, For, false, "the code is the checking region's own, which needs no grant"},
	{RecognitionMissing, Against, false, "the checking region has never recognised the codes of the code's region"},
	{RecognitionWithdrawn, Against, false, "the checking region has withdrawn its recognition"},
	{RecognitionNotYet, Against, false, "the recognition begins after the time asked about"},
	{RecognitionEnded, Against, false, "the recognition ended before the time asked about"},
	{RecognitionNotForKind, Against, false, "the recognition does not cover codes of this kind"},
	{RecognitionSuspended, Against, false, "the recognition is suspended for codes of this kind; the message gives the stated reason"},
	{SuspensionOutside, Note, false, "the recognition is suspended, but not for codes of this kind or not at the time asked about"},
	{RecognitionGranted, For, false, "the checking region recognises codes of this kind from the code's region"},

	{StayUnreadable, Unknown, false, "the code's itinerary names an area that is no area id, or a time that is none"},
	{RiskArea, Against, false, "a stay within the look-back was in an area that was declared at risk, and that refuses"},
	{RiskAreaNoted, Note, false, "a stay within the look-back was in an area that was declared, and that does not refuse"},
	{ItineraryClear, For, false, "no stay is in an area that refuses"},

	{RegionExpelled, Unknown, false, "the checking region was expelled by a vote of the others: the network does not know what it recognises since then"},
	{RegionSuspended, Note, false, "the checking region is suspended by a vote of the others: the answer is by what it said before, which it cannot change for the time being"},

	{KnowledgeStale, Unknown, false, "the state is older than allowed: what was learnt since might change the answer"},
	{FinalityUnknown, Unknown, false, "what speaks for the code, or may lift what speaks against it, is ordered, and the node cannot say yet whether it is final"},
	{NotFinalYet, Note, false, "the newest statements are ordered and not final: what they allow does not count yet, what they forbid does"},
}

// meanings finds a reason's meaning by its name.
var meanings = func() map[string]Meaning {
	m := make(map[string]Meaning, len(Reasons))
	for _, r := range Reasons {
		m[r.Name] = r
	}
	return m
}()
