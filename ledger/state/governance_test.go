package state

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// republic is a world in which random authorities govern: it knows which of
// their keys count now.
type republic struct {
	*world
	t     *rapid.T
	names map[string]string // of every key that was ever made, by the public key
	made  int               // keys so far
	was   map[uint64]Proposal
	sizes []checkpoint.Electorate // by size, as it was when the ledger had that size
}

var citizens = []statement.Region{"XA", "XB", "XC", "XD", "XE", "XF"}

// key is the one that an authority has now for a use; one that counts for
// nothing if it has none.
func (r *republic) key(id statement.Region, use Use) ed25519.PrivateKey {
	au, _, err := View{r.mem}.Authority(id)
	if err != nil {
		r.t.Fatal(err)
	}
	return testKey(r.names[string(au.Key(use))])
}

// name makes a key, to be found again by its public half.
func (r *republic) name(name string) ed25519.PrivateKey {
	k := testKey(name)
	r.names[string(k.Public().(ed25519.PublicKey))] = name
	return k
}

// newKey is one that nobody has had.
func (r *republic) newKey(of statement.Region, uses []statement.KeyUse) statement.NewKey {
	r.made++
	return statement.ProveKey(r.net, of, rapid.SampledFrom(uses).Draw(r.t, "use"), r.name(fmt.Sprint("key ", r.made)))
}

func (r *republic) say(by statement.Region, body statement.Body) bool {
	s := r.sign(by, r.next(by, body), body, r.key(by, signs(body.Kind())))
	return r.apply(s, nil).Accepted()
}

// action draws something to propose, and what to note when it is carried.
func (r *republic) action() (a statement.Action) {
	id := rapid.SampledFrom(citizens).Draw(r.t, "about")
	role := rapid.SampledFrom([]statement.Role{statement.RoleObserver, statement.RoleValidator}).Draw(r.t, "role")
	switch rapid.IntRange(0, 7).Draw(r.t, "action") {
	case 0:
		r.made++
		set := fmt.Sprint("-", r.made)
		for _, u := range uses {
			r.name(string(id) + set + "/" + string(u))
		}
		a.Admit = &statement.Admit{Descriptor: descriptor(r.t, id, set), Role: role}
	case 1, 2:
		a.ChangeRole = &statement.ChangeRole{Authority: id, Role: role}
	case 3:
		a.Suspend = &statement.SuspendAuthority{Authority: id}
	case 4:
		a.Restore = &statement.RestoreAuthority{Authority: id}
	case 5:
		a.Expel = &statement.Expel{Authority: id}
	case 6:
		a.RotateKey = &statement.RotateKey{Authority: id, NewKey: r.newKey(id, statement.KeyUses)}
	case 7:
		at := rapid.SampledFrom([]string{"majority", "two-thirds", "all"})
		a.ChangePolicy = &statement.ChangePolicy{AdmitObserver: at.Draw(r.t, "t"), AdmitValidator: at.Draw(r.t, "t"), Suspend: at.Draw(r.t, "t"),
			Expel: at.Draw(r.t, "t"), RotateKeys: at.Draw(r.t, "t"), ChangePolicy: at.Draw(r.t, "t")}
	}
	return a
}

func (r *republic) step() {
	by := rapid.SampledFrom(citizens).Draw(r.t, "by")
	v := View{r.mem}
	switch rapid.IntRange(0, 9).Draw(r.t, "step") {
	case 0, 1:
		if vs := r.validators(); by != "XF" { // mostly by those who may
			by = rapid.SampledFrom(vs).Draw(r.t, "validator").ID
		}
		r.say(by, &statement.Propose{Action: r.action(), Reason: "reason"})
	case 2, 3, 4, 5:
		if p, open := r.open(); open {
			if waits := p.WaitsFor(); len(waits) > 0 && by != "XF" {
				by = rapid.SampledFrom(waits).Draw(r.t, "elector")
			}
			r.say(by, &statement.Vote{Proposal: p.Index, Of: p.Hash, Yes: rapid.IntRange(0, 3).Draw(r.t, "yes") > 0})
		}
	case 6:
		if p, open := r.open(); open {
			r.say(p.By, &statement.WithdrawProposal{Proposal: p.Index, Of: p.Hash})
		}
	case 7:
		r.say(by, &statement.RotateOwnKey{NewKey: r.newKey(by, statement.KeyUses[1:])})
	case 8:
		r.say(by, r.sealNow(statement.Time(r.index+1)))
	case 9:
		h, pending, err := v.PendingHandover()
		if err != nil {
			r.t.Fatal(err)
		}
		if pending && h.SealedAt != nil {
			r.say(by, &statement.HandOver{Seal: *h.SealedAt, Note: r.everyonesNote()})
		}
	}
}

