// Package ledger keeps what the authorities said: every statement in its one
// order, the Merkle tree over them, and the state that follows from them, on
// disk, in Pebble.
//
// It promises that whatever it shows is the result of some beginning of the
// order, whole: never half a block, never a state without its tree. It expects
// that the same entries come in the same order on every node, that an entry
// which it lost in a crash is given to it again, and that the node stops when
// an error wraps ErrBroken. It knows nothing of who orders (Raft), of networks
// or of HTTP.
//
// Invariants, cited by number in code and tests:
//
//	L1   One pebble.Batch holds all that an ordered entry changes: statements,
//	     indexes, tiles, state, attachments, block record, head and position. A
//	     crash at any write leaves a ledger at some earlier position, never a torn one.
//	L2   Root and state are a function of the sequence of entries: not of how
//	     they were batched on disk, of restarts, crashes, or of the clock.
//	L3   A block is applied whole or not at all, and its refusal has one name on
//	     every node. Bad data is never an error; an error is a broken store.
//	L4   Every leaf is a statement that the state accepted, signed by a key that
//	     the state held for its issuer at that index, and once in the ledger.
//	L5   The position is recorded for every entry, refused and empty ones too,
//	     so that an entry is never applied twice.
//	L6   The first write that fails is the last that reaches the disk: from then
//	     on the ledger refuses everything that would change it (ErrBroken), and
//	     what it shows is what had been applied before. A read that fails, or
//	     that finds what contradicts itself (ErrCorrupt), breaks it likewise.
//	L7   A View never changes, whatever is applied meanwhile; neither waits for the other.
//	L8   What Flush returned for is on disk, and so is what Hold returned for.
//	L9   A statement is held or ordered, never both: the batch that orders it lets go of it.
//	L10  A ledger belongs to one network: the genesis it was founded with, by hash.
//
// FORMAT.md has the keys and values; DESIGN.md the decisions that were hard.
package ledger
