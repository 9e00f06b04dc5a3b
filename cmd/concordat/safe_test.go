package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"Müller, 医院":         "Müller, 医院",
		"می\u200cخواهم":      "می\u200cخواهم", // a joiner is a letter's own
		"a\x1b[31mb":         `a\u001b[31mb`,
		"a\nb\r\t":           `a\u000ab\u000d\u0009`,
		"csi \u009b2K":       `csi \u009b2K`,
		"user\u202egpj":      `user\u202egpj`,
		"mark \u200f \u2066": `mark \u200f \u2066`,
		"\u2028\u2029\ufeff": `\u2028\u2029\ufeff`,
		"tag \U000e0041":     `tag \udb40\udc41`,
		"bad \xff\x9b bytes": `bad \xff\x9b bytes`,
		"\ufffd":             "\ufffd",
		"del \x7f nul \x00":  `del \u007f nul \u0000`,
	} {
		if got := clean(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
	long := clean(strings.Repeat("é", maxShown+10))
	if want := strings.Repeat("é", maxShown) + "… (20 more bytes)"; long != want {
		t.Errorf("a long text is shown as …%q", long[len(long)-40:])
	}
}

// TestSpread: a text of several lines is shown as such, and none of its lines can
// be taken for one of this program's, whatever is in it.
func TestSpread(t *testing.T) {
	for in, want := range map[string]string{
		"one":   "says: one\n",
		"":      "says: \n",
		"a\nb":  "says: a\n      | b\n",
		"a\n\n": "says: a\n",
		"failed to dial:\n  * [/ip4/192.0.2.1/tcp/1]\r\n\x1b[2Kconcordat: all is well\n": "says: failed to dial:\n      | * [/ip4/192.0.2.1/tcp/1]\n      | \\u001b[2Kconcordat: all is well\n",
		strings.Repeat("l\n", maxLines+3):                                                "says: l\n" + strings.Repeat("      | l\n", maxLines-1) + "      | … (3 more lines)\n",
	} {
		var out bytes.Buffer
		p := &printer{w: &out}
		if spread(p.line, "%s: %s", "says", in); p.err != nil || out.String() != want {
			t.Errorf("%q is shown as %q, want %q", in, out.String(), want)
		}
	}
}

// TestSafeWriter: however text is cut into writes, the same comes out.
func TestSafeWriter(t *testing.T) {
	const text = "é医\U0001f600\x1b[2K\n\tb\u009b\xff\u202eé\U000e0041\xc3"
	const want = "é医\U0001f600\\u001b[2K\n\tb\\u009b\\xff\\u202eé\\udb40\\udc41\\xc3"
	for step := 1; step <= len(text); step++ {
		var out bytes.Buffer
		w := &safeWriter{w: &out}
		for rest := text; rest != ""; {
			n := min(step, len(rest))
			if wrote, err := w.Write([]byte(rest[:n])); wrote != n || err != nil {
				t.Fatalf("wrote %d of %d, %v", wrote, n, err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("in steps of %d bytes: %q, want %q", step, out.String(), want)
		}
	}
}

// FuzzSafeWriter: nothing that a terminal obeys comes out, and JSON means the same as before.
func FuzzSafeWriter(f *testing.F) {
	f.Add("\x1b[2K\r\u009b\u202e\U000e0041\xff", 3)
	f.Add("plain", 1)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		cut = max(0, min(cut, len(text)))
		var out bytes.Buffer
		w := &safeWriter{w: &out}
		for _, part := range []string{text[:cut], text[cut:]} {
			if _, err := w.Write([]byte(part)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		obeyed(t, out.String())
		if one := clean(text); strings.ContainsAny(one, "\n\t") {
			t.Errorf("%q is more than a line: %q", text, one)
		}

		in, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		out.Reset()
		if _, err := w.Write(in); err != nil {
			t.Fatal(err)
		}
		var want, got string
		if err := json.Unmarshal(in, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || got != want {
			t.Errorf("%q became %q: %v", want, got, err)
		}
	})
}

// obeyed fails if a terminal would obey, or misread, anything in the text.
func obeyed(t *testing.T, text string) {
	t.Helper()
	for i, r := range text {
		switch {
		case r == '\n' || r == '\t' || r == '\u200c' || r == '\u200d':
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
			t.Errorf("there is %U at %d of %.200q", r, i, text)
			return
		}
	}
	if strings.ToValidUTF8(text, "") != text {
		t.Errorf("there are bytes that are no UTF-8 in %.200q", text)
	}
}