// open is one of the open proposals.
func (r *republic) open() (Proposal, bool) {
	all, err := View{r.mem}.Proposals()
	if err != nil {
		r.t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(p Proposal) bool { return p.Status != ProposalOpen })
	if len(all) == 0 {
		return Proposal{}, false
	}
	return rapid.SampledFrom(all).Draw(r.t, "proposal"), true
}

// everyonesNote is a checkpoint of now that all validators co-sign with all their keys.
func (r *republic) everyonesNote() []byte {
	e, err := View{r.mem}.ElectorateAt(r.index)
	if err != nil {
		r.t.Fatal(err)
	}
	var ids []statement.Region
	var keys []ed25519.PrivateKey
	seen := map[string]bool{}
	for _, set := range e.Sets {
		for _, m := range set {
			if !seen[string(m.Cosign)] {
				seen[string(m.Cosign)] = true
				ids, keys = append(ids, m.ID), append(keys, testKey(r.names[string(m.Cosign)]))
			}
		}
	}
	return r.note(r.index, ids, keys)
}

// check compares with what was before: what must not have changed has not.
func (r *republic) check() {
	v := View{r.mem}
	all, err := v.Proposals()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range all {
		old, known := r.was[p.Index]
		r.was[p.Index] = p
		if !known {
			continue
		}
		switch {
		case !slices.Equal(p.Electorate, old.Electorate) || p.Needed != old.Needed || p.Hash != old.Hash || !reflect.DeepEqual(p.Action, old.Action):
			r.t.Fatalf("proposal %d was\n%+v, and is\n%+v", p.Index, old, p)
		case old.Status != ProposalOpen && !reflect.DeepEqual(p, old):
			r.t.Fatalf("proposal %d was closed as\n%+v, and is\n%+v", p.Index, old, p)
		case len(p.Yes) < len(old.Yes) || len(p.No) < len(old.No) || !slices.Equal(p.Yes[:len(old.Yes)], old.Yes) || !slices.Equal(p.No[:len(old.No)], old.No):
			r.t.Fatalf("the votes on proposal %d were\n%+v, and are\n%+v", p.Index, old, p)
		}
	}
	now, err := v.ElectorateAt(r.index)
	if err != nil {
		r.t.Fatal(err)
	}
	for uint64(len(r.sizes)) <= r.index {
		r.sizes = append(r.sizes, now)
	}
	for _, set := range now.Sets {
		if !slices.ContainsFunc(set, func(v checkpoint.Validator) bool { return !v.Suspended }) {
			r.t.Fatalf("nobody is left to vouch: %+v", set)
		}
	}
	dump(r.world.t, r.mem) // ST13, ST16, ST17, ST18
}

// checkSizes asks who certifies each size, of whom it was the turn then.
func (r *republic) checkSizes() {
	v := View{r.mem}
	es, err := v.Electorates()
	if err != nil {
		r.t.Fatal(err)
	}
	for size, want := range r.sizes {
		at, err := v.ElectorateAt(uint64(size))
		if err != nil || !reflect.DeepEqual(at, want) || !reflect.DeepEqual(es.At(uint64(size)), want) {
			r.t.Fatalf("of size %d the electorate from %d on is asked for, with %d sets, or from %d on, in the list (%v); it was from %d on, with %d sets",
				size, at.From, len(at.Sets), es.At(uint64(size)).From, err, want.From, len(want.Sets))
		}
	}
}

// TestRepublic governs at random. Whatever is proposed, voted and rotated: who
// may vote on a proposal, and how many carry it, stays as it was proposed; votes
// are only added, and one for each; what is closed stays as it is; who certified
// a size goes on being who did; and (in apply, ST4) no record of another is
// written but by a carried proposal.
func TestRepublic(t *testing.T) {
	carried := 0
	rapid.Check(t, func(rt *rapid.T) {
		r := &republic{world: newWorldOf(t, 4, 1, citizens[:5]...), t: rt, names: map[string]string{}, was: map[uint64]Proposal{}}
		for _, id := range citizens {
			for _, u := range uses {
				r.name(string(id) + "/" + string(u))
			}
		}
		r.check()
		for range rapid.IntRange(1, 80).Draw(rt, "steps") {
			r.step()
			r.check()
		}
		r.checkSizes()
		for _, p := range r.was {
			if p.Status == ProposalCarried {
				carried++
			}
		}
	})
	t.Logf("%d proposals were carried", carried)
	if carried < 20 {
		t.Errorf("only %d proposals were carried: this test tests little", carried)
	}
}

