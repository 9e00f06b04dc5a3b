package main

import (
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

func newRecognize(t *terminal) *cobra.Command {
	return group("recognize", "Say whose codes are recognised",
		`  concordat recognize grant --dir xb XA
  concordat recognize suspend --dir xb XA --kinds test --reason 'tests of one laboratory are under investigation'
  concordat recognize resume --dir xb XA               # ends the suspension; the terms stay
  concordat recognize change --dir xb XA --kinds vaccination   # states the terms anew
  concordat recognize withdraw --dir xb XA
  concordat recognize list

Recognition goes one way: that XB recognises codes of XA says nothing of XA. A
region's own codes need none. concordat recognitions shows who recognises whom,
as a table; concordat special-case declares exceptions.`,
		newRecognizeGrant(t), newRecognizeChange(t), newRecognizeSuspend(t), newRecognizeResume(t), newRecognizeWithdraw(t), newRecognizeList(t))
}

// termFlags are what is recognised: which kinds, from when, until when, why.
type termFlags struct {
	kinds       kinds
	from, until moment
	reason      string
	legalRef    string

	formats, algorithms, schemes []string
	ruleSet                      string
}

// scopeFlags are what narrows a grant further.
func (r *termFlags) scopeFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&r.formats, "formats", nil, "in which formats: "+strings.Join(statement.FormatNames, ", ")+" (default all)")
	f.StringSliceVar(&r.algorithms, "algorithms", nil, "signed with which algorithms: "+strings.Join(statement.AlgorithmNames, ", ")+" (default all)")
	f.StringSliceVar(&r.schemes, "schemes", nil, "under which schemes of levels a status, or an area's level, is taken from that region (default all)")
	f.StringVar(&r.ruleSet, "rule-set", "", "which of one's own sets of rules these codes must meet (default the set \""+statement.DefaultRuleSet+"\")")
}

func (r *termFlags) flags(cmd *cobra.Command, reason string) {
	f := cmd.Flags()
	f.StringVar(&r.legalRef, "legal-ref", "", "the legal ground, for everyone to read")
	f.Var(&r.kinds, "kinds", "for which kinds of code: vaccination, test, recovery, health, itinerary, or all (default all)")
	f.Var(&r.from, "from", "checks at earlier times are not covered")
	f.Var(&r.until, "until", "checks at later times are not covered")
	f.StringVar(&r.reason, "reason", "", reason)
}

func (r *termFlags) terms(region string) (statement.Terms, error) {
	of, err := statement.ParseRegion(region)
	if err != nil {
		return statement.Terms{}, err
	}
	return statement.Terms{
		Region: of, Kinds: r.kinds.list, From: r.from.of(), Until: r.until.of(), Reason: r.reason, LegalRef: r.legalRef,
		Formats: inOrder(r.formats, statement.FormatNames), Algorithms: inOrder(r.algorithms, statement.AlgorithmNames),
		Schemes: ascending(r.schemes), RuleSet: r.ruleSet,
	}, nil
}

// inOrder puts names in the order that a statement wants, each once; those that
// are unknown come last, for the statement to refuse.
func inOrder(names, known []string) []string {
	place := func(name string) int {
		if i := slices.Index(known, name); i >= 0 {
			return i
		}
		return len(known)
	}
	names = slices.Clone(names)
	slices.SortStableFunc(names, func(a, b string) int { return place(a) - place(b) })
	return slices.Compact(names)
}

// ascending puts names in alphabetical order, each once.
func ascending(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

func newRecognizeGrant(t *terminal) *cobra.Command {
	var s speech
	var r termFlags
	cmd := &cobra.Command{
		Use:   "grant REGION",
		Short: "Recognise a region's codes",
		Long: `  concordat recognize grant --dir xb XA
  concordat recognize grant --dir xb XA --kinds vaccination,recovery --until 2022-06-30T23:59:59Z --reason 'agreement of 2021-05-20'
  concordat recognize grant --dir xb XA --formats hc1 --algorithms ES256,PS256 --rule-set neighbours`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			terms, err := r.terms(args[0])
			if err != nil {
				return err
			}
			return s.say(cmd, t, &statement.Grant{Terms: terms})
		},
	}
	s.flags(cmd)
	s.revisionFlag(cmd)
	r.flags(cmd, "the agreement or decision it rests on, for everyone to read")
	r.scopeFlags(cmd)
	return cmd
}

