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
// the age of knowledge is measured by it, and by no other node's (knowledge).
//
// Here alone everybody is known: ledger, consensus, p2p and httpapi meet in
// this package and nowhere else.
//
// # Starting and stopping
//
// Start opens, in this order, so that each part finds what it stands on:
// keys and genesis, the ledger, the libp2p host, Raft, the couriers and the
// keeper, HTTP.
// Close goes back, and each step has its reason:
//
//  1. HTTP answers 503 on /readyz and to submissions, ends its event streams,
//     takes no new connections and finishes what it has for up to drainWithin:
//     nobody is cut off in the middle of an answer. Then no request is under
//     way, and nothing reads from the ledger.
//  2. The keeper and the couriers stop: nothing new enters while leadership
//     moves. What is held stays on disk.
//  3. The time of the last contact is written down.
//  4. Raft hands leadership over, takes an anchor and stops: the others need
//     not wait for a timeout to notice.
//  5. The libp2p host closes: only now does nobody need the streams.
//  6. The ledger is flushed and closed last: Raft's last entries were applied to it.
package node
