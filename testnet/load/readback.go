package load

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"sync"
	"time"

	"concordat/client"
)

// readBack looks in all nodes' ledgers for what was acknowledged.
type readBack struct{ network []string }

// readers is how many connections read at once.
const readers = 16

// sameRoots waits until every node's ledger has all that was acknowledged, and
// all have one size and one root.
func (r readBack) sameRoots(ctx context.Context, acked []sent) (size uint64, root string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var least uint64
	indexes := make(map[uint64]int, len(acked))
	for i, x := range acked {
		if other, twice := indexes[x.index]; twice {
			return 0, "", fmt.Errorf("%w: index %d was given to statement %s and to %s", ErrWrong, x.index, acked[other].hash, x.hash)
		}
		indexes[x.index] = i
		least = max(least, x.index+1)
	}
	for {
		heads, err := r.heads(ctx)
		if err != nil {
			return 0, "", err
		}
		bySize := map[uint64]string{}
		for _, h := range heads {
			if other, known := bySize[h.Size]; known && other != h.Root {
				return 0, "", fmt.Errorf("%w: at size %d one node has root %s and another %s", ErrWrong, h.Size, other, h.Root)
			}
			bySize[h.Size] = h.Root
		}
		if len(bySize) == 1 && heads[0].Size >= least {
			return heads[0].Size, heads[0].Root, nil
		}
		select {
		case <-ctx.Done():
			return 0, "", fmt.Errorf("the nodes did not come to one root within a minute, or hold less than the %d statements acknowledged: %v", least, bySize)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (r readBack) heads(ctx context.Context) ([]client.Status, error) {
	out := make([]client.Status, len(r.network))
	for i, node := range r.network {
		c, err := newCaller(node)
		if err != nil {
			return nil, err
		}
		out[i], err = c.Status(ctx)
		c.wire.close()
		if err != nil {
			return nil, fmt.Errorf("status of %s: %w", node, err)
		}
	}
	return out, nil
}

// all reads every statement from the node after the one that acknowledged it
// (which is the same one only where there is but one), and says how many are as they should be.
func (r readBack) all(ctx context.Context, acked []sent) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make([]int, readers)
	var wg sync.WaitGroup
	for w := range readers {
		wg.Go(func() {
			cs := map[string]*caller{}
			defer func() {
				for _, c := range cs {
					c.wire.close()
				}
			}()
			for i := w; i < len(acked) && ctx.Err() == nil; i += readers {
				node := r.another(acked[i].node)
				if cs[node] == nil {
					c, err := newCaller(node)
					if err != nil {
						cancel(err)
						return
					}
					cs[node] = c
				}
				if err := same(ctx, cs[node], acked[i]); err != nil {
					cancel(err)
					return
				}
				done[w]++
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range done {
		sum += n
	}
	return sum, context.Cause(ctx)
}

// another is the node after the given one.
func (r readBack) another(node string) string {
	for i, n := range r.network {
		if n == node {
			return r.network[(i+1)%len(r.network)]
		}
	}
	return r.network[0]
}

// same reads one statement by its index and compares the bytes.
func same(ctx context.Context, c *caller, x sent) error {
	raw, err := c.Raw(ctx, strconv.FormatUint(x.index, 10))
	if err != nil {
		return fmt.Errorf("statement %d, acknowledged by %s, at %s: %w", x.index, x.node, c.Nodes()[0], err)
	}
	if sum := sha256.Sum256(raw); sum != [32]byte(x.hash) || !bytes.Equal(raw, x.raw) {
		return fmt.Errorf("%w: %s acknowledged %s at index %d, where %s has %x", ErrWrong, x.node, x.hash, x.index, c.Nodes()[0], sum)
	}
	return nil
}
