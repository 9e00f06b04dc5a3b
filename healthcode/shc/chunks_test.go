package shc

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"concordat/healthcode"
)

// TestJoin: what becomes of chunks, in terms of healthcode.Read.
func TestJoin(t *testing.T) {
	jws := forgedJWS(t)
	two, three, most := chunked(jws, 2), chunked(jws, 3), chunked(jws, MaxChunks)
	other := chunked(forgedJWS(t, func(f *forgery) { f.payload = observation() }), 3)
	reversed := slices.Clone(most)
	slices.Reverse(reversed)
	odd := slices.Clone(three)
	odd[0], odd[1] = odd[0][:len(odd[0])-1], odd[1][:len(odd[1])-1]

	for _, test := range []struct {
		name  string
		texts []string
		want  []string // each reading: kind or reason, and the texts
		says  string
	}{
		{"in order", three, []string{"vaccination [0 1 2]"}, ""},
		{"out of order", []string{three[2], three[0], three[1]}, []string{"vaccination [0 1 2]"}, ""},
		{"as many as there may be, backwards", reversed, []string{"vaccination " + fmt.Sprint(places(MaxChunks))}, ""},
		{"one of one (dev-tools)", []string{strings.Replace(two[0], "1/2/", "1/1/", 1)}, []string{"jws-invalid [0]"}, "points"},
		{"all in one of one (dev-tools)", chunked(jws, 1), []string{"vaccination [0]"}, ""},
		{"a card by itself in between", []string{three[0], Prefix + digitsOf(jws), three[1], jws, three[2]}, []string{"vaccination [0 2 4]", "vaccination [1]", "vaccination [3]"}, ""},
		{"two cards, other numbers of chunks", []string{two[1], other[2], other[0], two[0], other[1]}, []string{"vaccination [0 3]", "test [1 2 4]"}, ""},
		{"missing (dev-tools)", []string{three[2], three[0]}, []string{"chunks-invalid [0 1]"}, "of 3, these are missing: 2;"},
		{"missing, more of them", []string{most[3], most[7]}, []string{"chunks-invalid [0 1]"}, "missing: 1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16;"},
		{"twice the same", []string{three[0], three[1], three[1], three[2]}, []string{"chunks-invalid [0 1 2 3]"}, "chunk 2 of 3 is there twice"},
		{"twice, and one missing (dev-tools)", []string{three[0], three[2], three[0]}, []string{"chunks-invalid [0 1 2]"}, "chunk 1 of 3 is there twice"},
		{"two cards, same number of chunks", append(slices.Clone(three), other...), []string{"chunks-invalid [0 1 2 3 4 5]"}, "two that say to be chunk 1 of 3, and they differ"},
		{"contradicting numbers", []string{two[0], three[1]}, []string{"chunks-invalid [0 1]"}, "some say that there are 2 of them, others 3"},
		{"contradicting numbers beside a whole card", []string{two[0], three[0], other[1], two[1], most[4]}, []string{"vaccination [0 3]", "chunks-invalid [1 2 4]"}, "there are 3 of them, others 16"},
		{"chunks of two cards", []string{three[0], other[1], other[2]}, nil, ""},
		{"odd digits in two", odd, []string{"digits-invalid [0]", "digits-invalid [1]", "chunks-invalid [2]"}, "an odd number"},
		{"beyond the last (dev-tools)", []string{strings.Replace(two[0], "1/2/", "3/2/", 1), two[1]}, []string{"chunks-invalid [0]", "chunks-invalid [1]"}, "chunk 3 of 2"},
		{"too long together", []string{"shc:/1/2/" + strings.Repeat("0", MaxText-10), "shc:/2/2/" + strings.Repeat("0", MaxText-10)}, []string{"code-too-large [0 1]"}, "at most"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			var errs []string
			for _, r := range healthcode.Read(test.texts, Decoders()...) {
				what := healthcode.Name(r.Err)
				if r.Err == nil {
					v, err := r.Unverified.Verify(forgingKey().Public())
					if err != nil {
						t.Fatal(err)
					}
					what = string(v.Kind())
				} else {
					errs = append(errs, r.Err.Error())
					checkDiscreet(t, r.Err, "")
				}
				got = append(got, fmt.Sprint(what, " ", r.Texts))
			}
			if test.want == nil { // halves of two cards make no whole one
				if len(errs) != 1 {
					t.Errorf("got %q", got)
				}
				return
			}
			if !slices.Equal(got, test.want) || !strings.Contains(strings.Join(errs, "\n"), test.says) {
				t.Errorf("got %q, want %q; errors %q, want %q", got, test.want, errs, test.says)
			}
		})
	}
}

