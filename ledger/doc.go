// Package ledger keeps what the authorities said: every statement in its one
// order, the Merkle tree over them, and the state that follows from them, on
// disk, in Pebble.
//
// It promises that whatever it shows is the result of some beginning of the
// order, whole: never half a block, never a state without its tree. It expects
// that the same entries come in the same order on every node, that an entry
// which it lost in a crash is given to it again, and that the node stops when
// an error wraps ErrBroken, or ErrLevel. It knows nothing of who orders (Raft), of networks
// or of HTTP.
//
// Invariants, cited by number in code and tests:
//
//	L1   One pebble.Batch holds all that an ordered entry changes: statements,
//	     indexes, tiles, state, attachments, block record, sealed state, head and
//	     position; and one, all that a graft, a certificate or an erasure changes. A
//	     crash at any write leaves a ledger at some earlier position, never a torn one.
//	L2   Root and state are a function of the sequence of entries: not of how
//	     they were batched on disk, of restarts, crashes, or of the clock. What was
//	     grafted gives the same as what the order brought, but for positions, and
//	     for headers where a proposer signed several for the same statements: no
//	     verdict hangs on an earlier block's header, which the root does not cover.
//	L3   A block is applied whole or not at all, and its refusal has one name on
//	     every node. Bad data is never an error; an error is a broken store.
//	L4   Every leaf is a statement that the state accepted, and once in the ledger;
//	     signed by a key that the state held for its issuer at that index, as this
//	     ledger has verified, or, where it was grafted, a quorum has.
//	L5   The position is recorded for every entry, refused and empty ones too,
//	     so that an entry is never applied twice. A grafted block has none until
//	     the order, or as many validators as cannot all lie, tell it (Adopt).
//	L6   The first write that fails is the last that reaches the disk: from then
//	     on the ledger refuses everything that would change it (ErrBroken), and
//	     what it shows is what had been applied before. A read that fails, or
//	     that finds what contradicts itself (ErrCorrupt), breaks it likewise.
//	L7   A View never changes, whatever is applied meanwhile; neither waits for the other.
//	L8   What Flush returned for is on disk, and so is what Hold, Adopt or Certify returned for.
//	L9   A statement is held or ordered, never both: the batch that orders it lets go of it.
//	L10  A ledger belongs to one network: the genesis it was founded with, by hash.
//	L11  A seal in the ledger names the state that this ledger has, recomputed before
//	     it was taken; and the tables of the sealed state are that state, until the next.
//	L12  A certified checkpoint that is kept is of a size at which a block of this
//	     ledger ends, and of its root there; a quorum of its validators has signed it.
//	L13  Hashes are erased only of batches that a certified seal has left out, and
//	     none that undoes before those that it undoes. Nothing else is ever taken
//	     out: a ledger only grows.
//	L14  A handover in the ledger names a checkpoint of this ledger's own tree, and a
//	     recovery this very tree, and both were signed by those whom a stranger
//	     knows who walks there from the genesis (Steps).
//
// FORMAT.md has the keys and values; DESIGN.md the decisions that were hard.
package ledger
