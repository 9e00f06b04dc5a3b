package testnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"concordat/testnet/links"
)

// journeyWithin bounds one scenario, whatever its steps may wait for.
const journeyWithin = 3 * time.Minute

// atOnce is how many scenarios are played at the same time: most of what their
// nodes do is to wait for one another.
const atOnce = 3

// TestJourneys plays the scenarios of testdata/journeys, each on a network of
// its own, of real processes. testdata/journeys.md says how to read and
// to write them; go test -run TestJourneys -rewrite writes what was said.
func TestJourneys(t *testing.T) {
	datadriven.Walk(t, "testdata/journeys", func(t *testing.T, path string) {
		takeTurn(t)
		play(t, path)
	})
}

// turns are taken by what is played at the same time.
var turns = make(chan struct{}, atOnce)

// takeTurn runs a test beside others, once it is its turn.
func takeTurn(t *testing.T) {
	t.Helper()
	t.Parallel()
	turns <- struct{}{}
	t.Cleanup(func() { <-turns })
}

// TestTwoLevels plays an upgrade: an old binary and a new one in one network,
// until the vote raises the protocol level.
func TestTwoLevels(t *testing.T) {
	takeTurn(t)
	play(t, "testdata/levels/two-levels.txt")
}

// play plays one scenario.
func play(t *testing.T, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), journeyWithin)
	defer cancel()
	j := &journey{ctx: ctx, t: t, dir: t.TempDir(), began: time.Now()}
	t.Cleanup(j.end)
	datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
		t.Helper()
		out, err := j.block(d)
		if err != nil {
			t.Fatal(err)
		}
		return out
	})
}

// journey is one scenario that is being played.
type journey struct {
	ctx   context.Context
	t     *testing.T
	dir   string // everything of it is here
	began time.Time

	net    *Network
	links  *links.Links
	seen   *notes
	work   *choir
	paused map[*Node]bool
	apart  map[*Node]bool // cut off
}

// How much of what commands say is shown.
const (
	quiet   = "do"   // nothing, and each has to succeed
	results = "show" // what goes to standard output, and of one that fails why, with its exit code
	all     = "read" // what a person reads who is asked for a yes, too
)

// block plays the steps of one block. An error names the line.
func (j *journey) block(d *datadriven.TestData) (string, error) {
	file, after, _ := strings.Cut(d.Pos, ".txt:")
	line, err := strconv.Atoi(after)
	if err != nil {
		return "", fmt.Errorf("%s: no line: %w", d.Pos, err)
	}
	if d.Cmd != quiet && d.Cmd != results && d.Cmd != all {
		return "", fmt.Errorf("%s: %q is not understood: a block begins with do, show or read", d.Pos, d.Cmd)
	}
	var said strings.Builder
	for text := range strings.SplitSeq(d.Input, "\n") {
		line++
		if text = strings.TrimSpace(text); text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		began := time.Now()
		out, err := j.step(text, d.Cmd)
		if err != nil {
			return "", fmt.Errorf("%s.txt:%d: %s: %w", file, line, text, err)
		}
		j.t.Logf("%6.2fs %6.2fs line %d: %s", time.Since(j.began).Seconds(), time.Since(began).Seconds(), line, text)
		if d.Cmd != quiet {
			j.t.Logf("%s", out)
			said.WriteString(j.normal(out))
		}
	}
	if d.Cmd == quiet {
		return "ok\n", nil
	}
	return said.String(), nil
}

// errUnknownStep: a line of a scenario is none that there is.
var errUnknownStep = errors.New("no such step; testdata/journeys.md lists them")

// step plays one line, and gives what it says.
func (j *journey) step(text, how string) (string, error) {
	words, err := split(text)
	if err != nil {
		return "", err
	}
	if who, is := strings.CutSuffix(words[0], ":"); is {
		return j.operator(who, words[1:], how)
	}
	f, known := steps[words[0]]
	if !known {
		return "", errUnknownStep
	}
	if j.net == nil && words[0] != "up" {
		return "", errors.New("there is no network yet; begin with up")
	}
	args, err := j.expandAll(words[1:])
	if err != nil {
		return "", err
	}
	out, err := f(j, args)
	if j.work != nil {
		j.work.at(j.running())
	}
	return out, err
}

// steps are what a scenario may say, beside commands of operators.
var steps = map[string]func(*journey, []string) (string, error){
	"up": (*journey).up, "init": (*journey).init, "renew": (*journey).renew, "run": (*journey).run, "start": (*journey).start,
	"stop": each((*Node).Stop), "kill": each((*Node).Kill), "pause": (*journey).pause, "resume": (*journey).resume,
	"restart": (*journey).restart, "wipe": (*journey).wipe, "copy": (*journey).copy, "move": (*journey).move, "leave": (*journey).leave,
	"cut": (*journey).cut, "heal": (*journey).heal, "clock": (*journey).clock, "binary": (*journey).binary, "set": (*journey).set,
	"await": (*journey).await, "same": (*journey).same, "load": (*journey).load, "lost": (*journey).lost, "certified": (*journey).certified,
	"spoil": (*journey).spoil,
}

