package testnet

import (
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestJourneyFailsAtItsLine: a scenario that is wrong says where, and why.
func TestJourneyFailsAtItsLine(t *testing.T) {
	for _, c := range []struct{ cmd, input, want string }{
		{"do", "# what comes\n\nkill XA", "a/b.txt:10: kill XA: there is no network yet"},
		{"do", "jump XA", "a/b.txt:8: jump XA: no such step"},
		{"do", "XA: vote yes 'it", "a/b.txt:8: XA: vote yes 'it: a quote ' is not closed"},
		{"done", "", `a/b.txt:7: "done" is not understood`},
	} {
		j := &journey{ctx: t.Context(), t: t, dir: t.TempDir()}
		_, err := j.block(&datadriven.TestData{Pos: "a/b.txt:7", Cmd: c.cmd, Input: c.input})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.input, err, c.want)
		}
	}
}

func TestJourneyWords(t *testing.T) {
	got, err := split(`XA: propose admit  $XE.descriptor --reason 'a "new" one' --text="" ''`)
	want := []string{"XA:", "propose", "admit", "$XE.descriptor", "--reason", `a "new" one`, "--text=", ""}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// TestJourneyNormal: what differs between runs is out of what is compared, and
// what a person decides by is not.
func TestJourneyNormal(t *testing.T) {
	j := &journey{dir: "/scratch", net: &Network{Genesis: "/scratch/net/genesis.json", Nodes: []*Node{{Region: "XA", HTTP: "http://127.0.0.1:20001", Dir: "/scratch/net/XA"}}}}
	in := "statement 17, final after 203ms at http://127.0.0.1:20001 (/scratch/net/XA)\n\n" +
		"3 yes of the 4 that it needs, in 20 days; size 12 has root 0123456789abcdef…\n" +
		"/ip4/127.0.0.1/tcp/20003 at 2026-01-15T10:00:00Z, 15 statements; key AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	want := "statement ‹n›, final after ‹duration› at $XA.url ($XA)\n" +
		"3 yes of the 4 that it needs, in 20 days; size ‹n› has root ‹hex›\n" +
		"/ip4/127.0.0.1/tcp/‹port› at ‹time›, ‹n› statements; key ‹key›\n"
	if got := j.normal(in); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
