package ledger

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"

	"concordat/ledger/merkle"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// The first byte of every key says which table it belongs to. FORMAT.md lists them.
const (
	tableAttachment = 'a' // digest → bytes; none once they are erased
	tableBlock      = 'b' // first index → block record
	tableDirty      = 'd' // the state's key → nothing: written since the newest seal
	tableEntry      = 'e' // index → statement
	tableHash       = 'h' // statement hash → index
	tableAuthority  = 'i' // authority 0 index → kind
	tableKind       = 'k' // kind 0 index → authority
	tableMeta       = 'm' // name → value
	tableLeaf       = 'l' // table, shard → hash of the shard, index of the seal that changed it
	tableRecords    = 'p' // shard, the state's key → the state's value, as of the newest seal
	tableRevoked    = 'q' // shard → the revoked set's shard, as of the newest seal
	tableState      = 's' // the state's key → the state's value
	tableTile       = 't' // level, index → hashes
	tableHeld       = 'w' // place, statement hash → held record
	tableErased     = 'x' // index of a batch → digest of its attachment, erased
)

// The keys of tableMeta.
var (
	keyFormat  = []byte("mformat")
	keyGenesis = []byte("mgenesis")
	keyHead    = []byte("mhead")
	keySealed  = []byte("msealed")

	keyCertified = []byte("mcertified")
	keyCovered   = []byte("mcovered")

	metaKeys = [][]byte{keyFormat, keyGenesis, keyHead, keySealed, keyCertified, keyCovered}
)

func keyOf(table byte, id []byte) []byte { return append([]byte{table}, id...) }

func indexKey(table byte, index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{table}, index)
}

// listingKey is the key of a statement in one of the listings, by name (an
// authority or a kind). Names hold no zero byte.
func listingKey(table byte, name string, index uint64) []byte {
	return binary.BigEndian.AppendUint64(listingPrefix(table, name), index)
}

func listingPrefix(table byte, name string) []byte {
	k := make([]byte, 0, 1+len(name)+1+8)
	k = append(k, table)
	k = append(k, name...)
	return append(k, 0)
}

func authorityListing(r statement.Region) (byte, string) { return tableAuthority, string(r) }
func kindListing(k statement.Kind) (byte, string)        { return tableKind, string(k) }

func tileKey(t merkle.Tile) []byte {
	return binary.BigEndian.AppendUint64([]byte{tableTile, t.Level}, t.Index)
}

// lastIndex reads the index at the end of a key.
func lastIndex(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

// splitKey says where the part of a key that bloom filters hold ends: the
// state decides for its own keys, and of all others it is the whole.
func splitKey(key []byte) int {
	if len(key) > 0 && key[0] == tableState {
		return 1 + state.SplitKey(key[1:])
	}
	return len(key)
}

// isWholePrefix reports whether every longer key that begins with prefix has
// exactly prefix as its filtered part, so that one look into the filters can
// say that there is none.
func isWholePrefix(prefix []byte) bool {
	var room [64]byte // of all that checks ask for
	return splitKey(append(append(room[:0], prefix...), 0)) == len(prefix)
}

// comparer orders keys by their bytes. Its name is on disk: a change of
// splitKey needs a new one, since filters already written would lie.
var comparer = func() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = "concordat.ledger/1"
	c.Split = splitKey
	return &c
}()
