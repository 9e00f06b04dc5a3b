package node

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"

	"concordat/client"
	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/p2p"
)

func TestBatchOnTheWire(t *testing.T) {
	in := []ledger.Candidate{{Raw: []byte("one")}, {Raw: []byte("two"), Attachment: []byte("beside")}}
	b, err := encodeBatch(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := decodeBatch(b)
	if err != nil || len(out) != 2 || string(out[0].Raw) != "one" || out[0].Attachment != nil || string(out[1].Attachment) != "beside" {
		t.Errorf("%v, %v", out, err)
	}
	for name, cs := range map[string][]ledger.Candidate{
		"none": nil, "too many": make([]ledger.Candidate, maxBatch+1),
		"too large": {{Raw: make([]byte, statement.MaxSize+1)}}, "attachment too large": {{Attachment: make([]byte, statement.MaxAttachment+1)}},
	} {
		if b, err = encodeBatch(cs); err != nil {
			t.Fatal(err)
		}
		if _, err := decodeBatch(b); err == nil {
			t.Errorf("%s: a batch was decoded", name)
		}
	}
}

// TestFullestBatchFits: whatever is gathered fits p2p's request and its frame.
func TestFullestBatchFits(t *testing.T) {
	largest := ledger.Candidate{Raw: make([]byte, statement.MaxSize), Attachment: make([]byte, statement.MaxAttachment)}
	for name, queue := range map[string][]ledger.Candidate{
		"two of the largest":      {largest, largest, largest},
		"one byte less, and more": {{Raw: make([]byte, 60_000), Attachment: make([]byte, batchBytes-60_001)}, largest, largest},
		"many small":              append(slicesOf(maxBatch-1, ledger.Candidate{Raw: make([]byte, 2047)}), largest, largest),
	} {
		lane := make(chan *order, len(queue))
		for _, c := range queue {
			lane <- &order{ctx: t.Context(), candidate: c}
		}
		var cands []ledger.Candidate
		for _, o := range gather(lane, <-lane) {
			cands = append(cands, o.candidate)
		}
		b, err := encodeBatch(cands)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > maxForwarded || maxForwarded > p2p.DefaultMaxFrame-64 {
			t.Errorf("%s: %d statements in %d bytes, at most %d in a frame of %d", name, len(cands), len(b), maxForwarded, p2p.DefaultMaxFrame)
		}
	}
}

func slicesOf(n int, c ledger.Candidate) []ledger.Candidate {
	out := make([]ledger.Candidate, n)
	for i := range out {
		out[i] = c
	}
	return out
}

// TestGatherLeavesOut what nobody waits for, and takes no more than a batch.
func TestGatherLeavesOut(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	lane := make(chan *order, 2*maxBatch)
	for i := range cap(lane) {
		ctx := t.Context()
		if i%3 == 0 {
			ctx = gone
		}
		lane <- &order{ctx: ctx, candidate: ledger.Candidate{Raw: fmt.Append(nil, i)}}
	}
	seen := 0
	for len(lane) > 0 {
		batch := gather(lane, <-lane)
		if len(batch) > maxBatch {
			t.Fatalf("a batch of %d", len(batch))
		}
		for _, o := range batch {
			if o.ctx.Err() != nil {
				t.Error("an order that nobody waits for is sent")
			}
		}
		seen += len(batch)
	}
	if want := 2*maxBatch - (2*maxBatch+2)/3; seen != want {
		t.Errorf("%d orders are sent, want %d", seen, want)
	}
}

func TestOutcomesOnTheWire(t *testing.T) {
	newest := uint64(3)
	in := []consensus.Outcome{
		{Index: 5}, {Index: 6, Known: true},
		{Verdict: state.Verdict{Name: state.RevisionConflict, Message: "m", Hint: "h", Revision: 4, Index: &newest}},
		{Verdict: state.Verdict{Name: "x", Message: strings.Repeat("é", maxRefusalText)}},
	}
	b, err := encodeOutcomes(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := decodeOutcomes(b, len(in))
	if err != nil {
		t.Fatal(err)
	}
	v := out[2].Verdict
	if out[0].Index != 5 || !out[1].Known || v.Name != state.RevisionConflict || v.Message != "m" || v.Hint != "h" || v.Revision != 4 || v.Index == nil || *v.Index != 3 {
		t.Errorf("%+v", out)
	}
	if n := len(out[3].Verdict.Message); n > maxRefusalText+8 {
		t.Errorf("a message of %d bytes", n)
	}
	if _, err := decodeOutcomes(b, len(in)+1); !errors.Is(err, errAnswer) {
		t.Errorf("an answer with too few: %v", err)
	}
	if _, err := decodeOutcomes([]byte("x"), 1); !errors.Is(err, errAnswer) {
		t.Errorf("no answer: %v", err)
	}
}

// TestRemoteErrors: what a leader says decides whether a follower asks again.
func TestRemoteErrors(t *testing.T) {
	for _, c := range []struct {
		err           error
		code          string
		again, blamed bool // ask again; the batch is to blame
	}{
		{&consensus.NotLeader{Leader: "XB"}, codeNotLeader, true, false},
		{fmt.Errorf("%w: %w", consensus.ErrOutcomeUnknown, &consensus.NotLeader{}), codeUnknown, true, false},
		{consensus.ErrNoQuorum, codeNoQuorum, true, false},
		{consensus.ErrBusy, p2p.CodeBusy, true, false},
		{consensus.ErrClosed, codeClosing, true, false},
		{context.DeadlineExceeded, p2p.CodeDeadline, true, false},
		{errors.New("something else"), p2p.CodeInternal, false, true},
		{&p2p.RemoteError{Code: client.BadRequest, Message: "statements cannot be decoded"}, client.BadRequest, false, true},
	} {
		err := c.err
		var said *p2p.RemoteError
		if errors.As(remoteError(err), &said) {
			err = said
		} else { // what the host makes of an error that is not put into words
			err = &p2p.RemoteError{Code: p2p.CodeInternal}
		}
		errors.As(err, &said)
		if said.Code != c.code || passing(err) != c.again || indigestible(err) != c.blamed {
			t.Errorf("%v: code %s, asked again %v, batch blamed %v", c.err, said.Code, passing(err), indigestible(err))
		}
	}
	for _, err := range []error{p2p.ErrUnreachable, p2p.ErrBusy, errLeaderChanged} {
		if !passing(fmt.Errorf("call: %w", err)) {
			t.Errorf("%v is not asked again", err)
		}
	}
}

// TestRefusalsAreBounded: the latest are remembered, each once.
func TestRefusalsAreBounded(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	var r refusals
	var all []*statement.Unverified
	for i := range maxRefusals + 10 {
		v, err := statement.Sign(statement.Statement{Issuer: "XA", Network: statement.NetworkID{1}, Revision: uint64(i + 1), Body: &statement.Withdraw{Region: "XB"}}, key)
		if err != nil {
			t.Fatal(err)
		}
		u, err := statement.Parse(v.Raw())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, u)
		for range 2 {
			r.add(u, client.Fail(state.NotGranted, "no %d", i))
		}
	}
	for i, u := range all {
		if _, is := r.get(u.Hash()); is != (i >= 10) {
			t.Errorf("refusal %d of %d is remembered: %v", i, len(all), is)
		}
	}
}

func TestLasting(t *testing.T) {
	for _, c := range []struct {
		name           string
		makes, current uint64
		lasting        bool
	}{
		{state.UnknownKey, 1, 0, true},
		{state.SelfRecognition, 1, 0, true},
		{ledger.WrongSignature, 1, 0, true},
		{ledger.MalformedStatement, 1, 0, true},
		{state.RevisionConflict, 3, 1, false}, // the second is under way
		{state.RevisionConflict, 1, 1, true},
		{state.RiskAlreadyDeclared, 2, 1, true},
		{state.NotGranted, 1, 0, true},
		{state.NotGranted, 2, 0, false}, // the grant is under way
		{state.AlreadyKnown, 0, 0, true},
		{state.SealMisplaced, 0, 0, true},
		{state.SealBackdated, 0, 0, true},
	} {
		if got := lasting(statement.Statement{Revision: c.makes}, state.Verdict{Name: c.name, Revision: c.current}); got != c.lasting {
			t.Errorf("%s of revision %d at %d: lasting is %v", c.name, c.makes, c.current, got)
		}
	}
}

// FuzzForwarded: whatever a member sends, a batch within its bounds comes out
// or an error does, and what is decoded is encoded to the same.
func FuzzForwarded(f *testing.F) {
	for _, cs := range [][]ledger.Candidate{nil, {{Raw: []byte("one")}}, {{Raw: []byte("one"), Attachment: []byte("beside")}, {}}} {
		b, err := encodeBatch(cs)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{0xa1, 0x01, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		cs, err := decodeBatch(b)
		if err == nil {
			if len(cs) == 0 || len(cs) > maxBatch {
				t.Fatalf("%d statements", len(cs))
			}
			again, err := encodeBatch(cs)
			if err != nil {
				t.Fatal(err)
			}
			back, err := decodeBatch(again)
			if err != nil || len(back) != len(cs) || !bytes.Equal(back[0].Raw, cs[0].Raw) || !bytes.Equal(back[0].Attachment, cs[0].Attachment) {
				t.Errorf("written again it is %v, %v", back, err)
			}
		}
		if _, err := decodeOutcomes(b, 1); err != nil && !errors.Is(err, errAnswer) {
			t.Error(err)
		}
	})
}
