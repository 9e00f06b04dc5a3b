package native

import (
	"fmt"
	"time"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
)

// parseCard reads a claims set, and gives a card that Validate takes. Claims and
// keys that the format does not name are ignored (N2).
func parseCard(payload []byte) (*Card, error) {
	r := &reader{}
	set := r.table("claims set", r.parse(payload))
	card := r.table("card", set.Label(claimCard))
	c := &Card{
		Region:    r.text("iss", set.Label(cwt.ClaimIss)),
		IssuedAt:  r.time("iat", set.Label(cwt.ClaimIat)),
		NotBefore: r.timeIfGiven("nbf", set.Label(cwt.ClaimNbf)),
		ExpiresAt: r.time("exp", set.Label(cwt.ClaimExp)),
		ID:        r.id(card.Label(1)),
		BirthDate: r.textIfGiven("date of birth", card.Label(2)),
	}
	if it := card.Label(3); it != nil {
		c.Health = r.health(it)
	}
	if it := card.Label(4); it != nil {
		c.Itinerary = r.itinerary(it)
	}
	if r.err != nil {
		return nil, r.err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// reader reads until something is not as the format says; what it gives after
// that is nothing.
type reader struct{ err error }

func (r *reader) failed(what string, err error) bool {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%w: %s: %w", healthcode.ErrClaims, what, err)
	}
	return r.err != nil
}

// given fails where what must be there is not.
func (r *reader) given(what string, it cwt.Item) bool {
	if it == nil && r.err == nil {
		r.err = claims("%s is missing", what)
	}
	return r.err == nil
}

func (r *reader) parse(payload []byte) cwt.Item {
	it, err := cwt.Parse(payload)
	r.failed("claims set", err)
	return it
}

func (r *reader) table(what string, it cwt.Item) cwt.Table {
	if !r.given(what, it) {
		return nil
	}
	t, err := it.Table()
	if r.failed(what, err) {
		return nil
	}
	return t
}

func (r *reader) text(what string, it cwt.Item) string {
	if !r.given(what, it) {
		return ""
	}
	s, err := it.Text()
	r.failed(what, err)
	return s
}

func (r *reader) textIfGiven(what string, it cwt.Item) string {
	if it == nil {
		return ""
	}
	return r.text(what, it)
}

func (r *reader) number(what string, it cwt.Item) uint64 {
	if !r.given(what, it) {
		return 0
	}
	n, err := it.Uint()
	r.failed(what, err)
	return n
}

// time reads seconds since 1970.
func (r *reader) time(what string, it cwt.Item) time.Time {
	n := r.number(what, it)
	if r.err != nil {
		return time.Time{}
	}
	if n > cwt.Latest {
		r.err = claims("%s is after the year 9999", what)
		return time.Time{}
	}
	return time.Unix(int64(n), 0).UTC()
}

func (r *reader) timeIfGiven(what string, it cwt.Item) time.Time {
	if it == nil {
		return time.Time{}
	}
	return r.time(what, it)
}

func (r *reader) id(it cwt.Item) ID {
	if !r.given("id", it) {
		return ID{}
	}
	b, err := it.Bytes()
	if r.failed("id", err) {
		return ID{}
	}
	if len(b) != IDSize {
		r.err = claims("an id of %d bytes; it has %d", len(b), IDSize)
		return ID{}
	}
	return ID(b)
}

func (r *reader) health(it cwt.Item) *Health {
	t := r.table("health", it)
	h := &Health{Status: healthcode.Status{
		Scheme:      r.text("scheme", t.Label(1)),
		Level:       r.text("level", t.Label(2)),
		LegalGround: r.textIfGiven("legal ground", t.Label(3)),
		Until:       r.timeIfGiven("status's end", t.Label(4)),
	}}
	if it := t.Label(5); it != nil {
		d := r.table("declaration", it)
		h.Declared = &healthcode.Declaration{
			At:        r.time("time of declaration", d.Label(1)),
			Audit:     r.audit(d.Label(2)),
			AuditedAt: r.timeIfGiven("time of audit", d.Label(3)),
			Auditor:   r.textIfGiven("auditor", d.Label(4)),
		}
	}
	return h
}

func (r *reader) audit(it cwt.Item) healthcode.Audit {
	n := r.number("audit's result", it)
	if r.err != nil {
		return ""
	}
	if n >= uint64(len(audits)) {
		r.err = claims("audit's result %d; 0 to %d have a meaning", n, len(audits)-1)
		return ""
	}
	return audits[n]
}

func (r *reader) itinerary(it cwt.Item) *Itinerary {
	t := r.table("itinerary", it)
	i := &Itinerary{Covered: healthcode.Span{
		From: r.time("beginning of the covered time", t.Label(1)),
		To:   r.time("end of the covered time", t.Label(2)),
	}}
	for _, row := range r.array("stays", t.Label(3)) {
		cells := r.array("stay", row)
		if r.err != nil {
			return i
		}
		if len(cells) != 3 {
			r.err = claims("a stay of %d elements; it has area, beginning and end", len(cells))
			return i
		}
		i.Stays = append(i.Stays, healthcode.Stay{
			Area: r.text("area", cells[0]),
			From: r.time("beginning of a stay", cells[1]),
			To:   r.time("end of a stay", cells[2]),
		})
	}
	return i
}

func (r *reader) array(what string, it cwt.Item) []cwt.Item {
	if !r.given(what, it) {
		return nil
	}
	items, err := it.Array()
	if r.failed(what, err) {
		return nil
	}
	return items
}
