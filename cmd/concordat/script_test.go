package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"concordat/client"
	"concordat/client/authority"
	"concordat/healthcode/picture"
	"concordat/ledger/bundle"
	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/testnet/codes"
	"concordat/testnet/ports"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"concordat": main})
}

// TestScripts runs sessions that a user could type. Every session has codes and
// certificates beside it, and some commands more than testscript has:
//
//	freeport NAME…       sets each NAME to a port that nobody uses
//	ready URL            waits until the node there is ready
//	answers URL          waits until the node there answers, ready or not
//	capture NAME REGEXP  sets NAME to the first group of what the last command printed
//	network DIR          waits for testnet up, and sets XA and so on to the nodes' URLs
//	hashes N FILE        writes N revocation hashes
//	sealed URL           waits until the node's bundle has all that was said
//	spoil FILE WORD OUT  writes FILE with one bit flipped just after WORD
//	nosecrets FILE DIR   fails if FILE has anything that is the node's of DIR alone
//	lie DIR GENESIS URL  co-signs another history with the keys in DIR, and shows it to the node
//	mirror URL PATH NAME sets NAME to a copy of the node that flips one bit in the paths that begin with PATH
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               setupScript,
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeport":  func(ts *testscript.TestScript, _ bool, args []string) { freePorts(ts, args) },
			"answers":   func(ts *testscript.TestScript, _ bool, args []string) { answersAt(ts, args[0]) },
			"ready":     func(ts *testscript.TestScript, _ bool, args []string) { ready(ts, args[0]) },
			"capture":   func(ts *testscript.TestScript, _ bool, args []string) { capture(ts, args[0], args[1]) },
			"network":   func(ts *testscript.TestScript, _ bool, args []string) { awaitNetwork(ts, args[0]) },
			"sealed":    func(ts *testscript.TestScript, _ bool, args []string) { sealedAt(ts, args[0]) },
			"spoil":     func(ts *testscript.TestScript, _ bool, args []string) { spoil(ts, args[0], args[1], args[2]) },
			"nosecrets": func(ts *testscript.TestScript, _ bool, args []string) { noSecrets(ts, args[0], args[1]) },
			"lie":       func(ts *testscript.TestScript, _ bool, args []string) { lie(ts, args[0], args[1], args[2]) },
			"mirror":    func(ts *testscript.TestScript, _ bool, args []string) { mirror(ts, args[0], args[1], args[2]) },
			"hashes":    func(ts *testscript.TestScript, _ bool, args []string) { hashes(ts, args[0], args[1]) },
		},
	})
}

func setupScript(env *testscript.Env) error {
	configs, err := filepath.Abs("../../configs")
	if err != nil {
		return err
	}
	env.Setenv("CONFIGS", configs)
	rules, err := filepath.Abs("../../recognition/rules/testdata")
	if err != nil {
		return err
	}
	env.Setenv("RULES", rules)
	smart, err := filepath.Abs("../../healthcode/shc/testdata/examples")
	if err != nil {
		return err
	}
	env.Setenv("SMART", smart) // the examples of SMART Health Cards
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, envPrefix) {
			env.Setenv(name, "")
		}
	}
	for _, name := range []string{"AT-1", "AT-3", "DE-1"} {
		c, err := codes.Get(name)
		if err != nil {
			return err
		}
		drawn, err := picture.PNG(c.Text, 3)
		if err != nil {
			return err
		}
		for ending, data := range map[string][]byte{
			".txt":     []byte(c.Text + "\n"),
			".png":     drawn,
			"-cut.png": drawn[:len(drawn)/2],
			".der":     c.Certificate,
			".pem":     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate}),
		} {
			if err := os.WriteFile(filepath.Join(env.WorkDir, name+ending), data, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

func freePorts(ts *testscript.TestScript, names []string) {
	free, err := ports.Free(len(names))
	ts.Check(err)
	for i, name := range names {
		ts.Setenv(name, fmt.Sprint(free[i]))
	}
}

func ready(ts *testscript.TestScript, url string) {
	c, err := client.New([]string{url})
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for c.Ready(ctx) != nil {
		select {
		case <-ctx.Done():
			ts.Fatalf("%s is not ready", url)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func answersAt(ts *testscript.TestScript, url string) {
	c, err := client.New([]string{url})
	ts.Check(err)
	until(ts, url+" to answer", func() bool {
		_, err := c.Status(context.Background())
		return err == nil
	})
}

// until waits for a condition.
func until(ts *testscript.TestScript, what string, is func() bool) {
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("waited in vain for %s", what)
		}
	}
}

func capture(ts *testscript.TestScript, name, expr string) {
	found := regexp.MustCompile(expr).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("standard output does not match %s", expr)
	}
	ts.Setenv(name, found[1])
}

func awaitNetwork(ts *testscript.TestScript, dir string) {
	var plan struct{ Regions, HTTP []string }
	path := ts.MkAbs(filepath.Join(dir, "testnet.json"))
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		b, err := os.ReadFile(path)
		if err == nil && json.Unmarshal(b, &plan) == nil {
			break
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: %v", path, err)
		}
	}
	for i, region := range plan.Regions {
		ts.Setenv(region, "http://"+plan.HTTP[i])
		ready(ts, "http://"+plan.HTTP[i])
	}
}

func sealedAt(ts *testscript.TestScript, url string) {
	c, err := client.New([]string{url})
	ts.Check(err)
	until(ts, "a bundle of all that was said", func() bool {
		s, err := c.Status(context.Background())
		if err != nil || s.Seal == nil || s.Seal.Statement+1 != s.Size {
			return false
		}
		var raw bytes.Buffer
		if c.Bundle(context.Background(), 0, &raw, nil) != nil {
			return false
		}
		u, err := bundle.Parse(raw.Bytes())
		return err == nil && u.Header().Receipt.Index == s.Seal.Statement
	})
}

func spoil(ts *testscript.TestScript, file, word, out string) {
	raw := []byte(ts.ReadFile(file))
	i := bytes.Index(raw, []byte(word))
	if i < 0 {
		ts.Fatalf("%s does not have %q", file, word)
	}
	raw[i+len(word)] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(out), raw, 0o600))
}

