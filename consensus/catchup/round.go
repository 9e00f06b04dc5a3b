package catchup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// round brings the ledger up to one certified size, in three stages beside one
// another: pieces of the log are fetched and verified by several workers in any
// order, then put together to blocks with their attachments, then grafted.
type round struct {
	*run
	goal   *target
	tree   *tree
	spent  statement.Time // state.SpentAt: what expired before it may be erased
	window *window
	room   *allowance // for attachments
}

// errMisfit: a block did not fit, though what brought it had been verified as
// far as it can be. Other peers may show another.
var errMisfit = errors.New("a block does not fit")

// round goes to a goal beyond the ledger's size. Errors wrap errStuck or
// errMisfit if another try is worth it; what was grafted stays.
func (r *run) round(ctx context.Context, goal *target) (err error) {
	began, head := time.Now(), r.cfg.Ledger.Head()
	r.meter.update(func(p *Progress) { p.Phase, p.Target, p.Size, p.Verified = Fetching, goal.size(), head.Size, head.Size })
	rd := &round{
		run:    r,
		goal:   goal,
		tree:   newTree(goal.size(), goal.certified.Checkpoint().Root),
		window: newWindow(head.Size, goal.size(), r.cfg.Memory*2/3),
		room:   newAllowance(r.cfg.Memory / 3),
	}
	if err := rd.checkBeginning(ctx, head.Size, head.Root); err != nil {
		return err
	}
	if rd.spent, err = rd.newestSeal(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for range r.cfg.Workers {
		g.Go(func() error { return rd.work(ctx) })
	}
	blocks := make(chan *scion, 4096)
	g.Go(func() error { return rd.assemble(ctx, g, head.Size, blocks) })
	g.Go(func() error { return rd.graft(ctx, blocks) })
	if err := g.Wait(); err != nil {
		return err
	}
	now := r.cfg.Ledger.Head()
	if c := goal.certified.Checkpoint(); now.Size != c.Size || now.Root != c.Root {
		return fmt.Errorf("the ledger has size %d and root %x after %d statements were grafted; certified is size %d with root %x", now.Size, now.Root, now.Size-head.Size, c.Size, c.Root)
	}
	r.log.Info("fetched", "from", head.Size, "to", now.Size, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// wish is what is asked for about s, of those who have it.
func (rd *round) wish(s span, format string, a ...any) wish {
	return wish{
		order: s.from + 1, // 0 is for the survey
		what:  fmt.Sprintf(format, a...),
		may:   func(name string) bool { return rd.peers.headLocked(name) >= s.to },
	}
}

// checkBeginning checks that the ledger is the beginning of the certified tree
// (C1, C5). Errors wrap ErrOtherHistory.
func (rd *round) checkBeginning(ctx context.Context, size uint64, ours merkle.Hash) error {
	if size == 0 {
		return nil
	}
	w := rd.wish(span{size, rd.goal.size()}, "the tiles between size %d and %d", size, rd.goal.size())
	theirs, err := fetch(ctx, rd.peers, w, func(ctx context.Context, name string) (merkle.Hash, error) {
		return rd.tree.rootAt(ctx, rd.peers, name, size)
	})
	if err != nil {
		return err
	}
	if theirs != ours {
		return otherHistory(size, ours, theirs)
	}
	return nil
}

// newestSeal gives the time of the newest seal below the goal, which vouches
// that what had expired by then is needed by nobody; 0 if there is none.
func (rd *round) newestSeal(ctx context.Context) (statement.Time, error) {
	for _, claim := range rd.goal.seals {
		at := span{claim.index, claim.index + 1}
		leaves, err := rd.leaves(ctx, at)
		if err != nil {
			return 0, err
		}
		entries, err := rd.entries(ctx, at, leaves)
		if err != nil {
			return 0, err
		}
		u, err := statement.Parse(entries[0])
		if err != nil {
			return 0, fmt.Errorf("statement %d, which is certified: %w; this release cannot read it", claim.index, err)
		}
		said := u.Statement()
		if seal, is := said.Body.(*statement.SealState); is {
			return seal.At, nil
		}
		for _, name := range claim.by {
			rd.peers.judge(name, lie("it says that statement %d is a seal, it is a %s", claim.index, said.Kind()))
		}
	}
	return 0, nil
}

// work fetches pieces as long as there are any.
func (rd *round) work(ctx context.Context) error {
	for {
		s, more, err := rd.window.take(ctx)
		if err != nil || !more {
			return err
		}
		p, err := rd.piece(ctx, s)
		if err != nil {
			return err
		}
		rd.window.put(s, p)
		rd.meter.update(func(m *Progress) { m.Verified = max(m.Verified, rd.window.verified()) })
	}
}

// piece fetches the statements of a span, or its beginning, and the records of
// the blocks that begin there.
func (rd *round) piece(ctx context.Context, s span) (*piece, error) {
	out := &piece{}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		leaves, err := rd.leaves(ctx, s)
		if err != nil {
			return err
		}
		out.entries, err = rd.entries(ctx, s, leaves)
		return err
	})
	g.Go(func() (err error) {
		out.sheets, err = rd.sheets(ctx, s)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out.span = span{s.from, s.from + uint64(len(out.entries))}
	for i := range out.sheets {
		out.sheets[i].endBefore(out.to)
	}
	return out, nil
}

func (rd *round) leaves(ctx context.Context, s span) ([]merkle.Hash, error) {
	return fetch(ctx, rd.peers, rd.wish(s, "the tiles of statements %d to %d", s.from, s.to-1), func(ctx context.Context, name string) ([]merkle.Hash, error) {
		return rd.tree.leaves(ctx, rd.peers, name, s)
	})
}

// entries fetches the first statements of a span, as many as fit in an answer,
// each with the leaf hash that it must have (C1).
func (rd *round) entries(ctx context.Context, s span, leaves []merkle.Hash) ([][]byte, error) {
	return fetch(ctx, rd.peers, rd.wish(s, "statements %d to %d", s.from, s.to-1), func(ctx context.Context, name string) ([][]byte, error) {
		var a entriesAnswer
		if err := rd.peers.call(ctx, name, EntriesProtocol, &entriesRequest{From: s.from, Count: s.to - s.from}, &a); err != nil {
			return nil, err
		}
		if n := uint64(len(a.Entries)); n > s.to-s.from {
			return nil, lie("%d statements, asked for %d", n, s.to-s.from)
		}
		total := 0
		for i, e := range a.Entries {
			if merkle.LeafHash(e) != leaves[i] {
				return nil, lie("statement %d is not the one of the certified tree, whose leaf is %x", s.from+uint64(i), leaves[i])
			}
			total += len(e) + itemBytes
		}
		if n := uint64(len(a.Entries)); n < s.to-s.from && total+statement.MaxSize+itemBytes <= contentBytes {
			return nil, lie("%d statements of %d bytes, asked for %d, which it has", n, total, s.to-s.from)
		}
		return a.Entries, nil
	})
}
