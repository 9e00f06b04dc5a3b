package testnet

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// invented is the i-th revocation of an invented batch of n hashes, signed by a node's authority.
func invented(t *testing.T, net *Network, n *Node, name string, i, hashes int) (raw, attachment []byte) {
	t.Helper()
	author, err := authorOf(net, n)
	if err != nil {
		t.Fatal(err)
	}
	batch := make([]statement.RevocationHash, hashes)
	for k := range batch {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", name, i, k))
		batch[k] = statement.RevocationHash(sum[:statement.HashSize])
	}
	attachment = statement.NewAttachment(batch)
	v, err := author.Compose(t.Context(), &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, attachment, statement.TimeOf(time.Now().AddDate(1, 0, 0)), name)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return v.Raw(), attachment
}

// TestPromisesOutliveKills: what a node has accepted is on its disk when it
// says so. Killed right after, with nobody there to order it and again in the
// middle of the work, it keeps every promise, once.
func TestPromisesOutliveKills(t *testing.T) {
	net := up(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	raw, err := os.ReadFile(net.Genesis)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := genesis.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	one := net.Nodes[0]
	me, _ := doc.Authority(statement.Region(one.Region))
	promised := map[string]bool{}
	// accept takes a promise, and reports whether there is a node to give one.
	accept := func(name string, i int) bool {
		raw, attachment := invented(t, net, one, name, i, 1+i%3*1000)
		got, err := one.Client().Submit(ctx, raw, attachment, client.Accepted)
		var f *client.Failure
		if errors.As(err, &f) && f.Name == client.Unreachable {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		p, err := client.ParsePromise(got.Promise)
		if err == nil {
			err = p.Verify(net.ID, statement.Hash(sha256.Sum256(raw)), me.Keys.Node.Public())
		}
		if got.State == client.Accepted && err != nil {
			t.Errorf("the promise for %s %d: %v", name, i, err)
		}
		promised[got.Hash] = true
		return true
	}

	// Nobody is there to order anything.
	for _, n := range net.Nodes[2:] {
		if err := n.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		if !accept("alone", i) {
			t.Fatal("the node is gone")
		}
	}
	if err := one.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := one.Start(); err != nil {
		t.Fatal(err)
	}
	if err := waitFor(ctx, "what was held", func() bool {
		s, err := one.Client().Status(ctx)
		return err == nil && s.Held == len(promised)
	}); err != nil {
		t.Fatal(err)
	}
	for _, n := range net.Nodes[2:] {
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := net.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	// In the middle of the work: some are held, some on their way, some ordered.
	for round := range 3 {
		killed := make(chan error, 1)
		go func() {
			time.Sleep(time.Duration(20+30*round) * time.Millisecond) // any moment will do
			killed <- one.Kill()
		}()
		for i := 0; accept(fmt.Sprintf("round %d", round), i); i++ {
		}
		if err := <-killed; err != nil {
			t.Fatal(err)
		}
		if err := one.Start(); err != nil {
			t.Fatal(err)
		}
		if err := one.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := waitFor(ctx, "the promises to be kept", func() bool {
		s, err := one.Client().Status(ctx)
		return err == nil && s.Held == 0
	}); err != nil {
		t.Fatal(err)
	}
	s := &story{net: net}
	if _, err := s.sameLedgers(ctx); err != nil {
		t.Fatal(err)
	}
	for _, n := range net.Nodes {
		have, err := everything(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		times := map[string]int{}
		for _, x := range have {
			times[x.Hash]++
		}
		for h := range promised {
			if times[h] != 1 {
				t.Errorf("%s has a promised statement %d times", n.Region, times[h])
			}
		}
	}
	t.Logf("%d promises were kept", len(promised))
}

// TestFullDisk: a node whose disk is full (here: no file may grow beyond 8 MiB)
// ends, says why and what to do, and goes on where it was when there is room.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	small := filepath.Join(dir, "small")
	script := fmt.Sprintf("#!/bin/sh\nulimit -f %d\nexec '%s' \"$@\"\n", 8<<20/512, command)
	if err := os.WriteFile(small, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	net, err := Up(ctx, Options{Dir: filepath.Join(dir, "net"), Regions: []string{"XA"}, Command: small})
	if err != nil {
		t.Fatal(err)
	}
	n := net.Nodes[0]
	t.Cleanup(func() {
		if err := net.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	acked := map[string]uint64{}
	var f *client.Failure
	for i := 0; f == nil; i++ {
		if i == 64 {
			t.Fatal("64 MiB found room in 8")
		}
		raw, attachment := invented(t, net, n, "full", i, statement.MaxAttachment/statement.HashSize)
		got, err := n.Client().Submit(ctx, raw, attachment, client.Ordered)
		if err == nil && got.Index != nil { // else it is in force here, and on its way
			acked[got.Hash] = *got.Index
		} else if err != nil && !errors.As(err, &f) {
			t.Fatal(err)
		}
	}
	if f.Exit() != client.ExitUnreachable {
		t.Errorf("on a full disk: %v", f)
	}
	select {
	case <-n.done:
	case <-ctx.Done():
		t.Fatalf("the node goes on:\n%s", n.LogTail(10))
	}
	if n.err == nil {
		t.Error("the node ended with exit code 0")
	}
	log := n.LogTail(20)
	if !strings.Contains(log, "file too large") || !strings.Contains(log, "node cannot go on") {
		t.Errorf("its log ends with\n%s", log)
	}
	t.Logf("after %d statements: %v; its last word: %s", len(acked), n.err, n.LogTail(2))

	net.o.Command = command // there is room now
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	if err := n.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	for h, i := range acked {
		if s, err := n.Client().Statement(ctx, h); err != nil || s.Index != i {
			t.Errorf("an acknowledged statement is at %d, was at %d: %v", s.Index, i, err)
		}
	}
	resp, err := http.Get(n.HTTP + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("with room again it is not well: %d", resp.StatusCode)
	}
}
