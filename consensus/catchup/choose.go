package catchup

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"concordat/ledger/block"
)

// aheadOfCertified is how far the time of a block may be ahead of the
// co-signatures over it, by clocks that are nearly right. What is beyond was
// signed for nobody who looks at his clock.
const aheadOfCertified = 5 * time.Minute

// division is what the validators show of how statements are divided into
// blocks, from where the assembly is on: nearly always all of them the same.
// The assembly owns it.
//
// A proposer that cheats may have shown each validator other headers, and other
// ends of blocks. Any way through to the goal is as good as any other, since the
// statements are the same; but what is grafted stays, so a way must not end
// where nobody goes on. Sizes at which as many validators have a block end as
// cannot all lie are safe: an honest one goes on from there. So what is taken at
// once is a path to such a size, all of it or nothing (ledger.GraftBlock.Joined).
type division struct {
	rd      *round
	showing map[uint64][]*showing // by where they begin
	ends    map[uint64][]string   // who shows a block that begins or ends there
	have    uint64                // up to where there are sheets and statements
}

// showing is a header, and who shows it.
type showing struct {
	record
	by    []string
	tried bool // it was held against its statements
	wrong bool
}

func newDivision(rd *round, from uint64) *division {
	return &division{rd: rd, showing: map[uint64][]*showing{}, ends: map[uint64][]string{}, have: from}
}

// add takes a piece's sheets; what is before at is not needed any more.
func (d *division) add(p *piece, at uint64) {
	maps.DeleteFunc(d.showing, func(size uint64, _ []*showing) bool { return size < at })
	maps.DeleteFunc(d.ends, func(size uint64, _ []string) bool { return size < at })
	d.have = p.to
	for _, s := range p.sheets {
		for _, r := range s.records {
			d.ends[r.Size] = union(d.ends[r.Size], s.by)
			d.ends[r.end()] = union(d.ends[r.end()], s.by)
			there := d.showing[r.Size]
			if i := slices.IndexFunc(there, func(x *showing) bool { return x.Header == r.Header }); i >= 0 {
				there[i].by = union(there[i].by, s.by)
			} else {
				d.showing[r.Size] = append(there, &showing{record: r, by: s.by})
			}
		}
	}
}

// union is of ascending names.
func union(a, b []string) []string {
	if len(a) == 0 || slices.Equal(a, b) {
		return b
	}
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// agreed reports whether an honest validator surely has a block's end there.
func (d *division) agreed(size uint64) bool {
	return size == d.rd.goal.size() || len(d.ends[size]) >= need(d.rd.validators)
}

// next gives the blocks that are taken next. None: more says whether it may be
// different when the next piece is there. statements are those from at on.
func (d *division) next(at uint64, statements [][]byte) (path []*showing, more bool) {
	w := walk{division: d, from: at, statements: statements}
	for _, w.anyTime = range []bool{false, true} {
		w.dead = map[uint64]bool{}
		if path, more := w.to(at); path != nil || more {
			return path, more
		}
	}
	return nil, false
}

// walk looks for a path.
type walk struct {
	*division
	from       uint64
	statements [][]byte
	anyTime    bool // headers far ahead of their time too, which one that cheats makes
	dead       map[uint64]bool
}

func (w *walk) to(at uint64) (path []*showing, more bool) {
	if w.dead[at] {
		return nil, false
	}
	if at == w.have && at < w.rd.goal.size() {
		return nil, true
	}
	for _, s := range w.candidates(at) {
		if s.end() > w.have {
			return nil, true
		}
		if w.agreed(s.end()) {
			return []*showing{s}, false
		}
		rest, more := w.to(s.end())
		if more {
			return nil, true
		}
		if rest != nil {
			return append([]*showing{s}, rest...), false
		}
	}
	w.dead[at] = true
	return nil, false
}

// candidates are the headers of blocks that may come at a size, the one to be
// taken rather than others first: what as many show as cannot all lie; then the
// earliest. Fewer votes than that say nothing, and an early time does no harm.
func (w *walk) candidates(at uint64) []*showing {
	rd := w.rd
	enough := need(rd.validators)
	latest := rd.goal.certified.Time().Add(aheadOfCertified).UnixMilli()
	var out []*showing
	for _, s := range w.showing[at] {
		switch {
		case s.wrong || s.end() > rd.goal.size():
		case s.end() == rd.goal.size() && s.Term != rd.goal.position.Term:
			// Its place is agreed, and this was signed for another.
			for _, name := range s.by {
				if slices.Contains(rd.goal.by, name) {
					rd.peers.judge(name, lie("it places size %d in term %d, and shows a block that was signed for term %d there", s.end(), rd.goal.position.Term, s.Term))
				}
			}
			s.wrong = true
		case s.end() <= w.have && !w.fits(s):
		case w.anyTime || len(s.by) >= enough || s.Time <= latest:
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *showing) int {
		if x, y := len(a.by) >= enough, len(b.by) >= enough; x != y {
			if x {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Time, b.Time), bytes.Compare(a.proof.Header, b.proof.Header))
	})
	return out
}

// fits holds a disputed header against its statements, where those are all of
// its body. Where it has attachments too, the ledger does it.
func (w *walk) fits(s *showing) bool {
	if s.tried || len(w.showing[s.Size]) == 1 && len(s.by) >= need(w.rd.validators) {
		return true
	}
	s.tried = true
	entries := w.statements[s.Size-w.from : s.end()-w.from]
	x, err := newScion(s, entries)
	if err != nil || len(x.wants) > 0 || block.BodyDigest(entries, nil) == s.Body {
		return true
	}
	s.wrong = true
	for _, name := range s.by {
		w.rd.peers.judge(name, lie("the header that it shows of the block at %d is of other statements", s.Size))
	}
	return false
}

// stuck says that there is no way on.
func (d *division) stuck(at uint64) error {
	var shown []string
	for _, s := range d.showing[at] {
		shown = append(shown, fmt.Sprintf("%v show one of %d, of term %d", s.by, s.Count, s.Term))
	}
	err := fmt.Errorf("%w: no blocks that validators show lead from size %d to one at which %d of them have a block's end, at %d or before: %v",
		errMisfit, at, need(d.rd.validators), d.rd.goal.size(), shown)
	d.rd.meter.waiting(at+1, err.Error())
	return err
}
