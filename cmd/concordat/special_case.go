package main

import (
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/healthcode"
	"concordat/ledger/statement"
	"concordat/recognition/certlogic"
	"concordat/recognition/rules"
)

func newSpecialCase(t *terminal) *cobra.Command {
	return group("special-case", "Declare exceptions, by name",
		`  concordat special-case declare --dir xb crew-of-ferries --admit --region XA --kinds test --reason 'agreement on crews of 2021-06-01'
  concordat special-case declare --dir xb lab-17 --refuse --region XA --kinds test --issued-from 2021-05-01T00:00:00Z --issued-until 2021-05-09T00:00:00Z --reason 'samples were mixed up'
  concordat special-case end --dir xb lab-17
  concordat special-case list

An exception counts at checks for the region that declares it. One that refuses
goes before one that admits. One that admits overrules a recognition that is
missing or does not cover the code, rules, and risk areas; never a signature, a
time, a revocation or a key.`,
		newSpecialCaseDeclare(t), newSpecialCaseEnd(t), newSpecialCaseList(t))
}

func newSpecialCaseDeclare(t *terminal) *cobra.Command {
	var s speech
	var r termFlags
	var admit, refuse bool
	var region, condition string
	var keys []string
	var issuedFrom, issuedUntil moment
	cmd := &cobra.Command{
		Use:   "declare NAME --admit|--refuse --reason TEXT",
		Short: "Declare an exception, or replace one of that name",
		Long: `  concordat special-case declare --dir xb crew-of-ferries --admit --region XA --kinds test --reason 'agreement on crews of 2021-06-01'
  concordat special-case declare --dir xb no-sputnik --refuse --condition '{"===": [{"var": "payload.v.0.mp"}, "Sputnik-V"]}' --reason 'not evaluated yet'

Everything that is given must fit a code. SMART Health Cards show nothing to a
condition: with one, and without --formats, the case is for the other formats.
One that admits, or names keys, names the region whose codes it means: else any
member could make up codes that it fits. --condition is a CertLogic expression,
or @FILE with one, over payload and external as rules see them.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case region != "":
			case admit:
				return usage("--admit needs --region: an exception admits the codes of one region; declare one for each")
			case len(keys) > 0:
				return usage("--key-id needs --region: whose registration of the key is meant; anybody may register another's certificate")
			}
			terms, err := r.scope(region)
			if err != nil {
				return err
			}
			b := &statement.DeclareCase{
				Name: args[0], Admit: admit, Region: terms.Region, Kinds: terms.Kinds, Formats: terms.Formats,
				IssuedFrom: issuedFrom.of(), IssuedUntil: issuedUntil.of(), From: terms.From, Until: terms.Until,
				Reason: terms.Reason, LegalRef: terms.LegalRef,
			}
			for _, k := range keys {
				raw, err := parseHex(strings.ToLower(k), len(statement.Thumbprint{}))
				if err != nil {
					return usage("--key-id: %w; concordat issuer list shows them", err)
				}
				b.Keys = append(b.Keys, statement.Thumbprint(raw))
			}
			slices.SortFunc(b.Keys, func(x, y statement.Thumbprint) int { return strings.Compare(x.String(), y.String()) })
			b.Keys = slices.Compact(b.Keys)
			if b.Condition, err = readCondition(condition); err != nil {
				return err
			}
			switch shc := string(healthcode.FormatSHC); {
			case b.Condition == nil:
			case len(b.Formats) == 0:
				b.Formats = slices.DeleteFunc(slices.Clone(statement.FormatNames), func(f string) bool { return f == shc })
			case slices.Contains(b.Formats, shc):
				t.say("remark: SMART Health Cards show nothing to a condition, so that every one of them that fits the rest is left undetermined where the case refuses, and not admitted where it admits")
			}
			return s.say(cmd, t, b)
		},
	}
	s.flags(cmd)
	s.revisionFlag(cmd)
	f := cmd.Flags()
	f.BoolVar(&admit, "admit", false, "codes that it fits are admitted")
	f.BoolVar(&refuse, "refuse", false, "codes that it fits are refused")
	cmd.MarkFlagsMutuallyExclusive("admit", "refuse")
	cmd.MarkFlagsOneRequired("admit", "refuse")
	f.StringVar(&region, "region", "", "whose codes; what refuses, without --key-id, may leave it out, and then means anybody's")
	f.Var(&r.kinds, "kinds", "for which kinds of code: vaccination, test, recovery, health, itinerary, or all (default all)")
	f.StringSliceVar(&r.formats, "formats", nil, "in which formats: "+strings.Join(statement.FormatNames, ", ")+" (default all)")
	f.StringSliceVar(&keys, "key-id", nil, "of which of the region's issuers' keys: thumbprints (default any)")
	f.Var(&issuedFrom, "issued-from", "codes issued earlier are not meant")
	f.Var(&issuedUntil, "issued-until", "codes issued later are not meant")
	f.Var(&r.from, "from", "checks at earlier times are not meant")
	f.Var(&r.until, "until", "checks at later times are not meant")
	f.StringVar(&condition, "condition", "", "a CertLogic expression that must be true of the code, or @`FILE` with one")
	f.StringVar(&r.reason, "reason", "", "why, for everyone to read; it stands in every answer that it decides")
	f.StringVar(&r.legalRef, "legal-ref", "", "the legal ground, for everyone to read")
	require(cmd, "reason")
	return cmd
}

// scope is terms of a region that need not be given.
func (r *termFlags) scope(region string) (statement.Terms, error) {
	if region != "" {
		return r.terms(region)
	}
	terms, err := r.terms("XX") // any that can be parsed: it is left out
	terms.Region = ""
	return terms, err
}

// readCondition reads a CertLogic expression; nil where none is given.
func readCondition(s string) (*statement.Document, error) {
	if s == "" {
		return nil, nil
	}
	text := []byte(s)
	if path, file := strings.CutPrefix(s, "@"); file {
		var err error
		if text, err = readFile(path, statement.MaxDocumentText); err != nil {
			return nil, err
		}
	}
	expression, err := certlogic.Parse(text)
	if err != nil {
		return nil, usage("--condition: %w", err)
	}
	if problems := expression.Problems(); len(problems) > 0 {
		return nil, usage("--condition is not CertLogic 1.3: %s", strings.Join(problems, "; "))
	}
	d, err := rules.Document(text)
	if err != nil {
		return nil, usage("--condition: %w", err)
	}
	return &d, nil
}

func newSpecialCaseEnd(t *terminal) *cobra.Command {
	var s speech
	var reason string
	at := moment{time.Now().UTC().Truncate(time.Second)}
	cmd := &cobra.Command{
		Use:   "end NAME",
		Short: "End an exception",
		Long: `  concordat special-case end --dir xb lab-17
  concordat special-case end --dir xb crew-of-ferries --at 2021-09-01T00:00:00Z --reason 'the agreement has ended'

Checks at times before --at still know it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.say(cmd, t, &statement.EndCase{Name: args[0], At: at.of(), Reason: reason})
		},
	}
	s.flags(cmd)
	s.revisionFlag(cmd)
	f := cmd.Flags()
	f.Var(&at, "at", "as of when (default now)")
	f.Lookup("at").DefValue = ""
	f.StringVar(&reason, "reason", "", "why, for everyone to read")
	return cmd
}

