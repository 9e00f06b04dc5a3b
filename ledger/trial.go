package ledger

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"concordat/ledger/merkle"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// The names of refusals that are the ledger's own; those of the state are in
// package state. They are stable: programs compare them.
const (
	MalformedStatement = "malformed-statement" // the bytes are not a statement in its one encoding
	WrongSignature     = "wrong-signature"     // the key that the state holds has not signed it
	RepeatedStatement  = "repeated-statement"  // it came before among the same candidates
)

// ClassOf is the broad answer to who erred, for the state's names and ours.
func ClassOf(v state.Verdict) state.Class {
	switch v.Name {
	case MalformedStatement:
		return state.Malformed
	case WrongSignature:
		return state.Forbidden
	case RepeatedStatement:
		return state.Conflict
	}
	return v.Class()
}

// Judgement is what applying a candidate would say.
type Judgement struct {
	Statement *statement.Verified // nil if it could not be read or verified
	Verdict   state.Verdict       // refuses it, or accepts it (Known: there is nothing to accept)
	Known     bool                // it is in the ledger already, at Index
	Index     uint64              // where it is, or, if accepted, where it would be
}

// Accepted reports whether the candidate may enter a block.
func (j Judgement) Accepted() bool { return !j.Known && j.Verdict.Accepted() }

// trial applies statements one after another to a pinned ledger, without
// writing: what is accepted counts for those after it. It is the one place
// where statements are judged, for the proposer (Judge), for every replica
// (Apply) and for the auditor (Check). It belongs to one goroutine.
type trial struct {
	network statement.NetworkID
	stored  state.Reader      // the state before the first
	tree    merkle.TileReader // the tree before the first
	size    uint64            // of the tree
	indexOf func(statement.Hash) (uint64, bool, error)
	over    overlay
	next    uint64                  // the index of the next that is accepted
	taken   []*statement.Unverified // those that were accepted
	seen    map[statement.Hash]struct{}
	keys    map[signer]ed25519.PublicKey
	wrote   func(index uint64, writes []state.Write) // told of each that is accepted; may be nil

	// seal says whether a seal, which the state takes at index, names the digests
	// of the state before it. It is asked only where the trial has taken nothing yet.
	seal func(index uint64, s *statement.SealState) (state.Verdict, error)
	// closed is the refusal of all others once a statement was taken that is alone
	// in its block: a seal or a recovery.
	closed *state.Verdict
	// vouched: a quorum has certified the statements, and no signature is looked at.
	vouched bool
}

// signer is who has signed, as a statement claims, and with which of its keys:
// one kid may be tried for kinds of several.
type signer struct {
	issuer statement.Region
	kid    statement.KeyID
	use    statement.KeyUse
}

func (l *Ledger) newTrial(p *pin) *trial {
	return newTrialOver(l.network, &remembering{Reader: p, found: map[string][]byte{}}, tiles{p}, p.indexOf, p.head.Size)
}

func newTrialOver(network statement.NetworkID, stored state.Reader, tree merkle.TileReader, indexOf func(statement.Hash) (uint64, bool, error), size uint64) *trial {
	return &trial{
		network: network, stored: stored, tree: tree, size: size, indexOf: indexOf, over: overlay{base: stored}, next: size,
		seen: map[statement.Hash]struct{}{}, keys: map[signer]ed25519.PublicKey{},
	}
}

// verify verifies many signatures at once, with the keys that the state held
// before the first. What it could not verify stays nil, for try to look into:
// a statement among them may have changed a key. A nil in us is passed over.
func (t *trial) verify(c *statement.Checker, us []*statement.Unverified) ([]*statement.Verified, error) {
	keys := make([]ed25519.PublicKey, len(us))
	for i, u := range us {
		if u == nil {
			continue
		}
		said := u.Statement()
		who := signer{said.Issuer, u.KeyID(), said.Kind().SignedWith()}
		key, asked := t.keys[who]
		if !asked {
			var err error
			if key, _, err = state.SigningKey(t.stored, who.issuer, who.kid, said.Kind()); err != nil {
				return nil, err
			}
			t.keys[who] = key
		}
		keys[i] = key
	}
	verified, _ := c.VerifyAll(us, keys) // why not is for try to say
	return verified, nil
}

