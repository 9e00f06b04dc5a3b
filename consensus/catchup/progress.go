package catchup

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// Phase is what Run is at.
type Phase string

const (
	Asking   Phase = "asking"   // how far the others are
	Fetching Phase = "fetching" // and verifying, and grafting
	Done     Phase = "done"     // the ledger holds what is certified
)

// Progress is how far Run is: for a progress bar and for /readyz.
type Progress struct {
	Phase    Phase
	From     uint64  // the ledger's size when Run began
	Size     uint64  // its size now
	Verified uint64  // what is fetched and verified without a gap: Size and more
	Target   uint64  // the certified size that it goes to; 0: not known yet
	Bytes    uint64  // received from peers
	Rate     float64 // statements a second, over the last seconds
	Waiting  string  // what nobody gives, and why; "": it goes on
	Peers    []Peer  // by name
}

// Peer is how one peer does.
type Peer struct {
	Name     string
	Head     uint64        // the size of its ledger, by its word
	Calls    uint64        // made to it
	InFlight int           // of them in progress
	Bytes    uint64        // received from it
	Pace     time.Duration // a call takes, in the mean
	Lies     int           // how often it gave what does not verify
	LastLie  string        // and what that was
	Rests    string        // why it is not asked at the moment; "": it is
}

// rateOver is the time over which Progress.Rate is taken.
const rateOver = 5 * time.Second

// meter gathers what Progress tells.
type meter struct {
	mu      sync.Mutex
	now     Progress
	waits   map[uint64]string // by the statement that waits
	history []sample          // of the last seconds
}

type sample struct {
	at   time.Time
	size uint64
}

func newMeter(size uint64) *meter {
	return &meter{
		now:     Progress{Phase: Asking, From: size, Size: size, Verified: size},
		waits:   map[uint64]string{},
		history: []sample{{time.Now(), size}},
	}
}

func (m *meter) update(fn func(p *Progress)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fn(&m.now)
}

func (m *meter) received(n int) { m.update(func(p *Progress) { p.Bytes += uint64(n) }) }

func (m *meter) waiting(order uint64, what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waits[order] = what
}

func (m *meter) goesOn(order uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.waits, order)
}

// goesOnBelow forgets what was waited for below a size that has been reached.
func (m *meter) goesOnBelow(size uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.waits, func(order uint64, _ string) bool { return order < size })
}

// snapshot gives the progress now.
func (m *meter) snapshot(p *peers) Progress {
	m.mu.Lock()
	out := m.now
	now := time.Now()
	m.history = append(m.history, sample{now, out.Size})
	for len(m.history) > 2 && now.Sub(m.history[1].at) > rateOver {
		m.history = m.history[1:]
	}
	if first := m.history[0]; now.After(first.at) {
		out.Rate = float64(out.Size-first.size) / now.Sub(first.at).Seconds()
	}
	if len(m.waits) > 0 {
		out.Waiting = m.waits[slices.Min(slices.Collect(maps.Keys(m.waits)))]
	}
	m.mu.Unlock()

	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pe := range p.all {
		if !pe.member {
			continue
		}
		told := Peer{
			Name: pe.name, Head: pe.head, Calls: pe.calls, InFlight: pe.inFlight, Bytes: pe.bytes,
			Pace: pe.pace, Lies: pe.lies, LastLie: pe.lastLie,
		}
		_, told.Rests = pe.idle(now)
		out.Peers = append(out.Peers, told)
	}
	slices.SortFunc(out.Peers, func(a, b Peer) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
