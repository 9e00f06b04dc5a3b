package testnet

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/client"
)

// TestGrowthAndReplacement is the promise that a network outlives its members:
// from four validators it grows to seven, each of the founders is replaced under
// continuous load, every key of those who are left is rotated, and four are left,
// none of whom the genesis names. Nothing that was acknowledged is lost, every
// checkpoint that any node has shown is certified by those who were validators at
// its size, and who has only the genesis verifies the last receipt.
func TestGrowthAndReplacement(t *testing.T) {
	takeTurn(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	j := &journey{ctx: ctx, t: t, dir: t.TempDir(), began: time.Now()}
	t.Cleanup(j.end)
	g := &growth{journey: j, t: t}

	g.do("up XA,XB,XC,XD")
	g.validators = []string{"XA", "XB", "XC", "XD"}
	g.do("load start XA,XB,XC,XD")
	for _, r := range []string{"XE", "XF", "XG"} {
		g.admit(r)
	}
	if len(g.validators) != 7 {
		t.Fatalf("the validators are %v, want seven", g.validators)
	}
	g.expel("XA")
	g.expel("XB")
	g.admit("XH")
	g.expel("XC")
	g.expel("XD")
	for _, r := range g.validators {
		g.rotate(r)
	}
	g.do("load goes-on")
	g.do("load stop")
	if want := []string{"XE", "XF", "XG", "XH"}; !slices.Equal(g.validators, want) {
		t.Fatalf("the validators are %v, want %v", g.validators, want)
	}
	g.do("await XE,XF,XG,XH well vouching final")
	g.do("await XE cosigned=XE,XF,XG,XH")
	g.do("lost nothing")
	t.Logf("%d statements were acknowledged", j.work.count())
	g.do("certified XE,XF,XG,XH")
	for _, r := range g.validators {
		g.do("outside: audit --node $" + r + ".url --genesis $genesis")
	}
	// The verifier has the genesis, in which nobody is who vouches now.
	g.do("XE: receipt get $newest --out $tmp/receipt")
	g.do("outside: receipt verify $tmp/receipt --genesis $genesis")
	g.do("outside: bundle get --node $XH.url --genesis $genesis --out $tmp/bundle")
	g.do("outside: bundle verify $tmp/bundle --genesis $genesis")
	noEvidence(t, &Network{Nodes: j.running()})
}

// growth drives a journey by code where it is the same step again and again.
type growth struct {
	*journey
	t          *testing.T
	validators []string
}

func (g *growth) do(line string) {
	g.t.Helper()
	began := time.Now()
	for {
		_, err := g.step(line, quiet)
		if err == nil {
			break
		}
		// The validators change one at a time: who decides on the next change before
		// the last is handed over is told to come again.
		if !strings.Contains(err.Error(), "handover-pending") || time.Since(began) > 20*time.Second {
			g.t.Fatalf("%s: %v", line, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	g.t.Logf("%6.2fs %6.2fs %s", time.Since(g.began).Seconds(), time.Since(began).Seconds(), line)
}

// carry has members vote yes, one after the other, until the newest proposal is
// decided; whoever proposed it has done so.
func (g *growth) carry(electors []string) {
	g.t.Helper()
	for _, r := range electors[1:] {
		g.do(r + ": vote yes $proposal")
		n, err := g.node(r)
		if err != nil {
			g.t.Fatal(err)
		}
		open, err := n.Client().Proposals(g.ctx, client.ProposalQuery{Status: client.ProposalOpen})
		if err != nil {
			g.t.Fatal(err)
		}
		if len(open.Proposals) == 0 {
			return
		}
	}
	g.t.Fatal("all have said yes, and the proposal is open")
}

func (g *growth) admit(r string) {
	g.t.Helper()
	g.do("init " + r)
	g.do("run " + r + " join=" + g.validators[len(g.validators)-1])
	g.do("await " + r + " waits=\"" + r + " is not proposed yet\"")
	g.do(g.validators[0] + ": propose admit $" + r + ".descriptor --role validator --reason 'the network grows'")
	g.carry(g.validators)
	g.do("await " + r + " role=validator vouching well within=40s")
	g.validators = append(g.validators, r)
	n, err := g.node(r)
	if err != nil {
		g.t.Fatal(err)
	}
	g.work.join(n)
}

func (g *growth) expel(r string) {
	g.t.Helper()
	n, err := g.node(r)
	if err != nil {
		g.t.Fatal(err)
	}
	g.work.leave(n)
	g.validators = slices.DeleteFunc(g.validators, func(v string) bool { return v == r })
	g.do(g.validators[0] + ": propose expel " + r + " --reason 'its agreement has ended'")
	g.carry(g.validators)
	g.do("await " + r + " standing=expelled within=40s")
	g.do("leave " + r)
	g.do("load goes-on")
}

// rotate replaces the four keys of an authority. It speaks at another's node, as
// its own starts anew with each.
func (g *growth) rotate(r string) {
	g.t.Helper()
	var others []string
	for _, v := range g.validators {
		if v != r {
			others = append(others, v)
		}
	}
	at := " --node $" + others[0] + ".url"
	for _, key := range []string{"statement", "cosign", "node"} {
		g.do(r + ": authority rotate " + key + at)
		g.do("await " + r + " vouching well")
	}
	request := "$tmp/" + r + ".request"
	g.do(r + ": authority rotate governance --out " + request + at)
	g.do(others[0] + ": propose rotate " + r + " " + request + " --reason 'a new key'")
	g.carry(others)
	g.do(r + ": authority rotate governance --finish" + at)
	g.do("await " + r + " vouching well")
	g.do("load goes-on")
}
