package witness

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("witness test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

// tileMap is a tree in memory.
type tileMap map[merkle.Tile][]byte

func (m tileMap) ReadTile(t merkle.Tile, _ int) ([]byte, error) { return m[t], nil }

// outside is a log outside of the network: a key and a tree.
type outside struct {
	origin string
	skey   string // as golang.org/x/mod/sumdb/note has it
	vkey   string
	tiles  tileMap
	size   uint64
	root   merkle.Hash
}

func newOutside(t testing.TB, origin string) *outside {
	t.Helper()
	skey, vkey, err := note.GenerateKey(seeded{origin}, origin)
	if err != nil {
		t.Fatal(err)
	}
	return &outside{origin: origin, skey: skey, vkey: vkey, tiles: tileMap{}, root: merkle.EmptyRoot()}
}

// seeded gives the same bytes for the same name.
type seeded struct{ name string }

// Read implements io.Reader.
func (s seeded) Read(p []byte) (int, error) { return copy(p, testKey(s.name).Seed()), nil }

// grow appends statements, of the history named.
func (o *outside) grow(t testing.TB, n int, history string) {
	t.Helper()
	for range n {
		leaf := merkle.LeafHash(fmt.Appendf(nil, "%s %d", history, o.size))
		writes, root, err := merkle.Append(o.tiles, o.size, []merkle.Hash{leaf})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range writes {
			o.tiles[w.Tile] = w.Data
		}
		o.size, o.root = o.size+1, root
	}
}

func (o *outside) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", o.origin, o.size, base64.StdEncoding.EncodeToString(o.root[:]))
}

