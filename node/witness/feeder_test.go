package witness

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// certifying is our own log, which its four validators certify as it grows.
type certifying struct {
	validators checkpoint.Validators

	mu      sync.Mutex
	log     *outside // for its tree
	newest  *checkpoint.Certified
	changed chan struct{}
}

func newCertifying(t testing.TB) *certifying {
	t.Helper()
	c := &certifying{log: newOutside(t, network), changed: make(chan struct{})}
	for _, id := range []statement.Region{"XA", "XB", "XC", "XD"} {
		c.validators = append(c.validators, checkpoint.Validator{
			ID: id, Cosign: testKey(string(id) + "/cosign").Public().(ed25519.PublicKey), Node: testKey(string(id) + "/node").Public().(ed25519.PublicKey),
		})
	}
	return c
}

// grow appends n statements and has three validators certify them.
func (c *certifying) grow(t testing.TB, n int, history string) *checkpoint.Certified {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log.grow(t, n, history)
	cp := checkpoint.Checkpoint{Origin: network, Size: c.log.size, Root: c.log.root}
	var lines []string
	for _, id := range []string{"XA", "XB", "XC"} {
		line, err := checkpoint.SignLog(cp, testKey(id+"/node"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := checkpoint.Cosign(cp, statement.Region(id), time.Unix(1_700_000_000, 0), testKey(id+"/cosign"))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line, s.Line)
	}
	certified, err := checkpoint.Assemble(cp, lines).Certify(c.validators)
	if err != nil {
		t.Fatal(err)
	}
	c.newest = certified
	close(c.changed)
	c.changed = make(chan struct{})
	return certified
}

// vkeys are the log's verifier keys.
func (c *certifying) vkeys() []string {
	var out []string
	for _, v := range c.validators {
		out = append(out, checkpoint.LogVKey(network, v.Node))
	}
	return out
}

// feed feeds witnesses quickly until the test ends.
func (c *certifying) feed(t testing.TB, to ...Outside) *Feeder {
	t.Helper()
	f, err := Feed(FeedConfig{
		Witnesses: to, LogKey: testKey("XB/node").Public().(ed25519.PublicKey),
		Newest:  func() *checkpoint.Certified { c.mu.Lock(); defer c.mu.Unlock(); return c.newest },
		Changed: func() <-chan struct{} { c.mu.Lock(); defer c.mu.Unlock(); return c.changed },
		Proof: func(old, size uint64) ([]merkle.Hash, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			return merkle.ConsistencyProof(c.log.tiles, old, size)
		},
		Every: 5 * time.Millisecond, Refresh: time.Hour, Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// until waits for something that a feeder does.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// neighbour is a node of another network that witnesses our log.
func neighbour(t testing.TB, name string, c *certifying, before func(http.ResponseWriter, *http.Request) bool) (*Witness, Outside) {
	t.Helper()
	w := open(t, Config{
		Origin: name, Authority: "ZA", Cosign: testKey(name), Dir: t.TempDir(), Logger: quiet,
		Logs: []Log{{Origin: network, VKeys: c.vkeys()}},
	})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case before != nil && before(rw, r):
		case r.URL.Path == "/log/add-checkpoint":
			w.ServeHTTP(rw, r)
		default:
			http.NotFound(rw, r)
		}
	}))
	t.Cleanup(server.Close)
	return w, Outside{VKey: w.VKey(), URL: server.URL + "/log/"}
}

// verify checks with torchwood that a certified note with the witnesses' lines
// is one that a reader of C2SP notes takes, with exactly these witnesses.
func verify(t testing.TB, of *checkpoint.Certified, lines []string, by ...Outside) {
	t.Helper()
	var known []note.Verifier
	for _, o := range by {
		v, err := torchwood.NewCosignatureVerifier(o.VKey)
		if err != nil {
			t.Fatal(err)
		}
		known = append(known, v)
	}
	n, err := note.Open(append(of.Note(), strings.Join(lines, "")...), note.VerifierList(known...))
	if err != nil {
		t.Fatalf("the note with %q: %v", lines, err)
	}
	if len(n.Sigs) != len(by) {
		t.Errorf("%d witnesses have co-signed, want %d", len(n.Sigs), len(by))
	}
}

