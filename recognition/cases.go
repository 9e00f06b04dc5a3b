package recognition

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition/certlogic"
	"concordat/recognition/rules"
)

// overrulable are the reasons that a special case which admits a code overrules:
// all of them rest on what the verifying region itself has said. What a code
// says of itself, its signature and key, its revocation, its status and the
// standing of who issued it are not among them (SC3).
var overrulable = map[string]bool{
	RecognitionMissing: true, RecognitionWithdrawn: true, RecognitionNotYet: true, RecognitionEnded: true,
	RecognitionNotForKind: true, RecognitionNotForFormat: true, RecognitionNotForAlgorithm: true,
	RecognitionSuspended: true, SchemeNotRecognised: true,
	RiskArea: true,
}

// errConditions: a decision would compute more than it may. How much one may is
// bounded over all codes, registrations and special cases of a check, because
// anybody may ask for any region's decision.
var errConditions = errors.New("the conditions are too many or too long to be judged in one check")

// errNoPayload: a condition cannot be judged for want of what it looks at.
var errNoPayload = errors.New("codes of this format show nothing to conditions")

// specialCases finds which special cases of the verifying region fit a code
// under a registration, and what they do to it (SC1 to SC4).
func (j *judge) specialCases(r *registration) error {
	cases, err := j.casesInForce()
	if err != nil {
		return err
	}
	f, to := &r.findings, j.query.Region
	for i := range cases {
		c := &cases[i]
		if !fits(&c.Case, r) {
			continue
		}
		why := because(c.Case.Reason, c.Case.LegalRef)
		holds, unreadable := true, error(nil)
		if c.Case.Condition != nil {
			if holds, unreadable, err = j.condition(c.Case.Condition, r); err != nil {
				return err
			}
		}
		switch {
		case unreadable != nil && c.Case.Admit:
			f.add(SpecialCaseLeftOut, at(c.ChangedAt), "%s admits some codes as special case %q%s; whether this is one cannot be judged: %s.", to, c.Case.Name, why, cause(unreadable))
		case unreadable != nil:
			f.add(SpecialCaseUnreadable, at(c.ChangedAt), "%s refuses some codes as special case %q%s; whether this is one cannot be judged: %s.", to, c.Case.Name, why, cause(unreadable))
		case !holds:
		case c.Case.Admit:
			f.add(SpecialCaseAdmitted, at(c.ChangedAt), "%s admits such codes as special case %q%s.", to, c.Case.Name, why)
			if r.admitted == "" {
				r.admitted = c.Case.Name
			}
		default:
			f.add(SpecialCaseRefused, at(c.ChangedAt), "%s refuses such codes as special case %q%s.", to, c.Case.Name, why)
		}
	}
	if r.admitted != "" {
		overrule(f.reasons, r.admitted)
	}
	return nil
}

// admit overrules what was found after the codes' registrations: of a code that
// a special case admits, and of the person and the whole where one admits every
// code that was shown.
func admit(reasons []Reason, verdicts []verdict) {
	whole := ""
	for i := range slices.Backward(verdicts) {
		if whole = verdicts[i].admitted; whole == "" {
			break
		}
	}
	for i := range reasons {
		by := whole
		if c := reasons[i].Code; c != nil {
			by = verdicts[*c].admitted
		}
		if by != "" {
			overrule(reasons[i:i+1], by)
		}
	}
}

// casesInForce reads the special cases of the verifying region that count at the
// time asked about, by name: once, and only when a code is there to fit.
func (j *judge) casesInForce() ([]state.SpecialCase, error) {
	if j.casesRead {
		return j.cases, nil
	}
	all, err := j.state.SpecialCases(j.query.Region)
	if err != nil {
		return nil, fmt.Errorf("reading the special cases of %s: %w", j.query.Region, err)
	}
	for i := range all {
		if standsAt(&all[i], j.query.At) {
			j.cases = append(j.cases, all[i])
		}
	}
	j.casesRead = true
	return j.cases, nil
}

// standsAt reports whether a special case counts at a time.
func standsAt(c *state.SpecialCase, at time.Time) bool {
	return within(at, c.Case.From, c.Case.Until) && (c.EndedAt == 0 || at.Before(c.EndedAt.Time()))
}

// fits reports whether everything that a special case names, its condition
// apart, fits a code under a registration. A code that does not say when it was
// issued may have been issued at any time: so it fits what refuses, and not what
// admits.
func fits(c *statement.DeclareCase, r *registration) bool {
	k, v := &r.key, r.verified
	if c.Region != "" && c.Region != k.Region ||
		!among(c.Kinds, statement.CodeKind(v.Kind())) || !among(c.Formats, string(v.Format())) || !among(c.Keys, k.Thumbprint) {
		return false
	}
	if c.IssuedFrom == 0 && c.IssuedUntil == 0 {
		return true
	}
	if issued := v.IssuedAt(); !issued.IsZero() {
		return within(issued, c.IssuedFrom, c.IssuedUntil)
	}
	return !c.Admit
}

// condition evaluates the condition of a special case for a code under a
// registration. That it cannot be judged is no error: unreadable says why, and
// nothing of the code.
func (j *judge) condition(d *statement.Document, r *registration) (holds bool, unreadable, err error) {
	j.openLibrary()
	if d.Size > uint64(j.library.conditionText) || j.library.conditionSteps.Left() == 0 {
		return false, errConditions, nil
	}
	j.library.conditionText -= int(d.Size)
	e, unreadable := j.keys.condition(d)
	if unreadable != nil {
		return false, unreadable, nil
	}
	payload := r.verified.Payload()
	if payload == nil {
		return false, errNoPayload, nil
	}
	external, err := j.given(r.verified, &r.key, j.query.Region)
	if err != nil {
		return false, nil, err
	}
	if own := j.library.books[j.query.Region]; len(own.unread) > 0 {
		return false, fmt.Errorf("value set %s, which it may look into, cannot be read: %w", own.unread[0].set.ID, own.unread[0].err), nil
	}
	most := min(certlogic.MaxSteps, j.library.conditionSteps.Left())
	own := certlogic.NewBudget(most)
	result, unreadable := e.EvaluateWithin(external.Data(payload), own)
	j.library.conditionSteps.Spend(most - own.Left())
	return certlogic.IsTrue(result), unreadable, nil
}

// parseCondition reads the condition of a special case.
func parseCondition(d *statement.Document) (*certlogic.Expression, error) {
	text, err := rules.Text(*d)
	if err != nil {
		return nil, err
	}
	return certlogic.Parse(text)
}
