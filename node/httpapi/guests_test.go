package httpapi

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"concordat/client"
)

// TestGuests: who sends much that nobody has signed is told to come later, and
// nobody else is; the machine itself never is, because a proxy there speaks for all.
func TestGuests(t *testing.T) {
	now := time.Unix(1_600_000_000, 0)
	g := newGuests()
	g.now = func() time.Time { return now }
	bad, good := client.Fail(client.WrongSignature, "x"), client.Fail("revision-conflict", "x").WithStatus(409)
	for range guestRate {
		for _, remote := range []string{"192.0.2.1:1000", "127.0.0.1:1000", "[::1]:7", "not an address"} {
			if err := g.enter(remote); err != nil {
				t.Fatalf("%s is refused: %v", remote, err)
			}
			g.blame(remote, bad)
		}
		g.blame("192.0.2.2:1000", good)
	}
	var f *client.Failure
	if err := g.enter("192.0.2.1:2000"); !errors.As(err, &f) || f.Name != client.QuotaExceeded || f.Detail["retryAfter"] != 1 {
		t.Errorf("one too many: %v", err)
	}
	for _, remote := range []string{"192.0.2.2:1000", "127.0.0.1:1000", "[::1]:7", "[2001:db8::1]:1"} {
		if err := g.enter(remote); err != nil {
			t.Errorf("%s is refused: %v", remote, err)
		}
	}
	now = now.Add(time.Second / 10)
	if err := g.enter("192.0.2.1:2000"); err != nil {
		t.Errorf("a little later: %v", err)
	}
	// Addresses of one IPv6 network count as one, and an IPv4 address in IPv6 as itself.
	for i := range guestRate {
		g.blame(fmt.Sprintf("[2001:db8::%x]:1", i+1), bad)
	}
	if g.enter("[2001:db8::ffff]:1") == nil || g.enter("[2001:db8:0:1::1]:1") != nil {
		t.Error("a network of IPv6 is not one guest")
	}
	g.blame("192.0.2.1:1", bad)
	if g.enter("[::ffff:192.0.2.1]:1") == nil {
		t.Error("an IPv4 address has another life in IPv6")
	}
	// However many addresses there are, what is remembered of them is bounded.
	for i := range 2 * maxGuests {
		g.blame(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255), bad)
	}
	if len(g.of) > maxGuests {
		t.Errorf("%d addresses are remembered, at most %d", len(g.of), maxGuests)
	}
}
