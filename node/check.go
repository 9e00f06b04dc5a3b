package node

import (
	"context"
	"errors"
	"time"

	"concordat/client"
	"concordat/healthcode/intake"
	"concordat/healthcode/picture"
	"concordat/ledger"
	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
	"concordat/recognition"
	"concordat/recognition/sentence"
)

// Check decides on codes from this node's own state. It writes nothing, asks
// nobody unless the caller wants a linearizable answer, and keeps nothing of
// the codes.
func (n *Node) Check(ctx context.Context, q client.Check) (client.CheckAnswer, error) {
	query, err := n.question(q)
	if err != nil {
		return client.CheckAnswer{}, err
	}
	shown, err := n.shown(ctx, q)
	if err != nil {
		return client.CheckAnswer{}, err
	}
	readings := intake.Read(shown)
	if err := query.Validate(len(readings)); err != nil { // a picture or file may hold several
		return client.CheckAnswer{}, client.Fail(client.BadRequest, "%v", err)
	}
	asked := time.Now()
	if q.Consistency == linearizable {
		once, cancel := context.WithTimeout(ctx, n.order.Patience())
		err := n.caughtUp(once)
		cancel()
		if err != nil {
			return client.CheckAnswer{}, client.Fail(client.Stale, "a linearizable answer needs the leader and a quorum: %v", err)
		}
	}
	// The age is taken before the view: what is then read can only be fresher.
	age := n.age(time.Now())
	if since := time.Since(asked); q.Consistency == linearizable && (age < 0 || since < age) {
		age = since // all that was acknowledged before the question is here
	}
	query.Knowledge.Age = age
	pending := n.keeper.pending.force.pending() // before the view: see there
	view := n.ledger.View()
	defer n.release(view)
	ordered := n.stateOf(view)
	if err := known(ordered, query.Region); err != nil {
		return client.CheckAnswer{}, n.readFailure(err)
	}
	codes := recognition.CodesOf(readings)
	decision, err := n.decide(codes, query, view, ordered)
	if err == nil {
		decision, err = n.decider.DecidePending(codes, query, ordered, pending, decision)
	}
	if err != nil {
		return client.CheckAnswer{}, n.readFailure(err)
	}
	decision.Locate(readings)
	decision = decision.In(sentence.Accept(q.Language))
	answer := client.CheckAnswer{Decision: decision, Region: string(query.Region), At: query.At, AsOf: n.asOf(view, age)}
	answer.AsOf.Pending = pending.Len()
	return answer, nil
}

// shown reads what the person shows: texts as they are, then the codes off the
// pictures. A picture over the bounds, or of a kind that is not read, is the
// caller's fault; one in which no code can be seen is a code that cannot be read.
func (n *Node) shown(ctx context.Context, q client.Check) ([]intake.Shown, error) {
	for i, p := range q.Pictures {
		switch err := picture.Inspect(p); {
		case errors.Is(err, picture.ErrTooLarge):
			return nil, client.Fail(client.PictureTooLarge, "picture %d: %v", i, err)
		case errors.Is(err, picture.ErrKind):
			return nil, client.Fail(client.WrongContentType, "picture %d: %v", i, err).WithHint("send pictures as PNG or JPEG")
		}
	}
	shown := make([]intake.Shown, 0, len(q.Codes)+len(q.Pictures))
	for _, text := range q.Codes {
		shown = append(shown, intake.Text(text))
	}
	for _, p := range q.Pictures {
		if err := ctx.Err(); err != nil { // between pictures: each takes a second at most
			return nil, client.Fail(client.Timeout, "the pictures were not read in time: %v", err).WithHint("send fewer at once")
		}
		shown = append(shown, intake.Picture(p))
	}
	return shown, nil
}

// decide decides on what is ordered, which is the view's state, and where not all
// of it is final, on what is final too: deny early, allow late.
func (n *Node) decide(codes []recognition.Code, q recognition.Query, view *ledger.View, ordered recognition.State) (recognition.Decision, error) {
	if n.FinalSize() >= view.Head().Size {
		return n.decider.Decide(codes, q, ordered)
	}
	final, release, ok := n.certifier.FinalView()
	if !ok {
		size := n.FinalSize()
		lifting, err := mayLift(view, size)
		if err != nil {
			return recognition.Decision{}, err
		}
		return n.decider.DecideUncertain(codes, q, ordered, size, lifting)
	}
	defer release()
	return n.decider.DecideBoth(codes, q, ordered, remembered(final))
}

// mayLift reports whether a statement from index from on may lift what speaks
// against a code. It asks the listing of each kind for the first there, however
// many there are.
func mayLift(view *ledger.View, from uint64) (bool, error) {
	for _, k := range statement.Kinds() {
		if !recognition.MayLift(k) {
			continue
		}
		if found, err := view.Statements(ledger.Filter{From: from, Limit: 1, Kind: k}); err != nil || len(found) > 0 {
			return true, err
		}
	}
	return false, nil
}

