package cwt

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"concordat/healthcode"
)

// reference is the library that this reader is held against, with the same limits.
var reference = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  MaxNesting,
		MaxArrayElements: MaxElements,
		MaxMapPairs:      MaxElements,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return mode
}()

// fataler is what a test and a property have in common.
type fataler interface{ Fatalf(format string, a ...any) }

// checkAgainst holds Parse and what is read out of an item against the library:
// both take the same bytes, and read the same out of them.
func checkAgainst(t fataler, data []byte) {
	it, err := Parse(data)
	if want := reference.Wellformed(data); (err == nil) != (want == nil) {
		t.Fatalf("%x: %v, the library says %v", data, err, want)
	}
	if err != nil {
		if !errors.Is(err, healthcode.ErrCBOR) {
			t.Fatalf("%x: %v", data, err)
		}
		return
	}
	if n := length(data); n != len(data) {
		t.Fatalf("%x: length %d, want %d", data, n, len(data))
	}
	switch it.major() {
	case majorArray:
		checkArray(t, it)
	case majorMap:
		checkMap(t, it)
	default:
		checkScalar(t, it)
	}
}

func checkArray(t fataler, it Item) {
	var want []cbor.RawMessage
	if err := reference.Unmarshal(it, &want); err != nil {
		var tag *cbor.InadmissibleTagContentTypeError
		if errors.As(err, &tag) {
			return // refused here when the item behind the tag is read
		}
		t.Fatalf("%x: %v", it, err)
	}
	got, err := it.Array()
	if err != nil || !slices.EqualFunc(got, want, func(a Item, b cbor.RawMessage) bool { return bytes.Equal(a, b) }) {
		t.Fatalf("%x: %x, %v; want %x", it, got, err, want)
	}
	for _, item := range got {
		checkAgainst(t, item)
	}
}

func checkMap(t fataler, it Item) {
	got, err := it.Table()
	if err != nil {
		return // what is refused beyond the library's rules is tested by cases
	}
	want := map[any]cbor.RawMessage{}
	if err := reference.Unmarshal(it, &want); err != nil {
		var dup *cbor.DupMapKeyError
		if errors.As(err, &dup) && onlyIntsAndTexts(got) {
			t.Fatalf("%x: taken, the library says %v", it, err)
		}
		return // keys that we compare by their bytes
	}
	if len(got) != len(want) && onlyIntsAndTexts(got) {
		t.Fatalf("%x: %d pairs, want %d", it, len(got), len(want))
	}
	for key, value := range want {
		var found Item
		switch key := key.(type) {
		case uint64:
			if key > math.MaxInt64 {
				continue
			}
			found = got.Label(int64(key))
		case int64:
			found = got.Label(key)
		case string:
			found = got.Text(key)
		default:
			continue
		}
		if !bytes.Equal(found, present(Item(value))) {
			t.Fatalf("%x: key %v has %x, want %x", it, key, found, value)
		}
	}
	for _, p := range got {
		checkAgainst(t, p.value)
	}
}

func onlyIntsAndTexts(t Table) bool {
	return !slices.ContainsFunc(t, func(p pair) bool { return p.key.major > majorNegint && p.key.major != majorText })
}

func checkScalar(t fataler, it Item) {
	if m := it.major(); m == majorTag {
		return
	}
	var want any
	wantErr := reference.Unmarshal(it, &want)
	if b, ok := want.([]byte); ok {
		if got, err := it.Bytes(); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("%x: %x, %v", it, got, err)
		}
		return
	}
	got, _, err := it.scalar()
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%x: %v, the library says %v", it, err, wantErr)
	}
	switch w := want.(type) {
	case uint64, int64, string, bool:
		if got != want {
			t.Fatalf("%x: %v, want %v", it, got, want)
		}
	case float64:
		if f, ok := got.(float64); !ok || math.Float64bits(f) != math.Float64bits(w) && !(math.IsNaN(f) && math.IsNaN(w)) {
			t.Fatalf("%x: %v, want %v", it, got, want)
		}
	}
}

