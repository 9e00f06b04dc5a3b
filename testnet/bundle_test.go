package testnet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// TestBundleAnswersAsTheNode: offline, from a bundle, every code of the corpus
// gets the answer of a node at that size: the same decision and the same
// reasons, in their order, with the statements that they rest on.
func TestBundleAnswersAsTheNode(t *testing.T) {
	cases := dccCases(t, "../healthcode/hc1/testdata/dcc")
	if whole := "../../shared/corpus/dcc"; exists(whole) {
		cases = dccCases(t, whole)
	}
	t.Setenv("CONCORDAT_VOUCH_SEAL", "1s")
	s := newStranger(t)
	dir := t.TempDir()
	genesis := filepath.Join(filepath.Dir(s.nodes["XA"].dir), "genesis.json")

	// Every certificate is XA's, and the first is XC's too.
	registered := map[string]string{}
	for _, c := range cases {
		if registered[string(c.certificate)] != "" {
			continue
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.der", len(registered)))
		if err := os.WriteFile(path, c.certificate, 0o600); err != nil {
			t.Fatal(err)
		}
		registered[string(c.certificate)] = path
		s.must("XA", "issuer", "register", "--certificate", path)
	}
	s.must("XC", "issuer", "register", "--certificate", registered[string(cases[0].certificate)])
	s.must("XA", "risk", "declare", "CN-31", "--level", "high", "--from", "2021-01-01T00:00:00Z")
	s.must("XB", "risk", "declare", "CN-31-0115", "--level", "medium", "--from", "2021-01-01T00:00:00Z", "--note-only")
	s.must("XB", "risk", "declare", "FR", "--level", "high", "--from", "2021-01-01T00:00:00Z")
	s.must("XB", "recognize", "grant", "XA")
	s.must("XC", "recognize", "grant", "XA")
	s.must("XC", "recognize", "suspend", "XA", "--kinds", "vaccination", "--reason", "one manufacturer")
	revoked := 0
	for i, c := range cases {
		if c.verdict != "accept" || i%4 != 0 {
			continue
		}
		revoked++
		s.must("XA", "revoke", c.text, "--expires", "2040-01-01T00:00:00Z", "--reason", "issued in error")
		switch i % 3 {
		case 0:
			s.must("XA", "revoke", "undo", c.text, "--expires", "2040-01-01T00:00:00Z", "--reason", "it was another")
		case 1:
			s.must("XD", "revoke", c.text, "--expires", "2040-01-01T00:00:00Z", "--reason", "said by another")
		}
	}
	t.Logf("%d codes, %d certificates, %d codes revoked", len(cases), len(registered), revoked)

	bundle := filepath.Join(dir, "all.bundle")
	s.bundle(bundle, genesis)
	itinerary := filepath.Join(dir, "stays.json")
	seen := map[string]int{}
	for i, c := range cases {
		// XB, which recognises XA's codes, and one of the others in turn.
		for _, region := range []string{"XB", []string{"XA", "XC", "XD"}[i%3]} {
			q := question{Codes: []string{c.text}, Region: region, At: c.clock.Truncate(time.Second)}
			args := []string{"check", "--bundle", bundle, "--genesis", genesis, "--region", region, "--at", q.At.UTC().Format(time.RFC3339), "--json"}
			if i%4 == 0 {
				q.Itinerary = []stay{
					{"CN-31-0115", q.At.Add(-72 * time.Hour).UTC(), q.At.Add(-48 * time.Hour).UTC()},
					{"FR-75", q.At.Add(-24 * time.Hour).UTC(), q.At.Add(-12 * time.Hour).UTC()},
				}
				b, err := json.Marshal(q.Itinerary)
				if err == nil {
					err = os.WriteFile(itinerary, b, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				args = append(args, "--itinerary", itinerary)
			}
			online := s.ask("XA", q)
			offline := s.answer(append(args, "--", c.text)...)
			if as := offline["asOf"].(map[string]any); as["size"].(float64)+1 != online["asOf"].(map[string]any)["size"].(float64) {
				t.Fatalf("the bundle is of size %v, and the node is at %v: it should have the seal more and nothing else", as["size"], online["asOf"])
			}
			for _, a := range []map[string]any{online, offline} {
				delete(a, "asOf")
				delete(a, "bundle")
			}
			if !reflect.DeepEqual(online, offline) {
				t.Errorf("%s for %s: the node says\n%v\nand the bundle\n%v", c.path, region, online, offline)
			}
			for _, r := range online["reasons"].([]any) {
				seen[r.(map[string]any)["name"].(string)]++
			}
		}
	}
	for _, reason := range []string{"revoked", "revocation-undone", "revoked-elsewhere", "not-revoked", "risk-area", "risk-area-noted", "recognition-suspended", "recognition-missing", "also-registered", "signature-invalid", "code-unreadable"} {
		if seen[reason] == 0 {
			t.Errorf("no answer has the reason %s: this test does not reach it", reason)
		}
	}
	t.Logf("%d questions, by reason: %v", 2*len(cases), seen)
}

type question struct {
	Codes     []string  `json:"codes"`
	Region    string    `json:"region"`
	At        time.Time `json:"at"`
	Itinerary []stay    `json:"itinerary,omitempty"`
}

type stay struct {
	Area string    `json:"area"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// bundle fetches a bundle of all that was said, once it is sealed and final.
func (s *stranger) bundle(path, genesis string) {
	s.t.Helper()
	var got struct {
		Size uint64
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		var st struct {
			Size  uint64
			Final struct{ Size uint64 }
		}
		s.get("XA", "/v1/status", &st)
		out, code := s.run("bundle", "get", "--node", s.nodes["XA"].http, "--genesis", genesis, "--since", path, "--json")
		if code == 0 {
			if err := json.Unmarshal(out, &got); err != nil {
				s.t.Fatalf("%s: %v", out, err)
			}
			if got.Size+1 == st.Size && st.Final.Size == st.Size {
				return
			}
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("no bundle of all that was said: it is of size %d, the ledger of size %d, %d of them final", got.Size, st.Size, st.Final.Size)
		}
	}
}

// run runs a command and gives what it printed and its exit code.
func (s *stranger) run(args ...string) ([]byte, int) {
	s.t.Helper()
	cmd := exec.Command(command, args...)
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return out.Bytes(), cmd.ProcessState.ExitCode()
}

// answer runs a check and gives its answer; its exit code must say the same.
func (s *stranger) answer(args ...string) map[string]any {
	s.t.Helper()
	out, code := s.run(args...)
	var a map[string]any
	if err := json.Unmarshal(out, &a); err != nil {
		s.t.Fatalf("%v: exit code %d: %v: %s", args[:8], code, err, out)
	}
	if want, known := map[any]int{"recognized": 0, "refused": 1, "undetermined": 3}[a["decision"]]; !known || want != code {
		s.t.Fatalf("%v: exit code %d for %s", args[:8], code, out)
	}
	return a
}

// ask asks a node by HTTP.
func (s *stranger) ask(node string, q question) (a map[string]any) {
	s.t.Helper()
	b, err := json.Marshal(q)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.Post(s.nodes[node].http+"/v1/check", "application/json", bytes.NewReader(b))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("check at %s: %s: %v %v", node, resp.Status, err, a)
	}
	return a
}

func (s *stranger) get(node, path string, into any) {
	s.t.Helper()
	resp, err := http.Get(s.nodes[node].http + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		s.t.Fatal(err)
	}
}
