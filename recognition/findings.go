package recognition

import (
	"fmt"
	"strings"

	"concordat/ledger/statement"
)

// findings collects reasons about one code, or about the whole.
type findings struct {
	code    *int
	reasons []Reason
}

// add appends a reason. on is the statement that it rests on, nil for none.
// The effect is the table's: a name has one.
func (f *findings) add(name string, on *uint64, format string, a ...any) {
	m, known := meanings[name]
	if !known {
		panic("recognition: no meaning for reason " + name) // names are constants; TestNames compares them with the table
	}
	f.reasons = append(f.reasons, Reason{
		Name: name, Effect: m.Effect, Message: fmt.Sprintf(format, a...), Statement: on, Code: f.code,
	})
}

// count counts the reasons that have an effect.
func (f *findings) count(e Effect) int {
	n := 0
	for _, r := range f.reasons {
		if r.Effect == e {
			n++
		}
	}
	return n
}

// at gives an index as a reason holds it.
func at(index uint64) *uint64 { return &index }

// because appends a stated reason to a sentence.
func because(stated string) string {
	if stated == "" {
		return ""
	}
	return fmt.Sprintf(", because: %q", stated)
}

// window appends a window to a sentence.
func window(from, until statement.Time) string {
	var s string
	if from != 0 {
		s += " from " + from.String()
	}
	if until != 0 {
		s += " until " + until.String()
	}
	return s
}

// kindsOf says which codes a list of kinds stands for.
func kindsOf(kinds []statement.CodeKind) string {
	if len(kinds) == 0 {
		return "codes of every kind"
	}
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return strings.Join(names, ", ") + " codes"
}
