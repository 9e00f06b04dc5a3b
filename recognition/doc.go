// Package recognition is the decision: whether a region honours the codes that
// a person shows, and every reason why.
//
// It promises that Decide is a function of the codes, the query and the state:
// it reads no clock, no network and no file, so whoever has the state at a
// size gives the same answer for the same time, reasons and their order
// included. It promises that every stage is judged, not only up to the first
// failure, that whatever rests on a statement names it, and that every reason is
// told in each language of package sentence (Decision.In). It expects codes
// from package healthcode, which alone can say that a signature is good, and a
// State that does not change while it decides.
//
// # The order of judgement
//
//	decode → issuer known, and not expelled → key valid for this kind of code
//	at its time of issue → signature → in time → not revoked → recognised by the
//	verifying region at the time asked about → status and declaration → special
//	cases of the verifying region → itinerary against risk areas → the region's
//	acceptance rules → codes of one person → verifying region not expelled
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
//	    expired, not yet valid, or not signed by its key; its status is over, its
//	    declaration failed; the codes are of several persons): refused.
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
// A reason that a special case overrules has no weight in any of these (SC3).
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
//	    region that checks recognises its codes of that kind, format and algorithm at
//	    the time asked about: a code that its maker revoked stays revoked under a copy
//	    of the key. Never the other way round: who copies a key has no word on its
//	    owner's codes. A revocation of codes issued before a time is none of a code
//	    that says that it was issued then or later.
//	W3  The word of the same regions counts on the key being compromised, of
//	    whichever registration of the same public key they say it. Which of two
//	    regions registered a key earlier, their first registrations of it say.
//	W4  A risk area counts if declared by the region that checks, by an authority
//	    whose territory the area is in, or, for a stay in nobody's territory, by an
//	    authority that the checking region recognises, in a scheme that the terms of
//	    that recognition take from it. (Of its own territory an authority is heard in
//	    every scheme: what a grant leaves out must not undo a warning. The checking
//	    region's own scheme can, W10.)
//	    What an authority says of a finer area replaces, in the same scheme and for
//	    the time that it says it of, what it says of the areas around it. What it says
//	    of a place, or of an area around it, in a scheme that supersedes another,
//	    replaces for that time whatever it says in that other one of stays there.
//	W5  A region recognises its own codes without a grant. Another's it recognises
//	    if its grant covers their kind, their format, and what they are signed with.
//	W6  A key is read in one encoding only, that of crypto/x509, so that what is
//	    said of it is found. One that cannot be read leaves the answer open only if
//	    no key with the code's key id can be read, and only if it is of the region
//	    that checks, or of one whose codes of that format it recognises at the time
//	    asked about.
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
//	W9  A health code's status counts in a scheme that the checking region's grant
//	    takes from the code's region. What its level amounts to, the checking region's
//	    scheme of that name says, and where that has no such level, that of the code's
//	    region; if neither has, it is unknown. There are no schemes built in.
//	W10 What an area's level amounts to, and how far back it looks, the checking
//	    region's scheme of that name says, whoever declared the area; where it has no
//	    such level, and for a look-back that it leaves open, the declaration does.
//	W11 A health declaration counts once it was audited: one that passed speaks for
//	    the code wherever it is shown, one that failed against it, one that waits for
//	    its audit leaves the answer open. A code without one needs none.
//	W12 Codes shown together are one person's. Two that both carry an id must carry
//	    the same, two that both carry a birth date must carry dates that can be one
//	    day: 1990 and 1990-05-04 can. Neither is shown, logged or kept.
//
// # Special cases
//
//	SC1 A special case counts at checks for the region that declared it, in its
//	    window, until it is ended. It fits a code if all that it names fits: region
//	    and key under which the code is judged (W1), kind, format, time of issue,
//	    condition. A code that does not say when it was issued fits a window of issue
//	    that refuses, and none that admits. One that admits names a region, and so
//	    does one that names keys, because anybody may register another's certificate;
//	    a registration whose certificate is not of its key is none of the keys that
//	    one which admits names.
//	SC2 One that refuses weighs more than one that admits.
//	SC3 One that admits overrules what the region itself has in the code's way: a
//	    recognition that is missing, suspended or does not cover it, its acceptance
//	    rules, risk areas. Never what speaks from the code, its key or its issuer: a
//	    signature, a time, a revocation, a compromise, a status, an issuer's own
//	    rule. What is overruled is still told. Risk areas that the person names,
//	    and not a code, are overruled if every code shown is admitted.
//	SC4 Where it cannot be judged whether a condition holds, one that refuses leaves
//	    the answer open, and one that admits does not count. The conditions of one
//	    decision take so many steps, and so much text, and no more (MaxRuleSteps,
//	    MaxRuleText), apart from what its rules may take. Each is read once, and
//	    evaluated once for each code and region whose key verifies it.
//
// # Rules
//
//	R1  The checking region's acceptance rules apply to the codes shown there: to its
//	    own those of the set "default", to another region's those of the set that its
//	    recognition names. The invalidation rules of a code's own region apply to the
//	    code wherever it is shown, in whichever set they are; and so do those of every
//	    other region that has registered the same public key and whose word counts on
//	    it (W2): a code that its maker invalidated stays so under a copy of the key.
//	    To those rules it is the code of the region whose rules they are.
//	R2  Of each rule, the highest version that is in force at the time asked about
//	    counts, by the window that its statement gives it (T1), if the rule is not
//	    retired by then.
//	R3  A rule is for the kinds of code that it names; "General" is the three kinds
//	    of the EU's certificates. One for a part of the country applies to arrivals
//	    there (Query.Arrival).
//	R4  A rule is met if it comes to true. One that comes to no answer is not met; one
//	    that this program cannot read, or a value set that it cannot, leaves the
//	    answer open. Rules are judged all, by set and id, acceptance rules first.
//	R5  A rule sees what the code says and what is given beside it (rules.External):
//	    the value sets of its own authority, and of the code's issuer the region
//	    whose key verifies it. Codes that show nothing to rules (SMART Health Cards)
//	    have none applied, which is noted: a region that minds limits the formats
//	    that it recognises.
//	R6  The rules of one decision take so many steps, and so much text, and no more
//	    (MaxRuleSteps, MaxRuleText). What is left unjudged leaves the answer open.
//	    Of the reasons of one name that rules, or special cases, give for a code, eight
//	    are told, and how many more there are: all of them have the same effect.
//
// # Time
//
//	T1  Every window includes both of its ends: a key valid until noon is good
//	    for a code issued at noon, a code that expires at noon is good at noon. Three
//	    end just before their end: a revocation, a special case that was ended, and
//	    an area's level, because the next level begins there.
//	T2  A key's validity is judged at the code's time of issue; everything else at
//	    the time asked about (Query.At).
//	T3  A look-back of n days ends at the time asked about and begins just after
//	    n·24 hours before it: a stay that ended at that instant is out, one that
//	    ended a second later is in. Itineraries are judged to the second. A card that
//	    begins later than the longest look-back of the checking region's own schemes
//	    is noted: of the days before nobody says anything.
package recognition
