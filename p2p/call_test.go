package p2p

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestCall(t *testing.T) {
	a, b := pair(t, nil)
	a.Handle("echo", 1<<20, func(_ context.Context, from Member, r []byte) ([]byte, error) {
		return append([]byte(from.Authority+":"), r...), nil
	})
	for _, n := range []int{0, 1, 1 << 10, readStep, readStep + 1, 1 << 20} {
		r := bytes.Repeat([]byte{7}, n)
		got, err := b.Call(testContext(t), "XA", "echo", r)
		if err != nil || !bytes.Equal(got, append([]byte("XB:"), r...)) {
			t.Fatalf("echo of %d bytes: %d bytes, %v", n, len(got), err)
		}
	}
	if _, err := b.Call(testContext(t), "XB", "echo", nil); err == nil {
		t.Error("a call to itself")
	}
	if _, err := b.Call(testContext(t), "XQ", "echo", nil); !errors.Is(err, ErrNotMember) {
		t.Errorf("call to a stranger: %v", err)
	}
	if _, err := b.Call(testContext(t), "XA", "nobody-handles-this", nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("call without handler: %v", err)
	}
	mustPanic(t, "handled twice", func() { a.Handle("echo", 1, nil) })
	mustPanic(t, "bad name", func() { a.Handle("No Name", 1, nil) })
}

func TestCallErrors(t *testing.T) {
	a, b := pair(t, nil)
	a.Handle("fail", 100, func(_ context.Context, _ Member, r []byte) ([]byte, error) {
		switch string(r) {
		case "said":
			return nil, &RemoteError{"not-leader", "ask XC"}
		case "unsaid":
			return nil, errors.New("disk /secret/path is full")
		case "large":
			return make([]byte, DefaultMaxFrame+1), nil
		default:
			return nil, &RemoteError{strings.Repeat("c", 100), strings.Repeat("ü", 1000)}
		}
	})
	remote := func(request string) *RemoteError {
		t.Helper()
		_, err := b.Call(testContext(t), "XA", "fail", []byte(request))
		var r *RemoteError
		if !errors.As(err, &r) {
			t.Fatalf("%s: %v is no RemoteError", request, err)
		}
		return r
	}
	if r := remote("said"); *r != (RemoteError{"not-leader", "ask XC"}) {
		t.Errorf("said: %+v", r)
	}
	if r := remote("unsaid"); r.Code != CodeInternal || strings.Contains(r.Message, "secret") {
		t.Errorf("unsaid: %+v", r)
	}
	if r := remote("large"); !errors.Is(r, ErrTooLarge) {
		t.Errorf("large: %+v", r)
	}
	if r := remote("long"); len(r.Code) != maxCode || len(r.Message) != maxMessage {
		t.Errorf("long: code of %d bytes, message of %d", len(r.Code), len(r.Message))
	}
}

func TestCallCaps(t *testing.T) {
	a, b := pair(t, nil)
	a.Handle("small", 10, func(_ context.Context, _ Member, r []byte) ([]byte, error) { return r, nil })
	if _, err := b.Call(testContext(t), "XA", "small", make([]byte, 10)); err != nil {
		t.Fatalf("10 of 10 bytes: %v", err)
	}
	var refused *RefusedError
	for _, n := range []int{11, DefaultMaxFrame - callPrefix} {
		if _, err := b.Call(testContext(t), "XA", "small", make([]byte, n)); !errors.As(err, &refused) || refused.Reason != RefusedTooLarge || refused.By != "XA" {
			t.Fatalf("%d of 10 bytes: %v", n, err)
		}
	}
	if _, err := b.Call(testContext(t), "XA", "small", make([]byte, DefaultMaxFrame)); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("a whole frame of request: %v", err)
	}
	if a.Refused()["call/too-large"] != 2 {
		t.Errorf("counters: %v", a.Refused())
	}
	if _, err := b.Call(testContext(t), "XA", "small", []byte("on")); err != nil {
		t.Fatalf("after refusals: %v", err)
	}
}

