// Package block is how statements are put in order: many of them in one entry
// of Raft's log, with what they build on, signed by the node that proposed them.
//
// It promises that a *Block was signed by the node key it was verified with,
// header and content, and that its bytes are the only encoding of what it says
// and within limits.go. It expects its caller to take the proposer's key from
// the ledger's state, under the authority that the header names, and to judge
// term, size, root and time against where the ledger stands.
//
// docs/formats/block.md has the bytes. Invariants, cited in code and tests:
//
//	B1  Parse(b) succeeds only if encoding what it decoded gives b again.
//	B2  The header names the body's digest and count: a header and its signature
//	    bind every statement and attachment, and prove without them what was proposed.
//	B3  Only (*Signed).VerifyBy makes a *Block.
//	B4  Every statement that a statement.Parse takes, with its attachment, fits in a block by itself.
//	B5  Nothing here reads a clock, a random source or a file.
package block
