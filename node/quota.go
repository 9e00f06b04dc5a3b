package node

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"concordat/client"
	"concordat/consensus"
	"concordat/ledger"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// quotaWindow is what quotas are given for. As much may come at once.
const quotaWindow = time.Minute

// quotas bound how much each authority says through this node: a bucket each of
// statements and of bytes, which fill evenly. Nothing is taken out of a bucket
// before a signature has shown that the authority itself speaks, nor for what it
// has said before, which is public and which anybody may send again; so nobody
// uses up another's, and there are no more buckets than authorities.
type quotas struct {
	statements, bytes float64 // in a window
	now               func() time.Time

	mu sync.Mutex
	of map[statement.Region]*bucket
}

// bucket is what an authority has left. It may be less than nothing, where it
// was found out afterwards that the authority spoke.
type bucket struct {
	statements, bytes float64
	at                time.Time
	refused           uint64
}

func newQuotas(statements int, bytes int64) *quotas {
	return &quotas{statements: float64(statements), bytes: float64(bytes), now: time.Now, of: map[statement.Region]*bucket{}}
}

// fillLocked gives a bucket as it is now.
func (q *quotas) fillLocked(by statement.Region) *bucket {
	now := q.now()
	b := q.of[by]
	if b == nil {
		return &bucket{statements: q.statements, bytes: q.bytes, at: now}
	}
	share := max(now.Sub(b.at).Seconds(), 0) / quotaWindow.Seconds()
	b.statements, b.bytes, b.at = min(q.statements, b.statements+share*q.statements), min(q.bytes, b.bytes+share*q.bytes), now
	return b
}

// excess says that an authority is over its quota.
type excess struct {
	by    statement.Region
	what  string // statements or bytes
	limit float64
	again time.Duration // when it has room
}

// lacksLocked is what keeps a statement of some bytes out; nil where nothing does.
func (q *quotas) lacksLocked(by statement.Region, b *bucket, bytes float64) *excess {
	need := func(what string, limit, left, want float64) *excess {
		if left >= want {
			return nil
		}
		again := time.Duration((want - left) / limit * float64(quotaWindow))
		return &excess{by, what, limit, max(again, time.Millisecond)}
	}
	s, y := need("statements", q.statements, b.statements, 1), need("bytes", q.bytes, b.bytes, bytes)
	if s == nil || y != nil && y.again > s.again {
		return y
	}
	return s
}

// take takes one verified statement out of its authority's quota; what it gives
// is not nil where there was no room for it.
func (q *quotas) take(by statement.Region, bytes int) *excess {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.fillLocked(by)
	q.of[by] = b
	if x := q.lacksLocked(by, b, float64(bytes)); x != nil {
		b.refused++
		return x
	}
	b.statements--
	b.bytes -= float64(bytes)
	return nil
}

// giveBack undoes take for a statement that turned out to be in the ledger before.
func (q *quotas) giveBack(by statement.Region, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.of[by] == nil {
		return
	}
	b := q.fillLocked(by)
	b.statements, b.bytes = min(q.statements, b.statements+1), min(q.bytes, b.bytes+float64(bytes))
}

// spent reports that an authority has nothing left, and takes nothing: for a
// statement of which it is not known yet whether the authority said it.
func (q *quotas) spent(by statement.Region) *excess {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lacksLocked(by, q.fillLocked(by), 1)
}

// charge takes out what the authority turned out to have said, or counts what it
// was not let say.
func (q *quotas) charge(by statement.Region, bytes int, refused bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.fillLocked(by)
	if refused {
		if q.of[by] != nil {
			b.refused++
		}
		return
	}
	q.of[by] = b
	b.statements--
	b.bytes -= float64(bytes)
}

// failure says so to who submits.
func (x *excess) failure() *client.Failure {
	seconds := x.seconds()
	f := client.Fail(client.QuotaExceeded, "%s has used up what it may say through one node: %.0f %s in %s; there is room again in %ds", x.by, x.limit, x.what, quotaWindow, seconds)
	f.Detail = map[string]any{"limit": int64(x.limit), "of": x.what, "window": quotaWindow.String(), "retryAfter": seconds}
	return f
}

// seconds is when to come back, rounded up.
func (x *excess) seconds() uint64 { return uint64(math.Ceil(x.again.Seconds())) }

