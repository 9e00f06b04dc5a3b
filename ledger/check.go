package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"

	"concordat/ledger/block"
	"concordat/ledger/merkle"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// CheckError says where a ledger is wrong. It wraps ErrCorrupt.
type CheckError struct {
	Index uint64 // of the first statement that is not as it must be; the size, if none is to blame
	What  error
}

// Error implements error.
func (e *CheckError) Error() string {
	return fmt.Sprintf("%v at statement %d: %v", ErrCorrupt, e.Index, e.What)
}

// Unwrap implements errors.
func (e *CheckError) Unwrap() []error { return []error{ErrCorrupt, e.What} }

func wrong(index uint64, format string, a ...any) error {
	return &CheckError{Index: index, What: fmt.Errorf(format, a...)}
}

// Check verifies the whole ledger from its bytes, as an auditor would who has
// only the genesis: it replays every statement in memory, signatures and all,
// rebuilds tree, state and indexes, and compares each with what is stored. It
// pins a view and does not disturb the ledger; it needs memory for the whole
// state. The error is a *CheckError for the first statement that is wrong, or
// of the store or of ctx.
func (l *Ledger) Check(ctx context.Context) error {
	v := l.View()
	if v.err != nil {
		return v.err
	}
	err := l.checkPin(ctx, v.pin)
	return errors.Join(err, v.Close())
}

func (l *Ledger) checkPin(ctx context.Context, p *pin) error {
	r := newReplay(l, p)
	if err := r.run(ctx); err != nil {
		return err
	}
	if err := r.compareTables(); err != nil {
		return err
	}
	if err := r.compareSealed(); err != nil {
		return err
	}
	if err := r.checkCertificates(); err != nil {
		return err
	}
	key, err := r.differingState()
	if err != nil || key == nil {
		return err
	}
	// Which statement wrote it takes a second replay, so that the first need not remember.
	blame := p.head.Size
	again := newReplay(l, p)
	again.wrote = func(index uint64, writes []state.Write) {
		for _, w := range writes {
			if bytes.Equal(w.Key, key) {
				blame = index
			}
		}
	}
	if err := again.run(ctx); err != nil {
		return err
	}
	return wrong(blame, "the state under key %x is not what the statements make", key)
}

// replay builds a ledger again in memory, from the statements of a pin.
type replay struct {
	ledger *Ledger
	pin    *pin
	mem    *state.Memory
	wrote  func(uint64, []state.Write)

	// checker is the audit's own: it trusts nothing that the node verified before.
	checker *statement.Checker

	head        Head
	hashes      map[statement.Hash]uint64
	attachments map[[32]byte]bool // whether a batch that is not erased has it
	erased      []uint64          // batches, in order
	tiles       memoryTiles
	blocks      uint64
	grafted     bool   // the last block has no place in the order
	row         []byte // the stored tile of leaves that the replay is in
	sealed      sealedReplay
}

type memoryTiles map[merkle.Tile][]byte

// ReadTile implements merkle.TileReader.
func (m memoryTiles) ReadTile(t merkle.Tile, width int) ([]byte, error) { return m[t], nil }

func newReplay(l *Ledger, p *pin) *replay {
	return &replay{
		ledger: l, pin: p, mem: state.NewMemory(state.Found(l.genesis)),
		checker:     statement.NewChecker(1),
		head:        Head{Root: merkle.EmptyRoot()},
		hashes:      map[statement.Hash]uint64{},
		attachments: map[[32]byte]bool{},
		tiles:       memoryTiles{},
		sealed:      newSealedReplay(state.Found(l.genesis)),
	}
}

// run replays block after block.
func (r *replay) run(ctx context.Context) error {
	var blocks []Block
	err := r.pin.scan([]byte{tableBlock}, []byte{tableBlock}, func(k, v []byte) (bool, error) {
		b, err := decodeBlock(bytes.Clone(k), bytes.Clone(v))
		blocks = append(blocks, b)
		return true, err
	})
	if err != nil {
		return &CheckError{Index: r.pin.head.Size, What: err}
	}
	for _, b := range blocks {
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("checking the ledger, at statement %d: %w", r.head.Size, err)
		}
		if err := r.block(b); err != nil {
			return err
		}
	}
	r.blocks = uint64(len(blocks))
	have := r.pin.head
	if r.head.Size != have.Size || r.head.Root != have.Root || r.head.Time != have.Time {
		return wrong(min(r.head.Size, have.Size), "replayed, there are %d statements under root %x at %d; the head says %d, %x, %d",
			r.head.Size, r.head.Root, r.head.Time, have.Size, have.Root, have.Time)
	}
	if r.head.Applied.Index > have.Applied.Index || r.head.Applied.Term > have.Applied.Term {
		return wrong(have.Size, "the last block came with entry %v, the head says %v", r.head.Applied, have.Applied)
	}
	return nil
}

