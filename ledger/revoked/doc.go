// Package revoked keeps the set of revoked hashes small enough to carry: for
// each hash a few bits that say "it may be in batch n of the ledger", so that a
// verifier without a network can refuse what was revoked.
//
// It promises that a hash that was put in is always found (no false negative,
// ever), that of hashes which were not at most one in 2^bits is found by
// mistake (a false positive, which refuses an honest traveller, so the rate is
// stated and chosen: DefaultBits), and that the bytes of a set depend on
// nothing but what is in it. It expects hashes as statements carry them; a
// batch is named by its ordinal, its place among all batches that add
// (state.Batch.Ordinal).
//
// A set is divided into shards by the first bits of each hash's Key. A shard
// holds, for the batches that revoke, the next bits of the keys in Elias–Fano
// coding, and in the same order the ordinals in as many bits as they need; and
// the events that undo, hash by hash, in full: a false positive there would
// let a revoked code pass. docs/formats/bundle.md has the bytes.
//
// # What holds
//
//	RV1 No false negative: every entry put in and not taken out is found, whatever else is.
//	RV2 Of hashes that were not put in, at most one in 2^(KeyBits-10) is found, under the Params that ParamsFor gives for the count.
//	RV3 One set of entries and undos under one Params has one encoding, whatever the order in which they came and went.
//	RV4 Open takes exactly the bytes that Build gives for some set, and no other; its cost is linear in them.
//	RV5 A look-up reads one shard, and little of it: eight words and a few keys. In a shard that somebody has crowded, as many more as the logarithm of its size.
//
// RV2 is about hashes made without regard to the set. Somebody who may put
// hashes in can search for one that is taken for a given other; but he can put
// in the other, too, so it wins him nothing. Nor do chosen hashes raise the
// rate for the rest of the world: it depends on how many there are, not where.
package revoked
