package node

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/statement"
)

// TestAge: the age of knowledge is never less than it is, whatever the clocks do.
func TestAge(t *testing.T) {
	now := time.Now()
	at := func(ago time.Duration) *time.Time { c := now.Add(-ago); return &c }
	for name, c := range map[string]struct {
		contact *time.Time
		before  time.Time
		want    time.Duration
	}{
		"never":                                {want: -1},
		"just now":                             {contact: at(0), want: 0},
		"a while ago":                          {contact: at(time.Minute), want: time.Minute},
		"a contact a moment after the look":    {contact: at(-time.Millisecond), want: 0},
		"an earlier run":                       {before: now.Add(-time.Hour).Round(0), want: time.Hour},
		"an earlier run by a clock ahead":      {before: now.Add(time.Hour).Round(0), want: -1},
		"this run weighs more than an earlier": {contact: at(time.Second), before: now.Add(-time.Hour), want: time.Second},
	} {
		k := &knowledge{before: c.before}
		k.contact.Store(c.contact)
		got := k.age(now)
		if c.want < 0 && got >= 0 || c.want >= 0 && (got < c.want || got > c.want+time.Millisecond) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	// A machine that was suspended: by the monotonic clock a second has gone, by the other an hour.
	k := &knowledge{}
	contact := now.Round(0).Add(-time.Hour)
	k.contact.Store(&contact)
	if got := k.age(now); got < time.Hour {
		t.Errorf("after an hour of suspension it is %v", got)
	}
}

// TestContactIsRemembered, and counts only for a ledger that knows what was known then.
func TestContactIsRemembered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "contact.json")
	network := statement.NetworkID{1}
	size := uint64(7)
	head := func() ledger.Head { return ledger.Head{Size: size} }
	contact := time.Now()
	status := func() consensus.Status { return consensus.Status{Contact: contact} }
	open := func(n statement.NetworkID) *knowledge {
		return newKnowledge(path, n, slog.New(slog.DiscardHandler), status, head)
	}
	k := open(network)
	if !k.before.IsZero() || k.age(time.Now()) < 0 {
		t.Error("a first run remembers something")
	}
	k.close()

	met := contact
	contact = time.Time{} // nobody is met from now on
	for _, c := range []struct {
		name    string
		size    uint64
		network statement.NetworkID
		known   bool
	}{{"the same", 7, network, true}, {"grown", 8, network, true}, {"taken back", 6, network, false}, {"another network", 7, statement.NetworkID{2}, false}} {
		size = c.size
		k := open(c.network)
		if known := k.age(time.Now()) >= 0; known != c.known || known && k.before.UnixMilli() != met.UnixMilli() {
			t.Errorf("%s: age %v", c.name, k.age(time.Now()))
		}
		k.close()
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	size = 7
	k = open(network)
	defer k.close()
	if k.age(time.Now()) >= 0 {
		t.Error("half a file tells an age")
	}
}
