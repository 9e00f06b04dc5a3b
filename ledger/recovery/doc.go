// Package recovery is the plan by which a network goes on after a majority of
// its validators' disks is lost: what a survivor has, who goes on with it, who
// has agreed to that with the governance key, and in the end the one block that
// says so in the ledger.
//
// It promises that a plan which Parse took is whole and within bounds, that
// every signature in it is by the key that it names, and that its block, if it
// has one, holds exactly what was signed. It expects its caller to hold the keys
// that it names against the ledger: a plan is handed around as a file, and
// whoever makes one can name any key.
//
// No two survivors can make two recovery blocks of one plan, because only one
// authority can make one: the proposer, who follows from what is signed and from
// the ledger that is signed (Proposer). It signs the statement with its
// governance key and the block with its node's, and remembers on its own disk
// which it made; the others take its bytes. Where in Raft's order the block
// stands follows from the lineage (Index).
//
// Invariants, cited in code and tests:
//
//	V1  A plan has one encoding; Parse refuses any other.
//	V2  Signatures are of the network and all that is in the plan proper, each by
//	    the key of the elector whose name it bears.
//	V3  A block in a plan holds one statement, the recovery, with the plan and
//	    the signatures of the file, by the proposer that the file names.
//	V4  Nothing here reads a clock, a random source or a file.
package recovery
