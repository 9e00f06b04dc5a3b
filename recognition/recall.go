package recognition

import (
	"sync"

	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// Bounds on what a Recall remembers; what is more is read again each time.
const (
	maxRemembered     = 4096 // of each kind of record that is asked for one by one: an issuer's key takes about 1 kB
	maxRememberedSets = 64   // of each kind of list that an authority has one of: its rules may take some 100 kB
)

// Recall remembers, of a state at one size, what every decision reads anew:
// authorities, issuers' keys, recognitions, schemes, rules, value sets and
// special cases. Read and decoded each time, they would cost half as much as the
// signature (BenchmarkCheckFormats of package node). Revocations are looked up
// each time: of most codes nothing is said, and the store knows that by heart.
//
// It is a convenience of time only: a state at one size never changes, so
// decisions are the same with a Recall, another or none. Nothing of a code is in
// it. It is bounded, and safe for concurrent use.
type Recall struct {
	authorities  remembered[statement.Region, found[state.Authority]]
	byKID        remembered[string, []state.IssuerKey]
	byPublicKey  remembered[string, []state.IssuerKey]
	recognitions remembered[[2]statement.Region, found[state.Recognition]]
	terms        remembered[[2]statement.Region, phrase] // of a recognition, in words
	schemes      remembered[speaker, found[state.Scheme]]
	schemesOf    remembered[statement.Region, []state.Scheme]
	rules        remembered[statement.Region, []state.RuleRecord]
	valueSets    remembered[statement.Region, []state.ValueSet]
	cases        remembered[statement.Region, []state.SpecialCase]
}

// NewRecall makes a Recall, which is empty.
func NewRecall() *Recall {
	m := new(Recall)
	m.authorities.most, m.recognitions.most, m.schemes.most = maxRemembered, maxRemembered, maxRemembered
	m.byKID.most, m.byPublicKey.most, m.terms.most = maxRemembered, maxRemembered, maxRemembered
	m.schemesOf.most, m.rules.most, m.valueSets.most, m.cases.most = maxRememberedSets, maxRememberedSets, maxRememberedSets, maxRememberedSets
	return m
}

// Over gives s, remembered. All states that are laid under one Recall are the
// same state at the same size: else it would answer with another's records.
func (m *Recall) Over(s State) State { return remembering{s, m} }

// found is a record, or that there is none.
type found[T any] struct {
	record T
	exists bool
}

// remembered is what was read of one kind.
type remembered[K comparable, V any] struct {
	most int

	mu    sync.RWMutex
	known map[K]V
}

func (r *remembered[K, V]) get(key K) (V, bool) {
	r.mu.RLock()
	v, ok := r.known[key]
	r.mu.RUnlock()
	return v, ok
}

// put remembers what was read, and hands it on.
func (r *remembered[K, V]) put(key K, v V, err error) (V, error) {
	if err != nil {
		return v, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = make(map[K]V)
	}
	if len(r.known) < r.most {
		r.known[key] = v
	}
	return v, nil
}

// getBytes is get for a key that need not be made a string for it.
func getBytes[V any](r *remembered[string, V], key []byte) (V, bool) {
	r.mu.RLock()
	v, ok := r.known[string(key)]
	r.mu.RUnlock()
	return v, ok
}

// remembering is a state and what is remembered of it.
type remembering struct {
	State
	m *Recall
}

// Authority implements State.
func (r remembering) Authority(of statement.Region) (state.Authority, bool, error) {
	f, ok := r.m.authorities.get(of)
	if ok {
		return f.record, f.exists, nil
	}
	a, exists, err := r.State.Authority(of)
	if !exists { // whoever tells where he has been may make up places
		return a, exists, err
	}
	_, err = r.m.authorities.put(of, found[state.Authority]{a, exists}, err)
	return a, exists, err
}

// IssuerKeysByKID implements State.
func (r remembering) IssuerKeysByKID(kid []byte) ([]state.IssuerKey, error) {
	if keys, ok := getBytes(&r.m.byKID, kid); ok {
		return keys, nil
	}
	keys, err := r.State.IssuerKeysByKID(kid)
	if len(keys) == 0 { // an id that anybody made up, and nothing that would be asked for again
		return keys, err
	}
	return r.m.byKID.put(string(kid), keys, err)
}

// IssuerKeysByPublicKey implements State.
func (r remembering) IssuerKeysByPublicKey(spki []byte) ([]state.IssuerKey, error) {
	if keys, ok := getBytes(&r.m.byPublicKey, spki); ok {
		return keys, nil
	}
	keys, err := r.State.IssuerKeysByPublicKey(spki)
	return r.m.byPublicKey.put(string(spki), keys, err)
}

// Recognition implements State.
func (r remembering) Recognition(grantor, grantee statement.Region) (state.Recognition, bool, error) {
	key := [2]statement.Region{grantor, grantee}
	f, ok := r.m.recognitions.get(key)
	if ok {
		return f.record, f.exists, nil
	}
	g, exists, err := r.State.Recognition(grantor, grantee)
	_, err = r.m.recognitions.put(key, found[state.Recognition]{g, exists}, err)
	return g, exists, err
}

// Scheme implements State.
func (r remembering) Scheme(by statement.Region, name string) (state.Scheme, bool, error) {
	f, ok := r.m.schemes.get(speaker{by, name})
	if ok {
		return f.record, f.exists, nil
	}
	s, exists, err := r.State.Scheme(by, name)
	if !exists { // codes name schemes, so anybody can make up a name
		return s, exists, err
	}
	_, err = r.m.schemes.put(speaker{by, name}, found[state.Scheme]{s, exists}, err)
	return s, exists, err
}

// SchemesOf implements State.
func (r remembering) SchemesOf(by statement.Region) ([]state.Scheme, error) {
	if all, ok := r.m.schemesOf.get(by); ok {
		return all, nil
	}
	all, err := r.State.SchemesOf(by)
	return r.m.schemesOf.put(by, all, err)
}

// Rules implements State.
func (r remembering) Rules(by statement.Region) ([]state.RuleRecord, error) {
	if all, ok := r.m.rules.get(by); ok {
		return all, nil
	}
	all, err := r.State.Rules(by)
	return r.m.rules.put(by, all, err)
}

// ValueSets implements State.
func (r remembering) ValueSets(by statement.Region) ([]state.ValueSet, error) {
	if all, ok := r.m.valueSets.get(by); ok {
		return all, nil
	}
	all, err := r.State.ValueSets(by)
	return r.m.valueSets.put(by, all, err)
}

// SpecialCases implements State.
func (r remembering) SpecialCases(by statement.Region) ([]state.SpecialCase, error) {
	if all, ok := r.m.cases.get(by); ok {
		return all, nil
	}
	all, err := r.State.SpecialCases(by)
	return r.m.cases.put(by, all, err)
}
