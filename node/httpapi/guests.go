package httpapi

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"concordat/client"
	"concordat/ledger/state"
)

// Bounds of what is answered to submissions that no authority has signed: their
// signatures cost this node time, and nobody's quota pays for them.
const (
	guestRate     = 600 // a minute and address, and at once
	maxGuests     = 1 << 14
	guestForgiven = time.Minute
)

// guests counts, by address, submissions that turned out not to be signed by an
// authority of the network. An address that has sent many is told to come later,
// unread. The machine itself is no guest: a reverse proxy there speaks for
// everybody, and has to bound each of them.
type guests struct {
	now func() time.Time

	mu sync.Mutex
	of map[netip.Prefix]*guest
}

type guest struct {
	left float64
	at   time.Time
}

func newGuests() *guests { return &guests{now: time.Now, of: map[netip.Prefix]*guest{}} }

// home is the network that an address stands for: in IPv6 whoever has one
// address has a /64 of them. It is false for the machine itself.
func home(remote string) (netip.Prefix, bool) {
	at, err := netip.ParseAddrPort(remote)
	if err != nil || at.Addr().Unmap().IsLoopback() {
		return netip.Prefix{}, false
	}
	addr, bits := at.Addr().Unmap().WithZone(""), 32
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	return p, err == nil
}

// enter refuses an address that has sent too much that nobody signed.
func (g *guests) enter(remote string) error {
	from, is := home(remote)
	if !is {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.of[from]
	if one == nil || one.fill(g.now()) >= 1 {
		return nil
	}
	again := int(math.Ceil((1 - one.left) * 60 / guestRate))
	f := client.Fail(client.QuotaExceeded, "%d submissions a minute from one address that no authority has signed are too many", guestRate)
	f.Detail = map[string]any{"limit": guestRate, "window": guestForgiven.String(), "retryAfter": max(again, 1)}
	return f
}

// blame counts a submission that was refused, if nobody signed it.
func (g *guests) blame(remote string, err error) {
	from, is := home(remote)
	if !is || !unsigned[asFailure(err).Name] {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	one := g.of[from]
	if one == nil {
		if len(g.of) >= maxGuests {
			for p, o := range g.of { // whoever is forgiven by now, else anybody
				if o.fill(now) >= guestRate || len(g.of) >= maxGuests {
					delete(g.of, p)
				}
			}
		}
		one = &guest{guestRate, now}
		g.of[from] = one
	}
	one.fill(now)
	one.left = max(one.left-1, 0)
}

func (g *guest) fill(now time.Time) float64 {
	g.left = min(guestRate, g.left+max(now.Sub(g.at).Minutes(), 0)*guestRate)
	g.at = now
	return g.left
}

// unsigned are the refusals of what no authority of the network has signed.
var unsigned = map[string]bool{
	client.Malformed: true, client.WrongSignature: true, state.UnknownAuthority: true, state.UnknownKey: true, state.WrongNetwork: true,
}
