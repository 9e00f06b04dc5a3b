package main

import (
	"bytes"
	"fmt"
	"strings"

	"concordat/healthcode"
	"concordat/healthcode/shc"
	"concordat/ledger/statement"
)

// openJSON opens a file that is one JSON object: a card revocation list, or cards.
func openJSON(path string) (hashSource, error) {
	raw, err := readFile(path, shc.MaxCRL)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(raw, []byte(`"verifiableCredential"`)) {
		return cardFile{path, strings.TrimSpace(string(raw))}, nil
	}
	list, err := shc.ParseCRL(raw)
	if err != nil {
		return nil, usage("%s: %w; want codes or hashes, one a line, a card revocation list, or a .smart-health-card file", path, err)
	}
	return cardList{path, list}, nil
}

// cardFile is a .smart-health-card file.
type cardFile struct{ path, text string }

func (c cardFile) name() string { return c.path }

func (c cardFile) each(r hashReader, fn func(revocable) error) error {
	all, err := r.hashes(c.text)
	if err != nil {
		return fmt.Errorf("%s: %w", c.path, err)
	}
	for i, one := range all {
		if err := fn(one); err != nil {
			return fmt.Errorf("%s, card %d: %w", c.path, i+1, err)
		}
	}
	return nil
}

// cardList is a card revocation list, as an issuer of SMART Health Cards publishes
// it. It brings its own times.
type cardList struct {
	path string
	list shc.CRL
}

func (c cardList) name() string { return c.path }

func (c cardList) each(r hashReader, fn func(revocable) error) error {
	if r.want != "" && r.want != statement.HashRID {
		return usage("%s is a card revocation list: its hashes are of type %s, and not %s", c.path, statement.HashRID, r.want)
	}
	if r.before != 0 {
		return usage("%s is a card revocation list, which says itself what it spares; leave --issued-before out", c.path)
	}
	for _, g := range c.list.Groups {
		var before statement.Time
		if !g.IssuedBefore.IsZero() {
			before = statement.TimeOf(g.IssuedBefore)
		}
		for _, h := range g.Hashes {
			hash := []healthcode.RevocationHash{{Type: healthcode.HashRID, Hash: h}}
			if err := fn(revocable{hashes: hash, before: before}); err != nil {
				return fmt.Errorf("%s: %w", c.path, err)
			}
		}
	}
	return nil
}
