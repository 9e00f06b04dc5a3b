package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"concordat/client"
	"concordat/ledger/statement"
	"concordat/testnet"
	"concordat/testnet/built"
)

// command is the concordat binary, built once from this tree: load is put on real processes.
var command string

func TestMain(m *testing.M) { os.Exit(built.Main(m, &command)) }

// unbounded is a window that only the end of what was prepared ends.
var unbounded = Window{Measured: time.Minute}

func TestOnRealNodes(t *testing.T) {
	net, err := testnet.Up(t.Context(), testnet.Options{Dir: t.TempDir(), Regions: []string{"XA", "XB", "XC"}, Command: command})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := net.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	var nodes []string
	var pids []int
	for _, n := range net.Nodes {
		nodes, pids = append(nodes, n.HTTP), append(pids, n.PID())
	}
	author, err := authorOf(net, net.Nodes[0])
	if err != nil {
		t.Fatal(err)
	}

	t.Run("submit", func(t *testing.T) {
		const count = 300
		got, err := Submit{Nodes: nodes, Author: author, Clients: 8, Window: unbounded, Prepare: count, Servers: pids}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.Acknowledged != count || got.ReadBack != count || got.Size < count || got.Root == "" || !got.Short {
			t.Errorf("of %d statements %d were acknowledged and %d read back, of size %d with root %q; window ended early: %t",
				count, got.Acknowledged, got.ReadBack, got.Size, got.Root, got.Short)
		}
		if got.Bytes < 256 || got.Bytes > 350 {
			t.Errorf("statements have %d bytes, want 256 to 350", got.Bytes)
		}
		if got.Done == 0 || got.PerSecond <= 0 || got.P50 <= 0 || got.P50 > got.P99 || got.P99 > got.Max {
			t.Errorf("figures %+v", got.Figures)
		}
	})
	t.Run("submit, until it is final", func(t *testing.T) {
		const count, read = 100, 30
		got, err := Submit{Nodes: nodes, Author: author, Clients: 4, Window: unbounded, Wait: client.Final, Lag: true, Prepare: count, ReadBack: read}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.Acknowledged < count-1 || got.ReadBack != read || got.Wait != client.Final {
			t.Errorf("of %d statements %d were acknowledged and %d read back, waited for until %q", count, got.Acknowledged, got.ReadBack, got.Wait)
		}
		if l := got.Lag; l == nil || l.Samples == 0 || l.P50 <= 0 || l.P50 > l.Max {
			t.Errorf("from ordered to final: %+v", got.Lag)
		}
	})
	t.Run("what was said to be there and is not", func(t *testing.T) {
		r := readBack{nodes}
		at := func(index uint64) []sent {
			return []sent{{raw: []byte("x"), acked: true, index: index, node: nodes[0]}}
		}
		if n, err := r.all(t.Context(), at(3)); n != 0 || !errors.Is(err, ErrWrong) {
			t.Errorf("a statement with another hash gives %d, %v, want ErrWrong", n, err)
		}
		if _, err := r.all(t.Context(), at(1<<40)); err == nil {
			t.Error("a statement beyond the ledger's end is read back")
		}
		if _, _, err := r.sameRoots(t.Context(), append(at(3), at(3)...)); !errors.Is(err, ErrWrong) {
			t.Errorf("an index given twice gives %v, want ErrWrong", err)
		}
	})
	short := Window{Measured: 200 * time.Millisecond}
	t.Run("check", func(t *testing.T) {
		for range 2 { // the second time it is registered already
			known, err := Register(t.Context(), author, nodes)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Asking{Nodes: nodes, Clients: 4, Window: short}.Check(t.Context(), known)
			if err != nil || got.Done == 0 || got.Errors != 0 {
				t.Errorf("%+v, %v", got, err)
			}
		}
		_, err := Asking{Nodes: nodes, Clients: 4, Window: short}.Check(t.Context(), Known{Region: "XB"})
		if !errors.Is(err, ErrWrong) {
			t.Errorf("a code that is not recognized gives %v, want ErrWrong", err)
		}
	})
	t.Run("lookup", func(t *testing.T) {
		revoked, err := Revoke(t.Context(), author, nodes, 100)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Asking{Nodes: nodes, Clients: 4, Window: short}.Lookup(t.Context(), revoked)
		if err != nil || got.Done == 0 || got.Errors != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		revoked.count = 200 // the second hundred was never revoked
		if _, err := (Asking{Nodes: nodes, Clients: 4, Window: unbounded}).Lookup(t.Context(), revoked); !errors.Is(err, ErrWrong) {
			t.Errorf("hashes that are not revoked give %v, want ErrWrong", err)
		}
	})
}

func TestOnNetworkOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	got, err := OnNetwork{Regions: []string{"XA"}, Clients: []int{2}, Window: unbounded, Prepare: 50, Dir: dir, Command: command}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].ReadBack != 50 || got[0].Clients != 2 {
		t.Errorf("%+v", got)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestBare(t *testing.T) {
	h, err := Bare()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	defer s.Close()
	got, err := Asking{Nodes: []string{s.URL}, Clients: 2, Window: Window{Measured: 100 * time.Millisecond}}.Check(t.Context(), Known{Region: "XA"})
	if err != nil || got.Done == 0 || got.Errors != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestErrorsAreCountedAndTriedAgain stands a node in that is busy every other time.
func TestErrorsAreCountedAndTriedAgain(t *testing.T) {
	var asked atomic.Int64
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%2 == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"error":{"name":"busy","message":"later"}}`)
			return
		}
		fmt.Fprint(w, `{"decision":"recognized"}`)
	}))
	defer busy.Close()
	got, err := Asking{Nodes: []string{busy.URL}, Clients: 1, Window: Window{Measured: 100 * time.Millisecond}}.Check(t.Context(), Known{})
	if err != nil || got.Done == 0 || got.Errors == 0 || got.FirstError == "" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAcknowledge(t *testing.T) {
	x := sent{hash: statement.Hash{1}}
	index := uint64(7)
	good := client.Submitted{Hash: x.hash.String(), Index: &index, State: client.Ordered}
	other, none, accepted, known := good, good, good, good
	other.Hash = statement.Hash{2}.String()
	none.Index = nil
	accepted.State = client.Accepted
	known.Known = true
	for name, got := range map[string]client.Submitted{"another hash": other, "no index": none, "only accepted": accepted, "known, at first": known} {
		if err := x.acknowledge(got, "node", false); !errors.Is(err, ErrWrong) || x.acked {
			t.Errorf("%s: %v, acknowledged: %t", name, err, x.acked)
		}
	}
	if err := x.acknowledge(known, "node", true); err != nil || !x.acked || x.index != 7 {
		t.Errorf("known, when sent again: %v, %+v", err, x)
	}
}

func TestInterruptedLoadSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ops := []operation{func(ctx context.Context) error { return ctx.Err() }}
	if _, err := drive(ctx, ops, unbounded, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

func TestQuantile(t *testing.T) {
	var ds []time.Duration
	for i := range 1000 {
		ds = append(ds, time.Duration(i))
	}
	for q, want := range map[float64]time.Duration{0: 0, 0.5: 500, 0.99: 990, 1: 999} {
		if got := quantile(ds, q); got != want {
			t.Errorf("quantile %g is %d, want %d", q, got, want)
		}
	}
}
