package authority

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"concordat/ledger/genesis"
)

const passphrase = "correct horse battery staple"

var addresses = []string{"/ip4/127.0.0.1/tcp/4001"}

// quick encrypts with a work factor for tests: scrypt's cost is not what they test.
var quick = sealer{passphrase: passphrase, workFactor: 4}

func plainDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "some", "xa")
	if _, err := Create(dir, "XA", "Health Authority of XA", addresses, "http://127.0.0.1:8460", ""); err != nil {
		t.Fatal(err)
	}
	return dir
}

func encryptedDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "xa")
	if _, err := create(dir, genesis.Authority{ID: "XA", Name: "XA", Addresses: addresses}, quick); err != nil {
		t.Fatal(err)
	}
	return dir
}

func says(s string) Passphrase { return func() (string, error) { return s, nil } }

func open(t *testing.T, dir string, p Passphrase) *Directory {
	t.Helper()
	d, err := Open(dir, p)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What Create makes, Open takes, and each key is the one that the descriptor names.
func checkKeys(t *testing.T, d *Directory) {
	t.Helper()
	for _, role := range Roles {
		k, err := d.Key(role)
		if err != nil {
			t.Fatalf("%s: %v", role, err)
		}
		want, err := d.publicKey(role)
		if err != nil {
			t.Fatal(err)
		}
		if sig := ed25519.Sign(k.Ed25519(), []byte("m")); !ed25519.Verify(want.Public(), []byte("m"), sig) {
			t.Errorf("the %s key does not sign for the one in the descriptor", role)
		}
	}
}

func TestPlain(t *testing.T) {
	dir := plainDir(t)
	never := func() (string, error) { t.Error("asked for a passphrase"); return "", nil }
	d := open(t, dir, never)
	checkKeys(t, d)
	if d.ID() != "XA" || d.Path() != dir || d.Descriptor().Authority.HTTP != "http://127.0.0.1:8460" {
		t.Errorf("opened %s at %s: %+v", d.ID(), d.Path(), d.Descriptor().Authority)
	}
	if _, err := d.Key("king"); !errors.Is(err, ErrNoKey) {
		t.Errorf("a role that is none: %v", err)
	}
	modes := map[string]fs.FileMode{"keys": 0o700, "descriptor.json": 0o644}
	for _, role := range Roles {
		modes["keys/"+string(role)+".key"] = 0o600
	}
	for name, want := range modes {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got&^want != 0 {
			t.Errorf("%s has mode %04o, want %04o", name, got, want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
}

func TestEncrypted(t *testing.T) {
	dir := encryptedDir(t)
	asked := 0
	d := open(t, dir, func() (string, error) { asked++; return passphrase, nil })
	if asked != 0 {
		t.Error("asked for the passphrase before a key was")
	}
	checkKeys(t, d)
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
	k, err := d.Key(Node)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range Roles {
		data, err := os.ReadFile(keyPath(dir, role))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(data, []byte("-----BEGIN AGE ENCRYPTED FILE-----\n")) || bytes.Contains(data, k.Ed25519().Seed()) {
			t.Errorf("%s is not encrypted:\n%s", role, data)
		}
	}
}

func TestWrongPassphrase(t *testing.T) {
	dir := encryptedDir(t)
	for name, p := range map[string]Passphrase{
		"none": nil, "another": says("wrong horse"), "empty": says(""),
		"not to be had": func() (string, error) { return "", errors.New("no terminal") },
	} {
		_, err := open(t, dir, p).Key(Node)
		if !errors.Is(err, ErrPassphrase) || !strings.Contains(err.Error(), "node.key") {
			t.Errorf("%s: got %v, want ErrPassphrase with the file", name, err)
		}
		if strings.Contains(fmt.Sprint(err), "horse") {
			t.Errorf("the passphrase is in %q", err)
		}
	}
}

// The default work factor is age's: what a guess costs must not be lowered by accident.
func TestWorkFactor(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := sealer{passphrase: passphrase}.seal(key)
	if err != nil {
		t.Fatal(err)
	}
	inner := strings.Join(strings.Split(strings.TrimSpace(string(data)), "\n")[1:5], "")
	head, err := base64.StdEncoding.DecodeString(inner)
	if err != nil {
		t.Fatal(err)
	}
	var salt string
	var factor int
	if _, err := fmt.Sscanf(string(head), "age-encryption.org/v1\n-> scrypt %s %d", &salt, &factor); err != nil || factor < 18 {
		t.Errorf("work factor %d, %v; want at least 18", factor, err)
	}
}

func TestPermissions(t *testing.T) {
	dir := plainDir(t)
	path := keyPath(dir, Node)
	for _, mode := range []fs.FileMode{0o604, 0o640, 0o644, 0o660, 0o606, 0o610} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := open(t, dir, nil).Key(Node)
		if !errors.Is(err, ErrPermissions) || !strings.Contains(err.Error(), "chmod 600 "+path) || !strings.Contains(err.Error(), fmt.Sprintf("%04o", mode)) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	if _, err := open(t, dir, nil).Key(Cosign); err != nil {
		t.Errorf("the other keys: %v", err)
	}
	for _, mode := range []fs.FileMode{0o600, 0o400} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, dir, nil).Key(Node); err != nil {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "keys"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, nil); !errors.Is(err, ErrPermissions) || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("keys directory of mode 0755: %v", err)
	}
}

// Keys are opened only when they are asked for: the governance key may be kept offline.
func TestKeyElsewhere(t *testing.T) {
	dir := plainDir(t)
	away := filepath.Join(t.TempDir(), "stick.key")
	if err := os.Rename(keyPath(dir, Governance), away); err != nil {
		t.Fatal(err)
	}
	d := open(t, dir, nil)
	if _, err := d.Key(Statement); err != nil {
		t.Error(err)
	}
	if _, err := d.Key(Governance); !errors.Is(err, ErrNoKey) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNoKey", err)
	}
	k, err := LoadKey(away, nil)
	if err != nil || !bytes.Equal(k.Public(), d.Descriptor().Authority.Keys.Governance.Public()) {
		t.Errorf("LoadKey: %v", err)
	}
}

func TestOtherKey(t *testing.T) {
	dir := plainDir(t)
	if err := os.Rename(keyPath(dir, Cosign), keyPath(dir, Node)); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dir, nil).Key(Node); !errors.Is(err, ErrOtherKey) {
		t.Errorf("got %v, want ErrOtherKey", err)
	}
}

