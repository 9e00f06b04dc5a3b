package catchup

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"concordat/ledger/block"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

func ask[T any, P interface {
	*T
	message
}](t *testing.T, s *Server, name string, q message) T {
	t.Helper()
	raw, err := s.Serve(testContext(t), name, "XJ", mustEncode(q))
	if err != nil || raw[0] != statusDone {
		t.Fatalf("%s: status %v, %v", name, raw, err)
	}
	if len(raw) > MaxAnswer {
		t.Fatalf("%s: %d bytes", name, len(raw))
	}
	var a T
	if err := decode(raw[1:], MaxAnswer, P(&a)); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return a
}

func TestServe(t *testing.T) {
	c, cert := story(t)
	head := c.l.Head()
	c.risks(t, 7, 7) // not certified
	s := NewServer(ServerConfig{Source: c.l})

	o := ask[offerAnswer](t, s, OfferProtocol, &offerRequest{})
	if o.Head != head.Size+7 || !bytes.Equal(o.Note, cert.Note()) || o.Size != head.Size || o.Root != head.Root || o.position() != head.Applied || o.Seals == 0 {
		t.Errorf("offer: %+v", o)
	}
	if o := ask[offerAnswer](t, s, OfferProtocol, &offerRequest{Size: o.Seals}); o.Size != o.Seals || o.Index == 0 {
		t.Errorf("offer of the size after the seal: %+v", o)
	}
	if o := ask[offerAnswer](t, s, OfferProtocol, &offerRequest{Size: o.Seals - 1}); o.Size == 0 || o.Seals != 0 {
		t.Errorf("offer of the size before the seal: %+v", o)
	}
	for _, size := range []uint64{1, head.Size + 8} { // inside of a block, and not there yet
		if o := ask[offerAnswer](t, s, OfferProtocol, &offerRequest{Size: size}); o.Size != 0 || o.Index != 0 {
			t.Errorf("offer of size %d: %+v", size, o)
		}
	}

	e := ask[entriesAnswer](t, s, EntriesProtocol, &entriesRequest{From: head.Size - 2, Count: MaxRange})
	if len(e.Entries) != 9 {
		t.Errorf("%d entries to the end, want 9", len(e.Entries))
	}
	tiles := ask[tilesAnswer](t, s, TilesProtocol, &tilesRequest{Tiles: []tileRef{{Index: 0, Width: 256}, {Index: 1, Width: 3}, {Level: 1, Width: 1}}})
	if len(tiles.Tiles) != 3 || len(tiles.Tiles[0]) != 256*merkle.HashSize || len(tiles.Tiles[1]) != 3*merkle.HashSize {
		t.Errorf("%d tiles", len(tiles.Tiles))
	}
	from, to := head.Size-5, head.Size+7
	b := ask[blocksAnswer](t, s, BlocksProtocol, &blocksRequest{From: from, To: to})
	records, err := readRecords(b.Records, from, to)
	if err != nil || len(records) != 1 || records[0].Size != head.Size {
		t.Errorf("records: %+v, %v", records, err)
	}
	if d := ask[blocksAnswer](t, s, BlocksProtocol, &blocksRequest{From: from, To: to, Digest: true}); *d.Digest != digestOf(b.Records) {
		t.Error("the digest is not that of the records")
	}
	if b := ask[blocksAnswer](t, s, BlocksProtocol, &blocksRequest{From: 1, To: 2}); len(b.Records) != 0 {
		t.Error("a block that does not begin in the range")
	}
	if a := ask[attachmentsAnswer](t, s, AttachmentsProtocol, &attachmentsRequest{Digests: [][32]byte{{1}}}); len(a.Attachments) != 1 || len(a.Attachments[0]) != 0 {
		t.Errorf("an attachment that nobody has: %v", a)
	}

	for name, q := range map[string]message{
		EntriesProtocol: &entriesRequest{From: head.Size + 7, Count: 1},
		TilesProtocol:   &tilesRequest{Tiles: []tileRef{{Index: 1000, Width: 1}}},
		BlocksProtocol:  &blocksRequest{From: head.Size, To: head.Size + 8},
	} {
		if raw, err := s.Serve(testContext(t), name, "XJ", mustEncode(q)); err != nil || !bytes.Equal(raw, []byte{statusAbsent}) {
			t.Errorf("%s of what is not there yet: %v, %v", name, raw, err)
		}
	}
	for name, q := range map[string]message{
		"nothing":           &offerRequest{},
		OfferProtocol:       &offerRequest{Size: block.MaxLogSize + 1},
		EntriesProtocol:     &entriesRequest{Count: MaxRange + 1},
		TilesProtocol:       &tilesRequest{Tiles: []tileRef{{Level: 9, Width: 1}}},
		BlocksProtocol:      &blocksRequest{From: 5, To: 5},
		AttachmentsProtocol: &attachmentsRequest{Digests: make([][32]byte, MaxAttachments+1)},
	} {
		if raw, err := s.Serve(testContext(t), name, "XJ", mustEncode(q)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s of what cannot be: %v, %v", name, raw, err)
		}
	}
}

