// Package native reads Concordat's own codes, "CHC1:…": the health code, which
// gives a status under a scheme, its legal ground and its end, and tells of the
// declaration that it rests on; and the itinerary card, which gives the stays of
// a time. They are for regions that have health codes and no format that others
// read. docs/formats/health-code.md has the bytes; they are aligned with the
// services that GB/T 38963-2020 lists (declaration, itinerary, code request,
// code verification) and claim conformance with no standard but those named there.
//
// # What it promises
//
// The pipeline is HC1's, with the same bounds and the same promises
// (internal/cwt). The claims are read strictly: what is not written as the
// format says is refused. Errors name a claim, a size and a bound, and never
// anything that was in the code.
//
// # What it expects
//
// The caller judges status, declaration, time and stays. Package issue makes
// codes; an issuer in another language has the format and its test vectors.
//
// # Policies
//
//	N1  A code is a health code or an itinerary card: one of the two, never both.
//	N2  Claims that are not named in the format are ignored, in every map, so that
//	    a region may add what only its own verifiers read. What a verifier must
//	    not overlook comes with another prefix (CHC2:).
//	N3  CBOR need not be canonical to be read: what is verified are the bytes
//	    received. Our issuer writes it canonical.
//	N4  A health code and an itinerary card of one person carry the same id, which
//	    is random: it says nothing, and shows that the two belong together. The id
//	    is never among the fields that are shown.
//	N5  An issuer may revoke by signature, which is one code, or by id (hash type
//	    uci), which is every code that carries the id.
//	N6  Declarations: what was declared is not in the code. The audit says what the
//	    region made of it; passed and failed have a time, pending has none.
//	N7  An itinerary card without stays is one of somebody who was nowhere that the
//	    region records; the time that it covers is what makes it say so.
package native
