package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"concordat/ledger/statement"
	"concordat/recognition/rules"
)

// Bounds on the files of rules that one command reads.
const (
	maxRuleFile  = 16 << 20 // in bytes: some thousand rules in one array
	maxRuleFiles = 20_000
)

// ruleFile is a rule as a file has it, to the byte.
type ruleFile struct {
	path string
	text []byte
	rule *rules.Rule
}

// setFile is a value set as a file has it.
type setFile struct {
	path string
	set  rules.ValueSet
	text []byte // as the EU publishes one; nil: the file has only its codes
}

// ruleFiles is what files hold.
type ruleFiles struct {
	rules []ruleFile
	sets  []setFile
	cases map[string][]string // files of test cases, by the directory that has "tests"
	other []string            // files in directories that are none of these
	bad   []badFile           // files that should be one of these, and cannot be read
}

// badFile is a file that cannot be read as what it seems to be.
type badFile struct {
	path string
	err  error
}

// readRules reads files and directories. In a directory, every *.json counts:
// rules, value sets, and test cases in directories called "tests"; schemas are
// left out.
func readRules(paths []string) (*ruleFiles, error) {
	all := &ruleFiles{cases: map[string][]string{}}
	files := 0
	for _, root := range paths {
		info, err := os.Stat(root)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			if err := all.add(root, true); err != nil {
				return nil, err
			}
			continue
		}
		if err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "schemas":
				return fs.SkipDir
			case d.IsDir() || filepath.Ext(path) != ".json":
				return nil
			}
			if files++; files > maxRuleFiles {
				return usage("%s has more than %d files", root, maxRuleFiles)
			}
			return all.add(path, false)
		}); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// add reads one file. What is no rule or value set is an error only of one that was named.
func (all *ruleFiles) add(path string, named bool) error {
	if dir := filepath.Dir(path); filepath.Base(dir) == "tests" && !named {
		home := filepath.Dir(dir)
		all.cases[home] = append(all.cases[home], path)
		return nil
	}
	text, err := readFile(path, maxRuleFile)
	if err != nil {
		return err
	}
	err = all.read(path, text)
	if errors.Is(err, errNeither) && !named {
		all.other = append(all.other, path)
		return nil
	}
	if err != nil {
		all.bad = append(all.bad, badFile{path, err})
	}
	return nil
}

// errNeither: a file holds neither rules nor value sets.
var errNeither = errors.New("neither a rule ({\"Identifier\", \"Logic\", …}) nor a value set ({\"valueSetId\", …}), nor a list of them")

func (all *ruleFiles) read(path string, text []byte) error {
	trimmed := bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	if bytes.HasPrefix(trimmed, []byte("[")) {
		var list []json.RawMessage
		if err := json.Unmarshal(trimmed, &list); err != nil {
			return err
		}
		for i, one := range list {
			if err := all.one(fmt.Sprintf("%s[%d]", path, i), one); err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
		}
		return nil
	}
	return all.one(path, text)
}

// one reads a rule, a value set, or an object of codes by id.
func (all *ruleFiles) one(path string, text []byte) error {
	var names map[string]json.RawMessage
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &names); err != nil {
		return fmt.Errorf("%w (%w)", errNeither, err)
	}
	has := func(name string) bool { _, ok := names[name]; return ok }
	switch {
	case has("Identifier") || has("Logic"):
		r, err := rules.ParseRule(text)
		if err != nil {
			return err
		}
		all.rules = append(all.rules, ruleFile{path, text, r})
		return nil
	case has("valueSetId"):
		v, err := rules.ParseValueSet(text)
		if err != nil {
			return err
		}
		all.sets = append(all.sets, setFile{path, v, text})
		return nil
	}
	for _, value := range names {
		if !bytes.HasPrefix(bytes.TrimSpace(value), []byte("[")) {
			return errNeither
		}
	}
	sets, err := rules.ParseValueSets(text)
	if err != nil {
		return fmt.Errorf("%w (%w)", errNeither, err)
	}
	for _, v := range sets {
		all.sets = append(all.sets, setFile{path, v, nil})
	}
	return nil
}

// check wants every file to be read, and no rule version and no value set twice,
// and sorts both.
func (all *ruleFiles) check() error {
	var faults []error
	for _, f := range all.bad {
		faults = append(faults, fmt.Errorf("%s: %w", f.path, f.err))
	}
	if len(faults) > 0 {
		return usage("%w", errors.Join(faults...))
	}
	slices.SortStableFunc(all.rules, func(a, b ruleFile) int {
		if c := strings.Compare(a.rule.Identifier, b.rule.Identifier); c != 0 {
			return c
		}
		return statement.CompareVersions(a.rule.Version, b.rule.Version)
	})
	for i := 1; i < len(all.rules); i++ {
		a, b := all.rules[i-1], all.rules[i]
		if a.rule.Identifier == b.rule.Identifier && statement.CompareVersions(a.rule.Version, b.rule.Version) == 0 && !bytes.Equal(a.text, b.text) {
			return usage("%s and %s are both version %s of rule %s, and differ", a.path, b.path, b.rule.Version, b.rule.Identifier)
		}
	}
	all.rules = slices.CompactFunc(all.rules, func(a, b ruleFile) bool {
		return a.rule.Identifier == b.rule.Identifier && a.rule.Version == b.rule.Version
	})
	slices.SortStableFunc(all.sets, func(a, b setFile) int { return strings.Compare(a.set.ID, b.set.ID) })
	for i := 1; i < len(all.sets); i++ {
		if all.sets[i-1].set.ID == all.sets[i].set.ID {
			return usage("%s and %s both have the value set %s", all.sets[i-1].path, all.sets[i].path, all.sets[i].set.ID)
		}
	}
	return nil
}
