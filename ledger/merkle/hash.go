package merkle

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// HashSize is the size of a [Hash] in bytes.
const HashSize = tlog.HashSize

// MaxSize is the greatest number of leaves that a tree may have, 2^60. A
// ledger that takes a million statements a second would reach it in 36,000
// years; the bound keeps every index and every sum within an int64, in which
// the arithmetic of tlog is done (and tlog loops for ever near 2^62).
const MaxSize = 1 << 60

// Hash is a SHA-256 hash of a leaf, of an interior node, or a root. It is an
// alias, so that a hash from any other package needs no conversion.
type Hash = [HashSize]byte

// LeafHash returns the hash by which the tree holds entry:
// SHA-256(0x00 ‖ entry), RFC 6962 section 2.1.
func LeafHash(entry []byte) Hash { return tlog.RecordHash(entry) }

// NodeHash returns the hash of the interior node over l and r:
// SHA-256(0x01 ‖ l ‖ r), RFC 6962 section 2.1. The first byte keeps nodes and
// leaves apart, so that no entry can pass for a part of the tree.
func NodeHash(l, r Hash) Hash { return tlog.NodeHash(l, r) }

// EmptyRoot returns the root of the tree without leaves: the SHA-256 of
// nothing, RFC 6962 section 2.1.
func EmptyRoot() Hash {
	// tlog reads no hash for a tree of size 0 and cannot fail.
	root, err := tlog.TreeHash(0, nil)
	if err != nil {
		panic(fmt.Sprintf("merkle: root of the empty tree: %v", err))
	}
	return root
}
