package statement_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"concordat/ledger/statement"
)

func TestAttachment(t *testing.T) {
	if want := unhex(t, "aa000000000000000000000000000000 aa010000000000000000000000000000 bb000000000000000000000000000000"); !bytes.Equal(attachment, want) {
		t.Fatalf("NewAttachment gives %x, want %x", attachment, want)
	}
	describe := func(a []byte) *statement.Batch {
		b := statement.NewBatch(statement.HashRID, a, july, "r")
		return &b
	}
	one, two, three := attachment[:16], attachment[16:32], attachment[32:]
	cat := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	good := describe(attachment)
	for _, c := range []struct {
		name  string
		batch *statement.Batch
		data  []byte
		ok    bool
	}{
		{"as described", good, attachment, true},
		{"one hash", describe(one), one, true},
		{"missing", good, nil, false},
		{"cut", good, attachment[:47], false},
		{"a hash less", good, attachment[:32], false},
		{"a hash more", good, cat(attachment, bytes.Repeat([]byte{0xff}, 16)), false},
		{"another hash", good, cat(one, two, bytes.Repeat([]byte{0xff}, 16)), false},
		{"another order, digest alike", describe(cat(two, one, three)), cat(two, one, three), false},
		{"one twice, digest alike", describe(cat(one, one)), cat(one, one), false},
		{"half a hash, digest alike", &statement.Batch{Count: 1, Digest: sha256.Sum256(attachment[:24])}, attachment[:24], false},
		{"count past the limit", &statement.Batch{Count: 1 << 60, Digest: sha256.Sum256(nil)}, nil, false},
		{"more than 1 MiB", describe(make([]byte, statement.MaxAttachment+16)), make([]byte, statement.MaxAttachment+16), false},
	} {
		err := c.batch.CheckAttachment(c.data)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, statement.ErrAttachment) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Only the kinds that have an attachment take one.
func TestAttachmentOfKinds(t *testing.T) {
	for _, s := range samples() {
		with, without := s.CheckAttachment(attachment), s.CheckAttachment(nil)
		if s.Kind().HasAttachment() != (with == nil) || s.Kind().HasAttachment() != errors.Is(without, statement.ErrAttachment) {
			t.Errorf("%s: with one %v, without %v", s.name, with, without)
		}
	}
}

// Any hashes in any order, some twice, make an attachment that fits its batch and holds each of them.
func TestAttachmentHoldsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var hashes []statement.RevocationHash
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 300), 1, 100).Draw(t, "hashes") {
			hashes = append(hashes, statement.RevocationHash{byte(n), byte(n >> 8)})
		}
		a := statement.NewAttachment(hashes)
		b := statement.NewBatch(statement.HashUCI, a, july, "r")
		if err := b.CheckAttachment(a); err != nil {
			t.Fatal(err)
		}
		if err := b.Validate(); err != nil {
			t.Fatal(err)
		}
		in := make(map[statement.RevocationHash]bool)
		for i := 0; i < len(a); i += statement.HashSize {
			in[statement.RevocationHash(a[i:i+statement.HashSize])] = true
		}
		for _, h := range hashes {
			if !in[h] {
				t.Fatalf("%x is missing", h)
			}
		}
	})
}

func TestBatchOf65536(t *testing.T) {
	hashes := make([]statement.RevocationHash, statement.MaxBatchHashes+1)
	for i := range hashes {
		hashes[i] = statement.RevocationHash{byte(i >> 16), byte(i >> 8), byte(i)}
	}
	full := statement.NewAttachment(hashes[:statement.MaxBatchHashes])
	b := statement.NewBatch(statement.HashUCI, full, july, "r")
	if err := errors.Join(b.Validate(), b.CheckAttachment(full)); err != nil {
		t.Errorf("65,536 hashes: %v", err)
	}
	b = statement.NewBatch(statement.HashUCI, statement.NewAttachment(hashes), july, "r")
	if err := b.Validate(); !errors.Is(err, statement.ErrInvalid) {
		t.Errorf("65,537 hashes: %v", err)
	}
}
