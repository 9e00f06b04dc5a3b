package bundle

import (
	"fmt"
	"time"
)

// Step is how new a bundle is, by a verifier's own policy.
type Step string

// The steps, from the best to the worst.
const (
	Fresh  Step = "fresh"  // use it
	Ageing Step = "ageing" // use it, and get a newer one
	Stale  Step = "stale"  // do not decide with it
)

// Policy is how old a bundle may be, for a verifier.
type Policy struct {
	Fresh time.Duration // up to this age it is fresh
	Stale time.Duration // above this age it is stale; between the two it is ageing
}

// DefaultPolicy asks for a bundle a day, as the EU's gateways asked for trust
// and revocation lists, and bears with two days without a network.
var DefaultPolicy = Policy{Fresh: 24 * time.Hour, Stale: 72 * time.Hour}

// Check refuses a policy whose steps are not in order.
func (p Policy) Check() error {
	if p.Fresh <= 0 || p.Stale < p.Fresh {
		return fmt.Errorf("a bundle is to be fresh up to %s and stale above %s: want the first above 0, and the second not below it", p.Fresh, p.Stale)
	}
	return nil
}

// clockSlack is how far a verifier's clock may be behind the network's before it is said to be wrong.
const clockSlack = 5 * time.Minute

// Freshness is how new a bundle is at some time.
type Freshness struct {
	Step  Step
	AsOf  time.Time     // the bundle is all that was known then
	Age   time.Duration // since AsOf; 0 if the verifier's clock is a little behind
	Words string        // a sentence for a person
}

// AsOf is the latest time of which a quorum says that the bundle was all there
// was. A certificate of the tree that ends with the seal says so by itself. One
// of a larger tree does not, whatever its time: other statements follow the
// seal, and a bundle of long ago with a certificate of today would pass for new.
// Then it is the time of the seal (B5).
func (b *Bundle) AsOf() time.Time {
	certified, sealed := b.verified.Certified.Time(), b.seal.At.Time()
	if b.verified.Certified.Checkpoint().Size == b.seal.Size+1 || certified.Before(sealed) {
		return certified
	}
	return sealed
}

// Freshness judges how new the bundle is at the verifier's time.
func (b *Bundle) Freshness(now time.Time, p Policy) Freshness {
	f := Freshness{AsOf: b.AsOf()}
	f.Age = now.Sub(f.AsOf)
	since := fmt.Sprintf("it is the state of %s, %s ago", f.AsOf.Format(time.RFC3339), inWords(f.Age))
	switch {
	case f.Age < -clockSlack:
		f.Step, f.Words = Stale, fmt.Sprintf("This bundle cannot be judged: by this machine's clock it is of a time %s ahead (%s). Set the clock.",
			inWords(-f.Age), f.AsOf.Format(time.RFC3339))
	case f.Age > p.Stale:
		f.Step, f.Words = Stale, fmt.Sprintf("This bundle is stale: %s, and at most %s is allowed. Get a newer one before deciding.", since, inWords(p.Stale))
	case f.Age > p.Fresh:
		f.Step, f.Words = Ageing, fmt.Sprintf("This bundle is ageing: %s. Get a newer one; from %s on it is stale.", since, f.AsOf.Add(p.Stale).Format(time.RFC3339))
	default:
		f.Step, f.Words = Fresh, fmt.Sprintf("This bundle is fresh: %s.", since)
	}
	f.Age = max(f.Age, 0)
	return f
}

// inWords says a length of time in its largest unit or two.
func inWords(d time.Duration) string {
	d = max(d, 0)
	unit := func(n int64, one string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %ss", n, one)
	}
	minutes := int64(d / time.Minute)
	days, hours := minutes/(24*60), minutes/60%24
	switch {
	case days > 0 && hours > 0:
		return unit(days, "day") + " " + unit(hours, "hour")
	case days > 0:
		return unit(days, "day")
	case hours > 0 && minutes%60 > 0:
		return unit(hours, "hour") + " " + unit(minutes%60, "minute")
	case hours > 0:
		return unit(hours, "hour")
	case minutes > 0:
		return unit(minutes, "minute")
	}
	return unit(int64(d/time.Second), "second")
}
