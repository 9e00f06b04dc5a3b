// Package hc1 reads EU Digital COVID Certificates: the text "HC1:…" of a QR
// code, as specified in ehn-dcc-development/eu-dcc-hcert-spec (hcert_spec).
//
// # What it promises
//
// It accepts what real issuers wrote and refuses what no honest issuer writes.
// What is verified are the bytes received; nothing is ever encoded anew. Cost is
// bounded by the limits of internal/cwt, whatever the text. No error contains anything of a code.
//
// # What it expects
//
// The caller finds the keys by KeyID and tries all of them, and judges time, key
// usage (Kinds), revocation and recognition by what the Verified says. FORMAT.md
// beside this file describes the bytes.
//
// # Policies
//
// Where the specifications leave a choice, or real codes break them:
//
//	P1  ES256 with a P-384 key is accepted. RFC 9053 allows it, hcert_spec names
//	    P-256 only, Spain issued such codes. The signature is then 96 bytes.
//	P2  alg in the unprotected header alone is accepted, because the key's type
//	    fixes the algorithm here: a changed alg makes a good code fail and a bad
//	    one no better. An alg in both headers: the protected one rules. An alg in
//	    neither is refused.
//	P3  Algorithm and key must agree: ES256 with ECDSA, PS256 with RSA. Anything
//	    else is healthcode.ErrKeyUnsuitable, before any arithmetic.
//	P4  RSA keys have 2048 to 4096 bits. RSA-1024 (codes of one country in the
//	    quality assurance set) is refused, because such keys can be factored.
//	P5  kid may stand in either header; the protected one rules where they differ;
//	    any length is decoded, though only 8 bytes will find a key; none is no
//	    error here.
//	P6  A zlib stream and each CBOR item must end where the data ends. Base45 must
//	    be the one spelling of its bytes. DER signatures are refused.
//	P7  Duplicate map keys are refused in every map that is read.
//	P8  iss may be absent, may be no country and may name another country.
//	P9  iat, exp and nbf may be integers, floats, tagged, RFC 3339 text, null or
//	    absent. Times outside of 1970 to 9999 are read as the edge of that span.
//	P10 Exactly one entry in v, t and r together; null and empty groups count none.
//	P11 The JSON schema is not enforced: members may be missing, null or of another
//	    scalar type. Honouring a code is not grading its issuer.
//	P12 crit naming a parameter other than 1, 3 and 4 is refused (RFC 9052).
//	P13 Both forms of an empty protected bucket (h'' and h'a0') are accepted, and
//	    for the latter both forms of what was signed.
package hc1