// split parts a line into words as a shell does; only quotes are special.
func split(text string) (words []string, err error) {
	var word strings.Builder
	in, quote := false, rune(0)
	for _, r := range text {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			in, quote = true, r
		case r == ' ' || r == '\t':
			if in {
				words = append(words, word.String())
				word.Reset()
			}
			in = false
		default:
			in = true
			word.WriteRune(r)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote %c is not closed", quote)
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}

// operator runs a command as the operator of a region: with its directory and at
// its node, where the command takes either. "outside" is nobody in particular.
// The leader is whoever leads now. `| grep PATTERN` at the end leaves the lines
// that match.
func (j *journey) operator(who string, words []string, how string) (string, error) {
	args, err := j.expandAll(words)
	if err != nil {
		return "", err
	}
	var only *regexp.Regexp
	if n := len(args) - 3; n > 0 && args[n] == "|" && args[n+1] == "grep" {
		if only, err = regexp.Compile(args[n+2]); err != nil {
			return "", err
		}
		args = args[:n]
	}
	binary := command
	if who != "outside" {
		n, err := j.operated(who)
		if err != nil {
			return "", err
		}
		binary = n.command()
		takes, err := flagsOf(j.ctx, binary, args)
		if err != nil {
			return "", err
		}
		for _, f := range [][]string{{"--dir", n.Dir}, {"--node", n.HTTP}, {"--yes"}} {
			offline := f[0] == "--node" && args[0] == "recover" // those who survived do not run
			if takes[f[0]] && !slices.Contains(args, f[0]) && !offline {
				args = append(args, f...)
			}
		}
	}
	cmd := exec.CommandContext(j.ctx, binary, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	said := out.String()
	if how == all {
		said = errs.String() + said
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit) && how != quiet && exit.Exited():
		if _, why, told := strings.Cut(errs.String(), "concordat: "); told && how == results {
			said += "concordat: " + why
		}
		said += fmt.Sprintf("[exit %d]\n", exit.ExitCode())
	default:
		return "", fmt.Errorf("%w\n%s%s", err, errs.String(), out.String())
	}
	if only == nil {
		return said, nil
	}
	var lines []string
	for line := range strings.Lines(said) {
		if only.MatchString(line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, ""), nil
}

// helps are the flags of commands, by binary and command.
var helps = struct {
	sync.Mutex
	flags map[string]map[string]bool
}{flags: map[string]map[string]bool{}}

// flagsOf asks a command's help which of the flags it takes that every operator gives.
func flagsOf(ctx context.Context, binary string, args []string) (map[string]bool, error) {
	end := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "-") })
	if end < 0 {
		end = len(args)
	}
	end = min(end, 2) // no command has more words
	name := binary + " " + strings.Join(args[:end], " ")
	helps.Lock()
	defer helps.Unlock()
	if f := helps.flags[name]; f != nil {
		return f, nil
	}
	out, err := exec.CommandContext(ctx, binary, append(slices.Clone(args[:end]), "--help")...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%v --help: %w\n%s", args[:end], err, out)
	}
	f := map[string]bool{}
	_, flags, _ := strings.Cut(string(out), "\nFlags:")
	for _, w := range strings.Fields(flags) {
		if strings.HasPrefix(w, "--") {
			f[strings.TrimRight(w, ",")] = true
		}
	}
	helps.flags[name] = f
	return f, nil
}

// node is the node of a region.
func (j *journey) node(region string) (*Node, error) {
	if j.net == nil {
		return nil, errors.New("there is no network yet; begin with up")
	}
	if n := j.net.Node(region); n != nil {
		return n, nil
	}
	return nil, fmt.Errorf("there is no node of %q", region)
}

// operated is the node of an operator.
func (j *journey) operated(who string) (*Node, error) {
	if who == "leader" && j.net != nil {
		return j.net.Leader(j.ctx)
	}
	return j.node(who)
}

// nodes are those of a list of regions; "all" are those that run.
func (j *journey) nodes(list string) (out []*Node, err error) {
	if list == "all" {
		return j.running(), nil
	}
	for region := range strings.SplitSeq(list, ",") {
		n, err := j.node(region)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// running are the nodes that run and can be spoken with by all.
func (j *journey) running() (out []*Node) {
	for _, n := range j.net.Nodes {
		if n.Running() && !j.paused[n] && !j.apart[n] {
			out = append(out, n)
		}
	}
	return out
}

// end stops everything, and shows the end of every log if the scenario failed.
func (j *journey) end() {
	if j.work != nil {
		_ = j.work.stop() // load stop says what was wrong; here something else was, or nobody asked
	}
	if j.net != nil {
		for n := range j.paused {
			_ = n.Resume() // it may be gone; Stop tells
		}
		if err := j.net.Stop(); err != nil {
			j.t.Errorf("stopping: %v", err)
		}
	}
	if j.links != nil {
		j.links.Close()
	}
	if j.net != nil && j.t.Failed() {
		for _, n := range j.net.Nodes {
			j.t.Logf("log of %s (%s) ends with\n%s", n.Region, n.Dir, n.LogTail(12))
		}
	}
}
