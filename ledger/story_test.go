package ledger

import (
	"errors"
	"flag"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"concordat/ledger/state"
)

// A run of a story takes a tenth of a second, so fewer of them are the
// default; -rapid.checks asks for more.
func init() {
	if err := flag.Set("rapid.checks", "20"); err != nil {
		panic(err)
	}
}

func TestStory(t *testing.T) {
	s := newStory(t, 1, 60)
	l := s.net.open(t, s.options(vfs.NewMem()))
	defer closeLedger(t, l)
	s.goOn(t, l)
	check(t, l)
	if l.Head().Size < 20 {
		t.Fatalf("the story has only %d statements", l.Head().Size)
	}
	v := l.View()
	defer closeView(t, v)
	rules, err1 := v.State().RulesAll()
	sets, err2 := v.State().ValueSetsAll()
	schemes, err3 := v.State().Schemes()
	cases, err4 := v.State().SpecialCasesAll()
	if err := errors.Join(err1, err2, err3, err4); err != nil || len(rules) != 1 || len(sets) == 0 || len(schemes) == 0 || len(cases) == 0 {
		t.Fatalf("the story has %d rules, %d value sets, %d schemes, %d special cases (%v)", len(rules), len(sets), len(schemes), len(cases), err)
	}
	if r := rules[0]; r.Revision <= state.MaxRuleVersions || len(r.Published) != state.MaxRuleVersions {
		t.Errorf("of rule %s, at revision %d, %d versions are kept", r.ID, r.Revision, len(r.Published))
	}
}

// However the entries come (again, after restarts, with flushes between), root
// and state are the same to the byte (L2, L5).
func TestSameEntriesSameLedger(t *testing.T) {
	s := newStory(t, 2, 20)
	rapid.Check(t, func(rt *rapid.T) {
		fs := vfs.NewMem()
		o := s.options(fs)
		o.MemTableBytes = rapid.SampledFrom([]uint64{64 << 10, 256 << 10, 4 << 20}).Draw(rt, "memtable")
		l := s.net.open(t, o)
		done := 0
		for done < len(s.entries) {
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0:
				closeLedger(t, l)
				l = s.net.open(t, o)
				if at := s.whole(t, l); at != done-1 {
					t.Fatalf("closed after entry %d, opened after %d", done-1, at)
				}
			case 1:
				if err := l.Flush(); err != nil {
					t.Fatal(err)
				}
			case 2: // Raft delivers again what was applied
				if done > 0 {
					e := s.entries[rapid.IntRange(0, done-1).Draw(rt, "again")]
					a, err := l.Apply(e.pos, e.raw)
					if err != nil || !a.Duplicate {
						t.Fatalf("applying %v again: %+v, %v", e.pos, a, err)
					}
				}
			case 3:
				if err := l.store.db.Flush(); err != nil {
					t.Fatal(err)
				}
			default:
				e := s.entries[done]
				if _, err := l.Apply(e.pos, e.raw); err != nil {
					t.Fatal(err)
				}
				done++
			}
		}
		s.whole(t, l)
		closeLedger(t, l)
	})
}
