package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"concordat/client"
	"concordat/testnet/codes"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"concordat": main})
}

// TestScripts runs sessions that a user could type. Every session has codes and
// certificates beside it, and three commands more than testscript:
//
//	freeport NAME…       sets each NAME to a port that nobody uses
//	ready URL            waits until the node there is ready
//	capture NAME REGEXP  sets NAME to the first group of what the last command printed
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               setupScript,
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeport": func(ts *testscript.TestScript, _ bool, args []string) { freePorts(ts, args) },
			"ready":    func(ts *testscript.TestScript, _ bool, args []string) { ready(ts, args[0]) },
			"capture":  func(ts *testscript.TestScript, _ bool, args []string) { capture(ts, args[0], args[1]) },
		},
	})
}

func setupScript(env *testscript.Env) error {
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
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer l.Close() // all are held until all are found, so that none comes twice
		ts.Setenv(name, fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
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
