package witness

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// forged makes lines under one key's name and id that the key has not made.
func forged(t testing.TB, line string, n int) []string {
	t.Helper()
	name, sig, found := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "— "), " ")
	raw, err := base64.StdEncoding.DecodeString(sig)
	if !found || err != nil {
		t.Fatalf("%q is no line", line)
	}
	out := make([]string, n)
	for i := range out {
		raw[10], raw[11] = byte(i), byte(i>>8)
		out[i] = "— " + name + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
	}
	return out
}

// TestManyLines: whoever fills a note of the own network with lines makes us
// verify few of them, and none while the round is busy.
func TestManyLines(t *testing.T) {
	t.Parallel()
	l := newOutside(t, network)
	l.grow(t, 4, "one")
	cp := checkpoint.Checkpoint{Origin: network, Size: l.size, Root: l.root}
	o := &own{}
	var lines, cosigned []string
	for i := range 30 {
		id := statement.Region("X" + string(rune('A'+i/26)) + string(rune('A'+i%26)))
		node, cosign := testKey(string(id)+"/node"), testKey(string(id)+"/cosign")
		o.validators = append(o.validators, checkpoint.Validator{ID: id, Node: node.Public().(ed25519.PublicKey), Cosign: cosign.Public().(ed25519.PublicKey)})
		line, err := checkpoint.SignLog(cp, node)
		if err != nil {
			t.Fatal(err)
		}
		s, err := checkpoint.Cosign(cp, id, time.Unix(1_700_000_000, 0), cosign)
		if err != nil {
			t.Fatal(err)
		}
		lines, cosigned = append(lines, line), append(cosigned, s.Line)
	}
	c := config(t)
	c.Own = o
	w := open(t, c)
	show := func(lines ...string) answer {
		o.saw, o.asked = nil, 0
		return post(w, encodeRequest(0, nil, []byte(cp.Text()+"\n"+strings.Join(lines, ""))))
	}
	looked := func(want int) {
		t.Helper()
		if len(o.saw) != 1 || len(o.saw[0].Lines) != want {
			t.Errorf("looked at %d lines, want %d", len(o.saw[0].Lines), want)
		}
	}
	flood := forged(t, lines[0], 430)
	show(flood...).want(t, "430 lines of one key", http.StatusForbidden, "429 were not")
	looked(1)
	show(append(lines, cosigned...)...).want(t, "lines of 60 keys", http.StatusServiceUnavailable, "44 were not: to accuse their signers")
	looked(maxLooked)
	show(lines[3], lines[3]).want(t, "a line that is there twice", http.StatusServiceUnavailable, "ask again\n")
	looked(1)
	strange := forged(t, strings.Replace(lines[0], network, "other.test", 1), 5)
	show(append(strange, lines[29])...).want(t, "lines of witnesses first", http.StatusServiceUnavailable, "ask again\n")
	looked(1)

	o.says = fmt.Errorf("%w: in a test", ErrBusy)
	show(flood...).want(t, "430 lines, when busy", http.StatusServiceUnavailable, "in a test; ask again")
	if o.asked != 0 {
		t.Error("lines are verified while there is no time for them")
	}
	o.have, o.line = cp, cosigned[0]
	show(lines...).want(t, "what we have co-signed, when busy", http.StatusOK, o.line)
	show(flood...).want(t, "the same under a forged line", http.StatusForbidden, "no validator")
}

// counting counts what a log's key is asked to verify.
type counting struct {
	note.Verifier
	n *atomic.Int32
}

// Verify implements note.Verifier.
func (c counting) Verify(msg, sig []byte) bool {
	c.n.Add(1)
	return c.Verifier.Verify(msg, sig)
}

// TestManyKeys: a log that has more keys than we look at is still co-signed,
// and no request costs more.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	l := newOutside(t, "log.test/many")
	l.grow(t, 3, "one")
	c := config(t)
	c.Logs = []Log{{Origin: l.origin}}
	var keys []note.Verifier
	var lines []string
	var verified atomic.Int32
	for i := range 40 {
		skey, vkey, err := note.GenerateKey(seeded{fmt.Sprint("many ", i)}, l.origin)
		if err != nil {
			t.Fatal(err)
		}
		v, err := note.NewVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		one := *l
		one.skey = skey
		signed := string(one.sign(t, l.text()))
		keys, lines = append(keys, counting{v, &verified}), append(lines, signed[strings.Index(signed, "— "):])
		c.Logs[0].VKeys = append(c.Logs[0].VKeys, vkey)
	}
	w := open(t, c)
	w.logs[l.origin].keys = note.VerifierList(keys...)
	show := func(old uint64, lines ...string) answer {
		verified.Store(0)
		return post(w, encodeRequest(old, nil, []byte(l.text()+"\n"+strings.Join(lines, ""))))
	}
	strange := forged(t, strings.Replace(lines[0], l.origin, "other.test", 1), 200)
	w.cosigned(t, show(0, append(strange, lines...)...), l.text())
	if n := verified.Load(); n != maxLooked {
		t.Errorf("%d signatures were verified, want %d", n, maxLooked)
	}
	show(3, forged(t, lines[7], 500)...).want(t, "500 forged lines", http.StatusForbidden, "")
	if n := verified.Load(); n != 1 {
		t.Errorf("%d forged signatures were verified, want 1", n)
	}
	show(3, strange...).want(t, "strangers' lines alone", http.StatusForbidden, "no key that is known")
}

// slow takes its time to look at what it is shown.
type slow struct {
	*own
	begun, end chan struct{}
}

// Saw implements Own.
func (s slow) Saw(*checkpoint.Note) error {
	s.begun <- struct{}{}
	<-s.end
	return ErrBusy
}

// TestCrowd: few requests are judged at once. Others wait a moment for room, and
// are told to come later.
func TestCrowd(t *testing.T) {
	l := newOutside(t, network)
	l.grow(t, 4, "one")
	body := string(l.request(t, 0))
	c := config(t)
	synctest.Test(t, func(t *testing.T) {
		s := slow{&own{}, make(chan struct{}), make(chan struct{})}
		c.Own = s
		w := open(t, c)
		ask := func() *httptest.ResponseRecorder {
			rw := httptest.NewRecorder()
			w.ServeHTTP(rw, httptest.NewRequest("POST", "/add-checkpoint", strings.NewReader(body)))
			return rw
		}
		for range maxJudged {
			go ask()
			<-s.begun
		}
		began := time.Now()
		rw := ask()
		if rw.Code != http.StatusServiceUnavailable || rw.Header().Get("Retry-After") == "" || !strings.Contains(rw.Body.String(), "being judged already") {
			t.Errorf("one too many is answered %d %q", rw.Code, rw.Body)
		}
		if took := time.Since(began); took != patience {
			t.Errorf("it waited for %v, want %v", took, patience)
		}
		go ask()
		s.end <- struct{}{} // one is done
		<-s.begun           // and the next begins
		close(s.end)
		synctest.Wait()
	})
}