func TestFeed(t *testing.T) {
	t.Parallel()
	c := newCertifying(t)
	_, one := neighbour(t, "one.test", c, nil)
	_, two := neighbour(t, "two.test", c, nil)
	f := c.feed(t, one, two)
	if of, lines := f.Witnessed(); of != nil || lines != nil {
		t.Errorf("before the first: %v, %v", of, lines)
	}
	for _, n := range []int{1, 5, 300} {
		certified := c.grow(t, n, "one")
		until(t, "both have co-signed", func() bool { return len(f.Lines(certified.Checkpoint())) == 2 })
		of, lines := f.Witnessed()
		if of.Checkpoint() != certified.Checkpoint() {
			t.Errorf("witnessed is %+v", of.Checkpoint())
		}
		verify(t, of, lines, one, two)
		if got := string(f.Note(certified)); got != string(certified.Note())+strings.Join(lines, "") {
			t.Errorf("the note with the witnesses' lines is %q", got)
		}
	}
	// One that knows nothing of what came before asks where the witness stands.
	again := c.feed(t, one)
	until(t, "a new feeder is up to date", func() bool { _, l := again.Witnessed(); return len(l) == 1 })
	if s := again.Status()[0]; s.Err != nil || s.Size != 306 || s.At.IsZero() || s.Name != "one.test/ZA" {
		t.Errorf("status is %+v", s)
	}
}

// TestFeedFaults: a witness that is down, lies or is set up wrongly holds up
// nobody, and recovers by itself.
func TestFeedFaults(t *testing.T) {
	t.Parallel()
	c := newCertifying(t)
	var down atomic.Bool
	down.Store(true)
	_, good := neighbour(t, "good.test", c, nil)
	_, late := neighbour(t, "late.test", c, func(rw http.ResponseWriter, _ *http.Request) bool {
		if down.Load() {
			rw.WriteHeader(http.StatusBadGateway)
		}
		return down.Load()
	})
	says := func(name string, status int, body string) Outside {
		_, o := neighbour(t, name, c, func(rw http.ResponseWriter, _ *http.Request) bool {
			rw.WriteHeader(status)
			_, _ = rw.Write([]byte(body))
			return true
		})
		return o
	}
	impostor, _ := neighbour(t, "impostor.test", c, nil)
	liar := says("liar.test", 200, "")
	_, forger := neighbour(t, "forger.test", c, func(rw http.ResponseWriter, _ *http.Request) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		line, err := checkpoint.CosignText("forger.test/ZA", c.newest.Checkpoint().Text(), time.Unix(1, 0), impostor.Cosign)
		if err != nil {
			t.Error(err)
		}
		_, _ = rw.Write([]byte(line))
		return true
	})
	endless := says("endless.test", 200, strings.Repeat("x", maxAnswer+1))
	ahead := says("ahead.test", 409, "1000\n")
	fork := says("fork.test", 422, "no")
	circle := says("circle.test", 409, "0\n")
	stranger := says("stranger.test", 404, "who?")
	f := c.feed(t, good, late, liar, forger, endless, ahead, fork, circle, stranger)
	certified := c.grow(t, 7, "one")
	until(t, "all have been asked", func() bool {
		for i, s := range f.Status() {
			if (s.Err == nil) != (i == 0) || i == 0 && s.Size != 7 {
				return false
			}
		}
		return true
	})
	for i, want := range map[int]error{2: checkpoint.ErrUnknownSigner, 3: checkpoint.ErrUnknownSigner, 6: ErrInconsistent, 7: ErrInconsistent} {
		if s := f.Status()[i]; !errors.Is(s.Err, want) || s.Since.IsZero() {
			t.Errorf("%s: %v, want %v", s.Name, s.Err, want)
		}
	}
	for i, want := range map[int]string{1: "502", 4: "more than", 5: "has not certified yet", 8: "does not witness this log"} {
		if s := f.Status()[i]; !strings.Contains(s.Err.Error(), want) {
			t.Errorf("%s: %v, want %q", s.Name, s.Err, want)
		}
	}
	verify(t, certified, f.Lines(certified.Checkpoint()), good)
	down.Store(false)
	until(t, "the late one has co-signed", func() bool { return len(f.Lines(certified.Checkpoint())) == 2 })
	if s := f.Status()[1]; s.Err != nil || !s.Since.IsZero() {
		t.Errorf("%s is well again, and says %v since %s", s.Name, s.Err, s.Since)
	}
}

