// Package receipt is what an authority takes home: the proof that its statement
// stands in the ledger, which a stranger verifies with the genesis and nothing else.
//
// It promises that Verify succeeds only if the ledger of that genesis has the
// statement at that index, on the word of a quorum of its validators: those of
// the genesis, or those to whom they handed over, step by step, or to whom a
// majority of their governance keys gave the network after a disaster (a
// recovery, which begins a lineage). It does not say that nothing was said
// since; that is what bundles are for.
//
// It expects its caller to have the genesis from somebody whom it trusts. The
// word of a quorum is worth what its keys are worth: who later comes by the keys
// of a quorum of former validators can make receipts without the newer steps.
// A verifier that knows a newer set is not deceived.
//
// docs/formats/receipt.md has the bytes of both forms: a C2SP tlog-proof, and a
// COSE Receipt (RFC 9942) in the statement's own COSE_Sign1. Invariants, cited
// in code and tests:
//
//	P1  A receipt has one encoding in either form (of COSE: one per signer); what
//	    does not encode to the same bytes again is refused.
//	P2  The statement's bytes are those of the ledger, to the bit.
//	P3  Validators change only forwards, and only by a seal under a checkpoint that
//	    a quorum of the former and a quorum of the new ones co-sign; or by a
//	    recovery that a majority of the former have signed with their governance
//	    keys, which names some of them, and from which on checkpoints are of the
//	    next lineage.
//	P4  Nothing here reads a clock, a random source or a file.
package receipt