// TestLevelAhead: a vote that turns on rules which this program does not know is
// no verdict, and changes nothing; nor is a state of such a network read.
func TestLevelAhead(t *testing.T) {
	w := newWorldOf(t, 3, genesis.ProtocolLevel, "XA", "XB", "XC")
	w.must("XA", raise(genesis.ProtocolLevel+1), nil)
	p, _, err := View{w.mem}.Proposal(0)
	if err != nil {
		t.Fatal(err)
	}
	yes := &statement.Vote{Proposal: 0, Of: p.Hash, Yes: true}
	w.must("XB", yes, nil)
	before := digest(t, w.mem)
	writes, v, err := Apply(w.mem, w.index, w.sign("XC", 0, yes, testKey("XC/governance")), nil)
	if !errors.Is(err, ErrLevel) || errors.Is(err, ErrCorrupt) || len(writes) != 0 || !v.Accepted() {
		t.Errorf("the deciding vote: %d writes, %s, %v; want ErrLevel", len(writes), v, err)
	}
	if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("this program knows %d: install a newer version", genesis.ProtocolLevel)) {
		t.Errorf("the error does not say what to do: %v", err)
	}
	if digest(t, w.mem) != before {
		t.Error("the state has changed")
	}
	w.must("XC", &statement.Vote{Proposal: 0, Of: p.Hash}, nil) // a no is as good as ever

	alone := newWorldOf(t, 1, genesis.ProtocolLevel, "XA")
	body := raise(genesis.ProtocolLevel + 1)
	if _, _, err := Apply(alone.mem, 0, alone.sign("XA", 1, body, testKey("XA/governance")), nil); !errors.Is(err, ErrLevel) {
		t.Errorf("a proposal that carries itself: %v, want ErrLevel", err)
	}

	n, err := View{w.mem}.Network()
	if err != nil {
		t.Fatal(err)
	}
	n.ProtocolLevel = genesis.ProtocolLevel + 1
	w.mem.Put([]Write{put(&n)})
	if _, err := (View{w.mem}).Network(); !errors.Is(err, ErrLevel) {
		t.Errorf("a state of a newer level: %v, want ErrLevel", err)
	}
	s := w.sign("XA", 1, &statement.Grant{Terms: statement.Terms{Region: "XB"}}, testKey("XA/statement"))
	if _, _, err := Apply(w.mem, w.index, s, nil); !errors.Is(err, ErrLevel) {
		t.Errorf("applying to it: %v, want ErrLevel", err)
	}
}

