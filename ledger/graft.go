package ledger

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"concordat/ledger/block"
	"concordat/ledger/merkle"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// ErrHeader is an ErrGraft of which the block's header alone is the cause,
// whatever came with it: no validator signed it, or not for this place.
var ErrHeader = fmt.Errorf("%w: its header is at fault", ErrGraft)

// GraftError is an ErrGraft, and says which block does not fit: with Joined it
// need not be the first that was not taken.
type GraftError struct {
	First uint64 // the size that the block was to be grafted at
	err   error
}

func (e *GraftError) Error() string { return e.err.Error() }
func (e *GraftError) Unwrap() error { return e.err }

// GraftBlock is a block below a certified checkpoint, as a peer keeps it.
type GraftBlock struct {
	Proof      block.HeaderProof
	Statements [][]byte // each as its authority signed it, in order
	// Attachments are those of the statements that have one, by SHA-256. One may
	// be missing if its batch is spent by Spent: then it counts as erased.
	Attachments map[[32]byte][]byte
	// Spent is a time by which batches may be spent (state.SpentAt): that of a
	// seal below the checkpoint. 0: every attachment must be there.
	Spent statement.Time
	// Joined: it is taken only if the next block is too. So of a way through that
	// nobody vouches for, nothing is kept unless all of it fits. A seal that comes
	// next does not count: whatever way was taken, it begins there.
	Joined bool
}

// How much is grafted in one batch: enough that the cost of a commit does not
// count, little enough to stay in memory.
const (
	graftStatements = 4096
	graftBytes      = 8 << 20
)

// Graft appends blocks that a peer has brought, without the order that they
// came in first. The caller has seen that the statements are those under a
// certified checkpoint: then a quorum has verified their signatures, and Graft
// does not. All else it verifies as Apply does: each block's header, signed by a
// validator for exactly this size and root; every statement by the rules of the
// state; attachments by their digests, and, where all are there, the whole body
// by the header's; seals by the state's own digest (ErrDiverged).
//
// What no signature covers it does not take from a peer: where in the order the
// block stands. Head().Applied stays as it is, until Adopt or the order itself
// says where it goes on.
//
// It stops at the first block that does not fit. Those before it are kept, and
// Applied tells of them; the error wraps ErrGraft (ErrHeader, if the header
// alone is the cause), or ErrDiverged, and the ledger is as good as before. What it took is durable with the next Flush.
// Errors that wrap ErrBroken or ErrLevel are the ledger's own, as with Apply.
func (l *Ledger) Graft(blocks ...GraftBlock) (Applied, error) {
	l.applying.Lock()
	defer l.applying.Unlock()
	if err := l.ended(); err != nil {
		return Applied{}, err
	}
	out := Applied{First: l.Head().Size}
	for len(blocks) > 0 {
		n := graftable(blocks)
		misfit, err := l.graft(blocks[:n], &out)
		if err != nil {
			return out, l.end(fmt.Errorf("grafting at size %d: %w", l.Head().Size, err))
		}
		if misfit != nil {
			return out, misfit
		}
		blocks = blocks[n:]
	}
	return out, nil
}

// graftable is how many of the blocks are read at once.
func graftable(blocks []GraftBlock) int {
	statements, size := 0, 0
	for i, b := range blocks {
		statements += len(b.Statements)
		for _, s := range b.Statements {
			size += len(s)
		}
		for _, a := range b.Attachments {
			size += len(a)
		}
		if i > 0 && !blocks[i-1].Joined && (statements > graftStatements || size > graftBytes) {
			return i
		}
	}
	return len(blocks)
}

// graft grafts blocks, in as few batches as it can: a seal is of the state as
// it is stored, so it and those before it are apart; and so is a recovery, which
// is alone too.
func (l *Ledger) graft(blocks []GraftBlock, out *Applied) (misfit, err error) {
	v := l.View()
	if v.err != nil {
		return nil, v.err
	}
	scions, err := readScions(v.State(), blocks)
	if err := errors.Join(err, v.Close()); err != nil {
		return nil, err
	}
	for len(scions) > 0 && misfit == nil {
		n := slices.IndexFunc(scions, (*scion).isAlone)
		switch n {
		case -1:
			n = len(scions)
		case 0:
			n = 1
		}
		if misfit, err = l.graftOnce(scions[:n], out); err != nil {
			return nil, err
		}
		scions = scions[n:]
	}
	return misfit, nil
}

