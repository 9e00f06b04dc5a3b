package catchup

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"concordat/ledger/block"
	"concordat/ledger/statement"
)

// sheet is the records of the blocks that begin in a span, as some validators
// show them alike but for the signatures.
type sheet struct {
	by      []string // ascending
	records []record
}

// endBefore leaves out the blocks that begin at a size or beyond.
func (s *sheet) endBefore(size uint64) {
	if i := slices.IndexFunc(s.records, func(r record) bool { return r.Size >= size }); i >= 0 {
		s.records = s.records[:i]
	}
}

// vote is what one validator says of the headers of a span.
type vote struct {
	digest  [sha256.Size]byte
	records []record
	full    bool // records are there, not their digest alone
}

// ballot is what the validators say of the headers of one span.
type ballot struct {
	said map[string][sha256.Size]byte
	full map[string][]record
}

// most is the digest that most validators gave.
func (b *ballot) most() (digest [sha256.Size]byte, votes int) {
	counted := map[[sha256.Size]byte]int{}
	for _, d := range b.said {
		if counted[d]++; counted[d] > votes {
			digest, votes = d, counted[d]
		}
	}
	return digest, votes
}

// shown reports whether somebody has shown the records of that digest.
func (b *ballot) shown(digest [sha256.Size]byte) bool {
	for name := range b.full {
		if b.said[name] == digest {
			return true
		}
	}
	return false
}

func (b *ballot) forget(name string) {
	delete(b.said, name)
	delete(b.full, name)
}

// keep takes note of a vote. It says why, if the vote contradicts one before.
func (b *ballot) keep(name string, v vote) error {
	if d, voted := b.said[name]; voted && d != v.digest {
		b.forget(name)
		return lie("the headers that it shows are not those of its digest")
	}
	if b.said[name] = v.digest; v.full {
		b.full[name] = v.records
	}
	return nil
}

// sheets fetches the records of the blocks that begin in a span (C2). One
// validator gives them and others their digest; where as many say the same as
// cannot all lie, that is one sheet. Those who say otherwise are asked for what
// they have: they may lie, or a proposer has shown them another header.
func (rd *round) sheets(ctx context.Context, s span) ([]sheet, error) {
	b := &ballot{said: map[string][sha256.Size]byte{}, full: map[string][]record{}}
	enough := need(rd.validators)
	var has atomic.Bool // whether somebody gives them in full
	w := rd.wishOfValidators(s)
	w.enough = func() int {
		_, votes := b.most()
		return enough - votes
	}
	w.content = func() bool { return len(b.said) >= enough }
	err := gather(ctx, rd.peers, w, func(ctx context.Context, name string) (vote, error) {
		digestOnly := !has.CompareAndSwap(false, true)
		v, err := rd.showRecords(ctx, name, s, digestOnly)
		if err != nil && !digestOnly {
			has.Store(false)
		}
		return v, err
	}, func(name string, v vote) {
		if err := b.keep(name, v); err != nil {
			rd.peers.judge(name, err)
		}
	})
	if err != nil {
		return nil, err
	}
	digest, votes := b.most()
	alike := votes >= enough
	if alike && !b.shown(digest) {
		err := rd.inFull(ctx, s, b, func(name string) bool { return b.said[name] == digest }, func() int {
			if b.shown(digest) {
				return 0
			}
			return 1
		}, nil)
		if err != nil {
			return nil, err
		}
	}
	if alike && votes == len(b.said) {
		return b.sheets(), nil
	}
	if alike {
		// What they said does not matter for what is taken. It may be evidence.
		differ := slices.DeleteFunc(slices.Collect(maps.Keys(b.said)), func(name string) bool { return b.said[name] == digest })
		err = rd.inFull(ctx, s, b, func(name string) bool { return slices.Contains(differ, name) }, func() int {
			left := 0
			for _, name := range differ {
				if _, voted := b.said[name]; voted && b.full[name] == nil {
					left++
				}
			}
			return left
		}, func() bool { return true })
	} else {
		err = rd.inFull(ctx, s, b, func(string) bool { return true }, func() int { return len(rd.validators) - len(b.full) }, func() bool { return len(b.full) >= enough })
	}
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(b.full)) {
		if err := rd.verifyRecords(b.full[name]); err != nil {
			rd.peers.judge(name, err)
			b.forget(name)
		}
	}
	sheets := b.sheets()
	if n := voters(sheets); n < enough {
		return nil, fmt.Errorf("%w: %d validators show headers of the blocks from %d to %d that verify, %d are needed", errMisfit, n, s.from, s.to-1, enough)
	}
	rd.expose(s, sheets)
	return sheets, nil
}