// block replays one block.
func (r *replay) block(b Block) error {
	h, err := r.header(b)
	if err != nil {
		return &CheckError{Index: b.First, What: err}
	}
	us := make([]*statement.Unverified, b.Count)
	items := make([]item, b.Count)
	for i := range us {
		if items[i], err = r.entry(b.First + uint64(i)); err != nil {
			return &CheckError{Index: b.First + uint64(i), What: err}
		}
		us[i] = items[i].Statement
	}
	t := newTrialOver(r.ledger.network, r.mem, r.tiles, r.indexOf, r.head.Size)
	t.seal = func(_ uint64, said *statement.SealState) (state.Verdict, error) { return r.seal(h, said) }
	t.wrote = func(index uint64, writes []state.Write) {
		r.sealed.put(writes)
		if r.wrote != nil {
			r.wrote(index, writes)
		}
	}
	verified, err := t.verify(r.checker, us)
	if err != nil {
		return &CheckError{Index: b.First, What: err}
	}
	leaves := make([]merkle.Hash, len(us))
	for i, u := range us {
		index := b.First + uint64(i)
		j, err := t.try(items[i], verified[i])
		switch {
		case err != nil:
			return &CheckError{Index: index, What: err}
		case j.Known:
			return wrong(index, "it is also at index %d", j.Index)
		case !j.Verdict.Accepted():
			return wrong(index, "the state refuses it: %s", j.Verdict)
		}
		r.hashes[u.Hash()] = index
		leaves[i] = merkle.LeafHash(u.Raw())
		if err := r.leaf(index, leaves[i]); err != nil {
			return &CheckError{Index: index, What: err}
		}
	}
	if r.sealed.err != nil {
		return &CheckError{Index: b.First, What: r.sealed.err}
	}
	r.over(&t.over)
	grown, root, err := merkle.Append(r.tiles, r.head.Size, leaves)
	if err != nil {
		return &CheckError{Index: b.First, What: err}
	}
	for _, w := range grown {
		r.tiles[w.Tile] = w.Data
	}
	applied := r.head.Applied
	if r.grafted = b.Position.Index == 0; !r.grafted {
		applied = b.Position
	}
	r.head = Head{Size: r.head.Size + b.Count, Root: root, Applied: applied, Time: max(r.head.Time, h.Time)}
	return nil
}

// leaf checks that the stored tree has the statement where it stands.
func (r *replay) leaf(index uint64, want merkle.Hash) error {
	at := merkle.Tile{Index: index / merkle.TileWidth}
	if index%merkle.TileWidth == 0 || r.row == nil {
		var err error
		if r.row, err = (tiles{r.pin}).ReadTile(at, at.Width(r.pin.head.Size)); err != nil {
			return err
		}
	}
	if have := r.row[index%merkle.TileWidth*merkle.HashSize:][:merkle.HashSize]; !bytes.Equal(have, want[:]) {
		return fmt.Errorf("its hash is %x, the tree has %x", want, have)
	}
	return nil
}

func (r *replay) over(o *overlay) {
	for i := range o.groups {
		r.mem.Put(o.groups[i].writes)
	}
}

func (r *replay) indexOf(h statement.Hash) (uint64, bool, error) {
	i, known := r.hashes[h]
	return i, known, nil
}

// header checks that the block's header follows from what was replayed.
func (r *replay) header(b Block) (block.Header, error) {
	claimed, err := b.Proof.Claimed()
	if err != nil {
		return block.Header{}, err
	}
	proposer, known, err := state.View{Reader: r.mem}.Authority(claimed.Proposer)
	if err != nil {
		return block.Header{}, err
	}
	if !known || proposer.Role != state.Validator {
		return block.Header{}, fmt.Errorf("%s, who proposed the block, is no validator", claimed.Proposer)
	}
	h, err := b.Proof.Verify(proposer.Key(state.Node))
	if err != nil {
		return block.Header{}, err
	}
	switch {
	case h.Network != r.ledger.network:
		err = fmt.Errorf("the block is for network %s", h.Network)
	case b.First != r.head.Size || h.Size != r.head.Size || h.Root != r.head.Root:
		err = fmt.Errorf("the block at %d builds on size %d and root %x; replayed, there are %d and %x", b.First, h.Size, h.Root, r.head.Size, r.head.Root)
	case h.Count != b.Count:
		err = fmt.Errorf("the block counts %d statements, its record %d", h.Count, b.Count)
	case h.Term != b.Position.Term:
		err = fmt.Errorf("the block is of term %d, its record says %d", h.Term, b.Position.Term)
	case b.Position.Index == 0 || r.grafted && b.Position.Index > r.head.Applied.Index:
		// Of a grafted block, only what it holds is certified; not when it came.
	case b.Position.Index <= r.head.Applied.Index || b.Position.Term < r.head.Applied.Term:
		err = fmt.Errorf("the block came with entry %v, the last one with %v", b.Position, r.head.Applied)
	}
	return h, err
}

