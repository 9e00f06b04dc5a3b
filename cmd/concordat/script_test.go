package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"concordat/client"
	"concordat/testnet/codes"
	"concordat/testnet/ports"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"concordat": main})
}

// TestScripts runs sessions that a user could type. Every session has codes and
// certificates beside it, and five commands more than testscript:
//
//	freeport NAME…       sets each NAME to a port that nobody uses
//	ready URL            waits until the node there is ready
//	capture NAME REGEXP  sets NAME to the first group of what the last command printed
//	network DIR          waits for testnet up, and sets XA and so on to the nodes' URLs
//	hashes N FILE        writes N revocation hashes
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               setupScript,
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeport": func(ts *testscript.TestScript, _ bool, args []string) { freePorts(ts, args) },
			"ready":    func(ts *testscript.TestScript, _ bool, args []string) { ready(ts, args[0]) },
			"capture":  func(ts *testscript.TestScript, _ bool, args []string) { capture(ts, args[0], args[1]) },
			"network":  func(ts *testscript.TestScript, _ bool, args []string) { awaitNetwork(ts, args[0]) },
			"hashes":   func(ts *testscript.TestScript, _ bool, args []string) { hashes(ts, args[0], args[1]) },
		},
	})
}

func setupScript(env *testscript.Env) error {
	configs, err := filepath.Abs("../../configs")
	if err != nil {
		return err
	}
	env.Setenv("CONFIGS", configs)
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, envPrefix) {
			env.Setenv(name, "")
		}
	}
	for _, name := range []string{"AT-1", "DE-1"} {
		c, err := codes.Get(name)
		if err != nil {
			return err
		}
		for ending, data := range map[string][]byte{
			".txt": []byte(c.Text + "\n"),
			".der": c.Certificate,
			".pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate}),
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
