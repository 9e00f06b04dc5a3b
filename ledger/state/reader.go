package state

import "errors"

// ErrCorrupt: a record in the state is not one that this package wrote. The
// state must not be relied upon, nor anything be applied to it.
var ErrCorrupt = errors.New("corrupt state")

// Reader shows the state at one point of the log. It must not change while it is used.
type Reader interface {
	// Get returns the value under key, or nil if there is none; no value is
	// empty. The caller does not change the slice, nor keep it beyond its next Get.
	Get(key []byte) ([]byte, error)
	// Scan calls fn for each key that begins with prefix, in ascending order
	// of bytes, until fn returns false or an error, which Scan returns. fn
	// does not change the slices, nor keep them; it may call Get.
	Scan(prefix []byte, fn func(key, value []byte) (more bool, err error)) error
}

// Prober is a Reader that can say, more cheaply than by Scan, whether there is a
// key that begins with prefix. Nearly all codes are in no revocation list.
type Prober interface {
	Reader
	Any(prefix []byte) (bool, error)
}

// Write sets the value under a key; a nil Value deletes it. What Apply returns
// belongs to the caller, but writes of one batch may share their Value.
type Write struct {
	Key, Value []byte
}
