package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/statement"
)

// moment is a flag that holds a time: RFC 3339, or "now".
type moment struct{ time.Time }

// Set reads the time.
func (m *moment) Set(s string) error {
	t, err := parseTime(s)
	if err != nil {
		return err
	}
	m.Time = t
	return nil
}

// Type names the flag's value in help.
func (m *moment) Type() string { return "TIME" }

// String writes the time as it is typed.
func (m *moment) String() string {
	if m.IsZero() {
		return ""
	}
	return m.Format(time.RFC3339)
}

// of gives the time for a statement; "not given" where the flag was not.
func (m *moment) of() statement.Time { return statement.TimeOf(m.Time) }

// parseTime reads RFC 3339, "now", or a time from now like now+30d or now-12h, to
// whole seconds: the ledger has no finer ones.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if rest, relative := strings.CutPrefix(s, "now"); relative {
		var away time.Duration
		if away, err = parseAway(rest); err == nil {
			t = time.Now().Add(away)
		}
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no time; want RFC 3339 like 2021-06-01T12:00:00Z, now, or a time from now like now+30d", s)
	}
	if t.Unix() < 1 || t.Unix() > statement.MaxTime {
		return time.Time{}, fmt.Errorf("%s is out of range, want 1970-01-01T00:00:01Z to 9999-12-31T23:59:59Z", s)
	}
	return t.UTC().Truncate(time.Second), nil
}

// parseAway reads how far from now a time is: +30d, -12h, or nothing.
func parseAway(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	if s[0] != '+' && s[0] != '-' {
		return 0, fmt.Errorf("%q begins with neither + nor -", s)
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n > maxDays || n < -maxDays {
			return 0, fmt.Errorf("%q is no number of days, at most %d", s, maxDays)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	return time.ParseDuration(s)
}

// maxDays bounds a time from now, in days: a century.
const maxDays = 36_525

// kinds is a flag that holds kinds of code; none means all.
type kinds struct{ list []statement.CodeKind }

// Set adds kinds, parted by commas.
func (k *kinds) Set(s string) error {
	for _, name := range strings.Split(s, ",") {
		kind := statement.CodeKind(strings.ToLower(strings.TrimSpace(name)))
		if kind == "all" && !strings.Contains(s, ",") {
			k.list = nil
			return nil
		}
		if !slices.Contains(statement.CodeKinds, kind) {
			return fmt.Errorf("kind of code %q is unknown; want some of %v", name, statement.CodeKinds)
		}
		k.list = append(k.list, kind)
	}
	k.list = statement.SortKinds(k.list)
	return nil
}

// Type names the flag's value in help.
func (k *kinds) Type() string { return "KIND,…" }

// String writes the kinds as they are typed.
func (k *kinds) String() string {
	names := make([]string, len(k.list))
	for i, kind := range k.list {
		names[i] = string(kind)
	}
	return strings.Join(names, ",")
}

// choice is a flag that holds one of a few words.
type choice struct {
	value string
	of    []string
}

// Set takes one of the words.
func (c *choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		return fmt.Errorf("want one of %s", strings.Join(c.of, ", "))
	}
	c.value = s
	return nil
}

// Type names the flag's value in help.
func (c *choice) Type() string { return strings.Join(c.of, "|") }

// String gives the word.
func (c *choice) String() string { return c.value }

// defaultNode is the address of a node's API unless it is told another.
const defaultNode = "http://127.0.0.1:8460"

// talk is what every command that asks nodes is told.
type talk struct{ nodes []string }

func (k *talk) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&k.nodes, "node", nil, "base `URL` of a node; repeat it to name others to fall back to (default $CONCORDAT_NODE, else "+defaultNode+")")
}

// urls are the nodes to ask, in order.
func (k *talk) urls() []string {
	if len(k.nodes) > 0 {
		return k.nodes
	}
	if s := os.Getenv("CONCORDAT_NODE"); s != "" {
		return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
	}
	return []string{defaultNode}
}

func (k *talk) client() (*client.Client, error) {
	c, err := client.New(k.urls())
	if err != nil {
		return nil, usage("--node: %w", err)
	}
	return c, nil
}

// isStatus reports whether err is a node's answer with that HTTP status.
func isStatus(err error, status int) bool {
	var f *client.Failure
	return errors.As(err, &f) && f.Status() == status
}

// isNamed reports whether err is a failure of that name.
func isNamed(err error, name string) bool {
	var f *client.Failure
	return errors.As(err, &f) && f.Name == name
}
