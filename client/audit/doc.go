// Package audit finds out whether a node tells the truth about the ledger, with
// nothing but the founding document and what anyone can fetch.
//
// It promises that a log which Run takes was signed, statement by statement, by
// authorities that could say so when they did; that the ledger's rules accept
// it in this order; that its tree, its state and its seals are what the
// statements make; and that a quorum of the validators which that state names
// has co-signed exactly this. What is not so is a *[Tampering], which names the
// first statement that is wrong, or a *[Fork], which carries evidence against
// each validator that signed both sides. Everything else that goes wrong, such
// as a node that does not answer, is another error: it accuses nobody.
//
// It expects a [Source] that may lie in every answer but must answer in the
// end, and memory for the state without the single revoked hashes.
//
// Attachments are erased after their expiry, and some nodes hand out none at
// all. What they hashed is then beyond proof: seals over them are checked in
// part, and the report says so. That is no tampering.
package audit
