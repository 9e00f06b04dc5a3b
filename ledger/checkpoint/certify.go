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

var (
	// ErrNoQuorum: too few validators have co-signed.
	ErrNoQuorum = errors.New("no quorum of co-signatures")
	// ErrOrigin: the checkpoint is of another log.
	ErrOrigin = errors.New("checkpoint is of another log")
)

// Certified is a checkpoint that a quorum of validators has co-signed, or while
// they change a quorum of each set (K1).
type Certified struct {
	checkpoint Checkpoint
	note       []byte
	cosigners  []Cosignature // ascending by validator, then by line
	time       time.Time
}

// Checkpoint gives what is certified.
func (c *Certified) Checkpoint() Checkpoint { return c.checkpoint }

// Note gives the signed note in its canonical form: the lines of known keys in
// ascending order of type and validator, then up to 16 of unknown signers in
// order of their bytes. It keeps to the 100 lines that golang.org/x/mod/sumdb/note
// reads by leaving out, first, unknown signers, then signatures of type 0x01.
func (c *Certified) Note() []byte { return bytes.Clone(c.note) }

// Cosigners gives the co-signatures that count, in ascending order of id: one
// per validator, or two of one that has another key in each of two sets.
func (c *Certified) Cosigners() []Cosignature { return slices.Clone(c.cosigners) }

// Time is when the checkpoint was certified, at the latest: a quorum says that
// it was so then or later. It is the quorum-th newest co-signature's time, so
// with fewer than a third of the validators dishonest it is no later than what
// an honest validator's clock showed as it signed: no dishonest one can make
// old knowledge look fresh. Of two sets it is the earlier time.
func (c *Certified) Time() time.Time { return c.time }

// Certify verifies n's lines with the validators' keys. Lines of unknown
// signers are ignored; one of a known key that fails spoils the note, as C2SP
// signed-note demands. A suspended validator's lines are verified and left out.
// The caller compares the origin with its network's name. Errors wrap
// ErrMalformed, ErrSignature, or ErrNoQuorum, which says who is missing.
func (n *Note) Certify(vs Validators) (*Certified, error) {
	return n.certify(Electorate{Origin: n.Checkpoint.Origin, Sets: []Validators{vs}})
}

// CertifyBy is Certify with those who certify checkpoints of that size: each of
// the sets has to have its quorum. The caller has taken e for n's size
// (Electorates.At). Errors are Certify's, or wrap ErrOrigin.
func (n *Note) CertifyBy(e Electorate) (*Certified, error) {
	switch size := n.Checkpoint.Size; {
	case n.Checkpoint.Origin != e.Origin:
		return nil, fmt.Errorf("%w: %.110q; who is asked about certifies %q at size %d", ErrOrigin, n.Checkpoint.Origin, e.Origin, size)
	case size < e.From:
		return nil, fmt.Errorf("%w: size %d, and these validators certify from %d on", ErrNoQuorum, size, e.From)
	case len(e.Sets) == 0:
		return nil, fmt.Errorf("%w: nobody certifies size %d", ErrNoQuorum, size)
	}
	return n.certify(e)
}

// signer is a key of a validator.
type signer struct {
	id  statement.Region
	key string // public
}

func (n *Note) certify(e Electorate) (*Certified, error) {
	c := n.Checkpoint
	if err := c.Check(); err != nil {
		return nil, err
	}
	if len(n.Lines) > MaxLines {
		return nil, fmt.Errorf("%w: %d signatures, at most %d", ErrTooLarge, len(n.Lines), MaxLines)
	}
	newest := make(map[signer]Cosignature)
	logs := make(map[signer]string)
	var unknown []string
	for _, s := range n.Lines {
		cosig, v, err := e.VerifyCosignature(c, s)
		if err == nil {
			// K2: only the newest. Two lines of one second are equally good; one is chosen for all.
			by := signer{v.ID, string(v.Cosign)}
			if old, twice := newest[by]; !twice || cosig.At.After(old.At) || cosig.At.Equal(old.At) && cosig.Line < old.Line {
				newest[by] = cosig
			}
			continue
		}
		if !errors.Is(err, ErrUnknownSigner) {
			return nil, err
		}
		v, err = e.VerifyLog(c, s)
		switch {
		case err == nil:
			by := signer{v.ID, string(v.Node)}
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
	var logLines []signedBy
	for i, vs := range e.Sets {
		counted, at, err := count(vs, newest)
		if err != nil {
			return nil, fmt.Errorf("%w: %s size %d is co-signed by %w", ErrNoQuorum, e.ofSet(i), c.Size, err)
		}
		if i == 0 || at.Before(out.time) {
			out.time = at
		}
		out.cosigners = append(out.cosigners, counted...)
		for _, v := range vs {
			if s, ok := logs[signer{v.ID, string(v.Node)}]; ok && !v.Suspended {
				logLines = append(logLines, signedBy{v.ID, s})
			}
		}
	}
	slices.SortFunc(out.cosigners, func(a, b Cosignature) int {
		return cmp.Or(cmp.Compare(a.By, b.By), cmp.Compare(a.Line, b.Line))
	})
	out.cosigners = slices.Compact(out.cosigners)
	slices.SortFunc(logLines, func(a, b signedBy) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.line, b.line))
	})
	slices.Sort(unknown)
	note, err := canonicalNote(c, slices.Compact(logLines), out.cosigners, slices.Compact(unknown))
	if err != nil {
		return nil, err
	}
	out.note = note
	return out, nil
}

// signedBy is the log's own signature by a validator's node key.
type signedBy struct {
	id   statement.Region
	line string
}

// ofSet begins a sentence on one of the sets.
func (e Electorate) ofSet(i int) string {
	n := len(e.Sets[i])
	switch {
	case len(e.Sets) == 1:
		return fmt.Sprintf("of %d validators", n)
	case i == len(e.Sets)-1:
		return fmt.Sprintf("of the %d validators after the change", n)
	}
	return fmt.Sprintf("of the %d validators before the change", n)
}

// count gives the co-signatures that count in one set, and the time of the
// quorum-th newest. The error says who is missing.
func count(vs Validators, newest map[signer]Cosignature) (counted []Cosignature, at time.Time, err error) {
	var missing []string
	for _, v := range vs {
		cosig, ok := newest[signer{v.ID, string(v.Cosign)}]
		switch {
		case v.Suspended:
			missing = append(missing, string(v.ID)+" (suspended)")
		case !ok:
			missing = append(missing, string(v.ID))
		default:
			counted = append(counted, cosig)
		}
	}
	quorum := vs.Quorum()
	if len(counted) < quorum {
		return nil, time.Time{}, fmt.Errorf("%d, want %d; missing: %s", len(counted), quorum, strings.Join(missing, ", "))
	}
	byTime := slices.SortedFunc(slices.Values(counted), func(a, b Cosignature) int { return b.At.Compare(a.At) })
	return counted, byTime[quorum-1].At, nil
}

// canonicalNote writes the lines in their order, as many of each sort as there
// is room for. Errors wrap ErrTooLarge: the co-signatures alone do not fit.
func canonicalNote(c Checkpoint, signed []signedBy, cosigners []Cosignature, unknown []string) ([]byte, error) {
	logs := make([]string, len(signed))
	for i, s := range signed {
		logs[i] = s.line
	}
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
