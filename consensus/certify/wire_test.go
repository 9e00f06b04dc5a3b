package certify

import (
	"bytes"
	"slices"
	"testing"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
)

func TestWire(t *testing.T) {
	marks, digests := []mark{markAt(1, "a"), markAt(1<<53, "b")}, []merkle.Hash{{}, {7}}
	for _, d := range [][]merkle.Hash{digests, nil} {
		got, told, err := decodeEchoes(encodeEchoes(marks, d))
		if err != nil || !slices.Equal(got, marks) || !slices.Equal(told, d) {
			t.Errorf("echoes come back as %v and %v, %v", got, told, err)
		}
	}
	if len(encodeEchoes(make([]mark, maxEchoes), []merkle.Hash{{1}, {}, {}, {}, {}, {}, {}, {}})) != maxEchoRequest {
		t.Error("the greatest echo is not of the greatest size")
	}
	if head, err := decodeHead(encodeHead(77)); err != nil || head != 77 {
		t.Errorf("a head comes back as %d, %v", head, err)
	}
	if _, err := decodeHead(append(encodeHead(77), 0)); err == nil {
		t.Error("a head with a byte more is one")
	}
	size, err := decodeBlockRequest(encodeBlockRequest(77))
	if err != nil || size != 77 {
		t.Errorf("a request for a block comes back as %d, %v", size, err)
	}
	p := newChain(t, testDoc(), "")
	p.add(1)
	proof := p.header(0)
	a, err := decodeBlockAnswer(blockAnswer{root: merkle.EmptyRoot(), proof: &proof}.encode())
	if err != nil || a.root != merkle.EmptyRoot() || a.proof == nil || !bytes.Equal(a.proof.Header, proof.Header) {
		t.Errorf("a block comes back as %+v, %v", a, err)
	}
	h, err := decodeHistoryAnswer(historyAnswer{merkle.EmptyRoot(), []merkle.Hash{{1}, {2}}}.encode())
	if err != nil || h.root != merkle.EmptyRoot() || len(h.path) != 2 || h.path[1] != (merkle.Hash{2}) {
		t.Errorf("a history comes back as %+v, %v", h, err)
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "another version": {3, 1}, "digests that are none": append([]byte{2, 1}, append(make([]byte, 32), encodeEchoes(marks[:1], nil)[2:]...)...), "no digests": {2, 1}, "no echo": {1, 0}, "too many": append([]byte{1, 9}, make([]byte, 9*40)...),
		"cut": encodeEchoes(marks, nil)[:60], "size 0": append([]byte{1, 1}, make([]byte, 40)...), "size 2^63": append([]byte{1, 1, 0x80}, make([]byte, 39)...),
	} {
		if _, _, err := decodeEchoes(b); err == nil {
			t.Errorf("%s is an echo", name)
		}
	}
}

func pushOf(t testing.TB) []byte {
	m := markAt(7, "a")
	s, err := mustSigner(t, signerConfig(newMemDisk())).sign(m, dawn, testVoice)
	if err != nil {
		t.Fatal(err)
	}
	note := checkpoint.Assemble(checkpoint.Checkpoint{Origin: testOrigin, Size: m.size, Root: m.root}, s.lines).Bytes()
	return encodePush([][]byte{note, note})
}

func FuzzDecodeEchoes(f *testing.F) {
	f.Add(encodeEchoes([]mark{markAt(1, "a"), markAt(2, "a")}, nil))
	f.Add(encodeEchoes([]mark{markAt(1, "a"), markAt(2, "a")}, []merkle.Hash{{1}, {}}))
	f.Add([]byte{1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, told, err := decodeEchoes(b); err == nil && !bytes.Equal(encodeEchoes(got, told), b) {
			t.Errorf("%x is written as %x", b, encodeEchoes(got, told))
		}
	})
}

func FuzzDecodePush(f *testing.F) {
	f.Add(pushOf(f))
	f.Add([]byte{1, 1, 0, 0, 0, 1, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		notes, err := decodePush(b)
		if err != nil {
			return
		}
		var raw [][]byte
		for _, n := range notes {
			raw = append(raw, n.Bytes())
		}
		if !bytes.Equal(encodePush(raw), b) {
			t.Errorf("%x is written as %x", b, encodePush(raw))
		}
	})
}

func FuzzDecodeBlockAnswer(f *testing.F) {
	f.Add(blockAnswer{root: merkle.EmptyRoot()}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := decodeBlockAnswer(b); err == nil && !bytes.Equal(got.encode(), b) {
			t.Errorf("%x is written as %x", b, got.encode())
		}
	})
}

func FuzzDecodeHead(f *testing.F) {
	f.Add(encodeHead(7))
	f.Fuzz(func(t *testing.T, b []byte) {
		if size, err := decodeHead(b); err == nil && !bytes.Equal(encodeHead(size), b) {
			t.Errorf("%x is written as %x", b, encodeHead(size))
		}
	})
}

func FuzzDecodeHistoryAnswer(f *testing.F) {
	f.Add(historyAnswer{merkle.EmptyRoot(), []merkle.Hash{{1}, {2}}}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := decodeHistoryAnswer(b); err == nil && !bytes.Equal(got.encode(), b) {
			t.Errorf("%x is written as %x", b, got.encode())
		}
	})
}

func FuzzUnsealSigner(f *testing.F) {
	d := newMemDisk()
	s := mustSigner(f, signerConfig(d))
	if _, err := s.sign(markAt(10, "a"), dawn, testVoice); err != nil {
		f.Fatal(err)
	}
	f.Add(d.names["keys/signer"].data)
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := newMemDisk()
		d.names["keys/signer"] = &memFile{b, b}
		if s, err := openSigner(signerConfig(d)); err == nil && s.last.time < 0 {
			t.Errorf("read as %+v", s.last)
		}
		// Whatever checksum it has, its content is looked at too.
		d.names["keys/signer"] = &memFile{seal(b), seal(b)}
		if s, err := openSigner(signerConfig(d)); err == nil && s.last.time < 0 {
			t.Errorf("read as %+v", s.last)
		}
	})
}
