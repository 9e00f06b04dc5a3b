package revoked

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"sort"

	"concordat/ledger/statement"
)

// maxEntries bounds one shard, 2^26, so that its sizes in bits fit in an int
// of any machine's and a foreign shard cannot claim more.
const maxEntries = 1 << 26

// As a shard is read, the zeros before every stride of its upper bits are
// counted, so that a look-up reads few words of them (RV5).
const (
	stride = 512 // bits: a cache line
	// A shard of at most nearby entries has no more than eight strides; their
	// counts stand in the Shard itself.
	nearby = 2048
)

// Shard is a shard that was read: it can be asked. It keeps the bytes that it
// was read from.
type Shard struct {
	// What every look-up reads stands together, first.
	highs, lows []byte
	near        [nearby*2/stride - 1]uint16 // zeros in highs before each stride but the first; beyond the end, more than there can be
	n           int32
	low, width  uint8
	p           Params
	base        uint64
	ordinals    []byte
	undos       []byte
	far         []uint32 // what near is, for every stride of a shard of more than nearby entries
}

// Open reads shard number i of a set; every byte is checked (RV4). Errors wrap
// ErrMalformed or ErrParams.
func Open(p Params, i int, raw []byte) (Shard, error) {
	if err := p.check(); err != nil {
		return Shard{}, err
	}
	s, err := open(p, raw)
	if err != nil {
		return Shard{}, err
	}
	var last []byte
	for at := 0; at < len(s.undos); at += undoSize {
		u := s.undos[at : at+undoSize]
		if of := p.ShardOf(Key(statement.RevocationHash(u[:statement.HashSize]))); of != i {
			return Shard{}, fmt.Errorf("%w: undo %d belongs in shard %d, not in %d", ErrMalformed, at/undoSize, of, i)
		}
		if bytes.Compare(last, u) >= 0 {
			return Shard{}, fmt.Errorf("%w: undo %d is not above the one before it", ErrMalformed, at/undoSize)
		}
		last = u
	}
	return s, s.check()
}

// open finds the parts of a shard, within its bytes.
func open(p Params, raw []byte) (Shard, error) {
	s := Shard{p: p}
	if len(raw) == 0 {
		return s, nil
	}
	r := reader{rest: raw}
	n, m := r.uvarint("count of entries", maxEntries), r.uvarint("count of undos", maxEntries)
	if r.err == nil && n == 0 && m == 0 {
		return s, fmt.Errorf("%w: an empty shard has no bytes, this one has %d", ErrMalformed, len(raw))
	}
	if n > 0 {
		s.n, s.low = int32(n), uint8(lowBits(p.KeyBits, int(n)))
		s.base = r.uvarint("first ordinal", 1<<maxOrdinalBits-1)
		s.width = r.byte("width of ordinals", maxOrdinalBits)
		s.lows = r.take("keys", fill(int(n)*int(s.low)))
		s.highs = r.take("keys", fill(int(n)+s.buckets()))
		s.ordinals = r.take("ordinals", fill(int(n)*int(s.width)))
	}
	s.undos = r.take("undos", int(m)*undoSize)
	if r.err == nil && len(r.rest) > 0 {
		r.err = fmt.Errorf("%w: %d bytes after its end", ErrMalformed, len(r.rest))
	}
	if r.err != nil {
		return Shard{}, r.err
	}
	s.rank()
	return s, nil
}

// buckets is in how many buckets the upper bits divide the keys. Each ends with a zero.
func (s *Shard) buckets() int { return 1 << (s.p.KeyBits - s.low) }

// rank counts the zeros before every stride.
func (s *Shard) rank() {
	for i := range s.near {
		s.near[i] = 1<<16 - 1
	}
	zeros := 0
	for at := 0; at < len(s.highs)<<3; at += 64 {
		switch i := at / stride; {
		case at%stride != 0:
		case s.n > nearby:
			s.far = append(s.far, uint32(zeros))
		case i > 0:
			s.near[i-1] = uint16(zeros)
		}
		zeros += bits.OnesCount64(^load(s.highs, at>>3))
	}
}

// end is the place of the zero that ends a bucket. It is in the last stride
// that does not have more zeros before it.
func (s *Shard) end(bucket int) int {
	i, before := 0, 0
	if s.far != nil {
		i = sort.Search(len(s.far), func(i int) bool { return int(s.far[i]) > bucket }) - 1
		before = int(s.far[i])
	} else {
		for i < len(s.near) && int(s.near[i]) <= bucket {
			before = int(s.near[i])
			i++
		}
	}
	return zero(s.highs, i*stride, bucket-before)
}

// bucket gives the entries of a bucket: from and to, exclusive.
func (s *Shard) bucket(b int) (from, to int) {
	start := 0
	if b > 0 {
		start = s.end(b-1) + 1
	}
	end := 0
	if s.far == nil {
		end = nextZero(s.highs, start)
	} else {
		end = s.end(b)
	}
	return start - b, end - b // as many zeros as buckets before
}

