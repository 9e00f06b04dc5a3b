package checkpoint_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// rotated gives validators of which the i-th has other keys.
func rotated(vs checkpoint.Validators, i int) checkpoint.Validators {
	out := slices.Clone(vs)
	out[i].Cosign, out[i].Node = public(testKey(string(vs[i].ID)+" cosign 2")), public(testKey(string(vs[i].ID)+" node 2"))
	return out
}

// cosign2 is a co-signature by a rotated key.
func cosign2(t fataler, c checkpoint.Checkpoint, by statement.Region, when time.Time) string {
	t.Helper()
	sig, err := checkpoint.Cosign(c, by, when, testKey(string(by)+" cosign 2"))
	if err != nil {
		t.Fatal(err)
	}
	return sig.Line
}

func electorate(sets ...checkpoint.Validators) checkpoint.Electorate {
	return checkpoint.Electorate{Origin: origin, Sets: sets}
}

// Each set needs its quorum, and the error says which one lacks whom.
func TestCertifyByBoth(t *testing.T) {
	all := validators(6)
	before, after := all[:4], all[2:6]
	c := at(7)
	by := func(ids ...int) *checkpoint.Note {
		var lines []string
		for _, i := range ids {
			lines = append(lines, cosign(t, c, all[i].ID, start.Add(time.Duration(i)*time.Minute)))
		}
		return checkpoint.Assemble(c, lines)
	}
	for _, x := range []struct {
		name  string
		note  *checkpoint.Note
		words string // of the error; empty: it is certified
	}{
		{"all", by(0, 1, 2, 3, 4, 5), ""},
		{"just both quorums", by(0, 2, 3, 4), ""},
		{"the former alone", by(0, 1, 2, 3), "of the 4 validators after the change size 7 is co-signed by 2, want 3; missing: " + string(all[4].ID) + ", " + string(all[5].ID)},
		{"the new alone", by(2, 3, 4, 5), "of the 4 validators before the change size 7 is co-signed by 2, want 3; missing: " + string(all[0].ID) + ", " + string(all[1].ID)},
		{"neither", by(2, 3), "before the change"},
	} {
		got, err := x.note.CertifyBy(electorate(before, after))
		if x.words == "" {
			if err != nil || len(got.Cosigners()) != len(x.note.Lines) {
				t.Errorf("%s: %v", x.name, err)
			}
		} else if !errors.Is(err, checkpoint.ErrNoQuorum) || !strings.Contains(err.Error(), x.words) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
	// The former's third newest is at minute 1, of 0 to 3; the new ones' at 3.
	got, err := by(0, 1, 2, 3, 4, 5).CertifyBy(electorate(before, after))
	if err != nil || !got.Time().Equal(start.Add(time.Minute)) {
		t.Errorf("time %v, %v; want %v", got.Time(), err, start.Add(time.Minute))
	}
	got, err = by(0, 1, 2, 3, 4, 5).CertifyBy(electorate(after, before))
	if err != nil || !got.Time().Equal(start.Add(time.Minute)) {
		t.Errorf("in the other order: time %v, %v", got.Time(), err)
	}
	suspended := slices.Clone(after)
	suspended[0].Suspended = true
	if _, err := by(0, 1, 2, 3, 4).CertifyBy(electorate(before, suspended)); !errors.Is(err, checkpoint.ErrNoQuorum) || !strings.Contains(err.Error(), string(all[2].ID)+" (suspended)") {
		t.Errorf("with one suspended among the new: %v", err)
	}
	if _, err := by(0, 1, 2, 3, 4, 5).CertifyBy(electorate(before, suspended)); err != nil {
		t.Errorf("with three others among the new: %v", err)
	}
}

func TestCertifyByRefuses(t *testing.T) {
	vs := validators(4)
	note := checkpoint.Assemble(at(7), signedBy(t, at(7), vs))
	for name, x := range map[string]struct {
		e    checkpoint.Electorate
		want error
	}{
		"another log":     {checkpoint.Electorate{Origin: "other.example", Sets: []checkpoint.Validators{vs}}, checkpoint.ErrOrigin},
		"another lineage": {checkpoint.Electorate{Origin: origin + "/2", Sets: []checkpoint.Validators{vs}}, checkpoint.ErrOrigin},
		"a later one":     {checkpoint.Electorate{From: 8, Origin: origin, Sets: []checkpoint.Validators{vs}}, checkpoint.ErrNoQuorum},
		"nobody":          {checkpoint.Electorate{Origin: origin}, checkpoint.ErrNoQuorum},
		"an empty set":    {electorate(vs, nil), checkpoint.ErrNoQuorum},
	} {
		if _, err := note.CertifyBy(x.e); !errors.Is(err, x.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A validator with another key in each set counts in each by that set's key,
// and the note keeps both lines.
func TestCertifyByTwoKeys(t *testing.T) {
	before := validators(4)
	after := rotated(before, 1)
	c := at(7)
	id := before[1].ID
	others := []string{cosign(t, c, before[0].ID, start), cosign(t, c, before[2].ID, start)}
	old, fresh := cosign(t, c, id, start), cosign2(t, c, id, start)
	for name, lines := range map[string][]string{"the former key": {old}, "the new key": {fresh}} {
		if _, err := checkpoint.Assemble(c, append(lines, others...)).CertifyBy(electorate(before, after)); !errors.Is(err, checkpoint.ErrNoQuorum) {
			t.Errorf("%s alone: %v", name, err)
		}
	}
	got, err := checkpoint.Assemble(c, append([]string{fresh, old}, others...)).CertifyBy(electorate(before, after))
	if err != nil || len(got.Cosigners()) != 4 {
		t.Fatalf("%d co-signatures, %v", len(got.Cosigners()), err)
	}
	again, err := checkpoint.ParseNote(got.Note())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []checkpoint.Electorate{electorate(before, after), electorate(before), electorate(after)} {
		if _, err := again.CertifyBy(e); err != nil {
			t.Errorf("by %d sets: %v", len(e.Sets), err)
		}
	}
	if _, v, err := electorate(before, after).VerifyCosignature(c, old); err != nil || !v.Cosign.Equal(before[1].Cosign) {
		t.Errorf("the former key's line is of %x, %v", v.Cosign, err)
	}
	bad := altered(t, fresh, 50)
	if _, err := checkpoint.Assemble(c, append([]string{bad, old, fresh}, others...)).CertifyBy(electorate(before, after)); !errors.Is(err, checkpoint.ErrSignature) {
		t.Errorf("a line of a known key that fails: %v", err)
	}
}

// K1 on random changes: what both sets certify each certifies alone, no earlier
// than both do, and the note is one whatever the order of the lines.
func TestCertifyByProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := validators(8)
		pick := func(name string) (out checkpoint.Validators) {
			for _, v := range all {
				if rapid.IntRange(0, 2).Draw(t, fmt.Sprint(name, v.ID)) > 0 {
					v.Suspended = rapid.IntRange(0, 9).Draw(t, "suspended") == 0
					out = append(out, v)
				}
			}
			return out
		}
		before, after := pick("before"), pick("after")
		c := at(9)
		var lines []string
		for _, v := range all {
			if rapid.IntRange(0, 3).Draw(t, "signs") > 0 {
				lines = append(lines, cosign(t, c, v.ID, start.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "second"))*time.Second)), signLog(t, c, v.ID))
			}
		}
		note := checkpoint.Assemble(c, lines)
		got, err := note.CertifyBy(electorate(before, after))
		a, errA := note.Certify(before)
		b, errB := note.Certify(after)
		if (err == nil) != (errA == nil && errB == nil) {
			t.Fatalf("both: %v; before: %v; after: %v", err, errA, errB)
		}
		if err != nil {
			return
		}
		if got.Time().After(a.Time()) || got.Time().After(b.Time()) || !got.Time().Equal(a.Time()) && !got.Time().Equal(b.Time()) {
			t.Fatalf("time %v of %v and %v", got.Time(), a.Time(), b.Time())
		}
		again, err := checkpoint.Assemble(c, rapid.Permutation(lines).Draw(t, "order")).CertifyBy(electorate(before, after))
		if err != nil || !bytes.Equal(again.Note(), got.Note()) {
			t.Fatalf("two notes: %v", err)
		}
		parsed, err := checkpoint.ParseNote(got.Note())
		if err != nil {
			t.Fatal(err)
		}
		if third, err := parsed.CertifyBy(electorate(before, after)); err != nil || !bytes.Equal(third.Note(), got.Note()) {
			t.Fatalf("the note certifies otherwise: %v", err)
		}
	})
}

func TestElectoratesAt(t *testing.T) {
	es := checkpoint.Electorates{{From: 0, Origin: "a"}, {From: 5, Origin: "b"}, {From: 9, Origin: "c"}}
	for size, want := range map[uint64]string{0: "a", 4: "a", 5: "b", 8: "b", 9: "c", 1 << 60: "c"} {
		if got := es.At(size).Origin; got != want {
			t.Errorf("at %d: %q, want %q", size, got, want)
		}
	}
	if got := (checkpoint.Electorates{}).At(3); len(got.Sets) > 0 || got.Newest() != nil {
		t.Errorf("nobody: %+v", got)
	}
}
