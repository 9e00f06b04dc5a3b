package checkpoint

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"concordat/ledger/merkle"
)

var (
	// ErrMalformed: the text is not a checkpoint, a note or a signature line.
	ErrMalformed = errors.New("malformed checkpoint")
	// ErrTooLarge: a limit is exceeded.
	ErrTooLarge = fmt.Errorf("%w: too large", ErrMalformed)
)

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, a...))
}

// Checkpoint is a size of the ledger and the root of its tree at that size.
type Checkpoint struct {
	Origin string // names the log: the network's name in the genesis, and its lineage from the second on (Origin)
	Size   uint64
	Root   merkle.Hash
}

// Text gives the checkpoint as it is signed, C2SP tlog-checkpoint: origin, size
// in decimal and root in base64, each ended by a line feed. Concordat makes no
// extension lines.
func (c Checkpoint) Text() string {
	return c.Origin + "\n" + strconv.FormatUint(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

// Check checks that an honest node could state c: the origin is a network's
// name, with a lineage or without, the size is within MaxSize, and the empty tree has the empty root.
// Errors wrap ErrMalformed.
func (c Checkpoint) Check() error {
	if err := checkOrigin(c.Origin); err != nil {
		return err
	}
	if c.Size > MaxSize {
		return fmt.Errorf("%w: size %d, at most %d", ErrTooLarge, c.Size, uint64(MaxSize))
	}
	if c.Size == 0 && c.Root != merkle.EmptyRoot() {
		return malformed("size 0 with the root %x; that of the empty tree is %x", c.Root, merkle.EmptyRoot())
	}
	return nil
}

// Parse reads the text of a Concordat checkpoint: exactly what Text gives, so
// an extension line is refused. It would be part of what is signed, and say
// things of which no co-signer knows. ParseForeign reads other logs'. Errors
// wrap ErrMalformed.
func Parse(text string) (Checkpoint, error) {
	c, extensions, err := ParseForeign(text)
	if err != nil {
		return Checkpoint{}, err
	}
	if err := checkOrigin(c.Origin); err != nil {
		return Checkpoint{}, err
	}
	if len(extensions) > 0 {
		return Checkpoint{}, malformed("it has %d lines after the root, want none", len(extensions))
	}
	return c, nil
}

// ParseForeign reads the text of any log's checkpoint, with the extension lines
// after its root, as a witness must. What its signers signed is the text, not
// what Text gives. Errors wrap ErrMalformed.
func ParseForeign(text string) (c Checkpoint, extensions []string, err error) {
	if len(text) > MaxNote {
		return Checkpoint{}, nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(text), MaxNote)
	}
	if !strings.HasSuffix(text, "\n") {
		return Checkpoint{}, nil, malformed("it does not end with a line feed")
	}
	lines := strings.SplitN(strings.TrimSuffix(text, "\n"), "\n", 3+MaxExtensions+1)
	if len(lines) < 3 {
		return Checkpoint{}, nil, malformed("it has %d lines, want the origin, the size and the root", len(lines))
	}
	if len(lines) > 3+MaxExtensions {
		return Checkpoint{}, nil, fmt.Errorf("%w: more than %d lines after the root", ErrTooLarge, MaxExtensions)
	}
	for i, line := range lines {
		switch {
		case line == "":
			return Checkpoint{}, nil, malformed("line %d is empty", i+1)
		case len(line) > MaxForeignLine:
			return Checkpoint{}, nil, fmt.Errorf("%w: line %d has %d bytes, at most %d", ErrTooLarge, i+1, len(line), MaxForeignLine)
		case !validText(line):
			return Checkpoint{}, nil, malformed("line %d is not UTF-8 without control characters", i+1)
		}
	}
	c.Origin = lines[0]
	c.Size, err = strconv.ParseUint(lines[1], 10, 64)
	if err != nil || strconv.FormatUint(c.Size, 10) != lines[1] {
		return Checkpoint{}, nil, malformed("size is %.24q, want a decimal number without leading zeros", lines[1])
	}
	if c.Size > MaxSize {
		return Checkpoint{}, nil, fmt.Errorf("%w: size %d, at most %d", ErrTooLarge, c.Size, uint64(MaxSize))
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != merkle.HashSize || base64.StdEncoding.EncodeToString(root) != lines[2] {
		return Checkpoint{}, nil, malformed("root is %.64q, want %d bytes in base64", lines[2], merkle.HashSize)
	}
	copy(c.Root[:], root)
	return c, lines[3:], nil
}

// checkOrigin takes what Origin gives of what the genesis takes for a network's
// name. SignLog rests on it (K4).
func checkOrigin(s string) error {
	name, lineage, recovered := strings.Cut(s, "/")
	ok := len(name) > 0 && len(name) <= MaxNetwork
	for _, c := range []byte(name) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-')
	}
	if recovered {
		n, err := strconv.ParseUint(lineage, 10, 64)
		ok = ok && err == nil && n >= 2 && strconv.FormatUint(n, 10) == lineage
	}
	if !ok {
		return malformed("origin is %.110q; want a network's name, 1 to %d characters of a-z, 0-9, \".\" and \"-\", and after a recovery a slash and the lineage, from 2 on", s, MaxNetwork)
	}
	return nil
}

// validText takes what C2SP signed-note allows in a line.
func validText(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r < 0x20 }) < 0
}

// validName takes what C2SP signed-note allows as a key's name.
func validName(s string) bool {
	return s != "" && validText(s) && strings.IndexFunc(s, unicode.IsSpace) < 0 && !strings.Contains(s, "+")
}
