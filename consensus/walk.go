package consensus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

// walk reads a bbolt file's pages that hold something, and says what is wrong
// with them: all that bbolt's own walk at the opening looks for, and that what
// a page says of its inside lies inside. It reads with bounds, and has no map
// of the file. What the entries hold is for their seals (sealedLog).
//
// A page is a head (id 8 bytes, flags 2, count 2, overflow 4) and a table of
// elements of 16 bytes. A branch's are pos 4, ksize 4, page 8; a leaf's are
// flags 4, pos 4, ksize 4, vsize 4. Key and value begin pos bytes after their
// element. A bucket is a value: its root page 8, a sequence 8, and, with root
// 0, a leaf page in place. Numbers are in the machine's order.
type walk struct {
	file     *os.File
	pageSize int64
	pages    uint64 // pages in use are below this
	seen     map[uint64]bool
	sizes    *lengths // nil: nobody asks
}

const (
	boltHead    = 16
	boltElement = 16
	boltBranch  = 1
	boltLeaf    = 2
	boltBucket  = 1 // a leaf element's flag
	boltChunk   = 64 << 10
)

var native = binary.NativeEndian

// extent is a page with what overflows of it, or a page within a value.
type extent struct {
	walk  *walk
	name  string
	at    int64 // in the file
	size  int64
	chunk []byte // the begin of it
}

// bytes gives n bytes at off.
func (e *extent) bytes(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || off > e.size-n {
		return nil, fmt.Errorf("%s points beyond its end", e.name)
	}
	if off+n <= int64(len(e.chunk)) {
		return e.chunk[off : off+n : off+n], nil
	}
	b := make([]byte, n)
	if _, err := e.walk.file.ReadAt(b, e.at+off); err != nil {
		return nil, fmt.Errorf("%s: %w", e.name, err)
	}
	return b, nil
}

func (e *extent) load() (err error) {
	e.chunk, err = e.bytes(0, min(e.size, boltChunk))
	return err
}

// root walks through the two buckets of raft-boltdb.
func (w *walk) root(id uint64) error {
	buckets := 0
	_, err := w.page(id, nil, nil, func(e *extent, flags uint32, key []byte, at, size int64) error {
		buckets++
		name := string(key)
		if flags != boltBucket || name != "logs" && name != "conf" {
			return fmt.Errorf("%s has %.20q where a bucket of raft's should be", e.name, name)
		}
		return w.bucket(e, name, at, size)
	})
	if err == nil && buckets == 1 { // none: a crash came between bbolt's first pages and raft-boltdb's buckets
		err = errors.New("one of its two buckets is missing")
	}
	return err
}

// bucket walks through the bucket that is a value of e.
func (w *walk) bucket(e *extent, name string, at, size int64) error {
	if size < boltHead {
		return fmt.Errorf("bucket %s has %d bytes", name, size)
	}
	head, err := e.bytes(at, boltHead)
	if err != nil {
		return err
	}
	entry := func(e *extent, flags uint32, key []byte, _, size int64) error {
		if flags != 0 || name == "logs" && len(key) != 8 {
			return fmt.Errorf("%s has a key %.20x that is not raft's", e.name, key)
		}
		if name == "logs" && w.sizes != nil {
			w.sizes.put(binary.BigEndian.Uint64(key), int(size))
		}
		return nil
	}
	if id := native.Uint64(head); id != 0 {
		_, err := w.page(id, nil, nil, entry)
		return err
	}
	inline := &extent{walk: w, name: "bucket " + name, at: e.at + at + boltHead, size: size - boltHead}
	if err := inline.load(); err != nil {
		return err
	}
	_, err = w.elements(inline, 0, nil, nil, entry)
	return err
}

// element is told of each element of a leaf: its value is size bytes at at.
type element func(e *extent, flags uint32, key []byte, at, size int64) error

// page walks through the tree below a page, whose keys are from least on
// (nil: any) and before end (nil: any), and gives the last of them.
func (w *walk) page(id uint64, least, end []byte, tell element) (last []byte, err error) {
	e := &extent{walk: w, name: fmt.Sprintf("page %d", id), at: int64(id) * w.pageSize, size: w.pageSize}
	if id >= w.pages {
		return nil, fmt.Errorf("%s does not exist, there are %d", e.name, w.pages)
	}
	head, err := e.bytes(0, boltHead)
	if err != nil {
		return nil, err
	}
	over := uint64(native.Uint32(head[12:]))
	if over >= w.pages-id {
		return nil, fmt.Errorf("%s runs over %d pages, there are %d", e.name, over, w.pages)
	}
	for i := id; i <= id+over; i++ {
		if w.seen[i] {
			return nil, fmt.Errorf("page %d is used twice", i)
		}
		w.seen[i] = true
	}
	e.size = int64(over+1) * w.pageSize
	if err := e.load(); err != nil {
		return nil, err
	}
	return w.elements(e, id, least, end, tell)
}

// elements walks through what is on a page.
func (w *walk) elements(e *extent, id uint64, least, end []byte, tell element) (last []byte, err error) {
	head, err := e.bytes(0, boltHead)
	if err != nil {
		return nil, err
	}
	flags, count := native.Uint16(head[8:]), int64(native.Uint16(head[10:]))
	branch := flags == boltBranch
	if native.Uint64(head) != id || !branch && flags != boltLeaf || branch && (count == 0 || id == 0) {
		return nil, fmt.Errorf("%s has the head of something else", e.name)
	}
	table, err := e.bytes(boltHead, count*boltElement)
	if err != nil {
		return nil, err
	}
	// key gives the key of an element, and where its value is.
	key := func(i int64) (key []byte, at, size int64, err error) {
		el, from := table[i*boltElement:], boltHead+i*boltElement
		pos, ksize := int64(native.Uint32(el)), int64(native.Uint32(el[4:]))
		if !branch {
			pos, ksize, size = int64(native.Uint32(el[4:])), int64(native.Uint32(el[8:])), int64(native.Uint32(el[12:]))
		}
		at = from + pos + ksize
		if from+pos < boltHead+count*boltElement || at > e.size-size || ksize == 0 {
			return nil, 0, 0, fmt.Errorf("%s: element %d does not lie on it", e.name, i)
		}
		key, err = e.bytes(from+pos, ksize)
		return key, at, size, err
	}
	last = least
	for i := range count {
		k, at, size, err := key(i)
		if err != nil {
			return nil, err
		}
		if c := bytes.Compare(last, k); last != nil && (c > 0 || c == 0 && i > 0) || end != nil && bytes.Compare(k, end) >= 0 {
			return nil, fmt.Errorf("%s: key %.20x is out of order", e.name, k)
		}
		last = k
		if !branch {
			if err := tell(e, native.Uint32(table[i*boltElement:]), k, at, size); err != nil {
				return nil, err
			}
			continue
		}
		before := end
		if i < count-1 {
			if before, _, _, err = key(i + 1); err != nil {
				return nil, err
			}
		}
		if last, err = w.page(native.Uint64(table[i*boltElement+8:]), k, before, tell); err != nil {
			return nil, err
		}
	}
	return last, nil
}
