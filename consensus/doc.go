// Package consensus gives the ledger its one order: blocks of statements, each
// one entry of Raft's log (hashicorp/raft), kept in raft-boltdb and carried by
// whatever raft.Transport it is given.
//
// It promises that a statement for which Submit returned an index is applied
// at this node and stored at a majority, and that every node applies the same
// blocks in the same order. It expects a transport that says truly who sent
// what (Raft believes its peers), a ledger whose Apply is a function of what it
// applied before, and a caller that stops the process when Fault speaks. Of
// trust nothing rests on the order: a leader can withhold or delay, but what it
// makes up is refused by every replica's ledger. It knows neither HTTP nor libp2p.
//
// Invariants, cited by number in code and tests:
//
//	C1   Acknowledged means applied here, after a majority has stored it. No
//	     timer and no guess acknowledges.
//	C2   An honest proposer signs at most one block for a (term, size). What it
//	     signed and could not hand to Raft it hands to Raft again, byte for byte.
//	C3   The first block of a term is made after Raft's barrier of that term was
//	     applied: it builds on all that earlier leaders got committed.
//	C4   One block is outstanding. What waits meanwhile is the next one.
//	C5   What the ledger refuses never enters a block, and a refusal is told no
//	     earlier than what it was judged against is ordered.
//	C6   Entries reach the ledger in the log's order, from one goroutine, each
//	     with its index and term. Entries without a block (no-ops, barriers,
//	     memberships) never reach it: its position is that of the last block.
//	C7   The ledger is never ahead of Raft's log. Where it is behind (a crash, a
//	     lost disk), the log replays from where the ledger stands: anchors bend to
//	     the ledger, never the reverse. Where the log does not reach down to the
//	     ledger any more, nothing is skipped: the node does not start (ErrGap)
//	     before its ledger was caught up with from others.
//	C8   An anchor is written only after the ledger's flush, and says where the
//	     ledger stood; nothing is ever restored from it.
//	C9   A write to Raft's log that misses its deadline costs the leadership. If
//	     it lands later, it is undone before anything else is written.
//	C10  Term and vote are never lost silently: a node whose marker says that it
//	     took part, and whose Raft state is gone, does not start (ErrStateLost); nor
//	     one whose log is an older copy than its ledger or anchors (ErrLedgerAhead).
//	     It comes back by Adopt, without a vote (C18).
//	C11  A failure of storage, or of what this package takes for granted, ends all
//	     acknowledging and is told once, through Fault.
//	C12  ReadIndex names a point that holds everything acknowledged anywhere
//	     before it was called: a majority was asked after the call, not before.
//	C13  A message from the leader commits nothing beyond the last entry that it
//	     names: what a follower has after that may not be the leader's.
//	C14  What is read from Raft's log, or of its votes, is what was written, or
//	     is a failure (C11): nothing that a disk made up is applied, sent or voted by.
//	C15  A node that a block does not fit, though its proposer signed it for
//	     this very term, vouches for nothing until another validator's block
//	     fits: no acknowledgement, no read point, no fresh contact. It does not stop.
//	     One of whose ledger it is known that it is wrong (Config.Diverged) does not
//	     propose either: its blocks would do the same to all who are right.
//
//	C16  Raft's log is cut from its begin only, below an anchor, and below the block
//	     that ends the newest certified checkpoint: whoever is behind it finds all
//	     that is missing in other nodes' ledgers, certified.
//	C17  No state comes through Raft, and what lies below an anchor is neither
//	     looked for nor written again. A follower whose log ends before the
//	     leader's begins is told so (Behind); one that came back above is found.
//	C18  A node that lost its votes abstains. It acknowledges nothing before its
//	     term is at least that of any leader that it may have voted for, votes
//	     never in a term up to there, and for nobody before it has all that the
//	     leader's log had after its return.
//	C19  The leader's own statement (Config.Seal) is alone in its block, whose time is
//	     the one that it was made for. What goes wrong with it costs nobody else's
//	     statement its place, and stops no node of several. A seal gets into a
//	     block in no other way: one that is handed in is refused before it is queued.
//	C20  A leader whose entries most of the others refuse steps down, and does not
//	     stand for election for a while, or until its clock is seen to agree.
//	C21  Raft's membership follows the ledger's (Config.Members), never the other way,
//	     by the leader's hand, one change at a time, each upon the one before it: in
//	     without a vote, a vote for whoever has caught up, removals last. A vote is given
//	     or taken only for what is certified, and none is taken where those who would
//	     be left and answer are no majority of them. A leader that is to lose its own
//	     hands leadership over first.
//	C22  A membership taken from the ledger (Adopt) is a guess. Whoever has no other
//	     never stands for election, and does not come back to its vote, until its log
//	     holds a membership that a leader wrote behind the place where it began.
//	C23  Reset, and nothing else, gives up what this node voted and stored: once for a
//	     place, in a term above all that is known there, with a membership that is the
//	     same at all who go on, and at the same entry.
//
// DESIGN.md has the roads not taken, and the arguments for C18 and C22.
package consensus
