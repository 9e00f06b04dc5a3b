package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOperatorToken: made once, for its owner alone, and only the very same text opens.
func TestOperatorToken(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, operatorFile)
	first, err := openOperatorToken(dir)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("it has mode %v, %v", info.Mode(), err)
	}
	token := strings.TrimSpace(string(raw))
	again, err := openOperatorToken(dir)
	if err != nil || again != first {
		t.Errorf("the next start has another: %v", err)
	}
	n := &Node{operator: again}
	if !n.Operator(token) {
		t.Error("the token is not taken")
	}
	for _, wrong := range []string{"", token[1:], token + "0", strings.ToUpper(token), token + "\n", strings.Repeat("0", len(token))} {
		if n.Operator(wrong) {
			t.Errorf("taken for the token: %d characters", len(wrong))
		}
	}
	if new(Node).Operator("") {
		t.Error("no token is taken where there is none")
	}
	if other, err := openOperatorToken(t.TempDir()); err != nil || other == first {
		t.Errorf("two nodes have one token: %v", err)
	}

	// What others may read, or is none, is not taken; and not shown.
	for name, spoil := range map[string]func() error{
		"readable":  func() error { return os.Chmod(path, 0o644) },
		"cut short": func() error { return os.WriteFile(path, []byte(token[:10]), 0o600) },
	} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := openOperatorToken(dir); err == nil || strings.Contains(err.Error(), token[:10]) || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzAbout: whatever another node says of itself, it is bounded or refused.
func FuzzAbout(f *testing.F) {
	f.Add([]byte{0xa3, 1, 0x61, 'v', 2, 1, 3, 9})
	f.Add([]byte{0xa0})
	f.Add([]byte{0xbf, 1, 0xff})
	f.Fuzz(func(t *testing.T, answer []byte) {
		a, err := decodeAbout("XB", answer)
		if err != nil && a != (about{}) || len(a.Version) > maxVersion+len("…") {
			t.Errorf("%+v, %v", a, err)
		}
	})
}
