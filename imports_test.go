// Package concordat_test holds the rules that no single package can hold: which
// may know which other, and what the pure ones must not touch. Each rule says
// why, so that a failing build needs no arguing.
package concordat_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "concordat"

// Libraries that the rules speak of, by import path prefix.
const (
	pebble = "github.com/cockroachdb/pebble"
	raft   = "github.com/hashicorp/raft"
	libp2p = "github.com/libp2p"
	bbolt  = "go.etcd.io/bbolt"
	viper  = "github.com/spf13/viper"
	cobra  = "github.com/spf13/cobra"
)

// A rule forbids some packages of ours some imports. Paths without a dot in
// their first element, "net/http" apart, are packages of this module; a path
// forbids itself and everything below it.
type rule struct {
	packages []string // of ours; "x/..." is x and all below
	except   []string // of packages
	// never may not be linked: neither imported, nor by anything that is imported.
	never []string
	// direct may not be imported by the package's own files.
	direct []string
	// but are exceptions from both.
	but []string
	why string
}

var rules = []rule{
	{
		packages: []string{"ledger/statement", "ledger/merkle", "healthcode/..."},
		never:    []string{module}, but: []string{"healthcode", "ledger/internal/canonical"},
		why: "what is said, how it is proved and what a code is must be readable, and reusable, without the rest of us",
	},
	{
		packages: []string{"ledger/genesis", "ledger/block"},
		never:    []string{module}, but: []string{"ledger/genesis", "ledger/block", "ledger/statement", "ledger/internal/canonical"},
		why: "the bytes of a founding and of a block are judged by strangers too; only statements are in both",
	},
	{
		packages: []string{"ledger/checkpoint"},
		never:    []string{module}, but: []string{"ledger/checkpoint", "ledger/statement", "ledger/merkle", "ledger/internal/canonical"},
		why: "a checkpoint is the one thing that strangers have to trust: it must be readable by itself",
	},
	{
		packages: []string{"ledger/evidence"},
		never:    []string{module}, but: []string{"ledger/evidence", "ledger/checkpoint", "ledger/block", "ledger/statement", "ledger/merkle", "ledger/internal/canonical"},
		why: "evidence proves by itself, to whoever has the culprit's keys",
	},
	{
		packages: []string{"ledger/receipt"},
		never:    []string{module}, but: []string{"ledger/receipt", "ledger/checkpoint", "ledger/genesis", "ledger/statement", "ledger/merkle", "ledger/internal/canonical"},
		why: "a receipt is verified with the genesis and nothing else",
	},
	{
		packages: []string{"ledger/backup", "ledger/recovery"},
		never:    []string{pebble, "ledger"}, but: []string{
			"ledger/backup", "ledger/recovery", "ledger/receipt", "ledger/checkpoint", "ledger/genesis", "ledger/block", "ledger/statement", "ledger/merkle", "ledger/internal/canonical",
		},
		why: "what goes from hand to hand on a bad day is read without a database: by whoever looks at a backup, and where governance keys lie",
	},
	{
		packages: []string{"ledger/revoked"},
		never:    []string{module}, but: []string{"ledger/revoked", "ledger/statement", "ledger/merkle", "ledger/internal/canonical"},
		why: "the set of revoked hashes is bytes that follow from hashes",
	},
	{
		packages: []string{"ledger/state"},
		never:    []string{module}, but: []string{"ledger/state", "ledger/evidence", "ledger/checkpoint", "ledger/block", "ledger/merkle", "ledger/genesis", "ledger/statement", "ledger/internal/canonical"},
		why: "the state machine could be run on paper: it knows neither how state is stored nor who orders the statements; of the tree and of blocks it knows what evidence is made of",
	},
	{
		packages: []string{"ledger/..."},
		never:    []string{raft, libp2p, bbolt, "consensus", "p2p", "node", "client", "recognition", "healthcode"},
		direct:   []string{"net", "net/http"},
		why:      "the ledger follows from the order of its entries; who orders them, how they travel and who asks is somebody else's matter",
	},
	{
		packages: []string{"recognition/certlogic", "recognition/sentence"},
		never:    []string{module}, but: []string{"recognition/certlogic", "recognition/sentence"},
		why: "an expression is evaluated, and a sentence said, whatever it is about",
	},
	{
		packages: []string{"recognition/..."},
		never:    []string{pebble, raft, libp2p, bbolt, "ledger", "consensus", "p2p", "node", "client", "net/http"},
		but:      []string{"ledger/state", "ledger/evidence", "ledger/checkpoint", "ledger/block", "ledger/merkle", "ledger/genesis", "ledger/statement", "ledger/internal/canonical"},
		why:      "the decision is made in nodes and, offline, in a verifier's hand, from whatever shows it a state",
	},
	{
		packages: []string{"consensus/..."},
		never:    []string{libp2p, "p2p", "node", "client", "recognition", "healthcode"},
		direct:   []string{"net", "net/http", pebble},
		why:      "order is tested without a network and served without HTTP: consensus takes a raft.Transport and asks no more",
	},
	{
		packages: []string{"p2p"},
		never:    []string{module, pebble, bbolt}, but: []string{"p2p"},
		direct: []string{"net/http"},
		why:    "the network lets in members and refuses what no honest peer sends; what messages mean, and the ledger's rules, would only be a second place to keep them",
	},
	{
		packages: []string{"client/..."},
		never:    []string{pebble, raft, libp2p, bbolt, "ledger", "consensus", "p2p", "node", "testnet", viper, cobra},
		but: []string{
			"ledger/state", "ledger/genesis", "ledger/statement", "ledger/merkle", "ledger/block", "ledger/internal/canonical",
			"ledger/checkpoint", "ledger/evidence", "ledger/receipt", "ledger/seal", "ledger/revoked", "ledger/bundle",
		},
		why: "a verifier or a partner imports the client into its own program: it must not get a database, a consensus protocol and a network stack with it",
	},
	{
		packages: []string{"node/httpapi/..."},
		direct:   []string{"consensus", "p2p", "node", pebble, raft, libp2p, bbolt}, but: []string{"node/httpapi"},
		why: "the API speaks with one node through an interface: how that node orders, talks and stores does not show through it",
	},
	{
		packages: []string{"testnet/..."},
		never:    []string{pebble, raft, libp2p, bbolt, "node", "consensus", "p2p"},
		why:      "test networks are driven from outside, as a stranger would: through processes, files and HTTP",
	},
	{
		packages: []string{"cmd/concordat"},
		direct:   []string{pebble, raft, libp2p, bbolt, "p2p", "ledger/merkle", "ledger/block"},
		why:      "the command turns words into calls; what stores, orders and travels is behind node and client",
	},
	{
		packages: []string{"..."}, except: []string{"node", "consensus/...", "cmd/concordat", "configs"},
		direct: []string{"consensus"},
		why:    "only node knows everybody",
	},
	{
		packages: []string{"..."}, except: []string{"node", "p2p"},
		direct: []string{"p2p", libp2p},
		why:    "only node knows everybody, and only p2p knows libp2p",
	},
	{
		packages: []string{"..."}, except: []string{"ledger", "ledger/ledgertest"}, // the latter makes ledgers in memory, for tests
		direct: []string{pebble},
		why:    "one package owns the store, so that one batch can hold all that belongs together",
	},
	{
		packages: []string{"..."}, except: []string{"cmd/...", "configs"},
		direct: []string{viper, cobra},
		why:    "configuration is read once, validated whole, and passed on as plain structs",
	},
	{
		packages: []string{"..."}, except: []string{"cmd/...", "testnet/..."},
		direct: []string{"testnet"}, but: []string{"testnet/codes", "testnet/ports"},
		why: "nothing that runs a ledger depends on what plays with it",
	},
}

