package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/recognition/rules"
)

// rulesTried is what rules test answers.
type rulesTried struct {
	Rules  []ruleTried `json:"rules"`
	Bad    []badRule   `json:"bad,omitempty"` // files that cannot be read; each counts as a failure
	Cases  int         `json:"cases"`
	Passed int         `json:"passed"`
	Failed int         `json:"failed"`
	Errors int         `json:"errors"` // cases in which the rule came to no answer, passed or not
}

// badRule is a file that cannot be read.
type badRule struct {
	File  string `json:"file"`
	Error string `json:"error"`
}

// ruleTried is one rule and its cases.
type ruleTried struct {
	ID       string      `json:"id"`
	Version  string      `json:"version"`
	File     string      `json:"file"`
	Problems []string    `json:"problems,omitempty"` // where it departs from the schema
	Cases    []caseTried `json:"cases"`
}

// caseTried is one case. It tells nothing of the code in it.
type caseTried struct {
	File     string `json:"file"`
	Name     string `json:"name,omitempty"`
	Expected any    `json:"expected"`
	Met      bool   `json:"met"`
	Passed   bool   `json:"passed"`
	Error    string `json:"error,omitempty"` // why the rule came to no answer
}

func newRulesTest(t *terminal) *cobra.Command {
	var valueSets string
	cmd := &cobra.Command{
		Use:   "test FILE…",
		Short: "Run rules against their test cases, without a node",
		Long: `  concordat rules test rules/DE
  concordat rules test rules/DE/VR-DE-0001/rule.json --value-sets rules/valuesets/valueSets.json

FILE is a rule, or a directory with rules; the cases of a rule are the *.json in
the directory "tests" beside it: {"payload", "external", "expected"}. A case
without value sets of its own has those of --value-sets, or of the directories
that are given. A rule that comes to no answer for a case is not met by it.

Exit code 1 says that a case failed, or that a file cannot be read.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := readRules(args)
			if err != nil {
				return err
			}
			if err := files.beside(args); err != nil {
				return err
			}
			if valueSets != "" {
				given, err := readRules([]string{valueSets})
				if err != nil {
					return err
				}
				if err := given.check(); err != nil {
					return err
				}
				files.sets = given.sets
			}
			result, err := files.try()
			if err != nil {
				return err
			}
			if err := t.emit(cmd, result, func(w io.Writer) error { return result.print(w) }); err != nil {
				return err
			}
			if result.Failed > 0 {
				return &outcome{client.ExitRefused}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&valueSets, "value-sets", "", "`FILE` or directory of value sets, for cases that have none")
	return cmd
}

// beside adds the cases of rules that were named by their files.
func (all *ruleFiles) beside(paths []string) error {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.IsDir() {
			continue
		}
		home := filepath.Dir(path)
		cases, err := filepath.Glob(filepath.Join(home, "tests", "*.json"))
		if err != nil {
			return err
		}
		all.cases[home] = cases
	}
	return nil
}

// try runs every rule against the cases beside it.
func (all *ruleFiles) try() (*rulesTried, error) {
	if len(all.rules)+len(all.bad) == 0 {
		return nil, usage("there is no rule in what was given")
	}
	r := &rulesTried{Rules: []ruleTried{}}
	for _, f := range all.bad {
		r.Bad = append(r.Bad, badRule{f.path, f.err.Error()})
		r.Failed++
	}
	var sets []rules.ValueSet
	for _, s := range all.sets {
		sets = append(sets, s.set)
	}
	codes := rules.CodesOf(sets...)
	for _, f := range all.rules {
		one := ruleTried{ID: f.rule.Identifier, Version: f.rule.Version, File: f.path, Problems: f.rule.Problems(), Cases: []caseTried{}}
		cases := slices.Sorted(slices.Values(all.cases[filepath.Dir(f.path)]))
		for _, path := range cases {
			text, err := readFile(path, maxRuleFile)
			if err != nil {
				return nil, err
			}
			c, err := rules.ParseCase(text)
			if err != nil {
				r.Bad = append(r.Bad, badRule{path, err.Error()})
				r.Failed++
				continue
			}
			got := rules.Run(f.rule, c, codes)
			tried := caseTried{File: path, Name: c.Name, Expected: c.Expected, Met: got.Met, Passed: got.Passed}
			r.Cases++
			if got.Err != nil {
				r.Errors++
				tried.Error = got.Err.Error()
			}
			if got.Passed {
				r.Passed++
			} else {
				r.Failed++
			}
			one.Cases = append(one.Cases, tried)
		}
		r.Rules = append(r.Rules, one)
	}
	return r, nil
}

func (r *rulesTried) print(w io.Writer) error {
	var errs []error
	say := func(format string, a ...any) {
		_, err := fmt.Fprintf(w, format+"\n", cleaned(a)...)
		errs = append(errs, err)
	}
	for _, f := range r.Bad {
		say("failed: %s cannot be read: %s", f.File, f.Error)
	}
	for _, rule := range r.Rules {
		for _, p := range rule.Problems {
			say("remark: %s: %s: %s", rule.File, rule.ID, p)
		}
		for _, c := range rule.Cases {
			why := ""
			if c.Error != "" {
				why = ": " + c.Error
			}
			switch {
			case !c.Passed:
				say("failed: %s %s: %s (%s): met is %v, expected is %v%s", rule.ID, rule.Version, c.File, c.Name, c.Met, c.Expected, why)
			case c.Error != "":
				say("remark: %s %s: %s (%s): no answer, which counts as not met%s", rule.ID, rule.Version, c.File, c.Name, why)
			}
		}
	}
	say("%d rules, %d cases: %d passed, %d failed", len(r.Rules), r.Cases, r.Passed, r.Failed)
	return errors.Join(errs...)
}
