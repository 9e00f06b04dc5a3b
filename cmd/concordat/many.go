package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"concordat/client"
	"concordat/ledger/statement"
)

// saying is one of many statements that one command says.
type saying struct {
	body     statement.Body
	revision uint64 // that it makes; 0: the one after the current, which the node is asked for
	words    string // what is shown of it
	where    string // file, and place in it, for errors

	attachment []byte // that the statement describes; nil: its kind has none

	raw    []byte
	sent   *client.Submitted
	before bool // it had been said before
}

// manyInFlight is how many statements are on their way at once: enough that one
// block takes dozens of them, and few enough for a node's gate.
const manyInFlight = 32

// sayMany signs and sends statements, several at a time and in no order: none
// may rest on another. It stops at the first that is refused, and says how many
// are said; running the command again goes on where it stopped. known, if not
// nil, reports whether a refusal only says that this was said before.
//
// It waits until all are ordered, and then for what was asked for: the newest
// being final, so are those before it. Over the quota, it waits for room.
func (v *voice) sayMany(ctx context.Context, t *terminal, all []*saying, of string, known func(error) bool) error {
	if len(all) == 0 {
		return nil
	}
	bar := newMeter(t, of)
	defer bar.done()
	var mu sync.Mutex // guards done and the bar
	done := 0
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(manyInFlight)
	ordered := *v
	if v.wait == client.Final {
		ordered.wait = client.Ordered
	}
	for _, s := range all {
		if inner.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := ordered.sayOne(inner, t, s, known); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			bar.set(uint64(done), uint64(len(all)))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("%w; %d of %d are said: run it again for the rest", err, done, len(all))
	}
	if v.wait != client.Final {
		return nil
	}
	return v.finish(ctx, t, all)
}

// sayOne says one statement, and waits where the authority has used up its quota.
// What has been said already is not said again.
func (v *voice) sayOne(ctx context.Context, t *terminal, s *saying, known func(error) bool) error {
	if s.sent != nil || s.before {
		return nil
	}
	signed, err := v.Compose(ctx, s.body, s.revision)
	if err != nil {
		return fmt.Errorf("%s: %w", s.where, err)
	}
	s.raw = signed.Raw()
	for {
		sub, err := v.send(ctx, t, s.raw, s.attachment)
		switch {
		case err == nil:
			s.sent, s.before = &sub, sub.Known
			return nil
		case known != nil && known(err):
			s.before = true
			return nil
		case !isNamed(err, client.QuotaExceeded):
			return fmt.Errorf("%s: %w", s.where, err)
		}
		pause := roomIn(err)
		t.say("over the quota of one node: waiting %s for room; another --node has its own", pause)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// roomIn is when a node that is over its quota says to come again.
func roomIn(err error) time.Duration {
	var f *client.Failure
	if errors.As(err, &f) {
		switch n := f.Detail["retryAfter"].(type) {
		case uint64:
			return time.Duration(n) * time.Second
		case float64:
			return time.Duration(n * float64(time.Second))
		}
	}
	return time.Second
}

// finish waits until the newest of what was said is final, and with it the rest.
func (v *voice) finish(ctx context.Context, t *terminal, all []*saying) error {
	var newest *saying
	for _, s := range all {
		if s.sent != nil && s.sent.Index != nil && (newest == nil || *s.sent.Index > *newest.sent.Index) {
			newest = s
		}
	}
	if newest == nil {
		return nil
	}
	sub, err := v.send(ctx, t, newest.raw, newest.attachment)
	if err != nil {
		return fmt.Errorf("all %d are ordered, and whether they are final is not known: %w", len(all), err)
	}
	if sub.Note != "" {
		t.say("remark: %s", sub.Note)
	}
	for _, s := range all {
		if s.sent != nil && s.sent.Index != nil {
			s.sent.State = sub.State
		}
	}
	return v.certain(newest.sent)
}
