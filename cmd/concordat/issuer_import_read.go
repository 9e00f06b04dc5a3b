package main

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"concordat/healthcode/trustlist"
)

// formatsInWords names the formats where a file is in none.
const formatsInWords = "want certificates in PEM or DER, a JWK or JWK set, the VCI directory's snapshot, a trust list of the EU's or WHO's gateway, of Germany, the Netherlands or Sweden, WHO's did.json, or our own JSON; the trust lists of the EU and its members in other forms are not read"

// read reads the list with all that was given to check it by.
func (m *importing) read(t *terminal) (*trustlist.List, error) {
	raw, err := readFile(m.path, trustlist.MaxFile)
	if err != nil {
		return nil, err
	}
	o := trustlist.Options{At: m.now, Region: spelt, Domains: m.domains, Strict: m.strict}
	for _, path := range m.csca {
		data, err := readFile(path, maxKeyFile)
		if err != nil {
			return nil, err
		}
		cas, err := trustlist.Anchors(data)
		if err != nil {
			return nil, usage("--csca %s: %w", path, err)
		}
		o.Anchors = append(o.Anchors, cas...)
	}
	if err := m.signatures(t, &o); err != nil {
		return nil, err
	}
	list, err := trustlist.Read(raw, o)
	switch {
	case errors.Is(err, trustlist.ErrSignature):
		return nil, err // it has its own exit code
	case errors.Is(err, trustlist.ErrUnknown):
		return nil, usage("%s: %w; %s", m.path, err, formatsInWords)
	case err != nil:
		return nil, usage("%s: %w", m.path, err)
	}
	if list.Signed != "" {
		t.say("the list is signed, and the signature is good: %s", list.Signed)
	}
	for _, r := range list.Remarks {
		t.say("remark: %s", r)
	}
	return list, nil
}

// maxSignature bounds the files that a list is checked by.
const maxSignature = 1 << 20

// signatures reads what the list's signature is checked by: what was given, else
// for a VCI snapshot what lies beside it under the names that it is published by.
func (m *importing) signatures(t *terminal, o *trustlist.Options) error {
	read := func(path string, into *[]byte) error {
		if path == "" {
			return nil
		}
		b, err := readFile(path, maxSignature)
		*into = b
		return err
	}
	signature, signer := m.signature, m.signer
	stem, isJSON := strings.CutSuffix(filepath.Base(m.path), ".json")
	if isJSON && stem == "vci_snapshot" {
		beside := func(ending string) string { return filepath.Join(filepath.Dir(m.path), stem+ending) }
		if signature == "" && exists(beside(".sig")) {
			signature = beside(".sig")
			t.say("signature: %s, found beside the list", signature)
		}
		if signer == "" && signature != "" && exists(beside(".crt")) {
			signer = beside(".crt")
			t.say("signer: %s, found beside the list: whoever changed one could have changed both; compare its SHA-256 with one that you have from elsewhere, and give that certificate with --signer", signer)
		}
	}
	return errors.Join(read(signature, &o.Signature), read(signer, &o.Signer), read(m.didSigner, &o.DIDSigner))
}

// exists reports whether there is a file. One that cannot be looked at is not passed over.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// sortedBy gives names by their count, the greatest first.
func sortedBy(c counted) []string {
	names := slices.Sorted(maps.Keys(c))
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(c[b], c[a]) })
	return names
}
