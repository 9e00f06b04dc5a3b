package witness

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"filippo.io/torchwood"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

// TestTessera has a real log of Tessera's be witnessed here: its own client of
// tlog-witness publishes nothing that we have not co-signed.
func TestTessera(t *testing.T) {
	t.Parallel()
	l := newOutside(t, "tessera.test/log") // for its keys
	c := config(t, l)
	w := open(t, c)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/add-checkpoint" {
			http.NotFound(rw, r)
			return
		}
		w.ServeHTTP(rw, r)
	}))
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	us, err := tessera.NewWitness(w.VKey(), at)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(l.skey)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	dir := t.TempDir()
	// The log is started twice: the second time its client does not know where
	// the witness stands, and is told.
	for round := range 2 {
		driver, err := posix.New(ctx, posix.Config{Path: dir})
		if err != nil {
			t.Fatal(err)
		}
		appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
			WithCheckpointSigner(signer).
			WithBatching(10, 10*time.Millisecond).
			WithCheckpointInterval(100*time.Millisecond).
			WithWitnesses(tessera.NewWitnessGroup(1, us), &tessera.WitnessOptions{Timeout: 5 * time.Second}))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 30 {
			if _, err := appender.Add(ctx, tessera.NewEntry(fmt.Appendf(nil, "entry %d of %d", i, round)))(); err != nil {
				t.Fatal(err)
			}
		}
		want := fmt.Appendf(nil, "tessera.test/log\n%d\n", 30*(round+1))
		var published []byte
		until(t, "Tessera has published its entries", func() bool {
			published, err = reader.ReadCheckpoint(ctx)
			return err == nil && bytes.HasPrefix(published, want)
		})
		verifier, err := torchwood.NewCosignatureVerifier(w.VKey())
		if err != nil {
			t.Fatal(err)
		}
		if n, err := note.Open(published, note.VerifierList(verifier)); err != nil || len(n.Sigs) != 1 {
			t.Errorf("what Tessera published is not co-signed: %v\n%s", err, published)
		}
		if err := shutdown(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
