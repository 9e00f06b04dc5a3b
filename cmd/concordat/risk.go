package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/statement"
)

func newRisk(t *terminal) *cobra.Command {
	return group("risk", "Say which areas are at risk",
		`  concordat risk declare --dir xa CN-31-0115 --level high --from now
  concordat risk change --dir xa CN-31-0115 --level medium --from now --note-only
  concordat risk lift --dir xa CN-31-0115
  concordat risk import --dir xa week-23.csv --scheme ecdc-2021-06 --from now --lift-missing --dry-run
  concordat risk scheme list
  concordat risk list

A stay in a declared area, within the look-back before a check, is held against
an itinerary. Areas nest: CN-31 covers CN-31-0115, and DE-DE2 covers DE-DE212.
They are written as GB/T 2260 (310115), ISO 3166-2 (DE-BY) or NUTS (EL30) has them.`,
		newRiskDeclare(t), newRiskChange(t), newRiskLift(t), newRiskImport(t), newRiskScheme(t), newRiskList(t))
}

// riskFlags are the flags of declare and change.
type riskFlags struct {
	level, scheme string
	from, until   moment
	lookback      uint64
	noteOnly      bool
	legalRef      string
}

func (r *riskFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.level, "level", "", "the level, in the scheme's words: high, dark-red, …")
	f.StringVar(&r.scheme, "scheme", "default", "whose levels they are")
	f.Var(&r.from, "from", "since when the area stands at this level")
	f.Var(&r.until, "until", "until when (default: until it is changed or lifted)")
	f.Uint64Var(&r.lookback, "lookback-days", 14, "how many days before a check a stay counts (default as one's own scheme has the level, else 14)")
	f.Lookup("lookback-days").DefValue = ""
	f.BoolVar(&r.noteOnly, "note-only", false, "a stay is noted on the answer (default as one's own scheme has the level, else a stay refuses)")
	f.StringVar(&r.legalRef, "legal-ref", "", "the legal ground, for everyone to read")
	require(cmd, "level", "from")
}

// takeScheme takes from the authority's own scheme what was not said of the
// level: whether a stay refuses, and for how long. A level that the scheme does
// not have is a slip of the pen.
func (r *riskFlags) takeScheme(own *client.Scheme, lookbackSaid, effectSaid bool) error {
	if own == nil {
		return nil
	}
	i := slices.IndexFunc(own.Levels, func(l client.SchemeLevel) bool { return l.Name == r.level })
	if i < 0 {
		names := make([]string, len(own.Levels))
		for k, l := range own.Levels {
			names[k] = l.Name
		}
		return fmt.Errorf("level %.40q is none of the scheme %s that %s has published: %s", r.level, own.Name, own.Authority, strings.Join(names, ", "))
	}
	if l := own.Levels[i]; !lookbackSaid && l.Lookback > 0 {
		r.lookback = l.Lookback
	}
	if !effectSaid {
		r.noteOnly = !own.Levels[i].Refuse
	}
	return nil
}

// ownScheme asks for what an authority has published under a scheme's name; nil
// where it has published nothing, or the node is of before there were schemes.
func ownScheme(ctx context.Context, c *client.Client, by statement.Region, name string) (*client.Scheme, error) {
	all, err := c.Schemes(ctx)
	if isStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, s := range all.Schemes {
		if s.Authority == string(by) && s.Name == name {
			return &s, nil
		}
	}
	return nil, nil
}

// completed is the flags with what they leave to the authority's own scheme. A
// dry run does without a node that cannot be reached, and says so.
func (r *riskFlags) completed(cmd *cobra.Command, t *terminal, s *speech) error {
	id, err := s.speaker()
	if err != nil {
		return err
	}
	c, err := s.client()
	if err != nil {
		return err
	}
	own, err := ownScheme(cmd.Context(), c, id, r.scheme)
	if err != nil {
		if !s.dryRun {
			return err
		}
		t.say("remark: the scheme %s could not be asked for, so its levels are not looked at: %v", r.scheme, err)
		return nil
	}
	if err := r.takeScheme(own, cmd.Flags().Changed("lookback-days"), cmd.Flags().Changed("note-only")); err != nil {
		return usage("--level: %w", err)
	}
	return nil
}

