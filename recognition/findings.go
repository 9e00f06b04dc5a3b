package recognition

import (
	"slices"
	"strings"

	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition/sentence"
)

// findings collects reasons about one code, or about the whole.
type findings struct {
	code    *int
	reasons []Reason
}

// usualReasons is about how many reasons there are about a code that is
// recognised: room for them is made at once.
const usualReasons = 12

// take appends the reasons of others, which are f's from then on.
func (f *findings) take(others *findings) {
	if len(f.reasons) == 0 {
		f.reasons = others.reasons
		return
	}
	f.reasons = append(f.reasons, others.reasons...)
}

// add appends a reason. on is the statement that it rests on, nil for none.
// The effect is the table's: a name has one. The format is a constant, for the
// catalogues to find it; so are those of what it is given as phrases.
func (f *findings) add(name string, on *uint64, format string, a ...any) {
	m, known := meanings[name]
	if !known {
		panic("recognition: no meaning for reason " + name) // names are constants; TestNames compares them with the table
	}
	said := say(format, a...)
	f.reasons = append(f.reasons, Reason{
		Name: name, Effect: m.Effect, Message: said.String(), Statement: on, Code: f.code, said: said,
	})
}

// maxTold bounds the reasons of one name, for one code, of which an authority can
// bring about any number: special cases that fit, and rules that are not met. Those
// that are told weigh as much as all of them would, since all have one effect.
const maxTold = 8

// sparing adds reasons of one sort, and no more than maxTold of a name. What a
// special case may overrule is of another sort than what it may not.
type sparing struct {
	f     *findings
	names []string // of which there were any, in their order
	count []int    // of each name
}

// add is findings.add, and reports whether the reason is told.
func (s *sparing) add(name string, on *uint64, format string, a ...any) bool {
	i := slices.Index(s.names, name)
	if i < 0 {
		i = len(s.names)
		s.names, s.count = append(s.names, name), append(s.count, 0)
	}
	s.count[i]++
	if s.count[i] > maxTold {
		return false
	}
	s.f.add(name, on, format, a...)
	return true
}

// leftOut says what was not told.
func (s *sparing) leftOut() {
	for i, name := range s.names {
		if n := s.count[i] - maxTold; n > 0 {
			s.f.add(ReasonsLeftOut, nil, "%d more reasons like these are left out here: %s.", n, name)
			s.f.reasons[len(s.f.reasons)-1].Detail = name
		}
	}
}

// count counts the reasons that have an effect and that nothing overrules.
func (f *findings) count(e Effect) int {
	n := 0
	for _, r := range f.reasons {
		if r.Effect == e && r.Overruled == "" {
			n++
		}
	}
	return n
}

// at gives an index as a reason holds it.
func at(index uint64) *uint64 { return &index }

// overrule marks the reasons of the names that a special case overrules (SC3),
// unless another has already.
func overrule(reasons []Reason, name string) {
	for i := range reasons {
		if r := &reasons[i]; overrulable[r.Name] && r.Overruled == "" {
			r.Overruled = name
		}
	}
}

// phrase is a part of a sentence.
type phrase = sentence.Sentence

// say makes a phrase. Its format is a constant, for the catalogues to find it.
func say(format string, args ...any) phrase { return sentence.New(format, args...) }

// because appends a stated reason and its legal ground to a sentence.
func because(stated, legalRef string) phrase {
	switch {
	case stated == "" && legalRef == "":
		return phrase{}
	case legalRef == "":
		return say(", because: %q", stated)
	case stated == "":
		return say(" (%s)", legalRef)
	}
	return say(", because: %q (%s)", stated, legalRef)
}

// window appends a window to a sentence.
func window(from, until statement.Time) phrase {
	switch {
	case from == 0 && until == 0:
		return phrase{}
	case until == 0:
		return say(" from %s", from)
	case from == 0:
		return say(" until %s", until)
	}
	return say(" from %s until %s", from, until)
}

// kindName is a kind of code in a sentence.
func kindName(k statement.CodeKind) phrase {
	switch k {
	case statement.Vaccination:
		return say("vaccination")
	case statement.Test:
		return say("test")
	case statement.Recovery:
		return say("recovery")
	case statement.Health:
		return say("health")
	case statement.Itinerary:
		return say("itinerary")
	}
	return say("%s", k)
}

// kindsOf says which codes a list of kinds stands for.
func kindsOf(kinds []statement.CodeKind) phrase {
	if len(kinds) == 0 {
		return say("codes of every kind")
	}
	names := make([]phrase, len(kinds))
	for i, k := range kinds {
		names[i] = kindName(k)
	}
	return say("%s codes", sentence.Join(names...))
}

// codesOf says which codes terms stand for.
func codesOf(t *state.Terms) phrase {
	kinds := kindsOf(t.Kinds)
	switch {
	case len(t.Formats) == 0 && len(t.Algorithms) == 0:
		return kinds
	case len(t.Algorithms) == 0:
		return say("%s of format %s", kinds, listed(t.Formats))
	case len(t.Formats) == 0:
		return say("%s signed with %s", kinds, listed(t.Algorithms))
	}
	return say("%s of format %s signed with %s", kinds, listed(t.Formats), listed(t.Algorithms))
}

// listed is a list of names in a sentence.
func listed[T ~string](names []T) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = string(n)
	}
	return strings.Join(all, ", ")
}
