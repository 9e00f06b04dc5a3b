// Package httpapi is a node's HTTP API: it reads requests, hands them to the
// node, and writes answers in the shapes that package client defines.
//
// It promises that every answer that speaks of the ledger says the size and
// root that it was read from, up to where that is final and by whom, and how old
// that knowledge is by their co-signatures; that what calls itself final can be
// had with its proof, as a receipt, in a bundle or from the transparency log;
// that every error has a stable name, the value and the bound, and a hint; that
// no body is read beyond its bound, and no request waits without one; and that
// no code, name or birth date reaches a log line or a metric.
//
// It expects a Node and a server with its Timeouts, and knows nothing of Raft, libp2p or how things are stored.
package httpapi