// An answer of large things ends where it is full, and what is asked next goes on.
func TestServeFull(t *testing.T) {
	c := newNetwork(t).chain(t)
	var digests [][32]byte
	for i := range 3 {
		r := c.revoke(t, 1_000_000*i, statement.MaxBatchHashes, 1_900_000_000)
		u, err := statement.Parse(r.Raw)
		if err != nil {
			t.Fatal(err)
		}
		said := u.Statement()
		digests = append(digests, said.Body.(*statement.Revoke).Digest)
		c.add(t, r)
	}
	var cs []int
	for i := range 300 {
		cs = append(cs, i)
	}
	for len(cs) > 0 {
		c.add(t, c.certificate(t, cs[0]))
		cs = cs[1:]
	}
	s := NewServer(ServerConfig{Source: c.l, BytesPerSecond: -1})
	if a := ask[attachmentsAnswer](t, s, AttachmentsProtocol, &attachmentsRequest{Digests: digests}); len(a.Attachments) != 1 {
		t.Errorf("%d attachments of 1 MiB in an answer", len(a.Attachments))
	}
	e := ask[entriesAnswer](t, s, EntriesProtocol, &entriesRequest{From: 3, Count: 300})
	if n := len(e.Entries); n < 200 || n >= 300 {
		t.Errorf("%d entries of 8 kB in an answer", n)
	}
}

