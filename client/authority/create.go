package authority

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// ErrExists: the directory already holds keys or a descriptor.
var ErrExists = errors.New("already an authority's directory")

// Create makes an authority's keys and descriptor in dir, which is made if it
// is not there. A passphrase encrypts the keys; "" leaves them plain. addresses
// are libp2p multiaddrs (genesis.CheckAddress), http the API's base URL or "".
//
// The keys are moved into place whole, then the descriptor, which makes the
// directory one that Open takes. Errors wrap ErrExists, genesis.ErrInvalid, or
// are of the file system.
func Create(dir string, id statement.Region, name string, addresses []string, http, passphrase string) (*genesis.Descriptor, error) {
	return create(dir, genesis.Authority{ID: id, Name: name, Addresses: addresses, HTTP: http}, sealer{passphrase: passphrase})
}

func create(dir string, a genesis.Authority, s sealer) (made *genesis.Descriptor, err error) {
	if err := refuseExisting(dir); err != nil {
		return nil, err
	}
	keys, descriptor, err := generate(a)
	if err != nil {
		return nil, err
	}
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	// If we crash before the first rename, the only trace is this directory,
	// whose keys nobody has heard of.
	temp, err := os.MkdirTemp(dir, ".init-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if err := os.Mkdir(filepath.Join(temp, keysDir), 0o700); err != nil {
		return nil, err
	}
	for _, role := range Roles {
		data, err := s.seal(keys[role])
		if err != nil {
			return nil, err
		}
		if err := writeSynced(keyPath(temp, role), data, 0o600); err != nil {
			return nil, err
		}
	}
	if err := syncDir(filepath.Join(temp, keysDir)); err != nil {
		return nil, err
	}
	if err := writeSynced(filepath.Join(temp, descriptorFile), descriptor.Encode(), 0o644); err != nil {
		return nil, err
	}
	// Rename fails on a keys directory that another Create has put there
	// meanwhile, because it is not empty. So only one gets past this line.
	if err := os.Rename(filepath.Join(temp, keysDir), filepath.Join(dir, keysDir)); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, exists(dir, keysDir)
		}
		return nil, err
	}
	// Keys first, on disk, and then what names them.
	if err := syncDir(dir); err != nil {
		return nil, err
	}
	if err := os.Rename(filepath.Join(temp, descriptorFile), filepath.Join(dir, descriptorFile)); err != nil {
		return nil, err
	}
	return descriptor, syncDir(dir)
}

func generate(a genesis.Authority) (map[Role]ed25519.PrivateKey, *genesis.Descriptor, error) {
	keys := make(map[Role]ed25519.PrivateKey)
	for _, role := range Roles {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			return nil, nil, fmt.Errorf("generating the %s key: %w", role, err)
		}
		keys[role] = key
	}
	d, err := genesis.SignDescriptor(a, genesis.PrivateKeys{
		Governance: keys[Governance], Statement: keys[Statement], Node: keys[Node], Cosign: keys[Cosign],
	})
	return keys, d, err
}

func refuseExisting(dir string) error {
	for _, name := range []string{descriptorFile, keysDir} {
		_, err := os.Lstat(filepath.Join(dir, name))
		switch {
		case err == nil:
			return exists(dir, name)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return nil
}

// exists explains what is there. A descriptor is written last, so keys without
// one were never used, unless someone took the descriptor away.
func exists(dir, name string) error {
	if name == keysDir {
		if _, err := os.Lstat(filepath.Join(dir, descriptorFile)); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %s has keys and no %s: its making was interrupted, or the file was lost; keys are never overwritten: use another directory, or move %s away",
				ErrExists, dir, descriptorFile, filepath.Join(dir, keysDir))
		}
	}
	return fmt.Errorf("%w: %s has %s; keys are never overwritten: use another directory", ErrExists, dir, name)
}

// makeDir makes dir and what is missing above it, and puts the new names on disk.
func makeDir(dir string) error {
	if dir == "" {
		return errors.New("no directory is named")
	}
	dir = filepath.Clean(dir)
	if _, err := os.Stat(dir); err == nil {
		return nil // MkdirTemp says it if this is not a directory
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// writeSynced writes a file that must not be there yet, and returns when it is on disk.
func writeSynced(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir puts a directory's names on disk.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
