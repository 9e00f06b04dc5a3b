package state

import (
	"fmt"

	"concordat/ledger/statement"
)

// RevocationEvent is one thing that an authority said of a revocation hash.
type RevocationEvent struct {
	Type      statement.HashType
	Authority statement.Region
	Index     uint64 // of the statement
	Undo      bool   // it took back what was said before
	Expires   statement.Time
	UndoneBy  *uint64 // index of the first later undo by the same authority for the same type
	// IssuedBefore, if not 0, spares codes issued at that time or later.
	IssuedBefore statement.Time
}

// InForce reports whether the event revokes at time t.
func (e *RevocationEvent) InForce(t statement.Time) bool {
	return !e.Undo && e.UndoneBy == nil && t < e.Expires
}

// Spares reports whether the event says nothing of a code that was issued at
// issued; 0 is a code that does not tell, which nothing spares.
func (e *RevocationEvent) Spares(issued statement.Time) bool {
	return e.IssuedBefore != 0 && issued >= e.IssuedBefore
}

// Revocations is what is said of a hash, by type, authority and index: the
// first limit events, and whether there are more. Then the last one's authority
// may have said more of that type, an undo among it; RevocationsBy has all of
// it. Most hashes have no events, and for those it costs one Scan of an absent
// prefix.
func (v View) Revocations(h statement.RevocationHash, limit int) (events []RevocationEvent, more bool, err error) {
	prefix := RevocationPrefix(h)
	if p, ok := v.Reader.(Prober); ok {
		var some bool
		if some, err = p.Any(prefix); err == nil && !some {
			return nil, false, nil
		}
	}
	if err == nil {
		events, more, err = v.events(prefix, limit)
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading what is said of revocation hash %x: %w", h, err)
	}
	return events, more, nil
}

// RevocationsBy is everything that one authority said of a hash of a type, by
// index. It costs what that authority said, whatever others say of the hash.
func (v View) RevocationsBy(h statement.RevocationHash, t statement.HashType, authority statement.Region) ([]RevocationEvent, error) {
	events, _, err := v.events(appendRevocationsBy(nil, h[:], hashTypeByte(t), authority), -1)
	if err != nil {
		return nil, fmt.Errorf("reading what %s says of %s hash %x: %w", authority, t, h, err)
	}
	return events, nil
}

// RevocationReason is the reason that was given with an event. It is read
// apart from the events, because few of many are told of.
func (v View) RevocationReason(e RevocationEvent) (string, error) {
	b, err := e.batch(v)
	if err != nil {
		return "", err
	}
	return b.Reason, nil
}

// events reads at most limit events under prefix, all if limit is negative,
// and finds which of them others undo.
func (v View) events(prefix []byte, limit int) (out []RevocationEvent, more bool, err error) {
	err = v.Scan(prefix, func(key, value []byte) (bool, error) {
		if more = len(out) == limit; more {
			return false, nil
		}
		e, err := parseEvent(key, value)
		if err != nil {
			return false, err
		}
		out = append(out, e)
		return true, nil
	})
	if err != nil {
		return nil, false, err
	}
	// Events of one type and authority stand together, in the order of the log.
	var undo *RevocationEvent // the first after the event in hand
	for i := len(out) - 1; i >= 0; i-- {
		e := &out[i]
		switch {
		case e.Undo:
			undo = e
		case undo != nil && undo.Type == e.Type && undo.Authority == e.Authority:
			index := undo.Index
			e.UndoneBy = &index
		}
	}
	return out, more, nil
}

// parseEvent reads what stands under a key that begins with a RevocationPrefix.
func parseEvent(key, value []byte) (RevocationEvent, error) {
	t, authority, index, err := splitRevocationKey(key)
	if err != nil {
		return RevocationEvent{}, err
	}
	e, err := decodeEvent(value)
	if err != nil {
		return RevocationEvent{}, fmt.Errorf("statement %d: %w", index, err)
	}
	return RevocationEvent{Type: t, Authority: authority, Index: index, Undo: e.Undo, Expires: e.Expires, IssuedBefore: e.IssuedBefore}, nil
}

// batch is the batch that the event came with.
func (e *RevocationEvent) batch(r Reader) (*Batch, error) {
	b, err := loadBatch(r, e.Index)
	if err != nil {
		return nil, err
	}
	if b == nil || b.Authority != e.Authority || b.HashType != e.Type || b.Undo != e.Undo || b.Expires != e.Expires || b.IssuedBefore != e.IssuedBefore {
		return nil, fmt.Errorf("%w: a revocation event names statement %d, whose batch is missing or another", ErrCorrupt, e.Index)
	}
	return b, nil
}