// TestManyValidators: there are so many and no more, and the records of the
// largest network are read back while it hands over.
func TestManyValidators(t *testing.T) {
	var ids []statement.Region
	for i := range statement.MaxValidators + 1 {
		ids = append(ids, statement.Region(fmt.Sprintf("XA-%04d", i)))
	}
	w := newWorldOf(t, statement.MaxValidators, 1, ids...)
	role := func(i int, r statement.Role) statement.Action {
		return statement.Action{ChangeRole: &statement.ChangeRole{Authority: ids[i], Role: r}}
	}
	one := &statement.Propose{Action: role(statement.MaxValidators, statement.RoleValidator), Reason: "reason"}
	if v := w.say(ids[0], one, nil); v.Name != TooManyValidators {
		t.Errorf("validator %d: %s, want %s", statement.MaxValidators+1, v, TooManyValidators)
	}
	if v := w.say(ids[statement.MaxValidators], one, nil); v.Name != NotAValidator {
		t.Errorf("proposed by an observer: %s, want %s", v, NotAValidator)
	}
	w.must(ids[0], &statement.Propose{Action: role(1, statement.RoleObserver), Reason: "reason"}, nil)
	p, _, err := View{w.mem}.Proposal(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range p.WaitsFor()[:p.Needed-1] {
		w.must(id, &statement.Vote{Proposal: 0, Of: p.Hash, Yes: true}, nil)
	}
	if h, pending, err := (View{w.mem}).PendingHandover(); err != nil || !pending || h.ChangedAt != w.index-1 || h.SealedAt != nil {
		t.Errorf("%d votes of %d, and pending is %v, %+v (%v)", p.Needed, len(p.Electorate), pending, h, err)
	}
	dump(t, w.mem)
}

// TestManyRotations: an authority may replace its keys as often as it likes; the
// oldest are forgotten in its record, and never counted as new again.
func TestManyRotations(t *testing.T) {
	w := newWorld(t, "XA", "XB")
	rotate := func(name string) Verdict {
		return w.say("XA", &statement.RotateOwnKey{NewKey: statement.ProveKey(w.net, "XA", statement.UseStatement, testKey(name))}, nil)
	}
	for i := range maxOldKeys + 5 {
		if v := rotate(fmt.Sprint("key ", i)); !v.Accepted() {
			t.Fatalf("rotation %d: %s", i, v)
		}
	}
	a, _, err := View{w.mem}.Authority("XA")
	if err != nil || len(a.Keys) != maxOldKeys+4 || a.Forgotten != 5 {
		t.Errorf("%d keys, %d forgotten (%v); want %d and 5", len(a.Keys), a.Forgotten, err, maxOldKeys+4)
	}
	for _, old := range []string{"XA/statement", "key 0", "key 100"} {
		if v := rotate(old); v.Name != KeyUsed {
			t.Errorf("%s again: %s, want %s", old, v, KeyUsed)
		}
	}
	if u, used, err := (View{w.mem}).UsedKey(testKey("key 0").Public().(ed25519.PublicKey)); err != nil || !used || u.Authority != "XA" || u.Use != Statements {
		t.Errorf("the forgotten key is %+v, %v (%v)", u, used, err)
	}
	dump(t, w.mem)
}

// TestGovernanceIsCorrupt: Dump sees what does not agree (ST15 to ST18), and no
// record says what cannot be.
func TestGovernanceIsCorrupt(t *testing.T) {
	index := uint64(18) // story's first proposal, rejected
	proposal := func(change func(p *Proposal)) func(w *world) Write {
		return func(w *world) Write {
			all, err := View{w.mem}.Proposals()
			if err != nil || len(all) != 3 {
				t.Fatal(all, err)
			}
			change(&all[2])
			return put(&all[2])
		}
	}
	authority := func(change func(a *Authority)) func(w *world) Write {
		return func(w *world) Write {
			a, _, err := View{w.mem}.Authority("XB")
			if err != nil {
				t.Fatal(err)
			}
			a.Keys = slices.Clone(a.Keys)
			change(&a)
			return put(&a)
		}
	}
	electors := func(from int, change func(e *electorate)) func(w *world) Write {
		return func(w *world) Write {
			all, err := list[electorate](w.mem, []byte{tagElectorate})
			if err != nil {
				t.Fatal(err)
			}
			change(&all[(from+len(all))%len(all)])
			return put(&all[(from+len(all))%len(all)])
		}
	}
	of := func(wr Write) func(*world) Write { return func(*world) Write { return wr } }
	used := testKey("XA/node").Public().(ed25519.PublicKey)
	ballot := func(id statement.Region) Ballot { return Ballot{id, 30} }
	for what, damage := range map[string]func(w *world) Write{
		"carried without votes":          proposal(func(p *Proposal) { p.Status, p.ClosedAt = ProposalCarried, &index }),
		"rejected without votes":         proposal(func(p *Proposal) { p.Status, p.ClosedAt = ProposalRejected, &index }),
		"closed by nothing":              proposal(func(p *Proposal) { p.Status = ProposalWithdrawn }),
		"status":                         proposal(func(p *Proposal) { p.Status = "lost" }),
		"needs nobody":                   proposal(func(p *Proposal) { p.Needed = 0 }),
		"needs more than there are":      proposal(func(p *Proposal) { p.Needed = 4 }),
		"a vote of nobody":               proposal(func(p *Proposal) { p.No = append(p.No, ballot("XD")) }),
		"a vote twice":                   proposal(func(p *Proposal) { p.No = append(p.No, ballot("XA")) }),
		"electorate out of order":        proposal(func(p *Proposal) { slices.Reverse(p.Electorate) }),
		"no action":                      proposal(func(p *Proposal) { p.Action = statement.Action{} }),
		"closed, and counted as open":    proposal(func(p *Proposal) { p.Status, p.ClosedAt = ProposalWithdrawn, &index }),
		"by another":                     proposal(func(p *Proposal) { p.By = "XB" }),
		"count of none":                  of(put(&proposalCount{By: "XA"})),
		"count too high":                 of(put(&proposalCount{By: "XA", Made: 4, Open: 1, Last: 22})),
		"count of nobody":                of(put(&proposalCount{By: "XB", Made: 1})),
		"no count":                       of(Write{Key: proposalCountKey("XA")}),
		"standing":                       authority(func(a *Authority) { a.Standing = "asleep" }),
		"suspended by nothing":           authority(func(a *Authority) { a.Standing = StandingSuspended }),
		"suspended, and not a validator": authority(func(a *Authority) { a.Standing, a.StandingBy = StandingSuspended, &index }),
		"expelled validator":             authority(func(a *Authority) { a.Standing, a.StandingBy = StandingExpelled, &index }),
		"expelled with keys":             authority(func(a *Authority) { a.Standing, a.StandingBy, a.Role = StandingExpelled, &index, Observer }),
		"revision of nothing":            authority(func(a *Authority) { a.ChangedAt = nil }),
		"a key nobody has used":          authority(func(a *Authority) { a.Keys[0].Public = testKey("another").Public().(ed25519.PublicKey) }),
		"a key too few":                  authority(func(a *Authority) { a.Keys = a.Keys[:len(a.Keys)-1] }),
		"forgotten keys":                 authority(func(a *Authority) { a.Forgotten = 1 }),
		"used by another":                of(put(&UsedKey{Sum: sha256.Sum256(used), Authority: "XB", Use: Node})),
		"used for another":               of(put(&UsedKey{Sum: sha256.Sum256(used), Authority: "XA", Use: Cosign})),
		"used for a party":               of(put(&UsedKey{Sum: sha256.Sum256(used), Authority: "XA", Use: "party"})),
		"used by nobody":                 of(put(&UsedKey{Sum: [32]byte{1}, Authority: "XZ", Use: Node})),
		"not used":                       of(Write{Key: usedKeyKey(sha256.Sum256(used))}),
		"no first electorate":            of(Write{Key: electorateKey(0)}),
		"no newest electorate":           electors(-1, func(e *electorate) { e.Sets[0] = e.Sets[0][:2] }),
		"electorate of another lineage":  electors(-1, func(e *electorate) { e.Lineage++ }),
		"electorate of lineage 1":        electors(0, func(e *electorate) { e.Lineage = 1 }),
		"electorate of nobody":           electors(0, func(e *electorate) { e.Sets[0] = nil }),
		"electorate of three sets":       electors(0, func(e *electorate) { e.Sets = slices.Repeat(e.Sets, 3) }),
		"no electorate":                  electors(0, func(e *electorate) { e.Sets = nil }),
		"a set out of order":             electors(0, func(e *electorate) { slices.Reverse(e.Sets[0]) }),
		"handover before its seal":       of(put(&HandoverRecord{Index: 9, Seal: 8, Size: 8})),
		"handover before its checkpoint": of(put(&HandoverRecord{Index: 9, Seal: 7, Size: 10})),
		"recovery to lineage 1":          of(put(&RecoveryRecord{Index: 9, Lineage: 1})),
		"a recovery too many":            of(put(&RecoveryRecord{Index: 99, Lineage: 3})),
		"a recovery twice":               of(put(&RecoveryRecord{Index: 99, Lineage: 2})),
	} {
		w := story(t)
		dump(t, w.mem) // as it must be
		w.mem.Put([]Write{damage(w)})
		if err := Dump(w.mem, new(bytes.Buffer)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: want ErrCorrupt, got %v", what, err)
		}
	}
}

// TestAloneItCarries: in a network of one, proposing decides; and waits, as a
// vote does, while validators hand over.
func TestAloneItCarries(t *testing.T) {
	w := newWorldOf(t, 1, 1, "XA", "XB", "XC")
	make := func(id statement.Region, role statement.Role) *statement.Propose {
		return &statement.Propose{Action: statement.Action{ChangeRole: &statement.ChangeRole{Authority: id, Role: role}}, Reason: "reason"}
	}
	w.must("XA", make("XB", statement.RoleValidator), nil)
	if v := w.say("XA", make("XC", statement.RoleValidator), nil); v.Name != "" {
		t.Errorf("the next, with two to decide: %s", v)
	}
	p, _, err := View{w.mem}.Proposal(1)
	if err != nil || p.Status != ProposalOpen || !slices.Equal(p.WaitsFor(), []statement.Region{"XB"}) {
		t.Fatalf("it is %+v (%v)", p, err)
	}
	if d, err := (View{w.mem}).Draft("XA", &p.Action); err != nil || !d.Waits || !d.Against.Accepted() {
		t.Errorf("a draft while handing over: %+v (%v)", d, err)
	}
	if v := w.say("XA", make("XB", statement.RoleObserver), nil); v.Name != HandoverPending {
		t.Errorf("one that would carry itself: %s, want %s", v, HandoverPending)
	}
	if c, err := load[proposalCount](w.mem, proposalCountKey("XA")); err != nil || c.Made != 2 || c.Open != 1 {
		t.Errorf("the count is %+v (%v)", c, err)
	}
}
