// Package bridge serves the ledger's state in the formats that verifier apps and
// national backends know already: the EU gateway's trust list, the DGCA verifier
// and business-rule services, SMART Health Cards' key sets, the WHO's did.json,
// and ToIP's Trust Registry Query Protocol. docs/formats/bridge.md lists them.
//
// It promises:
//
//	B1  Whatever a client accepts on account of a key in a list, the region whose
//	    list it is would accept on account of that key: such a client knows
//	    present and absent, and nothing of kinds, grants or reasons, so a key on
//	    which the region's word is narrower than the client's is left out. Codes
//	    of a retired key stay good until they expire, so retired keys stay.
//	    Which authority a name means, and whose an issuer's key is, never goes by
//	    what somebody whom the region does not recognise says of himself: an
//	    authority is named by its region's id, and an issuer's keys are those that
//	    the region relies on.
//	B2  What lets a key in counts once it is final, what keeps it out once it is
//	    ordered. Rules and value sets are listed as what is final has them, be it
//	    that they are added, replaced or retired: whether a version lets in or keeps
//	    out, no list can say.
//	B3  One ledger size, final size, region and time give the same bytes on every
//	    node, but for signatures and for names that hold a node's own URL.
//	    A document is given by its digest as published, or not at all, whatever
//	    others have published under that digest.
//	B4  A client that comes back with the token or the time that it was given
//	    misses nothing that was let in meanwhile.
//	B5  Nothing is read but the state, and nothing is written. Keys are judged anew
//	    for a region only when something that bears on them was said, or a window
//	    has opened or shut; between that, a request costs what it is answered.
//
// What it serves is this node's word, as the formats have no room for proofs;
// who wants those takes receipts or a bundle.
package bridge
