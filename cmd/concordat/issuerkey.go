package main

import (
	"fmt"
	"strings"
	"time"

	"concordat/healthcode/trustlist"
	"concordat/ledger/statement"
)

// issuerKey is an issuer's key as a file gave it.
type issuerKey struct {
	path string
	trustlist.Entry
}

// where is the file, and the place in it.
func (k *issuerKey) where() string { return placeIn(k.path, k.Where) }

func placeIn(path, where string) string {
	if where == "" {
		return path
	}
	return path + ", " + where
}

// registration is the statement that registers the key as its file describes it.
func (k *issuerKey) registration() (*statement.RegisterKey, error) {
	body := &statement.RegisterKey{
		PublicKey: k.PublicKey, KeyID: k.KeyID, ValidFrom: statement.TimeOf(k.ValidFrom), ValidUntil: statement.TimeOf(k.ValidUntil),
		Issuer: k.Issuer, Name: k.Name,
	}
	if k.Certificate != nil {
		body.Certificate = k.Certificate.Raw
	}
	for _, kind := range k.Kinds {
		body.Kinds = append(body.Kinds, statement.CodeKind(kind))
	}
	body.Kinds = statement.SortKinds(body.Kinds)
	if err := body.CheckKey(); err != nil {
		return nil, fmt.Errorf("%s: %w", k.where(), err)
	}
	if err := body.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", k.where(), err)
	}
	return body, nil
}

// remarks says what the one who registers should know, and is no reason to refuse.
func (k *issuerKey) remarks(t *terminal, now time.Time, untilCertificate bool) {
	for _, r := range k.Remarks {
		t.say("remark: %s: %s", k.where(), r)
	}
	if c := k.Certificate; c != nil && now.After(c.NotAfter) && untilCertificate {
		t.say("remark: codes issued after that are refused; if that is not meant, give --valid-until")
	}
}

// maxKeyFile bounds a file of one issuer's keys.
const maxKeyFile = 16 << 20

// readIssuer reads a file with one key, in one format.
func readIssuer(path string, format trustlist.Format) (*issuerKey, error) {
	raw, err := readFile(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	list, err := trustlist.Read(raw, trustlist.Options{Format: format, At: time.Now(), Region: spelt})
	if err != nil {
		return nil, usage("%s: %w", path, err)
	}
	switch n := len(list.Entries) + len(list.Refused); {
	case n != 1:
		return nil, usage("%s holds %d keys; register takes one: use concordat issuer import", path, n)
	case len(list.Refused) == 1:
		return nil, usage("%s: %s", placeIn(path, list.Refused[0].Where), list.Refused[0].Reason)
	}
	return &issuerKey{path, list.Entries[0]}, nil
}

// spelt gives a region as the ledger spells it: EL is GR, and UK is GB. What is no
// region id stays as it is, and is nobody's.
func spelt(region string) string {
	r, err := statement.ParseRegion(region)
	if err != nil {
		return strings.ToUpper(region)
	}
	return string(r)
}
