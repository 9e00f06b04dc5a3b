package issue

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"

	"github.com/fxamacker/cbor/v2"
)

// Bounds on the JSON of a certificate: what a QR code holds is a tenth of it.
const (
	maxJSON    = 16 << 10
	maxDepth   = 8
	maxMembers = 64
)

// canonical is RFC 8949 section 4.2.1.
var canonical = func() cbor.EncMode {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic("issue: CBOR options: " + err.Error()) // constants; a test would not pass
	}
	return mode
}()

// errShape carries no word of the JSON, whose texts are a person's.
var errShape = errors.New("broken JSON")

// parseObject reads one JSON object into a tree that CBOR can carry: whole
// numbers as int64, others as float64. A member that is there twice is refused,
// because two readers could each believe another.
func parseObject(text []byte) (map[string]any, error) {
	if len(text) > maxJSON {
		return nil, invalid("JSON of %d bytes; at most %d", len(text), maxJSON)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	value, err := parseValue(d, 0)
	if err != nil {
		return nil, invalid("%w at byte %d of %d", err, d.InputOffset(), len(text))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid("something follows the JSON object, at byte %d of %d", d.InputOffset(), len(text))
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, invalid("the JSON is no object")
	}
	return object, nil
}

func parseValue(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, errShape
	}
	switch token := token.(type) {
	case json.Number:
		return number(token)
	case json.Delim:
		if depth == maxDepth {
			return nil, errors.New("JSON nested too deep")
		}
		if token == '[' {
			return parseList(d, depth+1)
		}
		return parseMembers(d, depth+1)
	default: // string, bool, nil
		return token, nil
	}
}

func parseList(d *json.Decoder, depth int) (any, error) {
	list := []any{}
	for d.More() {
		if len(list) == maxMembers {
			return nil, errors.New("too many elements in one list")
		}
		value, err := parseValue(d, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	if _, err := d.Token(); err != nil {
		return nil, errShape
	}
	return list, nil
}

func parseMembers(d *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for d.More() {
		if len(object) == maxMembers {
			return nil, errors.New("too many members in one object")
		}
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, errShape
		}
		if _, twice := object[name]; twice {
			return nil, errors.New("a member is there twice")
		}
		if object[name], err = parseValue(d, depth); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, errShape
	}
	return object, nil
}

// number gives a whole number as int64, however JSON spells it (2, 2.0, 2e0).
func number(n json.Number) (any, error) {
	if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return i, nil
	}
	f, err := n.Float64()
	if err != nil {
		return nil, errors.New("a number too large")
	}
	const exact = 1 << 53
	if f == math.Trunc(f) && math.Abs(f) <= exact {
		return int64(f), nil
	}
	return f, nil
}
