package healthcode

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNobodyDecidesOnUnverifiedClaims: what decides, keeps or serves anything does
// not look into a code that no key has verified.
func TestNobodyDecidesOnUnverifiedClaims(t *testing.T) {
	read := 0
	for _, dir := range []string{"client", "consensus", "ledger", "node", "p2p", "recognition"} {
		err := filepath.WalkDir(filepath.Join("..", dir), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") {
				return err
			}
			source, err := os.ReadFile(name)
			if bytes.Contains(source, []byte("ClaimsUnverified")) {
				t.Errorf("%s uses ClaimsUnverified: decide on what Verify gives", name)
			}
			read++
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if read < 100 {
		t.Errorf("%d files read; have the packages moved?", read)
	}
}

func TestClaimsUnverified(t *testing.T) {
	if _, ok := ClaimsUnverified(echoed{}); ok {
		t.Error("a format that shows nothing shows something")
	}
}
