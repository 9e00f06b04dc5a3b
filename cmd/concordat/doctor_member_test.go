package main

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// grown is a network of two authorities on disk: XA founded it alone, and XE was
// voted in. Both directories have a ledger that says so.
type grown struct {
	dir     string
	doc     *genesis.Document
	dirs    map[string]*authority.Directory
	ledgers map[string]*ledger.Ledger
	at      time.Time
}

func newGrown(t *testing.T) *grown {
	t.Helper()
	g := &grown{dir: t.TempDir(), dirs: map[string]*authority.Directory{}, ledgers: map[string]*ledger.Ledger{}, at: time.Unix(1_600_000_000, 0)}
	made := map[string]*genesis.Descriptor{}
	for _, id := range []string{"XA", "XE"} {
		var err error
		if made[id], err = authority.Create(g.path(id), statement.Region(id), id, []string{"/ip4/192.0.2.1/tcp/8461"}, "", ""); err != nil {
			t.Fatal(err)
		}
		if g.dirs[id], err = authority.Open(g.path(id), nil); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if g.doc, err = genesis.New("growing.example", g.at, []genesis.Descriptor{*made["XA"]}); err != nil {
		t.Fatal(err)
	}
	for id := range g.dirs {
		if err := os.WriteFile(g.path(id, "genesis.json"), g.doc.Encode(), 0o600); err != nil {
			t.Fatal(err)
		}
		if g.ledgers[id], err = ledger.Open(g.doc, ledger.Options{Dir: g.path(id, "data", "ledger"), Logger: slog.New(slog.DiscardHandler)}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.ledgers[id].Close() })
	}
	g.says(t, "XA", 1, &statement.Propose{Action: statement.Action{Admit: &statement.Admit{Descriptor: made["XE"].Encode(), Role: statement.RoleObserver}}, Reason: "a test"})
	return g
}

func (g *grown) path(parts ...string) string {
	return filepath.Join(append([]string{g.dir}, parts...)...)
}

func (g *grown) key(t *testing.T, id string, role authority.Role) authority.PrivateKey {
	t.Helper()
	k, err := g.dirs[id].Key(role)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// says has an authority say something with its governance key, in all ledgers.
func (g *grown) says(t *testing.T, id string, revision uint64, body statement.Body) {
	t.Helper()
	v, err := statement.Sign(statement.Statement{Issuer: statement.Region(id), Network: g.doc.ID(), Revision: revision, Body: body}, g.key(t, id, authority.Governance).Ed25519())
	if err != nil {
		t.Fatal(err)
	}
	g.at = g.at.Add(time.Second)
	for _, l := range g.ledgers {
		head := l.Head()
		raw, err := block.Seal(block.Header{
			Network: g.doc.ID(), Term: 1, Size: head.Size, Root: head.Root, Time: g.at.UnixMilli(), Proposer: "XA",
		}, [][]byte{v.Raw()}, nil, g.key(t, "XA", authority.Node).Ed25519())
		if err != nil {
			t.Fatal(err)
		}
		a, err := l.Apply(ledger.Position{Index: head.Applied.Index + 1, Term: 1}, raw)
		if err != nil || a.Count != 1 {
			t.Fatalf("%s: %s: %s, %v", body.Kind(), a.Refused, a.Detail, err)
		}
	}
}

// rotates replaces a key as authority rotate does, in the ledgers and in the directory.
func (g *grown) rotates(t *testing.T, id string, role authority.Role, revision uint64) {
	t.Helper()
	next, err := g.dirs[id].NewNext(role)
	if err != nil {
		t.Fatal(err)
	}
	g.says(t, id, revision, &statement.RotateOwnKey{NewKey: statement.ProveKey(g.doc.ID(), statement.Region(id), statement.KeyUse(role), next.Ed25519())})
	if err := g.dirs[id].Promote(role, next.Public()); err != nil {
		t.Fatal(err)
	}
}

// stop closes the ledgers, as nodes that stop do.
func (g *grown) stop(t *testing.T) {
	t.Helper()
	for _, l := range g.ledgers {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDoctorMembers: who was voted in is a member, and a key that was replaced is
// the right one: the ledger says so, and where it cannot be looked at nothing is
// called wrong that may be right.
func TestDoctorMembers(t *testing.T) {
	g := newGrown(t)
	g.rotates(t, "XE", authority.Statement, 2)
	former := g.key(t, "XE", authority.Node).Public()
	g.rotates(t, "XE", authority.Node, 3)
	look := func(id string) (names string, remarks string) {
		t.Helper()
		_, out, errs := typed(t, "", "doctor", "--json", "--dir", g.path(id))
		var d diagnosis
		if err := json.Unmarshal([]byte(out), &d); err != nil {
			t.Fatalf("%v: %s%s", err, out, errs)
		}
		for _, f := range d.Findings {
			if f.Name != "disk-nearly-full" { // of the machine that tests
				names += f.Name + " "
			}
		}
		return names, strings.Join(d.Remarks, "\n")
	}
	if found, remarks := look("XE"); found != "" || !strings.Contains(remarks, "XE is not in the founding document") || !strings.Contains(remarks, "in use by the node that runs") {
		t.Errorf("while the node runs: found %q, remarks:\n%s", found, remarks)
	}
	g.stop(t)
	for _, id := range []string{"XA", "XE"} {
		if found, remarks := look(id); found != "" || strings.Contains(remarks, "founding") || strings.Contains(remarks, "ledger") {
			t.Errorf("%s, stopped: found %q, remarks:\n%s", id, found, remarks)
		}
	}

	// The key of before, in the place of the one that the ledger names.
	old, err := os.ReadFile(g.path("XE", "keys", "former", "node-"+fingerprint(former)+".key"))
	if err == nil {
		err = os.WriteFile(g.path("XE", "keys", "node.key"), old, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if found, _ := look("XE"); found != "other-key " {
		t.Errorf("with the key that was replaced: found %q", found)
	}

	// Without its ledger; and with a ledger of a network that it is not in.
	if err := os.RemoveAll(g.path("XE", "data")); err != nil {
		t.Fatal(err)
	}
	if found, remarks := look("XE"); found != "" || !strings.Contains(remarks, noLedger) {
		t.Errorf("without a ledger: found %q, remarks:\n%s", found, remarks)
	}
	if code, _, errs := typed(t, "", "init", "--authority", "XQ", "--name", "Q", "--dir", g.path("XQ")); code != client.ExitDone {
		t.Fatal(errs)
	}
	for _, err := range []error{os.Rename(g.path("XA", "data"), g.path("XQ", "data")), os.WriteFile(g.path("XQ", "genesis.json"), g.doc.Encode(), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if found, _ := look("XQ"); found != "not-in-network " {
		t.Errorf("who was never voted in: found %q", found)
	}
}
