package p2p

import (
	"bytes"
	"fmt"

	"github.com/hashicorp/raft"
)

// Bounds on what Raft gets to see. hashicorp/raft stores a term before it thinks
// about it, and computes with indices unchecked.
const (
	// maxIndex keeps index arithmetic far from overflow.
	maxIndex = 1 << 48
	// maxConfiguration and maxServers bound a membership entry.
	maxConfiguration = 256 << 10
	maxServers       = 768
)

// filter decides whether a decoded message may reach Raft (P5). It is a value for
// one message: pure, but for the functions that it was given.
type filter struct {
	term    uint64                  // our own term
	highest uint64                  // the highest plausible term: see PlausibleTerm
	self    string                  // our own peer id
	leader  string                  // peer id of the leader that Raft follows, or empty
	knows   func(server) bool       // is, or was, this server a member?
	checker func(data []byte) error // RaftConfig.Entry, or nil
}

// forNow reports that a refusal may be withdrawn without the message changing:
// a server gets known, and a clock catches up.
func forNow(err error) bool {
	r := reasonOf(err)
	return r == RefusedServer || r == RefusedEntry
}

// request judges a request of from. A refusal that is forNow says in good how
// many of an AppendEntries' first entries are beyond reproach; see
// Transport.answerEntries for what is done with them.
func (f filter) request(from Member, command any) (good int, err error) {
	if !from.Voter {
		return 0, refuse(RefusedNotVoter, "%s is no validator", from.Authority)
	}
	h, ok := command.(raft.WithRPCHeader)
	if !ok {
		return 0, refuse(RefusedKind, "a %T", command)
	}
	if err := checkHeader(h.GetRPCHeader(), from); err != nil {
		return 0, err
	}
	switch c := command.(type) {
	case *raft.AppendEntriesRequest:
		return f.appendEntries(c)
	case *raft.RequestVoteRequest:
		return 0, f.vote(c.Term, c.LastLogIndex, c.LastLogTerm)
	case *raft.RequestPreVoteRequest:
		return 0, f.vote(c.Term, c.LastLogIndex, c.LastLogTerm)
	case *raft.TimeoutNowRequest:
		if f.leader == "" || f.leader != from.Peer.String() {
			return 0, refuse(RefusedNotLeader, "%s asks to take over leadership, but the leader is %q", from.Authority, f.leader)
		}
		return 0, nil
	default:
		return 0, refuse(RefusedKind, "a %T", command)
	}
}

// checkHeader binds a message to the peer that the connection was made with (P3).
func checkHeader(h raft.RPCHeader, from Member) error {
	if h.ProtocolVersion != raft.ProtocolVersionMax {
		return refuse(RefusedProtocol, "Raft protocol %d, want %d", h.ProtocolVersion, raft.ProtocolVersionMax)
	}
	if string(h.ID) != from.Authority || string(h.Addr) != from.Peer.String() {
		return refuse(RefusedForged, "%s (%s) claims to be %q (%q)", from.Authority, from.Peer, h.ID, h.Addr)
	}
	return nil
}

// checkTerm bounds a term, given the highest that we vouch for ourselves. The one
// after that is plausible whatever our clock says: a node whose clock is far behind
// still follows elections, one at a time, and no faster than the pace (P10).
func (f filter) checkTerm(term, ours uint64) error {
	if term > MaxTerm {
		return refuse(RefusedTerm, "term %d, at most %d", term, uint64(MaxTerm))
	}
	if term > f.highest && term > ours && term-ours > 1 {
		return refuse(RefusedTerm, "term %d, at most %d by this node's clock; ours is %d", term, f.highest, ours)
	}
	return nil
}

// unsettles tells whether a request makes Raft sync its disk for another term, or
// give up leading, and the request's term.
func (f filter) unsettles(command any) (term uint64, yes bool) {
	switch c := command.(type) {
	case *raft.AppendEntriesRequest:
		// A leader steps down for anyone who claims to lead in the same term.
		return c.Term, c.Term > f.term || c.Term == f.term && f.leader == f.self
	case *raft.RequestVoteRequest:
		return c.Term, c.Term > f.term
	default: // a pre-vote changes nothing, and TimeoutNow has no term
		return 0, false
	}
}

// checkPosition judges the (index, term) of a log's end, or of an entry in it.
func checkPosition(what string, index, term, bound uint64) error {
	if index > maxIndex {
		return refuse(RefusedIndex, "%s index %d, at most %d", what, index, uint64(maxIndex))
	}
	if term > bound {
		return refuse(RefusedIndex, "%s term %d is above the message's, %d", what, term, bound)
	}
	if (index == 0) != (term == 0) {
		return refuse(RefusedIndex, "%s index %d with term %d: both are zero or neither", what, index, term)
	}
	return nil
}

func (f filter) vote(term, lastIndex, lastTerm uint64) error {
	if term == 0 {
		return refuse(RefusedTerm, "candidate's term 0, want 1 or more")
	}
	if err := f.checkTerm(term, f.term); err != nil {
		return err
	}
	return checkPosition("last log", lastIndex, lastTerm, term)
}

