package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/client"
)

// healthyStatus is the status of a node with which nothing is wrong.
func healthyStatus(region string) client.Status {
	return client.Status{
		Network: someHash, NetworkName: "health.example", Region: region, Role: "validator", RaftRole: "follower", Leader: "XA",
		Size: 9, Root: someHash, Final: client.FinalHead{Size: 9, Root: someHash, Cosigners: []string{"XA", "XB", "XC"}, Quorum: 3},
		Age: "1s", AgeMillis: 1000, MaxAge: "1h0m0s", Quorum: true, Vouching: true, Version: "1", Started: "2021-06-01T12:00:00Z",
		Problems: []client.Problem{}, Evidence: []client.Culprit{}, Peers: []client.Peer{{Region: "XZ", Connected: true}},
	}
}

// statusAt is a node that answers with a status.
func statusAt(t *testing.T, region string, change func(*client.Status)) string {
	t.Helper()
	s := healthyStatus(region)
	if change != nil {
		change(&s)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return liar(t, map[string]string{"/v1/status": string(b)})
}

// TestDoctor: what is wrong has a name, the worst comes first, and the exit code says whether anything is.
func TestDoctor(t *testing.T) {
	otherRoot := strings.Repeat("f", 64)
	long := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	for _, test := range []struct {
		name  string
		nodes []func(*client.Status) // nil: nothing is wrong with it
		finds []string
		code  int
	}{
		{"nothing", []func(*client.Status){nil, nil}, nil, client.ExitDone},
		{"what nodes say", []func(*client.Status){func(s *client.Status) {
			s.Vouching = false
			s.Problems = []client.Problem{{Name: "witness", Message: "m"}, {Name: "behind", Message: "m", Vouch: true}, {Name: "diverged", Message: "m", Vouch: true}}
		}}, []string{"diverged", "behind", "witness"}, client.ExitRefused},
		{"does not vouch, and does not say why", []func(*client.Status){func(s *client.Status) { s.Vouching = false }}, []string{"not-vouching"}, client.ExitRefused},
		{"an observer vouches for nothing", []func(*client.Status){func(s *client.Status) { s.Vouching, s.Role = false, "observer" }}, nil, client.ExitDone},
		{"not final", []func(*client.Status){func(s *client.Status) { s.Final.Since, s.Final.Note = &long, "XC and XD are missing" }}, []string{"not-final"}, client.ExitRefused},
		{"stale", []func(*client.Status){func(s *client.Status) { s.AgeMillis = 2 * 3600 * 1000 }}, []string{"stale"}, client.ExitRefused},
		{"nothing was ever final", []func(*client.Status){func(s *client.Status) { s.Age, s.AgeMillis, s.Size = "unknown", -1, 0 }}, nil, client.ExitDone},
		{"alone", []func(*client.Status){func(s *client.Status) { s.Peers[0].Connected = false }}, []string{"peers-missing"}, client.ExitRefused},
		{"caught", []func(*client.Status){func(s *client.Status) {
			s.Evidence = []client.Culprit{{Region: "XC", Kind: "two-roots", Words: "w"}}
		}}, []string{"evidence"}, client.ExitRefused},
		{"two roots at one size", []func(*client.Status){nil, func(s *client.Status) { s.Root = otherRoot }}, []string{"fork"}, client.ExitRefused},
		{"two final roots at one size", []func(*client.Status){nil, func(s *client.Status) { s.Size, s.Root, s.Final.Root = 10, otherRoot, otherRoot }}, []string{"fork"}, client.ExitRefused},
		{"a little behind", []func(*client.Status){nil, func(s *client.Status) { s.Size, s.Root = 12, otherRoot }}, nil, client.ExitDone},
		{"far behind", []func(*client.Status){nil, func(s *client.Status) { s.Size, s.Root = 1_000_000, otherRoot }}, []string{"far-behind"}, client.ExitRefused},
		{"another network", []func(*client.Status){nil, func(s *client.Status) { s.Network = otherRoot }}, []string{"other-network"}, client.ExitRefused},
		{"two versions", []func(*client.Status){nil, func(s *client.Status) { s.Version = "2" }}, []string{"versions-differ"}, client.ExitRefused},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := []string{"doctor", "--json"}
			for i, change := range test.nodes {
				args = append(args, "--node", statusAt(t, fmt.Sprintf("X%c", 'A'+i), change))
			}
			code, out, errs := typed(t, "", args...)
			var d diagnosis
			if err := json.Unmarshal([]byte(out), &d); err != nil {
				t.Fatalf("%v: %s%s", err, out, errs)
			}
			var found []string
			for _, f := range d.Findings {
				found = append(found, f.Name)
				if f.Message == "" || f.Where == "" {
					t.Errorf("%+v does not say what or where", f)
				}
			}
			if !slices.Equal(found, test.finds) || code != test.code || d.Healthy != (len(test.finds) == 0) {
				t.Errorf("exit code %d, want %d; found %v, want %v\n%s", code, test.code, found, test.finds, out)
			}
		})
	}
}

