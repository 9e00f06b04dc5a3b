package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/statement"
)

func newRules(t *terminal) *cobra.Command {
	return group("rules", "Say by which rules codes are accepted",
		`  concordat rules test rules/DE
  concordat rules publish --dir xa rules/DE rules/valuesets/valueSets.json --dry-run
  concordat rules publish --dir xa rules/DE rules/valuesets/valueSets.json
  concordat rules retire --dir xa VR-DE-0002 --reason 'the list of products is in VR-DE-0005'
  concordat rules list --region XA

Rules are those of the EU DCC, written in CertLogic. An authority's acceptance
rules are for the codes that are shown in its region; its invalidation rules are
for its own codes, wherever they are shown.`,
		newRulesPublish(t), newRulesRetire(t), newRulesList(t), newRulesShow(t), newRulesTest(t))
}

func newRulesRetire(t *terminal) *cobra.Command {
	var s speech
	var set, reason string
	var valueSet bool
	at := moment{time.Now().UTC().Truncate(time.Second)}
	cmd := &cobra.Command{
		Use:   "retire ID",
		Short: "End a rule, in all its versions, or a value set",
		Long: `  concordat rules retire --dir xa VR-DE-0002
  concordat rules retire --dir xa VR-DE-0002 --set neighbours --at 2022-06-01T00:00:00Z --reason 'measures have ended'
  concordat rules retire --dir xa --value-set vaccines-covid-19-names

A rule is not applied from --at on; checks for earlier times have it. A value set
is gone at once. Publishing a further version has the rule in force again.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if valueSet {
				return s.say(cmd, t, &statement.RetireValueSet{ID: args[0], Reason: reason})
			}
			return s.say(cmd, t, &statement.RetireRule{Set: set, ID: args[0], At: at.of(), Reason: reason})
		},
	}
	s.flags(cmd)
	s.revisionFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&set, "set", statement.DefaultRuleSet, "the set that the rule is in")
	f.Var(&at, "at", "as of when (default now)")
	f.Lookup("at").DefValue = ""
	f.StringVar(&reason, "reason", "", "why, for everyone to read")
	f.BoolVar(&valueSet, "value-set", false, "ID is that of a value set")
	cmd.MarkFlagsMutuallyExclusive("value-set", "set")
	cmd.MarkFlagsMutuallyExclusive("value-set", "at")
	return cmd
}

func newRulesList(t *terminal) *cobra.Command {
	var k talk
	var at moment
	var q client.RuleQuery
	var all, valueSets bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List rules, or value sets",
		Long: `  concordat rules list --region XA
  concordat rules list --at 2021-12-24T12:00:00Z --language de
  concordat rules list --all --set neighbours
  concordat rules list --value-sets

Of each rule, the version that is in force; with --all every version that the
ledger keeps, retired rules included.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			if valueSets {
				a, err := c.ValueSets(cmd.Context(), q.Region, "")
				if err != nil {
					return err
				}
				return t.emit(cmd, a, func(w io.Writer) error { return listValueSets(w, a) })
			}
			q.At = at.Time
			a, err := c.Rules(cmd.Context(), q)
			if err != nil {
				return err
			}
			if !all {
				inForce := []client.Rule{}
				for _, r := range a.Rules {
					if r.InForce {
						inForce = append(inForce, r)
					}
				}
				a.Rules = inForce
			}
			return t.emit(cmd, a, func(w io.Writer) error { return listRules(w, a) })
		},
	}
	k.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&q.Region, "region", "", "only this authority's")
	f.StringVar(&q.Set, "set", "", "only rules of this set")
	f.Var(&at, "at", "the time at which a version is in force or not (default now)")
	f.StringVar(&q.Language, "language", "", "of the descriptions, as in de or zh-CN (default English)")
	f.BoolVar(&all, "all", false, "every version, in force or not")
	f.BoolVar(&valueSets, "value-sets", false, "list value sets")
	for _, other := range []string{"set", "at", "language", "all"} {
		cmd.MarkFlagsMutuallyExclusive("value-sets", other)
	}
	return cmd
}

func listRules(w io.Writer, a client.Rules) error {
	rows := [][]string{{"RULE", "VERSION", "AUTHORITY", "SET", "TYPE", "FOR", "FROM", "UNTIL", "IN FORCE", "STATEMENT", "SAYS"}}
	for _, r := range a.Rules {
		until := r.Until
		if r.RetiredAt != nil && (until == nil || r.RetiredAt.Before(*until)) {
			until = r.RetiredAt
		}
		says := r.Description
		if r.Fault != "" {
			says = "cannot be read: " + r.Fault
		}
		rows = append(rows, []string{r.ID, r.Version, r.Authority, r.Set, r.Type, forWhat(r), stamp(r.From), stamp(until), yesNo(r.InForce), index(&r.Statement), shorten(says)})
	}
	if err := table(w, rows...); err != nil {
		return err
	}
	if a.More {
		if _, err := fmt.Fprintln(w, "and more: ask for those of one --region or --set"); err != nil {
			return err
		}
	}
	return asOf(w, a.AsOf)
}