// pure packages are functions of their arguments, the same on every node, in
// every release and in an auditor's replay.
var pure = []string{
	"ledger/statement", "ledger/merkle", "ledger/genesis", "ledger/block", "ledger/state", "ledger/internal/canonical",
	"ledger/checkpoint", "ledger/evidence", "ledger/receipt", "ledger/seal", "ledger/revoked", "ledger/bundle",
	"ledger/backup", "ledger/recovery",
	"healthcode", "healthcode/hc1", "healthcode/shc", "healthcode/native", "healthcode/picture", "healthcode/intake", "healthcode/trustlist",
	"healthcode/internal/...", // issue makes codes, which takes randomness
	"recognition/...",
}

// notPure may not be imported by pure packages, with the exceptions in pureBut.
var notPure = map[string]string{
	"os": "files and environment", "io/ioutil": "files", "embed": "files", "path/filepath": "it differs between systems",
	"net": "networks (net/netip is pure)", "net/http": "networks", "syscall": "the system",
	"math/rand": "randomness", "math/rand/v2": "randomness", "crypto/rand": "randomness",
	"log": "I/O", "log/slog": "I/O", "os/exec": "the system", "os/signal": "the system", "context": "waiting is not for pure code",
	"unsafe": "bytes that differ between machines", "testing": "tests",
}