// A peer gets so many calls at once and so many bytes a second, whatever others get.
func TestServeBounds(t *testing.T) {
	c, _ := story(t)
	s := NewServer(ServerConfig{Source: c.l, CallsPerPeer: 2, Calls: 3, BytesPerSecond: 1 << 10})
	entries := mustEncode(&entriesRequest{Count: MaxRange})
	offer := mustEncode(&offerRequest{})
	call := func(ctx context.Context, from, name string, req []byte) []byte {
		t.Helper()
		raw, err := s.Serve(ctx, name, from, req)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	// The allowance is spent; what comes then takes longer than the caller has.
	for spent := 0; spent < MaxAnswer; {
		raw, err := s.Serve(testContext(t), EntriesProtocol, "XJ", entries)
		if err != nil {
			t.Fatal(err)
		}
		if raw[0] == statusBusy {
			break
		}
		spent += len(raw)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if raw := call(ctx, "XJ", EntriesProtocol, entries); raw[0] != statusBusy {
		t.Errorf("status %d beyond the allowance", raw[0])
	}
	if raw := call(ctx, "XK", EntriesProtocol, entries); raw[0] != statusDone {
		t.Errorf("status %d to another peer", raw[0])
	}
	// Calls that wait for their allowance count as in progress.
	slow, end := context.WithCancel(context.Background())
	ended := make(chan error)
	for range 2 {
		go func() {
			_, err := s.Serve(slow, EntriesProtocol, "XJ", entries)
			ended <- err
		}()
	}
	for {
		s.mu.Lock()
		n := s.peers["XJ"].calls
		s.mu.Unlock()
		if n == 2 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if raw := call(testContext(t), "XJ", OfferProtocol, offer); raw[0] != statusBusy {
		t.Errorf("status %d to a third call of one peer", raw[0])
	}
	if raw := call(testContext(t), "XK", OfferProtocol, offer); raw[0] != statusDone {
		t.Errorf("status %d to the third call in all", raw[0])
	}
	end()
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a call whose caller has gone: %v", err)
		}
	}
}

// Whatever bytes come, they are refused or mean one thing, and what is encoded
// again is the same.
func FuzzDecode(f *testing.F) {
	proof := block.HeaderProof{Header: []byte{1}, Signature: make([]byte, 64)}
	for _, m := range []message{
		&offerRequest{Size: 7}, &offerAnswer{Head: 9, Note: []byte("note"), Size: 7, Root: [32]byte{1}, Index: 3, Term: 2, Seals: 5},
		&tilesRequest{Tiles: []tileRef{{Level: 1, Index: 2, Width: 3}}}, &tilesAnswer{Tiles: [][]byte{{1, 2}}},
		&entriesRequest{From: 1, Count: 2}, &entriesAnswer{Entries: [][]byte{{1}, {2, 3}}},
		&attachmentsRequest{Digests: [][32]byte{{1}, {2}}}, &attachmentsAnswer{Attachments: [][]byte{{}, {1}}},
		&blocksRequest{From: 1, To: 9}, &blocksRequest{From: 1, To: 9, Digest: true},
		&blocksAnswer{Records: [][]byte{proof.Encode()}}, &blocksAnswer{Digest: &[32]byte{7}},
		&stepsRequest{Have: 3}, &stepsAnswer{Steps: [][]byte{{1, 2}, {3}}}, &stepsAnswer{Steps: [][]byte{}},
	} {
		f.Add(mustEncode(m))
	}
	f.Add([]byte{0xa1, 1, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range []message{
			&offerRequest{}, &offerAnswer{}, &tilesRequest{}, &tilesAnswer{}, &entriesRequest{}, &entriesAnswer{},
			&attachmentsRequest{}, &attachmentsAnswer{}, &blocksRequest{}, &blocksAnswer{},
			&stepsRequest{}, &stepsAnswer{},
		} {
			if decode(data, MaxAnswer, m) == nil && !bytes.Equal(mustEncode(m), data) {
				t.Errorf("%T: %x is read and is not what is written", m, data)
			}
			if decode(data, len(data)-1, m) == nil {
				t.Errorf("%T: more bytes than the limit were read", m)
			}
		}
	})
}

// The records that a peer shows are refused or a row of blocks.
func FuzzRecords(f *testing.F) {
	raw, err := block.Seal(block.Header{Term: 1, Size: 5, Proposer: "XA"}, [][]byte{{1}, {2}}, nil, testKey("XA/node"))
	if err != nil {
		f.Fatal(err)
	}
	s, err := block.Parse(raw)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Proof().Encode(), s.Proof().Encode(), uint64(5))
	f.Add(s.Proof().Encode(), []byte{}, uint64(4))
	f.Fuzz(func(t *testing.T, a, b []byte, from uint64) {
		to := from + MaxRange
		records, err := readRecords([][]byte{a, b}, from, to)
		if err != nil {
			return
		}
		for i, r := range records {
			if r.Size < from || r.Size >= to || r.Count == 0 || i > 0 && r.Size != records[i-1].end() {
				t.Errorf("records %+v of %d to %d", records, from, to)
			}
		}
	})
}

// A server answers whatever is asked, within its bounds.
func FuzzServe(f *testing.F) {
	c := newNetwork(f).chain(f)
	c.risks(f, 300, 30)
	c.certify(f)
	s := NewServer(ServerConfig{Source: c.l, BytesPerSecond: -1})
	for i, q := range []message{
		&offerRequest{Size: 60}, &tilesRequest{Tiles: []tileRef{{Index: 1, Width: 44}}}, &entriesRequest{From: 290, Count: 20},
		&attachmentsRequest{Digests: [][32]byte{{1}}}, &blocksRequest{From: 3, To: 200}, &stepsRequest{},
	} {
		f.Add(uint8(i), mustEncode(q))
	}
	f.Fuzz(func(t *testing.T, name uint8, req []byte) {
		raw, err := s.Serve(context.Background(), Protocols()[int(name)%len(Protocols())], "XJ", req)
		switch {
		case err != nil && !errors.Is(err, ErrMalformed):
			t.Fatal(err)
		case err == nil && (len(raw) == 0 || len(raw) > MaxAnswer):
			t.Fatalf("an answer of %d bytes", len(raw))
		}
	})
}
