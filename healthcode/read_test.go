package healthcode

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// pairs is a format whose texts "P:a+" and "P:+b" are one code "P:ab", and whose
// other texts are codes by themselves.
type pairs struct{ echo }

func (pairs) Join(texts []string) []Joined {
	var joined []Joined
	var first, second []int
	for i, text := range texts {
		switch {
		case strings.HasSuffix(text, "+"):
			first = append(first, i)
		case strings.HasPrefix(text, "P:+"):
			second = append(second, i)
		default:
			joined = append(joined, Joined{Text: text, From: []int{i}})
		}
	}
	from := slices.Sorted(slices.Values(append(first, second...)))
	switch {
	case len(first) == 1 && len(second) == 1:
		text := strings.TrimSuffix(texts[first[0]], "+") + strings.TrimPrefix(texts[second[0]], "P:+")
		joined = append(joined, Joined{Text: text, From: from})
	case len(from) > 0:
		joined = append(joined, Joined{Err: fmt.Errorf("%w: no pair", ErrChunks), From: from})
	}
	return joined
}

// list is a format whose text "L:a,b" holds the codes "L:a" and "L:b".
type list struct{ echo }

func (list) Split(text string) ([]string, error) {
	body := strings.TrimPrefix(text, "L:")
	if body == "" {
		return nil, fmt.Errorf("%w: an empty list", ErrJSON)
	}
	codes := strings.Split(body, ",")
	for i := range codes {
		codes[i] = "L:" + codes[i]
	}
	return codes, nil
}

func TestRead(t *testing.T) {
	formats := []Decoder{echo{"A:"}, pairs{echo{"P:"}}, list{echo{"L:"}}}
	for _, test := range []struct {
		name  string
		texts []string
		want  []string // what was decoded, or the error's name, and from where
	}{
		{"nothing", nil, nil},
		{"one", []string{" A:1\n"}, []string{"A:1 [0]"}},
		{"several, in order", []string{"A:2", "P:x", "A:1"}, []string{"A:2 [0]", "P:x [1]", "A:1 [2]"}},
		{"the same twice", []string{"A:1", "A:1"}, []string{"A:1 [0]", "A:1 [1]"}},
		{"unknown in between", []string{"A:1", "?", "A:2"}, []string{"A:1 [0]", "format-unknown [1]", "A:2 [2]"}},
		{"joined", []string{"A:1", "P:+b", "A:2", "P:a+", "A:3"}, []string{"A:1 [0]", "P:ab [1 3]", "A:2 [2]", "A:3 [4]"}},
		{"not joined", []string{"P:+b", "A:1", "P:+c"}, []string{"chunks-invalid [0 2]", "A:1 [1]"}},
		{"split", []string{"A:1", "L:a,b,c", "A:2"}, []string{"A:1 [0]", "L:a [1]", "L:b [1]", "L:c [1]", "A:2 [2]"}},
		{"not split", []string{"L:", "L:a"}, []string{"json-invalid [0]", "L:a [1]"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			given := slices.Clone(test.texts)
			var got []string
			for _, r := range Read(test.texts, formats...) {
				if (r.Err == nil) == (r.Unverified == nil) {
					t.Fatalf("both or neither: %v, %v", r.Unverified, r.Err)
				}
				what := Name(r.Err)
				if r.Err == nil {
					what = r.Unverified.(echoed).text
				} else if !errors.Is(r.Err, ErrUnreadable) {
					t.Errorf("%v is not unreadable", r.Err)
				}
				got = append(got, fmt.Sprint(what, " ", r.Texts))
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if !slices.Equal(given, test.texts) {
				t.Error("the texts were changed")
			}
		})
	}
}
