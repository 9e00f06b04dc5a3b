// Package codes holds real EU DCC codes and their signers' certificates, for
// the demonstration and for tests (README.md: origin and licence).
package codes

import (
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

//go:embed *.json
var files embed.FS

//go:embed more/card.txt more/*.json
var more embed.FS

// Card gives a SMART Health Card as its QR code reads, and its issuer's key set (RFC 7517).
func Card() (text string, jwks []byte, err error) {
	t, err := more.ReadFile("more/card.txt")
	if err != nil {
		return "", nil, err
	}
	jwks, err = more.ReadFile("more/card-jwks.json")
	return strings.TrimSpace(string(t)), jwks, err
}

// Rule gives an acceptance rule by its identifier: RR-DE-0002 or TR-DE-0003.
func Rule(id string) ([]byte, error) { return more.ReadFile("more/" + id + ".json") }

// Code is a code as it was scanned, and what is needed to judge it.
type Code struct {
	Name        string    // like "AT-1"
	Text        string    // HC1:…
	Certificate []byte    // the signer's, DER
	Clock       time.Time // a time at which the code is good; zero where the file gives none that can be read
}

// Get gives one code. Its name is one of Names.
func Get(name string) (Code, error) {
	b, err := files.ReadFile(name + ".json")
	if err != nil {
		return Code{}, fmt.Errorf("no code %q, have %v", name, Names())
	}
	var f struct {
		Prefix  string `json:"PREFIX"`
		TestCtx struct {
			Certificate string `json:"CERTIFICATE"`
			Clock       string `json:"VALIDATIONCLOCK"`
		} `json:"TESTCTX"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return Code{}, fmt.Errorf("code %s: %w", name, err)
	}
	der, err := base64.StdEncoding.DecodeString(f.TestCtx.Certificate)
	if err != nil {
		return Code{}, fmt.Errorf("certificate of code %s: %w", name, err)
	}
	c := Code{Name: name, Text: f.Prefix, Certificate: der}
	if t, err := time.Parse(time.RFC3339, f.TestCtx.Clock); err == nil {
		c.Clock = t
	}
	return c, nil
}

// Names lists the codes, in order.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // the files are in the binary
	}
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), ".json"))
	}
	slices.Sort(out)
	return out
}
