package checkpoint_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

var update = flag.Bool("update", false, "write the golden files anew; never after a release")

func TestQuorum(t *testing.T) {
	for n, want := range map[int]int{1: 1, 2: 2, 3: 3, 4: 3, 5: 4, 6: 5, 7: 5, 10: 7, 100: 67, 512: 342} {
		if got := make(checkpoint.Validators, n).Quorum(); got != want {
			t.Errorf("of %d: %d, want %d", n, got, want)
		}
	}
	for n := 1; n < 1000; n++ {
		q := make(checkpoint.Validators, n).Quorum()
		if q > n || 3*(2*q-n) <= n {
			t.Fatalf("of %d: two quorums of %d share only %d", n, q, 2*q-n)
		}
		if 3*(q-1) > 2*n {
			t.Fatalf("of %d: %d is more than it need be", n, q)
		}
	}
}

func TestGolden(t *testing.T) {
	vs := validators(4)
	c := at(1_000_000)
	lines := signedBy(t, c, vs[:3])
	witness, err := checkpoint.CosignText("witness.example/w1", c.Text(), start, testKey("witness"))
	if err != nil {
		t.Fatal(err)
	}
	got := certify(t, checkpoint.Assemble(c, append(lines, witness)), vs).Note()
	const path = "testdata/note.txt"
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s:\n%s", path, got)
	}
	n, err := checkpoint.ParseNote(want)
	if err != nil {
		t.Fatal(err)
	}
	certified := certify(t, n, vs)
	if certified.Checkpoint() != c || !slices.Equal(ids(certified.Cosigners()), []statement.Region{"GA", "GB", "GC"}) || !certified.Time().Equal(start) {
		t.Errorf("read %+v, %v, %v", certified.Checkpoint(), certified.Cosigners(), certified.Time())
	}
}

// K1 and K2 on random networks: a quorum certifies, nothing less does, whatever
// the order of the lines, and however often they are there.
func TestCertify(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 10).Draw(t, "validators")
		vs := validators(n)
		c := at(rapid.Uint64Range(1, 100).Draw(t, "size"))
		var lines []string
		newest := make(map[statement.Region]time.Time)
		for i := range vs {
			vs[i].Suspended = rapid.IntRange(0, 5).Draw(t, "suspended") == 0
			for range rapid.IntRange(0, 2).Draw(t, "cosignatures") {
				when := start.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "second")) * time.Second)
				lines = append(lines, cosign(t, c, vs[i].ID, when))
				if !vs[i].Suspended && when.After(newest[vs[i].ID]) {
					newest[vs[i].ID] = when
				}
			}
			if rapid.Bool().Draw(t, "log") {
				lines = append(lines, signLog(t, c, vs[i].ID))
			}
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "witnesses") {
			lines = append(lines, cosign(t, c, statement.Region(fmt.Sprintf("W%c", 'A'+i)), start))
		}
		lines = rapid.Permutation(lines).Draw(t, "order")
		got, err := checkpoint.Assemble(c, lines).Certify(vs)
		if len(newest) < vs.Quorum() {
			if !errors.Is(err, checkpoint.ErrNoQuorum) {
				t.Fatalf("%d of %d: %v", len(newest), n, err)
			}
			for _, v := range vs {
				if _, there := newest[v.ID]; !there && !strings.Contains(err.Error(), string(v.ID)) {
					t.Fatalf("the error does not name %s: %v", v.ID, err)
				}
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var times []time.Time
		for _, sig := range got.Cosigners() {
			if !sig.At.Equal(newest[sig.By]) {
				t.Fatalf("%s at %v, want %v", sig.By, sig.At, newest[sig.By])
			}
			times = append(times, sig.At)
		}
		if len(times) != len(newest) {
			t.Fatalf("%d cosigners, want %d", len(times), len(newest))
		}
		slices.SortFunc(times, func(a, b time.Time) int { return b.Compare(a) })
		if want := times[vs.Quorum()-1]; !got.Time().Equal(want) {
			t.Fatalf("time %v, want %v", got.Time(), want)
		}
		// Its note is one, and certifies the same again.
		shuffled := certifyAgain(t, checkpoint.Assemble(c, append(lines, lines...)), vs)
		if !bytes.Equal(shuffled.Note(), got.Note()) {
			t.Fatalf("two notes:\n%s%s", shuffled.Note(), got.Note())
		}
		parsed, err := checkpoint.ParseNote(got.Note())
		if err != nil {
			t.Fatal(err)
		}
		again := certifyAgain(t, parsed, vs)
		if !bytes.Equal(again.Note(), got.Note()) || !again.Time().Equal(got.Time()) || again.Checkpoint() != c {
			t.Fatalf("the note certifies otherwise:\n%s%s", again.Note(), got.Note())
		}
		for _, v := range vs {
			if v.Suspended && bytes.Contains(got.Note(), []byte(checkpoint.CosignerName(origin, v.ID)+" ")) {
				t.Fatalf("the note has a line of %s, which is suspended", v.ID)
			}
		}
	})
}

