package state

import (
	"slices"
	"strings"
)

// Memory is a state in memory: for tests, and for whoever replays a log and
// has no store. Reading it concurrently is safe while nobody writes.
type Memory struct {
	entries map[string][]byte
}

// NewMemory returns a state that holds writes, such as Found's.
func NewMemory(writes []Write) *Memory {
	m := &Memory{entries: make(map[string][]byte)}
	m.Put(writes)
	return m
}

// Put makes the writes.
func (m *Memory) Put(writes []Write) {
	for _, w := range writes {
		if w.Value == nil {
			delete(m.entries, string(w.Key))
			continue
		}
		m.entries[string(w.Key)] = w.Value
	}
}

// Get implements Reader.
func (m *Memory) Get(key []byte) ([]byte, error) { return m.entries[string(key)], nil }

// Scan implements Reader. It looks at every key, whatever the prefix.
func (m *Memory) Scan(prefix []byte, fn func(key, value []byte) (bool, error)) error {
	var keys []string
	for k := range m.entries { // in any order: sorted below
		if strings.HasPrefix(k, string(prefix)) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		if more, err := fn([]byte(k), m.entries[k]); err != nil || !more {
			return err
		}
	}
	return nil
}