func TestCreateOverwritesNothing(t *testing.T) {
	dir := plainDir(t)
	before := open(t, dir, nil).Descriptor().Encode()
	if _, err := Create(dir, "XB", "Another", addresses, "", ""); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "never overwritten") {
		t.Errorf("got %v, want ErrExists", err)
	}
	d := open(t, dir, nil)
	if !bytes.Equal(d.Descriptor().Encode(), before) {
		t.Error("the descriptor is another")
	}
	checkKeys(t, d)
	// The keys gone, the descriptor there: someone keeps them elsewhere.
	if err := os.RemoveAll(filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir, "XB", "Another", addresses, "", ""); !errors.Is(err, ErrExists) {
		t.Errorf("without keys: got %v, want ErrExists", err)
	}
}

func TestCreateInAnExistingDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir, "XA", "XA", addresses, "", ""); err != nil {
		t.Fatal(err)
	}
	checkKeys(t, open(t, dir, nil))
	if data, err := os.ReadFile(filepath.Join(dir, "notes.txt")); err != nil || string(data) != "mine" {
		t.Errorf("notes: %q, %v", data, err)
	}
}

func TestCreateRefusesBeforeItWrites(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "xa")
	for name, try := range map[string]func() error{
		"id":      func() error { _, err := Create(dir, "xa", "XA", addresses, "", ""); return err },
		"name":    func() error { _, err := Create(dir, "XA", "", addresses, "", ""); return err },
		"address": func() error { _, err := Create(dir, "XA", "XA", []string{"localhost:4001"}, "", ""); return err },
		"http":    func() error { _, err := Create(dir, "XA", "XA", addresses, "localhost", ""); return err },
	} {
		if err := try(); !errors.Is(err, genesis.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: left %s behind", name, dir)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"", file, filepath.Join(file, "below")} {
		if _, err := Create(at, "XA", "XA", addresses, "", ""); err == nil {
			t.Errorf("made an authority at %q", at)
		}
	}
}

