package authority

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// rotate makes a role's next key and promotes it.
func rotate(t *testing.T, d *Directory, role Role) ed25519.PublicKey {
	t.Helper()
	k, err := d.NewNext(role)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Promote(role, k.Public()); err != nil {
		t.Fatal(err)
	}
	return k.Public()
}

// present is the public half of what Key gives after the directory was opened anew.
func present(t *testing.T, dir string, role Role) ed25519.PublicKey {
	t.Helper()
	k, err := open(t, dir, nil).Key(role)
	if err != nil {
		t.Fatal(err)
	}
	return k.Public()
}

// Every key that a role ever had is found, by whoever opens the directory anew.
func TestRotations(t *testing.T) {
	for _, role := range Roles {
		dir := plainDir(t)
		d := open(t, dir, nil)
		had := []ed25519.PublicKey{present(t, dir, role)}
		for range 3 {
			had = append(had, rotate(t, d, role))
			newest := had[len(had)-1]
			if got := present(t, dir, role); !got.Equal(newest) {
				t.Fatalf("%s: the present key is %x, want %x", role, got, newest)
			}
			if k, err := d.Key(role); err != nil || !k.Public().Equal(newest) {
				t.Errorf("%s: the directory that promoted it gives another: %v", role, err)
			}
			for _, public := range had {
				if k, err := open(t, dir, nil).KeyFor(role, public); err != nil || !k.Public().Equal(public) {
					t.Errorf("%s: key %x: %v", role, statement.KeyIDOf(public), err)
				}
			}
		}
		if !bytes.Equal(d.Descriptor().Encode(), open(t, dir, nil).Descriptor().Encode()) {
			t.Error("the descriptor is another")
		}
		if _, err := d.KeyFor(role, make(ed25519.PublicKey, ed25519.PublicKeySize)); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), d.NextPath(role)) {
			t.Errorf("a key that was never here: %v", err)
		}
	}
}

