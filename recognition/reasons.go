package recognition

import "concordat/recognition/sentence"

// The stable names of reasons. They are part of the interface: a name is never
// changed, nor given another meaning or effect.
const (
	CodeUnreadable             = "code-unreadable"
	NoCode                     = "no-code"
	IssuerUnknown              = "issuer-unknown"
	KeyUnreadable              = "key-unreadable"
	KeyUnreadableElsewhere     = "key-unreadable-elsewhere"
	KeyRegistered              = "key-registered"
	AlsoRegistered             = "also-registered"
	IssuerDiffers              = "issuer-differs"
	IssuerExpelled             = "issuer-expelled"
	IssuerSuspended            = "issuer-suspended"
	KeyNotForKind              = "key-not-for-kind"
	KeyNotYetValid             = "key-not-yet-valid"
	KeyExpired                 = "key-expired"
	KeyRetired                 = "key-retired"
	KeyCompromised             = "key-compromised"
	KeyCompromisedLater        = "key-compromised-later"
	KeyCompromiseClaimed       = "key-compromise-claimed"
	IssueTimeMissing           = "issue-time-missing"
	CertificateUnreadable      = "certificate-unreadable"
	IssuedBeforeCert           = "issued-before-certificate"
	OutlivesCertificate        = "outlives-certificate"
	SignatureInvalid           = "signature-invalid"
	KeyUnsuitable              = "key-unsuitable"
	SignatureValid             = "signature-valid"
	CodeNotYetValid            = "code-not-yet-valid"
	CodeExpired                = "code-expired"
	InTime                     = "in-time"
	Revoked                    = "revoked"
	RevokedElsewhere           = "revoked-elsewhere"
	RevocationUndone           = "revocation-undone"
	RevocationsLeftOut         = "revocations-left-out"
	NotRevoked                 = "not-revoked"
	OwnRegion                  = "own-region"
	RecognitionMissing         = "recognition-missing"
	RecognitionWithdrawn       = "recognition-withdrawn"
	RecognitionNotYet          = "recognition-not-yet"
	RecognitionEnded           = "recognition-ended"
	RecognitionNotForKind      = "recognition-not-for-kind"
	RecognitionNotForFormat    = "recognition-not-for-format"
	RecognitionNotForAlgorithm = "recognition-not-for-algorithm"
	RecognitionSuspended       = "recognition-suspended"
	SuspensionOutside          = "suspension-outside"
	RecognitionGranted         = "recognition-granted"
	SchemeNotRecognised        = "scheme-not-recognised"
	StatusAccepted             = "status-accepted"
	StatusNoted                = "status-noted"
	StatusRefused              = "status-refused"
	StatusEnded                = "status-ended"
	StatusUnknown              = "status-unknown"
	DeclarationPassed          = "declaration-passed"
	DeclarationPending         = "declaration-pending"
	DeclarationFailed          = "declaration-failed"
	RuleMet                    = "rule-met"
	RuleNotMet                 = "rule-not-met"
	RuleUnevaluable            = "rule-unevaluable"
	RuleUnreadable             = "rule-unreadable"
	RulesExceeded              = "rules-exceeded"
	RuleSetEmpty               = "rule-set-empty"
	RulesNotForFormat          = "rules-not-for-format"
	ReasonsLeftOut             = "reasons-left-out"
	SpecialCaseRefused         = "special-case-refused"
	SpecialCaseAdmitted        = "special-case-admitted"
	SpecialCaseUnreadable      = "special-case-unreadable"
	SpecialCaseLeftOut         = "special-case-left-out"
	StayUnreadable             = "stay-unreadable"
	RiskArea                   = "risk-area"
	RiskAreaNoted              = "risk-area-noted"
	ItineraryClear             = "itinerary-clear"
	ItineraryShort             = "itinerary-short"
	HoldersDiffer              = "holders-differ"
	RegionExpelled             = "region-expelled"
	RegionSuspended            = "region-suspended"
	KnowledgeStale             = "knowledge-stale"
	FinalityUnknown            = "finality-unknown"
	NotFinalYet                = "not-final-yet"
)

