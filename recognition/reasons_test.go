package recognition_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"concordat/healthcode"
	"concordat/ledger/statement"
	"concordat/recognition"
)

// TestNames checks that the constants and the table of reasons name the same,
// each once, with an effect. That nothing else is ever emitted follows: a
// finding without a meaning panics, and TestScenarios reaches every name.
func TestNames(t *testing.T) {
	constants := declaredNames(t)
	form := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	var inTable []string
	for _, m := range recognition.Reasons {
		if slices.Contains(inTable, m.Name) {
			t.Errorf("%q stands twice in the table", m.Name)
		}
		inTable = append(inTable, m.Name)
		if !form.MatchString(m.Name) {
			t.Errorf("%q is not in kebab case", m.Name)
		}
		if !slices.Contains([]recognition.Effect{recognition.For, recognition.Against, recognition.Unknown, recognition.Note}, m.Effect) {
			t.Errorf("%q has effect %q", m.Name, m.Effect)
		}
		if m.Final && m.Effect != recognition.Against {
			t.Errorf("%q is final and %q; only what is against can be", m.Name, m.Effect)
		}
		for part, text := range map[string]string{"when it is given": m.Text, "what it rests on": m.Rests, "what to do": m.Do} {
			if text == "" || strings.HasSuffix(text, ".") || strings.Contains(text, "|") {
				t.Errorf("%q: %s is said in half a sentence, without a full stop: %q", m.Name, part, text)
			}
		}
	}
	slices.Sort(inTable)
	slices.Sort(constants)
	if !slices.Equal(inTable, constants) {
		t.Errorf("table and constants differ:\n%q\n%q", inTable, constants)
	}
}

// declaredNames reads the values of the string constants of reasons.go.
func declaredNames(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "reasons.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range file.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.CONST {
			continue
		}
		for _, s := range decl.Specs {
			for _, v := range s.(*ast.ValueSpec).Values {
				name, err := strconv.Unquote(v.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, name)
			}
		}
	}
	return names
}

// TestReasonsDocumented checks that docs/reasons.md is what the table makes of
// it. `go test ./recognition -rewrite` writes it anew.
func TestReasonsDocumented(t *testing.T) {
	const path = "../docs/reasons.md"
	var want strings.Builder
	want.WriteString(`# Reasons

Every decision (` + "`POST /v1/check`, `concordat check`" + `) comes with all its reasons, in the
order in which they were reached. A name is stable: it never changes, nor is it
given another meaning or effect. This page is made from the table in package
` + "`recognition`" + `; a test holds the two together.

Effects: **for** and **against** speak for themselves; **unknown** could not be
judged; a **note** has no weight. From them follows the decision, by the first
of these rules that applies:

1. something against that is *final*, because no statement could change it: ` + "`refused`" + `;
2. what is known is older than allowed: ` + "`undetermined`" + `;
3. something against: ` + "`refused`" + `;
4. something unknown: ` + "`undetermined`" + `;
5. otherwise: ` + "`recognized`" + `.

A reason that names a special case in ` + "`overruledBy`" + ` is told, and has no weight in
any of these: the checking region has declared that it admits such codes all the same.

A node that has ordered more than is final decides on both states, and the
stricter answer stands: what is ordered counts against a code at once, and for
it once it is final.

Codes shown together are judged together, as one person's: one that is refused
refuses all.

A vote on an authority takes from it what it would say next, never what it has
said. The codes of one that was *expelled* are refused everywhere
(` + "`issuer-expelled`" + `), and a check for its region is at best undetermined
(` + "`region-expelled`" + `); its revocations, compromised keys and risk areas refuse as
before. The codes of one that is *suspended*, and the checks for its region, are
judged as before, with a note. Both hold in a node's answer and in a bundle's, from
the vote on that the answer knows of. A node whose own authority is expelled hears
nothing newer, and marks every answer with ` + "`asOf.standing`" + `: rely on another's.

No reason names a person, or tells an id, a birth date or a status: what a code
says of its holder stands in the answer's ` + "`codes`" + `, for the verifier to see.

Each reason below has its effect, when it is given, what it rests on (the statement
whose index it carries, where it is one), and what a traveller can do about it.
` + "`concordat reasons NAME --language de` and `GET /v1/reasons` with `Accept-Language`" + `
tell the same in German, Chinese (` + "`zh`) and Korean (`ko`" + `); names and effects stay.

`)
	for _, m := range recognition.Reasons {
		effect := string(m.Effect)
		if m.Final {
			effect += ", final"
		}
		fmt.Fprintf(&want, "## `%s`\n\n*%s* · %s.\n\n- Rests %s.\n- What you can do: %s.\n\n", m.Name, effect, upper(m.Text), m.Rests, m.Do)
	}
	if flag.Lookup("rewrite").Value.String() == "true" { // datadriven's flag
		if err := os.WriteFile(path, []byte(strings.TrimSuffix(want.String(), "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != strings.TrimSuffix(want.String(), "\n") {
		t.Errorf("docs/reasons.md is not what the table says; go test ./recognition -run Documented -rewrite")
	}
}

// upper begins a sentence.
func upper(s string) string {
	if strings.HasPrefix(s, "`") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// TestSharedWords checks that codes and statements name kinds and hashes alike:
// the decision compares them as text.
func TestSharedWords(t *testing.T) {
	kinds := []healthcode.Kind{healthcode.Vaccination, healthcode.Test, healthcode.Recovery, healthcode.Health, healthcode.Itinerary}
	if len(kinds) != len(statement.CodeKinds) {
		t.Fatalf("%d kinds of code, statements know %d", len(kinds), len(statement.CodeKinds))
	}
	for i, k := range kinds {
		if string(k) != string(statement.CodeKinds[i]) {
			t.Errorf("kind %q is %q in statements", k, statement.CodeKinds[i])
		}
	}
	hashes := []healthcode.HashType{healthcode.HashSignature, healthcode.HashUCI, healthcode.HashCountryCodeUCI, healthcode.HashRID}
	if len(hashes) != len(statement.HashTypes) {
		t.Fatalf("%d types of hash, statements know %d", len(hashes), len(statement.HashTypes))
	}
	for i, h := range hashes {
		if string(h) != string(statement.HashTypes[i]) {
			t.Errorf("hash type %q is %q in statements", h, statement.HashTypes[i])
		}
	}
	if a, b := len(healthcode.RevocationHash{}.Hash), statement.HashSize; a != b {
		t.Errorf("a code's hash has %d bytes, a statement's %d", a, b)
	}
}
