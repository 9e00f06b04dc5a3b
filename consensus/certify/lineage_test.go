package certify

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// TestNewLineage: a majority lost its disks, and more; a recovery begins another
// log where one still has the ledger. Those who go on sign it at once; nobody
// signs it who was started for the log before, and notes of either harm nobody.
func TestNewLineage(t *testing.T) {
	inEras(t, 95, "XA XB XC XD", func(t *testing.T, w *world) {
		up := []string{"XA", "XB", "XC", "XD"}
		w.start(up...)
		first := w.grow(2)
		w.final(first.size, up...)
		w.grow(3) // final too, perhaps; the survivor knows
		w.final(5, "XA")
		for _, id := range up[1:] {
			w.members[id].wiped()
			w.members[id].ledger, w.members[id].kept = nil, nil
		}
		w.members["XA"].stop()
		const origin = testOrigin + "/2"
		recovery := w.next(w.chain, origin, setOf(up...))
		for _, id := range up {
			m := w.members[id]
			if id == "XD" {
				continue // it was not told yet
			}
			m.origin, m.joins = origin, true
			m.ledger = openLedger(t, w.doc, m.fs)
			c := m.config()
			if id == "XC" {
				continue // and here nobody applied the recovery: it cannot know what it has signed
			}
			if err := BeginLineage(c); err != nil {
				t.Fatal(err)
			}
		}
		w.start(up...)
		w.apply(up...)
		w.wait("XD says why it does not sign", func() bool {
			return contains(w.members["XD"].cert.Status().Why, "started for \"test.example\": start it again")
		})
		time.Sleep(5 * time.Second)
		if got := finalSize(w.members["XA"].cert); got >= recovery.size {
			t.Errorf("size %d is final by two of four", got)
		}
		w.members["XD"].stop()
		w.members["XD"].origin = origin
		w.members["XD"].disk = newMemDisk()
		if err := BeginLineage(w.members["XD"].config()); err != nil {
			t.Fatal(err)
		}
		w.start("XD")
		w.final(recovery.size, up...)
		w.wait("XC signs too", func() bool { return len(w.members["XA"].cert.Final().Cosigners()) == 4 })
		if x := w.members["XA"].cert.Final().Checkpoint(); x.Origin != origin {
			t.Errorf("the origin is %q", x.Origin)
		}
	})
}

// TestSignerLineages: what was signed in a lineage binds in it alone, and nothing
// is signed for an earlier one.
func TestSignerLineages(t *testing.T) {
	d := newMemDisk()
	s := mustSigner(t, signerConfig(d))
	open := func(origin string) *signer {
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		c := signerConfig(d)
		c.Origin = origin
		s = mustSigner(t, c)
		if err := s.begin(true, false); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if _, err := s.sign(markAt(10, "a"), dawn, testVoice); err != nil {
		t.Fatal(err)
	}
	if out, err := open(testOrigin+"/2").sign(markAt(5, "b"), dawn, testVoice); err != nil || !strings.Contains(out.lines[0], testOrigin+"/2/XA") {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := open(testOrigin).sign(markAt(20, "a"), dawn, testVoice); !errors.Is(err, errWouldFork) || s.last.later != testOrigin+"/2" {
		t.Errorf("the first lineage again: %v", err)
	}
	if _, err := open(testOrigin+"/2").sign(markAt(5, "a"), dawn, testVoice); !errors.Is(err, errWouldFork) {
		t.Errorf("the second lineage forgot: %v", err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]error{testOrigin: ErrConfig, testOrigin + "/2": ErrSignerFile, testOrigin + "/3": nil} {
		c := signerConfig(d)
		c.Origin = origin
		if err := BeginLineage(c); !errors.Is(err, want) {
			t.Errorf("%s begins: %v", origin, err)
		}
	}
	other := signerConfig(d)
	other.Origin = "other.example/3"
	if _, err := openSigner(other); !errors.Is(err, ErrSignerFile) {
		t.Errorf("another network's: %v", err)
	}
}

// TestSignerFirstFormat: a file of the first format is read as it is.
func TestSignerFirstFormat(t *testing.T) {
	d := newMemDisk()
	s := mustSigner(t, signerConfig(d))
	want, err := s.sign(markAt(10, "a"), dawn, testVoice)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	content, err := unseal(d.names["keys/signer"].data)
	if err != nil {
		t.Fatal(err)
	}
	var f map[string]any
	if err := json.Unmarshal(content, &f); err != nil {
		t.Fatal(err)
	}
	f["format"] = signerFormatV1
	delete(f, "origin")
	if content, err = json.Marshal(f); err != nil {
		t.Fatal(err)
	}
	d.names["keys/signer"].data = seal(content)
	s = mustSigner(t, signerConfig(d))
	if s.last.mark != want.mark || s.last.time != want.time || strings.Join(s.last.lines, "") != strings.Join(want.lines, "") || s.last.quarantine {
		t.Errorf("read as %+v", s.last)
	}
}

// TestSignerBothKeys: all lines are kept, those of each key; a quarantine of one
// key leaves the next one in doubt until others vouch for it.
func TestSignerBothKeys(t *testing.T) {
	d := newMemDisk()
	c := signerConfig(d)
	c.Former = []Keys{{c.Cosign, c.Node}}
	c.Cosign, c.Node = testKey("XA/cosign2"), testKey("XA/node2")
	by := checkpoint.Electorate{Origin: testOrigin, Sets: []checkpoint.Validators{setOf("XA", "XB"), setOf("XA/2", "XB")}}
	both, err := c.voice(by, nil)
	if err != nil || len(both.cosign) != 2 || len(both.node) != 2 {
		t.Fatalf("%+v, %v", both, err)
	}
	s := mustSigner(t, c)
	if out, err := s.sign(markAt(10, "a"), dawn, both); err != nil || len(out.lines) != 4 {
		t.Fatalf("%+v, %v", out, err)
	}
	if again := mustSigner(t, func() Config { d.locked = map[string]bool{}; return c }()); len(again.last.lines) != 4 {
		t.Errorf("%d lines are kept", len(again.last.lines))
	}
	if only, err := c.voice(by, []string{string(publicOf(c.Former[0].Cosign))}); err != nil || len(only.cosign) != 1 || !only.cosign[0].Equal(c.Cosign) {
		t.Errorf("with a silent key: %+v, %v", only, err)
	}
	d = newMemDisk()
	one := signerConfig(d)
	s = mustSigner(t, one)
	if err := s.begin(true, false); err != nil {
		t.Fatal(err)
	}
	if err := s.hears(map[statement.Region]uint64{"XB": 7}); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	c.disk = d
	s = mustSigner(t, c)
	if !s.last.quarantine || s.last.heads["XB"] != 7 || len(s.last.silent) != 1 {
		t.Errorf("after the rotation: %+v", s.last)
	}
	if _, err := s.vindicate(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.sign(markAt(1, "a"), dawn, voice{both.cosign[:1], both.node[:1]}); err != nil {
		t.Error(err)
	}
}
