package consensus

//lint:file-ignore SA1019 Raft sets and reads its deprecated Leader and Candidate beside Addr, so an honest message has them too.

import (
	"time"

	"github.com/hashicorp/raft"

	"concordat/ledger"
)

// Raft tells followers what is committed with the next entries, or when its
// commit timeout is over: a lone statement would be seen by the others some 50
// to 100 ms after its author was told that it is ordered. So the leader says
// it at once, with the message that Raft's timer would have sent: an
// AppendEntries without entries, at an index that the follower is known to have.

// yield is how long Raft's own message waits for an announcement under way to
// the same follower. Two at once do no harm in Raft, but a transport may take
// one of a leader's at a time. On a long link the two arrive far apart anyway.
const yield = 2 * time.Millisecond

// announcement is the block that was last committed in a term that we lead.
type announcement struct {
	term uint64
	at   ledger.Position
}

// committed announces a block to all who have it. Those who are getting it
// are told when they have it.
func (t *tap) committed(term uint64, at ledger.Position, servers []raft.Server) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.newest = announcement{term, at}
	for _, s := range servers {
		if p := t.peers[s.ID]; s.ID != t.self && p != nil {
			t.announceLocked(s.ID, s.Address, p)
		}
	}
}

// announceLocked starts telling a follower, if there is something to tell, it
// can hear it, and nobody is at it.
func (t *tap) announceLocked(id raft.ServerID, at raft.ServerAddress, p *peer) {
	a := t.newest
	if p.term != a.term || p.match < a.at.Index || p.told >= a.at.Index || p.appending > 0 || p.announcing != nil {
		return
	}
	done := make(chan struct{})
	p.announcing = done
	h := t.header()
	req := &raft.AppendEntriesRequest{
		RPCHeader: h, Term: a.term, Leader: h.Addr, PrevLogEntry: a.at.Index, PrevLogTerm: a.at.Term, LeaderCommitIndex: a.at.Index,
	}
	go func() {
		var resp raft.AppendEntriesResponse
		sent := time.Now()
		err := t.Transport.AppendEntries(id, at, req, &resp)
		t.mu.Lock()
		defer t.mu.Unlock()
		p.announcing = nil
		close(done)
		if err == nil && t.learnLocked(id, req, &resp, sent) { // else Raft's timer tells it
			t.announceLocked(id, at, p) // of a newer one, meanwhile
		}
	}()
}
