package audit_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/client/audit"
	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

const (
	year    = 365 * 24 * 3600
	expired = when + 1000 // when the story's first batch has
)

// story is an honest log with something of everything, of 700 statements.
func story(t testing.TB) *memory {
	t.Helper()
	l := newLog(t, founding(t, "audit.test"))
	l.register(t, 100)                                                     // 0
	l.revoke(t, "XA", 50, expired)                                         // 100
	l.revoke(t, "XB", 20, when+year)                                       // 101
	l.say(t, "XC", &statement.Grant{Terms: statement.Terms{Region: "XD"}}) // 102
	l.say(t, "XC", &statement.Suspend{Region: "XD", Reason: "a test"})     // 103
	l.seal(t, when)                                                        // 104
	l.register(t, 400)                                                     // 105
	l.seal(t, expired+1)                                                   // 505
	l.revoke(t, "XD", 10, when+year)                                       // 506
	l.register(t, 192)                                                     // 507
	l.seal(t, expired+2)                                                   // 699
	l.certify(t)
	return l
}

func TestHonestLog(t *testing.T) {
	t.Parallel()
	l := story(t)
	var last, calls uint64
	r, err := audit.Run(t.Context(), audit.Config{Genesis: l.doc, Source: l, Progress: func(done, total uint64) {
		if done <= last || total != l.size() {
			t.Errorf("progress says %d of %d after %d", done, total, last)
		}
		last = done
		calls++
	}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Checkpoint != l.checkpoint() || len(r.Certified.Cosigners()) != 3 || len(r.Validators) != 4 {
		t.Errorf("the report is of %+v with %d cosigners of %d", r.Checkpoint, len(r.Certified.Cosigners()), len(r.Validators))
	}
	if want := (audit.Seals{Whole: 3}); r.Seals != want {
		t.Errorf("seals are %+v, want %+v", r.Seals, want)
	}
	if want := (audit.Batches{Verified: 3}); r.Batches != want {
		t.Errorf("batches are %+v, want %+v", r.Batches, want)
	}
	if r.Statements[statement.IssuerKeyRegister] != 692 || r.Statements[statement.Seal] != 3 || r.Statements[statement.RevocationAdd] != 3 {
		t.Errorf("statements by kind are %v", r.Statements)
	}
	if last != l.size() || calls != 3 {
		t.Errorf("progress was told %d times, last of %d", calls, last)
	}
}

// Sizes at which tiles are empty, full, and make a parent.
func TestSizes(t *testing.T) {
	t.Parallel()
	l := newLog(t, founding(t, "sizes.test"))
	for _, size := range []int{0, 1, 255, 256, 257, 512} {
		l.register(t, size-int(l.size()))
		l.certify(t)
		if r, err := run(t, l, l.doc); err != nil || r.Checkpoint.Size != uint64(size) {
			t.Errorf("size %d: %+v, %v", size, r, err)
		}
	}
}

func TestErasedAttachments(t *testing.T) {
	t.Parallel()
	l := story(t)
	// The first batch has expired before the second seal; without it the first
	// seal, which covers it, can be checked in part only.
	erased := l.clone()
	delete(erased.attachments, digestOf(t, l, 100))
	r, err := run(t, erased, l.doc)
	if err != nil {
		t.Fatal(err)
	}
	if r.Seals != (audit.Seals{Whole: 2, Partial: 1}) || r.Batches != (audit.Batches{Verified: 2, Erased: 1}) {
		t.Errorf("seals %+v, batches %+v", r.Seals, r.Batches)
	}
	// One that has not expired.
	absent := l.clone()
	delete(absent.attachments, digestOf(t, l, 101))
	if r, err = run(t, absent, l.doc); err != nil {
		t.Fatal(err)
	}
	if r.Seals != (audit.Seals{Partial: 3}) || r.Batches != (audit.Batches{Verified: 2, Absent: 1}) {
		t.Errorf("seals %+v, batches %+v", r.Seals, r.Batches)
	}
	r, err = audit.Run(t.Context(), audit.Config{Genesis: l.doc, Source: l, SkipAttachments: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Seals != (audit.Seals{Partial: 3}) || r.Batches != (audit.Batches{Erased: 1, Absent: 2}) {
		t.Errorf("without attachments: seals %+v, batches %+v", r.Seals, r.Batches)
	}
}

func digestOf(t testing.TB, l *memory, index int) [32]byte {
	t.Helper()
	u, err := statement.Parse(l.entries[index])
	if err != nil {
		t.Fatal(err)
	}
	return u.Statement().Body.(*statement.Revoke).Digest
}

// TestTampering has a node tell every lie that it can, with and without a tree
// that fits it.
func TestTampering(t *testing.T) {
	t.Parallel()
	honest := story(t)
	end := honest.size()
	flip := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 1
		return b
	}
	// lastByte is of the signature, so what is flipped there still parses.
	lastByte := func(b []byte) []byte { return flip(b, len(b)-1) }
	for _, c := range []struct {
		name string
		lie  func(*memory)
		at   uint64
		says string
	}{
		{"a flipped bit in an entry", func(l *memory) { l.entries[300] = flip(l.entries[300], 60) }, 300, "its hash is"},
		{"a forged signature under a tree that fits", func(l *memory) {
			l.entries[300] = lastByte(l.entries[300])
			l.recompute(t)
		}, 300, "signature"},
		{"a forged signature that a quorum certified", func(l *memory) {
			l.entries[511] = lastByte(l.entries[511])
			l.recompute(t)
			l.certify(t)
		}, 511, "signature"},
		{"no statement, under a tree that fits", func(l *memory) {
			l.entries[2] = []byte("no statement at all")
			l.recompute(t)
		}, 2, "malformed statement"},
		{"two statements that changed places", func(l *memory) { l.entries[102], l.entries[103] = l.entries[103], l.entries[102] }, 102, "its hash is"},
		{"two revisions that changed places under a tree that fits", func(l *memory) {
			l.entries[102], l.entries[103] = l.entries[103], l.entries[102]
			l.recompute(t)
		}, 102, state.NotGranted},
		// Either order is by the rules. The next seal tells first: records say at
		// which index they were made.
		{"two strangers that changed places under a tree that fits", func(l *memory) {
			l.entries[690], l.entries[691] = l.entries[691], l.entries[690]
			l.recompute(t)
		}, 699, state.SealMismatch},
		// Where no seal follows, the root alone tells that it is another order.
		{"two strangers before any seal that changed places under a tree that fits", func(l *memory) {
			l.entries = l.entries[:104]
			l.recompute(t)
			l.certify(t)
			l.entries[0], l.entries[1] = l.entries[1], l.entries[0]
			l.recompute(t)
		}, 104, "what is served is not what was co-signed"},
		{"a statement left out under a tree that fits", func(l *memory) {
			l.entries = slices.Delete(l.entries, 102, 103)
			l.recompute(t)
			l.certify(t)
		}, 102, state.NotGranted},
		{"a statement said twice", func(l *memory) {
			l.entries = slices.Insert(l.entries, 600, l.entries[506])
			l.recompute(t)
			l.certify(t)
		}, 600, "it is statement 506 again"},
		{"a dropped last entry", func(l *memory) {
			l.entries = l.entries[:end-1]
		}, end - 1, "withheld"},
		{"dropped last entries and their hashes", func(l *memory) {
			l.entries = l.entries[:end-100]
			l.recompute(t)
		}, end - 100, "withheld"},
		{"a dropped last tile", func(l *memory) { delete(l.tiles, merkle.Tile{Index: 2}) }, 512, "withheld"},
		{"a statement of an unknown authority", func(l *memory) {
			s := statement.Statement{Issuer: "XZ", Network: l.doc.ID(), Revision: 1, IssuedAt: when, Body: issuerKey("stranger")}
			v, err := statement.Sign(s, testKey("XZ/statement"))
			if err != nil {
				t.Fatal(err)
			}
			l.entries[400] = v.Raw()
			l.recompute(t)
			l.certify(t)
		}, 400, state.UnknownAuthority},
		{"a statement for another network", func(l *memory) {
			s := statement.Statement{Issuer: "XA", Network: founding(t, "other.test").ID(), Revision: 1, IssuedAt: when, Body: issuerKey("astray")}
			v, err := statement.Sign(s, testKey("XA/statement"))
			if err != nil {
				t.Fatal(err)
			}
			l.entries[401] = v.Raw()
			l.recompute(t)
			l.certify(t)
		}, 401, state.WrongNetwork},
		{"a flipped bit in a tile of leaves", func(l *memory) {
			at := merkle.Tile{Index: 1}
			l.tiles[at] = flip(l.tiles[at], 44*merkle.HashSize)
		}, 300, "its hash is"},
		{"a flipped bit in a tile above", func(l *memory) {
			at := merkle.Tile{Level: 1}
			l.tiles[at] = flip(l.tiles[at], merkle.HashSize+7)
		}, 256, "the statements below it make"},
		{"a tile above cut off", func(l *memory) { delete(l.tiles, merkle.Tile{Level: 1}) }, 0, "withheld"},
		{"another attachment", func(l *memory) {
			d := digestOf(t, l, 506)
			l.attachments[d] = flip(l.attachments[d], 3)
		}, 506, "attachment"},
		{"another root", func(l *memory) {
			c := l.checkpoint()
			c.Root[0] ^= 1
			l.note = noteBy(t, c, validators...)
		}, end, "what is served is not what was co-signed"},
		{"too few co-signatures", func(l *memory) { l.certify(t, "XA", "XD") }, end, checkpoint.ErrNoQuorum.Error()},
		{"a flipped bit in a co-signature", func(l *memory) {
			i := bytes.LastIndexByte(l.note, ' ') + 40
			if l.note = bytes.Clone(l.note); l.note[i] == 'A' {
				l.note[i] = 'B'
			} else {
				l.note[i] = 'A'
			}
		}, end, checkpoint.ErrSignature.Error()},
		{"co-signatures by other keys of the same names", func(l *memory) {
			c := l.checkpoint()
			l.note = noteBy(t, c, "XA", "XB")
			s, err := checkpoint.Cosign(c, "XC", when.Time(), testKey("mallory"))
			if err != nil {
				t.Fatal(err)
			}
			l.note = append(l.note, s.Line...)
		}, end, checkpoint.ErrNoQuorum.Error()},
		{"another network's note", func(l *memory) {
			c := l.checkpoint()
			c.Origin = "other.test"
			l.note = noteBy(t, c, validators...)
		}, end, "this network is"},
		{"no note", func(l *memory) { l.note = []byte("no note\n") }, 0, "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := honest.clone()
			c.lie(l)
			_, err := run(t, l, l.doc)
			var found *audit.Tampering
			if !errors.As(err, &found) {
				t.Fatalf("the audit says %v", err)
			}
			if found.Index != c.at || !strings.Contains(found.Error(), c.says) {
				t.Errorf("found at %d: %v; want %d and %q", found.Index, found, c.at, c.says)
			}
		})
	}
}

// TestWrongSeal has a quorum certify seals that are not what they should be.
func TestWrongSeal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		lie  func(*statement.SealState)
		says string
	}{
		{"records", func(s *statement.SealState) { s.Records[5] ^= 1 }, "its records' root"},
		{"revoked", func(s *statement.SealState) { s.Revoked[5] ^= 1 }, "its revoked hashes' root"},
		{"size", func(s *statement.SealState) { s.Size-- }, state.SealMisplaced},
		{"validators", func(s *statement.SealState) { s.Validators = s.Validators[1:] }, state.SealMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLog(t, founding(t, "seal.test"))
			l.register(t, 300)
			l.revoke(t, "XB", 20, when+year)
			s := l.trueSeal(t, when)
			c.lie(s)
			l.append(t, l.sign(t, "XB", s).Raw())
			l.certify(t)
			_, err := run(t, l, l.doc)
			var found *audit.Tampering
			if !errors.As(err, &found) || found.Index != 301 || !strings.Contains(found.Error(), c.says) {
				t.Errorf("the audit says %v", err)
			}
		})
	}
}

