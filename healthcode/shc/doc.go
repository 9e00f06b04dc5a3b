// Package shc reads SMART Health Cards: the texts "shc:/…" of QR codes, compact
// JWS, .smart-health-card files, and card revocation lists, as specified in
// smart-on-fhir/health-cards (the specification; spec.smarthealth.cards).
//
// # What it promises
//
// It accepts what real issuers wrote and refuses what no honest issuer writes.
// What is verified are the characters received; nothing is ever encoded anew. Cost
// is bounded by limits.go, whatever the text. No error contains anything of a
// card. Of a card it keeps what a verifier compares and sees, and forgets the rest.
//
// # What it expects
//
// The caller finds the keys by KeyID, the thumbprint that kid spells, and tries all
// of them; and judges time, key usage, revocation and recognition by what the
// Verified says. Nothing in a card leads this package to a key, and iss is only
// shown. docs/formats/smart-health-cards.md describes what is read.
//
// # Why no JOSE library
//
// Of JOSE a card has one serialization, one algorithm and three header members.
// go-jose could verify it, over the bytes as received too, but answers a DER
// signature, a wrong zip and a tampered card alike, and reads the header once
// more. Here the order of the checks and the reason of each refusal are the
// product; what is left for a library is ecdsa.Verify, which the standard one has.
//
// # Policies
//
// Where the specification leaves a choice, or real cards break it:
//
//	S1  Any header member but alg, zip, kid and crit is passed over. jwk, jku and x5c
//	    lead to no key. crit is refused whatever it names (RFC 7515).
//	S2  kid must spell 32 bytes in the one way of base64url: a thumbprint. Whether it
//	    is the key's own is no matter, as the key is found by it and proves itself.
//	S3  base64url must have no padding, no line ends and no unused bits set.
//	S4  The DEFLATE data must end where the payload ends. zlib, gzip and no
//	    compression are refused and named.
//	S5  JSON must be UTF-8 without a byte order mark; white space is allowed, although
//	    issuers shall write none. Names must be unique in every object that is read.
//	S6  nbf and exp may have fractions. Beyond the year 9999 they are refused as
//	    milliseconds. null is as good as absent: exp may be, nbf must not.
//	S7  iss must be an https URL without a slash at its end.
//	S8  A card is a vaccination or a test by its types, else by what it holds;
//	    vaccination where it is both, and then only the vaccinations are shown.
//	S9  Only completed Immunizations and final, amended or corrected Observations
//	    count. A card without any is refused, and so is one of two patients; one of
//	    none is not, as an example of the specification has none.
//	S10 FHIR is not validated beyond what is read: honouring a card is not grading its
//	    issuer. What is read has its type or is refused.
//	S11 Chunks may come in any order, each once; "shc:/1/1/" is a card in one text.
//	S12 rid is 1 to 24 characters of base64url's alphabet or the card is refused.
package shc
