// Package genesis is how a network begins: the founding document, and the
// descriptors that the founders hand to whoever writes it.
//
// It promises that a document which Parse takes is whole and consistent (every
// key once, every authority once, at least one validator), that its bytes are
// the only encoding of what it says, and that the network's id is their
// SHA-256: `sha256sum genesis.json` shows it. A descriptor which
// ParseDescriptor takes was signed by all four keys that it names.
//
// It expects its caller to compare the id with what the other founders read
// out: a genesis file proves nothing about who wrote it, only about what it is.
//
// docs/formats/genesis.md has the bytes. Invariants, cited in code and tests:
//
//	G1  Parse(b) succeeds only if Encode of what it decoded gives b again.
//	G2  No key occurs twice in a document, in whatever role.
//	G3  A proof by one of a descriptor's keys is good for that role and that descriptor only.
//	G4  Nothing here reads a clock, a random source or a file.
package genesis