// clock are the functions of package time that read a clock, wait for it, or
// read the machine's time zones. Local, a variable and a method, is one more.
var clock = []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer", "Sleep", "LoadLocation"}

// pkg is what `go list` says of a package.
type pkg struct {
	ImportPath, Dir, Export string
	Imports, Deps, GoFiles  []string
}

// list runs `go list` in this directory, which is the module's root.
func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	// `go test` answers from its cache while what a test has read is unchanged.
	// It does not see what `go list` reads, so the directories are looked at here.
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(name, ".") && name != "." {
			return filepath.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &errs)
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
}

// ours gives a package's path below the module.
func ours(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// matches reports whether a package of ours is named by one of the patterns.
func matches(rel string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if p == "..." {
			return true
		}
		if tree, ok := strings.CutSuffix(p, "/..."); ok {
			return rel == tree || strings.HasPrefix(rel, tree+"/")
		}
		return rel == p
	})
}

// forbids gives the path among the forbidden that an import falls under.
func forbids(forbidden, but []string, imported string) (string, bool) {
	under := func(p string) bool {
		full := p
		// What is not the standard library's and has no dot is ours.
		if first, _, _ := strings.Cut(p, "/"); p != module && first != "net" && !strings.Contains(first, ".") {
			full = path.Join(module, p)
		}
		if p == "net" { // net/http and net/netip are spoken of by name
			return imported == p
		}
		return imported == full || strings.HasPrefix(imported, full+"/")
	}
	if slices.ContainsFunc(but, under) {
		return "", false
	}
	i := slices.IndexFunc(forbidden, under)
	if i < 0 {
		return "", false
	}
	return forbidden[i], true
}

func TestForbiddenImports(t *testing.T) {
	t.Parallel()
	packages := list(t, "-json=ImportPath,Imports,Deps", "./...")
	for _, r := range rules {
		found := false
		for _, p := range packages {
			rel, is := ours(p.ImportPath)
			if !is || !matches(rel, r.packages) || matches(rel, r.except) {
				continue
			}
			found = true
			for _, d := range p.Deps {
				if f, bad := forbids(r.never, r.but, d); bad {
					t.Errorf("%s must not link %s (%s), because %s\n\tsee: go mod why -m, or go list -deps ./%s", rel, d, f, r.why, rel)
				}
			}
			for _, d := range p.Imports {
				if f, bad := forbids(r.direct, r.but, d); bad {
					t.Errorf("%s must not import %s (%s), because %s", rel, d, f, r.why)
				}
			}
		}
		if !found {
			t.Errorf("no package is named by %v: the rule guards nothing any more; rename it with what it guarded", r.packages)
		}
	}
}

// TestEveryRuleCanFail holds the matcher to a few imports that must be refused.
func TestEveryRuleCanFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rel, imported string
		want          bool
	}{
		{"ledger/statement", "concordat/ledger/state", true},
		{"healthcode/hc1", "concordat/healthcode/internal/gate", false},
		{"healthcode/hc1", "concordat/ledger/statement", true},
		{"ledger/state", "concordat/ledger", true},
		{"ledger/state", "concordat/ledger/genesis", false},
		{"ledger", "github.com/hashicorp/raft", true},
		{"recognition", "concordat/ledger", true},
		{"recognition", "concordat/ledger/state", false},
		{"client", "concordat/ledger", true},
		{"client/authority", "github.com/cockroachdb/pebble/v2", true},
		{"client", "github.com/libp2p/go-libp2p/core/peer", true},
		{"client", "concordat/ledger/genesis", false},
		{"p2p", "concordat/ledger/statement", true},
		{"consensus", "concordat/p2p", true},
		{"testnet", "concordat/node", true},
		{"node/httpapi", "concordat/node", true},
		{"node", "concordat/p2p", false},
		{"recognition", "github.com/spf13/viper", true},
	} {
		got := false
		for _, r := range rules {
			if matches(c.rel, r.packages) && !matches(c.rel, r.except) {
				_, never := forbids(r.never, r.but, c.imported)
				_, direct := forbids(r.direct, r.but, c.imported)
				got = got || never || direct
			}
		}
		if got != c.want {
			t.Errorf("may %s import %s? forbidden is %v, want %v", c.rel, c.imported, got, c.want)
		}
	}
}

