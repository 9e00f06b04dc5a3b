package recognition

import (
	"errors"
	"fmt"
	"time"

	"concordat/healthcode"
	"concordat/ledger/statement"
)

// Bounds on one question.
const (
	// MaxCodes bounds how many codes are shown together.
	MaxCodes = 16
	// MaxStays bounds the stays of an itinerary.
	MaxStays = 256
)

// ErrQuery: the question cannot be answered as it is put. The caller refuses it
// as a bad request, before Decide.
var ErrQuery = errors.New("malformed question")

// Code is one text that was shown.
type Code struct {
	Unverified healthcode.Unverified
	Err        error // why the text could not be read; then Unverified is nil
}

// Stay is a time spent in an area, both ends included.
type Stay struct {
	Area statement.Area
	From time.Time
	To   time.Time
}

// Knowledge says how fresh the state is that the decision reads.
type Knowledge struct {
	Age    time.Duration // since it was last known to be up to date; negative: nobody knows
	MaxAge time.Duration // an older state determines nothing but a code's own faults
}

// stale reports whether the state is too old to decide by.
func (k Knowledge) stale() bool { return k.Age < 0 || k.Age > k.MaxAge }

// Query is what is asked of the codes.
type Query struct {
	Region    statement.Region // the region that decides
	At        time.Time        // the time asked about
	Arrival   statement.Area   // where in the region the person arrives: its rules may differ there; "": the region itself
	Itinerary []Stay           // where the person says to have been
	Knowledge Knowledge
}

// Validate checks what Decide takes for granted: how many codes, the region's
// form, that the place of arrival is in it, and that the itinerary can be one. A
// stay may go on past the time asked about; one that only begins after it is no
// itinerary. Errors wrap ErrQuery.
func (q *Query) Validate(codes int) error {
	if codes < 0 || codes > MaxCodes {
		return fmt.Errorf("%w: %d codes, at most %d; ask in parts", ErrQuery, codes, MaxCodes)
	}
	if err := q.Region.Validate(); err != nil {
		return fmt.Errorf("%w: region: %w", ErrQuery, err)
	}
	if y := q.At.Year(); y < 1970 || y > 9999 {
		return fmt.Errorf("%w: at: the year is %d, want 1970 to 9999", ErrQuery, y)
	}
	if q.Arrival != "" {
		if err := q.Arrival.Validate(); err != nil {
			return fmt.Errorf("%w: arrival: %w", ErrQuery, err)
		}
		if !statement.Area(q.Region).Covers(q.Arrival) {
			return fmt.Errorf("%w: arrival: %s is not in %s, the region that decides", ErrQuery, q.Arrival, q.Region)
		}
	}
	if n := len(q.Itinerary); n > MaxStays {
		return fmt.Errorf("%w: itinerary: %d stays, at most %d", ErrQuery, n, MaxStays)
	}
	for i, s := range q.Itinerary {
		if err := s.validate(q.At); err != nil {
			return fmt.Errorf("%w: itinerary: stay %d: %w", ErrQuery, i, err)
		}
	}
	return nil
}

func (s *Stay) validate(at time.Time) error {
	if err := s.Area.Validate(); err != nil {
		return err
	}
	switch {
	case s.From.IsZero():
		return errors.New("from is missing")
	case s.To.IsZero():
		return errors.New("to is missing")
	case s.To.Before(s.From):
		return fmt.Errorf("to (%s) is before from (%s)", stamp(s.To), stamp(s.From))
	case s.From.After(at):
		return fmt.Errorf("from (%s) is after the time asked about (%s)", stamp(s.From), stamp(at))
	}
	return nil
}

// stamp writes a time as answers show it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