// AppendBatches appends the ordinals of the batches that may hold the hash with
// a key, ascending; one may be there twice. For a hash that was put in, its
// batch is among them, always (RV1).
func (s *Shard) AppendBatches(to []uint64, key uint64) []uint64 {
	if s.n == 0 {
		return to
	}
	local := s.p.local(key)
	at, end := s.bucket(int(local >> s.low))
	want := local & (1<<s.low - 1)
	for last := end; at < last; { // the first whose low bits are at least those wanted
		if mid := (at + last) / 2; get(s.lows, mid, int(s.low)) < want {
			at = mid + 1
		} else {
			last = mid
		}
	}
	for ; at < end && get(s.lows, at, int(s.low)) == want; at++ {
		to = append(to, s.base+get(s.ordinals, at, int(s.width)))
	}
	return to
}

// AppendUndone appends the indexes of the statements that undid a hash, ascending.
func (s *Shard) AppendUndone(to []uint64, h statement.RevocationHash) []uint64 {
	lo, hi := 0, len(s.undos)/undoSize
	for lo < hi {
		mid := (lo + hi) / 2
		if bytes.Compare(s.undos[mid*undoSize:][:statement.HashSize], h[:]) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	for at := lo * undoSize; at < len(s.undos) && bytes.HasPrefix(s.undos[at:], h[:]); at += undoSize {
		to = append(to, binary.BigEndian.Uint64(s.undos[at+statement.HashSize:]))
	}
	return to
}

// Count is how many entries and undos the shard holds.
func (s *Shard) Count() (entries, undos int) { return int(s.n), len(s.undos) / undoSize }

// each gives the entries in order, without checking them.
func (s *Shard) each(fn func(i int, e Entry)) {
	i := 0
	for at := 0; at < len(s.highs)<<3; at += 64 {
		for w := load(s.highs, at>>3); w != 0 && i < int(s.n); w &= w - 1 {
			high := at + bits.TrailingZeros64(w) - i
			fn(i, Entry{uint64(high)<<s.low | get(s.lows, i, int(s.low)), s.base + get(s.ordinals, i, int(s.width))})
			i++
		}
	}
}

// contents reads the whole shard.
func (s *Shard) contents() contents {
	c := contents{entries: make([]Entry, 0, s.n), undos: make([]Undo, 0, len(s.undos)/undoSize)}
	s.each(func(_ int, e Entry) { c.entries = append(c.entries, e) })
	for at := 0; at < len(s.undos); at += undoSize {
		c.undos = append(c.undos, Undo{
			Hash:  statement.RevocationHash(s.undos[at : at+statement.HashSize]),
			Index: binary.BigEndian.Uint64(s.undos[at+statement.HashSize:]),
		})
	}
	return c
}

// check refuses entries that encode would not have written so.
func (s *Shard) check() error {
	if s.n == 0 {
		return nil
	}
	n, length := int(s.n), int(s.n)+s.buckets()
	ones := 0
	for at := 0; at < len(s.highs); at += 8 {
		ones += bits.OnesCount64(load(s.highs, at))
	}
	last := length - 1
	switch {
	case ones != n:
		return fmt.Errorf("%w: %d upper bits for %d entries", ErrMalformed, ones, s.n)
	case s.highs[last>>3]>>(last&7) != 0:
		return fmt.Errorf("%w: the last bucket has no end", ErrMalformed)
	case !padded(s.lows, n*int(s.low)) || !padded(s.ordinals, n*int(s.width)):
		return fmt.Errorf("%w: bits after the end of an array are not zero", ErrMalformed)
	}
	var before Entry
	var err error
	least, most := ^uint64(0), uint64(0)
	s.each(func(i int, e Entry) {
		if i > 0 && err == nil && compareEntries(before, e) > 0 {
			err = fmt.Errorf("%w: entry %d is below the one before it", ErrMalformed, i)
		}
		before, least, most = e, min(least, e.Ordinal), max(most, e.Ordinal)
	})
	switch {
	case err != nil:
		return err
	case least != s.base || bits.Len64(most-least) != int(s.width) || most >= 1<<maxOrdinalBits:
		return fmt.Errorf("%w: ordinals %d to %d, said to be from %d on in %d bits", ErrMalformed, least, most, s.base, s.width)
	}
	return nil
}

// reader takes a shard apart; after an error it gives nothing.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) uvarint(what string, most uint64) uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || n > 1 && r.rest[n-1] == 0 {
		r.err = fmt.Errorf("%w: the %s is no number in its shortest form", ErrMalformed, what)
		return 0
	}
	if v > most {
		r.err = fmt.Errorf("%w: the %s is %d, at most %d", ErrMalformed, what, v, most)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) byte(what string, most byte) byte {
	b := r.take(what, 1)
	if r.err == nil && b[0] > most {
		r.err = fmt.Errorf("%w: the %s is %d, at most %d", ErrMalformed, what, b[0], most)
	}
	if r.err != nil {
		return 0
	}
	return b[0]
}

func (r *reader) take(what string, n int) []byte {
	if r.err == nil && n > len(r.rest) {
		r.err = fmt.Errorf("%w: %d bytes left where its %s take %d", ErrMalformed, len(r.rest), what, n)
	}
	if r.err != nil {
		return nil
	}
	out := r.rest[:n:n]
	r.rest = r.rest[n:]
	return out
}
