package certify

import (
	"slices"
	"strings"
	"testing"

	"concordat/ledger"
	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// Validators change here without votes: a block of the chain is said to be one
// that changes them. What certification has to do with a change is who certifies
// which size of which history, and nothing else.

// era is an electorate of the histories that have its root at its first size.
type era struct {
	checkpoint.Electorate
	root merkle.Hash
}

// setOf gives validators by id, with the version of their keys after a slash:
// "XA", "XB/2".
func setOf(specs ...string) checkpoint.Validators {
	var out checkpoint.Validators
	for _, s := range specs {
		id, version, _ := strings.Cut(s, "/")
		out = append(out, checkpoint.Validator{
			ID:     statement.Region(id),
			Cosign: publicOf(testKey(id + "/cosign" + version)),
			Node:   publicOf(testKey(id + "/node" + version)),
		})
	}
	return out
}

// begins founds a world with some of its validators.
func (w *world) begins(specs ...string) {
	w.eras = []era{{checkpoint.Electorate{Origin: testOrigin, Sets: []checkpoint.Validators{setOf(specs...)}}, merkle.EmptyRoot()}}
}

// erasOf are those of a ledger's history, up to its size.
func (w *world) erasOf(v *ledger.View) (checkpoint.Electorates, error) {
	w.mu.Lock()
	all := slices.Clone(w.eras)
	w.mu.Unlock()
	var out checkpoint.Electorates
	for _, e := range all {
		if e.From > v.Head().Size {
			continue
		}
		root, err := v.RootAt(e.From)
		if err != nil {
			return nil, err
		}
		if root == e.root {
			out = append(out, e.Electorate)
		}
	}
	return out, nil
}

// elects has a member certify as the eras say, with the keys that it has.
func (m *member) elects(c *Config) {
	c.electorates = m.w.erasOf
	c.electorateAt = func(v *ledger.View, size uint64) (checkpoint.Electorate, error) {
		all, err := m.w.erasOf(v)
		return all.At(size), err
	}
	c.Ledger = elected{m.ledger, m}
	if m.origin != "" {
		c.Origin = m.origin
	}
	c.Ran, c.Former = m.ran, nil
	for i, version := range m.keys {
		k := Keys{testKey(m.id + "/cosign" + version), testKey(m.id + "/node" + version)}
		if i == 0 {
			c.Cosign, c.Node = k.Cosign, k.Node
		} else {
			c.Former = append(c.Former, k)
		}
	}
}

// elected is a ledger that keeps what those certify who do by the eras.
type elected struct {
	*ledger.Ledger
	m *member
}

func (l elected) Certified() *checkpoint.Certified {
	if x := l.m.kept; x != nil && x.Checkpoint().Size > l.Head().Size {
		l.m.kept = nil // the crash that cut the ledger took it along
	}
	return l.m.kept
}

func (l elected) Certify(x *checkpoint.Certified) error {
	v := l.View()
	defer v.Close() // it was only read
	if err := l.m.w.quorumsAt(v, x); err != nil {
		return err
	}
	l.m.kept = x
	return nil
}

// quorumsAt says whether a certificate has the quorums of all sets of its size.
func (w *world) quorumsAt(v *ledger.View, x *checkpoint.Certified) error {
	all, err := w.erasOf(v)
	if err != nil {
		return err
	}
	n, err := checkpoint.ParseNote(x.Note())
	if err != nil {
		return err
	}
	_, err = n.CertifyBy(all.At(n.Checkpoint.Size))
	return err
}

// checkQuorums holds what a node calls final against the sets of that size.
func (w *world) checkQuorums(m *member, x *checkpoint.Certified) {
	if len(w.eras) == 0 {
		if len(x.Cosigners()) < w.validators().Quorum() {
			w.fault("%s calls size %d final with %d co-signatures", m.id, x.Checkpoint().Size, len(x.Cosigners()))
		}
		return
	}
	v := m.ledger.View()
	defer v.Close() // it was only read
	if err := w.quorumsAt(v, x); err != nil {
		w.fault("%s calls size %d final: %v", m.id, x.Checkpoint().Size, err)
	}
}

func (w *world) allSets() []checkpoint.Validators {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.eras) == 0 {
		return append(w.also, w.validators())
	}
	var out []checkpoint.Validators
	for _, e := range w.eras {
		out = append(out, e.Sets...)
	}
	return out
}

// next adds a block to a chain with which an electorate begins.
func (w *world) next(c *chain, origin string, sets ...checkpoint.Validators) mark {
	w.t.Helper()
	m := c.add(1)
	w.mu.Lock()
	w.eras = append(w.eras, era{checkpoint.Electorate{From: m.size, Origin: origin, Sets: sets}, m.root})
	w.mu.Unlock()
	return m
}

// changes has the order decide that others are the validators from now on,
// beside those who are.
func (w *world) changes(specs ...string) mark {
	w.t.Helper()
	now := w.eras[len(w.eras)-1]
	if len(now.Sets) != 1 {
		w.t.Fatal("they change already")
	}
	return w.next(w.chain, now.Origin, now.Sets[0], setOf(specs...))
}

// handsOver has the order say that those after the change certify alone, once
// some node has a certificate with both quorums; and everybody apply it.
func (w *world) handsOver(ids ...string) mark {
	w.t.Helper()
	now := w.eras[len(w.eras)-1]
	w.final(now.From, ids...)
	m := w.next(w.chain, now.Origin, now.Newest())
	w.apply(ids...)
	return m
}

// inEras is inBubble with eight nodes, XA to XH, of which some are validators at
// first, and the observer XZ.
func inEras(t *testing.T, seed uint64, first string, fn func(t *testing.T, w *world)) {
	t.Helper()
	inBubbleOf(t, makeDoc(8), seed, func(t *testing.T, w *world) {
		w.begins(strings.Fields(first)...)
		fn(t, w)
	})
}

// newKeys restarts a validator with a version of its keys, and those it had.
func (m *member) newKeys(versions ...string) {
	m.w.t.Helper()
	m.stop()
	m.keys = versions
	m.w.start(m.id)
}

// signedBy gives the sizes that left a node with its signature, from a size on.
func (w *world) signedBy(id string, from uint64) (out []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range w.vouched[id] {
		if v.size >= from {
			out = append(out, v.size)
		}
	}
	return out
}

// follows makes another node the leader.
func (w *world) follows(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leader = id
}

// remembers gives what the signer's file says.
func (m *member) remembers() signed {
	m.cert.mu.Lock()
	defer m.cert.mu.Unlock()
	return m.cert.signed
}
