// Package bundle is the state of the network in a file: all that a check needs
// at one size, for a verifier who has no network, from whatever hands it came.
//
// It promises that a Bundle is the state that a quorum of the validators
// vouches for, on the word of the genesis alone: Parse reads the bytes, and
// only Verify makes a Bundle of them. The State of a bundle answers like that
// of a node whose ledger stands at the same size, with two differences that
// docs/formats/bundle.md states: a hash that nobody revoked is found revoked
// once in 2^28 look-ups or less often (never the other way round), and there
// are no answers for times before the seal's.
//
// It expects the genesis from somebody whom the caller trusts, and the time of
// day from him: a bundle proves what was so at a time, and whether that is new
// enough is the verifier's own decision (Policy).
//
// Invariants, cited in code and tests:
//
//	B1 A file has one encoding: what Parse takes, Write gives again.
//	B2 Nothing is allocated on a length that the file claims and does not have.
//	B3 Every byte of a Bundle is covered by the roots in its seal, or verified by itself (the receipt), or follows from the rest.
//	B4 A bundle and a delta to it give the bytes of the whole bundle, or an error.
//	B5 How new a bundle is, nobody but a quorum can say: the time is never later than one at which the ledger had nothing else.
package bundle
