package bridge

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// roster is every registered key, and whether a region relies on it. It never changes.
type roster struct {
	region      statement.Region
	size, final uint64         // of the ledger that it was made from, and how much of that was final
	clocks      turns          // when it was made, and when it turns next
	modified    statement.Time // when what is final was ordered, by the ledger's clock
	items       []item         // by token
	digest      [sha256.Size]byte
	used        uint64
}

// registered is a registration of a key, and what its bytes say. It is shared by
// all rosters, and never changes.
type registered struct {
	*state.IssuerKey
	public *publicKey
}

// item is how a region stands to one registration of a key.
type item struct {
	registered
	hc1   bool           // relied on for EU DCC
	shc   bool           // relied on for SMART Health Cards
	when  statement.Time // since when that is so, or is not
	token uint64         // greater than that of whatever was listed before; nobody else's
}

// certified reports whether the key is in lists of certificates for EU DCC.
func (i *item) certified() bool { return i.hc1 && i.public.leaf }

// rankBits is how much of a token tells keys apart that one statement let in;
// the rest is where that statement is in the ledger.
const rankBits = 23

// roster gives the keys as a region relies on them now.
func (b *Bridge) roster(region statement.Region) (*roster, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	view := b.source.View()
	defer release(view)
	size := view.Head().Size
	final := min(b.source.FinalSize(), size)
	modified, err := b.finalTime(view, final)
	if err != nil {
		return nil, err
	}
	clocks := newTurns(b.now(), modified)
	b.uses++
	if r := b.rosters[region]; r != nil {
		holds, err := r.holds(view, size, final, clocks)
		if err != nil {
			return nil, err
		}
		if holds {
			r.used = b.uses
			return r, nil
		}
	}
	r := &roster{region: region, size: size, final: final, clocks: clocks, modified: modified, used: b.uses}
	if err := b.fill(r, view); err != nil {
		return nil, err
	}
	b.rosters[region] = r
	if len(b.rosters) > maxRosters {
		oldest := region
		for other, o := range b.rosters { // in any order: no two were used last by one request
			if o.used < b.rosters[oldest].used {
				oldest = other
			}
		}
		delete(b.rosters, oldest)
	}
	return r, nil
}

// bearing are the kinds of statement that may change a roster.
var bearing = []statement.Kind{
	statement.IssuerKeyRegister, statement.IssuerKeyRetire, statement.IssuerKeyCompromise,
	statement.RecognitionGrant, statement.RecognitionChange, statement.RecognitionSuspend, statement.RecognitionWithdraw,
	statement.SpecialCaseDeclare, statement.SpecialCaseEnd,
	statement.GovernancePropose, statement.GovernanceVote, statement.NetworkRecovery,
}

// holds reports whether neither the ledger nor the clocks have turned anything since.
func (r *roster) holds(v *ledger.View, size, final uint64, now turns) (bool, error) {
	was := &r.clocks
	if now.early < was.early || now.late < was.late || was.opens != 0 && now.early >= was.opens || was.shuts != 0 && now.late >= was.shuts || size < r.size {
		return false, nil
	}
	if size == r.size && final == r.final {
		return true, nil
	}
	return quietSince(v, r.final, bearing)
}

// quietSince reports whether no statement from index from on is of one of the kinds.
func quietSince(v *ledger.View, from uint64, kinds []statement.Kind) (bool, error) {
	for _, k := range kinds {
		found, err := v.Statements(ledger.Filter{From: from, Limit: 1, Kind: k})
		if err != nil || len(found) > 0 {
			return false, err
		}
	}
	return true, nil
}

// fill judges every key.
func (b *Bridge) fill(r *roster, view *ledger.View) error {
	ordered, keys, err := readKeys(view.State(), r.region)
	if err != nil {
		return err
	}
	if _, known := ordered.authorities[r.region]; !known {
		return client.Fail(client.UnknownRegion, "region %s has no authority in this network", r.region)
	}
	f, done, err := b.finality(r, ordered)
	if err != nil {
		return err
	}
	defer done()
	known := make(map[name]registered, len(keys))
	places := &placer{bridge: b, view: view, final: r.final, times: map[uint64]statement.Time{}, places: map[statement.Time]uint64{}}
	r.items = make([]item, 0, len(keys))
	for i := range keys { // i is a key's place among all that ever were: they are never removed
		k, called := &keys[i], name{keys[i].Region, keys[i].Thumbprint}
		is := b.known[called]
		if is.IssuerKey == nil || is.ChangedAt != k.ChangedAt {
			is = registered{IssuerKey: k, public: parseKey(k)}
		}
		known[called] = is
		k, p, one := is.IssuerKey, is.public, item{registered: is}
		t := newTurns(r.clocks.early, r.clocks.late)
		one.hc1 = ordered.relies(k, p, hc1Format, &t)
		one.shc = ordered.relies(k, p, shcFormat, &t)
		r.clocks.opens, r.clocks.shuts = sooner(r.clocks.opens, t.opens), sooner(r.clocks.shuts, t.shuts)
		if one.hc1 || one.shc {
			f.confirm(&one, &t)
			r.clocks.opens, r.clocks.shuts = sooner(r.clocks.opens, t.opens), sooner(r.clocks.shuts, t.shuts)
		}
		if err := places.put(&one, &t, i); err != nil {
			return err
		}
		r.items = append(r.items, one)
	}
	b.known, b.times, b.places = known, places.times, places.places
	r.seal()
	return nil
}