func TestCallDeadline(t *testing.T) {
	a, b := pair(t, nil)
	left := make(chan time.Duration, 1)
	a.Handle("wait", 10, func(ctx context.Context, _ Member, _ []byte) ([]byte, error) {
		d, _ := ctx.Deadline()
		left <- time.Until(d)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err := b.Call(ctx, "XA", "wait", nil)
	var remote *RemoteError
	if !errors.Is(err, context.DeadlineExceeded) && (!errors.As(err, &remote) || remote.Code != CodeDeadline) {
		t.Fatalf("got %v, want the deadline's error, ours or the other node's", err)
	}
	if d := <-left; d <= 0 || d > 200*time.Millisecond {
		t.Errorf("the handler had %v left of 200ms", d)
	}
	// Cancelled from here, the call ends before its deadline.
	ctx, cancel = context.WithTimeout(context.Background(), patience)
	failed := make(chan error)
	go func() {
		_, err := b.Call(ctx, "XA", "wait", nil)
		failed <- err
	}()
	<-left
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled call: %v", err)
	}
}

// Calls do not wait behind a slow one, and their number is bounded on both sides.
func TestCallsRunBesideOneAnother(t *testing.T) {
	const most = 6
	a, b := pair(t, func(c *Config) { c.MaxCalls, c.StreamsPerProtocol = most, 4 })
	release := make(chan struct{})
	started := make(chan struct{}, most)
	a.Handle("slow", 10, func(ctx context.Context, _ Member, _ []byte) ([]byte, error) {
		started <- struct{}{}
		<-release
		return []byte("done"), nil
	})
	a.Handle("quick", 10, func(context.Context, Member, []byte) ([]byte, error) { return []byte("quick"), nil })

	var wg sync.WaitGroup
	call := func() {
		wg.Go(func() {
			if got, err := b.Call(testContext(t), "XA", "slow", nil); err != nil || string(got) != "done" {
				t.Errorf("slow: %q, %v", got, err)
			}
		})
	}
	for range 3 {
		call()
	}
	for range 3 {
		<-started
	}
	if got, err := b.Call(testContext(t), "XA", "quick", nil); err != nil || string(got) != "quick" {
		t.Fatalf("a quick call beside slow ones: %q, %v", got, err)
	}
	for range most - 3 {
		call()
	}
	<-started // the fourth has the last stream; two wait for one
	eventually(t, "all calls are in progress", func() bool { return int(b.remotes[a.ID()].calls.Load()) == most })
	if _, err := b.Call(testContext(t), "XA", "quick", nil); !errors.Is(err, ErrBusy) {
		t.Fatalf("one call too many: %v, want ErrBusy", err)
	}
	close(release)
	wg.Wait()
	if _, err := b.Call(testContext(t), "XA", "quick", nil); err != nil {
		t.Fatal(err)
	}
	if n := len(b.remotes[a.ID()].pools[b.protocol("slow")].idle); n != 4 {
		t.Errorf("%d streams kept for 6 calls, want 4", n)
	}
}

// A peer that ignores the bound gets "busy", and keeps its stream.
func TestCallBusyAtTheHandler(t *testing.T) {
	a, b := pair(t, func(c *Config) { c.MaxCalls = 1 })
	release, started := make(chan struct{}), make(chan struct{})
	a.Handle("slow", 10, func(context.Context, Member, []byte) ([]byte, error) {
		close(started)
		<-release
		return nil, nil
	})
	a.Handle("quick", 10, func(context.Context, Member, []byte) ([]byte, error) { return nil, nil })
	failed := make(chan error)
	go func() {
		_, err := b.Call(testContext(t), "XA", "slow", nil)
		failed <- err
	}()
	<-started
	b.remotes[a.ID()].calls.Store(0) // forget the bound on the caller's side
	if _, err := b.Call(testContext(t), "XA", "quick", nil); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	if a.Refused()["call/busy"] != 1 {
		t.Errorf("counters: %v", a.Refused())
	}
	close(release)
	if err := <-failed; err != nil {
		t.Error(err)
	}
}

func TestCallGarbage(t *testing.T) {
	a := newTestHost(t, testConfig("XA"))
	x := newHostile(t, "XM")
	if err := a.SetMembers([]Member{testMember(t, "XA"), testMember(t, "XM")}); err != nil {
		t.Fatal(err)
	}
	if err := x.connect(a); err != nil {
		t.Fatal(err)
	}
	a.Handle("echo", 10, func(_ context.Context, _ Member, r []byte) ([]byte, error) { return r, nil })
	k, body, err := x.send(a, "echo", endFrame(append(beginFrame(nil, kindCall), 1, 2), 0))
	wantRefusal(t, RefusedMalformed, k, body, err)
	k, body, err = x.send(a, "echo", endFrame(beginFrame(nil, kindRequestVote), 0))
	wantRefusal(t, RefusedKind, k, body, err)
	k, body, err = x.send(a, "echo", []byte{0xff, 0xff, 0xff, 0xff, byte(kindCall)})
	wantRefusal(t, RefusedTooLarge, k, body, err)
}

func BenchmarkCall(b *testing.B) {
	x, y := pair(b, nil)
	x.Handle("echo", 1<<10, func(_ context.Context, _ Member, r []byte) ([]byte, error) { return r, nil })
	request := make([]byte, 1<<10)
	for b.Loop() {
		if _, err := y.Call(context.Background(), "XA", "echo", request); err != nil {
			b.Fatal(err)
		}
	}
}
