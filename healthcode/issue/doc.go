// Package issue makes codes: EU Digital COVID Certificates ("HC1:…") and native
// health codes and itinerary cards ("CHC1:…"). It is for an issuer's own program
// and for `concordat code`; no node links it.
//
// # What it promises
//
//   - Nothing is handed out that was not read back: each code is decoded and
//     verified by the packages that verifiers use, with the issuer's public key,
//     and compared with what was asked for.
//   - What is issued is stricter than what is read: certificates within their
//     key's certificate, exactly one entry with all that the schema demands, times
//     in order, region and area ids in their one spelling.
//   - The encoding is deterministic CBOR (RFC 8949 section 4.2.1), alg and kid in
//     the protected header and nothing in the other.
//   - Errors name a member, a size and a bound, and never what was to be issued.
//
// # What it expects
//
// Randomness is passed in. The key is a crypto.Signer, so it may stay in a
// hardware module. Who may have a code, and keeping what it takes to revoke one
// (Code.Verified.RevocationHashes), is the issuer's business.
package issue
