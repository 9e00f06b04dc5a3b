// Package healthcode turns the text that a scanner reads off a person's code
// into something that may be believed, in two steps that the compiler keeps
// apart: Decode makes an Unverified, and only Unverified.Verify, given the
// public key of an issuer, makes a Verified.
//
// # What it promises
//
//   - An Unverified shows nothing about the person; it gives the key id to look
//     up, the hashes under which the code may have been revoked, and Verify. Only
//     ClaimsUnverified looks inside, for issuers who look at their own codes; a
//     test holds that nothing which decides uses it.
//   - A Verified was signed, byte for byte as received, by the key that was
//     handed to Verify. Nobody outside of this tree of packages can make one.
//   - Decoding hostile text costs bounded time and memory and never panics.
//   - No error contains anything that was in the code: errors name the stage, a
//     size or position, and the bound that was broken.
//
// # What it expects
//
// The caller judges. This package knows no ledger and no clock: whether a code
// has expired, whether its key was good for this kind of code when it was
// issued, and whether it was revoked, is decided in package recognition from
// what Verified exposes. A key id is an index and no proof: try every key that
// has it, and believe the key that verifies.
//
// Formats live in subpackages (hc1: EU DCC; shc: SMART Health Cards; native: our
// own health code and itinerary card) and are handed to Decode, or to Read where
// several things are shown at once, so that a program links only those it speaks.
package healthcode