// TestWrongConflict: a size that a witness only names, above ours or not of its
// history, is not believed for longer than one attempt.
func TestWrongConflict(t *testing.T) {
	t.Parallel()
	c := newCertifying(t)
	lie := func(size string) func(http.ResponseWriter, *http.Request) bool {
		var told atomic.Bool
		return func(rw http.ResponseWriter, _ *http.Request) bool {
			if told.Swap(true) {
				return false
			}
			rw.WriteHeader(http.StatusConflict)
			_, _ = rw.Write([]byte(size))
			return true
		}
	}
	_, above := neighbour(t, "above.test", c, lie("1000\n"))
	var refused atomic.Bool
	below := lie("3\n")
	_, within := neighbour(t, "within.test", c, func(rw http.ResponseWriter, r *http.Request) bool {
		if below(rw, r) {
			return true
		}
		if refused.Swap(true) {
			return false
		}
		rw.WriteHeader(http.StatusUnprocessableEntity) // of the size that it made up
		return true
	})
	f := c.feed(t, above, within)
	certified := c.grow(t, 7, "one")
	until(t, "both have co-signed", func() bool { return len(f.Lines(certified.Checkpoint())) == 2 })
	verify(t, certified, f.Lines(certified.Checkpoint()), above, within)
}

// Another history of ours is refused by a witness, and that is told apart from
// its being out of reach.
func TestFeedAnotherHistory(t *testing.T) {
	t.Parallel()
	c, rival := newCertifying(t), newCertifying(t)
	_, one := neighbour(t, "one.test", c, nil)
	f := c.feed(t, one)
	c.grow(t, 10, "one")
	until(t, "it has co-signed", func() bool { _, l := f.Witnessed(); return len(l) == 1 })
	other := rival.feed(t, one)
	rival.grow(t, 20, "two")
	until(t, "it has refused", func() bool { return errors.Is(other.Status()[0].Err, ErrInconsistent) })
}

// With many validators a request stays small, and has our own signature.
func TestFedLines(t *testing.T) {
	t.Parallel()
	cp := checkpoint.Checkpoint{Origin: network, Size: 1}
	var vs checkpoint.Validators
	var lines []string
	for i := range 30 {
		id := statement.Region("X" + string(rune('A'+i/26)) + string(rune('A'+i%26)))
		node, cosign := testKey(string(id)+"/node"), testKey(string(id)+"/cosign")
		vs = append(vs, checkpoint.Validator{ID: id, Node: node.Public().(ed25519.PublicKey), Cosign: cosign.Public().(ed25519.PublicKey)})
		line, err := checkpoint.SignLog(cp, node)
		if err != nil {
			t.Fatal(err)
		}
		s, err := checkpoint.Cosign(cp, id, time.Unix(1_700_000_000, 0), cosign)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line, s.Line)
	}
	certified, err := checkpoint.Assemble(cp, lines).Certify(vs)
	if err != nil {
		t.Fatal(err)
	}
	f := &Feeder{FeedConfig: FeedConfig{LogKey: vs[29].Node}}
	// A note that is served has as many lines as tools read, the validators' first.
	for i := range 2 * maxReadLines {
		f.fed = append(f.fed, &fed{of: certified, line: fmt.Sprintf("— witness.example/%d AAAAAAAA\n", i)})
	}
	if served := string(f.Note(certified)); !strings.HasPrefix(served, string(certified.Note())) || strings.Count(served, "\n— ") != maxReadLines {
		t.Errorf("a note is served with %d lines, want %d", strings.Count(served, "\n— "), maxReadLines)
	}
	got := f.logLines(certified)
	if by, err := vs.VerifyLog(cp, got[0]); err != nil || by != vs[29].ID || len(got) != maxFedLines {
		t.Errorf("%d lines, the first by %s: %v", len(got), by, err)
	}
}

func TestFeedConfig(t *testing.T) {
	t.Parallel()
	good := checkpoint.CosignerVKey("one.test", "ZA", testKey("one").Public().(ed25519.PublicKey))
	for what, ws := range map[string][]Outside{
		"a log's key": {{VKey: newOutside(t, "a.test").vkey, URL: "http://a.test"}},
		"no URL":      {{VKey: good, URL: "a.test"}},
		"one twice":   {{VKey: good, URL: "http://a.test"}, {VKey: good, URL: "http://b.test"}},
	} {
		if _, err := Feed(FeedConfig{Witnesses: ws}); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}
