package ledger

import (
	"bytes"
	"fmt"
)

// BlockOf gives the block that brought the statement at index.
func (v *View) BlockOf(index uint64) (Block, error) {
	if v.err != nil {
		return Block{}, v.err
	}
	if index >= v.pin.head.Size {
		return Block{}, fmt.Errorf("%w: statement %d; there are %d, counted from 0", ErrNotFound, index, v.pin.head.Size)
	}
	key, value, err := v.pin.last([]byte{tableBlock}, indexKey(tableBlock, index))
	if err != nil {
		return Block{}, err
	}
	if key == nil {
		return Block{}, v.blame(fmt.Errorf("%w: no block holds statement %d", ErrCorrupt, index))
	}
	b, err := decodeBlock(key, value)
	if err == nil && index-b.First >= b.Count {
		err = fmt.Errorf("%w: no block holds statement %d", ErrCorrupt, index)
	}
	return b, v.blame(err)
}

// Blocks gives at most limit blocks in order, at most MaxPage of them, from the
// one that brought the statement at index from. None come where the view ends.
func (v *View) Blocks(from uint64, limit int) ([]Block, error) {
	if v.err != nil {
		return nil, v.err
	}
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	if from >= v.pin.head.Size {
		return nil, nil
	}
	first, err := v.BlockOf(from)
	if err != nil {
		return nil, err
	}
	out := make([]Block, 0, min(limit, 64))
	err = v.pin.scan([]byte{tableBlock}, indexKey(tableBlock, first.First), func(k, value []byte) (bool, error) {
		b, err := decodeBlock(bytes.Clone(k), bytes.Clone(value))
		out = append(out, b)
		return len(out) < limit, err
	})
	if err != nil {
		return nil, v.blame(err)
	}
	return out, nil
}

// PositionOf is where in the order the block stands that ends at size: after
// its entry the ledger had exactly that size. It is zero for size 0, and its
// index is 0 where the block was grafted and no order has brought it since. The
// error wraps ErrNotFound if the view has no such size, and ErrNoBlockEnd if no
// block ends there.
func (v *View) PositionOf(size uint64) (Position, error) {
	if err := v.covers(size); err != nil || size == 0 {
		return Position{}, err
	}
	b, err := v.BlockOf(size - 1)
	if err != nil {
		return Position{}, err
	}
	if end := b.First + b.Count; end != size {
		return Position{}, fmt.Errorf("%w: size %d is inside of the block of statements %d to %d", ErrNoBlockEnd, size, b.First, end-1)
	}
	return b.Position, nil
}