// Before the first checkpoint, and where a source fails, nobody is accused.
func TestNobodyToBlame(t *testing.T) {
	t.Parallel()
	l := newLog(t, founding(t, "quiet.test"))
	l.register(t, 300)
	if _, err := run(t, l, l.doc); !errors.Is(err, audit.ErrNoCheckpoint) {
		t.Errorf("without a checkpoint: %v", err)
	}
	l.certify(t)
	var accused *audit.Tampering
	if _, err := run(t, broken{l}, l.doc); !errors.Is(err, errBroken) || errors.As(err, &accused) {
		t.Errorf("with a source that fails: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("the user had enough")
	_, err := audit.Run(ctx, audit.Config{Genesis: l.doc, Source: l, Progress: func(uint64, uint64) { cancel(stop) }})
	if !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
}

var errBroken = errors.New("the disk is on fire")

// broken fails at the second bundle.
type broken struct{ *memory }

func (b broken) Entries(ctx context.Context, index uint64, width int) ([]byte, error) {
	if index == 1 {
		return nil, errBroken
	}
	return b.memory.Entries(ctx, index, width)
}

// BenchmarkRun audits 100,000 statements, of which one in a thousand is a batch
// of a hundred hashes.
func BenchmarkRun(b *testing.B) {
	l := newLog(b, founding(b, "bench.test"))
	for l.size() < 100_000 {
		l.register(b, 999)
		l.revoke(b, "XA", 100, when+year)
	}
	l.seal(b, when)
	l.certify(b)
	b.ResetTimer()
	for b.Loop() {
		r, err := run(b, l, l.doc)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(r.Checkpoint.Size)/r.Took.Seconds(), "statements/s")
		b.ReportMetric(float64(r.Took)/float64(time.Second), "s/audit")
	}
}

// FuzzSource: whatever a node answers, the audit ends, with an accusation or a
// report and never in a panic.
func FuzzSource(f *testing.F) {
	l := newLog(f, founding(f, "fuzz.test"))
	l.register(f, 3)
	l.revoke(f, "XA", 2, when+year)
	l.seal(f, when)
	l.certify(f)
	entries, err := l.Entries(f.Context(), 0, 5)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(l.note, entries, l.tiles[merkle.Tile{}], l.attachments[digestOf(f, l, 3)])
	f.Add(noteBy(f, checkpoint.Checkpoint{Origin: "fuzz.test", Size: 1 << 50}, validators...), entries[:100], []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, note, entries, tile, attachment []byte) {
		r, err := run(t, answers{note, entries, tile, attachment}, l.doc)
		var found *audit.Tampering
		if err == nil && r.Checkpoint != l.checkpoint() {
			t.Errorf("the audit takes %+v", r.Checkpoint)
		} else if err != nil && !errors.As(err, &found) {
			t.Errorf("the audit fails with %v", err)
		}
	})
}

// answers are the same whatever is asked.
type answers struct{ note, entries, tile, attachment []byte }

func (a answers) Checkpoint(context.Context) ([]byte, error)             { return a.note, nil }
func (a answers) Tile(context.Context, merkle.Tile, int) ([]byte, error) { return a.tile, nil }
func (a answers) Entries(context.Context, uint64, int) ([]byte, error)   { return a.entries, nil }
func (a answers) Attachment(context.Context, [32]byte) ([]byte, error)   { return a.attachment, nil }
