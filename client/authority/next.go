package authority

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"concordat/ledger/statement"
)

// A key is replaced in two steps, with the ledger between them: NewNext makes the
// one to come, and Promote puts it in the place of the present one, once the
// ledger names it. Wherever either is interrupted, KeyFor finds both keys, and
// the same call again finishes the work.

// ErrNoNext: no key waits to replace the present one.
var ErrNoNext = errors.New("no new key was made")

// Directories below keys/.
const (
	nextDir   = "next"
	formerDir = "former"
)

func nextPath(dir string, role Role) string {
	return filepath.Join(dir, keysDir, nextDir, string(role)+".key")
}

// formerPath names a key by its id, which statements that it signed carry.
func formerPath(dir string, role Role, public ed25519.PublicKey) string {
	return filepath.Join(dir, keysDir, formerDir, fmt.Sprintf("%s-%x.key", role, statement.KeyIDOf(public)))
}

// rotatedPath lists the public keys that were made here for a role since init, so
// that Key knows them from those of another directory. descriptor.json stays what
// it was: a proof by the first four keys.
func rotatedPath(dir string, role Role) string {
	return filepath.Join(dir, keysDir, string(role)+".pub")
}

// maxRotated bounds such a list, in bytes: some twenty thousand rotations.
const maxRotated = 1 << 20

// NextPath is where the key that is to replace a role's present one is, or would
// be: what to copy to a node on another machine before the ledger names the key.
func (d *Directory) NextPath(role Role) string { return nextPath(d.path, role) }

// KeyPath is where the present key of a role is.
func (d *Directory) KeyPath(role Role) string { return keyPath(d.path, role) }

// Next opens the key that is to replace a role's present one. Errors wrap ErrNoNext
// where none was made, else what LoadKey's do.
func (d *Directory) Next(role Role) (PrivateKey, error) {
	if _, err := d.publicKey(role); err != nil {
		return PrivateKey{}, err
	}
	key, err := LoadKey(nextPath(d.path, role), d.passphrase)
	if errors.Is(err, ErrNoKey) {
		return PrivateKey{}, fmt.Errorf("%w: %w", ErrNoNext, err)
	}
	return key, err
}

// NewNext makes the key that is to replace a role's present one, or gives the one
// that was made before and is not promoted: so a rotation that was interrupted goes
// on with its key. It is encrypted if the present one is (or, where that is kept
// elsewhere, if another here is), with the same passphrase.
func (d *Directory) NewNext(role Role) (PrivateKey, error) {
	key, err := d.Next(role)
	if !errors.Is(err, ErrNoNext) {
		return key, err
	}
	s, err := d.sealerLike(role)
	if err != nil {
		return PrivateKey{}, err
	}
	return d.newNext(role, s)
}

func (d *Directory) newNext(role Role, s sealer) (PrivateKey, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("generating the next %s key: %w", role, err)
	}
	data, err := s.seal(private)
	if err != nil {
		return PrivateKey{}, err
	}
	// The list first: a key that is not in it would be another directory's.
	if err := d.noteRotated(role, public); err != nil {
		return PrivateKey{}, err
	}
	if err := d.makeKeysDir(nextDir); err != nil {
		return PrivateKey{}, err
	}
	if err := replaceKey(nextPath(d.path, role), data); err != nil {
		return PrivateKey{}, err
	}
	return newPrivateKey(private), nil
}

// sealerLike seals as the present key of a role is sealed. Opening that shows that
// the passphrase is the same, which one that is mistyped here would not be.
func (d *Directory) sealerLike(role Role) (sealer, error) {
	for _, r := range append([]Role{role}, Roles...) {
		path := keyPath(d.path, r)
		data, err := readKeyFile(path)
		if errors.Is(err, ErrNoKey) {
			continue
		}
		if err != nil {
			return sealer{}, err
		}
		if !encrypted(data) {
			return sealer{}, nil
		}
		if _, err := unseal(data, d.passphrase); err != nil {
			return sealer{}, fmt.Errorf("%s: %w", path, err)
		}
		secret, err := d.passphrase.ask()
		return sealer{passphrase: secret}, err
	}
	return sealer{}, fmt.Errorf("%w: %s has none to make the next one like; put the present %s key there, or make the next where that is",
		ErrNoKey, filepath.Join(d.path, keysDir), role)
}

// KeyFor opens the key of a role that has this public half, the one that the ledger
// names: the next, the present or a former one. It may be called while another
// process promotes. Errors wrap ErrNoKey if none of them is it, else what LoadKey's do.
func (d *Directory) KeyFor(role Role, public ed25519.PublicKey) (PrivateKey, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.publicKey(role); err != nil {
		return PrivateKey{}, err
	}
	if key, ok := d.found[string(public)]; ok {
		return key, nil
	}
	// In this order nothing is missed that Promote moves meanwhile: the next key
	// becomes the present one in one step, after the present one became a former.
	var faults []error
	for _, path := range []string{nextPath(d.path, role), keyPath(d.path, role), formerPath(d.path, role, public)} {
		key, err := LoadKey(path, d.passphrase)
		switch {
		case err == nil && key.Public().Equal(public):
			d.found[string(public)] = key
			return key, nil
		case err != nil && !errors.Is(err, ErrNoKey):
			faults = append(faults, err) // it may be another's; the right one may still come
		}
	}
	if len(faults) > 0 {
		return PrivateKey{}, errors.Join(faults...)
	}
	return PrivateKey{}, fmt.Errorf("%w: the %s key %x is in none of %s, next/ and former/; if it was made on another machine, copy it to %s",
		ErrNoKey, role, statement.KeyIDOf(public), filepath.Join(d.path, keysDir), nextPath(d.path, role))
}

