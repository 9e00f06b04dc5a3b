package testnet

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/statement"
)

// choir is work that goes on while authorities come, go and change their keys:
// their statements in turn, through all nodes that run in turn. What was
// acknowledged as ordered is remembered, to be looked for at the end.
type choir struct {
	ctx     context.Context
	cancel  context.CancelFunc
	network statement.NetworkID
	wg      sync.WaitGroup

	mu      sync.Mutex
	places  []string // the nodes' APIs that are asked
	voices  []voice
	acked   map[string]uint64 // index by hash
	sent    int
	refused map[string]int // by authority: what it may not say any more
	faults  []error
}

// voice is an authority that takes part.
type voice struct{ region, dir string }

// choirSize is how many statements are under way at once.
const choirSize = 2

func newChoir(ctx context.Context, network statement.NetworkID) *choir {
	c := &choir{network: network, acked: map[string]uint64{}, refused: map[string]int{}}
	c.ctx, c.cancel = context.WithCancel(ctx)
	for range choirSize {
		c.wg.Go(c.sing)
	}
	return c
}

// at says which nodes are there now.
func (c *choir) at(nodes []*Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.places = nil
	for _, n := range nodes {
		c.places = append(c.places, n.HTTP)
	}
}

// join lets an authority take part; leave ends that. What it has under way is
// still looked after.
func (c *choir) join(n *Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.voices = append(c.voices, voice{n.Region, n.Dir})
}

// moved says where an authority's directory is now.
func (c *choir) moved(n *Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.voices {
		if c.voices[i].region == n.Region {
			c.voices[i].dir = n.Dir
		}
	}
}

func (c *choir) leave(n *Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.voices = slices.DeleteFunc(c.voices, func(v voice) bool { return v.region == n.Region })
}

// next is whose turn it is, to say what, and where.
func (c *choir) next() (v voice, i int, is bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.voices) == 0 {
		return voice{}, 0, false
	}
	c.sent++
	return c.voices[c.sent%len(c.voices)], c.sent, true
}

// place is the node to ask at the k-th try; nil if none is there.
func (c *choir) place(k int) (*client.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.places) == 0 {
		return nil, errors.New("no node is there")
	}
	return client.New(c.places[k%len(c.places) : k%len(c.places)+1])
}

func (c *choir) sing() {
	for c.ctx.Err() == nil {
		if v, i, is := c.next(); is {
			if err := c.say(v, i); err != nil && c.ctx.Err() == nil {
				c.mu.Lock()
				c.faults = append(c.faults, fmt.Errorf("statement %d, of %s: %w", i, v.region, err))
				c.mu.Unlock()
			}
		}
		select {
		case <-c.ctx.Done():
		case <-time.After(30 * time.Millisecond): // work, not a benchmark
		}
	}
}

// say sends one statement until it is acknowledged, by whichever node does. Its
// authority's key may be replaced, and its voice taken, while it is under way:
// that is a refusal, and no loss.
func (c *choir) say(v voice, i int) error {
	dir, err := authority.Open(v.dir, nil)
	if err != nil {
		return err
	}
	key, err := dir.Key(authority.Statement)
	if err != nil {
		return err
	}
	author := &client.Author{Authority: dir.ID(), Network: c.network, Key: key.Ed25519()}
	sum := sha256.Sum256(fmt.Appendf(nil, "choir %d", i))
	attachment := statement.NewAttachment([]statement.RevocationHash{statement.RevocationHash(sum[:statement.HashSize])})
	signed, err := author.Compose(c.ctx, &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, attachment, statement.TimeOf(time.Now().AddDate(1, 0, 0)), "drill")}, 0)
	if err != nil {
		return err
	}
	wait := client.Ordered
	if i%3 == 0 {
		wait = client.Final
	}
	for k := i; c.ctx.Err() == nil; k++ {
		at, err := c.place(k)
		if err != nil {
			return err
		}
		once, cancel := context.WithTimeout(c.ctx, 10*time.Second)
		got, err := at.Submit(once, signed.Raw(), attachment, wait)
		cancel()
		var f *client.Failure
		switch {
		case err == nil && (got.State == client.Ordered || got.State == client.Final):
			return c.acknowledged(got)
		case err == nil, !errors.As(err, &f), f.Exit() == client.ExitUnreachable:
			// Accepted only, or nobody is there in this moment: the same bytes again.
		case f.Status() == http.StatusForbidden:
			c.mu.Lock()
			defer c.mu.Unlock()
			c.refused[v.region]++
			return nil
		default:
			return err
		}
		select {
		case <-c.ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

func (c *choir) acknowledged(got client.Submitted) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if before, twice := c.acked[got.Hash]; twice && before != *got.Index {
		return fmt.Errorf("%s is acknowledged at %d and at %d", got.Hash, before, *got.Index)
	}
	c.acked[got.Hash] = *got.Index
	return nil
}

func (c *choir) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.acked)
}

// more waits until the work has gone on.
func (c *choir) more(while string) error {
	before := c.count()
	return waitFor(c.ctx, "work to go on "+while, func() bool { return c.count() >= before+5 })
}

// stop ends the work, and gives what went wrong with it.
func (c *choir) stop() error {
	c.cancel()
	c.wg.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.faults...)
}

// lostNothing looks for all that was acknowledged in the ledger of every node,
// which may still have to catch up, and gives how many statements that are.
func (c *choir) lostNothing(ctx context.Context, nodes []*Node) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := uint64(0)
	for _, i := range c.acked {
		size = max(size, i+1)
	}
	for _, n := range nodes {
		if err := waitFor(ctx, fmt.Sprintf("%s to have %d statements", n.Region, size), func() bool {
			st, err := n.Client().Status(ctx)
			return err == nil && (st.Size >= size || st.Standing == expelled)
		}); err != nil {
			return 0, err
		}
		if st, err := n.Client().Status(ctx); err != nil || st.Standing == expelled {
			continue // nothing newer reaches it
		}
		have, err := everything(ctx, n)
		if err != nil {
			return 0, err
		}
		for h, i := range c.acked {
			if i >= uint64(len(have)) || have[i].Hash != h {
				return 0, fmt.Errorf("%s has not the statement at index %d that was acknowledged there", n.Region, i)
			}
		}
	}
	return len(c.acked), nil
}

// expelled is the standing of who was a member.
const expelled = "expelled"
