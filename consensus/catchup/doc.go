// Package catchup brings a ledger that is behind, new or wiped up to a
// certified checkpoint, with what it fetches from any peers, and serves peers
// that do the same.
//
// It promises that nothing fetched reaches the ledger unless a certified
// checkpoint vouches for it, whatever peers send, leave out or delay; that work
// is never lost, because a block once grafted stays and the next Run goes on
// from there; that who lies is named and left alone for a while, and the others
// go on; and that the memory it takes does not depend on what peers send.
//
// It expects that nobody else writes to the ledger while Run runs (Raft is not
// open), that the node says when a call is over, and that at most a third of
// the validators are dishonest, less one, as everywhere. It knows neither Raft
// nor libp2p: calls go through the two methods of Net.
//
// What vouches for what:
//
//   - who may co-sign: the ledger, and beyond it the handovers and recoveries since
//     then, which peers show (package receipt);
//   - the size and the root: a quorum's co-signatures (package checkpoint);
//   - every statement: its leaf hash, in tiles that lead to that root;
//   - an attachment: its digest, in the statement;
//   - what the root does not cover: where in Raft's order the last block stands,
//     more than a third of the validators, so one honest one among them; and of
//     each block's header its proposer's signature. Which of several headers that
//     were signed for the same statements is kept decides nothing (DESIGN.md).
//
// Invariants, cited in code and tests:
//
//	C1  Before a statement is kept its hash has been compared with a leaf of the
//	    certified tree, and the ledger's own tree was found to be its beginning.
//	C2  A header is kept that n-quorum+1 validators show alike, or, where a
//	    proposer has shown them different ones, any that a validator has signed and
//	    that fits; the two are handed on as evidence. Blocks are kept only up to a
//	    size at which n-quorum+1 validators have a block's end.
//	C3  A peer is blamed only for what no honest node does. Being slow, busy,
//	    behind or gone is none of it.
//	C4  What is fetched and not yet grafted is bounded by Config.Memory, and one
//	    call's answer by MaxAnswer for each call in progress.
//	C5  A ledger that is of another history is never touched (ErrOtherHistory).
//	C6  Run ends with its context, and nothing that it started outlives it.
//	C7  Nobody is believed to certify but who is named by the genesis, by this ledger,
//	    or by steps that lead from there; of a size the newest of them.
package catchup
