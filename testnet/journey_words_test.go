package testnet

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"concordat/client"
	"concordat/testnet/codes"
)

// variable is $NAME, or $NAME.part.
var variable = regexp.MustCompile(`\$([A-Za-z]+)(\.([a-z0-9]+))?`)

func (j *journey) expandAll(words []string) ([]string, error) {
	out := make([]string, len(words))
	for i, w := range words {
		var fault error
		out[i] = variable.ReplaceAllStringFunc(w, func(text string) string {
			m := variable.FindStringSubmatch(text)
			value, whole, err := j.value(m[1], m[3])
			if err != nil {
				fault = fmt.Errorf("%s: %w", text, err)
			}
			if !whole && m[2] != "" {
				value += m[2] // the dot was none of ours: $tmp.old, or the end of a sentence
			}
			return value
		})
		if fault != nil {
			return nil, fault
		}
	}
	return out, nil
}

// value is what a variable stands for. whole says that the part was used.
func (j *journey) value(name, part string) (value string, whole bool, err error) {
	switch name {
	case "tmp":
		return filepath.Join(j.dir, "tmp"), false, nil
	case "genesis":
		return j.net.Genesis, false, nil
	case "proposal": // the newest
		value, err = j.newestProposal()
		return value, false, err
	case "newest": // the newest statement that is final
		n, err := j.anybody()
		if err != nil {
			return "", false, err
		}
		st, err := n.Client().Status(j.ctx)
		if err != nil {
			return "", false, err
		}
		return strconv.FormatUint(st.Final.Size-1, 10), false, nil
	case "code": // $code.at1: the text of one of the codes of testnet/codes
		name := strings.ToUpper(part[:max(0, len(part)-1)]) + "-" + part[max(0, len(part)-1):]
		c, err := codes.Get(name)
		return c.Text, true, err
	case "in": // $in.20d: a time
		days, err := strconv.Atoi(strings.TrimSuffix(part, "d"))
		return time.Now().AddDate(0, 0, days).UTC().Format(time.RFC3339), true, err
	}
	n, err := j.node(name)
	if err != nil {
		return "", false, err
	}
	switch part {
	case "descriptor":
		return filepath.Join(n.Dir, "descriptor.json"), true, nil
	case "url":
		return n.HTTP, true, nil
	case "address": // of a node that has moved
		value, err = address(n)
		return value, true, err
	}
	return n.Dir, false, nil
}

// anybody is a node that takes part.
func (j *journey) anybody() (*Node, error) {
	for _, n := range j.running() {
		once, cancel := context.WithTimeout(j.ctx, 2*time.Second)
		st, err := n.Client().Status(once)
		cancel()
		if err == nil && st.Role != "" && st.Standing != "expelled" && st.CatchingUp == nil {
			return n, nil
		}
	}
	return nil, fmt.Errorf("no node takes part")
}

func (j *journey) newestProposal() (string, error) {
	newest, found := uint64(0), false
	for _, n := range j.running() {
		all, err := n.Client().Proposals(j.ctx, client.ProposalQuery{})
		if err != nil {
			continue // another knows
		}
		for _, p := range all.Proposals {
			newest, found = max(newest, p.Index), true
		}
	}
	if !found {
		return "", fmt.Errorf("nobody has proposed anything")
	}
	return strconv.FormatUint(newest, 10), nil
}

// What differs from one run to the next, and is no part of the story.
var normals = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`), "‹time›"},
	{regexp.MustCompile(`/(tcp|udp)/\d+`), "/$1/‹port›"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:‹port›"},
	{regexp.MustCompile(`12D3Koo[A-Za-z0-9]+`), "‹peer›"},
	{regexp.MustCompile(`\b[0-9a-f]{8,64}\b…?`), "‹hex›"},
	{regexp.MustCompile(`[A-Za-z0-9+/]{43}=`), "‹key›"},
	{regexp.MustCompile(`\b(\d+h)?(\d+m)?\d+(\.\d+)?(ns|µs|ms|s)\b`), "‹duration›"},
	{regexp.MustCompile(`\b(statement|proposal|size|index|at|vote yes|vote no|show|after|before) \d+\b`), "$1 ‹n›"},
	{regexp.MustCompile(`\b\d+ (statements|bytes)\b`), "‹n› $1"},
	{regexp.MustCompile(`this ledger has \d+`), "this ledger has ‹n›"},
	{regexp.MustCompile(`(?m)^( *)\d+  +`), "$1‹n›  "}, // in a table of proposals
	{regexp.MustCompile(` +`), " "},
}

// normal is what a command said without what differs between runs.
func (j *journey) normal(out string) string {
	if out == "" {
		return ""
	}
	if j.net != nil {
		for _, n := range j.net.Nodes {
			out = strings.ReplaceAll(out, n.HTTP, "$"+n.Region+".url")
			out = strings.ReplaceAll(out, n.Dir, "$"+n.Region)
		}
		out = strings.ReplaceAll(out, j.net.Genesis, "$genesis")
	}
	out = strings.ReplaceAll(out, filepath.Join(j.dir, "tmp"), "$tmp")
	for _, n := range normals {
		out = n.what.ReplaceAllString(out, n.by)
	}
	var lines []string
	for line := range strings.SplitSeq(out, "\n") {
		// A blank line would end what datadriven expects.
		if line = strings.TrimRight(line, " \t\r"); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}
