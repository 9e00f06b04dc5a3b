package recognition

import "concordat/ledger/statement"

// Deny early, allow late. A revocation, a compromise, a suspension, a risk area
// or a special case that refuses counts as soon as it is ordered; a key, a grant,
// a special case that admits, or the lifting of any of those counts once it is
// final: once more than two thirds of the validators
// have co-signed a history that has it. A dishonest leader may order what it
// likes and show each node another order for a moment; with this rule it can
// have a code refused for that moment, and never honoured.

// DecideBoth decides on two states of one ledger: what is ordered, and the
// final beginning of it. The stricter answer stands. Where that is the final
// state's, a note says so.
func (d *Decider) DecideBoth(codes []Code, q Query, ordered, final State) (Decision, error) {
	known := signatures{}
	newest, err := decide(codes, q, ordered, d.keys, known)
	if err != nil || newest.Decision == Refused {
		return newest, err // nothing is stricter
	}
	settled, err := decide(codes, q, final, d.keys, known)
	if err != nil || strictness[settled.Decision] <= strictness[newest.Decision] {
		return newest, err
	}
	f := findings{reasons: settled.Reasons}
	f.add(NotFinalYet, nil, "What was ordered last would change this answer, and counts once it is final: ask again in a moment.")
	settled.Reasons = f.reasons
	return settled, nil
}

// DecideUncertain decides on what is ordered where the state at the final size
// is not at hand: what speaks for a code must then rest on statements below it.
// What spoke against the code in the final state cannot be seen, if a later
// statement has lifted it; lifting says that one from finalSize on is of a kind
// that may have (MayLift), and then no answer allows.
func (d *Decider) DecideUncertain(codes []Code, q Query, ordered State, finalSize uint64, lifting bool) (Decision, error) {
	out, err := d.Decide(codes, q, ordered)
	if err != nil || out.Decision != Recognized {
		return out, err
	}
	f := findings{reasons: out.Reasons}
	for _, r := range out.Reasons {
		if r.Effect == For && r.Statement != nil && *r.Statement >= finalSize {
			f.add(FinalityUnknown, r.Statement, "Statement %d, on which this rests, is ordered and not known to be final: ask again in a moment.", *r.Statement)
			out.Decision = Undetermined
		}
	}
	if lifting {
		f.add(FinalityUnknown, nil, "Some of the newest statements may lift what spoke against this, and are not known to be final: ask again in a moment.")
		out.Decision = Undetermined
	}
	out.Reasons = f.reasons
	return out, nil
}

// MayLift reports whether a statement of a kind may end what speaks against a
// code. Not only those do so whose names say it: a level for a finer area
// replaces that of the area around it, a suspension, a scheme or a version of a
// rule the one before it, a special case that refuses one that refused more, and
// where recognition ends, the word of the region that was recognised counts no
// more. A value set that is published or retired may make a rule come out either way.
//
// What is left can only forbid, or concerns no code, but for registering a key:
// the code that it lets pass rests on it by index.
func MayLift(k statement.Kind) bool {
	switch k {
	case statement.RevocationAdd, statement.IssuerKeyRegister, statement.IssuerKeyRetire, statement.IssuerKeyCompromise,
		statement.Seal, statement.EvidenceReport:
		return false
	}
	return true
}

// strictness orders the outcomes from the one that lets most pass.
var strictness = map[Outcome]int{Recognized: 0, Undetermined: 1, Refused: 2}
