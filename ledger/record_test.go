package ledger

import (
	"bytes"
	"errors"
	"testing"

	"concordat/ledger/block"
	"concordat/ledger/merkle"
)

// Each record reads back as it was written.
func TestRecords(t *testing.T) {
	h := Head{Size: 7, Root: merkle.Hash{1, 31: 2}, Applied: Position{8, 9}, Time: 1_600_000_000_123}
	if got, err := decodeHead(h.encode()); err != nil || got != h {
		t.Errorf("head: %+v, %v", got, err)
	}
	for _, c := range []Candidate{{Raw: []byte("said")}, {Raw: []byte("said"), Attachment: []byte("beside")}} {
		got, err := decodeCandidate(nil, c.encode())
		if err != nil || !bytes.Equal(got.Raw, c.Raw) || !bytes.Equal(got.Attachment, c.Attachment) {
			t.Errorf("candidate: %+v, %v", got, err)
		}
	}
	n := newNetwork(t, "record.test")
	signed, err := block.Parse(n.seal(t, Head{}, 3, n.say(t, "XA", 1, grant("XB"))))
	if err != nil {
		t.Fatal(err)
	}
	b := Block{First: 5, Count: 1, Position: Position{8, 3}, Proof: signed.Proof()}
	got, err := decodeBlock(indexKey(tableBlock, 5), b.encode())
	if err != nil || got.First != 5 || got.Count != 1 || got.Position != b.Position || !bytes.Equal(got.Proof.Encode(), b.Proof.Encode()) {
		t.Errorf("block: %+v, %v", got, err)
	}
}

// The bytes are those of FORMAT.md.
func TestHeadBytes(t *testing.T) {
	h := Head{Size: 1, Root: merkle.Hash{0: 0xaa, 31: 0xbb}, Applied: Position{2, 3}, Time: 4}
	want := append([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0xaa}, make([]byte, 30)...) // size, root
	want = append(want, 0xbb,
		0, 0, 0, 0, 0, 0, 0, 2, // index
		0, 0, 0, 0, 0, 0, 0, 3, // term
		0, 0, 0, 0, 0, 0, 0, 4) // time
	sameBytes(t, "head", h.encode(), want)
}

// What a damaged disk gives is an error, never a panic.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{})
	f.Add(Head{Size: 7}.encode())
	f.Add(Candidate{Raw: []byte("said"), Attachment: []byte("beside")}.encode())
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := decodeHead(b); err == nil {
			sameBytes(t, "head", h.encode(), b)
		} else if !errors.Is(err, ErrCorrupt) {
			t.Errorf("head: %v", err)
		}
		if c, err := decodeCandidate(nil, b); err == nil {
			sameBytes(t, "candidate", c.encode(), b)
		} else if !errors.Is(err, ErrCorrupt) {
			t.Errorf("candidate: %v", err)
		}
		if r, err := decodeBlock(indexKey(tableBlock, 5), b); err == nil {
			sameBytes(t, "block", r.encode(), b)
		} else if !errors.Is(err, ErrCorrupt) {
			t.Errorf("block: %v", err)
		}
		if _, err := decodeBlock(b, b); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("block: %v", err)
		}
		if _, err := decodeIndex(nil, b); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("index: %v", err)
		}
	})
}
