package revoked

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"concordat/ledger/statement"
)

// The bounds of what is configurable.
const (
	// DefaultBits is the false-positive rate of a network's seals: one in 2^28
	// look-ups of hashes that are not revoked, or fewer. docs/formats/bundle.md
	// says what that means for travellers, and what other rates would cost.
	DefaultBits = 28
	// MinBits and MaxBits bound the rates that can be chosen.
	MinBits, MaxBits = 8, 32
	// MaxShardBits bounds the number of shards, 2^20: of more than 2^30 entries the shards grow.
	MaxShardBits = 20
)

// shardFill is the binary logarithm of how many entries a shard has at most, on average.
const shardFill = 10

// maxCount bounds the entries of a set, so that shard and key fit in 64 bits
// at the greatest rate: four thousand million.
const maxCount = 1 << 32

var (
	// ErrParams: the parameters are not those of any set, or not of this one.
	ErrParams = errors.New("parameters of the revoked set are not right")
	// ErrMalformed: the bytes are not a shard in its one encoding.
	ErrMalformed = errors.New("malformed shard of the revoked set")
	// ErrAbsent: what was to be taken out is not in the shard.
	ErrAbsent = errors.New("not in the shard")
)

// Params say how a set is divided and how much of each key it keeps. They
// follow from the count and the rate (ParamsFor).
type Params struct {
	ShardBits uint8 `cbor:"1,keyasint"` // there are 2^ShardBits shards
	KeyBits   uint8 `cbor:"2,keyasint"` // bits of a key that a shard keeps, beyond those that chose it
}

// ParamsFor gives the parameters of a set of count entries with a
// false-positive rate of at most 2^-falsePositiveBits (MinBits to MaxBits,
// else ErrParams). There are 512 to 1024 entries to a shard on average, fewer
// if one shard is enough. They follow from the count alone, without memory of
// what they were: so they stay the same until the count passes a power of two.
func ParamsFor(count uint64, falsePositiveBits int) (Params, error) {
	if falsePositiveBits < MinBits || falsePositiveBits > MaxBits {
		return Params{}, fmt.Errorf("%w: a false-positive rate of 2^-%d, want 2^-%d to 2^-%d", ErrParams, falsePositiveBits, MinBits, MaxBits)
	}
	if count > maxCount {
		return Params{}, fmt.Errorf("%w: %d entries, at most %d", ErrParams, count, uint64(maxCount))
	}
	log := 0 // of count, rounded up
	if count > 1 {
		log = bits.Len64(count - 1)
	}
	shards := min(max(log-shardFill, 0), MaxShardBits)
	return Params{ShardBits: uint8(shards), KeyBits: uint8(falsePositiveBits + max(log-shards, shardFill))}, nil
}

// Shards is the number of shards.
func (p Params) Shards() int { return 1 << p.ShardBits }

// check refuses parameters that no set can have, before they size anything.
func (p Params) check() error {
	if p.ShardBits > MaxShardBits || p.KeyBits < MinBits+shardFill || p.KeyBits > MaxBits+shardFill+2 {
		return fmt.Errorf("%w: 2^%d shards with %d bits of each key, want at most 2^%d with %d to %d",
			ErrParams, p.ShardBits, p.KeyBits, MaxShardBits, MinBits+shardFill, MaxBits+shardFill+2)
	}
	return nil
}

// ShardOf is the shard in which a key belongs.
func (p Params) ShardOf(key uint64) int { return int(key >> (64 - p.ShardBits)) }

// local is the part of a key that its shard keeps.
func (p Params) local(key uint64) uint64 { return key << p.ShardBits >> (64 - p.KeyBits) }

// keyDomain sets keys apart from all other uses of SHA-256 here.
const keyDomain = "concordat revoked hash v1\n"

// Key is the first eight bytes, big-endian, of SHA-256 over a domain and the
// hash. Hashes that somebody chose for their first bytes are spread by it like
// all others; only trying one by one finds hashes that crowd a shard.
func Key(h statement.RevocationHash) uint64 {
	var b [len(keyDomain) + statement.HashSize]byte
	copy(b[:], keyDomain)
	copy(b[len(keyDomain):], h[:])
	sum := sha256.Sum256(b[:])
	return binary.BigEndian.Uint64(sum[:])
}

// Summary is what a set says of itself: its parameters and how much is in it.
type Summary struct {
	Params
	Entries uint64 // hashes in batches that revoke; one in two batches counts twice
	Undos   uint64 // hashes in batches that undo
}

// summaryDomain begins the first leaf of a set's tree.
const summaryDomain = "concordat revoked set v1\n"

// Leaf is the first leaf of the tree over a set; the others are its shards.
func (s Summary) Leaf() []byte {
	b := append([]byte(summaryDomain), s.ShardBits, s.KeyBits)
	b = binary.BigEndian.AppendUint64(b, s.Entries)
	return binary.BigEndian.AppendUint64(b, s.Undos)
}

// Check refuses parameters that are not those for the count at any rate, with
// an error that wraps ErrParams.
func (s Summary) Check() error {
	if err := s.check(); err != nil {
		return err
	}
	if s.Entries > maxCount || s.Undos > maxCount {
		return fmt.Errorf("%w: %d entries and %d undos, at most %d of each", ErrParams, s.Entries, s.Undos, uint64(maxCount))
	}
	for rate := MinBits; rate <= MaxBits; rate++ {
		if p, err := ParamsFor(s.Entries+s.Undos, rate); err == nil && p == s.Params {
			return nil
		}
	}
	return fmt.Errorf("%w: 2^%d shards with %d bits of each key are for another count than %d entries and %d undos",
		ErrParams, s.ShardBits, s.KeyBits, s.Entries, s.Undos)
}

// Rate is the share of hashes that are not in the set and are found in it: the
// exact expectation, not the bound that was asked for.
func (s Summary) Rate() float64 {
	return float64(s.Entries) / float64(uint64(1)<<s.ShardBits) / float64(uint64(1)<<s.KeyBits)
}
