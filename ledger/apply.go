package ledger

import (
	"errors"
	"fmt"

	"concordat/ledger/block"
	"concordat/ledger/merkle"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// Why a block was refused as a whole. The names are stable, and the same on
// every node (L3).
const (
	RefusedMalformed = "malformed-block"    // the bytes are no block
	RefusedNetwork   = "other-network"      // it is for another network
	RefusedProposer  = "bad-proposer"       // who it names is no validator, or has not signed it
	RefusedTerm      = "wrong-term"         // it was signed for another term than it was ordered in
	RefusedBase      = "stale-base"         // it builds on another size or root than the ledger has, and its proposer signed it for this very term
	RefusedStatement = "invalid-statement"  // a statement in it is not valid where it stands
	RefusedRepeat    = "repeated-statement" // a statement in it is in the ledger already, or twice in the block
)

// provesCulprit says which refusals no honest proposer can meet: it signed the
// block for exactly this base, and could have known. All others can befall an
// unlucky one, or were made up by somebody else.
//
// No refusal hangs on what an earlier block's header says: its time, its
// proposer, or how statements were divided into blocks. The root covers none of
// it, so a leader could tell each of us something else, and have us refuse what
// others take while all our roots are the same. What a block is held against is
// the base that its own header names, the state, and the order's own term.
var provesCulprit = map[string]bool{RefusedStatement: true, RefusedRepeat: true}

// Applied is what an entry did.
type Applied struct {
	Refused   string           // why the block did nothing; "": it was applied, or there was none
	Detail    string           // of the refusal, for people; not the same in every release
	Culprit   statement.Region // the proposer, where the refusal proves that it is a bad one
	First     uint64           // the index of the block's first statement
	Count     int              // how many statements were applied
	Hashes    []statement.Hash // of the block's statements, in order
	Duplicate bool             // the entry had been applied before; the rest says what it did then
}

// Apply applies one entry of the order: a sealed block, or, with raw nil, an
// entry that carries none. It is a function of the ledger and the entry (L2,
// L3); what it changes is in one batch (L1), and durable when Flush is next
// called. An entry applied before changes nothing (L5). The error wraps
// ErrBroken, ErrCorrupt or ErrOrder, or ErrLevel, with which nothing was written
// and the ledger is whole; and the node must stop.
func (l *Ledger) Apply(pos Position, raw []byte) (Applied, error) {
	l.applying.Lock()
	defer l.applying.Unlock()
	if err := l.ended(); err != nil {
		return Applied{}, err
	}
	v := l.View()
	if v.err != nil {
		return Applied{}, v.err
	}
	out, err := l.apply(v.pin, pos, raw)
	if err := errors.Join(err, v.Close()); err != nil {
		// A ledger that could not read its own state must not go on (L6).
		return Applied{}, l.end(fmt.Errorf("applying entry %d of term %d: %w", pos.Index, pos.Term, err))
	}
	return out, nil
}

func (l *Ledger) apply(p *pin, pos Position, raw []byte) (Applied, error) {
	head := p.head
	if pos.Index <= head.Applied.Index {
		return l.before(p, pos, raw)
	}
	if pos.Term < head.Applied.Term {
		return Applied{}, fmt.Errorf("%w: it comes after entry %d of term %d; this is not the order that the ledger was made from",
			ErrOrder, head.Applied.Index, head.Applied.Term)
	}
	head.Applied = pos
	if raw == nil {
		return Applied{}, l.commit(head, nil)
	}
	b, refusal, err := l.admit(p, pos, raw)
	if err != nil {
		return Applied{}, err
	}
	if refusal != nil {
		if refusal.Refused == RefusedBase {
			// What was grafted may come once more, in its place in the order.
			if out, is, err := l.place(p, pos, raw); err != nil || is {
				return out, err
			}
		}
		return *refusal, l.commit(head, nil)
	}
	var root merkle.Hash
	if b.grown, root, err = merkle.Append(tiles{p}, head.Size, b.leaves()); err != nil {
		return Applied{}, err
	}
	out := Applied{First: head.Size, Count: len(b.items), Hashes: b.hashes()}
	head.Size += uint64(len(b.items))
	head.Root = root
	head.Time = max(head.Time, b.time)
	return out, l.commit(head, b)
}

// admit judges a block against the ledger that p pins. The order of the checks
// is part of the rules: it decides the name of a refusal.
func (l *Ledger) admit(p *pin, pos Position, raw []byte) (*change, *Applied, error) {
	signed, err := block.Parse(raw)
	if err != nil {
		return nil, refuseBlock(RefusedMalformed, "", "%v", err), nil
	}
	h := signed.Header()
	if h.Network != l.network {
		return nil, refuseBlock(RefusedNetwork, "", "it is for network %s, this one is %s", h.Network, l.network), nil
	}
	proposer, known, err := state.View{Reader: p}.Authority(h.Proposer)
	if err != nil {
		return nil, nil, err
	}
	if !known || proposer.Role != state.Validator {
		return nil, refuseBlock(RefusedProposer, "", "%s is no validator", h.Proposer), nil
	}
	b, err := signed.VerifyBy(proposer.Key(state.Node))
	if err != nil {
		return nil, refuseBlock(RefusedProposer, "", "%v", err), nil
	}
	// From here on the proposer has signed all that is judged.
	switch head := p.head; {
	case h.Term != pos.Term:
		return nil, refuseBlock(RefusedTerm, h.Proposer, "it was signed for term %d and ordered in term %d", h.Term, pos.Term), nil
	case h.Size != head.Size || h.Root != head.Root:
		return nil, refuseBlock(RefusedBase, h.Proposer, "it builds on size %d and root %x, the ledger has size %d and root %x",
			h.Size, h.Root, head.Size, head.Root), nil
	}
	items, err := b.Items()
	if err != nil {
		return nil, refuseBlock(RefusedStatement, h.Proposer, "%v", err), nil
	}
	us := make([]*statement.Unverified, len(items))
	for i, it := range items {
		us[i] = it.Statement
	}
	t := l.newTrial(p)
	var sealed *sealing
	t.seal = func(_ uint64, s *statement.SealState) (v state.Verdict, err error) {
		sealed, v, err = l.applySeal(p, h, s)
		return v, err
	}
	verified, err := t.verify(l.options.Checker, us)
	if err != nil {
		return nil, nil, err
	}
	c := &change{
		first: h.Size, time: h.Time, items: make([]item, len(items)), over: &t.over,
		records: []Block{{First: h.Size, Count: h.Count, Position: pos, Proof: signed.Proof()}},
	}
	for i, it := range items {
		c.items[i] = newItem(it.Statement, it.Attachment)
		j, err := t.try(c.items[i], verified[i])
		switch {
		case err != nil:
			return nil, nil, err
		case j.Known:
			return nil, refuseBlock(RefusedRepeat, h.Proposer, "statement %d of the block is at index %d", i, j.Index), nil
		case j.Verdict.Name == RepeatedStatement:
			return nil, refuseBlock(RefusedRepeat, h.Proposer, "statement %d of the block is in it before", i), nil
		case j.Verdict.Name == state.SealMismatch:
			// Nobody is named: if it is this ledger that has diverged, the seal is right.
			return nil, &Applied{Refused: RefusedStatement, Detail: fmt.Sprintf("statement %d of the block: %s", i, j.Verdict)}, nil
		case !j.Verdict.Accepted():
			return nil, refuseBlock(RefusedStatement, h.Proposer, "statement %d of the block: %s", i, j.Verdict), nil
		}
	}
	c.sealed = sealed
	return c, nil, nil
}

func refuseBlock(name string, proposer statement.Region, format string, a ...any) *Applied {
	out := &Applied{Refused: name, Detail: fmt.Sprintf(format, a...)}
	if provesCulprit[name] {
		out.Culprit = proposer
	}
	return out
}

// before says what an entry did when it was applied, from what it left.
func (l *Ledger) before(p *pin, pos Position, raw []byte) (Applied, error) {
	out := Applied{Duplicate: true}
	if raw == nil {
		return out, nil
	}
	signed, err := block.Parse(raw)
	if err != nil {
		out.Refused, out.Detail = RefusedMalformed, err.Error()
		return out, nil
	}
	rec, is, err := recordOf(p, signed)
	if err != nil {
		return Applied{}, err
	}
	if is && rec.Position == pos {
		return out, out.tell(p, rec)
	}
	if pos == p.head.Applied {
		// The newest entry of all was refused, so the ledger is as it was then.
		_, refusal, err := l.admit(p, pos, raw)
		if err != nil {
			return Applied{}, err
		}
		if refusal != nil {
			refusal.Duplicate = true
			return *refusal, nil
		}
	}
	// It is not in the ledger, so it was refused; why is not kept.
	out.Refused, out.Detail = RefusedBefore, "it was refused when it was applied"
	return out, nil
}

// RefusedBefore is the name where a duplicate's own refusal is not kept.
const RefusedBefore = "refused-before"

// recordOf finds the block in the ledger, wherever in the order it came from.
// A proposer that signed it twice, with two times, signed one block twice: which
// of the two headers a graft brought makes no difference to what the block did.
func recordOf(p *pin, signed *block.Signed) (Block, bool, error) {
	key := indexKey(tableBlock, signed.Header().Size)
	value, err := p.get(key)
	if err != nil || value == nil {
		return Block{}, false, err
	}
	rec, err := decodeBlock(key, value)
	if err != nil {
		return Block{}, false, err
	}
	kept, err := rec.Proof.Claimed()
	if err != nil {
		return Block{}, false, fmt.Errorf("%w: the block at %d: %w", ErrCorrupt, rec.First, err)
	}
	kept.Time = signed.Header().Time
	return rec, kept == signed.Header(), nil
}

// tell says what the block did whose record it is.
func (a *Applied) tell(p *pin, rec Block) error {
	a.First, a.Count = rec.First, int(rec.Count)
	for i := range rec.Count {
		raw, err := p.get(indexKey(tableEntry, rec.First+i))
		if err != nil {
			return err
		}
		a.Hashes = append(a.Hashes, hashOf(raw))
	}
	return nil
}
