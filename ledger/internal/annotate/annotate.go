// Package annotate writes CBOR as hexadecimal with a remark on every item, and
// reads it back. Golden files are kept in this form, so that a person can
// follow the bytes and a test can compare them. Only tests use it.
package annotate

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Names tells what stands where: a path of map keys and array places, like
// "2/6/1", to the name of the field. A name that begins with "+" marks a byte
// string that holds CBOR itself; its content is annotated too.
type Names map[string]string

const perLine = 16

// CBOR annotates one well-formed item of deterministic CBOR.
func CBOR(raw []byte, names Names) (string, error) {
	w := writer{names: names}
	rest, err := w.item(raw, "", 0, "")
	if err != nil {
		return "", err
	}
	if len(rest) != 0 {
		return "", fmt.Errorf("%d bytes after the end", len(rest))
	}
	return w.out.String(), nil
}

// Bytes reads an annotated text back: of each line, the hexadecimal before "#".
func Bytes(text string) ([]byte, error) {
	var digits strings.Builder
	for line := range strings.Lines(text) {
		code, _, _ := strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(code), ""))
	}
	return hex.DecodeString(digits.String())
}

type writer struct {
	names Names
	out   strings.Builder
}

func (w *writer) line(depth int, b []byte, remark string) {
	var digits []string
	for _, c := range b {
		digits = append(digits, fmt.Sprintf("%02x", c))
	}
	code := strings.Repeat("  ", depth) + strings.Join(digits, " ")
	if remark == "" {
		fmt.Fprintln(&w.out, code)
		return
	}
	fmt.Fprintf(&w.out, "%-64s # %s\n", code, remark)
}

func (w *writer) item(b []byte, path string, depth int, before string) ([]byte, error) {
	major, n, size, err := head(b)
	if err != nil {
		return nil, fmt.Errorf("at %q: %w", path, err)
	}
	name, nested := strings.CutPrefix(w.names[path], "+")
	about := before
	if name != "" {
		about += name + ": "
	}
	first, rest := b[:size], b[size:]
	switch major {
	case 0:
		w.line(depth, first, fmt.Sprintf("%s%d", about, n))
	case 1:
		w.line(depth, first, fmt.Sprintf("%s-%d", about, n+1))
	case 2, 3:
		if uint64(len(rest)) < n {
			return nil, fmt.Errorf("at %q: string ends early", path)
		}
		content := rest[:n]
		rest = rest[n:]
		kind := "bytes"
		if major == 3 {
			kind = "text"
		}
		w.line(depth, first, fmt.Sprintf("%s%s(%d)", about, kind, n))
		if nested {
			left, err := w.item(content, path+"/", depth+1, "")
			if err != nil || len(left) != 0 {
				return nil, fmt.Errorf("at %q: not one CBOR item inside: %w", path, err)
			}
			return rest, nil
		}
		for at := 0; at < len(content); at += perLine {
			part := content[at:min(at+perLine, len(content))]
			remark := ""
			if major == 3 {
				remark = fmt.Sprintf("%q", part)
			}
			w.line(depth+1, part, remark)
		}
	case 4:
		w.line(depth, first, fmt.Sprintf("%sarray(%d)", about, n))
		for i := range n {
			if rest, err = w.item(rest, fmt.Sprintf("%s/%d", path, i), depth+1, ""); err != nil {
				return nil, err
			}
		}
	case 5:
		w.line(depth, first, fmt.Sprintf("%smap(%d)", about, n))
		for range n {
			m, key, size, err := head(rest)
			if err != nil {
				return nil, fmt.Errorf("at %q: %w", path, err)
			}
			name := fmt.Sprint(key)
			switch m {
			case 0:
			case 1: // as COSE has them
				name = fmt.Sprintf("-%d", key+1)
			default:
				return nil, fmt.Errorf("at %q: want keys that are numbers", path)
			}
			at := path + "/" + name
			w.line(depth+1, rest[:size], "key "+name)
			if rest, err = w.item(rest[size:], at, depth+2, ""); err != nil {
				return nil, err
			}
		}
	case 6:
		w.line(depth, first, fmt.Sprintf("tag(%d)", n))
		return w.item(rest, path, depth+1, "")
	default:
		simple := map[uint64]string{20: "false", 21: "true", 22: "null"}[n]
		w.line(depth, first, about+simple)
	}
	return rest, nil
}

// head reads an item's first byte and its argument: major type, argument, bytes taken.
func head(b []byte) (major byte, n uint64, size int, err error) {
	if len(b) == 0 {
		return 0, 0, 0, fmt.Errorf("nothing is left")
	}
	major, info := b[0]>>5, b[0]&0x1f
	if info < 24 {
		return major, uint64(info), 1, nil
	}
	size = 1 + 1<<(info-24)
	if info > 27 || len(b) < size {
		return 0, 0, 0, fmt.Errorf("head %#x is not understood", b[0])
	}
	for _, c := range b[1:size] {
		n = n<<8 | uint64(c)
	}
	return major, n, size, nil
}
