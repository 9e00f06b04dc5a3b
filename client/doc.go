// Package client is what a verifier or a partner imports to talk to a node:
// it submits signed statements, asks about codes and reads what was said.
//
// It promises the shapes of the HTTP API (api.go is their one definition; the
// server uses the same types), clear errors that keep the node's own name,
// message and hint, and no dependency on the ledger's storage, on Raft or on
// libp2p: what this package needs, a border verifier can link.
//
// A client that is given several nodes asks the next one where one cannot be
// reached or has no quorum. That is safe for statements too: the same bytes
// sent twice get the index of the first.
package client