// verdict says so to another node, which passes it on to who submits.
func (x *excess) verdict() state.Verdict {
	f := x.failure()
	return state.Verdict{Name: client.QuotaExceeded, Message: "at the leader: " + f.Message, Hint: f.Hint, Revision: x.seconds()}
}

// overQuota makes of such a verdict what take would have given.
func overQuota(v state.Verdict) *client.Failure {
	f := client.Fail(client.QuotaExceeded, "%s", v.Message)
	f.Detail = map[string]any{"window": quotaWindow.String(), "retryAfter": min(max(v.Revision, 1), uint64(quotaWindow/time.Second))}
	return f
}

// unsigned are the refusals that tell nothing of who spoke.
var unsigned = map[string]bool{
	ledger.WrongSignature: true, ledger.MalformedStatement: true, state.UnknownAuthority: true, state.UnknownKey: true,
}

// whoSent names a bucket of refusals: of what one node sends of an authority, or
// of what it sends and nobody signed, of "".
func whoSent(from string, issuer statement.Region) statement.Region {
	return statement.Region(from) + "/" + issuer
}

// refusals says so to a node that sends too much of what is refused.
func (x *excess) refusals(from string) state.Verdict {
	return state.Verdict{Name: client.QuotaExceeded, Revision: x.seconds(), Message: fmt.Sprintf(
		"at the leader: too much that was refused has come from %s: %.0f %s in %s; there is room again in %ds", from, x.limit, x.what, quotaWindow, x.seconds())}
}

// submitWithinQuotas is the leader's side of a batch that another node sends: an
// authority that speaks through many nodes is bounded where all of it comes
// together. What a statement claims decides only whether its authority has
// anything left; it is taken from the authority's quota when it has been ordered,
// which happens once. What is refused could be sent again by anybody who has it:
// so it counts against the node that sends it, and nobody is cut off by another's.
func (n *Node) submitWithinQuotas(ctx context.Context, from string, cands []ledger.Candidate) ([]consensus.Outcome, error) {
	q, senders := n.keeper.quotas, n.keeper.senders
	outcomes := make([]consensus.Outcome, len(cands))
	issuers := make([]statement.Region, len(cands))
	var let []ledger.Candidate
	var at []int // the places of those let through
	for i, c := range cands {
		u, err := statement.Parse(c.Raw)
		if err == nil {
			issuers[i] = u.Statement().Issuer
		}
		over := q.spent(issuers[i])
		sent := senders.spent(whoSent(from, ""))
		if sent == nil {
			sent = senders.spent(whoSent(from, issuers[i]))
		}
		if err == nil && (over != nil || sent != nil) {
			// What the ledger has is let through, to be answered: it costs nothing.
			_, known, err := n.known(u.Hash())
			if err != nil {
				return nil, err
			}
			if known {
				over, sent = nil, nil
			}
		}
		switch {
		case over != nil:
			q.charge(issuers[i], 0, true)
			outcomes[i].Verdict = over.verdict()
		case sent != nil:
			outcomes[i].Verdict = sent.refusals(from)
		default:
			let, at = append(let, c), append(at, i)
		}
	}
	if len(let) == 0 {
		return outcomes, nil
	}
	got, err := n.order.Submit(ctx, let)
	if err != nil {
		return nil, err
	}
	if len(got) != len(let) {
		return nil, fmt.Errorf("%d outcomes to %d statements", len(got), len(let))
	}
	for j, o := range got {
		outcomes[at[j]] = o
		switch by, size := issuers[at[j]], sizeOf(let[j]); {
		case o.Known:
		case o.Verdict.Accepted():
			q.charge(by, size, false)
		case unsigned[o.Verdict.Name]: // else the authority is one that the ledger knows: there are no more buckets
			senders.charge(whoSent(from, ""), size, false)
		default:
			senders.charge(whoSent(from, by), size, false)
		}
	}
	return outcomes, nil
}

// quotaStatus is what /v1/status shows of the quotas.
func (n *Node) quotaStatus() client.Limits {
	q := n.keeper.quotas
	out := client.Limits{Window: quotaWindow.String(), Statements: int(q.statements), Bytes: int64(q.bytes), Usage: []client.Usage{}}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, by := range slices.Sorted(maps.Keys(q.of)) {
		b := q.fillLocked(by)
		out.Usage = append(out.Usage, client.Usage{
			Authority: string(by), Statements: int(math.Ceil(q.statements - b.statements)), Bytes: int64(math.Ceil(q.bytes - b.bytes)), Refused: b.refused,
		})
	}
	return out
}
