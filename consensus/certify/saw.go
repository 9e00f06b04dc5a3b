package certify

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"concordat/ledger/checkpoint"
)

var (
	// ErrBusy: more notes came than are looked at.
	ErrBusy = errors.New("too many checkpoints are shown to this node")
	// ErrOtherHistory: validators have signed a history that is not this ledger's.
	ErrOtherHistory = errors.New("a validator has signed another history than this ledger's")
)

// SawNote takes note of who signed a checkpoint of our log, from wherever it
// came: whoever was shown another history may hand it in here, and a signature
// of a validator under it becomes evidence (F5, F8). It looks at so many notes
// a second (F6).
//
// Errors: ErrBusy, and then nothing was looked at; ErrOtherHistory, which names
// the validators, where this ledger has another root at that size; or that the
// note is of another log, or that a signature of a validator fails. That our
// ledger is shorter is none: then what was signed is kept until it is not.
func (c *Certifier) SawNote(n *checkpoint.Note) error {
	c.mu.Lock()
	closed, taken := c.closed, c.shown.take(time.Now())
	c.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case !taken:
		return fmt.Errorf("%w: at most %d a second are looked at", ErrBusy, notesRate)
	}
	got, err := c.collected(n)
	if err != nil {
		return err
	}
	if got.stands != foreign || len(got.by) == 0 {
		return nil
	}
	names := make([]string, len(got.by))
	for i, id := range got.by {
		names[i] = string(id)
	}
	at := n.Checkpoint
	c.log.Warn("a checkpoint of another history was shown to this node", "size", at.Size, "signed by", names)
	return fmt.Errorf("%w: %s, at size %d with the root %x", ErrOtherHistory, strings.Join(names, ", "), at.Size, at.Root[:8])
}

// bucket lets so many events a second through, and as many at once as come in two.
type bucket struct {
	rate   float64
	tokens float64
	filled time.Time
}

func newBucket(rate float64) bucket { return bucket{rate: rate, tokens: 2 * rate, filled: time.Now()} }

// take lets one more through, or not.
func (b *bucket) take(now time.Time) bool {
	b.tokens = min(b.tokens+now.Sub(b.filled).Seconds()*b.rate, 2*b.rate)
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
