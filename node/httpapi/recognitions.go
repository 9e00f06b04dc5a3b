package httpapi

import (
	"net/http"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// recognitions answers GET /v1/recognitions?at=&said=&region=.
func (a *api) recognitions(w http.ResponseWriter, r *http.Request) error {
	at, err := readAt(r)
	if err != nil {
		return err
	}
	said := statement.Time(statement.MaxTime)
	if r.URL.Query().Has("said") {
		if said, err = readTime(r, "said"); err != nil {
			return err
		}
	}
	var region statement.Region
	if s := r.URL.Query().Get("region"); s != "" {
		if region, err = statement.ParseRegion(s); err != nil {
			return client.Fail(client.BadRequest, "region: %v", err)
		}
	}
	return a.listing(w, r, func(v *ledger.View) (any, error) {
		all, err := v.State().Recognitions()
		if err != nil {
			return nil, err
		}
		out := client.Recognitions{Recognitions: []client.Recognition{}, AsOf: a.node.AsOf(v)}
		inForce := make(map[[2]statement.Region]bool)
		var stood []state.Recognition
		for i := range all {
			if g, any := all[i].Until(said); any {
				stood = append(stood, g)
				inForce[[2]statement.Region{g.Grantor, g.Grantee}] = g.InForce("", at)
			}
		}
		for i := range stood {
			g := &stood[i]
			if region != "" && g.Grantor != region && g.Grantee != region {
				continue
			}
			c := recognitionOf(g, at)
			c.Mutual = c.InForce && inForce[[2]statement.Region{g.Grantee, g.Grantor}]
			out.Recognitions = append(out.Recognitions, c)
		}
		return out, nil
	})
}

// recognitionOf gives a recognition as the API does, its windows judged at a time.
func recognitionOf(g *state.Recognition, at statement.Time) client.Recognition {
	c := client.Recognition{
		Grantor: string(g.Grantor), Grantee: string(g.Grantee), Status: string(g.Status), Kinds: texts(g.Terms.Kinds),
		Formats: g.Terms.Formats, Algorithms: g.Terms.Algorithms, Schemes: g.Terms.Schemes, RuleSet: g.Terms.RuleSet,
		From: timeOrNil(g.Terms.From), Until: timeOrNil(g.Terms.Until), Reason: g.Terms.Reason, LegalRef: g.Terms.LegalRef,
		InForce: g.InForce("", at), KindsInForce: texts(g.KindsInForce(at)), Revision: g.Revision, Statement: g.ChangedAt,
		SaidAt: timeOrNil(g.SaidAt),
	}
	if g.Status == state.Withdrawn {
		if g.Reason != "" {
			c.Reason = g.Reason
		}
		if g.LegalRef != "" {
			c.LegalRef = g.LegalRef
		}
	}
	if s := g.Suspension; s != nil {
		c.Suspension = &client.Suspension{Kinds: texts(s.Kinds), From: timeOrNil(s.From), Until: timeOrNil(s.Until), Reason: s.Reason, LegalRef: s.LegalRef}
	}
	for _, p := range g.Past {
		was := g.Was(p)
		one := recognitionOf(&was, at)
		one.EndedBy, one.EndedAt = &p.EndedBy, timeOrNil(p.EndedAt)
		c.Past = append(c.Past, one)
	}
	return c
}

// schemes answers GET /v1/schemes.
func (a *api) schemes(w http.ResponseWriter, r *http.Request) error {
	return a.listing(w, r, func(v *ledger.View) (any, error) {
		all, err := v.State().Schemes()
		if err != nil {
			return nil, err
		}
		out := client.Schemes{Schemes: make([]client.Scheme, len(all)), AsOf: a.node.AsOf(v)}
		for i, s := range all {
			one := client.Scheme{
				Authority: string(s.Authority), Name: s.Name, Title: s.Title, Supersedes: s.Supersedes, LegalRef: s.LegalRef,
				Levels: make([]client.SchemeLevel, len(s.Levels)), Revision: s.Revision, Statement: s.ChangedAt,
			}
			for k, l := range s.Levels {
				one.Levels[k] = client.SchemeLevel{Name: l.Name, Refuse: l.Refuse, Lookback: l.Lookback, Title: l.Title}
			}
			out.Schemes[i] = one
		}
		return out, nil
	})
}

// specialCases answers GET /v1/special-cases?at=.
func (a *api) specialCases(w http.ResponseWriter, r *http.Request) error {
	at, err := readAt(r)
	if err != nil {
		return err
	}
	return a.listing(w, r, func(v *ledger.View) (any, error) {
		all, err := v.State().SpecialCasesAll()
		if err != nil {
			return nil, err
		}
		out := client.SpecialCases{SpecialCases: make([]client.SpecialCase, len(all)), AsOf: a.node.AsOf(v)}
		for i, s := range all {
			c := s.Case
			one := client.SpecialCase{
				Authority: string(s.Authority), Name: c.Name, Effect: "refuse", Region: string(c.Region), Kinds: texts(c.Kinds), Formats: c.Formats,
				IssuedFrom: timeOrNil(c.IssuedFrom), IssuedUntil: timeOrNil(c.IssuedUntil), From: timeOrNil(c.From), Until: timeOrNil(c.Until),
				Conditional: c.Condition != nil, Reason: c.Reason, LegalRef: c.LegalRef, EndedAt: timeOrNil(s.EndedAt), EndReason: s.Reason,
				InForce:  at >= c.From && (c.Until == 0 || at <= c.Until) && (s.EndedAt == 0 || at < s.EndedAt),
				Revision: s.Revision, Statement: s.ChangedAt,
			}
			if c.Admit {
				one.Effect = "admit"
			}
			for _, k := range c.Keys {
				one.Keys = append(one.Keys, k.String())
			}
			out.SpecialCases[i] = one
		}
		return out, nil
	})
}
