// Package cwt is what HC1 and the native codes have in common: a text that is a
// prefix and Base45 (RFC 9285) of zlib (RFC 1950) of a COSE_Sign1 (RFC 9052)
// whose payload is a CWT claims set (RFC 8392). What formats differ in is a
// Profile.
//
// # What it promises
//
// What is verified are the bytes received: nothing is ever encoded anew. Cost is
// bounded by limits.go, whatever the text. Every error of reading wraps
// healthcode.ErrUnreadable and holds nothing of the code.
//
// # What it expects
//
// A format reads its own claims out of Message.Payload, by Parse and the methods
// of Item, and opens the gate after Message.Verify, and never before. Whoever
// seals a message hands in canonical CBOR, if that is what it promises.
package cwt