// lie does what no honest node does, by hand: whoever has a validator's key can.
func lie(ts *testscript.TestScript, dir, genesisFile, url string) {
	doc, err := genesis.Parse([]byte(ts.ReadFile(genesisFile)))
	ts.Check(err)
	d, err := authority.Open(ts.MkAbs(dir), nil)
	ts.Check(err)
	key, err := d.Key(authority.Cosign)
	ts.Check(err)
	c, err := client.New([]string{url})
	ts.Check(err)
	s, err := c.Status(context.Background())
	ts.Check(err)
	other := checkpoint.Checkpoint{Origin: doc.Network, Size: s.Final.Size, Root: sha256.Sum256([]byte("another history"))}
	line, err := checkpoint.Cosign(other, d.ID(), time.Now(), key.Ed25519())
	ts.Check(err)
	resp, err := http.Post(url+"/add-checkpoint", "text/plain", strings.NewReader("old 0\n\n"+other.Text()+"\n"+line.Line))
	ts.Check(err)
	ts.Check(resp.Body.Close())
	until(ts, "the evidence to be in the ledger", func() bool {
		e, err := c.Evidence(context.Background())
		return err == nil && len(e.Evidence) == 1 && e.Evidence[0].Statement != nil
	})
}

// plain asks for answers without compression, so that a flipped bit is one of the answer.
type plain struct{}

func (plain) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("Accept-Encoding", "identity")
	return http.DefaultTransport.RoundTrip(r)
}

func mirror(ts *testscript.TestScript, target, path, name string) {
	to, err := url.Parse(target)
	ts.Check(err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.Transport = plain{}
	proxy.ModifyResponse = func(r *http.Response) error {
		if !strings.HasPrefix(r.Request.URL.Path, path) || r.StatusCode != http.StatusOK {
			return nil
		}
		raw, err := io.ReadAll(r.Body)
		if err != nil || len(raw) == 0 {
			return err
		}
		raw[len(raw)/2] ^= 1
		r.Body = io.NopCloser(bytes.NewReader(raw))
		return nil
	}
	s := httptest.NewServer(proxy)
	ts.Defer(s.Close)
	ts.Setenv(name, s.URL)
}

func hashes(ts *testscript.TestScript, n, file string) {
	count, err := strconv.Atoi(n)
	ts.Check(err)
	var b bytes.Buffer
	for i := range count {
		sum := sha256.Sum256([]byte(strconv.Itoa(i)))
		fmt.Fprintf(&b, "%x\n", sum[:16])
	}
	ts.Check(os.WriteFile(ts.MkAbs(file), b.Bytes(), 0o600))
}