// entry reads a statement with its attachment, and checks what points to it.
func (r *replay) entry(index uint64) (item, error) {
	raw, err := r.pin.get(indexKey(tableEntry, index))
	if err != nil {
		return item{}, err
	}
	e, err := parseEntry(index, raw)
	if err != nil {
		return item{}, err
	}
	said := e.Statement()
	want := binary.BigEndian.AppendUint64(nil, index)
	table, name := authorityListing(said.Issuer)
	kinds, kind := kindListing(said.Kind())
	for _, x := range []struct{ key, value []byte }{
		{hashKey(e.Hash()), want},
		{listingKey(table, name, index), []byte(said.Kind())},
		{listingKey(kinds, kind, index), []byte(said.Issuer)},
	} {
		have, err := r.pin.get(x.key)
		if err != nil {
			return item{}, err
		}
		if !bytes.Equal(have, x.value) {
			return item{}, fmt.Errorf("index key %x has %x, want %x", x.key, have, x.value)
		}
	}
	it := newItem(e.Unverified, nil)
	if !said.Kind().HasAttachment() {
		return it, nil
	}
	erased, err := r.pin.get(indexKey(tableErased, index))
	if err != nil {
		return item{}, err
	}
	if it.erased = erased != nil; it.erased {
		if !bytes.Equal(erased, it.digest[:]) {
			return item{}, fmt.Errorf("its attachment %x is marked as erased by another name, %x", it.digest, erased)
		}
		r.erased = append(r.erased, index)
	}
	r.attachments[it.digest] = r.attachments[it.digest] || !it.erased
	if it.erased {
		return it, nil
	}
	// The state judges whether it fits.
	it.Attachment, err = r.pin.get(attachmentKey(it.digest))
	return it, err
}

// attachmentDigest is the digest of the attachment that a statement describes, if it does.
func attachmentDigest(s *statement.Statement) ([32]byte, bool) {
	switch b := s.Body.(type) {
	case *statement.Revoke:
		return b.Digest, true
	case *statement.Reinstate:
		return b.Digest, true
	}
	return [32]byte{}, false
}

// compareTables checks that the store holds what was replayed and no more.
func (r *replay) compareTables() error {
	size := r.pin.head.Size
	want := map[byte]uint64{
		tableEntry: size, tableHash: size, tableAuthority: size, tableKind: size,
		tableBlock: r.blocks, tableAttachment: uint64(len(r.attachments)), tableErased: uint64(len(r.erased)), tableTile: uint64(len(r.tiles)),
	}
	elsewhere := []byte{tableState, tableHeld, tableMeta, tableDirty, tableRecords, tableRevoked, tableLeaf}
	have := map[byte]uint64{}
	err := r.pin.scan(nil, nil, func(k, v []byte) (bool, error) {
		have[k[0]]++
		switch _, known := want[k[0]]; {
		case k[0] == tableTile:
			if len(k) != 1+1+8 {
				return false, wrong(size, "tile key %x", k)
			}
			t := merkle.Tile{Level: k[1], Index: lastIndex(k)}
			mine, is := r.tiles[t]
			if !is {
				return false, wrong(size, "tile %s is in no tree of %d statements", t.Path(merkle.TileWidth), size)
			}
			if !bytes.Equal(mine, v) {
				return false, wrong(firstDiffering(t, mine, v, size), "tile %s is not what the statements make", t.Path(merkle.TileWidth))
			}
		case k[0] == tableAttachment && len(k) == 1+32 && len(v) > 0 && !r.attachments[[32]byte(k[1:])]:
			return false, wrong(size, "attachment %x is there, and all its batches are marked as erased", k[1:])
		case k[0] == tableMeta && !slices.ContainsFunc(metaKeys, func(m []byte) bool { return bytes.Equal(m, k) }):
			return false, wrong(size, "key %q is of no meaning", k)
		case !known && !bytes.Contains(elsewhere, k[:1]):
			return false, wrong(size, "key %x is of no table", k)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	for _, table := range []byte{tableEntry, tableHash, tableAuthority, tableKind, tableBlock, tableAttachment, tableErased, tableTile} {
		if have[table] != want[table] {
			return wrong(size, "table %q has %d keys, want %d", table, have[table], want[table])
		}
	}
	return nil
}

// firstDiffering is the first statement under the first hash in which two versions of a tile differ.
func firstDiffering(t merkle.Tile, a, b []byte, size uint64) uint64 {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return min(size, (t.Index*merkle.TileWidth+uint64(i/merkle.HashSize))<<(8*t.Level))
}

// differingState gives the first key under which the stored state is not the
// replayed one, or nil.
func (r *replay) differingState() ([]byte, error) {
	next, stop := iter.Pull2(func(yield func(k, v []byte) bool) {
		// Neither Memory nor this function can fail.
		_ = r.mem.Scan(nil, func(k, v []byte) (bool, error) { return yield(k, v), nil })
	})
	defer stop()
	var differing []byte
	err := r.pin.Scan(nil, func(k, v []byte) (bool, error) {
		key, value, more := next()
		switch {
		case !more || bytes.Compare(k, key) < 0:
			differing = bytes.Clone(k) // stored, and not made
		case !bytes.Equal(k, key) || !bytes.Equal(v, value):
			differing = key
		}
		return differing == nil, nil
	})
	if err != nil || differing != nil {
		return differing, err
	}
	key, _, _ := next() // made, and not stored; nil at the end
	return key, nil
}
