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
	if len(cases) == 0 {
		return nil
	}
	f, to := &sparing{f: &r.findings}, j.query.Region
	for i := range cases {
		c := &cases[i]
		if !j.fits(&c.Case, r) {
			continue
		}
		why := because(c.Case.Reason, c.Case.LegalRef)
		holds, unreadable := true, error(nil)
		if c.Case.Condition != nil {
			if holds, unreadable, err = j.condition(c, r); err != nil {
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
	f.leftOut()
	if r.admitted != "" {
		overrule(r.findings.reasons, r.admitted)
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

// exception is a special case in force, and what was found of its condition:
// the document is read once in a decision, and evaluated once for each code and
// region of registration, because nothing else of a registration shows in it.
type exception struct {
	state.SpecialCase
	read       bool
	expression *certlogic.Expression
	unreadable error
	code       int                       // that outcomes are of
	outcomes   map[statement.Region]held // by whose key verifies it
}

// held is what a condition came to.
type held struct {
	holds      bool
	unreadable error
}

// casesInForce reads the special cases of the verifying region that count at the
// time asked about, by name: once, and only when a code is there to fit.
func (j *judge) casesInForce() ([]exception, error) {
	if j.casesRead {
		return j.cases, nil
	}
	all, err := j.state.SpecialCases(j.query.Region)
	if err != nil {
		return nil, fmt.Errorf("reading the special cases of %s: %w", j.query.Region, err)
	}
	for i := range all {
		if standsAt(&all[i], j.query.At) {
			j.cases = append(j.cases, exception{SpecialCase: all[i]})
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
//
// The ledger does not hold a registration's key against its certificate, by whose
// thumbprint a special case names it. So where the one is not of the other, the
// registration is none that a case which admits could have meant.
func (j *judge) fits(c *statement.DeclareCase, r *registration) bool {
	k, v := &r.key, r.verified
	if c.Region != "" && c.Region != k.Region ||
		!among(c.Kinds, statement.CodeKind(v.Kind())) || !among(c.Formats, string(v.Format())) || !among(c.Keys, k.Thumbprint) {
		return false
	}
	if c.Admit && len(c.Keys) > 0 && !j.certified(k) {
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

// certified reports whether a registration's certificate, if it has one, is of its key.
func (j *judge) certified(k *state.IssuerKey) bool {
	if len(k.Certificate) == 0 {
		return true // its thumbprint is the key's
	}
	c, err := j.keys.certificate(k.Certificate)
	return err == nil && c.publicKey == string(k.PublicKey)
}

// condition evaluates the condition of a special case for a code under a
// registration. That it cannot be judged is no error: unreadable says why, and
// nothing of the code.
func (j *judge) condition(c *exception, r *registration) (holds bool, unreadable, err error) {
	j.readCondition(c)
	if c.unreadable != nil {
		return false, c.unreadable, nil
	}
	if c.outcomes == nil || c.code != j.at {
		c.code, c.outcomes = j.at, make(map[statement.Region]held, 1)
	}
	o, known := c.outcomes[r.key.Region]
	if !known {
		if o.holds, o.unreadable, err = j.evaluate(c.expression, r); err != nil {
			return false, nil, err
		}
		c.outcomes[r.key.Region] = o
	}
	return o.holds, o.unreadable, nil
}

// readCondition reads the condition of a special case, once, if there is text left to be read.
func (j *judge) readCondition(c *exception) {
	if c.read {
		return
	}
	c.read = true
	j.openLibrary()
	d := c.Case.Condition
	if d.Size > uint64(j.library.conditionText) {
		c.unreadable = errConditions
		return
	}
	j.library.conditionText -= int(d.Size)
	c.expression, c.unreadable = j.keys.condition(d)
}

// showing is what conditions look at of the code that is judged, by whose key verifies it.
type showing struct {
	code int
	by   map[statement.Region]map[string]any
}

// show gives what conditions look at of a code under a registration; nil where
// its format shows nothing.
func (j *judge) show(r *registration) (map[string]any, error) {
	if j.shown.by == nil || j.shown.code != j.at {
		j.shown = showing{j.at, make(map[statement.Region]map[string]any, 1)}
	}
	data, known := j.shown.by[r.key.Region]
	if known {
		return data, nil
	}
	if payload := r.verified.Payload(); payload != nil {
		external, err := j.given(r.verified, r.key.Region, j.query.Region)
		if err != nil {
			return nil, err
		}
		data = external.Data(payload)
	}
	j.shown.by[r.key.Region] = data
	return data, nil
}

// evaluate evaluates a condition for a code under a registration.
func (j *judge) evaluate(e *certlogic.Expression, r *registration) (holds bool, unreadable, err error) {
	data, err := j.show(r)
	if err != nil {
		return false, nil, err
	}
	if data == nil {
		return false, errNoPayload, nil
	}
	if own := j.library.books[j.query.Region]; len(own.unread) > 0 {
		return false, fmt.Errorf("value set %s, which it may look into, cannot be read: %w", own.unread[0].set.ID, own.unread[0].err), nil
	}
	if j.library.conditionSteps.Left() == 0 {
		return false, errConditions, nil
	}
	most := min(certlogic.MaxSteps, j.library.conditionSteps.Left())
	own := certlogic.NewBudget(most)
	result, unreadable := e.EvaluateWithin(data, own)
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