// The consistencies that a check may ask for.
const (
	local        = "local"
	linearizable = "linearizable"
)

// question reads what is asked, with the node's defaults and bounds.
func (n *Node) question(q client.Check) (recognition.Query, error) {
	query := recognition.Query{Region: n.me.ID, At: time.Now().UTC().Truncate(time.Second), Knowledge: recognition.Knowledge{MaxAge: n.cfg.Check.MaxAge}}
	switch q.Consistency {
	case "", local, linearizable:
	default:
		return query, client.Fail(client.BadRequest, "consistency is %q, want local or linearizable", client.Clip(q.Consistency, 64))
	}
	if len(q.Codes)+len(q.Pictures) == 0 {
		return query, client.Fail(client.BadRequest, "there is no code to check; give codes as a list of scanned texts, or pictures")
	}
	if k := len(q.Codes) + len(q.Pictures); k > n.cfg.Check.MaxCodes {
		return query, client.Fail(client.BadRequest, "%d codes, at most %d at once", k, n.cfg.Check.MaxCodes)
	}
	if k := len(q.Pictures); k > n.cfg.Check.MaxPictures {
		return query, client.Fail(client.BadRequest, "%d pictures, at most %d at once", k, n.cfg.Check.MaxPictures)
	}
	if k := len(q.Itinerary); k > n.cfg.Check.MaxStays {
		return query, client.Fail(client.BadRequest, "%d stays, at most %d at once", k, n.cfg.Check.MaxStays)
	}
	if q.Region != "" {
		r, err := statement.ParseRegion(q.Region)
		if err != nil {
			return query, client.Fail(client.UnknownRegion, "region: %v", err)
		}
		query.Region = r
	}
	if q.At != nil {
		query.At = q.At.UTC()
	}
	if q.MaxAge != "" {
		most, err := time.ParseDuration(q.MaxAge)
		if err != nil || most < 0 {
			return query, client.Fail(client.BadRequest, "maxAge is %q, want a duration like 60s", client.Clip(q.MaxAge, 64))
		}
		query.Knowledge.MaxAge = min(most, n.cfg.Check.MaxAge)
	}
	if q.Arrival != "" {
		area, err := statement.ParseArea(q.Arrival)
		if err != nil {
			return query, client.Fail(client.BadRequest, "arrival: %v", err)
		}
		query.Arrival = area
	}
	for i, s := range q.Itinerary {
		area, err := statement.ParseArea(s.Area)
		if err != nil {
			return query, client.Fail(client.BadRequest, "itinerary: stay %d: %v", i, err)
		}
		query.Itinerary = append(query.Itinerary, recognition.Stay{Area: area, From: s.From, To: s.To})
	}
	if err := query.Validate(0); err != nil { // of the codes when they are read
		return query, client.Fail(client.BadRequest, "%v", err)
	}
	return query, nil
}

// known refuses a region that has no authority in the network.
func known(s recognition.State, region statement.Region) error {
	_, is, err := s.Authority(region)
	if err != nil {
		return err
	}
	if !is {
		return client.Fail(client.UnknownRegion, "region %s has no authority in this network", region)
	}
	return nil
}

// readFailure says why the state could not be read.
func (n *Node) readFailure(err error) error {
	var f *client.Failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, ledger.ErrClosed):
		return errStopping
	}
	return client.Fail(client.Broken, "the state cannot be read: %v", err)
}

// AsOf says what knowledge the view is.
func (n *Node) AsOf(v *ledger.View) client.AsOf { return n.asOf(v, n.age(time.Now())) }

func (n *Node) asOf(v *ledger.View, age time.Duration) client.AsOf {
	h := v.Head()
	a := client.AsOf{Size: h.Size, Root: hexRoot(h.Root), Standing: n.me.stands()}
	final := n.certifier.Final()
	a.Cosigners = cosigners(final)
	if final != nil {
		a.FinalSize = min(final.Checkpoint().Size, h.Size) // the view may be a moment older
	}
	a.Age, a.AgeMillis = ageInWords(age)
	return a
}

// cosigners names who co-signed a checkpoint.
func cosigners(c *checkpoint.Certified) []string {
	out := []string{}
	if c != nil {
		for _, s := range c.Cosigners() {
			out = append(out, string(s.By))
		}
	}
	return out
}

// ageInWords gives an age to the millisecond; "unknown" and -1 where it is not known.
func ageInWords(age time.Duration) (string, int64) {
	if age < 0 {
		return "unknown", -1
	}
	return age.Round(time.Millisecond).String(), age.Milliseconds()
}
