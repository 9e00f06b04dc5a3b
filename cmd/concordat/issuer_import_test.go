package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"concordat/client"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/node/nodetest"
)

const snapshot = "../../healthcode/trustlist/testdata/vci/vci_snapshot.json"

// gatekeeper stands before a node, and may refuse what is submitted.
type gatekeeper struct {
	url string

	mu     sync.Mutex
	judge  func(seen int, s statement.Statement) *client.Failure // of a submission, and how many came before; nil passes it on
	posted int
}

func newGatekeeper(t *testing.T, node string) *gatekeeper {
	t.Helper()
	to, err := url.Parse(node)
	if err != nil {
		t.Fatal(err)
	}
	g := &gatekeeper{}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) } // the caller has left
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/statements" {
			if f := g.seen(t, r); f != nil {
				w.WriteHeader(f.Status())
				if err := json.NewEncoder(w).Encode(map[string]any{"error": f}); err != nil {
					t.Error(err)
				}
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	g.url = s.URL
	return g
}

func (g *gatekeeper) seen(t *testing.T, r *http.Request) *client.Failure {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil // the caller has left
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	raw := body
	if kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "multipart/form-data" {
		part, err := multipart.NewReader(bytes.NewReader(body), params["boundary"]).NextPart()
		if err == nil {
			raw, err = io.ReadAll(part)
		}
		if err != nil {
			t.Error(err)
		}
	}
	u, err := statement.Parse(raw)
	if err != nil {
		t.Error(err)
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.posted++
	if g.judge == nil {
		return nil
	}
	return g.judge(g.posted-1, u.Statement())
}

func (g *gatekeeper) judging(judge func(int, statement.Statement) *client.Failure) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.posted, g.judge = 0, judge
}

// importer runs issuer import for XA, through a gatekeeper.
type importer struct {
	*testing.T
	net  *nodetest.Network
	gate *gatekeeper
}

func newImporter(t *testing.T) *importer {
	n := nodetest.New(t, "XA")
	return &importer{t, n, newGatekeeper(t, n.URL("XA"))}
}