func (f filter) appendEntries(c *raft.AppendEntriesRequest) (good int, err error) {
	if c.Term == 0 {
		return 0, refuse(RefusedTerm, "leader's term 0, want 1 or more")
	}
	if err := f.checkTerm(c.Term, f.term); err != nil {
		return 0, err
	}
	if err := checkPosition("previous log", c.PrevLogEntry, c.PrevLogTerm, c.Term); err != nil {
		return 0, err
	}
	if c.LeaderCommitIndex > maxIndex {
		return 0, refuse(RefusedIndex, "commit index %d, at most %d", c.LeaderCommitIndex, uint64(maxIndex))
	}
	// Two passes: a batch with any other fault is refused whole, so that the prefix
	// before what is refused for now is only used if an honest leader could have sent it.
	index, term := c.PrevLogEntry, c.PrevLogTerm
	for _, e := range c.Entries {
		if e.Index != index+1 {
			return 0, refuse(RefusedIndex, "entry %d follows %d", e.Index, index)
		}
		if err := checkPosition("entry", e.Index, e.Term, c.Term); err != nil {
			return 0, err
		}
		if e.Term < term {
			return 0, refuse(RefusedIndex, "entry %d has term %d, the one before it %d", e.Index, e.Term, term)
		}
		if len(e.Extensions) > 0 {
			return 0, refuse(RefusedEntryType, "entry %d has extensions", e.Index)
		}
		index, term = e.Index, e.Term
	}
	good = len(c.Entries)
	var later error
	for i, e := range c.Entries {
		err := f.entry(e)
		if err == nil {
			continue
		}
		err = fmt.Errorf("entry %d: %w", e.Index, err)
		if !forNow(err) {
			return 0, err
		}
		if later == nil {
			good, later = i, err
		}
	}
	return good, later
}

func (f filter) entry(e *raft.Log) error {
	switch e.Type {
	case raft.LogNoop, raft.LogBarrier:
		if len(e.Data) > 0 {
			return refuse(RefusedEntryType, "%v with %d bytes of data, want none", e.Type, len(e.Data))
		}
		return nil
	case raft.LogCommand:
		if f.checker == nil {
			return nil
		}
		if err := f.checker(e.Data); err != nil {
			return refuse(RefusedEntry, "%v", err)
		}
		return nil
	case raft.LogConfiguration:
		return f.configuration(e.Data)
	default:
		return refuse(RefusedEntryType, "type %d, want %v, %v, %v or %v", uint8(e.Type), raft.LogCommand, raft.LogNoop, raft.LogBarrier, raft.LogConfiguration)
	}
}

// configuration judges a membership entry by decoding it just as Raft will. Raft
// stores the entry first and panics then, on every start from there on.
func (f filter) configuration(data []byte) error {
	if len(data) > maxConfiguration {
		return refuse(RefusedConfiguration, "%d bytes, at most %d", len(data), maxConfiguration)
	}
	conf, err := decodeConfiguration(data)
	if err != nil {
		return err
	}
	if n := len(conf.Servers); n == 0 || n > maxServers {
		return refuse(RefusedConfiguration, "%d servers, want 1 to %d", n, maxServers)
	}
	// Honest leaders all write this encoding. Whatever else decodes to the same
	// servers is a second form for one meaning, and nobody's honest work.
	if !bytes.Equal(raft.EncodeConfiguration(conf), data) {
		return refuse(RefusedConfiguration, "not the canonical encoding")
	}
	voters := 0
	ids, addresses := make(map[raft.ServerID]bool), make(map[raft.ServerAddress]bool)
	for _, s := range conf.Servers {
		if s.Suffrage != raft.Voter && s.Suffrage != raft.Nonvoter {
			return refuse(RefusedConfiguration, "suffrage %d, want voter or non-voter", int(s.Suffrage))
		}
		if s.Suffrage == raft.Voter {
			voters++
		}
		if ids[s.ID] || addresses[s.Address] {
			return refuse(RefusedConfiguration, "server %q (%q) is there twice", s.ID, s.Address)
		}
		ids[s.ID], addresses[s.Address] = true, true
	}
	if voters == 0 {
		return refuse(RefusedConfiguration, "no voter")
	}
	for _, s := range conf.Servers {
		if !f.knows(server{string(s.ID), string(s.Address)}) {
			return refuse(RefusedServer, "server %q (%q) is no member that this node knows of", s.ID, s.Address)
		}
	}
	return nil
}

// decodeConfiguration is raft.DecodeConfiguration with an error in place of a panic.
func decodeConfiguration(data []byte) (conf raft.Configuration, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = refuse(RefusedConfiguration, "unreadable: %.200v", r)
		}
	}()
	return raft.DecodeConfiguration(data), nil
}

// reply judges an answer of from to a request of the given term, and returns the
// term that it tells of.
func (f filter) reply(from Member, asked uint64, response any) (term uint64, err error) {
	switch r := response.(type) {
	case *raft.AppendEntriesResponse:
		if r.LastLog > maxIndex {
			return 0, refuse(RefusedIndex, "last log index %d, at most %d", r.LastLog, uint64(maxIndex))
		}
		return r.Term, f.answer(r.RPCHeader, from, r.Term, asked, r.Success)
	case *raft.RequestVoteResponse:
		return r.Term, f.answer(r.RPCHeader, from, r.Term, asked, r.Granted)
	case *raft.RequestPreVoteResponse:
		return r.Term, f.answer(r.RPCHeader, from, r.Term, asked, r.Granted)
	case *raft.TimeoutNowResponse:
		return 0, nil // says nothing, and is empty
	default:
		return 0, refuse(RefusedKind, "a %T", response)
	}
}

func (f filter) answer(h raft.RPCHeader, from Member, term, asked uint64, yes bool) error {
	if err := checkHeader(h, from); err != nil {
		return err
	}
	if err := f.checkTerm(term, max(f.term, asked)); err != nil {
		return err
	}
	if yes && term > asked {
		return refuse(RefusedVote, "yes in term %d to a request of term %d", term, asked)
	}
	return nil
}

// isHeartbeat tells heartbeats as hashicorp/raft's own transport does: only these
// may take the fast path beside Raft's main loop.
func isHeartbeat(c *raft.AppendEntriesRequest) bool {
	return c.PrevLogEntry == 0 && c.PrevLogTerm == 0 && len(c.Entries) == 0 && c.LeaderCommitIndex == 0
}