// Promote makes the key with this public half the present one of a role, once the
// ledger names it: it comes from keys/next, and the one before goes to keys/former.
// If it is the present one already, there is nothing to do. Errors wrap ErrNoNext
// where the next key is missing or another.
func (d *Directory) Promote(role Role, public ed25519.PublicKey) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.publicKey(role); err != nil {
		return err
	}
	next, err := d.Next(role)
	if errors.Is(err, ErrNoNext) || err == nil && !next.Public().Equal(public) {
		present, presentErr := LoadKey(keyPath(d.path, role), d.passphrase)
		if presentErr == nil && present.Public().Equal(public) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	if !next.Public().Equal(public) {
		return fmt.Errorf("%w: %s holds key %x, and %x is to be the %s key", ErrNoNext, nextPath(d.path, role),
			statement.KeyIDOf(next.Public()), statement.KeyIDOf(public), role)
	}
	// One that was made elsewhere, and copied here, is not in the list yet.
	if err := d.noteRotated(role, public); err != nil {
		return err
	}
	if err := d.keepFormer(role); err != nil {
		return err
	}
	// The one step that counts: before it the old key is the present one, and kept
	// as a former one as well; after it the new one is.
	err = os.Rename(nextPath(d.path, role), keyPath(d.path, role))
	if errors.Is(err, fs.ErrNotExist) { // another process, the node or its operator, was quicker
		if present, presentErr := LoadKey(keyPath(d.path, role), d.passphrase); presentErr == nil && present.Public().Equal(public) {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	d.keys[role] = next
	return errors.Join(syncDir(filepath.Join(d.path, keysDir)), syncDir(filepath.Join(d.path, keysDir, nextDir)))
}

// keepFormer copies a role's present key to where former ones are. One that is kept
// elsewhere is not copied.
func (d *Directory) keepFormer(role Role) error {
	data, err := readKeyFile(keyPath(d.path, role))
	if errors.Is(err, ErrNoKey) {
		return nil
	}
	if err != nil {
		return err
	}
	present, err := unseal(data, d.passphrase)
	if err != nil {
		return fmt.Errorf("%s: %w", keyPath(d.path, role), err)
	}
	if err := d.makeKeysDir(formerDir); err != nil {
		return err
	}
	return replaceKey(formerPath(d.path, role, present.Public()), data)
}

// noteRotated adds a key to the list of those that were made for a role since init.
func (d *Directory) noteRotated(role Role, public ed25519.PublicKey) error {
	all, err := d.rotated(role)
	if err != nil {
		return err
	}
	for _, k := range all {
		if bytes.Equal(k, public) {
			return nil
		}
	}
	var list strings.Builder
	for _, k := range append(all, public) {
		fmt.Fprintln(&list, base64.StdEncoding.EncodeToString(k))
	}
	return replaceKey(rotatedPath(d.path, role), []byte(list.String()))
}

// rotated reads that list.
func (d *Directory) rotated(role Role) ([]ed25519.PublicKey, error) {
	path := rotatedPath(d.path, role)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxRotated {
		return nil, fmt.Errorf("%w: %s has %d bytes, at most %d", ErrKey, path, info.Size(), maxRotated)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []ed25519.PublicKey
	for line := range strings.Lines(string(data)) {
		k, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(line, "\n"))
		if err != nil || len(k) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("%w: %s: line %d is no public key in base64; restore the file, or remove it if no key was rotated here", ErrKey, path, len(out)+1)
		}
		out = append(out, k)
	}
	return out, nil
}

// Ours reports whether a key is one that this directory has had for a role: the
// descriptor's, or one that was made here since. It opens no private key.
func (d *Directory) Ours(role Role, public ed25519.PublicKey) (bool, error) {
	first, err := d.publicKey(role)
	if err != nil || bytes.Equal(public, first[:]) {
		return err == nil, err
	}
	all, err := d.rotated(role)
	if err != nil {
		return false, err
	}
	for _, k := range all {
		if bytes.Equal(k, public) {
			return true, nil
		}
	}
	return false, nil
}

// makeKeysDir makes a directory below keys/, for its owner alone.
func (d *Directory) makeKeysDir(name string) error {
	path := filepath.Join(d.path, keysDir, name)
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Join(d.path, keysDir))
}

// replaceKey writes a file of mode 0600 whole or not at all, and returns when it is on disk.
func replaceKey(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-") // of mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