func places(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// TestFiles: what .smart-health-card files hold, and what is no such file.
func TestFiles(t *testing.T) {
	jws := forgedJWS(t)
	test := forgedJWS(t, func(f *forgery) { f.payload = observation() })
	file := func(cards ...any) string { return string(encode(t, m{"verifiableCredential": append(a{}, cards...)})) }
	for _, c := range []struct {
		name, text string
		want       []string
		says       string
	}{
		{"one card", file(jws), []string{"vaccination [0]"}, ""},
		{"several (dev-tools)", file(jws, test, jws), []string{"vaccination [0]", "test [0]", "vaccination [0]"}, ""},
		{"several, one bad (dev-tools)", file(test, jws[:90], jws), []string{"test [0]", "jws-invalid [0]", "vaccination [0]"}, "points"},
		{"trailing white space (dev-tools)", file(jws) + " \n\n", []string{"vaccination [0]"}, ""},
		{"other members", `{"x":[{}],"verifiableCredential":["` + jws + `"]}`, []string{"vaccination [0]"}, ""},
		{"empty", file(), []string{"entries-invalid [0]"}, "holds no card"},
		{"no member", `{"resourceType":"Bundle"}`, []string{"json-invalid [0]"}, "no member verifiableCredential"},
		{"not an array", `{"verifiableCredential":"` + jws + `"}`, []string{"json-invalid [0]"}, "want an array"},
		{"of numbers", `{"verifiableCredential":[1]}`, []string{"json-invalid [0]"}, "want a string"},
		{"a file in a file", file(file(jws)), []string{"json-invalid [0]"}, "card 1 is no JWS"},
		{"a QR text in a file", file(forged(t)), []string{"jws-invalid [0]"}, ""},
		{"no JSON", "{" + jws + "}", []string{"json-invalid [0]"}, ""},
		{"a tail", file(jws) + "x", []string{"json-invalid [0]"}, "1 bytes follow"},
		{"a list of revoked cards", crlText(3), []string{"json-invalid [0]"}, "no member verifiableCredential"},
		{"17 cards", file(slices.Repeat([]any{jws}, 17)...), []string{"json-invalid [0]"}, "more than 16"},
		{"too long", "{" + strings.Repeat(" ", MaxFile) + "}", []string{"code-too-large [0]"}, "at most 262144"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			var errs string
			for _, r := range healthcode.Read([]string{c.text}, Decoders()...) {
				what := healthcode.Name(r.Err)
				if r.Err == nil {
					v, err := r.Unverified.Verify(forgingKey().Public())
					if err != nil {
						t.Fatal(err)
					}
					what = string(v.Kind())
				} else {
					errs += r.Err.Error()
					checkDiscreet(t, r.Err, "")
				}
				got = append(got, fmt.Sprint(what, " ", r.Texts))
			}
			if !slices.Equal(got, c.want) || !strings.Contains(errs, c.says) {
				t.Errorf("got %q, want %q; errors %q, want %q", got, c.want, errs, c.says)
			}
		})
	}

	// By Decode, which reads one code: a file of one card.
	if v := mustVerify(t, file(jws), forgingKey().Public()); v.Kind() != healthcode.Vaccination {
		t.Errorf("%v", v)
	}
	if _, err := (FileDecoder{}).Decode(file(jws, test)); healthcode.Name(err) != "entries-invalid" || !strings.Contains(err.Error(), "2 cards") {
		t.Errorf("two cards as one: %v", err)
	}
}
