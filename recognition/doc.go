// Package recognition is the decision: whether a region honours the codes that
// a person shows, and every reason why.
//
// It promises that Decide is a function of the codes, the query and the state:
// it reads no clock, no network and no file, so whoever has the state at a
// size gives the same answer for the same time, reasons and their order
// included. It promises that every stage is judged, not only up to the first
// failure, and that whatever rests on a statement names it. It expects codes
// from package healthcode, which alone can say that a signature is good, and a
// State that does not change while it decides.
//
// # The order of judgement
//
//	decode → issuer known, and not expelled → key valid for this kind of code
//	at its time of issue → signature → in time → not revoked → recognised by the
//	verifying region at the time asked about → itinerary against risk areas →
//	verifying region not expelled
//
// A code's claims can only be believed after its signature, so the stages
// from the key's validity on are judged for a code that verifies and are
// missing for one that does not.
//
// # From reasons to a decision
//
// Each reason has an effect: for, against, unknown, or note. Then, in this order:
//
//	D1  Anything against that no statement could change (the code is unreadable,
//	    expired, not yet valid, or not signed by its key): refused.
//	D2  Otherwise, if what is known is older than allowed: undetermined.
//	D3  Otherwise, anything against: refused.
//	D4  Otherwise, anything unknown: undetermined.
//	D5  Otherwise: recognized.
//	D6  Where the state is ordered beyond what is final, the stricter of the
//	    answers on the two states stands: deny early, allow late (finality.go).
//	D7  Where urgent statements are given that are not ordered yet (Pending), the
//	    stricter of the answers with and without them stands. They can only deny:
//	    the answer without them is never made weaker by them.
//
// Codes shown together are judged together: if one of them is refused, all
// are. No code at all is never recognized.
//
// # Whose word counts
//
//	W1  A code is judged under every registration, with the code's key id, of a
//	    key that verifies it; the best of them wins. The key's authority is the
//	    code's region, whatever the code says of itself. So an authority that
//	    registers another's key vouches for that key's codes as its own.
//	W2  A revocation counts from the registration's region, from the region that
//	    checks, and from one that registered the same public key earlier, if the
//	    region that checks recognises its codes of that kind at the time asked about:
//	    a code that its maker revoked stays revoked under a copy of the key. Never
//	    the other way round: who copies a key has no word on its owner's codes.
//	W3  The word of the same regions counts on the key being compromised, of
//	    whichever registration of the same public key they say it. Which of two
//	    regions registered a key earlier, their first registrations of it say.
//	W4  A risk area counts if declared by the region that checks, by an authority
//	    whose territory the area is in, or, for a stay in nobody's territory, by an
//	    authority that the checking region recognises.
//	    What an authority says of a finer area replaces, in the same scheme and for
//	    the time that it says it of, what it says of the areas around it.
//	W5  A region recognises its own codes without a grant.
//	W6  A key is read in one encoding only, that of crypto/x509, so that what is
//	    said of it is found. One that cannot be read leaves the answer open only if
//	    no key with the code's key id can be read, and only if it is of the region
//	    that checks, or of one that it recognises at the time asked about.
//	W7  A registration by an authority that was expelled recognises no code,
//	    whoever checks, its own region included: it can no more say that one is
//	    revoked, or the key lost. Another authority's registration of that key is
//	    judged by itself (W1). What the expelled authority said stands, and counts
//	    as W2 to W4 have it: its revocations, compromises and risk areas refuse as
//	    before. Only that its territory is nobody's from then on (W4), since it can
//	    declare nothing there any more. Standing is as the state has it, at whatever
//	    time is asked about. A vote that admits the authority anew makes its issuers'
//	    keys count again as they were: compromise those that were lost.
//	W8  For a region that was expelled nothing is recognised: at best it is
//	    undetermined, because what it recognises since is not in the ledger. What
//	    speaks against a code speaks as before. A suspended authority's codes, and
//	    the checks for its region, are judged by what it said before, with a note.
//
// # Time
//
//	T1  Every window includes both of its ends: a key valid until noon is good
//	    for a code issued at noon, a code that expires at noon is good at noon. Two
//	    end just before their end: a revocation, and an area's level, because the
//	    next level begins there.
//	T2  A key's validity is judged at the code's time of issue; everything else at
//	    the time asked about (Query.At).
//	T3  A look-back of n days ends at the time asked about and begins just after
//	    n·24 hours before it: a stay that ended at that instant is out, one that
//	    ended a second later is in. Itineraries are judged to the second.
package recognition
