// Package certify makes what is ordered final: the validators tell one another
// what they hold (an echo), co-sign what a quorum holds, and gather the
// co-signatures into certified checkpoints.
//
// It promises that an honest validator never signs two histories, whatever
// crashes; that a certified checkpoint appears as soon as a quorum holds one
// history and can talk; and that who signs two histories is caught, with proof.
// It expects a ledger that never changes what it once showed, a Net that says
// truly who sent what, a signer file that is never restored from a backup nor
// shared, to be told where this validator has run before, and a clock that is
// right within minutes. It knows neither Raft, nor libp2p, nor HTTP.
//
// Who the validators are is in the ledger, and changes with it: from a change on a
// checkpoint takes a quorum of those before and of those after it, until a
// statement shows one and hands over. Each mark is judged by those of its own size.
//
// A round: the leader marks its head (it echoes size and root to all). Every
// validator that holds that size, at a block's end and under the same root,
// echoes it too. Who sees the echoes of a quorum, itself among them, co-signs
// and tells all members. Who has the co-signatures of a quorum has a certified
// checkpoint. If nothing gets certified for a second, any validator marks; an
// unchanged head goes through a round again every RefreshEvery. What a node
// missed it asks others for.
//
// Invariants, cited by number in code and tests:
//
//	F1  A signature leaves only after the signer file says so, fsync'd: the file
//	    is written whole under another name, renamed, and its directory synced.
//	F2  Signed sizes never fall, one size has one root, and the time of a
//	    signature never runs back: across crashes, clocks set back, and ledgers
//	    restored from a backup. A write that failed counts as one that may have been made.
//	F3  Nothing is signed that is not in this node's own ledger, under that very
//	    root, and echoed by a quorum of validators that are not suspended; while
//	    validators change, by one of those before and one of those after it (F11).
//	F4  Final only grows, and only to what this node's own ledger holds.
//	F5  Nobody is taken at his word: an echo counts for the validator whose node
//	    sent it, a co-signature for whoever's key verifies it, whoever sent it.
//	F6  What a peer can make this node keep, compute or send is bounded: the
//	    newest few echoes and co-signatures of each validator, so many messages a
//	    second, one answer to an echo for each size and round.
//	F7  No peer holds up another: each has queues of its own, which keep only the
//	    newest, and goroutines of its own that empty them.
//	F8  Evidence is verified before it is told, told once for each culprit and
//	    kind, and never rests on whose history is right: it holds two signatures
//	    of the culprit that no honest node makes.
//	F9  A node that a quorum of either set contradicts vouches for nothing from then on.
//	F10 A validator that does not know what its key has signed, because the
//	    signer's file is lost or an old copy, neither echoes nor signs until enough
//	    others, 2f+1 of each set that names it, have co-signed, since it began, a
//	    checkpoint that its ledger holds and that is no smaller than what as many
//	    have said, since it began, to be all that they have. Then it signs from that
//	    size on. Or until as many have said that they had less than the least size
//	    that its key counts for: then it has signed nothing.
//	F11 Who certifies a size is what this node's own ledger says of that size. A
//	    validator signs it with each of its keys that is named there, whatever it
//	    was before or is after; and only for the log that it was started for.
//
// DESIGN.md says what detection leaves open, and the roads not taken.
package certify
