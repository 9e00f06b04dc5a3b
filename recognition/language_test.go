package recognition_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"concordat/healthcode"
	"concordat/ledger/statement"
	"concordat/recognition"
	"concordat/recognition/sentence"
)

// TestCatalogues: every sentence of a decision, every phrase in one and every
// part of the table of reasons is there in every language, and nothing else is.
func TestCatalogues(t *testing.T) {
	wanted := formats(t)
	for n := 2; n <= len(statement.CodeKinds); n++ {
		wanted[sentence.Join(make([]sentence.Sentence, n)...).Format()] = "sentence.Join"
	}
	for _, m := range recognition.Reasons {
		for _, part := range []string{m.Text, m.Rests, m.Do} {
			wanted[part] = m.Name
		}
	}
	for _, l := range sentence.Languages[1:] {
		said := sentence.Catalogue(l)
		for format, at := range wanted {
			if _, ok := said[format]; !ok {
				t.Errorf("%s: the catalogue of %s lacks %q", at, l, format)
			}
		}
		for format := range said {
			if wanted[format] == "" {
				t.Errorf("the catalogue of %s has %q, which nothing says", l, format)
			}
		}
	}
}

// formats finds the formats of sentences in the package's sources, and where each is.
func formats(t *testing.T) map[string]string {
	t.Helper()
	out := make(map[string]string)
	sources, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			format := formatOf(n)
			if format == nil {
				return true
			}
			at := files.Position(format.Pos()).String()
			text, is := format.(*ast.BasicLit)
			switch {
			case is:
				said, err := strconv.Unquote(text.Value)
				if err != nil {
					t.Fatal(err)
				}
				out[said] = at
			case path == "findings.go" || path == "reasons.go":
				// add and say hand on what they are given; the table's parts are looked up by themselves
			default:
				t.Errorf("%s: a format is no literal, so no catalogue can be held against it", at)
			}
			return true
		})
	}
	if len(out) < 100 {
		t.Errorf("only %d formats are found", len(out))
	}
	return out
}

// formatOf is the format of a call that makes a sentence; nil for all else.
func formatOf(n ast.Node) ast.Expr {
	call, is := n.(*ast.CallExpr)
	if !is || len(call.Args) == 0 {
		return nil
	}
	switch f := call.Fun.(type) {
	case *ast.Ident:
		if f.Name == "say" {
			return call.Args[0]
		}
	case *ast.SelectorExpr:
		if from, is := f.X.(*ast.Ident); is && from.Name == "sentence" && f.Sel.Name == "New" {
			return call.Args[0]
		}
		if f.Sel.Name == "add" && len(call.Args) > 2 {
			return call.Args[2]
		}
	}
	return nil
}

// english are words that no other language has; quoted are texts of authorities,
// names and legal grounds, which are in whatever language they were said in.
var (
	english = regexp.MustCompile(`\b(the|of|is|are|and|which|that|code|codes|before|after|until|from|this|not|cannot)\b`)
	quoted  = regexp.MustCompile(`"(\\.|[^"\\])*"|Notice \d+ of \d+`)
)

// reads checks that a decision reads well in every language, and that nothing but
// its messages changes with it.
func reads(t *testing.T, d recognition.Decision) {
	t.Helper()
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range sentence.Languages {
		in := d.In(l)
		for i := range in.Reasons {
			said, message := &in.Reasons[i], d.Reasons[i].Message
			if left := english.FindString(quoted.ReplaceAllString(said.Message, "")); l != sentence.English && left != "" {
				t.Errorf("%s, in %s: %q is left of the English: %s", said.Name, l, left, said.Message)
			}
			if strings.Contains(said.Message, "%!") || said.Message == "" {
				t.Errorf("%s, in %s, is badly made: %s", said.Name, l, said.Message)
			}
			if strings.Contains(said.Message, "\ufffd") {
				t.Errorf("%s, in %s, is not UTF-8: %s", said.Name, l, said.Message)
			}
			said.Message = message
		}
		if again, err := json.Marshal(in); err != nil || !bytes.Equal(again, raw) {
			t.Errorf("in %s more than the messages changed:\n%s\n%s", l, raw, again)
		}
	}
	if again, err := json.Marshal(d.In(sentence.Korean).In(sentence.English)); err != nil || !bytes.Equal(again, raw) {
		t.Errorf("back in English it is not what it was:\n%s\n%s", raw, again)
	}
	var far recognition.Decision
	if err := json.Unmarshal(raw, &far); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(far.In(sentence.German)); err != nil || !bytes.Equal(again, raw) {
		t.Errorf("what was read from JSON is not what it was: %s", again)
	}
}

