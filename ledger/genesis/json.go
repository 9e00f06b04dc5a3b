package genesis

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxDepth bounds the nesting of foreign JSON; a document needs four levels.
const maxDepth = 8

// encode gives the one encoding of a document or descriptor.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(err) // only strings, numbers and base64 are in there
	}
	return b.Bytes()
}

// decode reads strict JSON: UTF-8, no field twice, none that is unknown,
// nothing after the end. Whether it is canonical too is sameBytes' to say. The
// format is looked at before unknown fields are: a file of another version or
// another kind should be told so.
func decode(raw []byte, into any, field, format string) error {
	if !utf8.Valid(raw) {
		return fmt.Errorf("%w: not UTF-8", ErrMalformed)
	}
	if err := checkFields(raw); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var head map[string]json.RawMessage
	if err := json.Unmarshal(raw, &head); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var got string
	if err := json.Unmarshal(head[field], &got); err != nil || got != format {
		return fmt.Errorf("%w: %s is %.64s; this program reads %q", ErrMalformed, field, orMissing(head[field]), format)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

func orMissing(v json.RawMessage) []byte {
	if v == nil {
		return []byte("missing")
	}
	return v
}

// checkFields walks one JSON value that must fill raw, and refuses a field that stands twice in one object.
func checkFields(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := checkValue(d, 0); err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something after the end of the document")
	}
	return nil
}

func checkValue(d *json.Decoder, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return err
	}
	open, nested := t.(json.Delim)
	if !nested {
		return nil
	}
	seen := make(map[string]bool)
	for d.More() {
		if open == '{' {
			t, err := d.Token()
			if err != nil {
				return err
			}
			name, _ := t.(string)
			if seen[name] {
				return fmt.Errorf("field %.64q is there twice", name)
			}
			seen[name] = true
		}
		if err := checkValue(d, depth+1); err != nil {
			return err
		}
	}
	_, err = d.Token() // the closing delimiter
	return err
}
