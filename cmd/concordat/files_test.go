package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"concordat/client"
)

// TestReplaceFile: a file is replaced whole, with its mode, through a link, and
// nothing is left beside it, whether that works or not.
func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "b"), filepath.Join(dir, "link")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "new" {
		t.Errorf("%q, %v", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v now, %v", info.Mode(), err)
	}
	if err := os.Mkdir(filepath.Join(dir, "taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(filepath.Join(dir, "taken"), []byte("new")); err == nil {
		t.Error("a directory was replaced")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestCaughtUp: how far a node is, in words, whatever it says of itself.
func TestCaughtUp(t *testing.T) {
	for _, test := range []struct {
		p     client.Progress
		words string
	}{
		{client.Progress{Phase: "looking for others"}, "looking for others"},
		{client.Progress{Phase: "p", Waiting: "a quorum"}, "p; it waits for a quorum"},
		{client.Progress{Phase: "p", Size: 500, Target: 1000, Rate: 100, Peers: 3}, "p [###############...............] 500 of 1000 statements, 100 a second, about 5s more, from 3 nodes"},
		{client.Progress{Phase: "p", Size: 1 << 63, Target: 1, Rate: 1e-300}, "p [" + strings.Repeat("#", 30) + "] 9223372036854775808 of 1 statements, 0 a second"},
	} {
		if got := caughtUp(&test.p); got != test.words {
			t.Errorf("%+v is %q, want %q", test.p, got, test.words)
		}
	}
}
