package certify

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// peer is another node: what it told us, and what it is still to be told.
// All of it is under Certifier.mu.
type peer struct {
	id     string
	echoes []echo    // as validator: the newest that it told, in the order in which they came; at most maxEchoes
	heard  time.Time // when it last answered or called
	failed time.Time // when it last did not answer
	probed time.Time // when its history was last compared with ours

	messages bucket // that will still be looked at (F6)

	echoing   []mark   // to be told; ascending by size, at most maxEchoes
	pushing   [][]byte // notes; the newest last, at most maxPushed
	own       string   // our own co-signature that was last queued for it
	ownAt     time.Time
	wakeEcho  signal
	wakePush  signal
	later     []*checkpoint.Note // signed by whom we do not know, of sizes that we do not have; at most maxPushed
	cancelled context.CancelFunc
}

// hear takes note of an echo.
func (p *peer) hear(m mark, digest merkle.Hash, now time.Time) {
	was, _ := p.echoOf(m)
	p.echoes = slices.DeleteFunc(p.echoes, func(e echo) bool { return e.mark == m })
	p.echoes = append(p.echoes, echo{mark: m, at: now, digest: digest, compared: was.compared && was.digest == digest})
	if over := len(p.echoes) - maxEchoes; over > 0 {
		p.echoes = slices.Delete(p.echoes, 0, over)
	}
}

func (p *peer) echoOf(m mark) (echo, bool) {
	i := slices.IndexFunc(p.echoes, func(e echo) bool { return e.mark == m })
	if i < 0 {
		return echo{}, false
	}
	return p.echoes[i], true
}

// queueEcho has it told; only the newest wait (F7).
func (p *peer) queueEcho(marks ...mark) {
	for _, m := range marks {
		if !slices.Contains(p.echoing, m) {
			p.echoing = append(p.echoing, m)
		}
	}
	slices.SortStableFunc(p.echoing, func(a, b mark) int { return cmp.Compare(a.size, b.size) })
	if over := len(p.echoing) - maxEchoes; over > 0 {
		p.echoing = slices.Delete(p.echoing, 0, over)
	}
	p.wakeEcho.wake()
}

func (p *peer) queuePush(notes ...[]byte) {
	p.pushing = append(p.pushing, notes...)
	if over := len(p.pushing) - maxPushed; over > 0 {
		p.pushing = slices.Delete(p.pushing, 0, over)
	}
	p.wakePush.wake()
}

// reconcile begins to talk to new members, and stops with those who left.
func (c *Certifier) reconcile() {
	members := c.cfg.Net.Members()
	members = members[:min(len(members), maxMembers)]
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, p := range c.peers {
		if !slices.Contains(members, id) {
			p.cancelled()
			delete(c.peers, id)
		}
	}
	for _, id := range members {
		if c.peers[id] != nil || id == string(c.cfg.Self) || c.closed {
			continue
		}
		ctx, cancel := context.WithCancel(c.ctx)
		p := &peer{id: id, cancelled: cancel, wakeEcho: make(signal, 1), wakePush: make(signal, 1),
			// Where marks come faster than usual, so do messages.
			messages: newBucket(max(messageRate, 4*float64(time.Second)/float64(c.cfg.MarkEvery)))}
		c.peers[id] = p
		c.spawnLocked(func() { c.sendLoop(ctx, p, EchoProtocol, p.wakeEcho) })
		c.spawnLocked(func() { c.sendLoop(ctx, p, CosignProtocol, p.wakePush) })
		c.queueOwnLocked(p, time.Now())
	}
}

// othersLocked are the peers that are validators which are not suspended, by
// id; while validators change, those before and those after it.
func (c *Certifier) othersLocked() []*peer {
	var out []*peer
	for _, v := range members(c.latest) {
		if p := c.peers[string(v.ID)]; p != nil && !v.Suspended {
			out = append(out, p)
		}
	}
	return out
}

// mute reports that nothing is heard of it.
func (p *peer) mute(now time.Time, atMost time.Duration) bool {
	return p.heard.IsZero() || p.failed.After(p.heard) || now.Sub(p.heard) > atMost
}

// isValidatorLocked reports whether a node is one's that vouches, before a
// change or after it.
func (c *Certifier) isValidatorLocked(id string) bool {
	_, ok := find(c.latest, statement.Region(id))
	return ok
}

// sendLoop sends to one peer what waits for it, one message of a kind at a time,
// until the peer or we leave.
func (c *Certifier) sendLoop(ctx context.Context, p *peer, name string, wake signal) {
	wait := time.Duration(0)
	for {
		c.mu.Lock()
		var req []byte
		echoes, notes := []mark(nil), [][]byte(nil)
		if name == EchoProtocol {
			if echoes, p.echoing = p.echoing, nil; len(echoes) > 0 {
				req = encodeEchoes(echoes, c.digests(echoes))
			}
		} else if notes, p.pushing = p.pushing, nil; len(notes) > 0 {
			req = encodePush(notes)
		}
		c.mu.Unlock()
		if req == nil {
			select {
			case <-wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		err := c.call(ctx, p, name, req)
		if err == nil {
			wait = 0
			continue
		}
		if ctx.Err() != nil {
			return
		}
		c.mu.Lock()
		if name == EchoProtocol {
			p.queueEcho(echoes...)
		} else if room := maxPushed - len(p.pushing); room > 0 {
			// What came meanwhile is newer.
			notes = notes[max(0, len(notes)-room):]
			p.pushing = slices.Concat(notes, p.pushing)
		}
		c.mu.Unlock()
		wait = min(max(2*wait, backoffLeast), backoffMost)
		c.log.Debug("a node was not told", "node", p.id, "call", name, "err", err, "again in", wait)
		if !pause(ctx, wait+rand.N(wait/4)) {
			return
		}
	}
}

func (c *Certifier) call(ctx context.Context, p *peer, name string, req []byte) error {
	_, err := c.ask(ctx, p, name, req)
	return err
}

// ask calls a peer, and takes note that it answered.
func (c *Certifier) ask(ctx context.Context, p *peer, name string, req []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	resp, err := c.cfg.Net.Call(ctx, p.id, name, req)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		p.heard = time.Now()
	} else {
		p.failed = time.Now()
	}
	return resp, err
}

// pause waits, and reports whether to go on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