// graftOnce grafts what is committed at once.
func (l *Ledger) graftOnce(scions []*scion, out *Applied) (misfit, err error) {
	v := l.View()
	if v.err != nil {
		return nil, v.err
	}
	g := l.newGraft(v.pin)
	for i, s := range scions {
		if misfit, err = g.block(s); err != nil {
			break
		}
		if misfit != nil {
			// It may have changed what lies over the state before it was found
			// out; so those before it are tried again, alone. They fit.
			for i > 0 && scions[i-1].Joined {
				i--
			}
			g = l.newGraft(v.pin)
			for _, good := range scions[:i] {
				if again, failed := g.block(good); again != nil || failed != nil {
					err = errors.Join(again, failed)
					break
				}
			}
			break
		}
	}
	if err := errors.Join(err, v.Close()); err != nil {
		return nil, err
	}
	if len(g.items) == 0 {
		return misfit, nil
	}
	g.grown = g.tiles.writes()
	if err := l.commit(g.head, &g.change); err != nil {
		return nil, err
	}
	out.Count += len(g.items)
	out.Hashes = append(out.Hashes, g.hashes()...)
	return misfit, nil
}

// scion is a block to be grafted, read as far as it can be without the blocks before it.
type scion struct {
	*GraftBlock
	header     block.Header
	verifiedBy ed25519.PublicKey // the key that its header was seen to be signed with; nil: none was
	items      []item
	malformed  error
}

func (s *scion) isAlone() bool {
	if len(s.items) != 1 {
		return false
	}
	kind := s.items[0].Statement.Statement().Body.Kind()
	return kind == statement.Seal || kind == statement.NetworkRecovery
}

// readScions parses blocks and verifies their headers with the keys that the
// state has now, on all processors.
func readScions(st state.View, blocks []GraftBlock) ([]*scion, error) {
	out := make([]*scion, len(blocks))
	for i := range blocks {
		s := &scion{GraftBlock: &blocks[i]}
		out[i] = s
		if s.header, s.malformed = s.Proof.Claimed(); s.malformed != nil {
			continue
		}
		proposer, _, err := st.Authority(s.header.Proposer)
		if err != nil {
			return nil, err
		}
		s.verifiedBy = proposer.Key(state.Node)
	}
	next := make(chan *scion, len(out))
	for _, s := range out {
		next <- s
	}
	close(next)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(out)) {
		wg.Go(func() {
			for s := range next {
				if s.malformed == nil {
					s.read()
				}
			}
		})
	}
	wg.Wait()
	return out, nil
}

func (s *scion) read() {
	if s.verifiedBy != nil {
		if _, err := s.Proof.Verify(s.verifiedBy); err != nil {
			s.verifiedBy = nil // a block before it may change the key: what counts is judged in its place
		}
	}
	s.items = make([]item, len(s.Statements))
	for i, raw := range s.Statements {
		u, err := statement.Parse(raw)
		if err != nil {
			s.malformed = fmt.Errorf("statement %d of the block: %w", i, err)
			return
		}
		s.items[i] = newItem(u, nil)
	}
}

// graft is a change in the making.
type graft struct {
	change
	ledger   *Ledger
	pin      *pin
	head     Head
	trial    *trial
	tiles    *grownTiles
	attached map[[32]byte][]byte // what came with the blocks before

	// Which batches are spent, from the first that came without its attachment on.
	spent   func(state.Batch) bool
	spentBy statement.Time
}

func (l *Ledger) newGraft(p *pin) *graft {
	t := l.newTrial(p)
	t.vouched = true
	g := &graft{ledger: l, pin: p, head: p.head, trial: t, tiles: &grownTiles{under: tiles{p}}}
	g.first, g.over, g.attached = p.head.Size, &t.over, map[[32]byte][]byte{}
	return g
}

func unfit(first uint64, format string, a ...any) error {
	return &GraftError{first, fmt.Errorf("%w: block at %d: %w", ErrGraft, first, fmt.Errorf(format, a...))}
}

func unfitHeader(first uint64, format string, a ...any) error {
	return &GraftError{first, fmt.Errorf("%w: block at %d: %w", ErrHeader, first, fmt.Errorf(format, a...))}
}