// TestPurePackages parses and type-checks the pure packages: none reads a
// clock, randomness, a file, the network or the environment, and none lets a
// map's order out.
func TestPurePackages(t *testing.T) {
	t.Parallel()
	patterns := make([]string, len(pure))
	for i, p := range pure {
		patterns[i] = "./" + p
	}
	exports := map[string]string{}
	var checked []pkg
	for _, p := range list(t, append([]string{"-export", "-deps", "-json=ImportPath,Dir,GoFiles,Imports,Export"}, patterns...)...) {
		exports[p.ImportPath] = p.Export
		if rel, is := ours(p.ImportPath); is {
			if !matches(rel, pure) {
				t.Errorf("a pure package links %s, which is not among the pure ones", rel)
			}
			checked = append(checked, p)
		}
	}
	if len(checked) < len(pure) {
		t.Fatalf("%d pure packages found, want at least %d", len(checked), len(pure))
	}
	files := token.NewFileSet()
	imported := importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) {
		f, ok := exports[path]
		if !ok || f == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(f)
	})
	for _, p := range checked {
		checkPure(t, files, imported, p)
	}
}

func checkPure(t *testing.T, files *token.FileSet, imported types.Importer, p pkg) {
	t.Helper()
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
		for _, i := range f.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why, bad := notPure[name]; bad {
				t.Errorf("%s: a pure package imports %s (%s)", files.Position(i.Pos()), name, why)
			}
		}
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: imported}
	if _, err := conf.Check(p.ImportPath, files, parsed, info); err != nil {
		t.Fatal(err)
	}
	for _, f := range parsed {
		anyOrder := anyOrderLines(files, f)
		unsorted := func(n ast.Node) {
			if at := files.Position(n.Pos()); !anyOrder[at.Line] && !anyOrder[at.Line-1] {
				t.Errorf("%s: a pure package goes through a map, whose order differs from run to run: sort the keys first; "+
					"or, where no order can show, say why in a comment with the words \"any order\" on this line or the one before", at)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				if o := info.Uses[n]; o != nil && o.Pkg() != nil && o.Pkg().Path() == "time" &&
					(o.Name() == "Local" || o.Parent() == o.Pkg().Scope() && slices.Contains(clock, o.Name())) {
					t.Errorf("%s: time.%s in a pure package: time comes in as an argument", files.Position(n.Pos()), o.Name())
				}
			case *ast.CallExpr:
				switch called(info, n) {
				case "slices.Sorted", "slices.SortedFunc", "slices.SortedStableFunc":
					return false // what is in it comes out sorted
				case "maps.Keys", "maps.Values", "maps.All":
					unsorted(n)
				}
			case *ast.RangeStmt:
				if _, isMap := info.TypeOf(n.X).Underlying().(*types.Map); isMap {
					unsorted(n)
				}
			}
			return true
		})
	}
}

// called names a function of the standard library that is called, like "maps.Keys".
func called(info *types.Info, n *ast.CallExpr) string {
	s, ok := n.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	o := info.Uses[s.Sel]
	if o == nil || o.Pkg() == nil {
		return ""
	}
	return o.Pkg().Path() + "." + o.Name()
}

// anyOrderLines are the lines of comments that say that any order will do.
func anyOrderLines(files *token.FileSet, f *ast.File) map[int]bool {
	lines := map[int]bool{}
	for _, g := range f.Comments {
		for _, c := range g.List {
			if strings.Contains(c.Text, "any order") {
				lines[files.Position(c.Pos()).Line] = true
			}
		}
	}
	return lines
}