func newSpecialCaseList(t *terminal) *cobra.Command {
	var k talk
	var at moment
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List exceptions, ended ones included",
		Long: `  concordat special-case list --node http://127.0.0.1:8460
  concordat special-case list --at 2021-06-01T12:00:00Z`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := k.client()
			if err != nil {
				return err
			}
			a, err := c.SpecialCases(cmd.Context(), at.Time)
			if err != nil {
				return err
			}
			return t.emit(cmd, a, func(w io.Writer) error {
				rows := [][]string{{"AUTHORITY", "NAME", "EFFECT", "CODES OF", "KINDS", "FORMATS", "KEYS", "CONDITION", "FROM", "UNTIL", "ENDED", "IN FORCE", "STATEMENT", "REASON"}}
				for _, s := range a.SpecialCases {
					of, reason := s.Region, s.Reason
					if of == "" {
						of = "anybody"
					}
					if s.LegalRef != "" {
						reason += " (" + s.LegalRef + ")"
					}
					rows = append(rows, []string{s.Authority, s.Name, s.Effect, of, orAll(s.Kinds), orAll(s.Formats), orAll(shortened(s.Keys)), yesNo(s.Conditional),
						stamp(s.From), stamp(s.Until), stamp(s.EndedAt), yesNo(s.InForce), index(&s.Statement), reason})
				}
				if err := table(w, rows...); err != nil {
					return err
				}
				return asOf(w, a.AsOf)
			})
		},
	}
	k.flags(cmd)
	cmd.Flags().Var(&at, "at", "the time at which an exception is in force or not (default now)")
	return cmd
}

func shortened(hashes []string) []string {
	out := make([]string, len(hashes))
	for i, h := range hashes {
		out[i] = short(h)
	}
	return out
}
