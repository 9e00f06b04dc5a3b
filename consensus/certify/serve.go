package certify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"concordat/ledger"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// Refusal is why a call was not answered, in words for the other node.
type Refusal struct {
	Code    string // stable and kebab-case
	Message string
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

// Codes of refusals.
const (
	CodeBusy         = "busy"          // too many messages: try again later
	CodeMalformed    = "malformed"     // it is no such message, or a signature fails
	CodeNotMember    = "not-a-member"  // the node is not one of Net.Members
	CodeNotValidator = "not-validator" // only validators echo and co-sign
	CodeNotThere     = "not-there"     // our ledger is shorter
	CodeNotVouching  = "not-vouching"  // we do not vouch for our ledger now
	CodeClosed       = "closed"
)

func refuse(code, format string, a ...any) error {
	return &Refusal{code, fmt.Sprintf(format, a...)}
}

// Serve answers a call of another node. from is that node's authority, which
// the caller knows for certain. Whether it is a validator's the ledger says here
// (F11), and not who calls: one that is none any more vouches until the others
// have taken over. Errors are *Refusal, or say that the ledger failed.
func (c *Certifier) Serve(ctx context.Context, name, from string, _ bool, req []byte) ([]byte, error) {
	now := time.Now()
	c.mu.Lock()
	p := c.peers[from]
	closed := c.closed
	validator := c.isValidatorLocked(from)
	taken := p != nil && p.messages.take(now)
	if taken {
		p.heard = now
	}
	c.mu.Unlock()
	switch {
	case closed:
		return nil, refuse(CodeClosed, "this node is closing")
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case p == nil:
		return nil, refuse(CodeNotMember, "%.40q is not known here", from)
	case !taken:
		return nil, refuse(CodeBusy, "at most %.0f messages a second are looked at", p.messages.rate)
	case !validator && (name == EchoProtocol || name == CosignProtocol):
		return nil, refuse(CodeNotValidator, "%.40q is no validator", from)
	}
	switch name {
	case EchoProtocol:
		return nil, c.serveEcho(p, req, now)
	case CosignProtocol:
		return nil, c.serveCosign(p, req)
	case NewestProtocol:
		return c.serveNewest(req)
	case BlockProtocol:
		return c.serveBlock(req)
	case HistoryProtocol:
		return c.serveHistory(req)
	case HeadProtocol:
		return c.serveHead(req)
	}
	return nil, refuse(CodeMalformed, "%.40q is no call that is answered here", name)
}

func (c *Certifier) serveEcho(p *peer, req []byte, now time.Time) error {
	marks, digests, err := decodeEchoes(req)
	if err != nil {
		return refuse(CodeMalformed, "%v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, m := range marks {
		var digest merkle.Hash
		if digests != nil {
			digest = digests[i]
		}
		p.hear(m, digest, now)
		// It has not heard what we signed, or has forgotten it.
		if m == c.signed.mark && (len(c.signed.lines) == 0 || p.own != c.signed.lines[0] || now.Sub(p.ownAt) >= repeat) {
			c.queueOwnLocked(p, now)
		}
	}
	c.wakeTell.wake()
	c.wakeSign.wake()
	return nil
}

func (c *Certifier) serveCosign(p *peer, req []byte) error {
	notes, err := decodePush(req)
	if err != nil {
		return refuse(CodeMalformed, "%v", err)
	}
	for _, n := range notes {
		got, err := c.collected(n)
		if err != nil {
			return refuse(CodeMalformed, "%v", err)
		}
		if got.early {
			c.mu.Lock()
			p.later = append(p.later, n)
			p.later = p.later[max(0, len(p.later)-maxPushed):]
			c.mu.Unlock()
			c.wakeJudge.wake() // our ledger may have it by now
		}
	}
	return nil
}

func (c *Certifier) serveNewest(req []byte) ([]byte, error) {
	if len(req) != 1 || req[0] != wireVersion {
		return nil, refuse(CodeMalformed, "a request for the newest certified checkpoint has one byte, %d", wireVersion)
	}
	c.mu.Lock()
	x := c.final
	if c.ahead != nil && (x == nil || c.ahead.Checkpoint().Size > x.Checkpoint().Size) {
		x = c.ahead
	}
	c.mu.Unlock()
	if x == nil {
		return nil, nil
	}
	return x.Note(), nil
}

func (c *Certifier) serveBlock(req []byte) ([]byte, error) {
	size, err := decodeBlockRequest(req)
	if err != nil {
		return nil, refuse(CodeMalformed, "%v", err)
	}
	a, ok, err := c.blockAt(size)
	switch {
	case errors.Is(err, ErrClosed):
		return nil, refuse(CodeClosed, "this node is closing")
	case err != nil:
		c.breaks(err)
		return nil, err
	case !ok:
		return nil, refuse(CodeNotThere, "size %d is beyond this ledger", size)
	}
	return a.encode(), nil
}

// blockAt gives our root at a size, and the block that holds the statement
// after it. ok is false if our ledger is shorter.
func (c *Certifier) blockAt(size uint64) (a blockAnswer, ok bool, err error) {
	err = c.newest(func(v *ledger.View) error {
		head := v.Head().Size
		if size > head {
			return nil
		}
		if a.root, err = v.RootAt(size); err != nil {
			return err
		}
		if ok = true; size == head {
			return nil
		}
		b, err := v.BlockOf(size)
		if err == nil {
			a.proof = &b.Proof
		}
		return err
	})
	return a, ok, err
}

func (c *Certifier) serveHistory(req []byte) ([]byte, error) {
	old, size, err := decodeHistoryRequest(req)
	if err != nil {
		return nil, refuse(CodeMalformed, "%v", err)
	}
	var a historyAnswer
	there := false
	err = c.newest(func(v *ledger.View) error {
		if size > v.Head().Size {
			return nil
		}
		there = true
		if a.root, err = v.RootAt(old); err != nil {
			return err
		}
		a.path, err = v.Consistency(old, size)
		return err
	})
	switch {
	case errors.Is(err, ErrClosed):
		return nil, refuse(CodeClosed, "this node is closing")
	case err != nil:
		c.breaks(err)
		return nil, err
	case !there:
		return nil, refuse(CodeNotThere, "size %d is beyond this ledger", size)
	}
	return a.encode(), nil
}

// region gives the authority of a node.
func (p *peer) region() statement.Region { return statement.Region(p.id) }
