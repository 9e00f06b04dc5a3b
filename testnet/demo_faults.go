package testnet

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"concordat/client"
	"concordat/ledger/statement"
)

// spoken is a statement that was acknowledged as ordered.
type spoken struct {
	hash  string
	index uint64
}

// kill kills the leader while statements stream in, and looks for every
// acknowledged one in every ledger.
func (s *story) kill(ctx context.Context) error {
	leader, err := s.net.Leader(ctx)
	if err != nil {
		return err
	}
	var others []*Node
	for _, n := range s.net.Nodes {
		if n != leader {
			others = append(others, n)
		}
	}
	writers, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var acked []spoken
	var faults []error
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acked)
	}
	for _, n := range others {
		wg.Go(func() {
			err := s.stream(writers, n, func(a spoken) {
				mu.Lock()
				acked = append(acked, a)
				mu.Unlock()
			})
			mu.Lock()
			faults = append(faults, err)
			mu.Unlock()
		})
	}
	if err := waitFor(ctx, "the first statements", func() bool { return count() >= 30 }); err != nil {
		return err
	}
	before, killed := count(), time.Now()
	if err := leader.Kill(); err != nil {
		return err
	}
	s.say("   %s leads. kill -9 after %d statements of three regions", leader.Region, before)
	if err := waitFor(ctx, "work to go on", func() bool { return count() > before+len(others) }); err != nil {
		return err
	}
	gap := time.Since(killed)
	next, err := s.net.Leader(ctx)
	if err != nil {
		return err
	}
	if err := waitFor(ctx, "more work", func() bool { return count() > before+30 }); err != nil {
		return err
	}
	stop()
	wg.Wait()
	if err := errors.Join(faults...); err != nil {
		return err
	}
	s.say("   %s leads now; new statements were ordered %s after the kill", next.Region, gap.Round(time.Millisecond))
	restarted := time.Now()
	if err := leader.Start(); err != nil {
		return err
	}
	if err := leader.Ready(ctx); err != nil {
		return err
	}
	size, err := s.sameLedgers(ctx)
	if err != nil {
		return err
	}
	s.say("   %s is back and has caught up %s after its start: all four have %d statements and one root", leader.Region, since(restarted), size)
	for _, n := range s.net.Nodes {
		for _, a := range acked {
			got, err := n.Client().Statement(ctx, a.hash)
			if err != nil {
				return fmt.Errorf("statement %d, acknowledged before, at %s: %w", a.index, n.Region, err)
			}
			if got.Index != a.index {
				return notAsTold("statement %s was acknowledged at index %d and is at %d in %s's ledger", a.hash, a.index, got.Index, n.Region)
			}
		}
	}
	s.say("   each of the %d acknowledged statements is in each of the four ledgers, where it was said to be", len(acked))
	return nil
}

// stream revokes one invented hash after the other at a node, as fast as they
// are ordered, until ctx ends. What was not acknowledged is sent again, the
// same bytes, as a careful operator would.
func (s *story) stream(ctx context.Context, n *Node, acked func(spoken)) error {
	author := s.authors[n.Region]
	for i := 0; ctx.Err() == nil; i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", n.Region, i))
		attachment := statement.NewAttachment([]statement.RevocationHash{statement.RevocationHash(sum[:statement.HashSize])})
		v, err := author.Compose(ctx, &statement.Revoke{Batch: statement.NewBatch(statement.HashSignature, attachment, statement.TimeOf(demoTime.AddDate(1, 0, 0)), "drill")}, 0)
		if err != nil {
			return err
		}
		for ctx.Err() == nil {
			got, err := author.Client.Submit(ctx, v.Raw(), attachment, client.Ordered)
			if err == nil && got.Index != nil {
				acked(spoken{got.Hash, *got.Index})
				break
			}
			if err == nil {
				continue // in force here already, and not ordered yet
			}
			var f *client.Failure
			if !errors.As(err, &f) || f.Exit() != client.ExitUnreachable {
				return err
			}
		}
	}
	return nil
}

// cutOff leaves two of four nodes: nothing can be ordered, a check is answered
// with the age of what is known, and everything goes on when one returns.
func (s *story) cutOff(ctx context.Context) error {
	gone := []*Node{s.net.Node("CH"), s.net.Node("SE")}
	for _, n := range gone {
		if err := n.Kill(); err != nil {
			return err
		}
	}
	s.say("   %s and %s are killed", gone[0].Region, gone[1].Region)
	if err := waitFor(ctx, "the loss of the quorum to be noticed", func() bool {
		st, err := s.net.Node("DE").Client().Status(ctx)
		return err == nil && !st.Quorum
	}); err != nil {
		return err
	}
	_, err := s.authors["DE"].Say(ctx, &statement.Withdraw{Region: "AT"}, nil, client.Ordered)
	var f *client.Failure
	if !errors.As(err, &f) || f.Name != client.NoQuorum {
		return notAsTold("a statement without a quorum was answered %v, want %s", err, client.NoQuorum)
	}
	s.say("   DE is told: %s", f.Message)
	if err := s.check(ctx, "DE", ask{code: "AT-3"}, "recognized", ""); err != nil {
		return err
	}
	if err := s.check(ctx, "DE", ask{code: "AT-3", maxAge: "1ms"}, "undetermined", "knowledge-stale"); err != nil {
		return err
	}
	for _, n := range gone {
		if err := n.Start(); err != nil {
			return err
		}
	}
	if err := s.net.Ready(ctx); err != nil {
		return err
	}
	size, err := s.sameLedgers(ctx)
	if err != nil {
		return err
	}
	s.say("   both are back: all four have %d statements and one root", size)
	return nil
}

// sameLedgers waits until all nodes have one size, and compares their roots.
func (s *story) sameLedgers(ctx context.Context) (uint64, error) {
	var size uint64
	var clash error
	err := waitFor(ctx, "all ledgers to have one size", func() bool {
		var roots, sizes []string
		for _, n := range s.net.Nodes {
			st, err := n.Client().Status(ctx)
			if err != nil {
				return false
			}
			size = st.Size
			roots, sizes = append(roots, st.Root), append(sizes, fmt.Sprint(st.Size))
		}
		for i := range roots {
			if sizes[i] != sizes[0] {
				return false
			}
			if roots[i] != roots[0] {
				clash = notAsTold("at size %s the roots are %v", sizes[0], roots)
			}
		}
		return true
	})
	return size, errors.Join(err, clash)
}

// waitFor waits until a condition holds.
func waitFor(ctx context.Context, what string, holds func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}