func (o *outside) sign(t testing.TB, text string) []byte {
	t.Helper()
	s, err := note.NewSigner(o.skey)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (o *outside) proof(t testing.TB, old uint64) []merkle.Hash {
	t.Helper()
	p, err := merkle.ConsistencyProof(o.tiles, old, o.size)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// request is an honest request from what was co-signed at old.
func (o *outside) request(t testing.TB, old uint64) []byte {
	t.Helper()
	return encodeRequest(old, o.proof(t, old), o.sign(t, o.text()))
}

const network = "witness.test"

func config(t testing.TB, logs ...*outside) Config {
	t.Helper()
	c := Config{Origin: network, Authority: "XA", Cosign: testKey("XA/cosign"), Dir: filepath.Join(t.TempDir(), "witness"), Logger: quiet}
	for _, l := range logs {
		c.Logs = append(c.Logs, Log{Origin: l.origin, VKeys: []string{l.vkey}})
	}
	return c
}

func open(t testing.TB, c Config) *Witness {
	t.Helper()
	w, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

type answer struct {
	status int
	kind   string
	body   string
}

func post(h http.Handler, body []byte) answer {
	rw := httptest.NewRecorder()
	h.ServeHTTP(rw, httptest.NewRequest("POST", "/add-checkpoint", bytes.NewReader(body)))
	return answer{rw.Code, rw.Header().Get("Content-Type"), rw.Body.String()}
}

func (a answer) want(t testing.TB, what string, status int, body string) {
	t.Helper()
	if a.status != status || !strings.Contains(a.body, body) {
		t.Errorf("%s: %d %q, want %d and %q", what, a.status, a.body, status, body)
	}
	if status == http.StatusConflict && (a.kind != "text/x.tlog.size" || a.body != body) {
		t.Errorf("%s: a conflict is told as %s: %q", what, a.kind, a.body)
	}
}

// cosigned checks with torchwood that an answer co-signs a text, and gives the time.
func (w *Witness) cosigned(t testing.TB, a answer, text string) time.Time {
	t.Helper()
	if a.status != 200 {
		t.Fatalf("no co-signature but %d %q", a.status, a.body)
	}
	v, err := torchwood.NewCosignatureVerifier(w.VKey())
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open([]byte(text+"\n"+a.body), note.VerifierList(v))
	if err != nil {
		t.Fatalf("torchwood does not verify %q: %v", a.body, err)
	}
	at, err := torchwood.CosignatureTimestamp(n.Sigs[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Sigs) != 1 || n.Sigs[0].Name != network+"/XA" {
		t.Errorf("signatures are %+v", n.Sigs)
	}
	return time.Unix(at, 0)
}

// TestAddCheckpoint goes through what C2SP tlog-witness says of each answer.
func TestAddCheckpoint(t *testing.T) {
	t.Parallel()
	l, unknown := newOutside(t, "log.test/a"), newOutside(t, "log.test/unknown")
	unknown.grow(t, 1, "one")
	now := time.Unix(1_700_000_000, 5)
	c := config(t, l)
	c.Now = func() time.Time { return now }
	w := open(t, c)

	post(w, unknown.request(t, 0)).want(t, "an unknown log", 404, "not witnessed here")
	l.grow(t, 5, "one")
	if at := w.cosigned(t, post(w, l.request(t, 0)), l.text()); at.Unix() != now.Unix() {
		t.Errorf("co-signed at %s", at)
	}
	post(w, l.request(t, 0)).want(t, "the first again", 409, "5\n")
	now = now.Add(-time.Hour)
	if at := w.cosigned(t, post(w, l.request(t, 5)), l.text()); at.Unix() != 1_700_000_000 {
		t.Errorf("with the clock set back it is co-signed at %s", at)
	}
	l.grow(t, 8, "one")
	now = now.Add(2 * time.Hour)
	w.cosigned(t, post(w, l.request(t, 5)), l.text())

	old := l.request(t, 13)
	l.grow(t, 7, "one")
	post(w, encodeRequest(13, nil, l.sign(t, l.text()))).want(t, "no proof", 422, "not shown to begin")
	wrong := l.proof(t, 13)
	wrong[0][0] ^= 1
	post(w, encodeRequest(13, wrong, l.sign(t, l.text()))).want(t, "a wrong proof", 422, "not shown to begin")
	post(w, encodeRequest(21, nil, l.sign(t, l.text()))).want(t, "an old size above the new", 400, "above the checkpoint's")
	post(w, encodeRequest(14, l.proof(t, 14), l.sign(t, l.text()))).want(t, "another old size", 409, "13\n")

	forged := l.sign(t, l.text())
	forged[len(forged)-5] ^= 1
	post(w, encodeRequest(13, l.proof(t, 13), forged)).want(t, "a signature that fails", 403, "")
	mallory := newOutside(t, "log.test/mallory")
	post(w, encodeRequest(13, l.proof(t, 13), mallory.sign(t, l.text()))).want(t, "a key that is not known", 403, "no key that is known")
	rival := newOutside(t, l.origin)
	rival.grow(t, 13, "two")
	post(w, rival.request(t, 13)).want(t, "another tree of that size", 422, "not shown to begin")
	w.cosigned(t, post(w, old), string(old[len("old 13\n\n"):bytes.Index(old, []byte("\n\n—"))+1]))

	// Extension lines are signed as they stand.
	extended := l.text() + "and one line more\n"
	w.cosigned(t, post(w, encodeRequest(13, l.proof(t, 13), l.sign(t, extended))), extended)

	rw := httptest.NewRecorder()
	w.ServeHTTP(rw, httptest.NewRequest("GET", "/add-checkpoint", nil))
	if rw.Code != 405 || rw.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d", rw.Code)
	}
	post(w, make([]byte, MaxRequest+1)).want(t, "a long body", 400, "at most")
}

// An empty tree has one root, and is co-signed like any other.
func TestEmptyLog(t *testing.T) {
	t.Parallel()
	l := newOutside(t, "log.test/empty")
	w := open(t, config(t, l))
	w.cosigned(t, post(w, l.request(t, 0)), l.text())
	l.root[3] ^= 1
	post(w, encodeRequest(0, nil, l.sign(t, l.text()))).want(t, "an empty tree with a root", 422, "")
}

func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	l := newOutside(t, "log.test/a")
	l.grow(t, 3, "one")
	w := open(t, config(t, l))
	n := string(l.sign(t, l.text()))
	hash := base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n"
	for _, body := range []string{
		"", "\n", "old 0\n", "old 0\n\n", "old 0" + n, n, "0\n\n" + n, "old\n\n" + n, "old 00\n\n" + n, "old -1\n\n" + n, "old +1\n\n" + n,
		"old 0 \n\n" + n, "old  0\n\n" + n, "Old 0\n\n" + n, "old 18446744073709551616\n\n" + n, "old 0\nAAAA\n\n" + n,
		"old 0\n" + strings.TrimSuffix(hash, "\n") + " \n\n" + n, "old 0\n" + strings.Repeat(hash, 64) + "\n" + n,
		"old 0\n\n" + strings.Replace(n, "\n3\n", "\n03\n", 1), "old 0\n\n" + strings.Replace(n, "\n3\n", "\n\n3\n", 1),
		"old 0\n\n" + l.text(), "old 0\n\n" + strings.TrimSuffix(n, "\n"),
	} {
		if a := post(w, []byte(body)); a.status != 400 {
			t.Errorf("%.60q: %d %q", body, a.status, a.body)
		}
	}
	// None of it left a trace.
	w.cosigned(t, post(w, []byte("old 0\n\n"+n)), l.text())
}

// TestState: what was co-signed outlives the process; what cannot be trusted
// ends it.
func TestState(t *testing.T) {
	t.Parallel()
	l := newOutside(t, "log.test/a")
	l.grow(t, 5, "one")
	c := config(t, l)
	w := open(t, c)
	latest := func(w *Witness, path string) answer {
		rw := httptest.NewRecorder()
		w.Latest().ServeHTTP(rw, httptest.NewRequest("GET", path, nil))
		return answer{rw.Code, rw.Header().Get("Content-Type"), rw.Body.String()}
	}
	path := "/anywhere/" + OriginHash(l.origin) + "/checkpoint"
	latest(w, path).want(t, "before the first", 404, "nothing was co-signed")
	first := post(w, l.request(t, 0))
	w.cosigned(t, first, l.text())

	w = open(t, c)
	post(w, l.request(t, 0)).want(t, "after a restart", 409, "5\n")
	a := latest(w, path)
	a.want(t, "the newest", 200, l.text())
	if !strings.HasSuffix(a.body, first.body) || a.kind != "text/plain; charset=utf-8" {
		t.Errorf("the newest is %q", a.body)
	}
	latest(w, "/"+OriginHash("log.test/b")+"/checkpoint").want(t, "another log", 404, "no such log")
	latest(w, "/"+OriginHash(l.origin)).want(t, "another path", 404, "no such log")

	file := filepath.Join(c.Dir, OriginHash(l.origin)+".note")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for what, raw := range map[string][]byte{
		"cut off": good[:len(good)-10], "empty": {}, "of another size": bytes.Replace(good, []byte("\n5\n"), []byte("\n4\n"), 1),
		"not co-signed": l.sign(t, l.text()),
	} {
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(c); err == nil || !strings.Contains(err.Error(), "must not sign under its key again") {
			t.Errorf("a state that is %s: %v", what, err)
		}
	}
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	other := c
	other.Cosign = testKey("another")
	if _, err := Open(other); err == nil {
		t.Error("the state of another key is taken")
	}
}

// TestFailedWrite: when the state cannot be written, no signature leaves, then
// or later.
func TestFailedWrite(t *testing.T) {
	t.Parallel()
	l := newOutside(t, "log.test/a")
	l.grow(t, 5, "one")
	c := config(t, l)
	w := open(t, c)
	w.cosigned(t, post(w, l.request(t, 0)), l.text())
	away := c.Dir + ".away"
	if err := os.Rename(c.Dir, away); err != nil {
		t.Fatal(err)
	}
	l.grow(t, 5, "one")
	if a := post(w, l.request(t, 5)); a.status != 500 || strings.Contains(a.body, "— ") {
		t.Errorf("without its directory: %d %q", a.status, a.body)
	}
	if err := os.Rename(away, c.Dir); err != nil {
		t.Fatal(err)
	}
	post(w, l.request(t, 5)).want(t, "after a failed write", 500, "restart the node")
	w = open(t, c)
	w.cosigned(t, post(w, l.request(t, 5)), l.text())
}

// TestRace has many clients show different histories at once: one of them wins.
func TestRace(t *testing.T) {
	t.Parallel()
	const rivals = 20
	w := open(t, config(t, newOutside(t, "log.test/a")))
	answers := make([]answer, rivals)
	var wait sync.WaitGroup
	for i := range rivals {
		l := newOutside(t, "log.test/a")
		l.grow(t, 1+i%3, fmt.Sprint("history ", i))
		body := l.request(t, 0)
		wait.Go(func() { answers[i] = post(w, body) })
	}
	wait.Wait()
	won := 0
	for _, a := range answers {
		switch {
		case a.status == 200:
			won++
		case a.status != 409:
			t.Errorf("%d %q", a.status, a.body)
		}
	}
	if won != 1 {
		t.Errorf("%d histories were co-signed", won)
	}
}

// own is the own network of a node.
type own struct {
	validators checkpoint.Validators
	have       checkpoint.Checkpoint
	line       string
	saw        []*checkpoint.Note
	says       error // of the next
	asked      int   // how often it was asked for the validators, whose signatures are then verified
}

func (o *own) Saw(n *checkpoint.Note) error {
	o.saw = append(o.saw, n)
	return o.says
}

func (o *own) Validators() checkpoint.Validators {
	o.asked++
	return o.validators
}
func (o *own) Cosigned() (checkpoint.Checkpoint, string, bool) {
	return o.have, o.line, o.line != ""
}

// TestOwnNetwork: the witness hands out what the validators' round signed, and
// signs nothing itself.
func TestOwnNetwork(t *testing.T) {
	t.Parallel()
	l := newOutside(t, network) // for its tree
	o := &own{}
	for _, id := range []statement.Region{"XA", "XB"} {
		o.validators = append(o.validators, checkpoint.Validator{
			ID: id, Cosign: testKey(string(id) + "/cosign").Public().(ed25519.PublicKey), Node: testKey(string(id) + "/node").Public().(ed25519.PublicKey),
		})
	}
	c := config(t)
	c.Own = o
	w := open(t, c)
	body := func(old uint64, by string) []byte {
		line, err := checkpoint.SignLog(checkpoint.Checkpoint{Origin: network, Size: l.size, Root: l.root}, testKey(by))
		if err != nil {
			t.Fatal(err)
		}
		return encodeRequest(old, l.proof(t, old), []byte(l.text()+"\n"+line))
	}
	l.grow(t, 4, "one")
	post(w, body(0, "XB/node")).want(t, "before we have co-signed", 503, "ask again")
	post(w, body(0, "mallory")).want(t, "a stranger's", 403, "no validator")

	o.have = checkpoint.Checkpoint{Origin: network, Size: l.size, Root: l.root}
	s, err := checkpoint.Cosign(o.have, "XA", time.Unix(1_700_000_000, 0), testKey("XA/cosign"))
	if err != nil {
		t.Fatal(err)
	}
	o.line = s.Line
	for _, old := range []uint64{0, 4} {
		a := post(w, body(old, "XB/node"))
		a.want(t, "what we have co-signed", 200, s.Line)
		w.cosigned(t, a, l.text())
	}
	l.grow(t, 3, "one")
	post(w, body(4, "XB/node")).want(t, "what we have not co-signed yet", 503, "ask again")
	post(w, body(2, "XB/node")).want(t, "another old size", 409, "4\n")
	post(w, encodeRequest(9, nil, body(4, "XB/node")[bytes.Index(body(4, "XB/node"), []byte("\n\n"))+2:])).want(t, "an old size above", 400, "")
	rival := newOutside(t, network)
	rival.grow(t, 9, "two")
	l = rival
	post(w, body(4, "XB/node")).want(t, "another history", 422, "not shown to begin")
	if len(o.saw) != 8 || o.saw[7].Checkpoint.Root != rival.root || len(o.saw[7].Lines) != 1 {
		t.Errorf("the round was shown %d checkpoints, the last %v", len(o.saw), o.saw[len(o.saw)-1])
	}
	// What the round says of it goes before all else. What it had no time for is not lost.
	o.says = errors.New("this is evidence against XB")
	post(w, body(4, "XB/node")).want(t, "evidence", 403, "evidence against XB")
	post(w, body(0, "mallory")).want(t, "evidence under a stranger's key", 403, "evidence against XB")
	o.says = fmt.Errorf("%w: in a test", ErrBusy)
	post(w, body(0, "mallory")).want(t, "perhaps evidence", 503, "ask again")
	post(w, body(4, "XB/node")).want(t, "perhaps evidence of another history", 503, "ask again")
	post(w, body(2, "XB/node")).want(t, "another old size, of a busy node", 503, "ask again")
	if files, err := os.ReadDir(c.Dir); err != nil || len(files) != 0 {
		t.Errorf("the directory holds %v, %v", files, err)
	}
	c.Logs = []Log{{Origin: network, VKeys: []string{l.vkey}}}
	if _, err := Open(c); err == nil {
		t.Error("the own network passes for an outside log")
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	l := newOutside(t, "log.test/a")
	for what, spoil := range map[string]func(*Config){
		"a log twice":  func(c *Config) { c.Logs = append(c.Logs, c.Logs[0]) },
		"no key":       func(c *Config) { c.Logs[0].VKeys = nil },
		"a bad key":    func(c *Config) { c.Logs[0].VKeys = []string{"log.test/a+00000000+AAAA"} },
		"no signer":    func(c *Config) { c.Cosign = nil },
		"no directory": func(c *Config) { c.Dir = filepath.Join(c.Dir, "file", "x") },
		"a witness key": func(c *Config) {
			c.Logs[0].VKeys = []string{checkpoint.CosignerVKey(network, "XB", testKey("XB").Public().(ed25519.PublicKey))}
		},
	} {
		c := config(t, l)
		if err := os.MkdirAll(c.Dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(c.Dir, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		spoil(&c)
		if _, err := Open(c); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

// FuzzRequest: a body that is read is the one encoding of what was read.
func FuzzRequest(f *testing.F) {
	l := newOutside(f, "log.test/a")
	l.grow(f, 5, "one")
	f.Add(l.request(f, 0))
	f.Add(l.request(f, 3))
	f.Add([]byte("old 0\n\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parseRequest(body)
		if err != nil {
			if !errors.Is(err, errRequest) {
				t.Errorf("%v", err)
			}
			return
		}
		if again := encodeRequest(r.old, r.proof, []byte(r.text+"\n"+strings.Join(r.lines, ""))); !bytes.Equal(again, body) {
			t.Errorf("%q is read as %q", body, again)
		}
	})
}
