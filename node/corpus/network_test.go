package corpus_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/bundle"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
	"concordat/node"
	"concordat/node/nodetest"
	"concordat/testnet/ports"
)

// validators run a node each; they are those whose rules are published.
var validators = []string{"CZ", "DE", "EU", "IE"}

// observers say something, too, through the validators' nodes: whose codes are
// shown, whose areas are at risk, and the Netherlands, which recognise everybody
// without conditions, and have no rules.
var observers = []string{"AT", "BG", "CA", "CH", "CN", "ES", "GE", "GR", "NL", "PT", "RO", "SE", "SG", "US"}

// neutral is the region that checks where nothing but the code is to matter.
const neutral = "NL"

// The world that the tests ask about: everything is said before the first
// question, and nothing after it.
var (
	shown   *material
	world   *nodetest.Network
	size    uint64           // of the ledger, everywhere, all of it final
	bundles []*bundle.Bundle // of that size but for the seal, from each validator's node
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "corpus-test-")
		if err == nil {
			defer os.RemoveAll(dir)
			err = build(context.Background(), dir)
		}
		code := 0
		if err == nil {
			code = m.Run()
		}
		if world != nil {
			err = errors.Join(err, world.Close())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			for _, r := range validators {
				if world != nil {
					fmt.Fprintf(os.Stderr, "log of %s ends with\n%s\n", r, world.Log(r).Tail(4<<10))
				}
			}
			return 1
		}
		return code
	}())
}

// build founds the network, has everybody say what they have to say, and waits
// until all of it is final, sealed and everywhere.
func build(ctx context.Context, dir string) (err error) {
	if shown, err = gather(); err != nil {
		return err
	}
	if world, err = nodetest.Found(dir, validators...); err != nil {
		return err
	}
	if err := observe(world); err != nil {
		return err
	}
	world.Config = func(_ string, c *node.Config) { c.Profile, c.Vouch.Seal = "country", time.Second }
	for _, r := range validators {
		if err := world.Start(r); err != nil {
			return err
		}
	}
	if err := world.Ready(ctx); err != nil {
		return err
	}
	statements, err := everything(shown)
	if err != nil {
		return err
	}
	if err := sayAll(ctx, statements); err != nil {
		return err
	}
	return settle(ctx)
}

// observe adds the observers to a network that was not started yet.
func observe(n *nodetest.Network) error {
	free, err := ports.Free(len(observers))
	if err != nil {
		return err
	}
	for i, r := range observers {
		d, err := authority.Create(n.NodeDir(r), statement.Region(r), "Health authority of "+r, []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", free[i])}, "", "")
		if err != nil {
			return err
		}
		a := d.Authority
		a.Role = genesis.Observer
		n.Doc.Authorities = append(n.Doc.Authorities, a)
	}
	slices.SortFunc(n.Doc.Authorities, func(a, b genesis.Authority) int { return cmp.Compare(a.ID, b.ID) })
	if err := n.Doc.Check(); err != nil {
		return err
	}
	return os.WriteFile(n.Genesis(), n.Doc.Encode(), 0o600)
}

// saying is a statement, and its attachment where it has one.
type saying struct {
	body       statement.Body
	attachment []byte
}

// sayAll has every authority register its keys, and then say the rest of its part
// in its order, all authorities at once and each at another node.
func sayAll(ctx context.Context, by map[string][]saying) error {
	var authors [][]saying
	var regions []string
	var faults []error
	for _, region := range slices.Concat(validators, observers) {
		all := by[region]
		n := 0
		for n < len(all) && all[n].body.Kind() == statement.IssuerKeyRegister {
			n++
		}
		faults = append(faults, atOnce(n, 16, func(i int) error { return say(ctx, region, validators[i%len(validators)], all[i:i+1]) }))
		authors, regions = append(authors, all[n:]), append(regions, region)
	}
	return errors.Join(append(faults, atOnce(len(regions), len(regions), func(i int) error {
		return say(ctx, regions[i], validators[i%len(validators)], authors[i])
	}))...)
}

// atOnce does n things, so many at a time.
func atOnce(n, most int, do func(i int) error) error {
	faults := make([]error, n)
	var wg sync.WaitGroup
	room := make(chan struct{}, max(most, 1))
	for i := range n {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			faults[i] = do(i)
		})
	}
	wg.Wait()
	return errors.Join(faults...)
}

func say(ctx context.Context, region, at string, all []saying) error {
	dir, err := authority.Open(world.NodeDir(region), nil)
	if err != nil {
		return err
	}
	key, err := dir.Key(authority.Statement)
	if err != nil {
		return err
	}
	a := client.Author{Client: world.Client(at), Authority: dir.ID(), Network: world.Doc.ID(), Key: key.Ed25519()}
	for _, s := range all {
		v, err := a.Compose(ctx, s.body, 0)
		if err != nil {
			return err
		}
		said := func() bool {
			_, err = a.Client.Submit(ctx, v.Raw(), s.attachment, client.Ordered)
			var f *client.Failure
			return !errors.As(err, &f) || !f.Retriable() // while a busy machine has the network look for a leader
		}
		if late := nodetest.Await(ctx, "the statement to be ordered", said); late != nil || err != nil {
			return fmt.Errorf("%s at %s, %s: %w", region, at, s.body.Kind(), errors.Join(late, err))
		}
	}
	return nil
}

// settle waits until every node is at one size that is final and whose newest
// statement is the seal of all the others, and takes the bundle of each.
func settle(ctx context.Context) error {
	var why error
	settled := func() bool {
		size, bundles = 0, nil
		for _, r := range validators {
			st, err := world.Client(r).Status(ctx)
			if err == nil && (st.Size != st.Final.Size || size != 0 && st.Size != size) {
				err = fmt.Errorf("%s is at size %d, %d of it final; another is at %d", r, st.Size, st.Final.Size, size)
			}
			if err == nil {
				size = st.Size
				err = fetch(ctx, r)
			}
			if why = err; err != nil {
				return false
			}
		}
		return true
	}
	if err := nodetest.Await(ctx, "the network to be at rest", settled); err != nil {
		return fmt.Errorf("%w: %w", err, why)
	}
	return nil
}

// fetch takes a node's bundle, which must be of the size before the last statement.
func fetch(ctx context.Context, at string) error {
	var raw bytes.Buffer
	if err := world.Client(at).Bundle(ctx, 0, &raw, nil); err != nil {
		return err
	}
	u, err := bundle.Parse(raw.Bytes())
	if err != nil {
		return err
	}
	b, err := u.Verify(world.Doc)
	if err != nil {
		return err
	}
	if b.Size()+1 != size {
		return fmt.Errorf("the bundle of %s is of size %d, and it is at size %d: that should be the seal more and nothing else", at, b.Size(), size)
	}
	bundles = append(bundles, b)
	return nil
}