func newRecognizeChange(t *terminal) *cobra.Command {
	var s speech
	var r termFlags
	cmd := &cobra.Command{
		Use:   "change REGION",
		Short: "State the terms of a recognition anew, ending any suspension",
		Long: `  concordat recognize change --dir xb XA --kinds vaccination

Says the whole of the terms: what is left out here has its default, whatever was
granted before. What it was is shown; --dry-run shows both and signs nothing. To
end a suspension and keep the terms: concordat recognize resume.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			terms, err := r.terms(args[0])
			if err != nil {
				return err
			}
			was, err := standingTerms(cmd, &s, terms.Region)
			if err != nil && !s.dryRun {
				return err
			}
			if was != nil {
				t.say("it was: %s", (&statement.Statement{Issuer: statement.Region(was.Grantor), Body: &statement.ChangeGrant{Terms: termsOf(*was)}}).Words())
			}
			return s.say(cmd, t, &statement.ChangeGrant{Terms: terms})
		},
	}
	s.flags(cmd)
	s.revisionFlag(cmd)
	r.flags(cmd, "the agreement or decision it rests on, for everyone to read")
	r.scopeFlags(cmd)
	return cmd
}

func newRecognizeSuspend(t *terminal) *cobra.Command {
	var s speech
	var r termFlags
	cmd := &cobra.Command{
		Use:   "suspend REGION --reason TEXT",
		Short: "Suspend a recognition, with a reason that every answer gives",
		Long: `  concordat recognize suspend --dir xb XA --reason 'the signing server of XA is under investigation'
  concordat recognize suspend --dir xb XA --kinds test --until 2021-08-01T00:00:00Z --reason 'tests are re-evaluated'

Its terms stay; concordat recognize resume ends the suspension.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			terms, err := r.terms(args[0])
			if err != nil {
				return err
			}
			return s.say(cmd, t, &statement.Suspend{Region: terms.Region, Kinds: terms.Kinds, From: terms.From, Until: terms.Until, Reason: terms.Reason, LegalRef: terms.LegalRef})
		},
	}
	s.flags(cmd)
	s.revisionFlag(cmd)
	r.flags(cmd, "why, for everyone to read; it stands in every answer that it refuses")
	require(cmd, "reason")
	return cmd
}

func newRecognizeResume(t *terminal) *cobra.Command {
	var s speech
	var reason, legalRef string
	cmd := &cobra.Command{
		Use:   "resume REGION",
		Short: "End a suspension, on the terms that stand",
		Long: `  concordat recognize resume --dir xb XA
  concordat recognize resume --dir xb XA --reason 'review closed'

Says the terms again as they were granted or last changed. --reason and --legal-ref
replace those of the terms, where given.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			of, err := statement.ParseRegion(args[0])
			if err != nil {
				return err
			}
			was, err := standingTerms(cmd, &s, of)
			switch {
			case err != nil:
				return err
			case was == nil || was.Status == string(state.Withdrawn):
				return usage("there is no recognition of %s to resume; concordat recognize grant makes one", of)
			case was.Suspension == nil:
				return usage("the recognition of %s is not suspended; nothing needs to be done", of)
			}
			terms := termsOf(*was)
			if reason != "" {
				terms.Reason = reason
			}
			if legalRef != "" {
				terms.LegalRef = legalRef
			}
			return s.say(cmd, t, &statement.ChangeGrant{Terms: terms})
		},
	}
	s.flags(cmd)
	s.revisionFlag(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "the agreement or decision it rests on (default that of the terms)")
	cmd.Flags().StringVar(&legalRef, "legal-ref", "", "the legal ground (default that of the terms)")
	return cmd
}

// standingTerms is how the speaker's recognition of a region stands at the node;
// nil where there never was one.
func standingTerms(cmd *cobra.Command, s *speech, of statement.Region) (*client.Recognition, error) {
	id, err := s.speaker()
	if err != nil {
		return nil, err
	}
	c, err := s.client()
	if err != nil {
		return nil, err
	}
	all, err := c.Recognitions(cmd.Context(), time.Time{})
	if err != nil {
		return nil, err
	}
	for i := range all.Recognitions {
		if r := &all.Recognitions[i]; r.Grantor == string(id) && r.Grantee == string(of) {
			return r, nil
		}
	}
	return nil, nil
}

// termsOf are the terms of a recognition as a statement has them.
func termsOf(r client.Recognition) statement.Terms {
	kinds := make([]statement.CodeKind, len(r.Kinds))
	for i, k := range r.Kinds {
		kinds[i] = statement.CodeKind(k)
	}
	return statement.Terms{
		Region: statement.Region(r.Grantee), Kinds: statement.SortKinds(kinds), From: statement.TimeOf(deref(r.From)), Until: statement.TimeOf(deref(r.Until)),
		Reason: r.Reason, LegalRef: r.LegalRef, Formats: r.Formats, Algorithms: r.Algorithms, Schemes: r.Schemes, RuleSet: r.RuleSet,
	}
}

func newRecognizeWithdraw(t *terminal) *cobra.Command {
	var s speech
	var reason, legalRef string
	cmd := &cobra.Command{
		Use:   "withdraw REGION",
		Short: "End a recognition",
		Long: `  concordat recognize withdraw --dir xb XA --reason 'the agreement has ended'

A later grant begins anew.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			region, err := statement.ParseRegion(args[0])
			if err != nil {
				return err
			}
			return s.say(cmd, t, &statement.Withdraw{Region: region, Reason: reason, LegalRef: legalRef})
		},
	}
	s.flags(cmd)
	s.revisionFlag(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for everyone to read")
	cmd.Flags().StringVar(&legalRef, "legal-ref", "", "the legal ground, for everyone to read")
	return cmd
}

