// Package merkle keeps the ledger's tree: it turns a sequence of leaves into
// one root that commits to all of them in order, and proves to a stranger that
// a leaf is in the tree or that an older tree is the beginning of a newer one.
//
// The tree is that of RFC 6962 section 2.1, with SHA-256. It is stored as the
// hash tiles of C2SP tlog-tiles (https://c2sp.org/tlog-tiles), 256 hashes wide,
// so that the bytes in the store are the bytes on the wire; FORMAT.md beside
// this file has both. The arithmetic of trees and proofs is that of
// golang.org/x/mod/sumdb/tlog, which the Go checksum database runs on; this
// package adds appending by batches, the tiles' paths, and strict inputs.
//
// # What the package guarantees
//
//   - M1 The root of a tree of n leaves is the Merkle Tree Hash of RFC 6962
//     section 2.1, and the proofs are those of sections 2.1.1 and 2.1.2.
//   - M2 Tiles and root depend on the sequence of leaves alone: however the
//     leaves are divided into batches, the bytes are the same.
//   - M3 Tiles only grow. The bytes of a tile at one width begin its bytes at
//     any greater width, and [Append] never writes a tile that was full.
//   - M4 Appending and computing the root read the right edge only: at most one
//     tile per level, and only tiles that are not full.
//   - M5 An answer about a tree of size n uses only the hashes that a tree of
//     size n has. Tiles already written for a larger tree do not change it, so
//     a view may stay pinned to its size while the tree grows.
//   - M6 A path has one spelling. [ParsePath] and [ParseEntriesPath] accept
//     exactly what [Tile.Path] and [EntriesPath] give for valid arguments.
//   - M7 Verification is strict and total. For a given size and root, one proof
//     of a claim is accepted and no other: none with a hash missing, added,
//     altered or moved; and no input whatever makes it panic.
//   - M8 Everything here is a function of its arguments and of what the
//     [TileReader] returns. No clock, randomness or concurrency; no I/O but the
//     reader's; tiles come out in one order.
//
// # What the package expects
//
// The [TileReader] must return what [Append] gave to be stored. It is trusted:
// wrong tiles give a wrong root or a proof that does not verify, and nothing
// here notices, so a caller compares the root with one that it has from
// elsewhere (a checkpoint, the block that is being applied) before it believes
// or signs anything.
//
// To a verifier, a size and its root are one fact, to be taken together from
// one certified checkpoint. RFC 6962 hashes do not contain the tree's size, so
// no proof can show that a size goes with a root.
package merkle
