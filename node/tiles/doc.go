// Package tiles serves a ledger as a C2SP tlog-tiles log, so that whatever
// audits transparency logs audits a node as it stands.
//
// It promises that what it serves under a tile's path never changes: nothing
// beyond the certified checkpoint that was newest when the request came is
// served, and a certified history has no other. It expects a view of the ledger
// that holds at least what the checkpoint certifies.
//
//	GET /checkpoint                    the newest certified note
//	GET /tile/<L>/<N>[.p/<W>]          hashes, 32 bytes each
//	GET /tile/entries/<N>[.p/<W>]      statements, each after its length as two bytes, big-endian
//	GET /attachment/<64 hex digits>    what travels beside a statement, by its SHA-256; not of the C2SP
//
// A partial tile is served at every width that the certified size reaches, also
// after the tile is full. What is no path of a tile gets 400, what is one and
// does not exist (yet) 404. The log's origin is the network's name.
package tiles
