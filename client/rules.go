package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// RuleQuery says which rules are wanted. The zero value is all of them.
type RuleQuery struct {
	Region   string    // whose; "": everybody's
	Set      string    // "": every set
	ID       string    // "": every rule; of one, its text comes too
	At       time.Time // the time that InForce is of; zero: the node's now
	Language string    // of descriptions, as in Accept-Language; "": English
}

// Rules lists the rules that authorities have published.
func (c *Client) Rules(ctx context.Context, q RuleQuery) (Rules, error) {
	v := url.Values{}
	for name, s := range map[string]string{"region": q.Region, "set": q.Set, "id": q.ID} {
		if s != "" {
			v.Set(name, s)
		}
	}
	if !q.At.IsZero() {
		v.Set("at", q.At.UTC().Format(time.RFC3339))
	}
	path := "/v1/rules"
	if len(v) > 0 {
		path += "?" + v.Encode()
	}
	var a Rules
	body, _, err := c.do(ctx, request{method: http.MethodGet, path: path, language: q.Language})
	if err != nil {
		return a, err
	}
	err = decodeAnswer(path, body, &a)
	return a, err
}

// ValueSets lists the value sets that authorities have published: everybody's,
// where region is ""; of one, if id is not "", its codes and text come too.
func (c *Client) ValueSets(ctx context.Context, region, id string) (ValueSets, error) {
	v := url.Values{}
	for name, s := range map[string]string{"region": region, "id": id} {
		if s != "" {
			v.Set(name, s)
		}
	}
	var a ValueSets
	err := c.getJSON(ctx, "/v1/value-sets", v, &a)
	return a, err
}

func (a *Rules) sound() error {
	return each(a.Rules, func(r *Rule) error {
		return first(regionOf("authority", r.Authority), identifier("rule", r.ID), name("rule set", r.Set), identifier("version", r.Version), oneOf("type", r.Type, RuleAcceptance, RuleInvalidation),
			hashOf("hash", r.Hash, sha256Bytes))
	}, a.AsOf.sound)
}

func (a *ValueSets) sound() error {
	return each(a.ValueSets, func(s *ValueSet) error {
		return first(regionOf("authority", s.Authority), identifier("value set", s.ID), identifier("version", s.Version), hashOf("hash", s.Hash, sha256Bytes))
	}, a.AsOf.sound)
}

// identifier checks the id of a rule or value set, or a version.
func identifier(what, s string) error {
	const most = 64
	if s == "" || len(s) > most || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_+") != "" {
		return fmt.Errorf("%s is %.80q, want letters, digits, \".\", \"-\", \"_\" and \"+\" with at most %d bytes", what, s, most)
	}
	return nil
}