// TestSaid gives some sentences in full, for their order and their particles.
func TestSaid(t *testing.T) {
	n, s, q := cutOff(t)
	n.must("XB", &statement.Suspend{Region: "XA", Kinds: []statement.CodeKind{statement.Vaccination, statement.Test}, From: 1_600_000_000, Reason: "forged cards", LegalRef: "Act 7"}, nil)
	q.Itinerary = nil
	codes := []recognition.Code{s.code(), {Err: fmt.Errorf("%w: character 7", healthcode.ErrBase45)}}
	d, err := recognition.Decide(codes, q, n.view())
	if err != nil {
		t.Fatal(err)
	}
	for l, want := range map[sentence.Language][2]string{
		sentence.English: {`XB has suspended its recognition of XA's vaccination, test codes from 2020-09-13T12:26:40Z, because: "forged cards" (Act 7).`, "The code cannot be read: Base45: character 7."},
		sentence.German:  {`XB hat die Anerkennung für Codes der Art Impfung, Test aus XA ab 2020-09-13T12:26:40Z ausgesetzt, Begründung: "forged cards" (Act 7).`, "Der Code kann nicht gelesen werden: seine Base45-Kodierung ist beschädigt."},
		sentence.Chinese: {`XB 已暂停承认 XA 的类别为疫苗接种、检测的码（自 2020-09-13T12:26:40Z 起），理由："forged cards"（Act 7）。`, "无法读取该码：其 Base45 编码已损坏。"},
		sentence.Korean:  {`XB은(는) XA의 예방접종, 검사 종류의 코드에 대한 인정을 정지했습니다(2020-09-13T12:26:40Z부터)(사유: "forged cards", 근거: Act 7).`, "코드를 읽을 수 없습니다: Base45 인코딩이 손상됨."},
	} {
		for i, name := range []string{recognition.RecognitionSuspended, recognition.CodeUnreadable} {
			in := d.In(l).Reasons
			at := slices.IndexFunc(in, func(r recognition.Reason) bool { return r.Name == name })
			if at < 0 {
				t.Fatalf("no %s in %+v", name, in)
			}
			if in[at].Message != want[i] {
				t.Errorf("in %s:\n%s\nwant\n%s", l, in[at].Message, want[i])
			}
		}
	}
}

// TestEveryFaultHasAPhrase: why a code cannot be read is told in every language.
func TestEveryFaultHasAPhrase(t *testing.T) {
	for _, fault := range []error{
		healthcode.ErrUnreadable, healthcode.ErrFormatUnknown, healthcode.ErrPrefix, healthcode.ErrBase45, healthcode.ErrCompression, healthcode.ErrTooLarge,
		healthcode.ErrCBOR, healthcode.ErrCOSE, healthcode.ErrClaims, healthcode.ErrEntries, healthcode.ErrDigits, healthcode.ErrChunks, healthcode.ErrJWS,
		healthcode.ErrJSON, healthcode.ErrPicture, nil,
	} {
		d, err := recognition.Decide([]recognition.Code{{Err: fault}}, recognition.Query{Region: "XA"}, found(t, "XA").view())
		if err != nil {
			t.Fatal(err)
		}
		reads(t, d)
	}
	d, err := recognition.Decide([]recognition.Code{{Err: errors.New("of no sort")}}, recognition.Query{Region: "XA"}, found(t, "XA").view())
	if err != nil {
		t.Fatal(err)
	}
	if got := d.In(sentence.German).Reasons[0].Message; got != "Der Code kann nicht gelesen werden: of no sort." {
		t.Errorf("what has no phrase reads %q", got)
	}
}

// TestEverySentinelHasAPhrase: the package's own errors that a reason may give.
func TestEverySentinelHasAPhrase(t *testing.T) {
	phrases, err := os.ReadFile("cause.go")
	if err != nil {
		t.Fatal(err)
	}
	sentinel := regexp.MustCompile(`(?m)^var (err\w+) += errors\.New`)
	sources, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range sources {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, m := range sentinel.FindAllSubmatch(text, -1) {
			found++
			if !bytes.Contains(phrases, append([]byte("{"), m[1]...)) {
				t.Errorf("%s: %s has no phrase in cause.go", path, m[1])
			}
		}
	}
	if found == 0 {
		t.Error("no sentinel is found")
	}
}

// TestAdvice: what stands in the way comes with what to do, and nothing else does.
func TestAdvice(t *testing.T) {
	for _, l := range sentence.Languages {
		for i, m := range recognition.ReasonsIn(l) {
			do := recognition.Advice(recognition.Reason{Name: m.Name, Effect: m.Effect}, l)
			if inTheWay := m.Effect == recognition.Against || m.Effect == recognition.Unknown; (do != "") != inTheWay || inTheWay && !strings.Contains(do, m.Do) {
				t.Errorf("%s in %s: %q", m.Name, l, do)
			}
			if e := recognition.Reasons[i]; m.Name != e.Name || m.Effect != e.Effect || m.Final != e.Final {
				t.Errorf("%s is %+v in %s", e.Name, m, l)
			} else if l != sentence.English && (m.Text == e.Text || m.Rests == e.Rests || m.Do == e.Do) {
				t.Errorf("%s is left in English in %s: %+v", e.Name, l, m)
			}
			given, rests, do := m.Sentences(l)
			for _, said := range []string{given, rests, do} {
				if left := english.FindString(said); l != sentence.English && left != "" {
					t.Errorf("%s, in %s: %q is left of the English: %s", m.Name, l, left, said)
				}
			}
		}
	}
	if do := recognition.Advice(recognition.Reason{Name: recognition.RecognitionMissing, Overruled: "guests"}, sentence.English); do != "" {
		t.Errorf("of what is overruled: %q", do)
	}
	if do := recognition.Advice(recognition.Reason{Name: "of-a-newer-program", Effect: recognition.Against}, sentence.English); do != "" {
		t.Errorf("of what is not known: %q", do)
	}
}
