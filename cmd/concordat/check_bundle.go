package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/healthcode"
	"concordat/healthcode/intake"
	"concordat/ledger/bundle"
	"concordat/ledger/statement"
	"concordat/recognition"
	"concordat/recognition/sentence"
)

// offlineAnswer is what check answers from a bundle: what a node would answer at
// the same size, and how new the bundle is. The root in asOf is that of
// finalSize, which is larger than size by the seal at least.
type offlineAnswer struct {
	client.CheckAnswer
	Bundle newness `json:"bundle"`
}

// offline is how check answers without a node.
type offline struct {
	file string
	trust
	freshness
}

func (o *offline) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.file, "bundle", "", "`FILE` to check with, offline; see bundle get")
	o.trust.flags(cmd)
	o.freshness.flags(cmd)
	for _, online := range []string{"node", "consistency", "max-age"} {
		cmd.MarkFlagsMutuallyExclusive("bundle", online)
	}
}

// check decides as a node does (package recognition), from the bundle's state.
func (o *offline) check(t *terminal, ask client.Check, now time.Time) (*offlineAnswer, error) {
	if err := o.freshness.check(); err != nil {
		return nil, err
	}
	query, err := o.query(ask, now)
	if err != nil {
		return nil, err
	}
	doc, err := o.required()
	if err != nil {
		return nil, err
	}
	b, err := readBundle(doc, o.file)
	if err != nil {
		return nil, err
	}
	f := b.Freshness(now, o.policy())
	if f.Step != bundle.Fresh {
		t.say("remark: %s", f.Words)
	}
	query.Knowledge = recognition.Knowledge{Age: f.Age, MaxAge: o.stale}
	if f.Step == bundle.Stale && f.Age <= o.stale {
		query.Knowledge.Age = -1 // by this machine's clock the bundle is not from the past
	}
	if _, is, err := b.State().Authority(query.Region); err != nil {
		return nil, err
	} else if !is {
		return nil, client.Fail(client.UnknownRegion, "region %s has no authority in network %q", query.Region, doc.Network).WithHint("concordat genesis show lists the founders")
	}
	if err := b.Answers(query.At); errors.Is(err, bundle.ErrPast) {
		sealed := b.Seal().At.Time()
		t.say("remark: %s is before the bundle was sealed (%s): revocations that had expired by then are not in it, and this answer may miss one that counted at that time", stamp(&query.At), stamp(&sealed))
	} else if err != nil {
		return nil, err
	}
	readings := shownOffline(ask)
	if err := query.Validate(len(readings)); err != nil {
		return nil, usage("%w", err)
	}
	decision, err := recognition.Decide(recognition.CodesOf(readings), query, b.State())
	if err != nil {
		return nil, err
	}
	decision.Locate(readings)
	decision = decision.In(sentence.Accept(ask.Language))
	return &offlineAnswer{
		CheckAnswer: client.CheckAnswer{Decision: decision, Region: string(query.Region), At: query.At, AsOf: asOfBundle(b, f)},
		Bundle:      freshnessOf(b, o.policy(), now),
	}, nil
}

// shownOffline reads what is shown as a node does.
func shownOffline(ask client.Check) []healthcode.Reading {
	var shown []intake.Shown
	for _, text := range ask.Codes {
		shown = append(shown, intake.Text(text))
	}
	for _, p := range ask.Pictures {
		shown = append(shown, intake.Picture(p))
	}
	return intake.Read(shown)
}

// query reads a question as a node does.
func (o *offline) query(ask client.Check, now time.Time) (recognition.Query, error) {
	q := recognition.Query{Region: statement.Region(ask.Region), At: now.UTC().Truncate(time.Second)}
	if q.Region == "" {
		var err error
		if q.Region, err = o.region(); err != nil {
			return q, err
		}
	}
	if q.Region == "" {
		return q, usage("--region is missing: a bundle is nobody's own; say which region decides, or give that authority's --dir")
	}
	if ask.At != nil {
		q.At = ask.At.UTC()
	}
	q.Arrival = statement.Area(ask.Arrival) // which request has checked
	for _, s := range ask.Itinerary {       // whose areas readItinerary has checked
		q.Itinerary = append(q.Itinerary, recognition.Stay{Area: statement.Area(s.Area), From: s.From, To: s.To})
	}
	if err := q.Validate(0); err != nil {
		return q, usage("%w", err)
	}
	return q, nil
}

// asOfBundle says what knowledge a bundle is.
func asOfBundle(b *bundle.Bundle, f bundle.Freshness) client.AsOf {
	c := b.Certified()
	a := client.AsOf{
		Size: b.Size(), Root: fmt.Sprintf("%x", c.Checkpoint().Root), FinalSize: c.Checkpoint().Size,
		Cosigners: []string{}, Age: f.Age.Round(time.Millisecond).String(), AgeMillis: f.Age.Milliseconds(),
	}
	for _, s := range c.Cosigners() {
		a.Cosigners = append(a.Cosigners, string(s.By))
	}
	return a
}

// explainOffline tells a decision that was made from a bundle.
func explainOffline(w io.Writer, a *offlineAnswer, l sentence.Language) error {
	p := &printer{w: w}
	p.decision(a.CheckAnswer, l)
	p.line("as of %d statements, in a bundle that is final at size %d (root %s) on the word of %s", a.AsOf.Size, a.AsOf.FinalSize, short(a.AsOf.Root), strings.Join(a.AsOf.Cosigners, ", "))
	p.line("%s", a.Bundle.Words)
	return p.err
}
