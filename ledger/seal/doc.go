// Package seal computes what a seal statement says: two roots over the whole
// state that a check needs, from which a stranger knows that the bundle in his
// hand is the state of the network and not of whoever gave it to him.
//
// It promises that the roots depend on nothing but the state and the time of
// the seal, however the state came about and in how many steps; and that a
// seal costs what changed since the last one, not what there is. It expects
// the state's writes, each batch of revocation hashes with its attachment, and
// seals whose times do not go back. It stores nothing: the ledger keeps the
// shards in its database, an auditor in a Memory, and both ask here.
//
// Two things are sealed, each in shards of its own:
//
//   - The records: everything in the state but the entries of single
//     revocation hashes (state.Sealed), in RecordShards shards by the keys'
//     hashes. The root is the RFC 6962 tree hash over the shards' bytes.
//   - The revoked set: the hashes of the batches that still count, in the
//     compact form of package revoked. The root is the RFC 6962 tree hash over
//     its summary and then its shards.
//
// Which batches still count follows from their records and the seal's time
// alone (state.SpentAt), so whoever lacks the hashes of one that counted knows
// that he cannot compute that root, and which batch is to blame. That is no
// sign of tampering: hashes are erased some time after they have expired, and a
// seal of long ago covers some that have been.
package seal
