package cwt

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"time"

	"concordat/healthcode"
)

// Time reads a time as issuers write it: seconds since 1970 as an integer or a
// float, tagged (1) or not; or RFC 3339 text, tagged (0) or not. The zero time
// stands for an absent claim. What lies outside of the years 1970 to 9999 is
// read as their edge: an absurd expiry still means "late" and an absurd time of
// issue still lies in the future.
func (it Item) Time() (time.Time, error) {
	if it == nil {
		return time.Time{}, nil
	}
	value, _, err := it.scalar()
	if err != nil {
		return time.Time{}, err
	}
	switch v := value.(type) {
	case uint64:
		return time.Unix(int64(min(v, Latest)), 0).UTC(), nil
	case int64: // negative
		return time.Unix(max(v, Earliest), 0).UTC(), nil
	case float64:
		if math.IsNaN(v) {
			return time.Time{}, fmt.Errorf("%w: the time is not a number", healthcode.ErrClaims)
		}
		v = min(max(v, Earliest), Latest)
		whole, fraction := math.Modf(v)
		return time.Unix(int64(whole), int64(fraction*1e9)).UTC().Round(time.Microsecond), nil
	case string:
		t, err := time.Parse(time.RFC3339, v)
		if err != nil {
			return time.Time{}, fmt.Errorf("%w: a text of %d bytes is not an RFC 3339 time", healthcode.ErrClaims, len(v))
		}
		// Clamped like the numbers, so that no text can spell the zero time,
		// which would read as "absent".
		if t.Unix() < Earliest {
			t = time.Unix(Earliest, 0)
		}
		return t.UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%w: a time must be a number of seconds", healthcode.ErrClaims)
}

// Shown gives a scalar as text: text as it is (a time tag does not change it),
// numbers without a needless fraction (issuers write doses as floats), tagged
// seconds as RFC 3339. Absent, null and composite values give "".
func (it Item) Shown() (string, error) {
	if it == nil {
		return "", nil
	}
	if it.major() == majorText { // most of what is shown
		return it.Text()
	}
	value, tag, err := it.scalar()
	if err != nil {
		return "", err
	}
	if tag.any && tag.number == tagEpoch {
		t, err := it.Time()
		if err != nil {
			return "", err
		}
		return t.Format(time.RFC3339Nano), nil
	}
	switch v := value.(type) {
	case string:
		return v, nil
	case uint64:
		return strconv.FormatUint(v, 10), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", nil
}

// Uint reads an unsigned integer, untagged, and is strict where Time is not.
func (it Item) Uint() (uint64, error) {
	if it.major() != majorUint {
		return 0, typeError(it, "an unsigned integer")
	}
	_, _, n, _, _ := head(it)
	return n, nil
}

// Text reads a text string, untagged.
func (it Item) Text() (string, error) {
	if it.major() != majorText {
		return "", typeError(it, "a text string")
	}
	text, err := it.utf8()
	return string(text), err
}

// Tree gives an item as JSON would hold it: map[string]any, []any, string,
// float64, bool and nil. Tagged times become RFC 3339 text, byte strings
// base64url, keys that are integers their decimal digits, all other tags and
// what JSON has no word for (undefined, NaN, simple values) vanish or become nil
// (RFC 8949 section 6.1). So does what cannot be read: text that is not UTF-8,
// and a map that has a key twice, of which no reader could say what it says.
func (it Item) Tree() any {
	content, tag, err := it.peel(nil)
	if err != nil {
		return nil
	}
	switch content.major() {
	case majorMap:
		return content.object()
	case majorArray:
		items, err := content.Array()
		if err != nil {
			return nil
		}
		list := make([]any, len(items))
		for i, item := range items {
			list[i] = item.Tree()
		}
		return list
	case majorBytes:
		return base64.RawURLEncoding.EncodeToString(content.content())
	}
	if tag.any && tag.number == tagEpoch {
		t, err := it.Time()
		if err != nil {
			return nil
		}
		return t.Format(time.RFC3339Nano)
	}
	value, _, err := content.scalar()
	if err != nil {
		return nil
	}
	switch v := value.(type) {
	case uint64:
		return float64(v)
	case int64:
		return float64(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
	}
	return value
}

// object is Tree for a map.
func (it Item) object() any {
	t, err := it.Table()
	if err != nil {
		return nil
	}
	object := make(map[string]any, len(t))
	for _, p := range t {
		var name string
		switch p.key.major {
		case majorText:
			name = string(p.key.text)
		case majorUint:
			name = strconv.FormatUint(p.key.n, 10)
		case majorNegint:
			// -1-n, also where that is less than an int64 can hold.
			name = "-" + strconv.FormatUint(p.key.n+1, 10)
			if p.key.n == math.MaxUint64 {
				name = "-18446744073709551616"
			}
		default:
			continue
		}
		if _, twice := object[name]; twice {
			return nil // the text "1" beside the number 1
		}
		object[name] = p.value.Tree()
	}
	return object
}