// forWhat says which codes a rule is for.
func forWhat(r client.Rule) string {
	of := strings.ToLower(r.CertificateType)
	switch {
	case of == "":
		return "-"
	case r.Part != "":
		return of + " in " + r.Part
	}
	return of
}

// shorten cuts a description to what fits beside the rest.
func shorten(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

func listValueSets(w io.Writer, a client.ValueSets) error {
	rows := [][]string{{"VALUE SET", "VERSION", "AUTHORITY", "RETIRED", "STATEMENT", "SHA-256"}}
	for _, s := range a.ValueSets {
		rows = append(rows, []string{s.ID, s.Version, s.Authority, yesNo(s.Retired), index(&s.Statement), short(s.Hash)})
	}
	if err := table(w, rows...); err != nil {
		return err
	}
	return asOf(w, a.AsOf)
}

func newRulesShow(t *terminal) *cobra.Command {
	var k talk
	var at moment
	var q client.RuleQuery
	var valueSet bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a rule or a value set as it was published",
		Long: `  concordat rules show VR-DE-0001 --region XA
  concordat rules show VR-DE-0001 --region XA --language de --at 2021-12-24T12:00:00Z
  concordat rules show --value-set vaccines-covid-19-names`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			if valueSet {
				a, err := c.ValueSets(cmd.Context(), q.Region, args[0])
				if err == nil && len(a.ValueSets) == 0 {
					err = usage("no authority%s has published a value set %s: see concordat rules list --value-sets", ofRegion(q.Region), args[0])
				}
				if err != nil {
					return err
				}
				return t.emit(cmd, a, func(w io.Writer) error { return showValueSets(w, a) })
			}
			q.ID, q.At = args[0], at.Time
			a, err := c.Rules(cmd.Context(), q)
			if err == nil && len(a.Rules) == 0 {
				err = usage("no authority%s has published a rule %s: see concordat rules list", ofRegion(q.Region), args[0])
			}
			if err != nil {
				return err
			}
			return t.emit(cmd, a, func(w io.Writer) error { return showRules(w, a) })
		},
	}
	k.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&q.Region, "region", "", "only this authority's")
	f.StringVar(&q.Set, "set", "", "only of this set")
	f.Var(&at, "at", "the time at which a version is in force or not (default now)")
	f.StringVar(&q.Language, "language", "", "of the description, as in de or zh-CN (default English)")
	f.BoolVar(&valueSet, "value-set", false, "ID is that of a value set")
	for _, other := range []string{"set", "at", "language"} {
		cmd.MarkFlagsMutuallyExclusive("value-set", other)
	}
	return cmd
}

func ofRegion(region string) string {
	if region == "" {
		return ""
	}
	return " of " + region
}

func showRules(w io.Writer, a client.Rules) error {
	for _, r := range a.Rules {
		rows := [][]string{
			{"rule", r.ID + " " + r.Version}, {"authority", r.Authority}, {"set", r.Set}, {"type", r.Type}, {"for", forWhat(r)},
			{"from", stamp(r.From)}, {"until", stamp(r.Until)}, {"retired", stamp(r.RetiredAt)}, {"why", r.Reason}, {"in force", yesNo(r.InForce)},
			{"says", r.Description}, {"cannot be read", r.Fault}, {"statement", index(&r.Statement)}, {"SHA-256", r.Hash},
		}
		if err := factsAndText(w, rows, r.Text); err != nil {
			return err
		}
	}
	return asOf(w, a.AsOf)
}

func showValueSets(w io.Writer, a client.ValueSets) error {
	for _, s := range a.ValueSets {
		rows := [][]string{
			{"value set", s.ID + " " + s.Version}, {"authority", s.Authority}, {"retired", yesNo(s.Retired)}, {"why", s.Reason},
			{"codes", fmt.Sprint(len(s.Codes))}, {"cannot be read", s.Fault}, {"statement", index(&s.Statement)}, {"SHA-256", s.Hash},
		}
		if err := factsAndText(w, rows, s.Text); err != nil {
			return err
		}
	}
	return asOf(w, a.AsOf)
}

// factsAndText prints the rows that say something, and a text below them.
func factsAndText(w io.Writer, rows [][]string, text string) error {
	var said [][]string
	for _, r := range rows {
		if r[1] != "" && r[1] != "-" {
			said = append(said, r)
		}
	}
	if err := table(w, said...); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s\n\n", strings.TrimRight(text, "\n"))
	return err
}
