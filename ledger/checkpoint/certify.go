package checkpoint

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"concordat/ledger/statement"
)

// ErrNoQuorum: too few validators have co-signed.
var ErrNoQuorum = errors.New("no quorum of co-signatures")

// Certified is a checkpoint that a quorum of validators has co-signed (K1).
type Certified struct {
	checkpoint Checkpoint
	note       []byte
	cosigners  []Cosignature // ascending by validator
	time       time.Time
}

// Checkpoint gives what is certified.
func (c *Certified) Checkpoint() Checkpoint { return c.checkpoint }

// Note gives the signed note in its canonical form: the lines of known keys in
// ascending order of type and validator, then up to 16 of unknown signers in
// order of their bytes. It keeps to the 100 lines that golang.org/x/mod/sumdb/note
// reads by leaving out, first, unknown signers, then signatures of type 0x01.
func (c *Certified) Note() []byte { return bytes.Clone(c.note) }

// Cosigners gives the co-signatures that count, one per validator, in ascending order of id.
func (c *Certified) Cosigners() []Cosignature { return slices.Clone(c.cosigners) }

// Time is when the checkpoint was certified, at the latest: a quorum says that
// it was so then or later. It is the quorum-th newest co-signature's time, so
// with fewer than a third of the validators dishonest it is no later than what
// an honest validator's clock showed as it signed: no dishonest one can make
// old knowledge look fresh.
func (c *Certified) Time() time.Time { return c.time }

// Certify verifies n's lines with the validators' keys. Lines of unknown
// signers are ignored; one of a known key that fails spoils the note, as C2SP
// signed-note demands. A suspended validator's lines are verified and left out.
// The caller compares the origin with its network's name. Errors wrap
// ErrMalformed, ErrSignature, or ErrNoQuorum, which says who is missing.
func (n *Note) Certify(vs Validators) (*Certified, error) {
	c := n.Checkpoint
	if err := c.Check(); err != nil {
		return nil, err
	}
	if len(n.Lines) > MaxLines {
		return nil, fmt.Errorf("%w: %d signatures, at most %d", ErrTooLarge, len(n.Lines), MaxLines)
	}
	newest := make(map[statement.Region]Cosignature)
	logs := make(map[statement.Region]string)
	var unknown []string
	for _, s := range n.Lines {
		cosig, err := vs.VerifyCosignature(c, s)
		if err == nil {
			// K2: only the newest. Two lines of one second are equally good; one is chosen for all.
			if old, twice := newest[cosig.By]; !twice || cosig.At.After(old.At) || cosig.At.Equal(old.At) && cosig.Line < old.Line {
				newest[cosig.By] = cosig
			}
			continue
		}
		if !errors.Is(err, ErrUnknownSigner) {
			return nil, err
		}
		by, err := vs.VerifyLog(c, s)
		switch {
		case err == nil:
			if old, twice := logs[by]; !twice || s < old {
				logs[by] = s
			}
		case errors.Is(err, ErrUnknownSigner):
			unknown = append(unknown, s)
		default:
			return nil, err
		}
	}
	out := &Certified{checkpoint: c}
	var logLines []string
	var missing []string
	for _, v := range vs {
		if v.Suspended {
			missing = append(missing, string(v.ID)+" (suspended)")
			continue
		}
		if s, ok := logs[v.ID]; ok {
			logLines = append(logLines, s)
		}
		if cosig, ok := newest[v.ID]; ok {
			out.cosigners = append(out.cosigners, cosig)
		} else {
			missing = append(missing, string(v.ID))
		}
	}
	quorum := vs.Quorum()
	if len(out.cosigners) < quorum {
		return nil, fmt.Errorf("%w: %d of %d validators co-sign size %d, want %d; missing: %s",
			ErrNoQuorum, len(out.cosigners), len(vs), c.Size, quorum, strings.Join(missing, ", "))
	}
	byTime := slices.SortedFunc(slices.Values(out.cosigners), func(a, b Cosignature) int { return b.At.Compare(a.At) })
	out.time = byTime[quorum-1].At
	slices.Sort(unknown)
	note, err := canonicalNote(c, logLines, out.cosigners, slices.Compact(unknown))
	if err != nil {
		return nil, err
	}
	out.note = note
	return out, nil
}

// canonicalNote writes the lines in their order, as many of each sort as there
// is room for. Errors wrap ErrTooLarge: the co-signatures alone do not fit.
func canonicalNote(c Checkpoint, logs []string, cosigners []Cosignature, unknown []string) ([]byte, error) {
	text := c.Text() + "\n"
	size, count := len(text), 0
	take := func(lines []string, atMost int) []string {
		for i, s := range lines {
			if i == atMost || count == toolLines || size+len(s) > MaxNote {
				return lines[:i]
			}
			size, count = size+len(s), count+1
		}
		return lines
	}
	for _, cosig := range cosigners {
		size, count = size+len(cosig.Line), min(count+1, toolLines)
	}
	if size > MaxNote {
		return nil, fmt.Errorf("%w: the co-signatures of %d validators take %d bytes, at most %d", ErrTooLarge, len(cosigners), size, MaxNote)
	}
	logs = take(logs, toolLines)
	unknown = take(unknown, witnessLines)
	var out strings.Builder
	out.WriteString(text)
	for _, s := range logs {
		out.WriteString(s)
	}
	for _, cosig := range cosigners {
		out.WriteString(cosig.Line)
	}
	for _, s := range unknown {
		out.WriteString(s)
	}
	return []byte(out.String()), nil
}

// Newer reports whether a tells more than b: a larger size, or the same at a
// later time. Anything is newer than nil.
func Newer(a, b *Certified) bool {
	switch {
	case a == nil || b == nil:
		return a != nil
	case a.checkpoint.Size != b.checkpoint.Size:
		return cmp.Less(b.checkpoint.Size, a.checkpoint.Size)
	}
	return a.time.After(b.time)
}
