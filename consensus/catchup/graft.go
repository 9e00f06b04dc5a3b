package catchup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/statement"
)

// scion is a block that is ready to be grafted once its parcels are there.
type scion struct {
	ledger.GraftBlock
	end     uint64
	bytes   int
	wants   []want
	parcels []*parcel
	by      []string // the validators that show its header
	from    string   // who gave it, with the signature
}

// want is an attachment that is to be had.
type want struct {
	index   uint64 // of its statement
	digest  [sha256.Size]byte
	size    int
	expires statement.Time
}

// parcel is some attachments that are fetched together. Whoever has waited for
// done may read got; an attachment that is not in it was erased.
type parcel struct {
	wants   []want
	bytes   int
	blocks  int // that still need it; the grafter counts down
	ordered bool
	got     map[[sha256.Size]byte][]byte
	done    chan struct{}
}

// parcelBytes is the least that a parcel counts for, so that there are never many.
const parcelBytes = 256 << 10

// assemble puts pieces together to blocks, in order, has their attachments
// fetched, and hands them to the grafter.
func (rd *round) assemble(ctx context.Context, g *errgroup.Group, from uint64, blocks chan<- *scion) error {
	defer close(blocks)
	size := rd.goal.size()
	d := newDivision(rd, from)
	var entries [][]byte // from at on
	for at := from; at < size; {
		p, err := rd.window.wait(ctx, d.have)
		if err != nil {
			return err
		}
		entries = append(entries, p.entries...)
		d.add(p, at)
		var ready []*scion
		for at < size {
			path, more := d.next(at, entries)
			if more {
				break
			}
			if path == nil {
				return d.stuck(at)
			}
			most := 0 // of attachments that the path needs at once
			for i, header := range path {
				s, err := newScion(header, entries[:header.Count:header.Count])
				if err != nil {
					return err
				}
				s.Spent, s.Joined = rd.spent, i+1 < len(path)
				for _, w := range s.wants {
					most += max(w.size, parcelBytes) + itemBytes
				}
				if len(path) > 1 && most > rd.cfg.Memory/3 {
					return d.stuck(at)
				}
				ready = append(ready, s)
				entries, at = entries[header.Count:], header.end()
			}
		}
		if bytesOf(entries) > rd.cfg.Memory/3 {
			return d.stuck(at)
		}
		// Nothing of the pieces before is kept by what is left over.
		entries = slices.Clone(entries)
		if err := rd.pack(ready); err != nil {
			return err
		}
		for _, s := range ready {
			rd.window.assembled()
			for _, p := range s.parcels {
				if err := rd.order(ctx, g, p); err != nil {
					return err
				}
			}
			select {
			case blocks <- s:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// kinds are the names of kinds with an attachment, as they stand in a
// statement's bytes.
var kinds = [][]byte{[]byte(statement.RevocationAdd), []byte(statement.RevocationUndo)}

func bytesOf(entries [][]byte) (n int) {
	for _, e := range entries {
		n += len(e)
	}
	return n
}

// newScion makes a block of a header and its statements. They are parsed only
// if they can have an attachment: the ledger parses them all, later.
func newScion(header *showing, entries [][]byte) (*scion, error) {
	s := &scion{GraftBlock: ledger.GraftBlock{Proof: header.proof, Statements: entries}, end: header.end(), by: header.by, from: header.from}
	for i, e := range entries {
		s.bytes += len(e)
		if !slices.ContainsFunc(kinds, func(k []byte) bool { return bytes.Contains(e, k) }) {
			continue
		}
		u, err := statement.Parse(e)
		if err != nil {
			return nil, fmt.Errorf("statement %d, which is certified: %w; this release cannot read it", header.Size+uint64(i), err)
		}
		said := u.Statement()
		var b statement.Batch
		switch body := said.Body.(type) {
		case *statement.Revoke:
			b = body.Batch
		case *statement.Reinstate:
			b = body.Batch
		default:
			continue
		}
		if b.Count > statement.MaxAttachment/statement.HashSize {
			return nil, fmt.Errorf("statement %d, which is certified, has an attachment of %d hashes; this release takes %d", header.Size+uint64(i), b.Count, statement.MaxAttachment/statement.HashSize)
		}
		s.wants = append(s.wants, want{index: header.Size + uint64(i), digest: b.Digest, size: int(b.Count) * statement.HashSize, expires: b.Expires})
	}
	return s, nil
}

// pack divides what blocks want into parcels of one answer each, leaving out
// what the ledger has: the same attachment may come twice.
func (rd *round) pack(blocks []*scion) (err error) {
	v := rd.cfg.Ledger.View()
	defer func() { err = errors.Join(err, v.Close()) }()
	var open *parcel
	for _, s := range blocks {
		for _, w := range s.wants {
			if v.HasAttachment(w.digest) {
				continue
			}
			if open == nil || len(open.wants) == MaxAttachments || open.bytes+w.size+itemBytes > contentBytes {
				open = &parcel{done: make(chan struct{}), got: map[[sha256.Size]byte][]byte{}}
			}
			open.wants = append(open.wants, w)
			open.bytes += w.size + itemBytes
			if !slices.Contains(s.parcels, open) {
				s.parcels = append(s.parcels, open)
				open.blocks++
			}
		}
	}
	return nil
}

// order has a parcel fetched, when there is room for it and it is not ordered yet.
func (rd *round) order(ctx context.Context, g *errgroup.Group, p *parcel) error {
	if p.ordered {
		return nil // for a block before
	}
	p.ordered = true
	p.bytes = max(p.bytes, parcelBytes)
	if err := rd.room.take(ctx, p.bytes); err != nil {
		return err
	}
	g.Go(func() error {
		if err := rd.attachments(ctx, p); err != nil {
			return err
		}
		close(p.done)
		return nil
	})
	return nil
}

// attachments fetches a parcel. An attachment that had expired by the newest
// certified seal is taken as erased when as many validators say that they have
// it not as cannot all lie; any other must be had.
func (rd *round) attachments(ctx context.Context, p *parcel) error {
	missing := map[[sha256.Size]byte]want{}
	denied := map[[sha256.Size]byte]map[string]bool{}
	for _, w := range p.wants {
		missing[w.digest] = w
	}
	var left atomic.Pointer[[]want] // what the next who is asked is asked for
	left.Store(&p.wants)
	last := p.wants[len(p.wants)-1].index
	w := rd.wish(span{p.wants[0].index, last + 1}, "attachments of statements %d to %d", p.wants[0].index, last)
	w.enough = func() int { return min(len(missing), 1) }
	w.told = func() string {
		for _, a := range p.wants {
			if _, is := missing[a.digest]; is {
				return fmt.Sprintf("; first %x of statement %d, which has to be had: it had not expired (%s) by the newest certified seal (%s)", a.digest, a.index, a.expires, rd.spent)
			}
		}
		return ""
	}
	return gather(ctx, rd.peers, w, func(ctx context.Context, name string) (map[[sha256.Size]byte][]byte, error) {
		return rd.someAttachments(ctx, name, *left.Load())
	}, func(name string, got map[[sha256.Size]byte][]byte) {
		var withheld *want
		for digest, a := range got {
			want, is := missing[digest]
			switch {
			case !is:
			case len(a) > 0:
				p.got[digest] = a
				delete(missing, digest)
			case rd.spent < want.expires:
				withheld = &want
			case counts(rd.validators, name):
				if denied[digest] == nil {
					denied[digest] = map[string]bool{}
				}
				if denied[digest][name] = true; len(denied[digest]) >= need(rd.validators) {
					delete(missing, digest)
				}
			}
		}
		if withheld != nil {
			rd.peers.judge(name, fmt.Errorf("%w: attachment %x of statement %d, which had not expired by the newest certified seal", errHasNot, withheld.digest, withheld.index))
		}
		rest := slices.DeleteFunc(slices.Clone(p.wants), func(w want) bool { _, is := missing[w.digest]; return !is })
		left.Store(&rest)
	})
}

// someAttachments asks one peer for attachments; empty ones it has not.
func (rd *round) someAttachments(ctx context.Context, name string, wants []want) (map[[sha256.Size]byte][]byte, error) {
	out := map[[sha256.Size]byte][]byte{}
	for len(wants) > 0 {
		var q attachmentsRequest
		for _, w := range wants {
			q.Digests = append(q.Digests, w.digest)
		}
		var a attachmentsAnswer
		if err := rd.peers.call(ctx, name, AttachmentsProtocol, &q, &a); err != nil {
			return nil, err
		}
		if len(a.Attachments) > len(wants) {
			return nil, lie("%d attachments, asked for %d", len(a.Attachments), len(wants))
		}
		total := 0
		for i, data := range a.Attachments {
			if w := wants[i]; len(data) > 0 && (len(data) != w.size || sha256.Sum256(data) != w.digest) {
				return nil, lie("attachment %x of statement %d is another", w.digest, w.index)
			}
			out[wants[i].digest] = data
			total += len(data) + itemBytes
		}
		if wants = wants[len(a.Attachments):]; len(wants) > 0 && total+wants[0].size+itemBytes <= contentBytes {
			return nil, lie("%d attachments of %d bytes, where one more has room", len(a.Attachments), total)
		}
	}
	return out, nil
}

// How much is given to the ledger at once.
const (
	graftStatements = 4096
	graftBytes      = 8 << 20
)

// graft gives blocks to the ledger, in order, as many at once as are ready.
func (rd *round) graft(ctx context.Context, blocks <-chan *scion) error {
	var next *scion // received, and not ready when the others were
	for {
		s := next
		if next = nil; s == nil {
			var ok bool
			select {
			case s, ok = <-blocks:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if !ok {
				return nil
			}
		}
		if err := s.wait(ctx); err != nil {
			return err
		}
		some := []*scion{s}
		statements, size := len(s.Statements), s.bytes
	more:
		for statements < graftStatements && size < graftBytes || some[len(some)-1].Joined {
			if some[len(some)-1].Joined { // it is of no use alone
				select {
				case s, ok := <-blocks:
					if !ok {
						return nil // the assembly has failed
					}
					if err := s.wait(ctx); err != nil {
						return err
					}
					some = append(some, s)
					statements += len(s.Statements)
					size += s.bytes
				case <-ctx.Done():
					return context.Cause(ctx)
				}
				continue
			}
			select {
			case s, ok := <-blocks:
				if !ok {
					break more
				}
				if !s.isReady() {
					next = s
					break more
				}
				some = append(some, s)
				statements += len(s.Statements)
				size += s.bytes
			default:
				break more
			}
		}
		if err := rd.graftSome(some); err != nil {
			return err
		}
	}
}

// wait waits for what the block needs.
func (s *scion) wait(ctx context.Context) error {
	for _, p := range s.parcels {
		select {
		case <-p.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (s *scion) isReady() bool {
	for _, p := range s.parcels {
		select {
		case <-p.done:
		default:
			return false
		}
	}
	return true
}

func (rd *round) graftSome(some []*scion) error {
	give := make([]ledger.GraftBlock, len(some))
	for i, s := range some {
		s.Attachments = map[[sha256.Size]byte][]byte{}
		for _, p := range s.parcels {
			for _, w := range s.wants {
				if a := p.got[w.digest]; a != nil {
					s.Attachments[w.digest] = a
				}
			}
		}
		give[i] = s.GraftBlock
	}
	out, err := rd.cfg.Ledger.Graft(give...)
	rd.fetched += uint64(out.Count)
	size := out.First + uint64(out.Count)
	rd.meter.update(func(p *Progress) { p.Size = size })
	rd.meter.goesOnBelow(size + 1)
	if err != nil {
		if errors.Is(err, ledger.ErrGraft) {
			return rd.misfit(some, size, err)
		}
		return err
	}
	rd.window.grafted(size, len(some))
	for _, s := range some {
		for _, p := range s.parcels {
			if p.blocks--; p.blocks == 0 {
				rd.room.give(p.bytes)
			}
		}
	}
	return nil
}

// misfit says whose block the ledger does not take.
func (rd *round) misfit(some []*scion, size uint64, err error) error {
	at := size
	if which := (*ledger.GraftError)(nil); errors.As(err, &which) {
		at = which.First // beyond size, where blocks are taken together or not at all
	}
	for _, s := range some {
		if s.end <= at {
			continue
		}
		erased := false
		for _, p := range s.parcels {
			for _, w := range p.wants {
				erased = erased || p.got[w.digest] == nil
			}
		}
		switch {
		case errors.Is(err, block.ErrSignature): // of which the others showed nothing
			rd.peers.judge(s.from, lie("it shows a header that cannot be: %w", err))
		case !erased || errors.Is(err, ledger.ErrHeader): // else it may be the missing attachment alone
			for _, name := range s.by {
				rd.peers.judge(name, lie("with %d others it shows a block that cannot be: %w", len(s.by)-1, err))
			}
		}
		break
	}
	rd.log.Error("a block does not fit", "size", size, "error", err)
	rd.meter.waiting(size+1, fmt.Sprintf("a block that fits at size %d: %v", size, err))
	return fmt.Errorf("%w: %w", errMisfit, err)
}
