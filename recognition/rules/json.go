package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// member is one member of an object, its value as it stands in the text.
type member struct {
	name  string
	value json.RawMessage
}

// maxMembers bounds the members of an object.
const maxMembers = MaxCodes

// members reads an object in its order. A name that is there twice is refused:
// which of the two counts would be a matter of the program. Package
// encoding/json would also take names in whichever case.
func members(text []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if t != json.Delim('{') {
		return nil, errors.New("want an object")
	}
	var out []member
	seen := map[string]bool{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)} // a name is text by the grammar
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		if seen[m.name] {
			return nil, fmt.Errorf("%.40q is there twice", m.name)
		}
		if len(out) == maxMembers {
			return nil, fmt.Errorf("more than %d members", maxMembers)
		}
		seen[m.name] = true
		out = append(out, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more follows after the object")
	}
	return out, nil
}

// isArray reports whether a text begins as an array.
func isArray(text []byte) bool {
	t := bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\ufeff")), " \t\r\n")
	return len(t) > 0 && t[0] == '['
}
