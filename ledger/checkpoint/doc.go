// Package checkpoint is the one thing that a stranger has to trust: how large
// the ledger is and under which root, co-signed by more than two thirds of its
// validators.
//
// It promises that a *Certified carries the co-signatures of a quorum of the
// validators that it was certified with, each verified over exactly that size
// and root, and that its note is read by every tool for transparency logs:
// C2SP tlog-checkpoint, signed-note and tlog-cosignature.
//
// It expects its caller to know the validators, from the genesis or the
// ledger's state, and to compare a checkpoint's Origin with the name of the
// network that it means (CertifyBy does): keys say who signed, only the origin says
// about which log. After a recovery the log is another one, of a new lineage. Keys
// serve one network; who founds anew under an old name takes new keys.
//
// docs/formats/checkpoint.md has the bytes. Invariants, cited in code and tests:
//
//	K1  Only Certify and CertifyBy make a *Certified, from a quorum: 1+⌊2n/3⌋ of
//	    all n validators; while validators change, of those before and of those
//	    after it. Suspended ones count in n and never towards the quorum.
//	K2  Of one validator at most one co-signature counts in a set: the newest by
//	    the key that the set has for it.
//	K3  Whatever is taken here as signed by a validator, crypto/ed25519 and so
//	    every C2SP tool takes too; a line of a known key that fails spoils its note.
//	K4  What a node key signs here is never what it signs elsewhere (see SignLog).
//	K5  Nothing here reads a clock, a random source or a file.
package checkpoint
