package statement_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"concordat/ledger/statement"
)

// The page that auditors read names every kind, and the content type as it is.
func TestDocsNameEverything(t *testing.T) {
	page, err := os.ReadFile("../../docs/formats/statement.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range statement.Kinds() {
		if strings.Count(string(page), string(k)) < 2 {
			t.Errorf("%s is not in the table of kinds and above its fields", k)
		}
	}
	for _, word := range append([]string{statement.ContentType}, names()...) {
		if !strings.Contains(string(page), word) {
			t.Errorf("%q is missing", word)
		}
	}
}

func names() (out []string) {
	for _, k := range statement.CodeKinds {
		out = append(out, "`"+string(k)+"`")
	}
	for _, h := range statement.HashTypes {
		out = append(out, "`"+string(h)+"`")
	}
	for _, name := range slices.Concat(statement.FormatNames, statement.AlgorithmNames) {
		out = append(out, "`"+name+"`")
	}
	return out
}