// Wherever a rotation stops, both keys are found, the present one is one of the
// two, and doing it again finishes it.
func TestRotationInterrupted(t *testing.T) {
	const role = Cosign
	for _, c := range []struct {
		name string
		stop func(t *testing.T, d *Directory) // puts d where it stops
		made bool                             // the next key is there
		done bool                             // and is the present one
	}{
		{"nothing done", func(*testing.T, *Directory) {}, false, false},
		{"listed, not written", func(t *testing.T, d *Directory) {
			public, _, err := ed25519.GenerateKey(nil)
			if err == nil {
				err = d.noteRotated(role, public)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, false, false},
		{"written beside its place", func(t *testing.T, d *Directory) {
			if err := d.makeKeysDir(nextDir); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(d.path, keysDir, nextDir, ".new-1"), []byte("half a k"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, false, false},
		{"made", func(t *testing.T, d *Directory) {
			if _, err := d.NewNext(role); err != nil {
				t.Fatal(err)
			}
		}, true, false},
		{"former one kept", func(t *testing.T, d *Directory) {
			if _, err := d.NewNext(role); err != nil {
				t.Fatal(err)
			}
			if err := d.keepFormer(role); err != nil {
				t.Fatal(err)
			}
		}, true, false},
		{"promoted", func(t *testing.T, d *Directory) { rotate(t, d, role) }, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := plainDir(t)
			old := present(t, dir, role)
			c.stop(t, open(t, dir, nil))

			d := open(t, dir, nil)
			if k, err := d.KeyFor(role, old); err != nil || !k.Public().Equal(old) {
				t.Errorf("the old key: %v", err)
			}
			if got := present(t, dir, role); got.Equal(old) == c.done {
				t.Errorf("the present key is the old one: %t", !c.done)
			}
			next, err := d.Next(role)
			if wants := c.made && !c.done; (err == nil) != wants || err != nil && !errors.Is(err, ErrNoNext) {
				t.Fatalf("the next key: %v, want one: %t", err, wants)
			}
			if c.done {
				now := present(t, dir, role)
				if err := d.Promote(role, now); err != nil {
					t.Errorf("promoting what is promoted: %v", err)
				}
				return
			}
			again, err := d.NewNext(role)
			if err != nil || c.made && !again.Public().Equal(next.Public()) {
				t.Fatalf("made another key than the one that was made: %v", err)
			}
			if err := d.Promote(role, again.Public()); err != nil {
				t.Fatal(err)
			}
			if got := present(t, dir, role); !got.Equal(again.Public()) {
				t.Errorf("the present key is %x, want the new one", got)
			}
			if k, err := open(t, dir, nil).KeyFor(role, old); err != nil || !k.Public().Equal(old) {
				t.Errorf("the old key afterwards: %v", err)
			}
		})
	}
}

func TestPromoteWantsThatKey(t *testing.T) {
	dir := plainDir(t)
	d := open(t, dir, nil)
	other, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Promote(Node, other); !errors.Is(err, ErrNoNext) {
		t.Errorf("without a next key: %v", err)
	}
	old := present(t, dir, Node)
	if _, err := d.NewNext(Node); err != nil {
		t.Fatal(err)
	}
	if err := d.Promote(Node, other); !errors.Is(err, ErrNoNext) || !present(t, dir, Node).Equal(old) {
		t.Errorf("another key than the next: %v", err)
	}
	for _, try := range []func() error{
		func() error { _, err := d.NewNext("king"); return err },
		func() error { _, err := d.Next("king"); return err },
		func() error { _, err := d.KeyFor("king", other); return err },
		func() error { return d.Promote("king", other) },
	} {
		if err := try(); !errors.Is(err, ErrNoKey) {
			t.Errorf("a role that is none: %v", err)
		}
	}
}

// TestPromotedByTwo: the node and its operator may move the same key at once, and
// for both it is in its place.
func TestPromotedByTwo(t *testing.T) {
	for range 20 {
		dir := plainDir(t)
		next, err := open(t, dir, nil).NewNext(Node)
		if err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		for range 2 {
			d := open(t, dir, nil)
			both.Go(func() {
				if err := d.Promote(Node, next.Public()); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if got := present(t, dir, Node); !got.Equal(next.Public()) {
			t.Fatalf("the present key is %x", got)
		}
	}
}

// TestOtherKeyStill: a key of another directory does not become this one's
// because keys were rotated here.
func TestOtherKeyStill(t *testing.T) {
	dir, other := plainDir(t), plainDir(t)
	rotate(t, open(t, dir, nil), Statement)
	rotate(t, open(t, other, nil), Statement)
	for _, from := range []string{keyPath(other, Statement), keyPath(dir, Cosign)} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(keyPath(dir, Statement), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, dir, nil).Key(Statement); !errors.Is(err, ErrOtherKey) {
			t.Errorf("got %v, want ErrOtherKey", err)
		}
	}
	if err := os.WriteFile(rotatedPath(dir, Statement), []byte("AAAA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dir, nil).Key(Statement); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a list that is none: %v", err)
	}
}

// A key that was made on another machine is put into keys/next by hand.
func TestKeyCopiedFromElsewhere(t *testing.T) {
	office := plainDir(t)
	site := filepath.Join(t.TempDir(), "site")
	copyTree(t, office, site)
	for path, mode := range map[string]os.FileMode{filepath.Join(site, keysDir): 0o700, keyPath(site, Node): 0o600} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	next, err := open(t, office, nil).NewNext(Node)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(site, keysDir, nextDir), 0o700); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(open(t, office, nil).NextPath(Node))
	if err == nil {
		err = os.WriteFile(open(t, site, nil).NextPath(Node), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, site, nil)
	if k, err := d.KeyFor(Node, next.Public()); err != nil || !k.Public().Equal(next.Public()) {
		t.Fatalf("before it is promoted: %v", err)
	}
	if err := d.Promote(Node, next.Public()); err != nil {
		t.Fatal(err)
	}
	if got := present(t, site, Node); !got.Equal(next.Public()) {
		t.Errorf("the present key is %x", got)
	}
}

// The next key is encrypted as the present one is, and one passphrase opens both.
func TestNextIsEncryptedLikeThePresent(t *testing.T) {
	dir := encryptedDir(t)
	asked := 0
	d := open(t, dir, func() (string, error) { asked++; return passphrase, nil })
	s, err := d.sealerLike(Statement)
	if err != nil || s.passphrase != passphrase || s.workFactor != 0 {
		t.Fatalf("it would be sealed with %d bytes of passphrase: %v", len(s.passphrase), err)
	}
	k, err := d.newNext(Statement, quick)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(d.NextPath(Statement))
	if err != nil || !encrypted(data) {
		t.Fatalf("it is not encrypted: %v", err)
	}
	if err := d.Promote(Statement, k.Public()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.KeyFor(Statement, genesisKey(d, Statement)); err != nil {
		t.Errorf("the old key: %v", err)
	}
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
	if _, err := open(t, dir, says("wrong horse")).NewNext(Statement); !errors.Is(err, ErrPassphrase) {
		t.Errorf("with another passphrase: %v", err)
	}
	// A governance key on a stick: the next one is encrypted as the others here are.
	if err := os.Remove(keyPath(dir, Governance)); err != nil {
		t.Fatal(err)
	}
	if s, err := open(t, dir, says(passphrase)).sealerLike(Governance); err != nil || s.passphrase != passphrase {
		t.Errorf("with the present one elsewhere: %v", err)
	}
}

func genesisKey(d *Directory, role Role) ed25519.PublicKey {
	i := slices.Index(Roles, role)
	k := d.Descriptor().Authority.Keys
	return []genesis.Key{k.Governance, k.Statement, k.Node, k.Cosign}[i].Public()
}

// TestFoundWhileItMoves: whoever looks for either key while it is promoted finds it.
func TestFoundWhileItMoves(t *testing.T) {
	dir := plainDir(t)
	d := open(t, dir, nil)
	old := present(t, dir, Node)
	for i := range 20 {
		next, err := d.NewNext(Node)
		if err != nil {
			t.Fatal(err)
		}
		start, faults := make(chan struct{}), make(chan error, 2)
		for _, public := range []ed25519.PublicKey{old, next.Public()} {
			reader := open(t, dir, nil)
			go func() {
				<-start
				var err error
				for range 20 {
					if _, fault := reader.KeyFor(Node, public); fault != nil {
						err = fmt.Errorf("round %d: %w", i, fault)
					}
					clear(reader.found)
				}
				faults <- err
			}()
		}
		close(start)
		if err := d.Promote(Node, next.Public()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := <-faults; err != nil {
				t.Error(err)
			}
		}
		old = next.Public()
	}
}

// No key is in what is printed when something is wrong with one.
func TestNextIsNotPrinted(t *testing.T) {
	dir := plainDir(t)
	d := open(t, dir, nil)
	k, err := d.NewNext(Cosign)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(d.NextPath(Cosign), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = d.NewNext(Cosign)
	if !errors.Is(err, ErrPermissions) {
		t.Errorf("others may read it: %v", err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v", err, k), string(k.Ed25519().Seed())) {
		t.Error("the key is in what was printed")
	}
}
