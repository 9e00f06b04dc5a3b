// Package p2p lets the nodes that the ledger names talk to one another, and nobody
// else. It carries calls between nodes, and Raft's messages, over libp2p.
//
// # What it promises
//
// A message that reaches a [Handler], or Raft, came from the node of a current
// member, over a connection in which that node proved its key. hashicorp/raft
// trusts its peers entirely: one bad message (a term of 2^64-1, a membership entry
// that does not decode) is stored before it is looked at, and stops the node then
// and on every start. So Raft only gets what an honest peer could have sent.
//
// It does not promise that a member tells the truth. A dishonest member can still
// hold up elections while it tries, within the bounds below, or lead badly; what it
// cannot do is stop a node for good, or the network once it has gone. Whether a block may be believed is decided where blocks
// are verified and checkpoints co-signed, never here.
//
// # What it expects
//
// That [Host.SetMembers] is told whenever the ledger's members change, this node
// included among them; that RaftConfig.Term is right and RaftConfig.Founded the same
// on all nodes; that clocks are about right; and that Raft runs with ProtocolVersion
// 3, ServerID = authority, ServerAddress = peer id.
//
// # Invariants
//
// They are cited by number in code and tests.
//
//   - P1. Members only. A connection exists only with a peer that is a member now:
//     the gater asks before dialling and after the handshake, the connected
//     notification asks once more, and SetMembers disconnects whoever was removed
//     before it returns.
//   - P2. One network. The network's id is in every protocol id, and protocol ids
//     are made in one place, so two networks have no protocol in common.
//   - P3. The sender is who the connection says. It is taken from the handshake,
//     anew for each message. A Raft message that names another sender is refused,
//     requests and replies alike; Raft requests come from validators only, and
//     observers answer them. A message for an authority goes to the node that the
//     members have for it, whatever peer id Raft has it at.
//   - P4. Bounded reading. Nothing is allocated for bytes that have not arrived; no
//     frame is larger than its protocol's bound; each message has one encoding.
//   - P5. Raft sees only what an honest peer could send: terms that are
//     plausible (P10); indices and terms that can be one log's;
//     entries of the four types that are in use; membership entries that decode, in
//     Raft's own encoding, to at most 128 servers, all of members' or former ones' authorities; TimeoutNow
//     from the leader; no snapshots. Heartbeats and replies pass the same filters.
//   - P6. Nobody waits for a slow peer but its own streams. A message that was begun
//     has FrameTimeout to be complete; heartbeats, votes, entries and each call have
//     streams to themselves; every wait has an end.
//   - P7. A stream that saw an error or a refusal is reset and never used again.
//   - P8. One AppendEntries of a peer's is in Raft's hands at a time, and its commit
//     index never reaches above its own last entry.
//   - P9. Every goroutine is counted. [Host.Close] ends and awaits them all;
//     [Transport.Close] ends and awaits those that serve Raft.
//   - P10. Honest terms stay together. A term is plausible up to [TermSlack] +
//     [TermsPerSecond] for each second since RaftConfig.Founded, by our clock, and at
//     most [MaxTerm]; the term after ours always is. That bound does not depend on
//     what a hostile peer made of our term, and grows faster than terms can rise: so
//     whatever term one honest node has reached, the others take, as soon as their
//     clocks agree. One peer's messages may raise our term, or end our leading, at
//     RaftConfig.TermRaises, and start a transfer of leadership at
//     RaftConfig.Transfers.
//   - P11. The dead are not connected. A connection whose other end gives no sign of
//     life for a few seconds ([Config].KeepAlive) is closed, and with it every stream
//     on it; one whose other end answers anything, however slowly its node works, is
//     not.
//   - P12. No state comes over Raft. A leader whose log begins after a follower's ends
//     says so, in a message without content that is always refused;
//     RaftConfig.Behind hears of it if it came from the leader that Raft follows. It
//     is a claim, for whoever hears it to look into.
//   - P13. What RaftConfig.Entry refuses costs only the entries from there on: those
//     before it reach Raft, and the rest does when it is no longer refused.
//
// Each refusal is counted ([Host.Refused]) and logged, at most one line in ten
// seconds for a peer and reason. No log line or error holds a message's content.
//
// FORMAT.md has the bytes, DESIGN.md the roads not taken and what is still wrong.
package p2p
