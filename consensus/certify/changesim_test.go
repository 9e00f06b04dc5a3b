package certify

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSimulateChanges: random schedules as in TestSimulation, in which
// validators come, go, are replaced and rotate their keys, at most one change at
// a time. At every step F2 holds on the wire for all keys, no two certificates
// contradict one another, and each has the quorums of all sets of its size. When
// all heals, everything becomes final, and nobody honest is accused.
func TestSimulateChanges(t *testing.T) {
	seeds := []uint64{2, 4}
	if *simSeed != 0 {
		seeds = []uint64{*simSeed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			inEras(t, seed, "XA XB XC XD", func(t *testing.T, w *world) {
				simulateChanges(w, rand.New(rand.NewPCG(seed, 100)))
			})
		})
	}
}

func simulateChanges(w *world, rng *rand.Rand) {
	honest := []string{"XA", "XB", "XC", "XE", "XF", "XG", "XH", "XZ"}
	evil := &liar{m: w.puppet("XD"), rng: rng} // one of four, and of what they become
	for _, id := range honest {
		w.members[id].joins = !slices.Contains([]string{"XA", "XB", "XC"}, id)
	}
	w.start(honest...)
	w.chain.add(1)
	w.apply()
	evil.m.cosigns(w.chain.blocks[0].end, w.up(honest)...)
	w.final(1, "XA", "XB", "XC")

	set := map[string]string{"XA": "", "XB": "", "XC": "", "XD": ""} // versions of keys
	specs := func() (out []string) {
		for _, id := range slices.Sorted(maps.Keys(set)) {
			out = append(out, strings.TrimSuffix(id+"/"+set[id], "/"))
		}
		return out
	}
	changing, rotated, version := mark{}, "", 1
	change := func() {
		ids := slices.Sorted(maps.Keys(set))
		in, out := honest[rng.IntN(len(honest)-1)], ids[rng.IntN(len(ids))]
		_, there := set[in]
		rotated = ""
		switch {
		case there: // rotate
			version++
			set[in], rotated = fmt.Sprint(version), in
		case out == "XD", len(ids) < 6 && rng.IntN(2) == 0:
			set[in] = strings.Join(w.members[in].keys, "") // as it was when it left
		default:
			delete(set, out)
			set[in] = strings.Join(w.members[in].keys, "")
		}
		changing = w.changes(specs()...)
		w.apply()
		if rotated != "" {
			m := w.members[rotated]
			was := ""
			if len(m.keys) > 0 {
				was = m.keys[0]
			}
			m.newKeys(set[rotated], was)
		}
	}
	handOver := func() {
		if !slices.ContainsFunc(w.up(honest), func(id string) bool { return finalSize(w.members[id].cert) >= changing.size }) {
			return
		}
		now := w.eras[len(w.eras)-1]
		w.next(w.chain, now.Origin, now.Newest())
		w.apply()
		if rotated != "" {
			w.members[rotated].newKeys(set[rotated])
		}
		changing = mark{}
	}
	down, forgot := "", false
	for range 100 {
		id := honest[rng.IntN(len(honest))]
		switch rng.IntN(14) {
		case 0, 1:
			w.chain.add(1 + rng.IntN(3))
		case 2, 3, 4:
			w.apply(honest[rng.IntN(len(honest))], honest[rng.IntN(len(honest))])
		case 5:
			w.setFaults(faults{loss: rng.IntN(30), twice: rng.IntN(30), delay: time.Duration(rng.IntN(300)) * time.Millisecond})
		case 6:
			w.isolate(id, rng.IntN(3) == 0)
		case 7:
			w.mu.Lock()
			w.leader = id
			w.mu.Unlock()
		case 8:
			if down == "" && id != rotated {
				down = id
				if !forgot && id != "XZ" && rng.IntN(4) == 0 {
					forgot = true
					w.members[id].loses()
					w.members[id].ran = true
				} else {
					w.members[id].crash(rng)
				}
			}
		case 9:
			if down != "" {
				w.start(down)
				down = ""
			}
		case 10, 11, 12:
			switch {
			case down != "":
			case changing.size == 0:
				change()
			default:
				handOver()
			}
		case 13:
			evil.act(w, honest)
		}
		// The dishonest one takes part too, or nothing goes on where another is away.
		top := w.chain.blocks[len(w.chain.blocks)-1].end
		for _, id := range w.up(honest) {
			_ = evil.m.tell(id, EchoProtocol, encodeEchoes([]mark{top}, nil)) // who does not know it does not listen
		}
		time.Sleep(time.Duration(rng.IntN(600)) * time.Millisecond)
		w.check()
	}
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
	// The dishonest one's word may be needed too, by one that forgot what it signed.
	w.mu.Lock()
	evil.m.serve = func(_, name string, _ []byte) ([]byte, error) {
		if name == HeadProtocol {
			return encodeHead(top.size), nil
		}
		return nil, nil
	}
	w.mu.Unlock()
	for range 20 {
		for _, id := range w.up(honest) {
			_ = evil.m.tell(id, EchoProtocol, encodeEchoes([]mark{top}, nil)) // as above
			_ = evil.m.tell(id, CosignProtocol, encodePush([][]byte{noteOf(top, signs(w.t, "XD", top, time.Now())...)}))
		}
		time.Sleep(200 * time.Millisecond)
	}
	w.final(top.size, honest...)
	w.onlyEvil()
	w.t.Logf("%d electorates, %d statements", len(w.eras), top.size)
}
