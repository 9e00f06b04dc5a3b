package consensus

import (
	"errors"
	"fmt"
	"time"
)

// Profile is the timing of the links between validators. All validators of a
// network use the same.
type Profile struct {
	Name string
	// Heartbeat is how long a follower hears nothing from the leader before it
	// stands for election (after one to two of them, at random). The leader
	// sends ten in that time.
	Heartbeat time.Duration
	// Election is how long a candidate waits for votes before it tries again.
	Election time.Duration
	// Lease is how long a leader goes on without hearing from a majority. It is
	// at most Heartbeat, or there could be two that think they lead for longer
	// than needed.
	Lease time.Duration
	// Commit is how long after its last message a follower is told again, at
	// the latest, what is committed.
	Commit time.Duration
	// MaxAppend is how many entries one message carries to a follower that is
	// behind. It bounds how fast it catches up: MaxAppend entries a round trip.
	MaxAppend int
	// Patience is how long a caller waits for a leader: in it, a network that
	// has a majority has found a new one with all but certainty. A submission
	// that has not been ordered by then is answered with ErrNoQuorum.
	Patience time.Duration
}

// The profiles. etcd's rule is an election timeout of at least ten round trips;
// Raft's author advises five seconds for the wide area, with half of it as the
// lease. A shorter timeout finds a dead leader sooner, and takes a slow disk,
// a busy processor or a lost packet for a dead leader more often.
var (
	// Site is for one building or one metropolitan area: round trips up to
	// 5 ms. The timeouts are hashicorp/raft's own: a second is far more than a
	// round trip, and what processors shared with other work still keep.
	Site = Profile{Name: "site", Heartbeat: time.Second, Election: time.Second, Lease: 500 * time.Millisecond,
		Commit: 10 * time.Millisecond, MaxAppend: 64, Patience: 6 * time.Second}
	// Country is for round trips up to 80 ms: a retransmitted packet (some
	// 300 ms) must not make an election.
	Country = Profile{Name: "country", Heartbeat: 2 * time.Second, Election: 2 * time.Second, Lease: time.Second,
		Commit: 50 * time.Millisecond, MaxAppend: 128, Patience: 12 * time.Second}
	// Continents is for round trips up to 400 ms over links that lose packets:
	// two retransmissions in a row (well over a second) must not make an election.
	Continents = Profile{Name: "continents", Heartbeat: 5 * time.Second, Election: 5 * time.Second, Lease: 2500 * time.Millisecond,
		Commit: 100 * time.Millisecond, MaxAppend: 128, Patience: 30 * time.Second}
)

// Profiles are all named profiles, nearest first.
func Profiles() []Profile { return []Profile{Site, Country, Continents} }

// ErrProfile: there is no profile of that name.
var ErrProfile = errors.New("unknown timing profile")

// ProfileByName finds a profile. Errors wrap ErrProfile.
func ProfileByName(name string) (Profile, error) {
	for _, p := range Profiles() {
		if p.Name == name {
			return p, nil
		}
	}
	return Profile{}, fmt.Errorf("%w: %q; use site (round trips up to 5 ms), country (80 ms) or continents (400 ms)", ErrProfile, name)
}

func (p Profile) validate() error {
	var faults []error
	fault := func(format string, a ...any) {
		faults = append(faults, fmt.Errorf("profile %q: "+format, append([]any{p.Name}, a...)...))
	}
	const least = 10 * time.Millisecond
	if p.Heartbeat < least {
		fault("heartbeat is %v, want at least %v", p.Heartbeat, least)
	}
	if p.Election < p.Heartbeat {
		fault("election is %v, want at least the heartbeat, %v", p.Election, p.Heartbeat)
	}
	if p.Lease < least/2 || p.Lease > p.Heartbeat {
		fault("lease is %v, want %v to the heartbeat, %v", p.Lease, least/2, p.Heartbeat)
	}
	if p.Commit < time.Millisecond || p.Commit > p.Heartbeat {
		fault("commit is %v, want 1ms to the heartbeat, %v", p.Commit, p.Heartbeat)
	}
	if p.MaxAppend < 1 || p.MaxAppend > 1024 {
		fault("max append is %d, want 1 to 1024 entries", p.MaxAppend)
	}
	if p.Patience < p.Heartbeat+p.Election {
		fault("patience is %v, want at least heartbeat and election together, %v", p.Patience, p.Heartbeat+p.Election)
	}
	return errors.Join(faults...)
}
