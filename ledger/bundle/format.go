package bundle

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"concordat/ledger/internal/canonical"
	"concordat/ledger/receipt"
	"concordat/ledger/revoked"
	"concordat/ledger/seal"
)

// Magic opens a bundle's file.
const Magic = "concordat bundle v1\n"

const (
	// MaxHeader bounds the header, in bytes: the receipt is nearly all of it.
	MaxHeader = receipt.MaxSize + 1024
	// MaxShard bounds one shard, in bytes.
	MaxShard = 1 << 30
)

var (
	// ErrMalformed: the bytes are not a bundle in its one encoding.
	ErrMalformed = errors.New("malformed bundle")
	// ErrTooLarge: a limit is exceeded.
	ErrTooLarge = fmt.Errorf("%w: too large", ErrMalformed)
)

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, a...))
}

// codec bounds what a header may hold.
var codec = canonical.New(4, 16, 16)

// Header is what a bundle says of itself.
type Header struct {
	// Since is 0 for a whole bundle. For a delta it is the size of the bundles
	// that it brings up to date: it has the shards that changed after the seal of
	// that size.
	Since   uint64
	Receipt receipt.Receipt // of the seal
	Summary revoked.Summary
}

// wireHeader is the header's CBOR.
type wireHeader struct {
	Since     uint64 `cbor:"1,keyasint,omitempty"`
	Receipt   []byte `cbor:"2,keyasint"` // as a tlog-proof file
	ShardBits uint8  `cbor:"3,keyasint"`
	KeyBits   uint8  `cbor:"4,keyasint"`
	Entries   uint64 `cbor:"5,keyasint"`
	Undos     uint64 `cbor:"6,keyasint"`
}

func (h *Header) encode() ([]byte, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	proof, err := h.Receipt.TLogProof()
	if err != nil {
		return nil, fmt.Errorf("the receipt of the seal: %w", err)
	}
	return codec.Encode(wireHeader{
		Since: h.Since, Receipt: proof,
		ShardBits: h.Summary.ShardBits, KeyBits: h.Summary.KeyBits, Entries: h.Summary.Entries, Undos: h.Summary.Undos,
	})
}

func decodeHeader(raw []byte) (Header, error) {
	var w wireHeader
	if err := codec.Decode(raw, &w); err != nil {
		return Header{}, malformed("header: %w", err)
	}
	r, err := receipt.ParseTLogProof(w.Receipt)
	if err != nil {
		return Header{}, malformed("header: %w", err)
	}
	h := Header{Since: w.Since, Receipt: r, Summary: revoked.Summary{
		Params: revoked.Params{ShardBits: w.ShardBits, KeyBits: w.KeyBits}, Entries: w.Entries, Undos: w.Undos,
	}}
	return h, h.check()
}

// check checks what the shards are then counted by.
func (h *Header) check() error {
	if err := h.Summary.Check(); err != nil {
		return malformed("header: %w", err)
	}
	if h.Since > h.Receipt.Index {
		return malformed("header: a delta to size %d for bundles of size %d", h.Receipt.Index, h.Since)
	}
	return nil
}

// Shards is where Write gets one sort of shards from.
type Shards struct {
	Read func(i int) ([]byte, error)
	// Changed says whether a shard changed after the seal of size Header.Since.
	// It is not asked for a whole bundle. If the number of shards of the revoked
	// set is not what it was then, all of them changed.
	Changed func(i int) (bool, error)
}

// Write writes a bundle, or a delta if h.Since is not 0. Errors are those of w
// and of the sources, or wrap ErrMalformed where h cannot be written.
func Write(w io.Writer, h Header, records, revoked Shards) error {
	header, err := h.encode()
	if err != nil {
		return err
	}
	if len(header) > MaxHeader {
		return fmt.Errorf("%w: a header of %d bytes, at most %d", ErrTooLarge, len(header), MaxHeader)
	}
	out := bufio.NewWriterSize(w, 1<<16) // its first error stays until Flush
	out.WriteString(Magic)
	out.Write(binary.AppendUvarint(nil, uint64(len(header))))
	out.Write(header)
	kinds := []struct {
		Shards
		n   int
		has []byte
	}{{records, seal.RecordShards, nil}, {revoked, h.Summary.Shards(), nil}}
	for k := range kinds {
		kind := &kinds[k]
		if kind.has, err = kind.bitmap(kind.n, h.Since == 0); err != nil {
			return err
		}
		out.Write(kind.has)
	}
	for _, kind := range kinds {
		for i := range kind.n {
			if !isSet(kind.has, i) {
				continue
			}
			shard, err := kind.Read(i)
			if err != nil {
				return err
			}
			if len(shard) > MaxShard {
				return fmt.Errorf("%w: shard %d has %d bytes, at most %d", ErrTooLarge, i, len(shard), MaxShard)
			}
			out.Write(binary.AppendUvarint(nil, uint64(len(shard))))
			out.Write(shard)
		}
	}
	return out.Flush()
}