// seeds are the examples of RFC 8949 appendix A, and what lies at the edges.
var seeds = []string{
	"00", "17", "1818", "1903e8", "1a000f4240", "1bffffffffffffffff", "20", "3903e7", "3bffffffffffffffff", "3b7fffffffffffffff", "3b8000000000000000",
	"f90000", "f98000", "f93c00", "fb3ff199999999999a", "f93e00", "f97bff", "fa47c35000", "fa7f7fffff", "f90001", "f90400", "f9c400", "f97c00", "f97e00", "f9fc00", "fa7f800000",
	"f4", "f5", "f6", "f7", "f0", "f8ff", "f818", "f81f", "fc", "ff", "c074323031332d30332d32315432303a30343a30305a", "c11a514b67b0", "c1fb41d452d9ec200000",
	"d74401020304", "d818456449455446", "40", "4401020304", "60", "6161", "62225c", "62c3bc", "62c3", "61ff", "80", "83010203", "8301820203820405",
	"a0", "a201020304", "a26161016162820203", "826161a161626163", "5f42010243030405ff", "7f657374726561646d696e67ff", "9fff", "9f018202039f0405ffff",
	"bf61610161629f0203ffff", "bf6346756ef563416d7421ff", "a2010101ff", "a201010102", "a201011801" + "00", "a16161", "a18000", "a1c10001", "7f61c3ff", "7f5f", "1c", "3f", "df", "5b8000000000000000",
	"9b8000000000000000", "bb8000000000000000", "9f", "bf01ff", "8180", "c18100", "c2420102", "d9d9f700", "d9d9f7d9d9f700", "00" + "00", "d2845ffff6",
}

func TestAgainstTheLibrary(t *testing.T) {
	for _, s := range seeds {
		data, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		checkAgainst(t, data)
	}
	for n := MaxNesting - 1; n <= MaxNesting+1; n++ {
		for _, head := range []byte{0x81, 0xd2, 0xa1} {
			data := bytes.Repeat([]byte{head}, n)
			if head == 0xa1 {
				data = bytes.Repeat([]byte{0xa1, 0x00}, n)
			}
			checkAgainst(t, append(data, 0x00))
		}
	}
	for n := MaxElements - 1; n <= MaxElements+1; n++ {
		definite := []byte{0x99, byte(n >> 8), byte(n)}
		checkAgainst(t, append(definite, make([]byte, n)...))
		checkAgainst(t, append(append([]byte{0x9f}, make([]byte, n)...), 0xff))
		pairs := []byte{}
		for i := range n {
			pairs = append(pairs, 0x19, byte(i>>8), byte(i), 0x00)
		}
		checkAgainst(t, append([]byte{0xb9, byte(n >> 8), byte(n)}, pairs...))
		checkAgainst(t, append(append([]byte{0xbf}, pairs...), 0xff))
	}
	rapid.Check(t, func(t *rapid.T) {
		// Heads are drawn more often than bytes, else hardly anything is well-formed.
		data := rapid.SliceOfN(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0x00, 0x01, 0x21, 0x41, 0x61, 0x80, 0x82, 0xa1, 0xa2, 0x9f, 0xbf, 0x5f, 0x7f, 0xff, 0xc1, 0xf6, 0xf9})), 0, 24).Draw(t, "data")
		checkAgainst(t, data)
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		if data, err := hex.DecodeString(s); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4<<10 {
			return
		}
		checkAgainst(t, data)
		if it, err := Parse(data); err == nil {
			checkTree(t, it.Tree())
		}
	})
}

// checkTree fails on what JSON has no word for.
func checkTree(t testing.TB, v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, value := range v {
			checkTree(t, value)
		}
	case []any:
		for _, value := range v {
			checkTree(t, value)
		}
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Fatalf("%v in a tree", v)
		}
	case string, bool, nil:
	default:
		t.Fatalf("a %T in a tree", v)
	}
}

