package catchup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"concordat/ledger"
	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// target is where a round goes: a certified size, and its place in the order as
// more validators say than can be dishonest.
type target struct {
	certified *checkpoint.Certified
	position  ledger.Position
	by        []string    // who says so; empty where this ledger does
	seals     []sealClaim // where the newest seal below the size is, as peers say; the newest first
}

// sealClaim is that a statement is a seal.
type sealClaim struct {
	index uint64
	by    []string
}

func (t *target) size() uint64 { return t.certified.Checkpoint().Size }

// offer is what one peer said, its note verified.
type offer struct {
	from      string
	answer    offerAnswer
	certified *checkpoint.Certified // nil: it has none
}

// survey is what was heard when all were asked.
type survey struct {
	offers  []offer
	silent  []string                // who did not answer
	heard   int                     // of the validators; only those count who could say more than they did
	known   []*checkpoint.Certified // all that were offered, the largest first, of each size one
	best    *target                 // nil: no certified size has enough validators behind its place
	lacking string                  // why there is no better one
}

// need is how many validators must say the same for one of them to be honest:
// n-quorum+1, more than can be dishonest.
func need(vs checkpoint.Validators) int { return len(vs) - vs.Quorum() + 1 }

// counts reports whether a peer's word counts as a validator's.
func counts(vs checkpoint.Validators, name string) bool {
	v, ok := vs.Find(statement.Region(name))
	return ok && !v.Suspended
}

// listen asks all peers at once how far they are. It waits for the last only as
// long as for a single call, and less when enough have answered.
func (r *run) listen(ctx context.Context) (*survey, error) {
	if err := r.belief.refresh(); err != nil {
		return nil, fmt.Errorf("reading the validators: %w", err)
	}
	r.validators = r.belief.newest()
	s := &survey{}
	s.offers, s.silent = r.offers(ctx, r.peers.refresh(), 0)
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	r.validators = r.belief.newest() // who they are may have been learnt by it
	for i := range s.offers {
		o := &s.offers[i]
		if o.certified != nil && r.belief.abandoned(o.certified.Checkpoint()) {
			o.certified = nil // believed before somebody told of the recovery
		}
		r.peers.said(o.from, o.answer.Head)
		if counts(r.validators, o.from) {
			s.heard++
		}
	}
	var err error
	s.known, err = candidates(s.offers)
	return s, err
}

// ask listens, and chooses the target: the newest certified size whose place in
// the order enough validators name.
func (r *run) ask(ctx context.Context) (*survey, error) {
	s, err := r.listen(ctx)
	if err != nil {
		return nil, err
	}
	vs := r.validators
	var lacking []string
	for _, c := range s.known {
		size := c.Checkpoint().Size
		if size == 0 {
			continue
		}
		// What came by the order here has a place that nobody need be asked for.
		if at, err := r.ownPlace(size); err != nil {
			return nil, err
		} else if at.Index != 0 {
			s.best = &target{certified: c, position: at}
			break
		}
		// Who offers another size may know this one too.
		var others []string
		told := slices.DeleteFunc(slices.Clone(s.offers), func(o offer) bool { return o.answer.Size != size })
		for _, o := range s.offers {
			if o.answer.Size != size && o.answer.Head >= size {
				others = append(others, o.from)
			}
		}
		if agreed(vs, told, c) == nil {
			more, _ := r.offers(ctx, others, size)
			if err := context.Cause(ctx); err != nil {
				return nil, err
			}
			told = append(told, more...)
		}
		if t := agreed(vs, told, c); t != nil {
			r.accuse(told, t)
			s.best = t
			break
		}
		lacking = append(lacking, fmt.Sprintf("the place of size %d in the order: %d validators have to name the same, heard: %s", size, need(vs), placesTold(vs, told, size)))
	}
	s.lacking = strings.Join(lacking, "; ")
	return s, nil
}

// ownPlace is where the ledger itself has a size in the order; zero if it does not know.
func (r *run) ownPlace(size uint64) (at ledger.Position, err error) {
	v := r.cfg.Ledger.View()
	defer func() { err = errors.Join(err, v.Close()) }()
	if size > v.Head().Size {
		return at, nil
	}
	at, err = v.PositionOf(size)
	if errors.Is(err, ledger.ErrNoBlockEnd) {
		return ledger.Position{}, nil
	}
	return at, err
}

// offers asks some peers about a size (0: their newest certified one), and
// verifies their notes.
func (r *run) offers(ctx context.Context, names []string, size uint64) (out []offer, silent []string) {
	type heard struct {
		offer
		err error
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.CallTimeout)
	defer cancel()
	answers := make(chan heard, len(names))
	asked := 0
	for _, name := range names {
		if pe := r.peers.ready(name); pe == nil {
			silent = append(silent, name)
			continue
		}
		asked++
		r.peers.flying.Go(func() {
			h := heard{offer: offer{from: name}}
			h.err = r.peers.call(ctx, name, OfferProtocol, &offerRequest{Size: size}, &h.answer)
			if h.err == nil && len(h.answer.Note) > 0 {
				h.certified, h.err = r.belief.certified(ctx, name, h.answer.Note)
			}
			answers <- h
		})
	}
	waiting := map[string]bool{}
	for _, name := range names {
		waiting[name] = !slices.Contains(silent, name)
	}
	votes := 0
	var enough <-chan time.Time
	for ; asked > 0; asked-- {
		select {
		case h := <-answers:
			waiting[h.from] = false
			if h.err == nil {
				h.err = r.verify(&h.offer, size)
			}
			if ctx.Err() == nil || errors.Is(h.err, errLie) {
				r.peers.judge(h.from, h.err)
			}
			if h.err != nil {
				silent = append(silent, h.from)
				continue
			}
			out = append(out, h.offer)
			if counts(r.validators, h.from) {
				votes++
			}
			if votes >= need(r.validators) && enough == nil {
				enough = time.After(r.cfg.Hedge)
			}
			continue
		case <-enough:
		case <-ctx.Done():
		}
		break
	}
	for name, is := range waiting {
		if is {
			silent = append(silent, name)
		}
	}
	slices.SortFunc(out, func(a, b offer) int { return cmp.Compare(a.from, b.from) })
	slices.Sort(silent)
	return out, silent
}