func newRecognizeList(t *terminal) *cobra.Command {
	var k talk
	var at, said moment
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List who recognises whom, and on which terms",
		Long: `  concordat recognize list --node http://127.0.0.1:8460
  concordat recognize list --at 2021-06-01T12:00:00Z
  concordat recognize list --at 2021-06-01T12:00:00Z --said 2021-06-01T12:00:00Z

The terms are those that stand now; --at says what they come to at another time,
and --said takes those that stood at another time. With both, the answer is the
one that was given then.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			a, err := c.RecognitionsSaid(cmd.Context(), at.Time, said.Time)
			if err != nil {
				return err
			}
			return t.emit(cmd, a, func(w io.Writer) error {
				rows := [][]string{{"REGION", "RECOGNISES", "STATUS", "KINDS", "SCOPE", "FROM", "UNTIL", "IN FORCE", "MUTUAL", "STATEMENT", "REASON"}}
				for _, r := range a.Recognitions {
					rows = append(rows, []string{r.Grantor, r.Grantee, r.Status, orAll(r.Kinds), scopeOf(r), stamp(r.From), stamp(r.Until), yesNo(r.InForce), yesNo(r.Mutual), index(&r.Statement), whyOf(r)})
				}
				if err := table(w, rows...); err != nil {
					return err
				}
				return asOf(w, a.AsOf)
			})
		},
	}
	k.flags(cmd)
	pastFlags(cmd, &at, &said)
	return cmd
}

// pastFlags are of commands that answer questions about another time.
func pastFlags(cmd *cobra.Command, at, said *moment) {
	f := cmd.Flags()
	f.Var(at, "at", "the time at which a recognition is in force or not (default now)")
	f.Var(said, "said", "by what had been said until then, by the clocks of those who said it (default: all of it)")
}

// scopeOf names what narrows a recognition beyond kinds and time.
func scopeOf(r client.Recognition) string {
	parts := slices.Concat(r.Formats, r.Algorithms)
	for _, s := range r.Schemes {
		parts = append(parts, "scheme "+s)
	}
	if r.RuleSet != "" {
		parts = append(parts, "rules "+r.RuleSet)
	}
	return orAll(parts)
}

// whyOf gives the newest stated reason.
func whyOf(r client.Recognition) string {
	reason, legal := r.Reason, r.LegalRef
	if r.Suspension != nil {
		reason, legal = "suspended for "+orAll(r.Suspension.Kinds)+": "+r.Suspension.Reason, r.Suspension.LegalRef
	}
	if legal != "" {
		reason += " (" + legal + ")"
	}
	return reason
}
