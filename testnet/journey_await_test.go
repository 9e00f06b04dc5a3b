package testnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"concordat/client"
)

// awaitWithin is how long await waits unless it says otherwise.
const awaitWithin = 30 * time.Second

// await waits until a node is as is said: all of it at once.
//
//	await XE role=validator vouching within=60s
func (j *journey) await(args []string) (string, error) {
	if len(args) < 2 {
		return "", errors.New("want await REGION what…")
	}
	list, err := j.nodes(args[0])
	if err != nil {
		return "", err
	}
	within := awaitWithin
	var wants []string
	for _, a := range args[1:] {
		if text, is := strings.CutPrefix(a, "within="); is {
			if within, err = time.ParseDuration(text); err != nil {
				return "", err
			}
			continue
		}
		wants = append(wants, a)
	}
	ctx, cancel := context.WithTimeout(j.ctx, within)
	defer cancel()
	for _, n := range list {
		missing := "" // as it was last seen: a look that the end cuts short tells nothing
		for {
			now, err := j.lacks(ctx, n, wants)
			if err != nil {
				return "", err
			}
			if now == "" {
				break
			}
			if missing == "" || ctx.Err() == nil {
				missing = now
			}
			select {
			case <-ctx.Done():
				return "", fmt.Errorf("after %s %s is not so: %s", within, n.Region, missing)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return "", nil
}

// lacks gives the first of what is wanted that a node is not, with what it is.
func (j *journey) lacks(ctx context.Context, n *Node, wants []string) (string, error) {
	once, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	st, err := n.Client().Status(once)
	for _, w := range wants {
		name, value, _ := strings.Cut(w, "=")
		look, known := conditions[name]
		if !known {
			return "", fmt.Errorf("%q is no condition that there is", name)
		}
		if err != nil && !look.down {
			return fmt.Sprintf("%s: it does not answer: %v", w, err), nil
		}
		if is, ok := look.holds(j, once, n, st, value); !ok {
			return fmt.Sprintf("%s: it is %s", w, is), nil
		}
	}
	return "", nil
}

// condition is something that can be waited for. holds says what is, for people
// who wait in vain, and whether that is what was wanted.
type condition struct {
	down  bool // it can be so of a node that does not answer
	holds func(j *journey, ctx context.Context, n *Node, st client.Status, want string) (is string, ok bool)
}

func equals(f func(client.Status) string) condition {
	return condition{holds: func(_ *journey, _ context.Context, _ *Node, st client.Status, want string) (string, bool) {
		is := f(st)
		return fmt.Sprintf("%q", is), is == want
	}}
}

func truth(f func(client.Status) bool) condition {
	return condition{holds: func(_ *journey, _ context.Context, _ *Node, st client.Status, _ string) (string, bool) {
		return fmt.Sprintf("not, with %+v", st), f(st)
	}}
}

// conditions are what await knows.
var conditions = map[string]condition{
	"role":     equals(func(st client.Status) string { return st.Role }),
	"standing": equals(func(st client.Status) string { return st.Standing }),
	"leader":   equals(func(st client.Status) string { return st.Leader }),
	"lineage":  equals(func(st client.Status) string { return fmt.Sprint(st.Lineage) }),
	"held":     equals(func(st client.Status) string { return fmt.Sprint(st.Held) }),
	"term": {holds: func(_ *journey, _ context.Context, _ *Node, st client.Status, want string) (string, bool) {
		least, err := strconv.ParseUint(want, 10, 64)
		return fmt.Sprint(st.Term), err == nil && st.Term >= least
	}},
	// At least so many: a seal that the node made just before it was cut off waits too.
	"holding": {holds: func(_ *journey, _ context.Context, _ *Node, st client.Status, want string) (string, bool) {
		least, err := strconv.Atoi(want)
		return fmt.Sprint(st.Held), err == nil && st.Held >= least
	}},
	"quorum":   truth(func(st client.Status) bool { return st.Quorum }),
	"noquorum": truth(func(st client.Status) bool { return !st.Quorum }),
	"vouching": truth(func(st client.Status) bool { return st.Vouching }),
	"final":    truth(func(st client.Status) bool { return st.Size > 0 && st.Final.Size == st.Size }),
	// A node that waits to be admitted, or catches up, says for what.
	"waits": {holds: func(_ *journey, _ context.Context, _ *Node, st client.Status, want string) (string, bool) {
		if st.CatchingUp == nil {
			return fmt.Sprintf("waiting for nothing; its problems are %+v", st.Problems), false
		}
		return fmt.Sprintf("%+v", st.CatchingUp), strings.Contains(st.CatchingUp.Phase+": "+st.CatchingUp.Waiting, want)
	}},
	"problem": {holds: func(_ *journey, _ context.Context, _ *Node, st client.Status, want string) (string, bool) {
		return fmt.Sprintf("%+v", st.Problems), slices.ContainsFunc(st.Problems, func(p client.Problem) bool { return p.Name == want })
	}},
	"says": {holds: func(_ *journey, _ context.Context, _ *Node, st client.Status, want string) (string, bool) {
		return fmt.Sprintf("%+v", st.Problems), slices.ContainsFunc(st.Problems, func(p client.Problem) bool {
			return strings.Contains(p.Message, want) || strings.Contains(p.Hint, want)
		})
	}},
	"well": {holds: func(_ *journey, _ context.Context, _ *Node, st client.Status, _ string) (string, bool) {
		return fmt.Sprintf("%+v, vouching: %t, catching up: %+v", st.Problems, st.Vouching, st.CatchingUp), len(st.Problems) == 0 && st.CatchingUp == nil
	}},
	"cosigned": {holds: func(_ *journey, _ context.Context, _ *Node, st client.Status, want string) (string, bool) {
		is := strings.Join(st.Final.Cosigners, ",")
		for r := range strings.SplitSeq(want, ",") {
			if !slices.Contains(st.Final.Cosigners, r) {
				return is, false
			}
		}
		return is, true
	}},
	"peers": {holds: func(_ *journey, _ context.Context, n *Node, st client.Status, want string) (string, bool) {
		var there []string
		for _, p := range st.Peers {
			if p.Connected {
				there = append(there, p.Region)
			}
		}
		slices.Sort(there)
		// One list can be given for several nodes: each is connected to the others.
		others := slices.DeleteFunc(strings.Split(want, ","), func(r string) bool { return r == n.Region || r == "" })
		return fmt.Sprintf("%v", there), slices.Equal(there, others)
	}},
	"expiring": {holds: func(_ *journey, _ context.Context, _ *Node, st client.Status, want string) (string, bool) {
		return fmt.Sprintf("%+v", st.Expiring), slices.ContainsFunc(st.Expiring, func(e client.Expiring) bool { return e.What == want })
	}},
	// Its ledger has what another's has.
	"with": {holds: func(j *journey, ctx context.Context, n *Node, st client.Status, want string) (string, bool) {
		other, err := j.node(want)
		if err != nil {
			return err.Error(), false
		}
		o, err := other.Client().Status(ctx)
		return fmt.Sprintf("of size %d beside %d", st.Size, o.Size), err == nil && st.Size == o.Size && st.Root == o.Root
	}},
	"ready": {holds: func(_ *journey, ctx context.Context, n *Node, _ client.Status, _ string) (string, bool) {
		err := n.Client().Ready(ctx)
		return fmt.Sprint(err), err == nil
	}},
	"metric": {holds: func(_ *journey, ctx context.Context, n *Node, _ client.Status, want string) (string, bool) {
		body, err := fetch(ctx, n.HTTP+"/metrics")
		if err != nil {
			return err.Error(), false
		}
		var near []string
		for line := range strings.SplitSeq(body, "\n") {
			if strings.HasPrefix(line, want) {
				return line, true
			}
			if name, _, _ := strings.Cut(want, "{"); strings.HasPrefix(line, name) {
				near = append(near, line)
			}
		}
		return fmt.Sprint(near), false
	}},
	"pending": {holds: func(_ *journey, ctx context.Context, n *Node, _ client.Status, want string) (string, bool) {
		body, err := fetch(ctx, n.HTTP+"/v1/pending")
		if err != nil {
			return err.Error(), false
		}
		return body, strings.Contains(body, want)
	}},
	"log": {down: true, holds: func(_ *journey, _ context.Context, n *Node, _ client.Status, want string) (string, bool) {
		return n.LogTail(5), strings.Contains(n.LogTail(400), want)
	}},
	"ended": {down: true, holds: func(_ *journey, _ context.Context, n *Node, _ client.Status, _ string) (string, bool) {
		return "running", !n.Running()
	}},
}

func fetch(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return string(b), err
}

// same waits until nodes have one ledger, to the root.
//
//	same XA,XB,XC
func (j *journey) same(args []string) (string, error) {
	if len(args) != 1 {
		return "", errors.New("want same REGIONS")
	}
	list, err := j.nodes(args[0])
	if err != nil {
		return "", err
	}
	s := &story{net: &Network{Nodes: list}}
	_, err = s.sameLedgers(j.ctx)
	return "", err
}

// load has work go on in the background: statements of those regions, sent
// through all nodes. What is acknowledged is remembered.
//
//	load start XA,XB
//	load goes-on
//	load stop
func (j *journey) load(args []string) (string, error) {
	switch {
	case len(args) == 2 && args[0] == "start" && j.work == nil:
		list, err := j.nodes(args[1])
		if err != nil {
			return "", err
		}
		j.work = newChoir(j.ctx, j.net.ID)
		j.work.at(j.running())
		for _, n := range list {
			j.work.join(n)
		}
		return "", j.work.more("at all")
	case len(args) == 1 && args[0] == "goes-on" && j.work != nil:
		return "", j.work.more("on")
	case len(args) == 1 && args[0] == "stop" && j.work != nil:
		return "", j.work.stop()
	}
	return "", errors.New("want load start REGIONS, then load goes-on or load stop")
}

// lost looks for every acknowledged statement in the ledger of every node that
// takes part, at its index.
//
//	lost nothing
func (j *journey) lost(args []string) (string, error) {
	if len(args) != 1 || args[0] != "nothing" || j.work == nil {
		return "", errors.New("want lost nothing, after load")
	}
	n, err := j.work.lostNothing(j.ctx, j.running())
	if err == nil && n == 0 {
		err = errors.New("nothing was acknowledged")
	}
	return "", err
}

// certified verifies every certified checkpoint that any node has shown so far,
// with the genesis alone, as a node's bundle proves who the validators were.
//
//	certified XA
func (j *journey) certified(args []string) (string, error) {
	return each(func(n *Node) error {
		if err := j.seen.judge(j.ctx, n); err != nil {
			return err
		}
		_, err := j.seen.prove(j.ctx, n)
		return err
	})(j, args)
}
