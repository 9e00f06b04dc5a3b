package certify

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var simSeed = flag.Uint64("certify.seed", 0, "run the simulation of this seed only")

// TestSimulation: random schedules of blocks, losses, delays, duplicates,
// partitions, crashes, changes of leader and of what one dishonest validator
// says. At every step F2 holds on the wire and no two certificates contradict
// one another; when all heals, everything becomes final, and evidence names
// nobody but the dishonest one.
func TestSimulation(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4, 5, 6, 7, 8}
	if *simSeed != 0 {
		seeds = []uint64{*simSeed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, testDoc(), seed)
				defer w.stop()
				simulate(t, w, rand.New(rand.NewPCG(seed, 99)))
			})
		})
	}
}

func simulate(t *testing.T, w *world, rng *rand.Rand) {
	honest := []string{"XA", "XB", "XC", "XD", "XZ"}
	var evil *liar
	if rng.IntN(4) > 0 {
		id := []string{"XA", "XB", "XC", "XD"}[rng.IntN(4)]
		evil = &liar{m: w.puppet(id), rng: rng}
		honest = w.others(id)
	}
	w.start(honest...)
	w.chain.add(1)
	down := ""
	for range 120 {
		id := honest[rng.IntN(len(honest))]
		switch rng.IntN(14) {
		case 0, 1, 2:
			w.chain.add(1 + rng.IntN(3))
		case 3, 4, 5:
			w.apply(honest[rng.IntN(len(honest))], honest[rng.IntN(len(honest))])
		case 6:
			w.setFaults(faults{loss: rng.IntN(30), twice: rng.IntN(30), delay: time.Duration(rng.IntN(400)) * time.Millisecond})
		case 7:
			w.isolate(id, rng.IntN(2) == 0)
		case 8:
			w.mu.Lock()
			w.leader = id
			w.mu.Unlock()
		case 9: // one at a time: it is restarted before another goes
			if down == "" {
				down = id
				w.members[id].crash(rng)
			}
		case 10, 11:
			if down != "" {
				w.start(down)
				down = ""
			}
		case 12, 13:
			if evil != nil {
				evil.act(w, honest)
			}
		}
		time.Sleep(time.Duration(rng.IntN(600)) * time.Millisecond)
		w.check()
	}
	// All heals.
	w.setFaults(faults{})
	for _, id := range w.ids {
		w.isolate(id, false)
	}
	if down != "" {
		w.start(down)
	}
	w.mu.Lock()
	w.leader = honest[0]
	w.mu.Unlock()
	top := w.chain.add(1)
	w.apply(honest...)
	w.final(top.size, honest...)
	for _, id := range honest[:3] {
		if s := w.members[id].cert.Status(); !s.Vouching && !strings.Contains(strings.Join(s.Why, " "), "no validator") {
			t.Errorf("%s does not vouch: %q", id, s.Why)
		}
	}
	if evil == nil {
		w.onlyEvil()
		return
	}
	// It signs the truth once more: whatever it lied before is proved now, if
	// any honest node ever got it.
	lied := evil.reached
	evil.m.cosigns(top, w.up(honest)...)
	if lied {
		w.wait("the liar is caught", func() bool {
			return slices.ContainsFunc(honest, func(id string) bool { return len(w.members[id].convicted()) > 0 })
		})
	}
	w.onlyEvil()
}

func (w *world) setFaults(f faults) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = f
}

func (w *world) up(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return w.members[id].running() == nil || id == "XZ" })
}

// liar says anything, with real keys.
type liar struct {
	m       *member
	rng     *rand.Rand
	reached bool // a false signature reached an honest node
}

func (l *liar) act(w *world, honest []string) {
	to := w.up(honest)
	id := to[l.rng.IntN(len(to))]
	true1 := w.chain.blocks[l.rng.IntN(len(w.chain.blocks))].end
	lie := markAt(true1.size+uint64(l.rng.IntN(2)), fmt.Sprint("lie", l.rng.IntN(3)))
	tell := func(name string, req []byte) bool {
		err := l.m.tell(id, name, req)
		return err == nil
	}
	switch l.rng.IntN(6) {
	case 0:
		tell(EchoProtocol, encodeEchoes([]mark{true1, lie}, nil))
	case 1:
		tell(EchoProtocol, encodeEchoes([]mark{w.chain.blocks[len(w.chain.blocks)-1].end}, nil))
	case 2:
		tell(CosignProtocol, encodePush([][]byte{noteOf(true1, signs(w.t, l.m.id, true1, time.Now())...)}))
	case 3:
		if l.rng.IntN(3) == 0 && lie.size <= w.chain.ledger.Head().Size {
			l.reached = tell(CosignProtocol, encodePush([][]byte{noteOf(lie, signs(w.t, l.m.id, lie, time.Now())...)})) || l.reached
		}
	case 4:
		// What an honest one signed, once more, from far away.
		x := w.members[id].cert.Final()
		if x == nil {
			return
		}
		at := x.Checkpoint()
		for _, s := range x.Cosigners() {
			tell(CosignProtocol, encodePush([][]byte{noteOf(mark{at.Size, at.Root}, s.Line)}))
		}
	case 5:
		forged := markAt(uint64(1+l.rng.IntN(100)), "forged")
		note := noteOf(forged, signs(w.t, l.m.id, forged, time.Now().Add(time.Duration(l.rng.IntN(100))*time.Minute))[0])
		serve := func(_, name string, _ []byte) ([]byte, error) {
			if name == NewestProtocol {
				return note, nil
			}
			return nil, nil
		}
		w.mu.Lock()
		l.m.serve = serve
		w.mu.Unlock()
	}
}
