package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/statement"
)

// maxRiskFile bounds a list of areas, in bytes: some 100,000 of them.
const maxRiskFile = 16 << 20

// riskList is a list of areas as a file has it, in one scheme.
type riskList map[statement.Area]riskRow

type riskRow struct {
	line  int
	level statement.RiskLevel
}

// riskImport is what risk import answers: how the list differs from what stands.
type riskImport struct {
	Scheme   string       `json:"scheme"`
	Declared []riskChange `json:"declared"`
	Changed  []riskChange `json:"changed"`
	Lifted   []riskChange `json:"lifted"`
	Missing  []string     `json:"missing"` // stand, and are not on the list; lifted with --lift-missing only
	Same     int          `json:"same"`
	DryRun   bool         `json:"dryRun,omitempty"`
}

// riskChange is one difference.
type riskChange struct {
	Area      string  `json:"area"`
	Was       string  `json:"was,omitempty"` // level, window and effect
	Is        string  `json:"is,omitempty"`
	Statement *uint64 `json:"statement,omitempty"` // that made it; absent in a dry run
	saying    *saying
}

func newRiskImport(t *terminal) *cobra.Command {
	var s speech
	var d listFlags
	var liftMissing bool
	cmd := &cobra.Command{
		Use:   "import FILE.csv",
		Short: "Declare a whole list of areas",
		Long: `  concordat risk import --dir xa week-23.csv --scheme ecdc-2021-06 --from now --dry-run
  concordat risk import --dir xa week-23.csv --scheme ecdc-2021-06 --from now --lift-missing

FILE is a table with a line of headings: area and level, and if wanted from,
until, lookback_days, effect (refuse or note) and legal_ref, in any order. What a
line leaves out is taken from the flags, and what they leave out from the scheme,
where this authority has published it. The list is compared with what this
authority has declared in the scheme: new areas are declared, others changed, and
with --lift-missing those that are not on it are lifted. --dry-run shows the
difference and signs nothing. Running it again does what is left.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := s.speaker()
			if err != nil {
				return err
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			if d.own, err = ownScheme(cmd.Context(), c, id, d.scheme); err != nil {
				return err
			}
			d.lookbackSaid, d.effectSaid = cmd.Flags().Changed("lookback-days"), cmd.Flags().Changed("note-only")
			list, err := d.readList(args[0])
			if err != nil {
				return err
			}
			return importAreas(cmd, t, &s, id, c, &d.riskFlags, list, liftMissing)
		},
	}
	s.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&d.scheme, "scheme", "default", "whose levels they are")
	f.Var(&d.from, "from", "since when, for lines that do not say")
	f.Var(&d.until, "until", "until when, for lines that do not say (default: until changed or lifted)")
	f.Uint64Var(&d.lookback, "lookback-days", 14, "how many days before a check a stay counts, for lines that do not say (default as one's own scheme has the level, else 14)")
	f.Lookup("lookback-days").DefValue = ""
	f.BoolVar(&d.noteOnly, "note-only", false, "a stay is noted and does not refuse, for lines that do not say")
	f.StringVar(&d.legalRef, "legal-ref", "", "the legal ground, for lines that do not say")
	f.BoolVar(&liftMissing, "lift-missing", false, "lift what stands in the scheme and is not on the list")
	return cmd
}

// listFlags are those of a list, and what they leave to the authority's own scheme.
type listFlags struct {
	riskFlags
	own                      *client.Scheme // nil: none is published
	lookbackSaid, effectSaid bool           // by flags
}

// readList reads a list. Every line is judged; a fault in one refuses the whole,
// with all faults told.
func (d *listFlags) readList(path string) (riskList, error) {
	raw, err := readFile(path, maxRiskFile)
	if err != nil {
		return nil, err
	}
	list, err := d.parseList(bytes.TrimPrefix(raw, []byte("\ufeff")))
	if err != nil {
		return nil, usage("%s: %w", path, err)
	}
	return list, nil
}

// maxFaults is how many faults of a list are told.
const maxFaults = 20

func (d *listFlags) parseList(raw []byte) (riskList, error) {
	r := csv.NewReader(bytes.NewReader(raw))
	r.TrimLeadingSpace = true
	if head, _, _ := bytes.Cut(raw, []byte("\n")); bytes.ContainsRune(head, ';') && !bytes.ContainsRune(head, ',') {
		r.Comma = ';' // as spreadsheets write it where the comma is the decimal sign
	}
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("the line of headings: %w; want area,level and if wanted from,until,lookback_days,effect,legal_ref", err)
	}
	columns, err := headings(head)
	if err != nil {
		return nil, err
	}
	list := riskList{}
	var faults []error
	for len(faults) < maxFaults {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err // it names the line
		}
		line, _ := r.FieldPos(0)
		level, err := d.row(columns, cells)
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", line, err))
			continue
		}
		if other, twice := list[level.Area]; twice {
			faults = append(faults, fmt.Errorf("line %d: %s stands in line %d already", line, level.Area, other.line))
			continue
		}
		list[level.Area] = riskRow{line, level}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return list, nil
}

// headings gives the place of each column.
func headings(head []string) (map[string]int, error) {
	known := []string{"area", "level", "from", "until", "lookback_days", "effect", "legal_ref"}
	columns := map[string]int{}
	for i, h := range head {
		name := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(h)), "-", "_")
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("heading %.40q is unknown; want some of %s", h, strings.Join(known, ", "))
		}
		if _, twice := columns[name]; twice {
			return nil, fmt.Errorf("heading %s is there twice", name)
		}
		columns[name] = i
	}
	for _, name := range known[:2] {
		if _, ok := columns[name]; !ok {
			return nil, fmt.Errorf("there is no column %s", name)
		}
	}
	return columns, nil
}

// row reads one line.
func (d *listFlags) row(columns map[string]int, cells []string) (statement.RiskLevel, error) {
	cell := func(name string) string {
		if i, ok := columns[name]; ok {
			return strings.TrimSpace(cells[i])
		}
		return ""
	}
	line := d.riskFlags
	line.level = cell("level")
	lookbackSaid, effectSaid := d.lookbackSaid, d.effectSaid
	for name, into := range map[string]*moment{"from": &line.from, "until": &line.until} {
		if s := cell(name); s != "" {
			at, err := parseDay(s)
			if err != nil {
				return statement.RiskLevel{}, fmt.Errorf("%s: %w", name, err)
			}
			into.Time = at
		}
	}
	if s := cell("lookback_days"); s != "" {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return statement.RiskLevel{}, fmt.Errorf("lookback_days is %.20q, want 0 to %d", s, statement.MaxLookback)
		}
		line.lookback, lookbackSaid = n, true
	}
	switch s := cell("effect"); s {
	case "":
	case "refuse":
		line.noteOnly, effectSaid = false, true
	case "note":
		line.noteOnly, effectSaid = true, true
	default:
		return statement.RiskLevel{}, fmt.Errorf("effect is %.20q, want refuse or note", s)
	}
	if s := cell("legal_ref"); s != "" {
		line.legalRef = s
	}
	level, err := line.body(cell("area"))
	if err != nil {
		return level, err
	}
	if err := line.takeScheme(d.own, lookbackSaid, effectSaid); err != nil {
		return level, err
	}
	level.Lookback, level.Refuse = line.lookback, !line.noteOnly
	if line.from.IsZero() {
		return level, errors.New("from is missing; give a column from, or --from")
	}
	return level, level.Validate()
}

// parseDay reads a time, or a day, which begins at midnight UTC.
func parseDay(s string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return parseTime(day.Format(time.RFC3339))
	}
	return parseTime(s)
}

func importAreas(cmd *cobra.Command, t *terminal, s *speech, id statement.Region, c *client.Client, d *riskFlags, list riskList, liftMissing bool) error {
	ctx := cmd.Context()
	now, err := c.RiskAreas(ctx, time.Time{})
	if err != nil {
		return err
	}
	result := compareAreas(id, d.scheme, list, now.RiskAreas, liftMissing)
	result.DryRun = s.dryRun
	changes := slices.Concat(result.Declared, result.Changed, result.Lifted)
	if !s.dryRun && len(changes) > 0 {
		v, err := s.voice(ctx, t)
		if err != nil {
			return err
		}
		all := make([]*saying, len(changes))
		for i, c := range changes {
			all[i] = c.saying
			st := statement.Statement{Issuer: id, Body: c.saying.body}
			c.saying.words = st.Words()
		}
		if err := v.sayMany(ctx, t, all, "areas", nil); err != nil {
			return err
		}
		for _, changed := range [][]riskChange{result.Declared, result.Changed, result.Lifted} {
			for i := range changed {
				if sent := changed[i].saying.sent; sent != nil {
					changed[i].Statement = sent.Index
				}
			}
		}
	}
	return t.emit(cmd, result, func(w io.Writer) error { return result.print(w) })
}

// compareAreas says what is to be said so that what an authority has declared in
// a scheme is what is on the list.
func compareAreas(by statement.Region, scheme string, list riskList, declared []client.RiskArea, liftMissing bool) *riskImport {
	r := &riskImport{Scheme: scheme, Declared: []riskChange{}, Changed: []riskChange{}, Lifted: []riskChange{}, Missing: []string{}}
	revisions := map[statement.Area]uint64{}
	standing := map[statement.Area]client.RiskArea{}
	for _, a := range declared {
		if a.Authority != string(by) || a.Scheme != scheme {
			continue
		}
		area := statement.Area(a.Area)
		revisions[area] = a.Revision
		if a.Standing {
			standing[area] = a
		}
	}
	for _, area := range slices.Sorted(maps.Keys(list)) {
		row := list[area]
		say := &saying{where: fmt.Sprintf("line %d, %s", row.line, area)}
		if n := revisions[area]; n > 0 {
			say.revision = n + 1
		}
		change := riskChange{Area: string(area), Is: levelInWords(row.level), saying: say}
		was, stands := standing[area]
		switch {
		case !stands:
			say.body = &statement.DeclareRisk{RiskLevel: row.level}
			r.Declared = append(r.Declared, change)
		case sameLevel(was, row.level):
			r.Same++
		default:
			say.body = &statement.ChangeRisk{RiskLevel: row.level}
			change.Was = standingInWords(was)
			r.Changed = append(r.Changed, change)
		}
	}
	lift := statement.TimeOf(time.Now())
	for _, area := range slices.Sorted(maps.Keys(standing)) {
		if _, listed := list[area]; listed {
			continue
		}
		if !liftMissing {
			r.Missing = append(r.Missing, string(area))
			continue
		}
		r.Lifted = append(r.Lifted, riskChange{Area: string(area), Was: standingInWords(standing[area]), saying: &saying{
			body:     &statement.LiftRisk{Area: area, Scheme: scheme, At: lift, Reason: "not on the list any more"},
			revision: revisions[area] + 1, where: string(area),
		}})
	}
	return r
}

// sameLevel reports whether what stands already says what a line says. A line
// that begins later and says nothing else new is the same: lists are published
// every week, and what goes on is not declared anew.
func sameLevel(was client.RiskArea, is statement.RiskLevel) bool {
	from := statement.TimeOf(deref(was.From))
	return was.Level == is.Level && was.Lookback == is.Lookback && was.Refuse == is.Refuse && was.LegalRef == is.LegalRef &&
		statement.TimeOf(deref(was.Until)) == is.Until && from <= is.From
}

func deref(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func levelInWords(l statement.RiskLevel) string {
	return effectInWords(l.Level, l.Refuse, l.Lookback, l.From.String(), cmp.Or(timeInWords(l.Until), "further notice"))
}

func standingInWords(a client.RiskArea) string {
	return effectInWords(a.Level, a.Refuse, a.Lookback, stamp(a.From), cmp.Or(timeInWords(statement.TimeOf(deref(a.Until))), "further notice"))
}

func timeInWords(t statement.Time) string {
	if t == 0 {
		return ""
	}
	return t.String()
}

func effectInWords(level string, refuse bool, lookback uint64, from, until string) string {
	effect := "noted"
	if refuse {
		effect = "refused"
	}
	return fmt.Sprintf("%s, stays %s for %d days, from %s until %s", level, effect, lookback, from, until)
}

func (r *riskImport) print(w io.Writer) error {
	var rows [][]string
	for _, c := range r.Declared {
		rows = append(rows, []string{"+", c.Area, c.Is})
	}
	for _, c := range r.Changed {
		rows = append(rows, []string{"-", c.Area, c.Was}, []string{"+", "", c.Is})
	}
	for _, c := range r.Lifted {
		rows = append(rows, []string{"-", c.Area, c.Was})
	}
	if err := table(w, rows...); err != nil {
		return err
	}
	said := fmt.Sprintf("scheme %s: %d declared, %d changed, %d lifted, %d as they were", r.Scheme, len(r.Declared), len(r.Changed), len(r.Lifted), r.Same)
	if len(r.Missing) > 0 {
		said += fmt.Sprintf("; %d stand that are not on the list (--lift-missing lifts them)", len(r.Missing))
	}
	if r.DryRun {
		said += "\nnot signed, not sent (--dry-run)"
	}
	_, err := fmt.Fprintln(w, said)
	return err
}