func (i *importer) try(ctx context.Context, args ...string) (code int, out, errs string) {
	i.Helper()
	var o, e bytes.Buffer
	args = append([]string{"issuer", "import", "--json", "--node", i.gate.url, "--dir", i.net.NodeDir("XA"), "--genesis", i.net.Genesis()}, args...)
	code = run(ctx, args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// did is try that has to succeed.
func (i *importer) did(args ...string) (a imported, errs string) {
	i.Helper()
	code, out, errs := i.try(i.Context(), args...)
	if code != client.ExitDone {
		i.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		i.Fatal(err)
	}
	return a, errs
}

func (i *importer) want(a imported, registered, known, revoked, batches int) {
	i.Helper()
	if len(a.Registered) != registered || len(a.Known) != known || len(a.Revoked) != revoked || a.Batches != batches {
		i.Fatalf("%d registered, %d known, %d batches revoked, %d known; want %d, %d, %d, %d",
			len(a.Registered), len(a.Known), len(a.Revoked), a.Batches, registered, known, revoked, batches)
	}
}

func (i *importer) size() uint64 {
	i.Helper()
	s, err := i.net.Client("XA").Status(i.Context())
	if err != nil {
		i.Fatal(err)
	}
	return s.Size
}

func (i *importer) keys() map[string]client.IssuerKey {
	i.Helper()
	a, err := i.net.Client("XA").Issuers(i.Context(), "XA", "")
	if err != nil {
		i.Fatal(err)
	}
	m := map[string]client.IssuerKey{}
	for _, k := range a.Issuers {
		m[k.ID] = k
	}
	return m
}

// write writes the snapshot with something changed.
func (i *importer) write(name string, change func(list map[string]any)) string {
	i.Helper()
	raw, err := os.ReadFile(snapshot)
	if err != nil {
		i.Fatal(err)
	}
	var list map[string]any
	if err := json.Unmarshal(raw, &list); err != nil {
		i.Fatal(err)
	}
	change(list)
	path := filepath.Join(i.TempDir(), name)
	if raw, err = json.Marshal(list); err == nil {
		err = os.WriteFile(path, raw, 0o600)
	}
	if err != nil {
		i.Fatal(err)
	}
	return path
}

// TestImportSnapshot imports the whole of the VCI directory into a real node: cut
// short, gone on with, again, and then a list with less in it.
func TestImportSnapshot(t *testing.T) {
	i := newImporter(t)
	const keys, batches = 596, 55 // of 961 entries; and of 1,343 revocations

	a, errs := i.did("--dry-run", snapshot)
	i.want(a, keys, 0, batches, 0)
	if !a.DryRun || i.size() != 0 || a.List.Entries != 961 || !strings.Contains(a.List.Signed, "CN=vci.org") || !strings.Contains(errs, "vci_snapshot.crt, found beside the list") {
		t.Fatalf("%+v\n%s", a.List, errs)
	}

	// Cut short.
	ctx, cancel := context.WithCancel(t.Context())
	i.gate.judging(func(seen int, _ statement.Statement) *client.Failure {
		if seen == 100 {
			cancel()
		}
		return nil
	})
	if code, out, errs := i.try(ctx, snapshot); code == client.ExitDone || !strings.Contains(errs+out, "run it again") {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	some := len(i.keys())
	if some == 0 || some >= keys {
		t.Fatalf("%d keys are registered", some)
	}
	i.gate.judging(nil)
	a, _ = i.did("--dry-run", snapshot)
	rest := len(a.Registered)
	if rest == 0 || rest > keys-some+manyInFlight || len(a.Known)+rest != keys {
		t.Fatalf("%d registered, %d known", rest, len(a.Known))
	}

	// Gone on with.
	a, _ = i.did(snapshot)
	if len(a.Registered)+len(a.Known) != keys || len(a.Revoked)+a.Batches != batches || len(a.Registered) == 0 {
		t.Fatalf("%d registered, %d known, %d batches new, %d known", len(a.Registered), len(a.Known), len(a.Revoked), a.Batches)
	}
	for _, s := range a.Registered {
		if s.Submitted == nil || s.State != client.Final {
			t.Fatalf("%+v", s)
		}
	}
	have := i.keys()
	first := client.IssuerKey{}
	for _, k := range have {
		if k.KeyID == "7JvktUpf1_9NPwdM-70FJT3YdyTiSe2IvmVxxgDSRb0" {
			first = k
		}
	}
	if len(have) != keys || first.Issuer != "https://myvaccinerecord.cdph.ca.gov/creds" || first.Name != "State of California" {
		t.Fatalf("%d keys; %+v", len(have), first)
	}

	// Again: nothing is said.
	size := i.size()
	a, _ = i.did(snapshot)
	i.want(a, 0, keys, 0, batches)
	if i.size() != size || a.Changed != nil || a.Missing != nil || a.Ended != nil {
		t.Fatalf("%d statements, were %d; %+v", i.size(), size, a.Changed)
	}

	// A list without one of California's four keys, and without Peru: of an issuer that has
	// others on the list a key is retired if that is asked for. One whose issuer is nowhere
	// on it may have come from anywhere, and stays.
	without := i.write("list.json", func(list map[string]any) {
		var infos []any
		for _, one := range list["issuerInfo"].([]any) {
			switch keys := one.(map[string]any)["keys"].([]any); one.(map[string]any)["issuer"].(map[string]any)["iss"] {
			case first.Issuer:
				one.(map[string]any)["keys"] = keys[1:]
			case "https://pvcprod.gov.pe.ca":
				continue
			}
			infos = append(infos, one)
		}
		list["issuerInfo"] = infos
	})
	const peru = 13
	kept := func(a imported) (n int) {
		for _, u := range a.Missing {
			if u.Kept && strings.Contains(u.Why, `no key of its issuer "https://pvcprod.gov.pe.ca" is, so --retire-missing leaves it`) {
				n++
			}
		}
		return n
	}
	a, errs = i.did(without)
	i.want(a, 0, keys-peru-1, 0, batches)
	if len(a.Missing) != peru+1 || kept(a) != peru || i.size() != size || !strings.Contains(errs, "signature was not checked") {
		t.Fatalf("%d missing, %d kept\n%s", len(a.Missing), kept(a), errs)
	}
	a, _ = i.did("--retire-missing", "--dry-run", without)
	if len(a.Retired) != 1 || i.size() != size {
		t.Fatalf("%d would be retired", len(a.Retired))
	}
	a, _ = i.did("--retire-missing", without)
	if len(a.Retired) != 1 || kept(a) != peru || i.keys()[first.ID].Status != "retired" {
		t.Fatalf("%d retired; %+v", len(a.Retired), i.keys()[first.ID])
	}

	// What was retired does not come back, and other words change nothing.
	a, _ = i.did(snapshot)
	i.want(a, 0, keys, 0, batches)
	if len(a.Ended) != 1 || i.keys()[first.ID].Status != "retired" {
		t.Fatalf("%d ended; %+v", len(a.Ended), i.keys()[first.ID])
	}
	renamed := i.write("vci.json", func(list map[string]any) {
		list["issuerInfo"].([]any)[1].(map[string]any)["issuer"].(map[string]any)["name"] = "Another"
	})
	if a, _ = i.did("--no-revocations", renamed); len(a.Changed) == 0 || !strings.Contains(a.Changed[0].Why, `the list says "Another"`) {
		t.Fatalf("%+v", a.Changed)
	}

	// A list that has lost most of itself retires nothing.
	lost := i.write("lost.json", func(list map[string]any) {
		for _, one := range list["issuerInfo"].([]any) {
			if one := one.(map[string]any); one["issuer"].(map[string]any)["iss"] == "https://api.cvshealth.com/public" {
				one["keys"] = one["keys"].([]any)[:1]
				list["issuerInfo"] = []any{one}
				return
			}
		}
	})
	if code, _, errs := i.try(t.Context(), "--retire-missing", lost); code != client.ExitUsage || !strings.Contains(errs, "retire 6 of the 6 registered keys of XA") || !strings.Contains(errs, "--yes says that it is") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	unread := i.write("unread.json", func(list map[string]any) {
		keys := list["issuerInfo"].([]any)[0].(map[string]any)["keys"].([]any)
		keys[len(keys)-1] = "x"
	})
	if code, _, errs := i.try(t.Context(), "--retire-missing", unread); code != client.ExitUsage || !strings.Contains(errs, "1 entries of the list cannot be read") {
		t.Errorf("exit code %d\n%s", code, errs)
	}

	// A list that is not what its signer signed is not imported.
	forged := i.write("vci_snapshot.json", func(map[string]any) {})
	for _, ending := range []string{".sig", ".crt"} {
		b, err := os.ReadFile(strings.TrimSuffix(snapshot, ".json") + ending)
		if err == nil {
			err = os.WriteFile(strings.TrimSuffix(forged, ".json")+ending, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	size = i.size()
	if code, _, errs := i.try(t.Context(), forged); code != client.ExitTampering || !strings.Contains(errs, "wrong signature") || i.size() != size {
		t.Errorf("exit code %d\n%s", code, errs)
	}
}

// few is the snapshot with those issuers only that have revocation lists.
func (i *importer) few() string {
	return i.write("few.json", func(list map[string]any) {
		var with []any
		for _, one := range list["issuerInfo"].([]any) {
			if one.(map[string]any)["crls"] != nil {
				with = append(with, one)
			}
		}
		list["issuerInfo"] = with
	})
}

// TestImportTwiceAtOnce: what another import has registered meanwhile is known.
func TestImportTwiceAtOnce(t *testing.T) {
	i := newImporter(t)
	few := i.few()
	i.gate.judging(func(seen int, _ statement.Statement) *client.Failure {
		if seen == 0 {
			var out bytes.Buffer
			args := []string{"issuer", "import", "--no-revocations", "--node", i.net.URL("XA"), "--dir", i.net.NodeDir("XA"), "--genesis", i.net.Genesis(), few}
			if code := run(t.Context(), args, strings.NewReader(""), &out, &out); code != client.ExitDone {
				t.Errorf("exit code %d\n%s", code, out.String())
			}
		}
		return nil
	})
	a, _ := i.did("--no-revocations", few)
	i.want(a, 0, 8, 0, 0)
}

// TestImportAtOldLevel: a network whose level has no place for issuers' names, nor
// for revocations up to a time, gets what it has a place for.
func TestImportAtOldLevel(t *testing.T) {
	i := newImporter(t)
	few := i.few()
	asked := 0
	i.gate.judging(func(_ int, s statement.Statement) *client.Failure {
		if s.Level() > 1 {
			return client.Fail(state.UnknownKind, "the network is at level 1").WithStatus(http.StatusUnprocessableEntity)
		}
		if asked++; asked == 2 { // and once it is asked to wait
			f := client.Fail(client.QuotaExceeded, "used up")
			f.Detail = map[string]any{"retryAfter": 1}
			return f
		}
		return nil
	})
	a, errs := i.did(few)
	i.want(a, 8, 0, 1, 0) // the batch of those that count whenever issued
	if !strings.Contains(errs, "the keys are registered without") || !strings.Contains(errs, "54 of 55 revocation batches are left out") {
		t.Error(errs)
	}
	for _, k := range i.keys() {
		if k.Issuer != "" || k.Name != "" {
			t.Errorf("%+v", k)
		}
	}
	i.gate.judging(nil)
	a, _ = i.did(few)
	i.want(a, 0, 8, 54, 1)
}
