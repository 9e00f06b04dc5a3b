package node

import (
	"context"
	"errors"
	"time"

	"concordat/client"
	"concordat/healthcode"
	"concordat/healthcode/hc1"
	"concordat/ledger"
	"concordat/ledger/statement"
	"concordat/recognition"
)

// formats are the codes that a check can read.
var formats = []healthcode.Decoder{hc1.Decoder{}}

// Check decides on codes from this node's own state. It writes nothing, asks
// nobody unless the caller wants a linearizable answer, and keeps nothing of
// the codes.
func (n *Node) Check(ctx context.Context, q client.Check) (client.CheckAnswer, error) {
	query, err := n.question(q)
	if err != nil {
		return client.CheckAnswer{}, err
	}
	switch q.Consistency {
	case "", "local":
	case "linearizable":
		once, cancel := context.WithTimeout(ctx, n.consensus.Patience())
		err := n.caughtUp(once)
		cancel()
		if err != nil {
			return client.CheckAnswer{}, client.Fail(client.Stale, "a linearizable answer needs the leader and a quorum: %v", err)
		}
	default:
		return client.CheckAnswer{}, client.Fail(client.BadRequest, "consistency is %q, want local or linearizable", clip(q.Consistency))
	}
	// The age is taken before the view: what is then read can only be fresher.
	query.Knowledge.Age = n.age()
	view := n.ledger.View()
	defer n.release(view)
	codes := make([]recognition.Code, len(q.Codes))
	for i, text := range q.Codes {
		codes[i].Unverified, codes[i].Err = healthcode.Decode(text, formats...)
	}
	decision, err := n.decider.Decide(codes, query, view.State())
	if err != nil {
		return client.CheckAnswer{}, client.Fail(client.Broken, "the state cannot be read: %v", err)
	}
	return client.CheckAnswer{
		Decision: decision, Region: string(query.Region), At: query.At, AsOf: n.asOf(view, query.Knowledge.Age),
	}, nil
}

// question reads what is asked, with the node's defaults and bounds.
func (n *Node) question(q client.Check) (recognition.Query, error) {
	query := recognition.Query{Region: n.me.ID, At: time.Now().UTC().Truncate(time.Second), Knowledge: recognition.Knowledge{MaxAge: n.cfg.Check.MaxAge}}
	if len(q.Codes) == 0 {
		return query, client.Fail(client.BadRequest, "there is no code to check; give codes as a list of scanned texts")
	}
	if k := len(q.Codes); k > n.cfg.Check.MaxCodes {
		return query, client.Fail(client.BadRequest, "%d codes, at most %d at once", k, n.cfg.Check.MaxCodes)
	}
	if k := len(q.Itinerary); k > n.cfg.Check.MaxStays {
		return query, client.Fail(client.BadRequest, "%d stays, at most %d at once", k, n.cfg.Check.MaxStays)
	}
	if q.Region != "" {
		r, err := statement.ParseRegion(q.Region)
		if err != nil {
			return query, client.Fail(client.UnknownRegion, "region: %v", err)
		}
		if _, ok := n.doc.Authority(r); !ok {
			return query, client.Fail(client.UnknownRegion, "region %s has no authority in this network", r)
		}
		query.Region = r
	}
	if q.At != nil {
		query.At = q.At.UTC()
	}
	if q.MaxAge != "" {
		most, err := time.ParseDuration(q.MaxAge)
		if err != nil || most < 0 {
			return query, client.Fail(client.BadRequest, "maxAge is %q, want a duration like 60s", clip(q.MaxAge))
		}
		query.Knowledge.MaxAge = min(most, n.cfg.Check.MaxAge)
	}
	for i, s := range q.Itinerary {
		area, err := statement.ParseArea(s.Area)
		if err != nil {
			return query, client.Fail(client.BadRequest, "itinerary: stay %d: %v", i, err)
		}
		query.Itinerary = append(query.Itinerary, recognition.Stay{Area: area, From: s.From, To: s.To})
	}
	if err := query.Validate(len(q.Codes)); err != nil {
		if errors.Is(err, recognition.ErrQuery) {
			return query, client.Fail(client.BadRequest, "%v", err)
		}
		return query, err
	}
	return query, nil
}

// age is how long ago this node last knew that it was up to date; negative if
// it has not known since it started and its ledger is empty.
func (n *Node) age() time.Duration {
	contact := n.consensus.Status().Contact
	// A block carries the time at which its proposer led a quorum: what a node
	// that has heard of nobody since it started still knows.
	if block := time.UnixMilli(n.ledger.Head().Time); n.ledger.Head().Size > 0 && block.After(contact) {
		contact = block
	}
	if contact.IsZero() {
		return -1
	}
	return max(time.Since(contact), 0)
}

// AsOf says what knowledge the view is.
func (n *Node) AsOf(v *ledger.View) client.AsOf { return n.asOf(v, n.age()) }

func (n *Node) asOf(v *ledger.View, age time.Duration) client.AsOf {
	h := v.Head()
	a := client.AsOf{Size: h.Size, Root: hexRoot(h.Root), Cosigners: []string{}}
	a.Age, a.AgeMillis = ageInWords(age)
	return a
}

// ageInWords gives an age to the millisecond; "unknown" and -1 where it is not known.
func ageInWords(age time.Duration) (string, int64) {
	if age < 0 {
		return "unknown", -1
	}
	return age.Round(time.Millisecond).String(), age.Milliseconds()
}

// clip keeps foreign text short in an answer.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
