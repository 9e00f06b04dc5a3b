// Package witness keeps one log honest by another: a validator co-signs what
// other logs show it (C2SP tlog-witness), and asks witnesses outside of the
// network to co-sign what its own validators certified.
//
// It promises of every log that it witnesses:
//
//	W1  Of one log it co-signs only checkpoints of one history, each proven to
//	    begin with the one before, and never a smaller one after a larger.
//	W2  What it co-signed is on disk, fsync'd, before the co-signature leaves;
//	    judging and writing are one step for each log.
//	W3  A state that cannot be read, or may not have been written, ends the
//	    witnessing of that log until a restart finds it whole. It never begins anew.
//	W4  For the node's own network it makes no signature: the round of the
//	    validators alone does. It hands out what that round made.
//	W5  Whatever anybody shows it of that network the round looks at first: a
//	    validator's signature on another history is evidence, whoever brings it,
//	    and what there is no time for is not refused, but asked for again.
//	W6  Of a request it verifies the signatures of at most 16 keys, one of each,
//	    however many lines it has, and judges few at once. It says what it left out.
//
// and of outside witnesses, that a line which it passes on is a co-signature by
// the key that was configured, over exactly that checkpoint.
//
// It expects its directory to outlive the node's database and to be in no
// backup: a state set back is how an honest witness signs two histories.
package witness
