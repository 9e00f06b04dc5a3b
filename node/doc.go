// Package node is one running node: it opens the parts, joins them, and closes
// them in an order that loses nothing.
//
// It promises that a statement is acknowledged as ordered only once this
// node's own ledger holds it, whatever a leader says, and as final only once a
// quorum of the validators has co-signed a history that has it; that one
// acknowledged as accepted is on this node's disk and is offered until it is
// ordered or refused; that a check never writes, never leaves the node, says
// what it knows and how old that is by the co-signatures of a quorum, denies on
// what is ordered, and on what it holds that is urgent, and allows on what is
// final; that a leader which leaves out what another node has accepted is shown
// by its name, on no word but this node's own; that one authority's flood keeps
// no other from being heard; that a node which finds reason to
// doubt its ledger vouches for nothing, and says why; that one which is behind,
// new or wiped fetches what it lacks by itself, and answers from what it has
// meanwhile; and that a node whose storage fails stops rather than guess.
//
// It expects the keys of one authority in a directory that nobody else uses,
// and whose files signer and founded outlive the data; and a clock that is right
// within minutes: the time asked about defaults to it, the age of knowledge is
// measured by it against the co-signatures' times, and the others do not count a
// co-signature that is far ahead of theirs.
//
// Here alone everybody is known: ledger, consensus and its certify and catchup,
// p2p, tiles, witness and httpapi meet in this package and nowhere else.
//
// # Starting and stopping
//
// Start opens, in this order, so that each part finds what it stands on: genesis
// and keys; the ledger; the API's address, so that a port in use is told before
// anything is said to others; the libp2p host, and what it answers to nodes that
// catch up; the certifier, which locks the signer's file; the witness and the
// feeder; Raft, or, where this node lacks what Raft needs, catching up, which
// opens Raft when it is done (ordering); the courier and the keeper; HTTP.
//
// Close goes back, and each step has its reason:
//
//  1. HTTP answers 503 on /readyz and to submissions, ends its event streams,
//     takes no new connections and finishes what it has for up to drainWithin:
//     nobody is cut off in the middle of an answer. Then no request is under
//     way, and nothing of HTTP's reads from the ledger. Catching up ends: what it
//     has grafted stays, and the next start goes on from there.
//  2. The keeper and then the courier stop: nothing new enters while leadership
//     moves. What is held stays on disk.
//  3. The feeder stops asking outside witnesses. It reads the ledger and the
//     certifier's newest checkpoint, and both are still there.
//  4. Raft hands leadership over, takes an anchor and stops: the others need
//     not wait for a timeout to notice.
//  5. The certifier stops and lets go of its views and of the signer's file. It
//     comes after Raft, which asks it what is certified, and before the host, over
//     which it speaks. A node that stops vouches for nothing from step 1 on.
//  6. The libp2p host closes: only now does nobody need the streams, and after it
//     no other node's call reads from the ledger.
//  7. The goroutines of the node itself are awaited.
//  8. The ledger is flushed and closed last: Raft's last entries were applied to it.
package node
