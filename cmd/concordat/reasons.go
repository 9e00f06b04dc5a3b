package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/recognition"
	"concordat/recognition/sentence"
)

func newReasons(t *terminal) *cobra.Command {
	var l tongue
	cmd := &cobra.Command{
		Use:   "reasons [NAME…]",
		Short: "Say what the reasons of a decision mean, and what a traveller can do",
		Long: `  concordat reasons
  concordat reasons revoked recognition-missing --language de

Every reason that a check may give, or those named: whether it speaks for a code
or against it, when it is given, what it rests on, and what a traveller can do. A
reason against that is final refuses whatever else is known. It is the table of
this program, and asks no node; a node gives its own at GET /v1/reasons.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen, err := reasonsNamed(args)
			if err != nil {
				return err
			}
			a := client.Reasons{Language: string(l.chosen())}
			for _, m := range chosen {
				a.Reasons = append(a.Reasons, m.In(l.chosen()))
			}
			return t.emit(cmd, a, func(w io.Writer) error { return tellReasons(w, chosen, l.chosen()) })
		},
	}
	cmd.Flags().Var(&l, "language", "of what is told (default English)")
	return cmd
}

// reasonsNamed finds reasons by their names, in the order of judgement; all, if none is named.
func reasonsNamed(names []string) ([]recognition.Meaning, error) {
	if len(names) == 0 {
		return recognition.Reasons, nil
	}
	var out []recognition.Meaning
	known := make(map[string]bool)
	for _, m := range recognition.Reasons {
		known[m.Name] = true
		if slices.Contains(names, m.Name) {
			out = append(out, m)
		}
	}
	for _, n := range names {
		if !known[n] {
			return nil, usage("there is no reason %q: concordat reasons lists them all", n)
		}
	}
	return out, nil
}

func tellReasons(w io.Writer, reasons []recognition.Meaning, l sentence.Language) error {
	for i, m := range reasons {
		effect := string(m.Effect)
		if m.Final {
			effect += ", final"
		}
		given, rests, do := m.Sentences(l)
		if i > 0 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "%s %s (%s)\n    %s\n    %s\n    %s\n", signs[m.Effect], m.Name, effect, given, rests, do); err != nil {
			return err
		}
	}
	return nil
}
