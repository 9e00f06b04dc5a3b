package consensus

//lint:file-ignore SA1019 Raft sets and reads its deprecated Leader and Candidate beside Addr, so an honest message has them too.

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"

	"concordat/ledger"
)

// Raft v1.7.3 knows two ways to a follower's log: entry by entry from where both
// agree, or a snapshot. Once logs are cut and nodes begin at anchors, there are
// places where neither works, and both ends are helped here (C17).
//
// At the leader, Raft wants to send a snapshot when the entry before the one
// that it would send next is cut off. That does not say that the follower is
// behind: it may have caught up by itself since. So the leader asks, sends what
// is missing out of its own log, and tells Raft that the snapshot is there when
// the follower's log agrees with the leader's at that point: to Raft that is the same.
//
// At the follower, Raft looks for the entry before those that it is sent, and
// takes its absence for disagreement, though it lie below the anchor. What lies
// there is committed: messages are cut down to what lies above.

// errNotYet: the follower's log ends before ours begins.
var errNotYet = errors.New("the follower's log ends before this leader's begins")

// InstallSnapshot brings a follower to where Raft's newest anchor is, without a
// snapshot. It goes on as long as this node leads: a follower that is behind is
// told so, and asked again in each heartbeat's time, so that it need not wait for
// Raft's own patience, which grows to ten seconds, when it is back.
func (t *tap) InstallSnapshot(id raft.ServerID, at raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, _ io.Reader) error {
	for t.leads != nil && t.term() == args.Term && t.leads() {
		newer, err := t.bridge(id, at, args)
		switch {
		case err == nil:
			resp.RPCHeader, resp.Term, resp.Success = args.RPCHeader, args.Term, true
			return nil
		case newer > args.Term:
			resp.RPCHeader, resp.Term = args.RPCHeader, newer
			return nil
		case errors.Is(err, errNotYet):
			// Its answer is always a refusal; what counts is that it heard.
			if err := t.Transport.InstallSnapshot(id, at, args, &raft.InstallSnapshotResponse{}, nil); err != nil && !errors.Is(err, ErrSnapshot) {
				t.log.Debug("a follower that is behind was told so", "id", string(id), "answer", err)
			}
		default:
			t.log.Debug("a follower cannot be brought to the anchor", "id", string(id), "err", err)
		}
		timer := time.NewTimer(t.heartbeat)
		select {
		case <-timer.C:
		case <-t.stopping:
		case <-t.done:
		}
		timer.Stop()
		if t.ending() {
			break
		}
	}
	return ErrSnapshot
}

func (t *tap) ending() bool {
	select {
	case <-t.stopping:
		return true
	case <-t.done:
		return true
	default:
		return false
	}
}

// bridge sends a follower what it lacks up to the anchor that args names, out of
// our log. It gives a term that is above ours, if the follower tells of one.
func (t *tap) bridge(id raft.ServerID, at raft.ServerAddress, args *raft.InstallSnapshotRequest) (newer uint64, err error) {
	req := &raft.AppendEntriesRequest{RPCHeader: args.RPCHeader, Term: args.Term, Leader: args.Leader, PrevLogEntry: args.LastLogIndex, PrevLogTerm: args.LastLogTerm}
	for !t.ending() && t.term() == args.Term && t.leads() {
		var resp raft.AppendEntriesResponse
		if err := t.AppendEntries(id, at, req, &resp); err != nil {
			return 0, err
		}
		prev := req.PrevLogEntry + uint64(len(req.Entries))
		switch {
		case resp.Term > args.Term:
			return resp.Term, fmt.Errorf("%s is in term %d", id, resp.Term)
		case resp.Success && prev >= args.LastLogIndex:
			return 0, nil
		case !resp.Success:
			if req.PrevLogEntry == 0 {
				return 0, fmt.Errorf("%s refuses entries from the log's begin", id)
			}
			prev = min(req.PrevLogEntry-1, resp.LastLog)
		}
		if req, err = t.follow(req, prev, args.LastLogIndex); err != nil {
			return 0, err
		}
	}
	return 0, ErrSnapshot
}

// follow makes the message that goes on after prev, with entries up to last.
func (t *tap) follow(was *raft.AppendEntriesRequest, prev, last uint64) (*raft.AppendEntriesRequest, error) {
	req := &raft.AppendEntriesRequest{RPCHeader: was.RPCHeader, Term: was.Term, Leader: was.Leader, PrevLogEntry: prev}
	if prev > 0 {
		base := t.base.Load()
		var l raft.Log
		switch err := t.logs.GetLog(prev, &l); {
		case err == nil:
			req.PrevLogTerm = l.Term
		case errors.Is(err, raft.ErrLogNotFound) && base != nil && base.Index == prev:
			req.PrevLogTerm = base.Term
		case errors.Is(err, raft.ErrLogNotFound):
			return nil, fmt.Errorf("%w: its log agrees with ours up to entry %d at most", errNotYet, prev)
		default:
			return nil, err
		}
	}
	size := 0
	for i := prev + 1; i <= last && len(req.Entries) < t.batch && size < cutBytes; i++ {
		l := &raft.Log{}
		if err := t.logs.GetLog(i, l); err != nil {
			if errors.Is(err, raft.ErrLogNotFound) {
				err = fmt.Errorf("%w: entry %d is cut off", errNotYet, i)
			}
			return nil, err
		}
		size += len(l.Data)
		req.Entries = append(req.Entries, l)
	}
	return req, nil
}

// rebase notes that the log may begin after an entry, which is committed.
func (t *tap) rebase(at ledger.Position) {
	if was := t.base.Load(); was == nil || was.Index < at.Index {
		t.base.Store(&at)
	}
}

// aboveBase cuts a leader's message down to what lies above our log's begin. It
// fails where the message has another entry there than the committed one: then
// its sender is no leader of ours.
func (t *tap) aboveBase(c *raft.AppendEntriesRequest) (*raft.AppendEntriesRequest, error) {
	base := t.base.Load()
	end := c.PrevLogEntry + uint64(len(c.Entries))
	if base == nil || c.PrevLogEntry > base.Index || end == 0 {
		return c, nil
	}
	out := *c
	if c.PrevLogEntry == base.Index && c.PrevLogTerm != base.Term {
		return nil, fmt.Errorf("entry %d is committed in term %d, and the message has it in term %d", base.Index, base.Term, c.PrevLogTerm)
	}
	for len(out.Entries) > 0 && out.Entries[0].Index <= base.Index {
		if e := out.Entries[0]; e.Index == base.Index && e.Term != base.Term {
			return nil, fmt.Errorf("entry %d is committed in term %d, and the message has it in term %d", base.Index, base.Term, e.Term)
		}
		out.Entries = out.Entries[1:]
	}
	// Raft asks for no entry before the first of all. That there is nothing
	// between the base and what is left, we have seen to.
	out.PrevLogEntry, out.PrevLogTerm = 0, 0
	return &out, nil
}
