package merkle

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrProof is wrapped by errors that refuse a proof: it does not show what it
// is said to show. Either the proof was made for another tree, or somebody lies.
var ErrProof = errors.New("merkle: proof refused")

// MaxProof is the greatest number of hashes in a proof: what a decoder of
// proofs need accept. A consistency proof has at most one more than the tree
// has levels (60 at [MaxSize]).
const MaxProof = 61

// InclusionProof returns the hashes, from the leaf to the root, that prove the
// leaf at index to be in the tree of the given size: the Merkle audit path of
// RFC 6962 section 2.1.1. Errors wrap [ErrRange], which an index not below size
// gives too, or [ErrTile].
func InclusionProof(r TileReader, index, size uint64) ([]Hash, error) {
	if err := checkIndex(index, size); err != nil {
		return nil, err
	}
	proof, err := tlog.ProveRecord(int64(size), int64(index), &treeReader{tiles: r, size: size})
	if err != nil {
		return nil, err
	}
	return fromTlog(proof), nil
}

// VerifyInclusion returns nil if proof shows that the tree with this size and
// root has leaf (a [LeafHash]) at index, and else an error that wraps
// [ErrProof], or [ErrRange] when the claim is about no tree. Size and root must
// come together from one trusted checkpoint; see M7 and the package comment.
func VerifyInclusion(index, size uint64, leaf Hash, proof []Hash, root Hash) error {
	if err := checkIndex(index, size); err != nil {
		return err
	}
	if want := inclusionLen(index, size); len(proof) != want {
		return fmt.Errorf("%w: leaf %d in a tree of %d takes %d hashes, got %d", ErrProof, index, size, want, len(proof))
	}
	// The only other way for tlog to refuse is that the proof leads elsewhere.
	if err := tlog.CheckRecord(toTlog(proof), int64(size), root, int64(index), leaf); err != nil {
		return fmt.Errorf("%w: it does not lead from leaf %d, %x, to the root of size %d, %x", ErrProof, index, leaf, size, root)
	}
	return nil
}

// ConsistencyProof returns the hashes that prove the tree of size old to be the
// beginning of the tree of the given size, RFC 6962 section 2.1.2. It is empty
// if the sizes are equal, and if old is 0: every tree begins with the empty
// one. (The RFC leaves old = 0 undefined; C2SP tlog-witness has it so.) Errors
// wrap [ErrRange], which an old above size gives too, or [ErrTile].
func ConsistencyProof(r TileReader, old, size uint64) ([]Hash, error) {
	if err := checkSizes(old, size); err != nil {
		return nil, err
	}
	if old == 0 || old == size {
		return []Hash{}, nil
	}
	proof, err := tlog.ProveTree(int64(size), int64(old), &treeReader{tiles: r, size: size})
	if err != nil {
		return nil, err
	}
	return fromTlog(proof), nil
}

// VerifyConsistency returns nil if proof shows that the tree with size old and
// oldRoot is the beginning of the tree with the given size and root, and else
// an error that wraps [ErrProof], or [ErrRange] when the claim is about no
// trees. The proof must be empty if the sizes are equal, and if old is 0. Each
// size must come together with its root; see M7 and the package comment.
func VerifyConsistency(old, size uint64, oldRoot, root Hash, proof []Hash) error {
	if err := checkSizes(old, size); err != nil {
		return err
	}
	// Here and not in tlog: it knows no empty tree.
	if old == 0 {
		switch {
		case len(proof) != 0:
			return fmt.Errorf("%w: from the empty tree it takes 0 hashes, got %d", ErrProof, len(proof))
		case oldRoot != EmptyRoot():
			return fmt.Errorf("%w: the root of size 0 is %x, got %x", ErrProof, EmptyRoot(), oldRoot)
		case size == 0 && root != oldRoot:
			return fmt.Errorf("%w: the root of size 0 is %x, got %x", ErrProof, oldRoot, root)
		}
		return nil
	}
	if len(proof) > MaxProof {
		return fmt.Errorf("%w: %d hashes, no proof has more than %d", ErrProof, len(proof), MaxProof)
	}
	if err := tlog.CheckTree(toTlog(proof), int64(size), root, int64(old), oldRoot); err != nil {
		return fmt.Errorf("%w: its %d hashes do not lead from the root of size %d, %x, to that of size %d, %x",
			ErrProof, len(proof), old, oldRoot, size, root)
	}
	return nil
}

// inclusionLen returns the length of the audit path of the leaf at index in a
// tree of the given size. Up to the level at which the leaf's path meets that
// of the last leaf, every level has a sibling; above it, only those levels at
// which the path goes right, because on the right edge a node without a sibling
// moves up unhashed.
func inclusionLen(index, size uint64) int {
	inner := bits.Len64(index ^ (size - 1))
	return inner + bits.OnesCount64(index>>inner)
}

func checkIndex(index, size uint64) error {
	if err := checkSize(size); err != nil {
		return err
	}
	if index >= size {
		return fmt.Errorf("%w: leaf %d in a tree of %d leaves", ErrRange, index, size)
	}
	return nil
}

func checkSizes(old, size uint64) error {
	if err := checkSize(size); err != nil {
		return err
	}
	if old > size {
		return fmt.Errorf("%w: old size %d is above size %d; a tree never shrinks", ErrRange, old, size)
	}
	return nil
}

func fromTlog(hashes []tlog.Hash) []Hash {
	out := make([]Hash, len(hashes))
	for i := range hashes {
		out[i] = hashes[i]
	}
	return out
}

func toTlog(hashes []Hash) []tlog.Hash {
	out := make([]tlog.Hash, len(hashes))
	for i := range hashes {
		out[i] = hashes[i]
	}
	return out
}