// block takes one block. misfit says why it is not one that follows here.
func (g *graft) block(s *scion) (misfit, err error) {
	first := g.head.Size
	if s.malformed != nil {
		return unfit(first, "%w", s.malformed), nil
	}
	h := s.header
	switch {
	case h.Network != g.ledger.network:
		return unfitHeader(first, "it is for network %s, this one is %s", h.Network, g.ledger.network), nil
	case h.Size != g.head.Size || h.Root != g.head.Root:
		return unfitHeader(first, "it builds on size %d and root %x, the ledger has size %d and root %x", h.Size, h.Root, g.head.Size, g.head.Root), nil
	case h.Count != uint64(len(s.items)):
		return unfitHeader(first, "its header counts %d statements, it came with %d", h.Count, len(s.items)), nil
	}
	proposer, known, err := state.View{Reader: g.over}.Authority(h.Proposer)
	if err != nil {
		return nil, err
	}
	if !known || proposer.Role != state.Validator {
		return unfitHeader(first, "%s, who proposed it, is no validator", h.Proposer), nil
	}
	if key := proposer.Key(state.Node); s.verifiedBy == nil || !key.Equal(s.verifiedBy) {
		if _, err := s.Proof.Verify(key); err != nil {
			return unfitHeader(first, "%w", err), nil
		}
	}
	g.trial.seal = func(_ uint64, said *statement.SealState) (v state.Verdict, err error) {
		g.sealed, v, err = g.ledger.applySeal(g.pin, h, said)
		return v, err
	}
	leaves := make([]merkle.Hash, len(s.items))
	for i := range s.items {
		if misfit, err := g.statement(s, i); misfit != nil || err != nil {
			return misfit, err
		}
		leaves[i] = merkle.LeafHash(s.Statements[i])
	}
	if misfit := s.checkBody(first); misfit != nil {
		return misfit, nil
	}
	grown, root, err := merkle.Append(g.tiles, g.head.Size, leaves)
	if err != nil {
		return nil, err
	}
	g.tiles.add(grown)
	g.items = append(g.items, s.items...)
	g.records = append(g.records, Block{First: first, Count: h.Count, Position: Position{Term: h.Term}, Proof: s.Proof})
	g.head.Size, g.head.Root, g.head.Time = first+h.Count, root, max(g.head.Time, h.Time)
	return nil, nil
}

// statement takes statement i of a block, with its attachment.
func (g *graft) statement(s *scion, i int) (misfit, err error) {
	it, index := &s.items[i], g.trial.next
	said := it.Statement.Statement()
	if said.Kind().HasAttachment() {
		it.Attachment, it.erased = s.Attachments[it.digest], false
		if it.Attachment == nil {
			if it.Attachment, err = g.known(it.digest); err != nil {
				return nil, err
			}
		}
		if it.erased = it.Attachment == nil; it.erased {
			if may, err := g.mayBeErased(&said, s.Spent); err != nil || !may {
				return unfit(s.header.Size, "statement %d: its attachment %x is missing, and may still be needed at %s", index, it.digest, s.Spent), err
			}
		}
	}
	j, err := g.trial.try(*it, nil)
	switch {
	case err != nil:
		return nil, err
	case j.Known:
		return unfit(s.header.Size, "statement %d is at index %d already", index, j.Index), nil
	case j.Verdict.Name == state.SealMismatch:
		return fmt.Errorf("%w: statement %d: %s", ErrDiverged, index, j.Verdict), nil
	case j.Verdict.Name == state.SealMisplaced, j.Verdict.Name == state.RecoveryMisplaced:
		// In a certified tree it has its place; so it is the header that names another time, or others beside it.
		return unfitHeader(s.header.Size, "statement %d: %s", index, j.Verdict), nil
	case !j.Verdict.Accepted():
		return unfit(s.header.Size, "statement %d: %s", index, j.Verdict), nil
	}
	if it.Attachment != nil {
		g.attached[it.digest] = it.Attachment
	}
	if g.spent != nil && said.Kind().HasAttachment() {
		g.spent(batchOf(&said))
	}
	return nil, nil
}

// known is an attachment that another batch had too; nil if none had.
func (g *graft) known(digest [32]byte) ([]byte, error) {
	if a := g.attached[digest]; a != nil {
		return a, nil
	}
	a, err := g.pin.get(attachmentKey(digest))
	if err != nil || len(a) == 0 {
		return nil, err
	}
	return a, nil
}

// mayBeErased reports whether the batch that said makes may come without its
// attachment: whether it is spent by the given time.
func (g *graft) mayBeErased(said *statement.Statement, by statement.Time) (bool, error) {
	if by == 0 {
		return false, nil
	}
	if g.spent == nil || g.spentBy != by {
		g.spent, g.spentBy = state.SpentAt(by), by
		err := state.View{Reader: g.over}.Batches(func(_ uint64, b state.Batch) (bool, error) {
			g.spent(b)
			return true, nil
		})
		if err != nil {
			return false, err
		}
	}
	return g.spent(batchOf(said)), nil
}

// batchOf is what of a batch decides when it is spent.
func batchOf(said *statement.Statement) state.Batch {
	b := state.Batch{Authority: said.Issuer}
	switch body := said.Body.(type) {
	case *statement.Revoke:
		b.HashType, b.Expires = body.HashType, body.Expires
	case *statement.Reinstate:
		b.HashType, b.Expires, b.Undo = body.HashType, body.Expires, true
	}
	return b
}

