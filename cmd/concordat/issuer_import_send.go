package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"concordat/client"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// job is one statement of an import.
type job struct {
	said   said
	saying *saying
}

func newJob(words said, body statement.Body, revision uint64, where string) *job {
	return &job{words, &saying{body: body, revision: revision, words: words.Words, where: where}}
}

// send says all of a plan, many statements at a time, since what travels
// together is ordered together. It fills in the answer; an *outcome says that
// what was sent is not as far as was asked.
func (m *importing) send(ctx context.Context, t *terminal, v *voice, p *plan) error {
	began := time.Now()
	if n := len(p.register); n > 0 {
		t.say("signing: %s registers %d issuer keys of %s", p.id, n, m.path)
	}
	if n := len(p.retire); n > 0 {
		t.say("signing: %s retires %d issuer keys that are not on the list", p.id, n)
	}
	if n := len(p.revoke); n > 0 {
		t.say("signing: %s revokes codes in %d batches, as the list says, until %s", p.id, n, m.revokedUntil.String())
	}
	if err := m.probe(ctx, t, v, p); err != nil {
		return err
	}
	jobs := slices.Concat(p.register, p.retire, p.revoke)
	all := make([]*saying, len(jobs))
	for i, j := range jobs {
		all[i] = j.saying
	}
	err := v.sayMany(ctx, t, all, "statements", saidBefore)
	if _, late := err.(*outcome); err != nil && !late {
		return err
	}
	for _, j := range jobs {
		j.said.Submitted = j.saying.sent
		j.said.Revision = j.saying.revision
	}
	for _, j := range p.register {
		if j.saying.before {
			p.answer.Known = append(p.answer.Known, j.said)
		} else {
			p.answer.Registered = append(p.answer.Registered, j.said)
		}
	}
	p.retire = slices.DeleteFunc(p.retire, func(j *job) bool { return j.saying.before }) // somebody else ended it
	p.answer.Retired, p.answer.Revoked = saidOf(p.retire), saidOf(p.revoke)
	if len(all) > 0 {
		t.say("%d statements in %.1fs", len(all), time.Since(began).Seconds())
	}
	return err
}

// saidBefore reports that a refusal only says that somebody was quicker: the key
// is registered, or is no longer as it was when the list was compared.
func saidBefore(err error) bool {
	return isStatus(err, http.StatusConflict) && (isNamed(err, state.AlreadyRegistered) || isNamed(err, state.RevisionConflict))
}

// probe says one statement of each sort that an older network has no place for,
// and where it is refused for that, takes it out of all the others.
func (m *importing) probe(ctx context.Context, t *terminal, v *voice, p *plan) error {
	ordered := *v
	if v.wait == client.Final {
		ordered.wait = client.Ordered
	}
	young := func(j *job) bool { return statementLevel(j.saying.body) > 1 }
	for _, jobs := range []*[]*job{&p.register, &p.revoke} {
		i := slices.IndexFunc(*jobs, young)
		if i < 0 {
			continue
		}
		err := ordered.sayOne(ctx, t, (*jobs)[i].saying, saidBefore)
		switch {
		case err == nil:
			continue
		case !isNamed(err, state.UnknownKind):
			return fmt.Errorf("nothing was sent: %w", err)
		}
		if jobs == &p.register {
			t.say("remark: the network's protocol level has no place for issuers' URLs and names: the keys are registered without")
			for _, j := range *jobs {
				body := j.saying.body.(*statement.RegisterKey)
				body.Issuer, body.Name = "", ""
			}
			continue
		}
		had := len(*jobs)
		*jobs = slices.DeleteFunc(*jobs, young)
		t.say("remark: %d of %d revocation batches are left out: they revoke codes issued before a time only, which the network's protocol level cannot say", had-len(*jobs), had)
	}
	return nil
}

// statementLevel is the protocol level from which on a body has an effect.
func statementLevel(b statement.Body) uint64 {
	s := statement.Statement{Body: b}
	return s.Level()
}

func saidOf(jobs []*job) []said {
	var out []said
	for _, j := range jobs {
		out = append(out, j.said)
	}
	return out
}