func certifyAgain(t *rapid.T, n *checkpoint.Note, vs checkpoint.Validators) *checkpoint.Certified {
	c, err := n.Certify(vs)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// One key counts once, and a known key that fails spoils the note, even beside a quorum.
func TestKnownKeyThatFails(t *testing.T) {
	vs := validators(4)
	c := at(7)
	good := signedBy(t, c, vs)
	for name, bad := range map[string]string{
		"a co-signature of another root": cosign(t, at(8), vs[3].ID, start),
		"a changed co-signature":         altered(t, cosign(t, c, vs[3].ID, start), 50),
		"a changed signature":            altered(t, signLog(t, c, vs[3].ID), 50),
	} {
		if _, err := checkpoint.Assemble(c, append(slices.Clone(good), bad)).Certify(vs); !errors.Is(err, checkpoint.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
		suspended := slices.Clone(vs)
		suspended[3].Suspended = true
		if _, err := checkpoint.Assemble(c, append(slices.Clone(good), bad)).Certify(suspended); !errors.Is(err, checkpoint.ErrSignature) {
			t.Errorf("%s of a suspended one: %v", name, err)
		}
	}
	var same []string
	for i := range 20 {
		same = append(same, cosign(t, c, vs[0].ID, start.Add(time.Duration(i)*time.Second)))
	}
	if _, err := checkpoint.Assemble(c, same).Certify(vs); !errors.Is(err, checkpoint.ErrNoQuorum) {
		t.Errorf("one validator twenty times: %v", err)
	}
	if _, err := checkpoint.Assemble(c, good).Certify(nil); !errors.Is(err, checkpoint.ErrNoQuorum) {
		t.Errorf("no validators: %v", err)
	}
	empty := checkpoint.Checkpoint{Origin: origin}
	if _, err := checkpoint.Assemble(empty, nil).Certify(vs); !errors.Is(err, checkpoint.ErrMalformed) {
		t.Errorf("an empty tree with a root: %v", err)
	}
	if _, err := checkpoint.Assemble(c, []string{"no line"}).Certify(vs); !errors.Is(err, checkpoint.ErrMalformed) {
		t.Errorf("no line: %v", err)
	}
}

// With fewer than a third dishonest, Time is no later than an honest clock showed.
func TestTimeIsHonest(t *testing.T) {
	for n := 1; n <= 10; n++ {
		vs := validators(n)
		c := at(7)
		dishonest := (n - 1) / 3
		var lines []string
		for i, v := range vs {
			when := start
			if i < dishonest {
				when = start.Add(1000 * time.Hour)
			}
			lines = append(lines, cosign(t, c, v.ID, when))
		}
		if got := certify(t, checkpoint.Assemble(c, lines), vs).Time(); !got.Equal(start) {
			t.Errorf("%d of %d dishonest: %v, want %v", dishonest, n, got, start)
		}
	}
}

// Large networks: the note stays within what tools read as far as it can.
func TestManyLines(t *testing.T) {
	c := at(7)
	for _, n := range []int{40, 60, 120} {
		vs := validators(n)
		lines := signedBy(t, c, vs)
		for i := range 40 {
			lines = append(lines, cosign(t, c, statement.Region(fmt.Sprintf("W%c", 'A'+i%26)), start.Add(time.Duration(i)*time.Second)))
		}
		raw := certify(t, checkpoint.Assemble(c, lines), vs).Note()
		parsed, err := checkpoint.ParseNote(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := certify(t, parsed, vs); len(got.Cosigners()) != n {
			t.Errorf("%d validators: %d co-signatures are left", n, len(got.Cosigners()))
		}
		if want := min(2*n+16, max(100, n)); len(parsed.Lines) != want {
			t.Errorf("%d validators: %d lines, want %d", n, len(parsed.Lines), want)
		}
		v, err := note.NewVerifier(checkpoint.LogVKey(origin, vs[0].Node))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := note.Open(raw, note.VerifierList(v)); (err == nil) != (n <= 99) {
			t.Errorf("%d validators: x/mod says %v", n, err)
		}
	}
	if _, err := checkpoint.Assemble(c, signedBy(t, c, validators(257))).Certify(validators(4)); !errors.Is(err, checkpoint.ErrTooLarge) {
		t.Errorf("514 lines: %v", err)
	}
}

// The longest names and the most validators do not fit in a note: it is said, not cut.
func TestCosignaturesThatDoNotFit(t *testing.T) {
	c := at(7)
	c.Origin = checkpoint.Origin(strings.Repeat("a", checkpoint.MaxNetwork), math.MaxUint64)
	var vs checkpoint.Validators
	var lines []string
	for i := range 340 {
		by := statement.Region(fmt.Sprintf("%s-%s-%08d", id(i/26), "ABCDEFGHIJKL", i))
		vs = append(vs, checkpoint.Validator{ID: by, Cosign: public(cosignKey(by)), Node: public(nodeKey(by))})
		sig, err := checkpoint.Cosign(c, by, start, cosignKey(by))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, sig.Line)
	}
	if _, err := checkpoint.Assemble(c, lines).Certify(vs); !errors.Is(err, checkpoint.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

// Notes of other logs: any text, as x/mod reads it.
func TestSplitNote(t *testing.T) {
	const raw = "a text\n\nwith an empty line\n\n— a AAAAAAA=\n"
	text, lines, err := checkpoint.SplitNote([]byte(raw))
	if err != nil || text != "a text\n\nwith an empty line\n" || len(lines) != 1 {
		t.Errorf("%q, %q, %v", text, lines, err)
	}
	for name, raw := range map[string]string{
		"a control":      strings.Replace(raw, "text", "te\tt", 1),
		"no UTF-8":       strings.Replace(raw, "text", "te\xfft", 1),
		"no signature":   "a text\n\n",
		"not a line":     raw + "more\n",
		"larger than it": raw + strings.Repeat("x", checkpoint.MaxNote),
	} {
		if _, _, err := checkpoint.SplitNote([]byte(raw)); !errors.Is(err, checkpoint.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := checkpoint.CheckLine(lines[0]); err != nil {
		t.Error(err)
	}
	if _, ok := checkpoint.CosignatureTime(lines[0]); ok {
		t.Error("a signature without a time has one")
	}
}

func TestParseNoteStrictly(t *testing.T) {
	vs := validators(4)
	c := at(7)
	good := string(checkpoint.Assemble(c, signedBy(t, c, vs)).Bytes())
	for name, raw := range map[string]string{
		"nothing":             "",
		"no signature":        c.Text() + "\n",
		"no empty line":       strings.Replace(good, "\n\n", "\n", 1),
		"no last line feed":   strings.TrimSuffix(good, "\n"),
		"an empty line after": good + "\n",
		"an extension":        strings.Replace(good, "\n\n", "\nx\n\n", 1),
		"text between":        strings.Replace(good, "\n\n", "\n\nx\n", 1),
		"carriage returns":    strings.ReplaceAll(good, "\n", "\r\n"),
		"too large":           good + strings.Repeat("x", checkpoint.MaxNote),
		"513 lines":           c.Text() + "\n" + strings.Repeat("— a AAAAAAA=\n", 513),
	} {
		if n, err := checkpoint.ParseNote([]byte(raw)); !errors.Is(err, checkpoint.ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

// Whatever bit of a note is changed, it certifies nothing else.
func TestEveryBitCounts(t *testing.T) {
	vs := validators(4)
	c := at(7)
	raw := certify(t, checkpoint.Assemble(c, signedBy(t, c, vs)), vs).Note()
	certified := 0
	for i := range raw {
		bit := rand.New(rand.NewSource(int64(i))).Intn(8)
		changed := bytes.Clone(raw)
		changed[i] ^= 1 << bit
		n, err := checkpoint.ParseNote(changed)
		if err != nil {
			continue
		}
		got, err := n.Certify(vs)
		if err != nil {
			continue
		}
		certified++
		if got.Checkpoint() != c {
			t.Errorf("bit %d of byte %d changed: %+v is certified", bit, i, got.Checkpoint())
		}
		for _, sig := range got.Cosigners() {
			if !bytes.Contains(raw, []byte(sig.Line)) {
				t.Errorf("bit %d of byte %d changed: %q counts", bit, i, sig.Line)
			}
		}
	}
	if certified == 0 {
		t.Error("no note with a line made unknown is certified, though three are left")
	}
}

func TestNewer(t *testing.T) {
	vs := validators(1)
	make := func(size uint64, after time.Duration) *checkpoint.Certified {
		c := at(size)
		return certify(t, checkpoint.Assemble(c, []string{cosign(t, c, vs[0].ID, start.Add(after))}), vs)
	}
	order := []*checkpoint.Certified{nil, make(1, time.Hour), make(2, 0), make(2, time.Second), make(3, -time.Hour)}
	for i, a := range order {
		for j, b := range order {
			if got := checkpoint.Newer(a, b); got != (i > j) {
				t.Errorf("Newer(%d, %d) = %v", i, j, got)
			}
		}
	}
}

// FuzzParseNote: no panic, no error without a name, one encoding, and x/mod
// takes every note that we take, as long as it has no more lines than it reads.
func FuzzParseNote(f *testing.F) {
	vs := validators(4)
	c := at(7)
	f.Add(checkpoint.Assemble(c, signedBy(f, c, vs)).Bytes())
	f.Add([]byte(c.Text() + "\n— a AAAAAAA=\n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		n, err := checkpoint.ParseNote(raw)
		if err != nil {
			if !errors.Is(err, checkpoint.ErrMalformed) {
				t.Fatalf("an error of no name: %v", err)
			}
			return
		}
		if !bytes.Equal(n.Bytes(), raw) {
			t.Fatalf("took a note that it would not write: %q", raw)
		}
		if _, err := note.Open(raw, note.VerifierList()); len(n.Lines) <= 100 {
			if unverified := (*note.UnverifiedNoteError)(nil); !errors.As(err, &unverified) || unverified.Note.Text != n.Checkpoint.Text() {
				t.Fatalf("x/mod says %v of %q", err, raw)
			}
		}
		got, err := n.Certify(vs)
		switch {
		case err == nil && got.Checkpoint() != c:
			t.Fatalf("certified %+v", got.Checkpoint())
		case err != nil && !errors.Is(err, checkpoint.ErrMalformed) && !errors.Is(err, checkpoint.ErrSignature) && !errors.Is(err, checkpoint.ErrNoQuorum):
			t.Fatalf("an error of no name: %v", err)
		}
	})
}

func BenchmarkCertify(b *testing.B) {
	for _, n := range []int{4, 31} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			vs := validators(n)
			c := at(7)
			raw := checkpoint.Assemble(c, signedBy(b, c, vs)).Bytes()
			b.ReportAllocs()
			for b.Loop() {
				n, err := checkpoint.ParseNote(raw)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := n.Certify(vs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