func TestTree(t *testing.T) {
	for _, test := range []struct {
		name string
		cbor any
		want any
	}{
		{"object", map[any]any{"a": 1, "b": []any{true, nil, "x", -2, 1.5}, "c": map[any]any{}}, map[string]any{
			"a": 1.0, "b": []any{true, nil, "x", -2.0, 1.5}, "c": map[string]any{}}},
		{"keys that are numbers", map[any]any{1: "a", -260: "b", "x": "c"}, map[string]any{"1": "a", "-260": "b", "x": "c"}},
		{"least key", cbor.RawMessage{0xa1, 0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, map[string]any{"-18446744073709551616": 1.0}},
		{"a key that is a number and one that is its digits", map[any]any{1: "a", "1": "b"}, nil},
		{"a key twice", cbor.RawMessage{0xa2, 0x61, 0x61, 0x00, 0x61, 0x61, 0x01}, nil},
		{"a member with a key twice", map[any]any{"x": cbor.RawMessage{0xa2, 0x01, 0x00, 0x01, 0x01}, "y": 1}, map[string]any{"x": nil, "y": 1.0}},
		{"a key that is bytes", cbor.RawMessage{0xa1, 0x41, 0x01, 0x01}, map[string]any{}},
		{"time as text", cbor.Tag{Number: 0, Content: "2021-05-03T02:00:00+02:00"}, "2021-05-03T02:00:00+02:00"},
		{"time as seconds", cbor.Tag{Number: 1, Content: 1620000000}, "2021-05-03T00:00:00Z"},
		{"time as a fraction", cbor.Tag{Number: 1, Content: 1620000000.5}, "2021-05-03T00:00:00.5Z"},
		{"another tag", cbor.Tag{Number: 1004, Content: "2021-05-03"}, "2021-05-03"},
		{"bytes", []byte{0xfb, 0xff}, "-_8"},
		{"undefined", cbor.RawMessage{0xf7}, nil},
		{"not a number", math.NaN(), nil},
		{"infinite", math.Inf(1), nil},
		{"a text that is not UTF-8", cbor.RawMessage{0x61, 0xff}, nil},
		{"more than an int64 holds", cbor.RawMessage{0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			data, err := cbor.Marshal(test.cbor)
			if err != nil {
				t.Fatal(err)
			}
			it, err := Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			if got := it.Tree(); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
		})
	}
}

// TestSealOpens: what is sealed opens as what was sealed, and the canonical
// pieces made by hand here are those that the library makes.
func TestSealOpens(t *testing.T) {
	canonical, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	for alg, number := range algorithms {
		kid := []byte{1, 2, 3, 4, 5, 6, 7, 8}
		protected := Protected(alg, kid)
		if want, err := canonical.Marshal(map[int]any{1: number, 4: kid}); err != nil || !bytes.Equal(protected, want) {
			t.Errorf("%s: protected header %x, want %x", alg, protected, want)
		}
		for _, n := range []int{1, 23, 24, 255, 256, 300, 40000} {
			payload := bytes.Repeat([]byte{0x0a}, n)
			want, err := canonical.Marshal([]any{"Signature1", protected, []byte{}, payload})
			if got := ToBeSigned(protected, payload); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: %d bytes: Sig_structure differs", alg, n)
			}
			text := CHC1.Seal(protected, payload, []byte{7, 7})
			m, err := CHC1.Open(text)
			if err != nil || m.Algorithm != alg || !bytes.Equal(m.KeyID, kid) || !bytes.Equal(m.Payload, payload) || !bytes.Equal(m.Signature, []byte{7, 7}) {
				t.Fatalf("%s: %d bytes: %v, %v", alg, n, m, err)
			}
		}
	}
}

// TestTimesAtTheEdge: what lies beyond the years that can be written is their edge.
func TestTimesAtTheEdge(t *testing.T) {
	for data, want := range map[string]int64{
		"1bffffffffffffffff": Latest,
		"3b7fffffffffffffff": Earliest,
		"fb7ff0000000000000": Latest,
		"fbfff0000000000000": Earliest,
		"1a608f3d00":         0x608f3d00,
	} {
		raw, err := hex.DecodeString(data)
		if err != nil {
			t.Fatal(err)
		}
		it, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := it.Time(); err != nil || got.Unix() != want {
			t.Errorf("%s: %s, %v; want %d", data, got, err, want)
		}
	}
}