// checkBody holds the block against its header's digest, which covers the
// attachments: it can be done as long as all are there.
func (s *scion) checkBody(first uint64) (misfit error) {
	var attachments [][]byte
	for _, it := range s.items {
		if it.erased {
			return nil
		}
		if it.Attachment != nil {
			attachments = append(attachments, it.Attachment)
		}
	}
	if block.BodyDigest(s.Statements, attachments) != s.header.Body {
		return unfit(first, "its statements and attachments are not those that its header names")
	}
	return nil
}

// place gives a grafted block its place in the order, when the order brings it.
// It does so until the newest block has one: from then on a block that is in
// the ledger and comes again is stale, as it is for everybody else.
func (l *Ledger) place(p *pin, pos Position, raw []byte) (out Applied, is bool, err error) {
	if p.head.Size == 0 {
		return Applied{}, false, nil
	}
	newest, err := (&View{pin: p}).BlockOf(p.head.Size - 1)
	if err != nil || newest.Position.Index != 0 {
		return Applied{}, false, err
	}
	signed, err := block.Parse(raw)
	if err != nil {
		return Applied{}, false, err // it has been parsed before
	}
	rec, is, err := recordOf(p, signed)
	if err != nil || !is || rec.Position.Index != 0 {
		return Applied{}, false, err
	}
	rec.Position = pos
	head := p.head
	head.Applied = pos
	out = Applied{Duplicate: true}
	if err := out.tell(p, rec); err != nil {
		return Applied{}, false, err
	}
	return out, true, l.commit(head, &change{records: []Block{rec}, over: &overlay{}})
}

// Adopt says where in the order the newest block stands, after grafting: the
// entries after it are the next to be applied. The position is not the
// ledger's to know; the caller has it from more validators than can be
// dishonest. What it says is on disk when Adopt returns. A ledger that knows
// the position, or is beyond it, stays as it is. Errors wrap ErrConflict if the
// block cannot stand there, or ErrBroken.
func (l *Ledger) Adopt(at Position) error {
	l.applying.Lock()
	defer l.applying.Unlock()
	if err := l.Err(); err != nil {
		return err
	}
	v := l.View()
	if v.err != nil {
		return v.err
	}
	misfit, err := l.adopt(v.pin, at)
	if err := errors.Join(err, v.Close()); err != nil {
		l.store.fault.set(fmt.Errorf("adopting entry %d of term %d: %w", at.Index, at.Term, err))
		return l.Err()
	}
	if misfit != nil {
		return misfit
	}
	return l.store.sync()
}

func (l *Ledger) adopt(p *pin, at Position) (misfit, err error) {
	head := p.head
	if head.Size == 0 {
		if at != (Position{}) {
			return fmt.Errorf("%w: there is no block to stand at entry %d of term %d", ErrConflict, at.Index, at.Term), nil
		}
		return nil, nil
	}
	newest, err := (&View{pin: p}).BlockOf(head.Size - 1)
	switch {
	case err != nil:
		return nil, err
	case newest.Position == at && at.Index != 0:
		return nil, nil
	case newest.Position.Index != 0 || newest.Position.Term != at.Term || at.Index <= head.Applied.Index || at.Term < head.Applied.Term:
		return fmt.Errorf("%w: its newest block was signed for term %d and has entry %d (0: unknown), its last entry is %d of term %d; it cannot go on after entry %d of term %d",
			ErrConflict, newest.Position.Term, newest.Position.Index, head.Applied.Index, head.Applied.Term, at.Index, at.Term), nil
	}
	newest.Position, head.Applied = at, at
	return nil, l.commit(head, &change{records: []Block{newest}, over: &overlay{}})
}

// grownTiles are tiles in memory over those that are stored.
type grownTiles struct {
	under merkle.TileReader
	data  map[merkle.Tile][]byte
}

func (g *grownTiles) add(grown []merkle.TileWrite) {
	if g.data == nil {
		g.data = map[merkle.Tile][]byte{}
	}
	for _, w := range grown {
		g.data[w.Tile] = w.Data
	}
}

// writes gives the tiles in the order of level, then index.
func (g *grownTiles) writes() []merkle.TileWrite {
	out := make([]merkle.TileWrite, 0, len(g.data))
	for t, data := range g.data { // in any order: sorted below
		out = append(out, merkle.TileWrite{Tile: t, Data: data})
	}
	slices.SortFunc(out, func(a, b merkle.TileWrite) int {
		return cmp.Or(cmp.Compare(a.Tile.Level, b.Tile.Level), cmp.Compare(a.Tile.Index, b.Tile.Index))
	})
	return out
}

// ReadTile implements merkle.TileReader.
func (g *grownTiles) ReadTile(t merkle.Tile, width int) ([]byte, error) {
	if data, is := g.data[t]; is {
		return data, nil
	}
	return g.under.ReadTile(t, width)
}