// sheets puts together what is alike and was shown by somebody.
func (b *ballot) sheets() (out []sheet) {
	at := map[[sha256.Size]byte]int{}
	for _, name := range slices.Sorted(maps.Keys(b.full)) {
		if _, known := at[b.said[name]]; !known {
			at[b.said[name]] = len(out)
			out = append(out, sheet{records: b.full[name]})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.said)) {
		if i, shown := at[b.said[name]]; shown {
			out[i].by = append(out[i].by, name)
		}
	}
	return out
}

// voters is how many validators the sheets are of.
func voters(sheets []sheet) (n int) {
	for _, s := range sheets {
		n += len(s.by)
	}
	return n
}

// wishOfValidators is for the headers of a span.
func (rd *round) wishOfValidators(s span) wish {
	w := rd.wish(s, "the headers of the blocks from %d to %d, as %d validators have them", s.from, s.to-1, need(rd.validators))
	has := w.may
	w.may = func(name string) bool { return counts(rd.validators, name) && has(name) }
	return w
}

// inFull asks some of those who have not shown their records yet to do so.
func (rd *round) inFull(ctx context.Context, s span, b *ballot, some func(name string) bool, enough func() int, content func() bool) error {
	if enough() <= 0 {
		return nil
	}
	w := rd.wishOfValidators(s)
	has := w.may
	w.may = func(name string) bool { return b.full[name] == nil && some(name) && has(name) }
	w.enough, w.content = enough, content
	return gather(ctx, rd.peers, w, func(ctx context.Context, name string) (vote, error) {
		return rd.showRecords(ctx, name, s, false)
	}, func(name string, v vote) {
		if err := b.keep(name, v); err != nil {
			rd.peers.judge(name, err)
		}
	})
}

func (rd *round) showRecords(ctx context.Context, name string, s span, digestOnly bool) (vote, error) {
	var a blocksAnswer
	if err := rd.peers.call(ctx, name, BlocksProtocol, &blocksRequest{From: s.from, To: s.to, Digest: digestOnly}, &a); err != nil {
		return vote{}, err
	}
	if (a.Digest != nil) != digestOnly {
		return vote{}, lie("records where their digest was asked for, or the other way round")
	}
	if digestOnly {
		return vote{digest: *a.Digest}, nil
	}
	records, err := readRecords(a.Records, s.from, s.to)
	if err != nil {
		return vote{}, lie("headers of the blocks from %d to %d: %w", s.from, s.to-1, err)
	}
	proofs := make([]block.HeaderProof, len(records))
	for i := range records {
		records[i].from, proofs[i] = name, records[i].proof
	}
	return vote{digest: headersDigest(proofs), records: records, full: true}, nil
}

// verifyRecords checks the signatures of headers that are in dispute. Where
// none is in dispute, the ledger does it when they are grafted, and only there;
// and so it does for a proposer who is not known yet, because it joined above this
// ledger's size and nobody has handed over to it.
func (rd *round) verifyRecords(records []record) error {
	for i := range records {
		r := &records[i]
		var wrong error
		for _, key := range rd.belief.keys(r.Proposer) {
			if _, wrong = r.proof.Verify(key); wrong == nil {
				break
			}
		}
		if wrong != nil {
			return lie("the header of the block at %d: %w", r.Size, wrong)
		}
	}
	return nil
}

// place is what an honest proposer signs one block for.
type place struct {
	proposer   statement.Region
	term, size uint64
}

// expose looks for two headers of one place in sheets whose signatures have been
// verified, and hands them on: of each proposer the first two that are found.
func (rd *round) expose(s span, sheets []sheet) {
	type sight struct {
		record
		by []string
	}
	seen, found := map[place]sight{}, false
	for _, sh := range sheets {
		for _, r := range sh.records {
			at := place{r.Proposer, r.Term, r.Size}
			first, known := seen[at]
			if !known {
				seen[at] = sight{r, sh.by}
			}
			if !known || first.Header == r.Header {
				continue
			}
			found = true
			if _, told := rd.exposed.LoadOrStore(r.Proposer, true); told {
				continue
			}
			rd.log.Error("a validator has signed two blocks for one place, and shown them to different nodes; the two headers are evidence",
				"culprit", r.Proposer, "term", r.Term, "size", r.Size, "one shown by", first.by, "the other by", sh.by)
			if rd.cfg.SawBlock != nil {
				rd.cfg.SawBlock(first.proof)
				rd.cfg.SawBlock(r.proof)
			}
		}
	}
	if !found && len(sheets) > 1 {
		rd.log.Warn("validators show different headers of blocks, and no proposer has signed two for one place", "from", s.from, "to", s.to-1)
	}
}
