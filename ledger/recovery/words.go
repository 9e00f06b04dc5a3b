package recovery

import (
	"fmt"
	"slices"
	"strings"

	"concordat/ledger/statement"
)

// Words says in sentences what the plan would do, for a person who has to decide
// whether to sign it.
func (f *File) Words() []string {
	var out []string
	say := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	say("network %s (%x…) goes on with a ledger of %d statements, root %x", f.Network, f.NetworkID[:8], f.Size, f.Root)
	say("whatever was ordered after them anywhere is void, and has to be said again")
	say("lineage %d begins: checkpoints are of the log %q from then on; those of %q beyond size %d count no more", f.Lineage, f.Log, f.PreviousLog, f.Size)
	going := slices.Clone(f.Validators)
	say("%s order and vouch from then on, alone", list(going))
	var leaving []statement.Region
	for _, e := range f.Electors {
		if !slices.Contains(going, e.Authority) {
			leaving = append(leaving, e.Authority)
		}
	}
	if len(leaving) > 0 {
		say("%s: validators no more; they can be voted in again", list(leaving))
	}
	say("the reason given: %q", f.Reason)
	say("made from the ledger of %s at %s; %s makes the block", f.MadeBy, f.MadeAt, f.Proposer)
	for _, finding := range f.Findings {
		say("held against: %s", finding)
	}
	signed := make([]statement.Region, len(f.Signatures))
	for i, s := range f.Signatures {
		signed[i] = s.Authority
	}
	say("signed by %s; %d of %s have to", list(signed), f.Needed(), list(electors(f.Electors)))
	return out
}

func electors(es []Elector) []statement.Region {
	out := make([]statement.Region, len(es))
	for i, e := range es {
		out[i] = e.Authority
	}
	return out
}

func list(ids []statement.Region) string {
	if len(ids) == 0 {
		return "nobody yet"
	}
	s := make([]string, len(ids))
	for i, id := range ids {
		s[i] = string(id)
	}
	return strings.Join(s, ", ")
}