// Meaning is what a reason's name stands for, each part half a sentence. Its JSON
// is part of the answer of GET /v1/reasons.
type Meaning struct {
	Name   string `json:"name"`
	Effect Effect `json:"effect"`
	// Final marks what no statement could change: it refuses even where the
	// state is too old to decide by (D1).
	Final bool   `json:"final"`
	Text  string `json:"text"`  // when it is given
	Rests string `json:"rests"` // what it rests on
	Do    string `json:"do"`    // what a traveller can do about it
}

// In gives the meaning in a language. The parts are formats of the catalogues.
func (m Meaning) In(l sentence.Language) Meaning {
	for _, part := range []*string{&m.Text, &m.Rests, &m.Do} {
		*part = sentence.New(*part).In(l)
	}
	return m
}

// ReasonsIn gives the table of names in a language.
func ReasonsIn(l sentence.Language) []Meaning {
	out := make([]Meaning, len(Reasons))
	for i, m := range Reasons {
		out[i] = m.In(l)
	}
	return out
}

// Advice says what a traveller can do about a reason, in a language; "" where the
// reason stands in nobody's way, or is none that this program knows.
func Advice(r Reason, l sentence.Language) string {
	m := meanings[r.Name]
	if r.Overruled != "" || m.Effect != Against && m.Effect != Unknown {
		return ""
	}
	_, _, do := m.Sentences(l)
	return do
}

// Sentences gives the parts of a meaning as sentences in a language.
func (m Meaning) Sentences(l sentence.Language) (given, rests, do string) {
	return say("When it is given: %s.", sentence.New(m.Text)).In(l),
		say("It rests %s.", sentence.New(m.Rests)).In(l),
		say("What you can do: %s.", sentence.New(m.Do)).In(l)
}