// readKeys gives a judge for a region that knows every registered key, and the
// keys in the order of their registration.
func readKeys(v state.View, region statement.Region) (*judge, []state.IssuerKey, error) {
	j, err := newJudge(v, region)
	if err != nil {
		return nil, nil, err
	}
	keys, err := v.IssuerKeys(state.KeyFilter{})
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(keys, func(a, b state.IssuerKey) int { return cmp.Compare(a.RegisteredAt, b.RegisteredAt) })
	j.knows(keys)
	return j, keys, nil
}

// seal puts the items in order and gives the whole a digest.
func (r *roster) seal() {
	slices.SortStableFunc(r.items, func(a, b item) int { return cmp.Compare(a.token, b.token) })
	h := sha256.New()
	h.Write([]byte(r.region))
	for i := range r.items {
		one := &r.items[i]
		if i > 0 && one.token <= r.items[i-1].token { // beyond 2^rankBits keys
			one.token = r.items[i-1].token + 1
		}
		lists := byte(0)
		if one.hc1 {
			lists |= 1
		}
		if one.shc {
			lists |= 2
		}
		h.Write([]byte(one.Region))
		h.Write(one.Thumbprint[:])
		h.Write([]byte{lists})
		h.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(one.when)), one.token))
	}
	h.Sum(r.digest[:0])
}

// finality lets keys in (B2).
type finality struct {
	all   bool   // everything that is ordered is final
	judge *judge // by the state of what is final; nil: it is not at hand
	keys  map[name]*state.IssuerKey
	size  uint64 // how many statements are final
}

// finality gives what decides on letting keys in, until done is called.
func (b *Bridge) finality(r *roster, ordered *judge) (f finality, done func(), err error) {
	if f.size = r.final; r.final >= r.size {
		f.all = true
		return f, func() {}, nil
	}
	v, done, ok := b.source.FinalView()
	if !ok {
		return f, func() {}, nil
	}
	if v.Head().Size >= r.size { // all has become final meanwhile
		f.all = true
		return f, done, nil
	}
	j, keys, err := readKeys(v.State(), r.region)
	if err != nil {
		done()
		return f, nil, err
	}
	f.judge, f.keys = j, make(map[name]*state.IssuerKey, len(keys))
	for i := range keys {
		f.keys[name{keys[i].Region, keys[i].Thumbprint}] = &keys[i]
	}
	return f, done, nil
}

// confirm takes a key out again that what is final does not let in. What lets it
// in is what it has turned on: a later statement that is not final has no place
// in the order in which clients are told yet.
func (f finality) confirm(one *item, t *turns) {
	switch {
	case f.all:
	case f.judge == nil:
		one.hc1, one.shc = one.hc1 && t.index < f.size, one.shc && t.index < f.size
	default:
		final := newTurns(t.early, t.late)
		k := f.keys[name{one.Region, one.Thumbprint}]
		one.hc1 = k != nil && f.judge.relies(k, one.public, hc1Format, &final) && one.hc1
		one.shc = k != nil && f.judge.relies(k, one.public, shcFormat, &final) && one.shc
		if one.hc1 || one.shc {
			*t = final
		}
	}
}

// placer finds when and where in the ledger keys turned.
type placer struct {
	bridge *Bridge
	view   *ledger.View
	final  uint64
	times  map[uint64]statement.Time // of statements
	places map[statement.Time]uint64 // of the ledger's clock
}

// put gives an item its time and its token.
func (p *placer) put(one *item, t *turns, rank int) error {
	index := t.index
	if t.opened > 0 {
		at, err := p.placeOf(t.opened)
		if err != nil {
			return err
		}
		index = max(index, at)
	}
	when, err := p.timeOf(index)
	if err != nil {
		return err
	}
	one.when = when
	if !one.hc1 || !one.shc { // a moment may have shut it out of one list
		one.when = max(when, t.shut)
	}
	one.token = (index+1)<<rankBits + uint64(min(rank, 1<<rankBits-1)) // never 0, with which clients begin
	return nil
}

func (p *placer) timeOf(index uint64) (statement.Time, error) {
	t, err := p.bridge.timeOf(p.view, index)
	p.times[index] = t
	return t, err
}

// placeOf is the first statement that was ordered at a moment or after it, by
// the ledger's clock; there is one that is final.
func (p *placer) placeOf(m statement.Time) (uint64, error) {
	at, known := p.bridge.places[m]
	if !known {
		var err error
		at = uint64(sort.Search(int(p.final), func(i int) bool {
			t, e := p.bridge.timeOf(p.view, uint64(i))
			if e != nil {
				err = e
			}
			return t >= m
		}))
		if err != nil {
			return 0, err
		}
		at = min(at, p.final-1) // beyond it only where a proposer's clock ran back
	}
	p.places[m] = at
	return at, nil
}

// finalTime is the ledger's clock: the time of the newest block that is final.
func (b *Bridge) finalTime(v *ledger.View, final uint64) (statement.Time, error) {
	if final == 0 {
		return 0, nil
	}
	return b.timeOf(v, final-1)
}

// timeOf gives the time of the block that brought a statement, by its proposer's
// clock. An honest one does not let time in the ledger run back.
func (b *Bridge) timeOf(v *ledger.View, index uint64) (statement.Time, error) {
	if t, known := b.times[index]; known {
		return t, nil
	}
	block, err := v.BlockOf(index)
	if err != nil {
		return 0, err
	}
	h, err := block.Proof.Claimed()
	if err != nil {
		return 0, fmt.Errorf("the block of statement %d: %w", index, err)
	}
	return statement.Time(h.Time / 1000), nil
}

// release closes a view. That it cannot be closed is the store's fault, which
// the ledger tells of itself, and says nothing against what was read.
func release(v *ledger.View) { _ = v.Close() }
