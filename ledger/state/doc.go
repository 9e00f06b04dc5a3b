// Package state is what the statements add up to: a pure function from the
// founding document and the statements in their order to the facts that a
// check rests on.
//
// It promises that whoever applies the same statements in the same order to
// the same founding document holds the same state to the byte, on any machine
// and in any year; and that a statement which may not be applied is refused
// with the same verdict everywhere. It expects statements that were verified
// with the key SigningKey named, each with the index it is to have in the log,
// in order and without gaps; and a Reader that shows the state before that
// statement, writes of earlier statements of the same block included.
//
// Refused is not broken: a refusal is a Verdict, an ordinary result and part
// of the function. An error means that the state could not be read or is not
// what this package wrote (ErrCorrupt); then no answer may be given at all.
//
// The state is a sorted map from bytes to bytes; FORMAT.md has every key and
// record, so that an auditor can write a second reader.
//
// Invariants, cited by number in code and tests:
//
//	ST1  Found and Apply are functions of their arguments: no clock, no randomness, no I/O but the Reader's, no map order.
//	ST2  Apply only Gets, and never Scans; so a block's pending writes can lie over the store as a plain map. At most five keys for most kinds (a registration needs them all), six for a rule, four and one for each scheme that a scheme supersedes in turn, seven where an authority changes its own keys or node or validators hand over, twelve for a proposal or a vote (one that admits an authority needs them all), and for a recovery five and two for each authority that becomes or ceases to be a validator.
//	ST3  A refused statement writes nothing.
//	ST4  An authority speaks for itself only: every key that Apply writes for a statement lies under its issuer. Some keys are nobody's, and no issuer chooses what Apply writes there: the running number of batches (it counts), the newest seal (it was computed), evidence and the suspension that it works (they are proven), who certifies and who has handed over (they follow). There is one exception, and it is not one authority's word: a proposal that enough of those with a vote have carried, or a recovery that the governance keys of a majority of the validators have signed, changes other authorities, their keys, the policy and the level.
//	ST5  The signing key comes from the state, under the issuer, in force at the statement's index; never from the statement. A node key signs the kinds that nodes make, a governance key those that change the network, a statement key all others, and none signs another's. An authority that is suspended by vote, or expelled, signs nothing.
//	ST6  A statement with a revision makes exactly the current one plus one; so of two that name the same, one is refused.
//	ST7  A compromise is final: the record of a compromised key changes only to spare fewer codes.
//	ST8  Revocations are written blindly: what one batch writes does not depend on any hash said before, and not on whether an earlier batch has been erased.
//	ST9  A record decodes only from its one encoding, and only under its own key.
//	ST10 Windows of a risk area ascend and do not overlap; only the last may be open, and they are at most MaxWindows.
//	ST11 The indexes of issuer keys, by kid and by public key, hold an entry for each registration and nothing else.
//	ST12 An authority has at most MaxKeysPerID keys with one kid, MaxRegistrations of one public key, MaxSchemes schemes on one area, and of rules, value sets, schemes, special cases and the bytes of their documents what published.go allows; each count is that of what there is.
//	ST13 The record of the validators lists the authorities of that role with their newest keys, and as suspended exactly those against whom evidence stands or whom a vote has suspended; those who still hand over are marked the same way. Of evidence there is one record for each authority; it stands until a vote restores an authority that has other keys, or admits it anew.
//	ST14 Batches that revoke are numbered from 1 in the order of the log, and no number is given twice; totals are those of the batches; of a batch all hashes are there or, once erased, none.
//	ST15 Who may vote on a proposal, and how many yes votes carry it, is fixed where it stands. One vote for each, and it is final; what is closed stays as it is. A proposal is carried out by the vote that decides it or never.
//	ST16 There is one electorate for each change of who certifies, the first from size 0 on; the newest is the validators', and those of earlier sizes never change. While validators hand over there are two sets, never three: what would change the keys that vouch waits. A recovery begins the next lineage, one after the other.
//	ST17 No Ed25519 key is used twice in a network, by anybody, for anything: every key of every authority, counting or not, kept or forgotten, has one record of its first use.
//	ST18 Of each authority's proposals the count is that of what there is, and at most MaxOpenProposals are open.
//	ST19 A state of a protocol level that this program does not know is not read, and what would raise the level beyond it is not applied (ErrLevel); neither is a verdict, and neither changes anything.
//	ST20 Versions of a rule rise, and each begins when the one before does or later; the newest MaxRuleVersions are kept. Schemes of one authority do not supersede one another in a circle.
//	ST21 What came with a protocol level writes nothing below it, and what a statement without younger fields writes below it is what it always was, to the byte.
package state
