package genesis

import "errors"

// Threshold says how many of the validators must vote yes.
type Threshold string

// The thresholds.
const (
	Majority  Threshold = "majority"   // more than half
	TwoThirds Threshold = "two-thirds" // more than two thirds
	All       Threshold = "all"        // every one
)

// Votes gives how many yes votes of n validators reach t; zero if t is unknown.
func (t Threshold) Votes(n int) int {
	switch t {
	case Majority:
		return 1 + n/2
	case TwoThirds:
		return 1 + 2*n/3
	case All:
		return n
	}
	return 0
}

// Policy says how many votes carry each class of action.
type Policy struct {
	AdmitObserver  Threshold `json:"admitObserver"`
	AdmitValidator Threshold `json:"admitValidator"`
	Suspend        Threshold `json:"suspend"`
	Expel          Threshold `json:"expel"`
	RotateKeys     Threshold `json:"rotateKeys"` // for an authority that lost its governance key
	ChangePolicy   Threshold `json:"changePolicy"`
}

// DefaultPolicy asks more than two thirds for whatever changes who vouches,
// the share that a checkpoint needs as well, and a majority for the rest.
func DefaultPolicy() Policy {
	return Policy{
		AdmitObserver:  Majority,
		AdmitValidator: TwoThirds,
		Suspend:        Majority,
		Expel:          TwoThirds,
		RotateKeys:     TwoThirds,
		ChangePolicy:   TwoThirds,
	}
}

func (p *Policy) check() error {
	var errs []error
	for _, f := range []struct {
		name string
		t    Threshold
	}{
		{"admitObserver", p.AdmitObserver}, {"admitValidator", p.AdmitValidator}, {"suspend", p.Suspend},
		{"expel", p.Expel}, {"rotateKeys", p.RotateKeys}, {"changePolicy", p.ChangePolicy},
	} {
		if f.t.Votes(1) == 0 {
			errs = append(errs, invalid("policy.%s is %q; want %q, %q or %q", f.name, f.t, Majority, TwoThirds, All))
		}
	}
	return errors.Join(errs...)
}