func (r *riskFlags) body(area string) (statement.RiskLevel, error) {
	a, err := statement.ParseArea(area)
	if err != nil {
		return statement.RiskLevel{}, err
	}
	return statement.RiskLevel{
		Area: a, Scheme: r.scheme, Level: r.level, From: r.from.of(), Until: r.until.of(),
		Lookback: r.lookback, Refuse: !r.noteOnly, LegalRef: r.legalRef,
	}, nil
}

func newRiskDeclare(t *terminal) *cobra.Command {
	var s speech
	var r riskFlags
	cmd := &cobra.Command{
		Use:   "declare AREA --level LEVEL --from T",
		Short: "Declare an area at risk",
		Long: `  concordat risk declare --dir xa CN-31-0115 --level high --from now
  concordat risk declare --dir xa AT-7 --scheme ecdc-2021 --level dark-red --from 2021-07-01T00:00:00Z --lookback-days 10

A stay in the area refuses a check unless --note-only is given, or the authority
has published the scheme and says otherwise there. An area that stands declared is
changed, not declared again.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := r.completed(cmd, t, &s); err != nil {
				return err
			}
			level, err := r.body(args[0])
			if err != nil {
				return err
			}
			return s.say(cmd, t, &statement.DeclareRisk{RiskLevel: level})
		},
	}
	s.flags(cmd)
	s.revisionFlag(cmd)
	r.flags(cmd)
	return cmd
}

func newRiskChange(t *terminal) *cobra.Command {
	var s speech
	var r riskFlags
	cmd := &cobra.Command{
		Use:   "change AREA --level LEVEL --from T",
		Short: "Replace a declaration that stands",
		Long: `  concordat risk change --dir xa CN-31-0115 --level medium --from now --note-only

Says the whole of how the area stands from now on: what is left out here has its
default, whatever was declared before. Stays from before still count.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := r.completed(cmd, t, &s); err != nil {
				return err
			}
			level, err := r.body(args[0])
			if err != nil {
				return err
			}
			return s.say(cmd, t, &statement.ChangeRisk{RiskLevel: level})
		},
	}
	s.flags(cmd)
	s.revisionFlag(cmd)
	r.flags(cmd)
	return cmd
}

func newRiskLift(t *terminal) *cobra.Command {
	var s speech
	var scheme, reason string
	at := moment{time.Now().UTC().Truncate(time.Second)}
	cmd := &cobra.Command{
		Use:   "lift AREA",
		Short: "End a declaration",
		Long: `  concordat risk lift --dir xa CN-31-0115
  concordat risk lift --dir xa CN-31-0115 --at 2021-08-01T00:00:00Z --reason 'no case for 28 days'

Stays before --at still count within the look-back.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			area, err := statement.ParseArea(args[0])
			if err != nil {
				return err
			}
			return s.say(cmd, t, &statement.LiftRisk{Area: area, Scheme: scheme, At: at.of(), Reason: reason})
		},
	}
	s.flags(cmd)
	s.revisionFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&scheme, "scheme", "default", "whose levels they are")
	f.Var(&at, "at", "as of when (default now)")
	f.Lookup("at").DefValue = ""
	f.StringVar(&reason, "reason", "", "why, for everyone to read")
	return cmd
}

func newRiskList(t *terminal) *cobra.Command {
	var k talk
	var at moment
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List areas at risk, ended ones that still count included",
		Long: `  concordat risk list --node http://127.0.0.1:8460
  concordat risk list --at 2021-06-01T12:00:00Z

The declarations are those that stand now; --at says which are in force at another time.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			a, err := c.RiskAreas(cmd.Context(), at.Time)
			if err != nil {
				return err
			}
			return t.emit(cmd, a, func(w io.Writer) error {
				rows := [][]string{{"AREA", "AUTHORITY", "SCHEME", "LEVEL", "FROM", "UNTIL", "LOOK-BACK", "A STAY", "IN FORCE", "STATEMENT"}}
				for _, r := range a.RiskAreas {
					effect := "is noted"
					if r.Refuse {
						effect = "refuses"
					}
					rows = append(rows, []string{r.Area, r.Authority, r.Scheme, r.Level, stamp(r.From), stamp(r.Until),
						fmt.Sprintf("%d days", r.Lookback), effect, yesNo(r.InForce), index(&r.Statement)})
				}
				if err := table(w, rows...); err != nil {
					return err
				}
				return asOf(w, a.AsOf)
			})
		},
	}
	k.flags(cmd)
	cmd.Flags().Var(&at, "at", "the time at which a declaration is in force or not (default now)")
	return cmd
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
