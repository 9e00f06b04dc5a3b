package consensus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"
)

// ErrTransfer: leadership cannot be handed to that node now; it stays here.
var ErrTransfer = errors.New("leadership cannot be handed over")

// Transfer hands leadership to another voter: to, or, if that is empty, the next
// one by id that answers and has caught up. It returns nil when this node does not
// lead any more; who does is to be heard within an election's time. Errors wrap
// ErrNotLeader, ErrTransfer, with the reason in words, ErrClosed or what ended ctx.
func (n *Node) Transfer(ctx context.Context, to string) error {
	if err := n.willing(); err != nil {
		return err
	}
	term, now, have := n.raft.CurrentTerm(), time.Now(), n.roll.newest()
	if !n.leads() {
		return n.notLeader()
	}
	if to == "" {
		want, err := n.cfg.members()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrTransfer, err)
		}
		if to = n.heir(want, have, term, now); to == "" {
			return fmt.Errorf("%w: none of the other %d voters answers and has caught up", ErrTransfer, len(have.voters())-1)
		}
	}
	at := slices.IndexFunc(have.Conf.Servers, func(s raft.Server) bool { return string(s.ID) == to })
	switch {
	case to == n.cfg.Self:
		return fmt.Errorf("%w: %s leads already", ErrTransfer, to)
	case at < 0:
		return fmt.Errorf("%w: %s is none of the %d servers that get the order", ErrTransfer, to, len(have.Conf.Servers))
	case have.Conf.Servers[at].Suffrage != raft.Voter:
		return fmt.Errorf("%w: %s gets the order and has no vote in it", ErrTransfer, to)
	case !n.heard(to, term, now):
		return fmt.Errorf("%w: %s has not answered in the last %v", ErrTransfer, to, 2*n.cfg.Profile.Heartbeat)
	}
	if behind := n.behindBy(to, term); behind > n.closeBy() {
		return fmt.Errorf("%w: %s is %d entries behind, at most %d", ErrTransfer, to, behind, n.closeBy())
	}
	err := n.awaitIn(ctx, n.raft.LeadershipTransferToServer(have.Conf.Servers[at].ID, have.Conf.Servers[at].Address))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader):
		return n.notLeader()
	case ctx.Err() != nil, errors.Is(err, ErrClosed):
		return err
	}
	return fmt.Errorf("%w: %s did not take over: %w", ErrTransfer, to, err)
}

// closeBy is by how many entries whoever takes over may be behind: what one
// message carries.
func (n *Node) closeBy() uint64 { return uint64(n.cfg.Profile.MaxAppend) }

// behindBy is how many committed entries a server is not known to have.
func (n *Node) behindBy(id string, term uint64) uint64 {
	commit := n.raft.CommitIndex()
	return commit - min(commit, n.tap.peer(raft.ServerID(id), term).match)
}

// heir is who leads next: the voter after this one by id, round and round, that
// answers, has caught up, and is to keep its vote; "" if there is none.
func (n *Node) heir(want Membership, have enrolled, term uint64, now time.Time) string {
	var after, before []string
	for _, v := range have.voters() {
		id := string(v.ID)
		if _, votes, _ := want.server(id); !votes || !n.heard(id, term, now) || n.behindBy(id, term) > n.closeBy() {
			continue
		}
		switch strings.Compare(id, n.cfg.Self) {
		case 1:
			after = append(after, id)
		case -1:
			before = append(before, id)
		}
	}
	switch {
	case len(after) > 0:
		return slices.Min(after)
	case len(before) > 0:
		return slices.Min(before)
	}
	return ""
}
