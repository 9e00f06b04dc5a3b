package node_test

import (
	"crypto/sha256"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
	"concordat/node/nodetest"
)

// allocated is the least that fn allocates in several runs, in bytes: others
// allocate meanwhile.
func allocated(fn func()) uint64 {
	least := uint64(math.MaxUint64)
	var before, after runtime.MemStats
	for range 8 {
		runtime.ReadMemStats(&before)
		fn()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// TestHeldIsNotRead: what anybody may ask as often as he likes does not read
// what is held, and names the evidence among it all the same, over a restart and
// until it is ordered.
func TestHeldIsNotRead(t *testing.T) {
	n := nodetest.New(t, "XA", "XB")
	say(t, n, "XA", "XA", "XA-FIRST", client.Final)
	if err := n.Stop("XB"); err != nil {
		t.Fatal(err)
	}
	const heavy, size = 4, 1 << 20
	for i := range heavy {
		attachment := hashes(size/statement.HashSize, fmt.Sprint("held ", i))
		v := n.Sign(t, "XA", 0, &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, attachment, 2_000_000_000, "held")})
		if _, err := n.Client("XA").Submit(t.Context(), v.Raw(), attachment, client.Accepted); err != nil {
			t.Fatal(err)
		}
	}

	// XB's key signs another history, which a stranger shows to XA.
	dir, err := authority.Open(n.NodeDir("XB"), nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := dir.Key(authority.Cosign)
	if err != nil {
		t.Fatal(err)
	}
	other := checkpoint.Checkpoint{Origin: n.Doc.Network, Size: n.Node("XA").FinalSize(), Root: sha256.Sum256([]byte("another history"))}
	line, err := checkpoint.Cosign(other, "XB", time.Now(), key.Ed25519())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(n.URL("XA")+"/add-checkpoint", "text/plain", strings.NewReader("old 0\n\n"+other.Text()+"\n"+line.Line))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("another history is answered %d", resp.StatusCode)
	}
	accused := func(ordered bool) func() bool {
		return func() bool {
			list := n.Node("XA").Status().Evidence
			return len(list) == 1 && list[0].Region == "XB" && (list[0].Statement != nil) == ordered
		}
	}
	if err := nodetest.Await(t.Context(), "the evidence to be listed", accused(false)); err != nil {
		t.Fatal(err)
	}
	for what, ask := range map[string]func(){
		"a status": func() { n.Node("XA").Status() },
		"the list of evidence": func() {
			if _, err := n.Client("XA").Evidence(t.Context()); err != nil {
				t.Error(err)
			}
		},
	} {
		if bytes := allocated(ask); bytes > size {
			t.Errorf("%s takes %d bytes while %d are held", what, bytes, heavy*size)
		}
	}

	if err := n.Stop("XA"); err != nil {
		t.Fatal(err)
	}
	if err := n.Start("XA"); err != nil {
		t.Fatal(err)
	}
	if st := n.Node("XA").Status(); st.Held != heavy+1 || !accused(false)() {
		t.Errorf("after a restart %d are held, want %d; evidence %+v", st.Held, heavy+1, st.Evidence)
	}
	if err := n.Start("XB"); err != nil {
		t.Fatal(err)
	}
	if err := nodetest.Await(t.Context(), "all to be ordered", func() bool { return n.Node("XA").Status().Held == 0 && accused(true)() }); err != nil {
		t.Fatal(err)
	}
}
