// Package backup is the file that a node's ledger is backed up to: the founding
// document, every block with its statements and attachments, and the proof that
// a quorum vouches for them.
//
// It promises that a Reader which came to its end has read, to the bit, what a
// Writer wrote: a file that was cut short, went on, or had a bit changed
// anywhere gives an error before that. And that there is no place in it for
// anything but what every node of the network has: no key, no vote, no signer
// state, no token. A node that began again with a copy of these would
// contradict itself; so they are in no backup, and what was restored joins the
// network as a node without them.
//
// The digest at the end is against accidents. Whoever means harm can make
// another: what a backup says is for package ledger to verify, with the genesis
// (ledger.Import).
//
// FORMAT.md has the bytes. Invariants, cited in code and tests:
//
//	K1  A backup has one encoding; what does not encode to the same bytes again
//	    is refused.
//	K2  Blocks follow one another from the first statement on, and are as many
//	    statements as the manifest says.
//	K3  Reading takes memory for one record, and no more of it than came.
//	K4  Nothing here reads a clock, a random source or a file.
package backup
