package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/statement"
	"concordat/recognition/rules"
)

// rulesPublished is what rules publish answers: how the files differ from what stands.
type rulesPublished struct {
	Set       string       `json:"set"`
	Rules     []ruleChange `json:"rules"`
	ValueSets []ruleChange `json:"valueSets"`
	Same      int          `json:"same"`  // stand as they are
	Older     int          `json:"older"` // rules of which a higher version stands
	DryRun    bool         `json:"dryRun,omitempty"`
}

// ruleChange is a rule or value set that is published.
type ruleChange struct {
	ID        string  `json:"id"`
	Version   string  `json:"version"`
	Was       string  `json:"was,omitempty"` // the version that stands before it
	File      string  `json:"file"`
	Statement *uint64 `json:"statement,omitempty"` // that made it; absent in a dry run
	saying    *saying
	round     int // versions of one rule are said one after the other
}

func newRulesPublish(t *terminal) *cobra.Command {
	var s speech
	var set string
	var strict, lenient bool
	cmd := &cobra.Command{
		Use:   "publish FILE…",
		Short: "Publish rules and value sets",
		Long: `  concordat rules publish --dir xa rules/DE rules/valuesets/valueSets.json --dry-run
  concordat rules publish --dir xa rules/DE rules/valuesets/valueSets.json
  concordat rules publish --dir xa neighbours.json --set neighbours

FILE is a rule, an array of rules, a value set, an object of codes by value set,
or a directory of such; test cases and schemas in it are left out. Files are
compared with what this authority has published: new rules, further versions and
changed value sets are published, the rest stays. --dry-run shows the difference
and signs nothing. Running it again does what is left.

Where a rule departs from the EU's schema it is remarked, and refused with
--strict: published rules do. One whose logic is not CertLogic is refused unless
--lenient is given: a check that comes to that place stays open. A rule is
published to the byte.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := readRules(args)
			if err != nil {
				return err
			}
			if err := files.check(); err != nil {
				return err
			}
			return publishRules(cmd, t, &s, files, set, strict, lenient)
		},
	}
	s.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&set, "set", statement.DefaultRuleSet, "the set that the rules are put in; grants name others than this")
	f.BoolVar(&strict, "strict", false, "refuse rules that depart from the schema in anything")
	f.BoolVar(&lenient, "lenient", false, "publish rules whose logic is not CertLogic 1.3, too")
	cmd.MarkFlagsMutuallyExclusive("strict", "lenient")
	return cmd
}

func publishRules(cmd *cobra.Command, t *terminal, s *speech, files *ruleFiles, set string, strict, lenient bool) error {
	ctx := cmd.Context()
	if len(files.rules)+len(files.sets) == 0 {
		return usage("there is no rule and no value set in what was given")
	}
	id, err := s.speaker()
	if err != nil {
		return err
	}
	for _, path := range files.other {
		t.say("remark: %s is left out: it holds neither rules nor value sets", path)
	}
	if err := departures(t, id, files.rules, strict, lenient); err != nil {
		return err
	}
	c, err := s.client()
	if err != nil {
		return err
	}
	result, err := compareRules(ctx, t, c, id, set, files)
	if err != nil {
		return err
	}
	result.DryRun = s.dryRun
	if !s.dryRun && len(result.Rules)+len(result.ValueSets) > 0 {
		v, err := s.voice(ctx, t)
		if err != nil {
			return err
		}
		if err := v.publish(ctx, t, id, result); err != nil {
			return err
		}
	}
	return t.emit(cmd, result, func(w io.Writer) error { return result.print(w) })
}

// departures remarks where rules are of another country, or depart from the
// schema, and refuses those whose logic cannot be evaluated, with everything told.
func departures(t *terminal, by statement.Region, all []ruleFile, strict, lenient bool) error {
	country := string(by.Country())
	adopted := map[string]int{}
	departing, unknown := 0, 0
	for _, f := range all {
		if f.rule.Country != country {
			adopted[f.rule.Country]++
		}
		for _, p := range f.rule.Problems() {
			departing++
			t.say("remark: %s: %s: %s", f.path, f.rule.Identifier, p)
		}
		unknown += len(f.rule.Logic().Problems())
	}
	for _, of := range slices.Sorted(maps.Keys(adopted)) {
		t.say("remark: rules of another country: %d of %q, which become rules of %s: an authority may adopt another's", adopted[of], of, by)
	}
	switch {
	case departing > 0 && strict:
		return usage("%d departures from the schema of the EU DCC: mend the rules, or leave out --strict", departing)
	case unknown > 0 && !lenient:
		return usage("the logic of the rules is not CertLogic 1.3 in %d places: mend the rules, or give --lenient", unknown)
	}
	return nil
}

// compareRules says what is to be said so that what the files have stands.
func compareRules(ctx context.Context, t *terminal, c *client.Client, by statement.Region, set string, files *ruleFiles) (*rulesPublished, error) {
	r := &rulesPublished{Set: set, Rules: []ruleChange{}, ValueSets: []ruleChange{}}
	if len(files.rules) > 0 {
		standing, err := c.Rules(ctx, client.RuleQuery{Region: string(by), Set: set})
		if err != nil {
			return nil, err
		}
		if err := r.compareRules(t, set, files.rules, standing.Rules); err != nil {
			return nil, err
		}
	}
	if len(files.sets) > 0 {
		standing, err := c.ValueSets(ctx, string(by), "")
		if err != nil {
			return nil, err
		}
		if err := r.compareSets(files.sets, standing.ValueSets, time.Now()); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// compareRules compares rules, sorted by id and version, with those that stand.
func (r *rulesPublished) compareRules(t *terminal, set string, files []ruleFile, standing []client.Rule) error {
	byID := map[string][]client.Rule{}
	for _, s := range standing {
		byID[s.ID] = append(byID[s.ID], s)
	}
	fresh := map[string]int{} // versions of a rule that are published now
	was := map[string]*rules.Rule{}
	for _, f := range files {
		id, version := f.rule.Identifier, f.rule.Version
		digest := sha256.Sum256(f.text)
		stands := byID[id]
		if same, err := alreadyThere(f, stands, hex.EncodeToString(digest[:])); err != nil {
			return err
		} else if same {
			r.Same++
			if stands[0].RetiredAt != nil {
				t.say("remark: rule %s is retired as of %s; to have it again, publish a further version", id, stamp(stands[0].RetiredAt))
			}
			continue
		}
		change := ruleChange{ID: id, Version: version, File: f.path, round: fresh[id]}
		revision := uint64(0)
		if n := len(stands); n > 0 {
			newest := stands[n-1]
			if statement.CompareVersions(version, newest.Version) < 0 {
				r.Older++
				continue
			}
			change.Was, revision = newest.Version, newest.Revision
		}
		for _, p := range f.rule.UploadProblems(time.Now(), was[id]) {
			t.say("remark: %s: %s: %s", f.path, id, p)
		}
		if before := was[id]; before != nil {
			change.Was = before.Version
		}
		d, err := rules.Document(f.text)
		if err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
		change.saying = &saying{
			body: &statement.PublishRule{
				Set: set, ID: id, Version: version, From: statement.TimeOf(f.rule.ValidFrom), Until: statement.TimeOf(f.rule.ValidTo),
				Invalidation: f.rule.Type == rules.Invalidation, Document: d,
			},
			revision: revision + uint64(fresh[id]) + 1, where: f.path,
		}
		fresh[id]++
		was[id] = f.rule
		r.Rules = append(r.Rules, change)
	}
	return nil
}

// alreadyThere reports whether a version stands already, and refuses another
// text under the same version.
func alreadyThere(f ruleFile, stands []client.Rule, hash string) (bool, error) {
	for _, s := range stands {
		if statement.CompareVersions(s.Version, f.rule.Version) != 0 {
			continue
		}
		if s.Hash != hash {
			return false, usage("%s: version %s of rule %s stands with another text, in statement %d; give this one a higher version", f.path, f.rule.Version, s.ID, s.Statement)
		}
		return true, nil
	}
	return false, nil
}

// compareSets compares value sets with those that stand.
func (r *rulesPublished) compareSets(files []setFile, standing []client.ValueSet, now time.Time) error {
	byID := map[string]client.ValueSet{}
	for _, s := range standing {
		byID[s.ID] = s
	}
	for _, f := range files {
		stands, known := byID[f.set.ID]
		text, version := f.text, f.set.Date
		if text == nil && known { // the codes alone say whether it is the same
			f.set.Date = stands.Version
			same, err := f.set.Marshal(now)
			if err != nil {
				return fmt.Errorf("%s: %w", f.path, err)
			}
			if digest := sha256.Sum256(same); hex.EncodeToString(digest[:]) == stands.Hash {
				text, version = same, stands.Version
			}
			f.set.Date = ""
		}
		if text == nil {
			var err error
			if text, err = f.set.Marshal(now); err != nil {
				return fmt.Errorf("%s: %w", f.path, err)
			}
		}
		if version == "" {
			version = now.UTC().Format(time.DateOnly)
		}
		digest := sha256.Sum256(text)
		if known && !stands.Retired && stands.Hash == hex.EncodeToString(digest[:]) {
			r.Same++
			continue
		}
		d, err := rules.Document(text)
		if err != nil {
			return fmt.Errorf("%s: value set %s: %w", f.path, f.set.ID, err)
		}
		r.ValueSets = append(r.ValueSets, ruleChange{ID: f.set.ID, Version: version, Was: stands.Version, File: f.path, saying: &saying{
			body: &statement.PublishValueSet{ID: f.set.ID, Version: version, Document: d}, revision: stands.Revision + 1, where: f.path,
		}})
	}
	return nil
}

// publish says all of it: value sets first, so that no rule comes before what it
// looks into, and versions of one rule one after the other.
func (v *voice) publish(ctx context.Context, t *terminal, id statement.Region, r *rulesPublished) error {
	rounds := [][]*ruleChange{nil}
	for i := range r.ValueSets {
		rounds[0] = append(rounds[0], &r.ValueSets[i])
	}
	for i := range r.Rules {
		n := r.Rules[i].round + 1
		for len(rounds) <= n {
			rounds = append(rounds, nil)
		}
		rounds[n] = append(rounds[n], &r.Rules[i])
	}
	for n, round := range rounds {
		of := "rules"
		if n == 0 {
			of = "value sets"
		}
		all := make([]*saying, len(round))
		for i, c := range round {
			all[i] = c.saying
			if err := c.saying.body.Validate(); err != nil {
				return fmt.Errorf("%s: %w", c.File, err)
			}
			st := statement.Statement{Issuer: id, Body: c.saying.body}
			c.saying.words = st.Words()
		}
		if err := v.sayMany(ctx, t, all, of, nil); err != nil {
			return err
		}
		for _, c := range round {
			if c.saying.sent != nil {
				c.Statement = c.saying.sent.Index
			}
		}
	}
	return nil
}

func (r *rulesPublished) print(w io.Writer) error {
	if err := table(w, append(changeRows("rule", r.Rules), changeRows("value set", r.ValueSets)...)...); err != nil {
		return err
	}
	said := fmt.Sprintf("set %s: %d rules and %d value sets published, %d stand as they are", r.Set, len(r.Rules), len(r.ValueSets), r.Same)
	if r.DryRun {
		said = fmt.Sprintf("set %s: %d rules and %d value sets to be published, %d stand as they are", r.Set, len(r.Rules), len(r.ValueSets), r.Same)
	}
	if r.Older > 0 {
		said += fmt.Sprintf(", %d rules are older than what stands", r.Older)
	}
	if r.DryRun {
		said += "\nnot signed, not sent (--dry-run)"
	}
	_, err := fmt.Fprintln(w, said)
	return err
}

// changeRows are the lines of what is published.
func changeRows(what string, changes []ruleChange) [][]string {
	var rows [][]string
	for _, c := range changes {
		was := "new"
		if c.Was != "" {
			was = "was " + c.Was
		}
		rows = append(rows, []string{"+", what, c.ID, c.Version, was})
	}
	return rows
}