// bitmap says which of n shards are in the file: bit i of byte i/8, the lowest first.
func (s Shards) bitmap(n int, all bool) ([]byte, error) {
	has := make([]byte, (n+7)/8)
	for i := range n {
		in := all
		if !all {
			var err error
			if in, err = s.Changed(i); err != nil {
				return nil, err
			}
		}
		if in {
			has[i>>3] |= 1 << (i & 7)
		}
	}
	return has, nil
}

func isSet(bitmap []byte, i int) bool { return bitmap[i>>3]>>(i&7)&1 == 1 }

// Unverified is a bundle, or a delta, as somebody handed it over. Nothing in it
// counts before Verify or Update.
type Unverified struct {
	head             Header
	records, revoked part
}

// part is the shards of one sort that a file has.
type part struct {
	n      int // shards of the sort that there are
	shards []framed
}

type framed struct {
	i     int
	bytes []byte
}

// Parse reads a file; the result keeps raw. Errors wrap ErrMalformed. It does
// not look into the shards: that is for Verify, which first knows whose they are.
func Parse(raw []byte) (*Unverified, error) {
	rest, ok := bytes.CutPrefix(raw, []byte(Magic))
	if !ok {
		return nil, malformed("the first line is not %q; is it a bundle?", Magic[:len(Magic)-1])
	}
	r := fileReader{rest: rest}
	header := r.framed("header", MaxHeader)
	if r.err != nil {
		return nil, r.err
	}
	u := new(Unverified)
	var err error
	if u.head, err = decodeHeader(header); err != nil {
		return nil, err
	}
	u.records.n, u.revoked.n = seal.RecordShards, u.head.Summary.Shards()
	hasRecords, hasRevoked := r.bitmap(u.records.n), r.bitmap(u.revoked.n)
	u.records.shards = r.shards(u.records.n, hasRecords)
	u.revoked.shards = r.shards(u.revoked.n, hasRevoked)
	switch {
	case r.err != nil:
		return nil, r.err
	case len(r.rest) > 0:
		return nil, malformed("%d bytes after its end", len(r.rest))
	case u.head.Since == 0 && !(u.records.whole() && u.revoked.whole()):
		return nil, malformed("it lacks shards and is not said to be a delta")
	}
	return u, nil
}

// Header gives what the file says of itself.
func (u *Unverified) Header() Header { return u.head }

// Delta reports whether it only has what changed since the bundle of a size.
func (u *Unverified) Delta() (since uint64, is bool) { return u.head.Since, u.head.Since != 0 }

func (p *part) whole() bool { return len(p.shards) == p.n }

// fileReader takes a file apart; after an error it gives nothing.
type fileReader struct {
	rest []byte
	err  error
}

func (r *fileReader) framed(what string, most uint64) []byte {
	if r.err != nil {
		return nil
	}
	n, size := binary.Uvarint(r.rest)
	switch {
	case size <= 0 || size > 1 && r.rest[size-1] == 0:
		r.err = malformed("%s: no length in its shortest form", what)
	case n > most:
		r.err = fmt.Errorf("%w: %s of %d bytes, at most %d", ErrTooLarge, what, n, most)
	default:
		r.rest = r.rest[size:]
		return r.take(what, int(n))
	}
	return nil
}

func (r *fileReader) take(what string, n int) []byte {
	if r.err == nil && n > len(r.rest) {
		r.err = malformed("%s of %d bytes, and the file ends after %d; was it cut short?", what, n, len(r.rest))
	}
	if r.err != nil {
		return nil
	}
	out := r.rest[:n:n]
	r.rest = r.rest[n:]
	return out
}

func (r *fileReader) bitmap(n int) []byte {
	b := r.take("list of shards", (n+7)/8)
	if r.err == nil && n%8 != 0 && b[len(b)-1]>>(n%8) != 0 {
		r.err = malformed("it lists a shard beyond the last, number %d", n-1)
	}
	return b
}

func (r *fileReader) shards(n int, has []byte) []framed {
	count := 0
	for _, b := range has {
		count += bits.OnesCount8(b)
	}
	if r.err == nil && count > len(r.rest) { // B2: each takes a byte at least
		r.err = malformed("%d shards, and %d bytes left; was it cut short?", count, len(r.rest))
	}
	if r.err != nil {
		return nil
	}
	out := make([]framed, 0, count)
	for i := range n {
		if isSet(has, i) {
			out = append(out, framed{i, r.framed("shard", MaxShard)})
		}
		if r.err != nil {
			return nil
		}
	}
	return out
}
