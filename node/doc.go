// Package node is one running node: it opens the parts, joins them, and closes
// them in an order that loses nothing.
//
// It promises that a statement is acknowledged as ordered only once this
// node's own ledger holds it, whatever a leader says; that one acknowledged as
// accepted is on this node's disk and is offered until it is ordered or
// refused; that a check never writes, never leaves the node, and says what it
// knows and how old that is; and that a node whose storage fails stops rather
// than guess.
//
// It expects the keys of one authority in a directory that nobody else uses,
// and a clock that is roughly right: the time asked about defaults to it, and
// the age of knowledge is measured by it.
//
// Here alone everybody is known: ledger, consensus, p2p and httpapi meet in
// this package and nowhere else.
//
// # Starting and stopping
//
// Start opens, in this order, so that each part finds what it stands on:
// keys and genesis, the ledger, the libp2p host, Raft, the couriers, HTTP.
// Close goes back, and each step has its reason:
//
//  1. HTTP answers 503 on /readyz, takes no new connections and finishes what
//     it has: nobody is cut off in the middle of an answer.
//  2. The couriers stop, and tell those who still wait that their statement
//     may be sent again: nothing new enters while leadership moves.
//  3. Raft hands leadership over, takes an anchor and stops: the others need
//     not wait for a timeout to notice.
//  4. The libp2p host closes: only now does nobody need the streams.
//  5. The ledger is flushed and closed last: Raft's last entries were applied to it.
package node
