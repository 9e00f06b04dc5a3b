package corpus_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"concordat/healthcode/picture"
	"concordat/recognition/rules"
)

// Where the material lies. The second of each is the part of it that is in this
// repository.
var (
	dccRoots  = []string{"../../../shared/corpus/dcc", "../../healthcode/hc1/testdata/dcc"}
	shcRoots  = []string{"../../../shared/corpus/shc", "../../healthcode/shc/testdata/examples"}
	ruleRoots = []string{"../../../shared/corpus/rules", "../../recognition/rules/testdata"}
)

// Least counts, of all the material and of the part.
var (
	leastCases = []int{116, 40}
	leastRules = []int{55, 11}
)

// material is everything that the tests show.
type material struct {
	whole    bool
	cases    []*dccCase
	pictures []scan
	cards    string // the folder of the SMART Health Cards examples
	rules    map[string][]ruleText
	sets     []rules.ValueSet

	directory, signature, signer []byte // of the VCI's snapshot; none in this repository
}

// dccCase is one case of the EU DCC test data, and what a correct verifier says of it.
type dccCase struct {
	Path          string         `json:"path"`
	SHA256        string         `json:"sha256"`
	Verdict       string         `json:"verdict"` // accept, refuse or policy
	RefuseReasons []string       `json:"refuse_reasons"`
	Entries       map[string]int `json:"entries"`

	text        string
	certificate *x509.Certificate
	clock       time.Time
	payload     any // the file's own idea of it; nil: none
}

// scan is a picture of a code.
type scan struct {
	path string
	data []byte
}

// ruleText is a published rule, to the byte.
type ruleText struct {
	text []byte
	rule *rules.Rule
}

// root gives the first folder that exists, and which it is.
func root(roots []string) (string, int, error) {
	for i, r := range roots {
		if _, err := os.Stat(r); err == nil {
			return r, i, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", 0, err
		}
	}
	return "", 0, fmt.Errorf("neither of %q is there", roots)
}

// gather reads all of it.
func gather() (*material, error) {
	m := &material{rules: map[string][]ruleText{}}
	if err := errors.Join(m.readCases(), m.readPictures(), m.readRules(), m.readDirectory()); err != nil {
		return nil, err
	}
	var err error
	m.cards, _, err = root(shcRoots)
	return m, err
}

func (m *material) readCases() error {
	dir, which, err := root(dccRoots)
	if err != nil {
		return err
	}
	m.whole = which == 0
	index, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		return err
	}
	var expected struct{ Cases []*dccCase }
	if err := json.Unmarshal(index, &expected); err != nil {
		return err
	}
	for _, c := range expected.Cases {
		if err := c.read(dir); err != nil {
			return fmt.Errorf("%s: %w", c.Path, err)
		}
	}
	if m.cases = expected.Cases; len(m.cases) < leastCases[which] {
		return fmt.Errorf("%s has %d cases, want %d at least", dir, len(m.cases), leastCases[which])
	}
	return nil
}

func (c *dccCase) read(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(c.Path)))
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != c.SHA256 {
		return fmt.Errorf("not the file of the corpus: SHA-256 %x, want %s", sum, c.SHA256)
	}
	var file struct {
		Prefix  string `json:"PREFIX"`
		JSON    any    `json:"JSON"`
		Context struct {
			Certificate []byte `json:"CERTIFICATE"`
			Clock       string `json:"VALIDATIONCLOCK"`
		} `json:"TESTCTX"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &file); err != nil {
		return err
	}
	c.text, c.payload = file.Prefix, file.JSON
	if c.certificate, err = x509.ParseCertificate(file.Context.Certificate); err != nil {
		return err
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05-0700"} {
		if c.clock, err = time.Parse(layout, file.Context.Clock); err == nil {
			break // many have no zone: UTC is meant
		}
	}
	return err
}

// readPictures reads the corpus's pictures. Where they are missing, the codes of
// the cases are drawn.
func (m *material) readPictures() error {
	dir := dccRoots[0]
	if !m.whole {
		for _, c := range m.cases {
			data, err := picture.PNG(c.text, 2)
			if err != nil {
				return err
			}
			m.pictures = append(m.pictures, scan{c.Path, data})
		}
		return nil
	}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".png" {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		m.pictures = append(m.pictures, scan{name, data})
		return err
	})
	if err == nil && len(m.pictures) != 30 {
		err = fmt.Errorf("%s has %d pictures, want 30", dir, len(m.pictures))
	}
	return err
}

func (m *material) readRules() error {
	dir, which, err := root(ruleRoots)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "rule.json"))
	if err != nil || len(files) < leastRules[which] {
		return fmt.Errorf("%s has %d rules, want %d at least (%v)", dir, len(files), leastRules[which], err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		r, err := rules.ParseRule(text)
		if err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
		of := filepath.Base(filepath.Dir(filepath.Dir(f)))
		m.rules[of] = append(m.rules[of], ruleText{text, r})
	}
	text, err := os.ReadFile(filepath.Join(dir, "valuesets", "valueSets.json"))
	if err != nil {
		return err
	}
	m.sets, err = rules.ParseValueSets(text)
	return err
}

func (m *material) readDirectory() error {
	if !m.whole {
		return nil
	}
	for name, into := range map[string]*[]byte{"vci_snapshot.json": &m.directory, "vci_snapshot.sig": &m.signature, "vci_snapshot.crt": &m.signer} {
		b, err := os.ReadFile(filepath.Join("../../../shared/corpus/vci", name))
		if err != nil {
			return err
		}
		*into = b
	}
	return nil
}

// card gives a file of the SMART Health Cards examples.
func (m *material) card(name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(m.cards, name))
	return strings.TrimSpace(string(b)), err
}

// examples are the SMART Health Cards in each form of text that they come in.
var examples = []struct {
	number string
	forms  [][]string // the texts of each form, by file
}{
	{"00", forms("00", 1)}, {"01", forms("01", 1)}, {"02", forms("02", 3)}, {"03", forms("03", 1)},
}

// forms are the forms of an example whose QR text has so many chunks: as scanned,
// in reverse, as a JWS and as a file.
func forms(number string, chunks int) [][]string {
	var scanned []string
	for i := range chunks {
		scanned = append(scanned, fmt.Sprintf("example-%s-f-qr-code-numeric-value-%d.txt", number, i))
	}
	backwards := slices.Clone(scanned)
	slices.Reverse(backwards)
	return [][]string{scanned, backwards, {"example-" + number + "-d-jws.txt"}, {"example-" + number + "-e-file.smart-health-card"}}
}

// home is whose code a case is: the authority that registers its certificate.
// The hand-made ones are Austria's, but for those with a certificate of Sweden's.
// Three of Spain's have a certificate that says that it is of the United States.
func (c *dccCase) home() string {
	folder, _, _ := strings.Cut(c.Path, "/")
	if folder != "common" {
		return folder
	}
	if slices.Contains(c.certificate.Subject.Country, "SE") {
		return "SE"
	}
	return "AT"
}
