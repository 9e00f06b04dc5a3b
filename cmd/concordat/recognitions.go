package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/statement"
)

// matrix is who recognises whom, each with each.
type matrix struct {
	Regions      []string             `json:"regions"` // every authority, and whoever is named beside
	At           *time.Time           `json:"at,omitempty"`
	Said         *time.Time           `json:"said,omitempty"`
	Kind         string               `json:"kind,omitempty"`
	Recognitions []client.Recognition `json:"recognitions"`
	Mutual       [][2]string          `json:"mutual"` // pairs in force both ways
	AsOf         client.AsOf          `json:"asOf"`
}

func newRecognitions(t *terminal) *cobra.Command {
	var k talk
	var at, said moment
	var kind string
	cmd := &cobra.Command{
		Use:   "recognitions",
		Short: "Show who recognises whom, as a table",
		Long: `  concordat recognitions --node http://127.0.0.1:8460
  concordat recognitions --kind test --at 2021-06-01T12:00:00Z
  concordat recognitions --at 2021-06-01T12:00:00Z --said 2021-06-01T12:00:00Z

A row recognises the codes of a column: = where the column recognises the row's
too, > where it does not, ! where it is suspended, and . where it is not. What is
recognised in part only has the first letters of its kinds (vaccination, test,
recovery, health, itinerary), and ! where the rest is suspended. --said answers by what had been said until then.
concordat recognize list has terms and reasons.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if kind != "" && !slices.Contains(statement.CodeKinds, statement.CodeKind(kind)) {
				return usage("--kind is %q, want one of %v", kind, statement.CodeKinds)
			}
			c, err := k.client()
			if err != nil {
				return err
			}
			list, err := c.RecognitionsSaid(cmd.Context(), at.Time, said.Time)
			if err != nil {
				return err
			}
			members, err := c.Authorities(cmd.Context())
			if err != nil {
				return err
			}
			m := matrixOf(list, members, kind)
			m.At, m.Said = timeOf(at), timeOf(said)
			return t.emit(cmd, m, func(w io.Writer) error { return m.print(w) })
		},
	}
	k.flags(cmd)
	pastFlags(cmd, &at, &said)
	cmd.Flags().StringVar(&kind, "kind", "", "for one kind of code: vaccination, test, recovery, health or itinerary (default any)")
	return cmd
}

func timeOf(m moment) *time.Time {
	if m.IsZero() {
		return nil
	}
	return &m.Time
}

func matrixOf(list client.Recognitions, members client.Authorities, kind string) *matrix {
	m := &matrix{Kind: kind, Recognitions: list.Recognitions, Mutual: [][2]string{}, AsOf: list.AsOf}
	for _, a := range members.Authorities {
		if a.Standing != client.StandingExpelled {
			m.Regions = append(m.Regions, a.ID)
		}
	}
	for i := range m.Recognitions {
		r := &m.Recognitions[i]
		m.Regions = append(m.Regions, r.Grantor, r.Grantee)
		r.InForce = m.covers(r)
	}
	for i := range m.Recognitions {
		r := &m.Recognitions[i]
		back := m.of(r.Grantee, r.Grantor)
		r.Mutual = r.InForce && back != nil && back.InForce
		if r.Mutual && r.Grantor < r.Grantee {
			m.Mutual = append(m.Mutual, [2]string{r.Grantor, r.Grantee})
		}
	}
	slices.Sort(m.Regions)
	m.Regions = slices.Compact(m.Regions)
	return m
}

// covers reports whether a recognition is in force for the kind asked about.
func (m *matrix) covers(r *client.Recognition) bool {
	if m.Kind == "" {
		return r.InForce
	}
	return slices.Contains(r.KindsInForce, m.Kind)
}

func (m *matrix) of(grantor, grantee string) *client.Recognition {
	for i := range m.Recognitions {
		if r := &m.Recognitions[i]; r.Grantor == grantor && r.Grantee == grantee {
			return r
		}
	}
	return nil
}

// cell is what a row makes of a column's codes.
func (m *matrix) cell(row, column string) string {
	if row == column {
		return "-"
	}
	r := m.of(row, column)
	switch {
	case r == nil:
		return "."
	case !r.InForce && r.Suspension != nil:
		return "!"
	case !r.InForce:
		return "."
	}
	sign := ">"
	if r.Mutual {
		sign = "="
	}
	if m.Kind == "" && len(r.KindsInForce) < len(statement.CodeKinds) {
		for _, k := range r.KindsInForce {
			sign += k[:1]
		}
		if r.Suspension != nil {
			sign += "!"
		}
	}
	return sign
}

func (m *matrix) print(w io.Writer) error {
	if len(m.Regions) == 0 {
		_, err := fmt.Fprintln(w, "no region is there")
		return err
	}
	rows := [][]string{append([]string{""}, m.Regions...)}
	for _, row := range m.Regions {
		cells := []string{row}
		for _, column := range m.Regions {
			cells = append(cells, m.cell(row, column))
		}
		rows = append(rows, cells)
	}
	if err := table(w, rows...); err != nil {
		return err
	}
	pairs := make([]string, len(m.Mutual))
	for i, p := range m.Mutual {
		pairs[i] = p[0] + " and " + p[1]
	}
	mutual := "none"
	if len(pairs) > 0 {
		mutual = strings.Join(pairs, "; ")
	}
	if _, err := fmt.Fprintf(w, "mutual: %s\n", clean(mutual)); err != nil {
		return err
	}
	return asOf(w, m.AsOf)
}