// Wherever Create stops, what is left is not taken for an authority; and where
// nothing had reached its place yet, Create can be run again.
func TestCrashes(t *testing.T) {
	for _, c := range []struct {
		name  string
		stop  func(t *testing.T, whole, dir string)
		again bool // Create works after it
	}{
		{"nothing written", func(t *testing.T, _, _ string) {}, true},
		{"some keys written", func(t *testing.T, whole, dir string) {
			copyTree(t, filepath.Join(whole, "keys"), filepath.Join(dir, ".init-1", "keys"))
			if err := os.Remove(keyPath(filepath.Join(dir, ".init-1"), Cosign)); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"all written, nothing moved", func(t *testing.T, whole, dir string) {
			copyTree(t, whole, filepath.Join(dir, ".init-1"))
		}, true},
		{"keys moved", func(t *testing.T, whole, dir string) {
			copyTree(t, filepath.Join(whole, "keys"), filepath.Join(dir, "keys"))
			copyTree(t, whole, filepath.Join(dir, ".init-1"))
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			whole, dir := plainDir(t), filepath.Join(t.TempDir(), "xa")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			c.stop(t, whole, dir)
			if _, err := Open(dir, nil); !errors.Is(err, ErrNotAuthority) {
				t.Errorf("Open: got %v, want ErrNotAuthority", err)
			}
			_, err := Create(dir, "XA", "XA", addresses, "", "")
			if c.again {
				if err != nil {
					t.Fatalf("Create after it: %v", err)
				}
				checkKeys(t, open(t, dir, nil))
				return
			}
			if !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "interrupted") {
				t.Errorf("Create after it: %v", err)
			}
		})
	}
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// Of many that make the same directory at once, one does, and what it made is whole.
func TestCreateAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "xa")
	var mu sync.Mutex
	var made [][]byte
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			d, err := Create(dir, "XA", fmt.Sprint("maker ", i), addresses, "", "")
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made = append(made, d.Encode())
			} else if !errors.Is(err, ErrExists) {
				t.Errorf("maker %d: %v", i, err)
			}
		})
	}
	wait.Wait()
	if len(made) != 1 {
		t.Fatalf("%d made it", len(made))
	}
	d := open(t, dir, nil)
	if !bytes.Equal(d.Descriptor().Encode(), made[0]) {
		t.Error("the descriptor is not the maker's")
	}
	checkKeys(t, d)
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, ErrNotAuthority) || !strings.Contains(err.Error(), "concordat init") {
		t.Errorf("nothing there: %v", err)
	}
	dir := plainDir(t)
	path := filepath.Join(dir, "descriptor.json")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"changed": {bytes.Replace(good, []byte("Health"), []byte("Wealth"), 1), genesis.ErrProof},
		"cut":     {good[:len(good)/2], genesis.ErrMalformed},
		"large":   {bytes.Repeat([]byte(" "), 1<<20), genesis.ErrTooLarge},
	} {
		if err := os.WriteFile(path, c.data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, nil); !errors.Is(err, c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %v with the file", name, err, c.want)
		}
	}
	if err := os.WriteFile(path, good, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, nil); !errors.Is(err, ErrNotAuthority) {
		t.Errorf("without keys: %v", err)
	}
}

func TestLoadKeyRefuses(t *testing.T) {
	dir := t.TempDir()
	good, err := os.ReadFile(keyPath(plainDir(t), Node))
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	encrypted, err := os.ReadFile(keyPath(encryptedDir(t), Node))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty": nil, "rubbish": []byte("rubbish"), "cut": good[:len(good)-30], "two keys": append(bytes.Clone(good), good...),
		"a P-256 key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: ecDER}), "another PEM": bytes.ReplaceAll(good, []byte("PRIVATE"), []byte("PUBLIC")),
		"broken DER": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("der")}), "large": bytes.Repeat(good, 1000),
		"encrypted and cut": encrypted[:len(encrypted)-60], "encrypted and changed": changedAt(encrypted, len(encrypted)-60),
	} {
		path := filepath.Join(dir, "k")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKey(path, says(passphrase)); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want ErrKey with the file", name, err)
		}
	}
	if _, err := LoadKey(dir, nil); !errors.Is(err, ErrKey) {
		t.Errorf("a directory: %v", err)
	}
	if _, err := LoadKey(filepath.Join(dir, "none"), nil); !errors.Is(err, ErrNoKey) {
		t.Errorf("nothing: %v", err)
	}
}

func changedAt(b []byte, i int) []byte {
	b = bytes.Clone(b)
	for b[i] == '\n' {
		i--
	}
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return b
}

// However a key is printed, nothing of it shows.
func TestRedacted(t *testing.T) {
	d := open(t, plainDir(t), nil)
	k, err := d.Key(Node)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%t", "%20v"} {
		fmt.Fprintf(&out, format+"\n", k)
		fmt.Fprintf(&out, format+"\n", &k)
		fmt.Fprintf(&out, format+"\n", struct{ Key PrivateKey }{k})
		fmt.Fprintf(&out, format+"\n", struct{ key PrivateKey }{k})
		fmt.Fprintf(&out, format+"\n", d)
		fmt.Fprintf(&out, format+"\n", d.keys)
	}
	fmt.Fprintln(&out, k, k.String())
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "key", k, "in", struct{ K PrivateKey }{k})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "key", k, "in", struct{ K PrivateKey }{k})
	if _, err := json.Marshal(struct{ K PrivateKey }{k}); err == nil {
		t.Error("a key can be put in JSON")
	}
	seed := k.Ed25519().Seed()
	text := strings.ToLower(out.String())
	for _, secret := range []string{hex.EncodeToString(seed[:8]), strings.ToLower(base64.StdEncoding.EncodeToString(seed[:9])), strings.Trim(fmt.Sprint(seed[:4]), "[]")} {
		if strings.Contains(text, secret) {
			t.Errorf("%s shows in:\n%s", secret, text)
		}
	}
	if strings.Count(text, redacted) < 3*13 {
		t.Errorf("not redacted:\n%s", text)
	}
}
