package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/statement"
)

func newRiskScheme(t *terminal) *cobra.Command {
	return group("scheme", "Say what levels of risk mean",
		`  concordat risk scheme publish --dir xb configs/schemes/ecdc-2021-06.json
  concordat risk scheme list

A scheme names levels, from the least risk to the greatest. At checks for the
region that publishes it, it says which of them refuse, and for how long after a
stay, whoever declared an area at that level or gave a health code that status.`,
		newRiskSchemePublish(t), newRiskSchemeList(t))
}

// schemeFile is a scheme as a file has it.
type schemeFile struct {
	Name       string `json:"name"`
	Title      string `json:"title"`
	Supersedes string `json:"supersedes"`
	LegalRef   string `json:"legalRef"`
	Levels     []struct {
		Name     string `json:"name"`
		Title    string `json:"title"`
		Refuse   bool   `json:"refuse"`
		Lookback uint64 `json:"lookbackDays"`
	} `json:"levels"`
}

// maxSchemeFile bounds a scheme's file, in bytes.
const maxSchemeFile = 1 << 20

func readScheme(path string) (*statement.PublishScheme, error) {
	raw, err := readFile(path, maxSchemeFile)
	if err != nil {
		return nil, err
	}
	var f schemeFile
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, usage(`%s: %w; want {"name":"cn-risk","levels":[{"name":"low"},{"name":"high","refuse":true,"lookbackDays":14}]}`, path, err)
	}
	if d.More() {
		return nil, usage("%s: there is something after the scheme", path)
	}
	b := &statement.PublishScheme{Name: f.Name, Title: f.Title, Supersedes: f.Supersedes, LegalRef: f.LegalRef}
	for _, l := range f.Levels {
		b.Levels = append(b.Levels, statement.SchemeLevel{Name: l.Name, Title: l.Title, Refuse: l.Refuse, Lookback: l.Lookback})
	}
	if err := b.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

func newRiskSchemePublish(t *terminal) *cobra.Command {
	var s speech
	cmd := &cobra.Command{
		Use:   "publish FILE",
		Short: "Publish a scheme, or replace one of that name",
		Long: `  concordat risk scheme publish --dir xb configs/schemes/cn-risk.json
  concordat risk scheme publish --dir xb configs/schemes/ecdc-2021-06.json --dry-run

With "supersedes", what this authority says of an area in the new scheme replaces,
for the same time, what it says of it in the old one.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := readScheme(args[0])
			if err != nil {
				return err
			}
			return s.say(cmd, t, b)
		},
	}
	s.flags(cmd)
	s.revisionFlag(cmd)
	return cmd
}

func newRiskSchemeList(t *terminal) *cobra.Command {
	var k talk
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the schemes of levels",
		Long:  `  concordat risk scheme list --node http://127.0.0.1:8460`,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			a, err := c.Schemes(cmd.Context())
			if err != nil {
				return err
			}
			return t.emit(cmd, a, func(w io.Writer) error {
				rows := [][]string{{"AUTHORITY", "SCHEME", "LEVELS, FROM THE LEAST RISK", "REPLACES", "STATEMENT", "LEGAL GROUND"}}
				for _, s := range a.Schemes {
					rows = append(rows, []string{s.Authority, s.Name, levelsOf(s.Levels), s.Supersedes, index(&s.Statement), s.LegalRef})
				}
				if err := table(w, rows...); err != nil {
					return err
				}
				return asOf(w, a.AsOf)
			})
		},
	}
	k.flags(cmd)
	return cmd
}

// levelsOf names levels, and what those do that refuse.
func levelsOf(levels []client.SchemeLevel) string {
	parts := make([]string, len(levels))
	for i, l := range levels {
		parts[i] = l.Name
		switch {
		case l.Refuse && l.Lookback > 0:
			parts[i] += fmt.Sprintf(" (refuses for %d days)", l.Lookback)
		case l.Refuse:
			parts[i] += " (refuses)"
		}
	}
	return strings.Join(parts, ", ")
}
