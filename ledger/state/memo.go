package state

import (
	"bytes"
	"sync"
)

// memo keeps the latest records of a kind as they were decoded, under their
// bytes. Every statement asks for the same few, the network and its issuer,
// and decoding them would cost more than all the rest that applying does.
//
// The package stays pure: the same bytes are the same record, so no answer
// depends on what is kept. What is kept is shared, and nobody changes it.
type memo[T any, P record[T]] struct {
	mu     sync.RWMutex
	byText map[string]*T // no more than memoMost
}

// memoMost bounds how many records a memo keeps: more than a network has
// authorities. An authority's record has some hundred bytes.
const memoMost = 512

var (
	networks    memo[Network, *Network]
	authorities memo[Authority, *Authority]
)

// load is like the function load.
func (m *memo[T, P]) load(r Reader, key []byte) (*T, error) {
	value, err := read(r, key)
	if err != nil || value == nil {
		return nil, err
	}
	m.mu.RLock()
	rec := m.byText[string(value)]
	m.mu.RUnlock()
	if rec != nil && bytes.Equal(P(rec).key(), key) {
		return rec, nil
	}
	// One that stands under a wrong key is for parse to refuse, each time.
	if rec, err = parse[T, P](key, value); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byText == nil || len(m.byText) >= memoMost {
		m.byText = map[string]*T{}
	}
	m.byText[string(value)] = rec
	return rec, nil
}
