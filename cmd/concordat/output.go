package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// terminal is where a command reads and writes. People's text and progress go
// to err, so that with --json standard output is one object and nothing else.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	emitted  bool // an object is on standard output
}

// emit prints v as one JSON object on standard output where --json was given,
// else lets words print it for people.
func (t *terminal) emit(cmd *cobra.Command, v any, words func(w io.Writer) error) error {
	if !asJSON(cmd) {
		return words(t.out)
	}
	t.emitted = true
	e := json.NewEncoder(t.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func asJSON(cmd *cobra.Command) bool {
	yes, err := cmd.Flags().GetBool("json")
	return err == nil && yes // every command has the flag, from the root
}

// say prints progress and remarks for people, never on standard output.
func (t *terminal) say(format string, a ...any) { fmt.Fprintf(t.err, format+"\n", a...) }

// isTerminal reports whether a person is at the other end of a stream.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// table prints rows in columns.
func table(w io.Writer, rows ...[]string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		if _, err := fmt.Fprintln(tw, strings.Join(r, "\t")); err != nil {
			return err
		}
	}
	return tw.Flush()
}

// clean makes foreign text safe to show: what would move the cursor, or turn
// the direction of reading, is written as its number.
func clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// short cuts a hash to what people compare at a glance.
func short(s string) string {
	if len(s) > 16 {
		return s[:16] + "…"
	}
	return s
}

// stamp writes a time as it is typed; "-" where there is none.
func stamp(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// orAll names a list of kinds, of which none means all.
func orAll(kinds []string) string {
	if len(kinds) == 0 {
		return "all"
	}
	return strings.Join(kinds, ",")
}

// index writes the place of a statement.
func index(i *uint64) string {
	if i == nil {
		return "-"
	}
	return fmt.Sprint(*i)
}
