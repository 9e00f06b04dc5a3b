// Package ledgertest makes ledgers whose validators change, for the tests of all
// who have to follow them: receipts, bundles, catching up, audits.
//
// It promises that whatever it puts into a ledger is what honest nodes would
// have, by the ledger's own rules, and the same for the same calls. It is for
// tests alone.
package ledgertest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// Begins is the time of a world's first block.
var Begins = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// Entry is one entry of the order that a world was made by.
type Entry struct {
	At  ledger.Position
	Raw []byte
}

// World is a network with all its keys, and a ledger that grows by its order.
type World struct {
	T       testing.TB
	Doc     *genesis.Document
	Ledger  *ledger.Ledger
	Entries []Entry
	Now     time.Time // of the newest block
	// Certificate is what Certify made last.
	Certificate *checkpoint.Certified

	network     statement.NetworkID
	generations map[string]int // of keys, by authority and use
	past        map[string]ed25519.PrivateKey
	said        int
}

// New founds a network of validators. Everybody else joins by a vote.
func New(t testing.TB, name string, ids ...statement.Region) *World {
	t.Helper()
	w := &World{T: t, Now: Begins, generations: map[string]int{}, past: map[string]ed25519.PrivateKey{}}
	var ds []genesis.Descriptor
	for _, id := range ids {
		d := w.descriptor(id)
		d.Authority.Role = ""
		ds = append(ds, *d)
	}
	var err error
	if w.Doc, err = genesis.New(name, Begins, ds); err != nil {
		t.Fatal(err)
	}
	w.network = w.Doc.ID()
	w.Ledger = w.Open(vfs.NewMem())
	t.Cleanup(func() {
		if err := w.Ledger.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return w
}

// Open opens a ledger of the network, or founds it, where Dir is "ledger".
func (w *World) Open(fs vfs.FS) *ledger.Ledger {
	w.T.Helper()
	l, err := ledger.Open(w.Doc, w.Options(fs))
	if err != nil {
		w.T.Fatalf("opening: %v", err)
	}
	return l
}

// Options are small ones.
func (w *World) Options(fs vfs.FS) ledger.Options {
	return ledger.Options{Dir: "ledger", FS: fs, CacheBytes: 1 << 20, MemTableBytes: 256 << 10, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

// Key is an authority's key of a use, as it is now.
func (w *World) Key(id statement.Region, use statement.KeyUse) ed25519.PrivateKey {
	return w.keyOf(id, use, w.generations[string(id)+"/"+string(use)])
}

func (w *World) keyOf(id statement.Region, use statement.KeyUse, generation int) ed25519.PrivateKey {
	seed := sha256.Sum256(fmt.Appendf(nil, "ledgertest %s %s %d", id, use, generation))
	key := ed25519.NewKeyFromSeed(seed[:])
	w.past[string(key.Public().(ed25519.PublicKey))] = key
	return key
}

// NewKey is the key that comes after an authority's present one. Took says that
// the ledger has taken it.
func (w *World) NewKey(id statement.Region, use statement.KeyUse) statement.NewKey {
	next := w.keyOf(id, use, w.generations[string(id)+"/"+string(use)]+1)
	return statement.ProveKey(w.network, id, use, next)
}

// Took makes the next key of a use an authority's present one.
func (w *World) Took(id statement.Region, use statement.KeyUse) {
	w.generations[string(id)+"/"+string(use)]++
}

func (w *World) descriptor(id statement.Region) *genesis.Descriptor {
	w.T.Helper()
	d, err := genesis.SignDescriptor(genesis.Authority{
		ID: id, Name: "Authority of " + string(id), Addresses: []string{"/dns/" + strings.ToLower(string(id)) + ".example/tcp/4001"},
	}, genesis.PrivateKeys{
		Governance: w.Key(id, statement.UseGovernance), Statement: w.Key(id, statement.UseStatement),
		Node: w.Key(id, statement.UseNode), Cosign: w.Key(id, statement.UseCosign),
	})
	if err != nil {
		w.T.Fatal(err)
	}
	return d
}

// Admission is the action that admits an authority.
func (w *World) Admission(id statement.Region, role statement.Role) statement.Action {
	return statement.Action{Admit: &statement.Admit{Descriptor: w.descriptor(id).Encode(), Role: role}}
}

// Sign makes a statement that the ledger takes next.
func (w *World) Sign(by statement.Region, body statement.Body) ledger.Candidate {
	w.T.Helper()
	s := statement.Statement{Issuer: by, Network: w.network, IssuedAt: statement.TimeOf(w.Now), Body: body}
	if body.Kind().HasRevision() {
		w.View(func(v *ledger.View) {
			at, err := v.State().Revision(body.Subject(by))
			if err != nil {
				w.T.Fatal(err)
			}
			s.Revision = at + 1
		})
	}
	v, err := statement.Sign(s, w.Key(by, body.Kind().SignedWith()))
	if err != nil {
		w.T.Fatalf("signing a %s: %v", body.Kind(), err)
	}
	return ledger.Candidate{Raw: v.Raw()}
}

// View shows the ledger as it is now.
func (w *World) View(show func(v *ledger.View)) {
	w.T.Helper()
	v := w.Ledger.View()
	show(v)
	if err := v.Close(); err != nil {
		w.T.Error(err)
	}
}

// Block makes the next block, proposed by a validator.
func (w *World) Block(cs ...ledger.Candidate) []byte {
	w.T.Helper()
	head := w.Ledger.Head()
	w.Now = w.Now.Add(time.Second)
	h := block.Header{Network: w.network, Term: 1, Size: head.Size, Root: head.Root, Time: w.Now.UnixMilli()}
	w.View(func(v *ledger.View) {
		vs, err := v.State().Validators()
		if err != nil {
			w.T.Fatal(err)
		}
		h.Proposer = vs[int(head.Size)%len(vs)].ID
	})
	var statements, attachments [][]byte
	for _, c := range cs {
		statements = append(statements, c.Raw)
		if c.Attachment != nil {
			attachments = append(attachments, c.Attachment)
		}
	}
	raw, err := block.Seal(h, statements, attachments, w.Key(h.Proposer, statement.UseNode))
	if err != nil {
		w.T.Fatal(err)
	}
	return raw
}

// Next is the position of the next entry.
func (w *World) Next() ledger.Position {
	return ledger.Position{Index: w.Ledger.Head().Applied.Index + 2, Term: 1} // some entries hold no block
}

// Say has a block of statements ordered, and gives the index of the first.
func (w *World) Say(cs ...ledger.Candidate) uint64 {
	w.T.Helper()
	e := Entry{w.Next(), w.Block(cs...)}
	a, err := w.Ledger.Apply(e.At, e.Raw)
	if err != nil || a.Refused != "" {
		w.T.Fatalf("at size %d: %s %s %v", w.Ledger.Head().Size, a.Refused, a.Detail, err)
	}
	w.Entries = append(w.Entries, e)
	return a.First
}

// Fill says some things that change no validators.
func (w *World) Fill(blocks int) {
	w.T.Helper()
	for range blocks {
		w.said++
		by := w.validators()[w.said%len(w.validators())]
		w.Say(w.Sign(by, &statement.DeclareRisk{RiskLevel: statement.RiskLevel{
			Area: statement.Area(fmt.Sprintf("%s-%d", by, w.said)), Scheme: "default", Level: "high", From: statement.TimeOf(Begins), Lookback: 14,
		}}))
	}
}

// validators are those who may speak.
func (w *World) validators() (out []statement.Region) {
	w.View(func(v *ledger.View) {
		vs, err := v.State().Validators()
		if err != nil {
			w.T.Fatal(err)
		}
		for _, v := range vs {
			if !v.Suspended {
				out = append(out, v.ID)
			}
		}
	})
	return out
}

// Carry proposes an action and has others vote for it until it is carried out.
// It gives the index of the statement that decided.
func (w *World) Carry(a statement.Action) (index uint64) {
	w.T.Helper()
	return w.Say(w.Decide(a))
}

// Decide is Carry up to the deciding statement, which it gives.
func (w *World) Decide(a statement.Action) ledger.Candidate {
	w.T.Helper()
	body := &statement.Propose{Action: a, Reason: "a test"}
	voters := w.validators()
	if voter := a.Suspend; voter != nil {
		voters = slices.DeleteFunc(voters, func(id statement.Region) bool { return id == voter.Authority })
	}
	by := voters[0]
	for _, id := range voters {
		if !w.concerns(a, id) {
			by = id
			break
		}
	}
	proposal := w.Sign(by, body)
	if w.decides(proposal) {
		return proposal
	}
	index := w.Say(proposal)
	u, err := statement.Parse(proposal.Raw)
	if err != nil {
		w.T.Fatal(err)
	}
	for _, id := range voters {
		if id == by || w.concerns(a, id) {
			continue
		}
		vote := w.Sign(id, &statement.Vote{Proposal: index, Of: u.Hash(), Yes: true})
		if w.decides(vote) {
			return vote
		}
		w.Say(vote)
	}
	w.T.Fatalf("nobody is left to vote on proposal %d", index)
	return ledger.Candidate{}
}

func (w *World) concerns(a statement.Action, id statement.Region) bool {
	return a.Expel != nil && a.Expel.Authority == id || a.ChangeRole != nil && a.ChangeRole.Authority == id ||
		a.Suspend != nil && a.Suspend.Authority == id || a.Restore != nil && a.Restore.Authority == id
}

// decides reports whether a statement would carry its proposal out.
func (w *World) decides(c ledger.Candidate) (is bool) {
	w.T.Helper()
	u, err := statement.Parse(c.Raw)
	if err != nil {
		w.T.Fatal(err)
	}
	said := u.Statement()
	w.View(func(v *ledger.View) {
		vote, votes := said.Body.(*statement.Vote)
		if !votes {
			is = len(w.validators()) == 1
			return
		}
		p, known, err := v.State().Proposal(vote.Proposal)
		if err != nil || !known {
			w.T.Fatalf("proposal %d: %v", vote.Proposal, err)
		}
		if p.Status != state.ProposalOpen {
			w.T.Fatalf("proposal %d is %s: %s", vote.Proposal, p.Status, p.Why)
		}
		is = len(p.Yes)+1 >= p.Needed
	})
	return is
}

// Seal has the state sealed.
func (w *World) Seal() uint64 {
	w.T.Helper()
	body, err := w.Ledger.MakeSeal(statement.Time(w.Now.Add(time.Second).Unix()))
	if err != nil {
		w.T.Fatal(err)
	}
	return w.Say(w.Sign(w.validators()[0], &body))
}

// Note is the checkpoint of a ledger's head, co-signed by all that certify it;
// with some named, by them alone.
func (w *World) Note(l *ledger.Ledger, only ...statement.Region) []byte {
	w.T.Helper()
	v := l.View()
	head := v.Head()
	e, err := v.State().ElectorateAt(head.Size)
	if err != nil {
		w.T.Fatal(err)
	}
	if err := v.Close(); err != nil {
		w.T.Fatal(err)
	}
	cp := checkpoint.Checkpoint{Origin: e.Origin, Size: head.Size, Root: head.Root}
	var lines []string
	for _, set := range e.Sets {
		for _, v := range set {
			key, has := w.past[string(v.Cosign)]
			if !has || len(only) > 0 && !slices.Contains(only, v.ID) {
				continue
			}
			s, err := checkpoint.Cosign(cp, v.ID, w.Now, key)
			if err != nil {
				w.T.Fatal(err)
			}
			lines = append(lines, s.Line)
		}
	}
	return checkpoint.Assemble(cp, lines).Bytes()
}

// Certified is Note, verified.
func (w *World) Certified(l *ledger.Ledger) *checkpoint.Certified {
	w.T.Helper()
	n, err := checkpoint.ParseNote(w.Note(l))
	if err != nil {
		w.T.Fatal(err)
	}
	v := l.View()
	e, err := v.State().ElectorateAt(n.Checkpoint.Size)
	if err != nil {
		w.T.Fatal(err)
	}
	if err := v.Close(); err != nil {
		w.T.Fatal(err)
	}
	c, err := n.CertifyBy(e)
	if err != nil {
		w.T.Fatal(err)
	}
	return c
}

// Certify has the ledger keep a certificate of its head.
func (w *World) Certify() *checkpoint.Certified {
	w.T.Helper()
	w.Certificate = w.Certified(w.Ledger)
	if err := w.Ledger.Certify(w.Certificate); err != nil {
		w.T.Fatal(err)
	}
	return w.Certificate
}

// HandOver seals the change of validators that is under way, and gives the
// handover that ends it.
func (w *World) HandOver() ledger.Candidate {
	w.T.Helper()
	seal := w.Seal()
	note := w.Certify().Note()
	return w.Sign(w.validators()[0], &statement.HandOver{Seal: seal, Note: note})
}

// Change carries out an action that changes the validators, and hands over.
func (w *World) Change(a statement.Action) {
	w.T.Helper()
	w.Carry(a)
	w.Fill(1)
	w.Say(w.HandOver())
}

// Rotate has an authority change one of its keys, with its governance key, or
// that one by the others' vote. It hands over if the authority is a validator.
func (w *World) Rotate(id statement.Region, use statement.KeyUse) {
	w.T.Helper()
	next := w.NewKey(id, use)
	switch use {
	case statement.UseGovernance:
		w.Carry(statement.Action{RotateKey: &statement.RotateKey{Authority: id, NewKey: next}})
	default:
		w.Say(w.Sign(id, &statement.RotateOwnKey{NewKey: next}))
	}
	w.Took(id, use)
	if use != statement.UseStatement && slices.Contains(w.validators(), id) {
		w.Fill(1)
		w.Say(w.HandOver())
	}
}

// Recovery is a recovery of the ledger as it is, with these validators, signed by
// those; the first makes it.
func (w *World) Recovery(goOn []statement.Region, signers ...statement.Region) ledger.Candidate {
	w.T.Helper()
	head := w.Ledger.Head()
	plan := statement.RecoveryPlan{Size: head.Size, Root: head.Root, Validators: goOn, Reason: "three disks were lost"}
	w.View(func(v *ledger.View) {
		n, err := v.State().Network()
		if err != nil {
			w.T.Fatal(err)
		}
		plan.Lineage = max(n.Lineage, 1) + 1
	})
	message, err := statement.RecoveryMessage(w.network, plan)
	if err != nil {
		w.T.Fatal(err)
	}
	body := &statement.Recover{Plan: plan}
	for _, id := range signers {
		body.Signatures = append(body.Signatures, statement.RecoverySignature{
			Authority: id, Signature: ed25519.Sign(w.Key(id, statement.UseGovernance), message),
		})
	}
	return w.Sign(signers[0], body)
}

// TenChanges has validators join, leave, and change each of their keys: ten
// changes from four founding validators XA to XD, none of whom remains.
func (w *World) TenChanges() {
	w.T.Helper()
	w.Fill(3)
	for _, id := range []statement.Region{"YA", "YB"} {
		w.Change(w.Admission(id, statement.RoleValidator))
	}
	w.Rotate("XB", statement.UseCosign)
	w.Change(statement.Action{ChangeRole: &statement.ChangeRole{Authority: "XA", Role: statement.RoleObserver}})
	w.Rotate("XC", statement.UseNode)
	w.Rotate("YA", statement.UseGovernance)
	w.Rotate("YA", statement.UseStatement)
	w.Change(w.Admission("YC", statement.RoleValidator))
	for _, id := range []statement.Region{"XB", "XC", "XD"} {
		w.Change(statement.Action{Expel: &statement.Expel{Authority: id}})
	}
	w.Fill(2)
	w.Certify()
}