// Reasons is the one table of names, in the order of judgement. docs/reasons.md
// is made from it.
var Reasons = []Meaning{
	{
		Name: CodeUnreadable, Effect: Against, Final: true,
		Text:  "the text that was shown is not a health code, or a damaged one; `detail` names the fault",
		Rests: "on the text alone",
		Do:    "show the code again, whole and flat, or open it in the app or paper that it came with; if it stays unreadable, ask who issued it for a new one",
	},
	{
		Name: NoCode, Effect: Unknown,
		Text:  "no code was shown, so there is nothing to recognise",
		Rests: "on nothing",
		Do:    "show a code",
	},

	{
		Name: IssuerUnknown, Effect: Against,
		Text:  "no authority has registered a key with the key id that the code names, or only keys that cannot be read, by authorities that the checking region does not recognise; or the code names none",
		Rests: "on there being no such registration",
		Do:    "ask who issued the code whether its key is registered with this network, or show a code of another issuer",
	},
	{
		Name: KeyUnreadable, Effect: Unknown,
		Text:  "the only keys with that key id are such as this program cannot read, and one is of the checking region or of one that it recognises",
		Rests: "on the registration of the key",
		Do:    "ask at another place whose program is newer, or show another code",
	},
	{
		Name: KeyUnreadableElsewhere, Effect: Note,
		Text:  "a key with that key id cannot be read by this program, and does not count: its authority is not recognised, or other keys could be tried",
		Rests: "on the registration of that key",
		Do:    "nothing; the code is judged without that key",
	},
	{
		Name: KeyRegistered, Effect: For,
		Text:  "the key that verifies the code is registered by the authority of the region named",
		Rests: "on the registration of the key",
		Do:    "nothing; it speaks for the code",
	},
	{
		Name: AlsoRegistered, Effect: Note,
		Text:  "another registration of a key that verifies the code was judged too, and was no better",
		Rests: "on the other registration",
		Do:    "nothing; the code is judged by the better one",
	},
	{
		Name: IssuerDiffers, Effect: Note,
		Text:  "the code names another region, or another issuer's address, than the one for which the key that verifies it is registered; the key decides",
		Rests: "on the registration of the key",
		Do:    "nothing; tell the issuer, if you like, that its codes name another",
	},
	{
		Name: IssuerExpelled, Effect: Against,
		Text:  "the authority whose key verifies the code was expelled by a vote of the others: it can revoke no code and give up no key any more, so its codes are refused, in its own region too, until a vote admits it anew",
		Rests: "on the vote that expelled the authority",
		Do:    "show a code of another authority",
	},
	{
		Name: IssuerSuspended, Effect: Note,
		Text:  "the authority whose key verifies the code is suspended by a vote of the others: what it said stands, and for the time being it can revoke no code and give up no key",
		Rests: "on the vote that suspended the authority",
		Do:    "nothing for this check",
	},

	{
		Name: KeyNotForKind, Effect: Against,
		Text:  "the key is not registered for codes of this kind",
		Rests: "on the registration of the key",
		Do:    "ask who issued the code for one under the right key",
	},
	{
		Name: KeyNotYetValid, Effect: Against,
		Text:  "the code was issued before the time from which its authority lets the key issue codes",
		Rests: "on the registration of the key",
		Do:    "ask who issued the code for a new one",
	},
	{
		Name: KeyExpired, Effect: Against,
		Text:  "the code was issued after the end of the key's validity, as registered or else as in its certificate",
		Rests: "on the registration of the key",
		Do:    "ask who issued the code for a new one",
	},
	{
		Name: KeyRetired, Effect: Against,
		Text:  "the code was issued after its authority retired the key",
		Rests: "on the retirement of the key",
		Do:    "ask who issued the code for a new one",
	},
	{
		Name: KeyCompromised, Effect: Against,
		Text:  "the key is in wrong hands, and the code is not among those spared",
		Rests: "on the statement that the key is compromised",
		Do:    "ask who issued the code for a new one, under a new key: it is not your fault",
	},
	{
		Name: KeyCompromisedLater, Effect: Note,
		Text:  "the key is in wrong hands, but codes issued before that time are spared, and this is one",
		Rests: "on the statement that the key is compromised",
		Do:    "nothing for this check; a new code would be safer",
	},
	{
		Name: KeyCompromiseClaimed, Effect: Note,
		Text:  "an authority whose word does not count here has registered the same key, and says that it is in wrong hands",
		Rests: "on that authority's statement",
		Do:    "nothing; it has no weight here",
	},
	{
		Name: IssueTimeMissing, Effect: Unknown,
		Text:  "the code does not say when it was issued, and its key is good for some times only",
		Rests: "on the registration or retirement of the key",
		Do:    "ask who issued the code for one that says when it was issued",
	},
	{
		Name: CertificateUnreadable, Effect: Unknown,
		Text:  "the key's end of validity stands only in its certificate, and this program cannot read that",
		Rests: "on the registration of the key",
		Do:    "ask at another place whose program is newer, or show another code",
	},
	{
		Name: IssuedBeforeCert, Effect: Note,
		Text:  "the code was issued before its certificate begins; a fault of the issuer that is not held against the holder",
		Rests: "on the registration of the key",
		Do:    "nothing; it is not held against you",
	},
	{
		Name: OutlivesCertificate, Effect: Note,
		Text:  "the code expires after its certificate; a fault of the issuer that is not held against the holder",
		Rests: "on the registration of the key",
		Do:    "nothing; it is not held against you",
	},

	{
		Name: SignatureInvalid, Effect: Against, Final: true,
		Text:  "no registered key with that key id made the signature",
		Rests: "on the registration of the key where there is one only, else on the code",
		Do:    "show the code as it was issued; one that was changed or copied wrongly cannot be repaired",
	},
	{
		Name: KeyUnsuitable, Effect: Against, Final: true,
		Text:  "the registered key cannot have made such a signature: it is of another type, or too weak to rely on",
		Rests: "on the registration of the key",
		Do:    "ask who issued the code for a new one",
	},
	{
		Name: SignatureValid, Effect: For,
		Text:  "the signature is the key's, over the bytes that were shown",
		Rests: "on the code and its key",
		Do:    "nothing; it speaks for the code",
	},

	{
		Name: CodeNotYetValid, Effect: Against, Final: true,
		Text:  "the code was issued, or begins to count, after the time asked about",
		Rests: "on the code's own word",
		Do:    "come back when it counts, or show another code",
	},
	{
		Name: CodeExpired, Effect: Against, Final: true,
		Text:  "the code expired before the time asked about",
		Rests: "on the code's own word",
		Do:    "ask who issued the code for a new one",
	},
	{
		Name: InTime, Effect: For,
		Text:  "the code counts at the time asked about, by its own word",
		Rests: "on the code's own word",
		Do:    "nothing; it speaks for the code",
	},

	{
		Name: Revoked, Effect: Against,
		Text:  "the region of the code's key, the region that checks, or one that it recognises for such codes and that registered the same key earlier, has revoked the code",
		Rests: "on the revocation",
		Do:    "ask the authority named, which gave the stated reason; only it can reinstate the code",
	},
	{
		Name: RevokedElsewhere, Effect: Note,
		Text:  "another authority, whose word does not count for this code, has revoked it",
		Rests: "on that authority's revocation",
		Do:    "nothing; it has no weight here",
	},
	{
		Name: RevocationUndone, Effect: Note,
		Text:  "the code was revoked and reinstated, and the revocation would still count",
		Rests: "on the statement that reinstated the code",
		Do:    "nothing for this check",
	},
	{
		Name: RevocationsLeftOut, Effect: Note,
		Text:  "more was said of the code's revocation than the answer tells: of each sort it has the newest, and of what does not count not all is looked at",
		Rests: "on nothing",
		Do:    "nothing for this check",
	},
	{
		Name: NotRevoked, Effect: For,
		Text:  "no revocation that counts names the code",
		Rests: "on there being no such revocation",
		Do:    "nothing; it speaks for the code",
	},

	{
		Name: OwnRegion, Effect: For,
		Text:  "the code is the checking region's own, which needs no grant",
		Rests: "on the code's key",
		Do:    "nothing; it speaks for the code",
	},
	{
		Name: RecognitionMissing, Effect: Against,
		Text:  "the checking region has never recognised the codes of the code's region",
		Rests: "on there being no grant",
		Do:    "show a code of a region that is recognised here",
	},
	{
		Name: RecognitionWithdrawn, Effect: Against,
		Text:  "the checking region has withdrawn its recognition",
		Rests: "on the withdrawal",
		Do:    "show a code of a region that is recognised here; the message gives the stated reason",
	},
	{
		Name: RecognitionNotYet, Effect: Against,
		Text:  "the recognition begins after the time asked about",
		Rests: "on the terms of the grant",
		Do:    "come back when the recognition begins, or show a code of another region",
	},
	{
		Name: RecognitionEnded, Effect: Against,
		Text:  "the recognition ended before the time asked about",
		Rests: "on the terms of the grant",
		Do:    "show a code of a region that is recognised here",
	},
	{
		Name: RecognitionNotForKind, Effect: Against,
		Text:  "the recognition does not cover codes of this kind",
		Rests: "on the terms of the grant",
		Do:    "show a code of a kind that the message names",
	},
	{
		Name: RecognitionNotForFormat, Effect: Against,
		Text:  "the recognition does not cover codes of this format",
		Rests: "on the terms of the grant",
		Do:    "ask who issued the code for one in a format that the message names",
	},
	{
		Name: RecognitionNotForAlgorithm, Effect: Against,
		Text:  "the recognition does not cover codes that are signed in this way",
		Rests: "on the terms of the grant",
		Do:    "ask who issued the code for one that is signed as the message says",
	},
	{
		Name: RecognitionSuspended, Effect: Against,
		Text:  "the recognition is suspended for codes of this kind; the message gives the stated reason, and its legal ground where one is given",
		Rests: "on the suspension",
		Do:    "show a code of another region; the message gives the stated reason and its legal ground, on which the region that checks can be asked",
	},
	{
		Name: SuspensionOutside, Effect: Note,
		Text:  "the recognition is suspended, but not for codes of this kind or not at the time asked about",
		Rests: "on the suspension",
		Do:    "nothing; it does not concern this code",
	},
	{
		Name: RecognitionGranted, Effect: For,
		Text:  "the checking region recognises codes of this kind from the code's region",
		Rests: "on the terms of the grant",
		Do:    "nothing; it speaks for the code",
	},

	{
		Name: SchemeNotRecognised, Effect: Against,
		Text:  "the health code's status is in a scheme that the checking region does not take from the code's region",
		Rests: "on the terms of the grant",
		Do:    "ask who issued the code for a status in a scheme that the message names",
	},
	{
		Name: StatusAccepted, Effect: For,
		Text:  "the health code's status is at the level of least risk, as the checking region's scheme has it or, where that has no such level, the scheme of the code's region",
		Rests: "on that scheme",
		Do:    "nothing; it speaks for the code",
	},
	{
		Name: StatusNoted, Effect: Note,
		Text:  "the health code's status is not at the level of least risk, and at one that does not refuse",
		Rests: "on that scheme",
		Do:    "nothing for this check",
	},
	{
		Name: StatusRefused, Effect: Against,
		Text:  "the health code's status is at a level that refuses, as the checking region's scheme has it or, where that has no such level, the scheme of the code's region",
		Rests: "on that scheme",
		Do:    "ask the authority that gave the status for its legal ground, and for a review; once the status has changed, fetch a new code",
	},
	{
		Name: StatusEnded, Effect: Against, Final: true,
		Text:  "the time until which the status of the health code counts is over; the code itself may go on longer",
		Rests: "on the code's own word",
		Do:    "fetch a new code from the authority that issued this one",
	},
	{
		Name: StatusUnknown, Effect: Unknown,
		Text:  "the health code gives no status, or one at a level of which neither the checking region nor the code's has said what it means",
		Rests: "on there being no such scheme",
		Do:    "ask who issued the code for a status in a scheme that is known here, or show another code",
	},
	{
		Name: DeclarationPassed, Effect: For,
		Text:  "the health declaration that the health code rests on was audited, and has passed",
		Rests: "on the code's own word",
		Do:    "nothing; it speaks for the code",
	},
	{
		Name: DeclarationPending, Effect: Unknown,
		Text:  "the health declaration that the health code rests on has not been audited, and only an audited one counts everywhere",
		Rests: "on the code's own word",
		Do:    "wait for the audit, then fetch a new code",
	},
	{
		Name: DeclarationFailed, Effect: Against, Final: true,
		Text:  "the health declaration that the health code rests on was audited, and has failed",
		Rests: "on the code's own word",
		Do:    "ask the authority that audited it, correct the declaration, and fetch a new code",
	},

	{
		Name: SpecialCaseRefused, Effect: Against,
		Text:  "a special case that the checking region has declared refuses such codes; the message gives its reason and legal ground. It weighs more than one that admits",
		Rests: "on the declaration of the special case",
		Do:    "ask the region that checks, on the ground that the message names, or show another code",
	},
	{
		Name: SpecialCaseAdmitted, Effect: For,
		Text:  "a special case that the checking region has declared admits such codes. It overrules a recognition that is missing or does not cover the code, acceptance rules and risk areas, and never a signature, a key, a time, a revocation or a status; what it overrules says so in `overruledBy`",
		Rests: "on the declaration of the special case",
		Do:    "nothing; it speaks for the code",
	},
	{
		Name: SpecialCaseUnreadable, Effect: Unknown,
		Text:  "a special case that refuses may fit the code, and whether it does cannot be judged: its condition cannot be read, cannot be evaluated for this code, or looks at what codes of this format do not show",
		Rests: "on the declaration of the special case",
		Do:    "show a code of another format, or ask the region that checks",
	},
	{
		Name: SpecialCaseLeftOut, Effect: Note,
		Text:  "a special case that admits may fit the code, and does not count, because whether it fits cannot be judged",
		Rests: "on the declaration of the special case",
		Do:    "if you were to be admitted by it, ask the region that checks",
	},

	{
		Name: StayUnreadable, Effect: Unknown,
		Text:  "the code's itinerary names an area that is no area id, or a time that is none",
		Rests: "on the code's own word",
		Do:    "ask who issued the code for a new one",
	},
	{
		Name: RiskArea, Effect: Against,
		Text:  "a stay within the look-back was in an area that was declared at a level that refuses: as the checking region's own scheme has that level, else as the area's declaration does",
		Rests: "on the declaration of the area",
		Do:    "come back when the look-back that the message names is over; the rules of the region that checks may offer another way",
	},
	{
		Name: RiskAreaNoted, Effect: Note,
		Text:  "a stay within the look-back was in an area that was declared, at a level that does not refuse",
		Rests: "on the declaration of the area",
		Do:    "nothing for this check",
	},
	{
		Name: ItineraryClear, Effect: For,
		Text:  "no stay is in an area that refuses",
		Rests: "on there being no such area",
		Do:    "nothing; it speaks for the code",
	},
	{
		Name: ItineraryShort, Effect: Note,
		Text:  "the itinerary card begins later than the look-back of the checking region's own schemes: of the time before, it says nothing",
		Rests: "on the scheme that looks back furthest",
		Do:    "nothing, unless you are asked for the days before; then fetch a card that reaches further back",
	},

	{
		Name: RuleMet, Effect: For,
		Text:  "the code meets the rules that apply to it, as many as the message says: acceptance rules of the checking region, in the set that its recognition names, and invalidation rules of the code's region",
		Rests: "on the newest of the rules that are met",
		Do:    "nothing; it speaks for the code",
	},
	{
		Name: RuleNotMet, Effect: Against,
		Text:  "the code does not meet a rule that applies to it; the message gives the rule's own words, `detail` its identifier",
		Rests: "on the version of the rule that is in force",
		Do:    "read what the rule demands, and show a code that meets it",
	},
	{
		Name: RuleUnevaluable, Effect: Against,
		Text:  "a rule comes to no answer for the code, because it needs what the code does not have, or takes too long; as CertLogic has it, it counts as not met",
		Rests: "on the version of the rule that is in force",
		Do:    "show a code that has what the rule asks for, or ask the checking region about its rule",
	},
	{
		Name: RuleUnreadable, Effect: Unknown,
		Text:  "a rule that may apply to the code, or a value set that it may look into, is damaged, or written for another engine than this program has",
		Rests: "on the rule or value set",
		Do:    "ask at another place whose program is newer",
	},
	{
		Name: RulesExceeded, Effect: Unknown,
		Text:  "the rules that would have to be judged are too many or too long for one check; the message says from which on they were not",
		Rests: "on the bounds in docs/formats/rules.md",
		Do:    "show fewer codes at once, or ask the checking region about its rules",
	},
	{
		Name: RuleSetEmpty, Effect: Note,
		Text:  "the checking region's recognition names a set of acceptance rules in which none is in force",
		Rests: "on there being no such rule",
		Do:    "nothing; no rule is in the way",
	},
	{
		Name: RulesNotForFormat, Effect: Note,
		Text:  "rules would apply, and codes of this format show nothing that rules can look at; so none was applied",
		Rests: "on the format of the code",
		Do:    "nothing; no rule is in the way",
	},

	{
		Name: ReasonsLeftOut, Effect: Note,
		Text:  "more special cases fit the code, or more rules are not met, than the answer tells: of each sort it has the first by name; `detail` names the reason of which there are more",
		Rests: "on nothing",
		Do:    "nothing; those that are told weigh as much as all of them",
	},
	{
		Name: HoldersDiffer, Effect: Against, Final: true,
		Text:  "two of the codes that were shown together cannot be one person's: each carries an id, or a birth date, and they differ. Neither is told",
		Rests: "on the codes' own word",
		Do:    "show the codes of each person by themselves; if all are yours, ask who issued the wrong one to correct it",
	},

	{
		Name: RegionExpelled, Effect: Unknown,
		Text:  "the checking region was expelled by a vote of the others: the network does not know what it recognises since then",
		Rests: "on the vote that expelled the region",
		Do:    "ask at the place of the check what it goes by",
	},
	{
		Name: RegionSuspended, Effect: Note,
		Text:  "the checking region is suspended by a vote of the others: the answer is by what it said before, which it cannot change for the time being",
		Rests: "on the vote that suspended the region",
		Do:    "nothing for this check",
	},

	{
		Name: KnowledgeStale, Effect: Unknown,
		Text:  "the state is older than allowed: what was learnt since might change the answer",
		Rests: "on the age of the state",
		Do:    "ask again when the place of the check is connected again",
	},
	{
		Name: FinalityUnknown, Effect: Unknown,
		Text:  "what speaks for the code, or may lift what speaks against it, is ordered, and the node cannot say yet whether it is final",
		Rests: "on the statement that is not final, where it is one",
		Do:    "ask again in a moment",
	},
	{
		Name: NotFinalYet, Effect: Note,
		Text:  "the newest statements are ordered and not final: what they allow does not count yet, what they forbid does",
		Rests: "on nothing",
		Do:    "ask again in a moment",
	},
}

// meanings finds a reason's meaning by its name.
var meanings = func() map[string]Meaning {
	m := make(map[string]Meaning, len(Reasons))
	for _, r := range Reasons {
		m[r.Name] = r
	}
	return m
}()
