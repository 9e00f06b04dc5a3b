package httpapi_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"concordat/client"
	"concordat/node"
	"concordat/node/nodetest"
)

// TestExistingClients: each kind of client that package bridge serves finds, at
// a real node, what it asks for first. What they get is tested there.
func TestExistingClients(t *testing.T) {
	code := registered(t, "DE-1")
	want := base64.StdEncoding.EncodeToString(code.Certificate)
	found := false
	for token := ""; ; {
		a := get(t, "/signercertificateUpdate", "x-resume-token", token)
		if a.status == http.StatusNoContent {
			break
		}
		if token = a.header.Get("X-RESUME-TOKEN"); a.status != http.StatusOK || token == "" {
			t.Fatalf("%d %s", a.status, a.body)
		}
		found = found || string(a.body) == want
	}
	// The certificate may have ended by the clock of the machine: then no app is given it.
	var kids []string
	get(t, "/signercertificateStatus").into(t, http.StatusOK, &kids)
	if listed := slices.Contains(kids, kidIn(t, code.Certificate)); listed != found {
		t.Errorf("listed by its key id: %v, given: %v", listed, found)
	}
	for _, path := range []string{
		"/trustList", "/trustList/DSC", "/trustList/DSC/" + region, "/trustList/issuers", "/trustList/certificate", "/trustList/references",
		"/signercertificateStatus/delta", "/trustedissuers", "/context", "/rules", "/rules/" + region, "/valuesets", "/countrylist",
		"/.well-known/jwks.json", "/issuers/" + region + "/.well-known/jwks.json", "/v2/trustlist/did.json", "/v2/trustlist/DCC/" + region + "/DSC/did.json",
	} {
		a := get(t, path)
		if a.status != http.StatusOK || !json.Valid(a.body) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		if tag := a.header.Get("ETag"); tag != "" {
			if b := get(t, path, "If-None-Match", tag); b.status != http.StatusNotModified {
				t.Errorf("%s again: %d", path, b.status)
			}
		}
	}
	get(t, "/jwks/https%3A%2F%2Fnobody.example/.well-known/jwks.json").failure(t, 404, client.NotFound)
	get(t, "/trustList?region=QQ").failure(t, 400, client.UnknownRegion)
	get(t, "/valuesets/"+strings.Repeat("0", 64)).failure(t, 404, client.NotFound)
	if a := get(t, "/publickey"); a.status != http.StatusOK || len(a.body) != 124 {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, path := range []string{"/authorization", "/recognition", "/trqp/authorization", "/trqp/recognition"} {
		q := `{"entity_id":"XA","authority_id":"XA","action":"issue","resource":"test"}`
		if a := ask(t, http.MethodPost, path, strings.NewReader(q), "Content-Type", "application/json"); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		if a := ask(t, http.MethodPost, path, strings.NewReader("{}"), "Content-Type", "application/json"); a.status != http.StatusBadRequest || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		get(t, path).failure(t, 405, client.MethodNotAllowed)
	}
	if info, err := os.Stat(filepath.Join(network.NodeDir(region), "bridge.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v %v", info, err)
	}
}

// kidIn is the key id under which a certificate is listed.
func kidIn(t testing.TB, certificate []byte) string {
	t.Helper()
	var issuers client.Issuers
	get(t, "/v1/issuers").into(t, http.StatusOK, &issuers)
	for _, k := range issuers.Issuers {
		if string(k.Certificate) == string(certificate) {
			return k.KeyID
		}
	}
	t.Fatal("it is not registered")
	return ""
}

// TestWithoutBridge: a node may leave existing clients to others.
func TestWithoutBridge(t *testing.T) {
	n := nodetest.NewWith(t, func(_ string, c *node.Config) { c.Bridge.Disabled = true }, "XB")
	resp, err := http.Get(n.URL("XB") + "/signercertificateStatus")
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("%d %v", resp.StatusCode, err)
	}
	if _, err := os.Stat(filepath.Join(n.NodeDir("XB"), "bridge.key")); err == nil {
		t.Error("it made a key")
	}
}