// TestDoctorUnreachable: a node that is down is exit code 3, and the others are still looked at.
func TestDoctorUnreachable(t *testing.T) {
	up := statusAt(t, "XA", func(s *client.Status) { s.Peers[0].Connected = false })
	code, out, _ := typed(t, "", "doctor", "--node", "http://127.0.0.1:1", "--node", up)
	if code != client.ExitUnreachable || !strings.Contains(out, "127.0.0.1:1: unreachable: ") || !strings.Contains(out, "peers-missing") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// TestDoctorDirectory: what is wrong with a directory is found without opening a key.
func TestDoctorDirectory(t *testing.T) {
	made := func(t *testing.T) string {
		dir := filepath.Join(t.TempDir(), "xa")
		if code, _, errs := typed(t, "", "init", "--authority", "XA", "--name", "A", "--dir", dir); code != 0 {
			t.Fatal(errs)
		}
		if code, _, errs := typed(t, "", "genesis", "create", "--network", "health.example", "--out", filepath.Join(dir, "genesis.json"), "--descriptor", filepath.Join(dir, "descriptor.json")); code != 0 {
			t.Fatal(errs)
		}
		return dir
	}
	other := made(t)
	for _, test := range []struct {
		name  string
		spoil func(dir string) error
		finds string // "": nothing
	}{
		{"nothing", func(string) error { return nil }, ""},
		{"governance key offline", func(dir string) error { return os.Remove(filepath.Join(dir, "keys/governance.key")) }, ""},
		{"no node key", func(dir string) error { return os.Remove(filepath.Join(dir, "keys/node.key")) }, "no-key"},
		{"open key", func(dir string) error { return os.Chmod(filepath.Join(dir, "keys/cosign.key"), 0o640) }, "key-permissions"},
		{"no genesis", func(dir string) error { return os.Remove(filepath.Join(dir, "genesis.json")) }, "no-genesis"},
		{"broken genesis", func(dir string) error { return os.WriteFile(filepath.Join(dir, "genesis.json"), []byte("{"), 0o600) }, "malformed-file"},
		{"other keys", func(dir string) error {
			b, err := os.ReadFile(filepath.Join(other, "genesis.json"))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, "genesis.json"), b, 0o600)
		}, "other-key"},
		{"signer is a directory", func(dir string) error { return os.Mkdir(filepath.Join(dir, "signer"), 0o700) }, "signer-unreadable"},
		{"signer is empty", func(dir string) error { return os.WriteFile(filepath.Join(dir, "signer"), nil, 0o600) }, "signer-file"},
		{"signer is damaged", func(dir string) error { return os.WriteFile(filepath.Join(dir, "signer"), []byte("{}\n00\n"), 0o600) }, "signer-file"},
		{"signer of somebody else", func(dir string) error {
			line := []byte(`{"validator":"XQ"}`)
			return os.WriteFile(filepath.Join(dir, "signer"), fmt.Appendf(nil, "%s\n%x\n", line, sha256.Sum256(line)), 0o600)
		}, "signer-file"},
		{"no authority", os.RemoveAll, "not-an-authority"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := made(t)
			if err := test.spoil(dir); err != nil {
				t.Fatal(err)
			}
			_, out, errs := typed(t, "", "doctor", "--json", "--dir", dir)
			var d diagnosis
			if err := json.Unmarshal([]byte(out), &d); err != nil {
				t.Fatalf("%v: %s%s", err, out, errs)
			}
			found := ""
			for _, f := range d.Findings {
				if f.Name != "disk-nearly-full" { // of the machine that tests
					found += f.Name
				}
			}
			if found != test.finds {
				t.Errorf("found %q, want %q\n%s", found, test.finds, out)
			}
		})
	}
}
