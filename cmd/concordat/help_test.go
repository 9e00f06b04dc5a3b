package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write testdata/help.txt anew")

// commands gives every command that is written here.
func commands(root *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{root}
	for _, c := range root.Commands() {
		if c.Name() != "help" && c.Name() != "completion" {
			all = append(all, commands(c)...)
		}
	}
	return all
}

func fresh() *cobra.Command { return newRoot(&terminal{}) }

// TestHelpBeginsWithASession: help begins with what one could type, and every
// line of it names commands and flags that there are.
func TestHelpBeginsWithASession(t *testing.T) {
	for _, cmd := range commands(fresh()) {
		first, _, _ := strings.Cut(cmd.Long, "\n")
		if !strings.HasPrefix(first, "  "+cmd.CommandPath()+" ") && cmd.CommandPath()+"  " != first[2:]+"  " {
			t.Errorf("help of %q begins with %q, want a line that one could type", cmd.CommandPath(), first)
		}
		if cmd.Short == "" {
			t.Errorf("%s has no short description", cmd.CommandPath())
		}
		for line := range strings.SplitSeq(cmd.Long, "\n") {
			if typed, ok := strings.CutPrefix(line, "  concordat "); ok {
				if err := parses(typed); err != nil {
					t.Errorf("help of %s: %q: %v", cmd.CommandPath(), typed, err)
				}
			}
		}
	}
}

// parses finds the command of a line and parses its flags, without running it.
func parses(line string) error {
	cmd, rest, err := fresh().Find(words(line))
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if err := cmd.ValidateRequiredFlags(); err != nil {
		return err
	}
	if err := cmd.ValidateFlagGroups(); err != nil {
		return err
	}
	if cmd.Args != nil {
		return cmd.Args(cmd, cmd.Flags().Args())
	}
	return nil
}

// words splits a line as a shell does, as far as help uses one.
func words(line string) []string {
	var out []string
	for line != "" {
		line = strings.TrimLeft(line, " ")
		switch {
		case line == "" || line[0] == '#' || line[0] == '|' || line[0] == '<' || line[0] == '>' || line[0] == '&':
			return out
		case line[0] == '\'':
			word, rest, _ := strings.Cut(line[1:], "'")
			out, line = append(out, word), rest
		default:
			word, rest, _ := strings.Cut(line, " ")
			out, line = append(out, word), rest
		}
	}
	return out
}

// TestHelp holds the help of every command against testdata/help.txt: what
// users read changes on purpose only (go test -run TestHelp -update).
func TestHelp(t *testing.T) {
	var got bytes.Buffer
	for _, cmd := range commands(fresh()) {
		var out, errs bytes.Buffer
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		if code := run(t.Context(), args, strings.NewReader(""), &out, &errs); code != 0 || errs.Len() > 0 {
			t.Fatalf("%s --help: exit code %d: %s", cmd.CommandPath(), code, &errs)
		}
		fmt.Fprintf(&got, "=== %s --help\n%s\n", cmd.CommandPath(), &out)
	}
	const file = "testdata/help.txt"
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		gotLines, wantLines := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
		for i := range min(len(gotLines), len(wantLines)) {
			if gotLines[i] != wantLines[i] {
				t.Fatalf("%s:%d: help says\n\t%s\nwant\n\t%s", file, i+1, gotLines[i], wantLines[i])
			}
		}
		t.Fatalf("help has %d lines, %s has %d", len(gotLines), file, len(wantLines))
	}
}
