package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// terminal is where a command reads and writes. People's text and progress go
// to err, so that with --json standard output is one object and nothing else.
type terminal struct {
	in       io.Reader
	out, err io.Writer // safe: nothing that is printed moves the cursor
	emitted  bool      // an object is on standard output

	// The streams themselves, for what must move the cursor: the progress bar,
	// and clearing the screen. Nothing that comes from a node is written here.
	rawOut, rawErr io.Writer
}

func newTerminal(in io.Reader, out, errs io.Writer) *terminal {
	return &terminal{in: in, out: &safeWriter{w: out}, err: &safeWriter{w: errs}, rawOut: out, rawErr: errs}
}

// close writes what was left of a character cut short. A stream that is gone by now takes nothing more.
func (t *terminal) close() {
	for _, w := range []io.Writer{t.out, t.err} {
		if s, ok := w.(*safeWriter); ok {
			_ = s.Close()
		}
	}
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

// say prints a line of progress or a remark for people, never on standard
// output. What is put into it stays on its line.
func (t *terminal) say(format string, a ...any) { fmt.Fprintf(t.err, format+"\n", cleaned(a)...) }

// sayLines prints this program's own text of several lines, those after the
// first set in, so that none is taken for another message.
func (t *terminal) sayLines(text string) {
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if i > 0 && !strings.HasPrefix(line, " ") {
			line = "  " + line
		}
		t.say("%s", line)
	}
}

// isTerminal reports whether a person is at the other end of a stream.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// table prints rows in columns. What is in a cell stays there.
func table(w io.Writer, rows ...[]string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		cells := make([]string, len(r))
		for i, c := range r {
			cells[i] = clean(c)
		}
		if _, err := fmt.Fprintln(tw, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return tw.Flush()
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
