// Package client is what a verifier or a partner imports to talk to a node:
// it submits signed statements, asks about codes and reads what was said.
//
// It promises the shapes of the HTTP API (api.go is their one definition; the
// server uses the same types); clear errors that keep the node's own name,
// message and hint; that an answer which no node may give (an unknown outcome
// or state, a hash or region that is none) is the failure NotUnderstood, and
// one about another statement ErrTampered; and no dependency on the ledger's
// storage, on Raft or on libp2p: what this package needs, a border verifier can
// link.
//
// Free text of an answer (messages, reasons, names, words) is as the node gave
// it, and may hold anything: whoever shows it to people escapes it first.
//
// A client that is given several nodes asks the next one where one cannot be
// reached or has no quorum. That is safe for statements too: the same bytes
// sent twice get the index of the first.
package client
