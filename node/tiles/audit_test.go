package tiles_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	tessera "github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"k8s.io/klog/v2"

	"concordat/client/audit"
	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/node/tiles"
)

// TestMain keeps Tessera's fsck from talking.
func TestMain(m *testing.M) {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	os.Exit(m.Run())
}

// record asks the handler without a network between.
func record(s *served, path string) *httptest.ResponseRecorder {
	h := tiles.New(tiles.Config{
		Certified: func() (uint64, []byte) { c := s.note.Load(); return c.size, c.note },
		View:      func() tiles.View { return s.ledger.View() },
		Logger:    quiet,
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, &http.Request{Method: "GET", URL: &url.URL{Path: "/" + path}, Header: http.Header{}})
	return w
}

// hashBundle hashes the entries of a bundle, as Tessera's fsck wants it.
func hashBundle(bundle []byte) ([][]byte, error) {
	var eb api.EntryBundle
	if err := eb.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var out [][]byte
	for _, e := range eb.Entries {
		out = append(out, rfc6962.DefaultHasher.HashLeaf(e))
	}
	return out, nil
}

// tesseraSays has Tessera's fsck look at a log. It can hang on a corrupt one
// when a worker has given up, so it gets a deadline, and what it fetches
// returns when that is over.
func tesseraSays(t *testing.T, base string) error {
	t.Helper()
	v, err := note.NewVerifier(vkey("XB"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := url.Parse(base + "/")
	if err != nil {
		t.Fatal(err)
	}
	f, err := tessera.NewHTTPFetcher(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	said := make(chan error, 1)
	go func() { said <- fsck.New(origin, v, f, hashBundle, fsck.Opts{N: 16}).Check(ctx) }()
	select {
	case err := <-said:
		return err
	case <-ctx.Done():
		return errors.New("Tessera's fsck hangs")
	}
}

// weSay audits the same log with what a partner has.
func weSay(t *testing.T, s *served, base string) error {
	t.Helper()
	source, err := audit.HTTP(base, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := audit.Run(t.Context(), audit.Config{Genesis: s.doc, Source: source})
	if err == nil && r.Checkpoint.Size != s.note.Load().size {
		t.Errorf("audited %d statements", r.Checkpoint.Size)
	}
	return err
}

func TestThirdPartyAudits(t *testing.T) {
	t.Parallel()
	s := serve(t, 700)
	for _, size := range []uint64{1, 256, 257, 512, 700} {
		s.certify(t, size)
		if err := tesseraSays(t, s.url); err != nil {
			t.Errorf("size %d: Tessera's fsck: %v", size, err)
		}
		if err := weSay(t, s, s.url); err != nil {
			t.Errorf("size %d: our audit: %v", size, err)
		}
	}
	// Without a network: from the ledger of a node that is stopped.
	v := s.ledger.View()
	r, err := audit.Run(t.Context(), audit.Config{Genesis: s.doc, Source: tiles.Local{View: v, Note: s.note.Load().note}})
	if err != nil || r.Batches.Verified != 1 {
		t.Errorf("from a directory: %+v, %v", r, err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

// TestOneFlippedBit puts a proxy before an honest node that flips one bit.
// Tessera's fsck and our audit both find it.
func TestOneFlippedBit(t *testing.T) {
	t.Parallel()
	s := serve(t, 700)
	s.certify(t, 700)
	to, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path  string
		byte  int
		index uint64 // that our audit names
	}{
		{"/" + (merkle.Tile{}).Path(256), 5 * 32, 5},
		{"/" + (merkle.Tile{Index: 2}).Path(700-512), 32*100 + 31, 612},
		{"/" + (merkle.Tile{Level: 1}).Path(2), 33, 256},
		{"/" + merkle.EntriesPath(0, 256), 50, 0},
		{"/" + merkle.EntriesPath(2, 700-512), 2 + 100, 512},
		{"/checkpoint", len(origin) + 2, 700}, // in the size, which then is 710
	} {
		proxy := &httputil.ReverseProxy{
			ErrorLog: log.New(io.Discard, "", 0), // of requests that an auditor gave up
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(to)
				r.Out.Header.Set("Accept-Encoding", "identity")
			},
			ModifyResponse: func(resp *http.Response) error {
				if resp.Request.URL.Path == c.path {
					resp.Body = &flipper{ReadCloser: resp.Body, at: c.byte}
				}
				return nil
			},
		}
		server := httptest.NewServer(proxy)
		if err := tesseraSays(t, server.URL); err == nil || strings.Contains(err.Error(), "hangs") {
			t.Errorf("%s: Tessera's fsck says %v", c.path, err)
		}
		err := weSay(t, s, server.URL)
		var found *audit.Tampering
		if !errors.As(err, &found) {
			t.Errorf("%s: our audit says %v", c.path, err)
		} else if found.Index != c.index {
			t.Errorf("%s: our audit blames statement %d, want %d: %v", c.path, found.Index, c.index, err)
		}
		server.Close()
	}
}

// flipper flips one bit of what is read through it.
type flipper struct {
	io.ReadCloser
	at int
}

// Read implements io.Reader.
func (f *flipper) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if f.at >= 0 && f.at < n {
		p[f.at] ^= 1
	}
	f.at -= n
	return n, err
}

// TestTorchwood reads the whole log with torchwood's client.
func TestTorchwood(t *testing.T) {
	t.Parallel()
	s := serve(t, 700)
	c := s.certify(t, 690)
	fetcher, err := torchwood.NewTileFetcher(s.url, torchwood.WithUserAgent("concordat test"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := torchwood.NewClient(fetcher)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := fetcher.ReadEndpoint(t.Context(), "checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey("XC"))
	if err != nil {
		t.Fatal(err)
	}
	read, _, err := torchwood.VerifyCheckpoint(raw, torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(origin), torchwood.SingleVerifierPolicy(v)))
	if err != nil {
		t.Fatal(err)
	}
	if read.N != 690 || read.Hash != tlog.Hash(c.Root) {
		t.Fatalf("torchwood reads %+v", read)
	}
	view := s.ledger.View()
	next := int64(0)
	for i, entry := range client.AllEntries(t.Context(), read.Tree, 0) {
		want, err := view.ByIndex(uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		if i != next || string(entry) != string(want.Raw()) {
			t.Fatalf("torchwood reads entry %d, want %d", i, next)
		}
		next++
	}
	if err := client.Err(); err != nil || next != 690 {
		t.Errorf("torchwood read %d entries: %v", next, err)
	}
	// A proof that torchwood makes from our tiles, and verifies as its own
	// policy says: a key of the log, and three of four validators as witnesses.
	text, group := "log "+vkey("XA")+"\n", "group q 3"
	for _, id := range validators {
		text += fmt.Sprintf("witness %s %s\n", id, checkpoint.CosignerVKey(origin, id, testKey(string(id)+"/cosign").Public().(ed25519.PublicKey)))
		group += " " + string(id)
	}
	policy, err := torchwood.ParsePolicy([]byte(text + group + "\nquorum q\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int64{0, 255, 256, 511, 689} {
		entry, proof, err := client.Entry(t.Context(), read.Tree, i)
		if err != nil {
			t.Fatal(err)
		}
		if err := torchwood.VerifyProof(policy, tlog.RecordHash(entry), torchwood.FormatProof(i, proof, raw)); err != nil {
			t.Errorf("torchwood's proof of entry %d: %v", i, err)
		}
		if err := torchwood.VerifyProof(policy, tlog.RecordHash(entry), torchwood.FormatProof(i+1, proof, raw)); err == nil {
			t.Errorf("torchwood takes the proof of entry %d for another", i)
		}
	}
	if err := view.Close(); err != nil {
		t.Error(err)
	}
}

// TestProofsAgainstTlog makes every proof a second time, from the tiles over
// HTTP, with golang.org/x/mod's tlog.
func TestProofsAgainstTlog(t *testing.T) {
	t.Parallel()
	const size = 530
	s := serve(t, size)
	c := s.certify(t, size)
	fetcher, err := torchwood.NewTileFetcher(s.url)
	if err != nil {
		t.Fatal(err)
	}
	kept := &keeping{TileReader: fetcher, tiles: map[tlog.Tile][]byte{}}
	theirs := torchwood.TileHashReaderWithContext(t.Context(), tlog.Tree{N: size, Hash: tlog.Hash(c.Root)}, kept)
	v := s.ledger.View()
	for i := range uint64(size) {
		want, err := tlog.ProveRecord(size, int64(i), theirs)
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Inclusion(i, size)
		if err != nil || !same(got, want) {
			t.Fatalf("the inclusion of %d: %x, %v; tlog has %x", i, got, err, want)
		}
		older, err := v.Consistency(i+1, size)
		if err != nil {
			t.Fatal(err)
		}
		grown, err := tlog.ProveTree(size, int64(i)+1, theirs)
		if err != nil || !same(older, grown) {
			t.Fatalf("the consistency with %d: %x; tlog has %x, %v", i+1, older, grown, err)
		}
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

func same(a []merkle.Hash, b []tlog.Hash) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != merkle.Hash(b[i]) {
			return false
		}
	}
	return true
}

// keeping keeps tiles that tlog has verified.
type keeping struct {
	torchwood.TileReader
	tiles map[tlog.Tile][]byte
}

// ReadTiles implements torchwood.TileReader.
func (k *keeping) ReadTiles(ctx context.Context, want []tlog.Tile) ([][]byte, error) {
	var missing []tlog.Tile
	for _, t := range want {
		if k.tiles[t] == nil {
			missing = append(missing, t)
		}
	}
	read, err := k.TileReader.ReadTiles(ctx, missing)
	if err != nil {
		return nil, err
	}
	for i, t := range missing {
		k.tiles[t] = read[i]
	}
	out := make([][]byte, len(want))
	for i, t := range want {
		out[i] = k.tiles[t]
	}
	return out, nil
}
