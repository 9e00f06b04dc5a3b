// Package trustlist reads the lists by which the field hands on issuers' public
// keys, each in the format in which it is published, into one kind of Entry.
//
// # What it promises
//
//   - A key that no code could be relied upon with is never an entry: its curve
//     or size is refused, it parses, and it is its certificate's.
//   - One bad entry spoils itself alone: it is among List.Refused, with where it
//     stands and why. What spoils the whole file is an error: it is in no known
//     format, it is cut short, it is signed and the signature is wrong, it holds a
//     private key, or an object in it has a member twice (members.go), so that
//     what was signed and what is read could be two things.
//   - Nothing is tolerated in silence: each defect that is read over is a remark
//     of its entry, and what was not verified is a remark of the list.
//   - Cost is bounded by limits.go, and the same bytes give the same list.
//
// # What it expects
//
// The caller decides whom it believes. A list proves what its signature and its
// certificates prove; this package says which of them it checked, against what
// it was given (Options), and takes the rest at the file's word. It knows no
// ledger and no clock, fetches nothing, and registers nothing.
//
// # Formats
//
//	x509        certificates: PEM, any number, or one in DER (certificate.go)
//	jwk         a JWK or JWK set, RFC 7517 (jwk.go)
//	vci         the snapshot of the VCI directory of SMART Health Card issuers (vci.go)
//	dgcg        /trustList of the EU's gateway and of WHO's; the map by country that the
//	            EU's verifier service answers; Germany's list (dgcg.go, germany.go)
//	who-did     did.json of WHO's trust network (who.go, proof.go)
//	netherlands eu_keys of the Dutch verifier (netherlands.go)
//	sweden      the Swedish DSC-TL, which is a JWS (sweden.go)
//	concordat   our own, for whoever has a list in another form (own.go)
//
// # Policies
//
// Where specifications leave a choice, or what is published breaks them:
//
//	T1  A key is what its certificate says, where there is one; a list that says
//	    otherwise of the key, of its thumbprint or of its 8-byte kid contradicts
//	    itself, and the entry is refused. In our own format the kid that is written
//	    beside a key counts, with a remark: it is there to correct others.
//	T2  Kinds come from the certificate's key usages in both arcs, and only where
//	    there is no certificate from the list. None means all.
//	T3  An expired certificate is no reason to refuse: codes issued before stay
//	    good until they expire. It is a remark. A key of a JWK set that codes name
//	    by its thumbprint (SMART Health Cards) does not end with the certificate in
//	    its x5c: the issuer ends it by taking it off the set. The certificate is
//	    held against the key, and not taken along but where it chains to an anchor.
//	T4  With anchors (CSCAs) given, every entry must chain to one of its country:
//	    the certificate's C, the anchor's C and the region in the list agree; the
//	    anchor is a CA that may sign certificates, with path length 0; the
//	    certificate is no CA; its signature is the anchor's; and the key
//	    identifiers agree where both have one. A bare key cannot chain. Where no CSCA
//	    judges it, a certificate of another country than the list says is a remark
//	    of the entry and of the list; with Options.Strict it is refused.
//	T5  Without anchors given, those in the list serve for the countries that have
//	    one there. That shows that the list fits together, not that it is genuine.
//	T6  RSA keys have 2048 to 4096 bits, EC keys are on P-256 or P-384, and Ed25519
//	    is for native codes: the bounds by which codes are verified.
//	T7  Of WHO's list the entries with usage DSC in the wanted trust domains are
//	    read (DCC unless Options.Domains says otherwise): keys for other documents
//	    must not become keys for health codes by an import.
//	T8  A public key can be listed by anybody, and a revocation names a key and a
//	    rid, and no issuer. So a revocation list is taken if its issuer lists its
//	    key, and every other issuer that lists that key has the same revocation list
//	    too; else it is left out with a remark. A key that several list is the
//	    first's: none takes the URL of one who was there before (merge.go).
package trustlist
