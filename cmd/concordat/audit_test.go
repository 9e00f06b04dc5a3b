package main

import (
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// TestAuditFork: two nodes that tell two histories are found out, and the
// evidence against each validator that signed both is kept, a file for each.
func TestAuditFork(t *testing.T) {
	dir := t.TempDir()
	regions := []string{"XA", "XB", "XC", "XD"}
	create := []string{"genesis", "create", "--network", "health.example", "--out", filepath.Join(dir, "genesis.json")}
	for _, r := range regions {
		if code, _, errs := typed(t, "", "init", "--authority", r, "--name", r, "--dir", filepath.Join(dir, r)); code != client.ExitDone {
			t.Fatal(errs)
		}
		create = append(create, "--descriptor", filepath.Join(dir, r, "descriptor.json"))
	}
	if code, _, errs := typed(t, "", create...); code != client.ExitDone {
		t.Fatal(errs)
	}
	log := func(entry string, signers ...string) string {
		leaf := sha256.Sum256(append([]byte{0}, entry...)) // RFC 6962 §2.1
		c := checkpoint.Checkpoint{Origin: "health.example", Size: 1, Root: leaf}
		note := c.Text() + "\n"
		for _, r := range signers {
			d, err := authority.Open(filepath.Join(dir, r), nil)
			if err != nil {
				t.Fatal(err)
			}
			key, err := d.Key(authority.Cosign)
			if err != nil {
				t.Fatal(err)
			}
			s, err := checkpoint.Cosign(c, statement.Region(r), time.Unix(1_700_000_000, 0), key.Ed25519())
			if err != nil {
				t.Fatal(err)
			}
			note += s.Line
		}
		return liar(t, map[string]string{"/checkpoint": note, "/tile/0/000.p/1": string(leaf[:])})
	}
	one := log("one history", "XA", "XB", "XC")
	for _, test := range []struct {
		name  string
		other string
		files []string
	}{
		{"several signed both", log("another", "XB", "XC", "XD"), []string{"fork-XB.evidence", "fork-XC.evidence"}},
		{"one signed both", log("another", "XC", "XD"), []string{"fork.evidence"}},
		{"nobody signed both", log("another", "XD"), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := t.TempDir()
			code, answer, errs := typed(t, "", "audit", "--json", "--node", one, "--node", test.other, "--genesis", filepath.Join(dir, "genesis.json"), "--out", filepath.Join(out, "fork.evidence"))
			var a struct {
				Error struct {
					Name   string
					Detail struct {
						Index    *uint64
						Culprits []string
						Fork     []struct{ Size uint64 }
					}
				}
			}
			if err := json.Unmarshal([]byte(answer), &a); err != nil {
				t.Fatalf("%v: %s", err, answer)
			}
			d := a.Error.Detail
			if code != client.ExitTampering || a.Error.Name != "tampered" || d.Index == nil || *d.Index != 0 || len(d.Fork) != 2 || len(d.Culprits) != len(test.files) {
				t.Errorf("exit code %d, want %d:\n%s%s", code, client.ExitTampering, answer, errs)
			}
			var files []string
			entries, err := os.ReadDir(out)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				files = append(files, e.Name())
				path := filepath.Join(out, e.Name())
				if code, words, errs := typed(t, "", "evidence", "verify", path, "--genesis", filepath.Join(dir, "genesis.json")); code != client.ExitDone {
					t.Errorf("%s does not verify: exit code %d\n%s%s", path, code, words, errs)
				}
			}
			if !slices.Equal(files, test.files) {
				t.Errorf("evidence in %v, want %v", files, test.files)
			}
		})
	}
}
