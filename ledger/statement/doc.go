// Package statement is what an authority says: one signed sentence, the only
// way anything enters the ledger.
//
// It promises that a *Verified was signed, over exactly the bytes it carries,
// by the key it was verified with; that those bytes are the only encoding of
// what they say; and that every size is within limits.go. It expects the
// caller to take the key from the ledger's state, under the authority that
// the statement names, and never from the statement itself.
//
// A statement is a COSE_Sign1 (RFC 9052 §4.2) in the shape of a SCITT Signed
// Statement (RFC 9943), tagged 18:
//
//	[protected {1: -8 (EdDSA), 3: content type, 4: kid, 15: {1: iss, 2: sub}},
//	 unprotected {}, payload, signature]
//
// and its payload a map in deterministic CBOR (RFC 8949 §4.2.1).
// docs/formats/statement.md has the bytes.
//
// Invariants, cited by number in code and tests:
//
//	S1  Parse(b) succeeds only if encoding what it decoded gives b again.
//	S2  Hash and signature are taken over the bytes received, never over a re-encoding.
//	S3  Only (*Unverified).Verify and a Checker make a *Verified, by the same rule;
//	    and (*Unverified).Vouched, for what a quorum has certified.
//	S4  A statement's subject is a function of its issuer and body; Parse refuses any other.
//	S5  One signature rule holds on all nodes: Ed25519 as ZIP 215 defines it (verify.go).
//	S6  Nothing here reads a clock, a random source or a file. The coefficients of
//	    batch verification are derived from what is verified (checker.go).
package statement
