package main

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"concordat/ledger/statement"
)

// sendAll reads the source again and sends it in batches, a few at a time. At
// most inFlight batches and one more of each sort are in memory, whatever the
// size of the source. With --dry-run nothing is signed and v is nil.
func (r *revocation) sendAll(ctx context.Context, t *terminal, id statement.Region, v *voice, from hashSource, counts []sortCount) (*revoked, error) {
	var total int64
	for _, c := range counts {
		total += c.count
	}
	s := &sending{r: r, t: t, id: id, v: v, answer: &revoked{DryRun: r.dryRun}, progress: newProgress(t, total)}
	// One goroutine reads; each batch is sent by one of its own.
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(r.inFlight)
	err := s.read(inner, group, from)
	if sent := group.Wait(); sent != nil {
		err = sent // what cut the reading short
	}
	s.progress.done()
	if err != nil {
		if n := s.ordered(); n > 0 {
			return nil, fmt.Errorf("%w; %d hashes were sent and count; run the same command again for the rest, what is there already does no harm", err, n)
		}
		return nil, err
	}
	return s.result(), nil
}

// sending is one run of sendAll.
type sending struct {
	r  *revocation
	t  *terminal
	id statement.Region
	v  *voice

	mu       sync.Mutex // guards what follows
	answer   *revoked
	order    []int // the place of each batch of answer in the source
	progress progress
}

// read cuts the source into batches by sort and hands them over.
func (s *sending) read(ctx context.Context, group *errgroup.Group, from hashSource) error {
	waiting := map[batchSort][]statement.RevocationHash{}
	place := 0
	hand := func(of batchSort) {
		hashes, at := waiting[of], place
		delete(waiting, of)
		place++
		group.Go(func() error { return s.batch(ctx, at, of, hashes) })
	}
	// An error here means that the file has changed since it was surveyed.
	err := from.each(s.r.reader(), func(n revocable) error {
		of := s.r.sortOf(n)
		for _, h := range n.hashes {
			waiting[of] = append(waiting[of], h.Hash)
			if len(waiting[of]) == statement.MaxBatchHashes {
				hand(of)
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	for _, of := range sortedSorts(waiting) {
		hand(of)
	}
	return nil
}

// batch signs and sends one batch.
func (s *sending) batch(ctx context.Context, place int, of batchSort, hashes []statement.RevocationHash) error {
	attachment := statement.NewAttachment(hashes)
	batch := statement.NewBatch(of.of, attachment, s.r.expires.of(), s.r.reason)
	batch.IssuedBefore = of.before
	body := s.r.body(batch)
	answer, err := wordsOf(s.id, body)
	if err != nil {
		return err
	}
	if s.v != nil {
		signed, err := s.v.Compose(ctx, body, 0)
		if err != nil {
			return err
		}
		sub, err := s.v.send(ctx, s.t, signed.Raw(), attachment)
		if err != nil {
			return err
		}
		if sub.Note != "" {
			s.t.say("remark: batch %d: %s", place+1, sub.Note)
		}
		answer.Submitted = &sub
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	distinct := int64(len(attachment) / statement.HashSize)
	s.answer.Batches = append(s.answer.Batches, answer)
	s.order = append(s.order, place)
	s.answer.Hashes += distinct
	s.answer.Duplicates += int64(len(hashes)) - distinct
	s.progress.add(len(hashes), fmt.Sprintf("batch %d, %d hashes: %s", place+1, distinct, answer.place()))
	return nil
}

// ordered is how many hashes have been sent and answered for.
func (s *sending) ordered() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.v == nil {
		return 0
	}
	return s.answer.Hashes
}

// result gives the batches in the order of the source.
func (s *sending) result() *revoked {
	a := s.answer
	sorted := make([]said, len(a.Batches))
	for i, place := range s.order {
		sorted[place] = a.Batches[i]
	}
	a.Batches = slices.Clip(sorted)
	if len(a.Batches) == 1 {
		a.said = &a.Batches[0]
	}
	return a
}