// ready gives a peer that may be asked: a member that does not rest for a lie.
func (p *peers) ready(name string) *peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	pe := p.all[name]
	if pe == nil || !pe.member || time.Now().Before(pe.banned) {
		return nil
	}
	return pe
}

// verify checks that an offer does not contradict itself, nor its note.
func (r *run) verify(o *offer, asked uint64) error {
	c := o.certified
	if c == nil {
		if asked == 0 && o.answer.Size != 0 {
			return lie("the place of size %d, which it does not say to be certified", o.answer.Size)
		}
		return nil
	}
	at := c.Checkpoint()
	want := at.Size
	if asked != 0 {
		want = asked
	}
	switch {
	case at.Size > o.answer.Head:
		return lie("it has %d statements, and a certified checkpoint of %d", o.answer.Head, at.Size)
	case o.answer.Size != 0 && o.answer.Size != want:
		return lie("asked for the place of size %d it gives that of %d", want, o.answer.Size)
	case o.answer.Size == at.Size && o.answer.Root != at.Root:
		return lie("its root at size %d is %x, and certified is %x", at.Size, o.answer.Root, at.Root)
	}
	return nil
}

// candidates are the certified checkpoints heard of, the largest first, of each
// size the newest. Two roots for one size end everything: the error wraps ErrFork.
func candidates(offers []offer) ([]*checkpoint.Certified, error) {
	var out []*checkpoint.Certified
	for _, o := range offers {
		if o.certified != nil {
			out = append(out, o.certified)
		}
	}
	slices.SortFunc(out, func(a, b *checkpoint.Certified) int {
		x, y := a.Checkpoint(), b.Checkpoint()
		return cmp.Or(cmp.Compare(y.Size, x.Size), bytes.Compare(x.Root[:], y.Root[:]), b.Time().Compare(a.Time()))
	})
	for i := 1; i < len(out); i++ {
		a, b := out[i-1].Checkpoint(), out[i].Checkpoint()
		if a.Size == b.Size && a.Root != b.Root {
			return nil, fmt.Errorf("%w: size %d with the roots %x and %x; a third of the validators or more have signed both, and evidence will name them",
				ErrFork, a.Size, a.Root, b.Root)
		}
	}
	return slices.CompactFunc(out, func(a, b *checkpoint.Certified) bool { return a.Checkpoint().Size == b.Checkpoint().Size }), nil
}

// agreed gives the target if enough validators name the same place for it.
func agreed(vs checkpoint.Validators, told []offer, c *checkpoint.Certified) *target {
	votes := map[ledger.Position]map[string]bool{}
	for _, o := range told {
		if o.answer.Size != c.Checkpoint().Size || o.answer.Root != c.Checkpoint().Root || !counts(vs, o.from) {
			continue
		}
		at := o.answer.position()
		if votes[at] == nil {
			votes[at] = map[string]bool{}
		}
		votes[at][o.from] = true
	}
	for at, names := range votes {
		// With fewer than a third dishonest there is one at most.
		if len(names) >= need(vs) {
			t := &target{certified: c, position: at, by: slices.Sorted(maps.Keys(names))}
			claims := map[uint64][]string{}
			for _, o := range told {
				if s := o.answer.Seals; o.answer.Size == t.size() && s > 0 {
					claims[s-1] = append(claims[s-1], o.from)
				}
			}
			for _, index := range slices.Backward(slices.Sorted(maps.Keys(claims))) {
				t.seals = append(t.seals, sealClaim{index, claims[index]})
			}
			return t
		}
	}
	return nil
}

// accuse names those who say other than was agreed.
func (r *run) accuse(told []offer, t *target) {
	for _, o := range told {
		if o.answer.Size != t.size() {
			continue
		}
		if root := t.certified.Checkpoint().Root; o.answer.Root != root {
			r.peers.judge(o.from, lie("its root at size %d is %x, and certified is %x", t.size(), o.answer.Root, root))
		} else if at := o.answer.position(); at != t.position {
			r.peers.judge(o.from, lie("it places size %d after entry %d of term %d; %d validators place it after entry %d of term %d",
				t.size(), at.Index, at.Term, need(r.validators), t.position.Index, t.position.Term))
		}
	}
}

// placesTold says who names which place.
func placesTold(vs checkpoint.Validators, told []offer, size uint64) string {
	var out []string
	for _, o := range told {
		switch {
		case o.answer.Size != size:
			out = append(out, o.from+" knows none")
		case counts(vs, o.from):
			out = append(out, fmt.Sprintf("%s says entry %d of term %d", o.from, o.answer.Index, o.answer.Term))
		}
	}
	if len(out) == 0 {
		return "nobody"
	}
	return strings.Join(out, ", ")
}
