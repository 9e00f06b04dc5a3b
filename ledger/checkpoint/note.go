package checkpoint

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Note is a checkpoint with signature lines that nobody has verified.
type Note struct {
	Checkpoint Checkpoint
	Lines      []string // each with its line feed
}

// ParseNote reads a signed note of at most MaxNote bytes and MaxLines
// signatures, whose text is a Concordat checkpoint. Errors wrap ErrMalformed.
func ParseNote(raw []byte) (*Note, error) {
	if len(raw) > MaxNote {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(raw), MaxNote)
	}
	text, lines, err := SplitNote(raw)
	if err != nil {
		return nil, err
	}
	c, err := Parse(text)
	if err != nil {
		return nil, err
	}
	return &Note{Checkpoint: c, Lines: lines}, nil
}

// SplitNote reads any signed note (C2SP signed-note) into its text and its
// signature lines, of which it has at least one. Errors wrap ErrMalformed.
func SplitNote(raw []byte) (text string, lines []string, err error) {
	if len(raw) > MaxNote {
		return "", nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(raw), MaxNote)
	}
	// The last empty line ends the text, which may have others.
	i := bytes.LastIndex(raw, []byte("\n\n"))
	if i < 0 {
		return "", nil, malformed("it has no empty line between the text and the signatures")
	}
	text, rest := string(raw[:i+1]), string(raw[i+2:])
	if !validText(strings.ReplaceAll(text, "\n", "")) {
		return "", nil, malformed("the text is not UTF-8 without control characters")
	}
	for s := range strings.Lines(rest) {
		if len(lines) == MaxLines {
			return "", nil, fmt.Errorf("%w: more than %d signatures", ErrTooLarge, MaxLines)
		}
		if _, err := parseLine(s); err != nil {
			return "", nil, err
		}
		lines = append(lines, s)
	}
	if len(lines) == 0 {
		return "", nil, malformed("it has no signature")
	}
	return text, lines, nil
}

// Assemble makes a note of a checkpoint and lines from wherever they came. A
// line that is there twice is taken once.
func Assemble(c Checkpoint, lines []string) *Note {
	n := &Note{Checkpoint: c}
	for _, s := range lines {
		if !slices.Contains(n.Lines, s) {
			n.Lines = append(n.Lines, s)
		}
	}
	return n
}

// Bytes gives the note as it travels.
func (n *Note) Bytes() []byte {
	return []byte(n.Checkpoint.Text() + "\n" + strings.Join(n.Lines, ""))
}
