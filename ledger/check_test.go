package ledger

import (
	"context"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger/merkle"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// Check finds a change of any table, and names the first statement that is wrong.
func TestCheckFinds(t *testing.T) {
	n := newNetwork(t, "check.test")
	revoked := n.revoke(t, "XC", testHashes(0, 5), "lost")
	cs := []Candidate{
		n.say(t, "XA", 1, grant("XB")), n.say(t, "XB", 1, grant("XA")),
		revoked, n.say(t, "XA", 1, grant("XC")), n.say(t, "XA", 2, &statement.Withdraw{Region: "XB"}),
	}
	forged, err := statement.Sign(statement.Statement{Issuer: "XB", Network: n.id, Revision: 1, IssuedAt: 1, Body: grant("XA")}, testKey("nobody"))
	if err != nil {
		t.Fatal(err)
	}
	aHash := testHash(0)
	setIndex := func(h statement.Hash, index uint64) func(*pebble.DB) error {
		return func(db *pebble.DB) error {
			return db.Set(hashKey(h), indexKey('x', index)[1:], nil)
		}
	}
	tests := []struct {
		name   string
		index  uint64
		change func(*pebble.DB) error
	}{
		{"a statement of somebody else's", 1, func(db *pebble.DB) error {
			h := forged.Hash()
			return errors.Join(db.Set(indexKey(tableEntry, 1), forged.Raw(), nil), db.Delete(hashKey(hashOf(cs[1].Raw)), nil), setIndex(h, 1)(db))
		}},
		{"another statement of its authority", 3, func(db *pebble.DB) error {
			s := n.say(t, "XA", 1, grant("XD"))
			return errors.Join(db.Set(indexKey(tableEntry, 3), s.Raw, nil), db.Delete(hashKey(hashOf(cs[3].Raw)), nil), setIndex(hashOf(s.Raw), 3)(db))
		}},
		{"a missing statement", 2, func(db *pebble.DB) error { return db.Delete(indexKey(tableEntry, 2), nil) }},
		{"a bit of a statement", 0, func(db *pebble.DB) error {
			raw := append([]byte{}, cs[0].Raw...)
			raw[100] ^= 1
			return db.Set(indexKey(tableEntry, 0), raw, nil)
		}},
		{"a missing hash", 4, func(db *pebble.DB) error { return db.Delete(hashKey(hashOf(cs[4].Raw)), nil) }},
		{"a wrong index", 3, setIndex(hashOf(cs[3].Raw), 2)},
		{"a hash too many", 5, setIndex(statement.Hash{}, 2)},
		{"a missing listing", 1, func(db *pebble.DB) error { return db.Delete(listingKey(tableAuthority, "XB", 1), nil) }},
		{"a listing too many", 5, func(db *pebble.DB) error { return db.Set(listingKey(tableKind, "x", 1), nil, nil) }},
		{"a missing attachment", 2, func(db *pebble.DB) error {
			h := hashOf(revoked.Attachment)
			return db.Delete(keyOf(tableAttachment, h[:]), nil)
		}},
		{"another attachment", 2, func(db *pebble.DB) error {
			h := hashOf(revoked.Attachment)
			return db.Set(keyOf(tableAttachment, h[:]), statement.NewAttachment(testHashes(1, 5)), nil)
		}},
		{"a missing block record", 2, func(db *pebble.DB) error { return db.Delete(indexKey(tableBlock, 2), nil) }},
		{"a forged block record", 2, func(db *pebble.DB) error {
			v, closer, err := db.Get(indexKey(tableBlock, 2))
			if err != nil {
				return err
			}
			raw := append([]byte{}, v...)
			raw[len(raw)-1] ^= 1 // of the signature
			return errors.Join(closer.Close(), db.Set(indexKey(tableBlock, 2), raw, nil))
		}},
		{"a changed record of the state", 2, func(db *pebble.DB) error {
			return setStateUnder(db, state.RevocationPrefix(aHash), []byte{0xff})
		}},
		{"a missing record of the state", 2, func(db *pebble.DB) error {
			return setStateUnder(db, state.RevocationPrefix(aHash), nil)
		}},
		{"a record of the state too many", 5, func(db *pebble.DB) error {
			return db.Set([]byte{tableState, 0xff}, []byte("?"), nil)
		}},
		{"a hash of a tile", 3, func(db *pebble.DB) error {
			key := tileKey(merkle.Tile{})
			v, closer, err := db.Get(key)
			if err != nil {
				return err
			}
			raw := append([]byte{}, v...)
			raw[3*32+7] ^= 1
			return errors.Join(closer.Close(), db.Set(key, raw, nil))
		}},
		{"a tile too many", 5, func(db *pebble.DB) error {
			return db.Set(tileKey(merkle.Tile{Level: 1}), make([]byte, 32), nil)
		}},
		{"a key of no table", 5, func(db *pebble.DB) error { return db.Set([]byte("zebra"), nil, nil) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := n.open(t, small(vfs.NewMem()))
			defer closeLedger(t, l)
			must(t, l, Position{1, 1}, n.seal(t, l.Head(), 1, cs[0], cs[1]))
			must(t, l, Position{2, 1}, n.seal(t, l.Head(), 1, cs[2:]...))
			check(t, l)
			if err := tt.change(l.store.db); err != nil {
				t.Fatal(err)
			}
			must(t, l, Position{3, 1}, nil) // so that there is a view of the change
			err := l.Check(t.Context())
			var wrong *CheckError
			if !errors.As(err, &wrong) || !errors.Is(err, ErrCorrupt) {
				t.Fatalf("check says %v", err)
			}
			if wrong.Index != tt.index {
				t.Errorf("check blames statement %d, want %d: %v", wrong.Index, tt.index, err)
			}
		})
	}
}

// setStateUnder sets, or with nil deletes, the first record of the state under a prefix.
func setStateUnder(db *pebble.DB, prefix, value []byte) error {
	it, err := db.NewIter(nil)
	if err != nil {
		return err
	}
	it.SeekGE(keyOf(tableState, prefix))
	key := append([]byte{}, it.Key()...)
	if err := it.Close(); err != nil {
		return err
	}
	if value == nil {
		return db.Delete(key, nil)
	}
	return db.Set(key, value, nil)
}

func TestCheckIsCancelled(t *testing.T) {
	n := newNetwork(t, "check.test")
	l := n.open(t, small(vfs.NewMem()))
	defer closeLedger(t, l)
	must(t, l, Position{1, 1}, n.seal(t, l.Head(), 1, n.say(t, "XA", 1, grant("XB"))))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled check gave %v", err)
	}
}
