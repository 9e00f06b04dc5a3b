package testnet

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// levels keeps the binary of the protocol level before, once it is built.
var levels struct {
	sync.Mutex
	path string
	from string // what it was built from, for people
}

// oldBinary gives a binary that knows protocol level 1 and no more: of the newest
// commit that is so and has governance, else of this tree with a build tag.
func oldBinary(t *testing.T) (string, error) {
	levels.Lock()
	defer levels.Unlock()
	if levels.path == "" {
		path, from, err := buildOld()
		if err != nil {
			t.Logf("the history has no old version to build (%v); this tree is built with -tags protocol1", err)
			from = "this tree with -tags protocol1"
			if path, err = variant("protocol1"); err != nil {
				return "", err
			}
		}
		levels.path, levels.from = path, from
	}
	t.Logf("the old binary is built from %s", levels.from)
	return levels.path, nil
}

// errNoHistory: there is no commit to build: a tree without git, a clone that is
// shallow, or one from before there were two levels.
var errNoHistory = errors.New("no commit of protocol level 1 with governance is found")

// buildOld builds the command of the newest such commit.
func buildOld() (path, from string, err error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return "", "", err
	}
	git := func(args ...string) ([]byte, error) {
		cmd := exec.Command("git", append([]string{"-C", root}, args...)...)
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
		}
		return out, err
	}
	// A tree that lies below another's repository has no history of its own.
	top, err := git("rev-parse", "--show-prefix")
	if err != nil {
		return "", "", err
	}
	if strings.TrimSpace(string(top)) != "" {
		return "", "", errNoHistory
	}
	all, err := git("log", "--format=%H", "-n", "200", "--", "ledger/genesis", "ledger/state")
	if err != nil {
		return "", "", err
	}
	for _, commit := range strings.Fields(string(all)) {
		if _, err := git("cat-file", "-e", commit+":ledger/state/governance.go"); err != nil {
			continue // before governance, or beyond where a shallow clone ends
		}
		if !levelOne(git, commit) {
			continue
		}
		dir, err := os.MkdirTemp(filepath.Dir(command), "old-")
		if err != nil {
			return "", "", err
		}
		tar := filepath.Join(dir, "tree.tar")
		if _, err := git("archive", "-o", tar, commit); err != nil {
			return "", "", err
		}
		path := command + "-old"
		for _, args := range [][]string{{"tar", "-x", "-f", tar, "-C", dir}, {"go", "build", "-C", dir, "-o", path, "./cmd/concordat"}} {
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false")
			if out, err := cmd.CombinedOutput(); err != nil {
				return "", "", fmt.Errorf("commit %.12s: %s: %w\n%s", commit, args[0], err, out)
			}
		}
		return path, "commit " + commit[:12], os.RemoveAll(dir)
	}
	return "", "", errNoHistory
}

// levelOne reports whether a commit's code knows level 1 and no more, as it is
// built without tags.
func levelOne(git func(...string) ([]byte, error), commit string) bool {
	files, err := git("grep", "-l", "-E", `ProtocolLevel( uint64)? = [0-9]`, commit, "--", "ledger/genesis/*.go")
	if err != nil {
		return false // none has it
	}
	for _, f := range strings.Fields(string(files)) { // commit:path
		source, err := git("show", f)
		if err != nil || strings.HasSuffix(f, "_test.go") || bytes.Contains(source, []byte("//go:build protocol1")) {
			continue
		}
		return bytes.Contains(source, []byte("ProtocolLevel = 1\n")) || bytes.Contains(source, []byte("ProtocolLevel uint64 = 1\n"))
	}
	return false
}
