// Package evidence is how a validator that tells two histories is convicted:
// proofs that need nothing but its public keys.
//
// It promises that Verify succeeds only if the culprit's own keys signed what
// no honest validator signs together, whoever made the proof and however it
// travelled; and that a proof's bytes are the only encoding of what it says.
//
// It expects its caller to know the network's name, its id and the keys of its
// validators, from the genesis or the ledger's state; and of a validator, to
// keep its signer state apart from backups and its keys in one network.
//
// docs/formats/evidence.md has the bytes. Invariants, cited in code and tests:
//
//	E1  Parse(b) succeeds only if Encode of what it decoded gives b again; the
//	    two halves of a proof have one order.
//	E2  Signing one size and root again, at whatever time and with either key, is no evidence.
//	E3  Signing a tree and later its continuation is no evidence, whatever
//	    roots and hashes are put beside the two signatures.
//	E4  Nothing here reads a clock, a random source or a file.
package evidence