// try judges a statement, which is to stand at t.next, and takes it if it is
// accepted. verified is it verified, or nil. The error is for a state that
// could not be read.
func (t *trial) try(it item, verified *statement.Verified) (Judgement, error) {
	u := it.Statement
	if t.closed != nil {
		return Judgement{Verdict: *t.closed}, nil
	}
	if _, again := t.seen[u.Hash()]; again {
		return refused(RepeatedStatement, "send it once", "statement %s comes twice", u.Hash()), nil
	}
	index, known, err := t.indexOf(u.Hash())
	if err != nil {
		return Judgement{}, err
	}
	if known {
		return Judgement{Statement: verified, Known: true, Index: index}, nil
	}
	said := u.Statement()
	if verified == nil {
		key, v, err := state.SigningKey(&t.over, said.Issuer, u.KeyID(), said.Kind())
		if err != nil {
			return Judgement{}, err
		}
		if !v.Accepted() {
			return Judgement{Verdict: v}, nil
		}
		if t.vouched {
			verified = u.Vouched(key)
		} else if verified, err = u.Verify(key); err != nil {
			return refused(WrongSignature, fmt.Sprintf("sign it with the %s key of the authority's directory", said.Kind().SignedWith()), "%v", err), nil
		}
	}
	writes, v, err := t.apply(it, verified)
	if err != nil {
		return Judgement{}, err
	}
	if v.Accepted() {
		if v, err = t.byTree(said.Body); err != nil {
			return Judgement{}, err
		}
	}
	j := Judgement{Statement: verified, Verdict: v}
	if v.Accepted() {
		j.Index = t.next
		t.over.add(writes)
		if t.wrote != nil {
			t.wrote(t.next, writes)
		}
		t.seen[u.Hash()] = struct{}{}
		t.taken = append(t.taken, u)
		t.next++
	}
	return j, nil
}

func (t *trial) apply(it item, verified *statement.Verified) ([]state.Write, state.Verdict, error) {
	if it.erased {
		return state.ApplyErased(&t.over, t.next, verified)
	}
	return state.Apply(&t.over, t.next, verified, it.Attachment)
}

func notAlone() state.Verdict {
	return state.Verdict{Name: state.SealMisplaced, Message: "a seal is alone in its block, and here it is not", Hint: "make a block of the seal, and another of the rest"}
}

func refused(name, hint, format string, a ...any) Judgement {
	return Judgement{Verdict: state.Verdict{Name: name, Message: fmt.Sprintf(format, a...), Hint: hint}}
}

// Judge says, for candidates in order, what applying them on the newest head
// would say, without writing anything: the leader's filter. Each accepted one
// counts for those after it, each refused one does not. Seals are refused,
// whoever made them: the leader's own is for JudgeAlone; and recoveries, unless
// there is one alone. The error is for a broken store, or wraps ErrLevel.
func (l *Ledger) Judge(cs []Candidate) ([]Judgement, error) {
	v := l.View()
	if v.err != nil {
		return nil, v.err
	}
	js, err := l.JudgeAt(v, cs)
	return js, errors.Join(err, v.Close())
}

// JudgeAt is Judge on the head of a view, so that a block's base and its
// statements are judged as one.
func (l *Ledger) JudgeAt(v *View, cs []Candidate) ([]Judgement, error) {
	return l.judge(v, cs, offeredSeal)
}

// judge is JudgeAt, with a word on seals (trial.seal).
func (l *Ledger) judge(v *View, cs []Candidate, seal func(uint64, *statement.SealState) (state.Verdict, error)) ([]Judgement, error) {
	if err := l.Err(); err != nil {
		return nil, err
	}
	if v.err != nil {
		return nil, v.err
	}
	out := make([]Judgement, len(cs))
	us := parseAll(cs, out)
	t := l.newTrial(v.pin)
	t.seal = seal
	verified, err := t.verify(l.options.Checker, us)
	if err != nil {
		return nil, v.blame(fmt.Errorf("judging: %w", err))
	}
	for i, u := range us {
		if u == nil {
			continue // out[i] says why
		}
		if said := u.Statement(); len(cs) > 1 && said.Kind() == statement.NetworkRecovery {
			out[i].Verdict = recoveryNotAlone() // or all the others would be refused for it
			continue
		}
		if out[i], err = t.try(newItem(u, cs[i].Attachment), verified[i]); err != nil {
			return nil, v.blame(fmt.Errorf("judging: %w", err))
		}
	}
	return out, nil
}

// parseAll gives each candidate parsed; where that fails, nil, and the refusal
// in its place in js. Parsing needs no order, and takes all processors.
func parseAll(cs []Candidate, js []Judgement) []*statement.Unverified {
	out := make([]*statement.Unverified, len(cs))
	workers := min(runtime.GOMAXPROCS(0), len(cs))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := len(cs) * w / workers; i < len(cs)*(w+1)/workers; i++ {
				u, err := statement.Parse(cs[i].Raw)
				if err != nil {
					js[i] = refused(MalformedStatement, "make it again with a current release", "%v", err)
					continue
				}
				out[i] = u
			}
		})
	}
	wg.Wait()
	return out
}
