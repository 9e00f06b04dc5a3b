package consensus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime"
	"sync/atomic"

	"github.com/hashicorp/raft"
	bolterrors "go.etcd.io/bbolt/errors"
)

// ErrCorrupt: Raft's log, or a vote, is not what was written. It is an ErrStorage.
var ErrCorrupt = fmt.Errorf("%w: it does not hold what was written to it", ErrStorage)

// mendCorrupt is what can be done about it.
const mendCorrupt = "look at the disk. raft.db also holds this node's votes: never put an older copy in its place. Bring back a copy as new as this one (the other half of a mirror); " +
	"without one, keep data/ as it is somewhere else, and move data/raft, and nothing else, away: the node then rejoins without its votes"

// What is stored carries a seal at its end: the byte sealFormat, and the CRC-32C
// (RFC 3720, appendix B.4; big-endian) of all that it vouches for. bbolt has
// checksums for its two meta pages only, so without ours a flipped bit would
// come back as an entry that nobody ever proposed, or as another vote.
//
//	an entry   Data = data ‖ seal over index, term (8 bytes each), type (1), length of data (8), data, extensions
//	a value    value ‖ seal over length of key (8), key, value
//
// AppendedAt is not sealed: nothing here reads it.
const (
	sealFormat = 1
	sealSize   = 1 + crc32.Size
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func seal(parts ...[]byte) [sealSize]byte {
	sum := uint32(0)
	for _, p := range parts {
		sum = crc32.Update(sum, castagnoli, p)
	}
	out := [sealSize]byte{sealFormat}
	binary.BigEndian.PutUint32(out[1:], sum)
	return out
}

func sealOfEntry(l *raft.Log, data []byte) [sealSize]byte {
	var head [25]byte
	binary.BigEndian.PutUint64(head[0:], l.Index)
	binary.BigEndian.PutUint64(head[8:], l.Term)
	head[16] = byte(l.Type)
	binary.BigEndian.PutUint64(head[17:], uint64(len(data)))
	return seal(head[:], data, l.Extensions)
}

func sealOfValue(key, value []byte) [sealSize]byte {
	var head [8]byte
	binary.BigEndian.PutUint64(head[:], uint64(len(key)))
	return seal(head[:], key, value)
}

// unseal takes the seal off, if it is the one that it should be.
func unseal(stored []byte, want func(content []byte) [sealSize]byte) ([]byte, bool) {
	n := len(stored) - sealSize
	if n < 0 {
		return nil, false
	}
	content := stored[:n:n]
	return content, want(content) == [sealSize]byte(stored[n:])
}

// sealedLog is Raft's log with a seal on each entry (C14). It stands between
// the file and everything else.
type sealedLog struct {
	raft.LogStore
	path string
	// writes is odd while a write is under way: what is missing then may just not be there yet.
	writes atomic.Uint64
}

func (s *sealedLog) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

func (s *sealedLog) StoreLogs(logs []*raft.Log) error {
	out := make([]*raft.Log, len(logs))
	for i, l := range logs {
		c := *l // Raft sends the same entry to others meanwhile
		sum := sealOfEntry(l, l.Data)
		c.Data = append(append(make([]byte, 0, len(l.Data)+sealSize), l.Data...), sum[:]...)
		out[i] = &c
	}
	s.writes.Add(1)
	defer s.writes.Add(1)
	return s.LogStore.StoreLogs(out)
}

func (s *sealedLog) DeleteRange(first, last uint64) error {
	s.writes.Add(1)
	defer s.writes.Add(1)
	return s.LogStore.DeleteRange(first, last)
}

// GetLog gives an entry as it was stored. Errors wrap raft.ErrLogNotFound or ErrCorrupt.
func (s *sealedLog) GetLog(index uint64, into *raft.Log) error {
	before := s.writes.Load()
	var l raft.Log
	switch err := s.LogStore.GetLog(index, &l); {
	case errors.Is(err, raft.ErrLogNotFound):
		return s.missing(index, before)
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return err
	case err != nil:
		return s.corrupt(index, fmt.Sprintf("it cannot be decoded (%v)", err))
	case l.Index != index:
		return s.corrupt(index, fmt.Sprintf("entry %d is in its place", l.Index))
	}
	data, ok := unseal(l.Data, func(data []byte) [sealSize]byte { return sealOfEntry(&l, data) })
	if !ok {
		return s.corrupt(index, fmt.Sprintf("its checksum is wrong (%d bytes, term %d)", len(l.Data), l.Term))
	}
	if len(data) == 0 {
		data = nil // as Raft made it
	}
	l.Data = data
	*into = l
	return nil
}

// missing tells a hole from what is not in the log. before is s.writes before it was looked for.
func (s *sealedLog) missing(index, before uint64) error {
	first, err := s.FirstIndex()
	if err != nil {
		return err
	}
	last, err := s.LastIndex()
	if err != nil {
		return err
	}
	if index < first || index > last || before%2 == 1 || s.writes.Load() != before {
		return raft.ErrLogNotFound
	}
	return s.corrupt(index, fmt.Sprintf("it is missing, and the log has entries %d to %d", first, last))
}

func (s *sealedLog) corrupt(index uint64, what string) error {
	return fmt.Errorf("%w: entry %d of %s: %s; %s. If data/ledger was moved away, put it back: what it has applied is not read again",
		ErrCorrupt, index, s.path, what, mendCorrupt)
}

// sealedStable is Raft's term and vote with a seal on each (C14): a vote that a
// flipped bit takes back could be given twice.
type sealedStable struct {
	raft.StableStore
	path string
}

func (s *sealedStable) Set(key, value []byte) error {
	sum := sealOfValue(key, value)
	return s.StableStore.Set(key, append(append(make([]byte, 0, len(value)+sealSize), value...), sum[:]...))
}

func (s *sealedStable) SetUint64(key []byte, value uint64) error {
	return s.Set(key, binary.BigEndian.AppendUint64(nil, value))
}

func (s *sealedStable) Get(key []byte) ([]byte, error) {
	stored, err := s.StableStore.Get(key)
	if err != nil {
		return nil, err // Raft compares the text of "not found"
	}
	value, ok := unseal(stored, func(value []byte) [sealSize]byte { return sealOfValue(key, value) })
	if !ok {
		return nil, s.corrupt(key)
	}
	return value, nil
}

func (s *sealedStable) GetUint64(key []byte) (uint64, error) {
	value, err := s.Get(key)
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, s.corrupt(key)
	}
	return binary.BigEndian.Uint64(value), nil
}

func (s *sealedStable) corrupt(key []byte) error {
	return fmt.Errorf("%w: %s in %s: its checksum is wrong; %s", ErrCorrupt, key, s.path, mendCorrupt)
}

// raftsLog is the log as Raft itself reads it. Raft panics, in a goroutine of
// its own, where it cannot read an entry that it is to apply; elsewhere it goes
// on as if nothing were wrong. Here that goroutine ends, with its deferred
// calls, as it does where a vote cannot be stored (stableStore), and the fault is told.
type raftsLog struct {
	raft.LogStore
	fault *fault
}

func (r *raftsLog) GetLog(index uint64, into *raft.Log) error {
	err := r.LogStore.GetLog(index, into)
	if err == nil || errors.Is(err, raft.ErrLogNotFound) {
		return err
	}
	r.fault.set(err)
	runtime.Goexit()
	return err
}
