package authority

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

const (
	keysDir        = "keys"
	descriptorFile = "descriptor.json"
)

var (
	// ErrNotAuthority: the directory is not an authority's, or its making was interrupted.
	ErrNotAuthority = errors.New("not an authority's directory")
	// ErrPermissions: others than the owner may read a key.
	ErrPermissions = errors.New("others may read this key")
	// ErrOtherKey: a key's file holds neither the key that the descriptor names nor
	// one that was made here to replace it.
	ErrOtherKey = errors.New("not the key that the descriptor names")
	// ErrNoKey: the key is not here; it may be kept elsewhere.
	ErrNoKey = errors.New("key is not here")
)

func keyPath(dir string, role Role) string { return filepath.Join(dir, keysDir, string(role)+".key") }

// Directory is an authority's directory that was opened. Safe for concurrent use.
type Directory struct {
	path       string
	descriptor *genesis.Descriptor
	passphrase Passphrase

	mu    sync.Mutex
	keys  map[Role]PrivateKey   // the present ones, opened so far
	found map[string]PrivateKey // by public key, as KeyFor found them
}

// Open opens dir. It reads no key yet. Errors wrap ErrNotAuthority,
// ErrPermissions, or those of genesis.ParseDescriptor.
func Open(dir string, passphrase Passphrase) (*Directory, error) {
	path := filepath.Join(dir, descriptorFile)
	raw, err := readDescriptor(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, keysDir)); err == nil {
			return nil, fmt.Errorf("%w: %s has keys and no %s: its making was interrupted, or the file was lost", ErrNotAuthority, dir, descriptorFile)
		}
		return nil, fmt.Errorf("%w: %s has no %s; make one with: concordat init --dir %s …", ErrNotAuthority, dir, descriptorFile, dir)
	}
	if err != nil {
		return nil, err
	}
	d, err := genesis.ParseDescriptor(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	keys := filepath.Join(dir, keysDir)
	info, err := os.Stat(keys)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s has no %s", ErrNotAuthority, dir, keysDir)
	}
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s has mode %04o; run: chmod 700 %s", ErrPermissions, keys, mode, keys)
	}
	return &Directory{path: dir, descriptor: d, passphrase: once(passphrase), keys: make(map[Role]PrivateKey), found: make(map[string]PrivateKey)}, nil
}

// once asks for a passphrase at its first use and remembers the answer, so
// that an operator types it once however many keys are opened.
func once(p Passphrase) Passphrase {
	if p == nil {
		return nil
	}
	return sync.OnceValues(p)
}

// ID is the authority.
func (d *Directory) ID() statement.Region { return d.descriptor.Authority.ID }

// Path is where the directory is.
func (d *Directory) Path() string { return d.path }

// Descriptor is the public half. The caller must not change it.
func (d *Directory) Descriptor() *genesis.Descriptor { return d.descriptor }

// Key opens the present key of a role at its first use: the one that the
// descriptor names, until another was promoted. Errors wrap ErrNoKey,
// ErrPermissions, ErrPassphrase, ErrKey or ErrOtherKey.
func (d *Directory) Key(role Role) (PrivateKey, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if key, ok := d.keys[role]; ok {
		return key, nil
	}
	if _, err := d.publicKey(role); err != nil {
		return PrivateKey{}, err
	}
	path := keyPath(d.path, role)
	key, err := LoadKey(path, d.passphrase)
	if err != nil {
		return PrivateKey{}, err
	}
	ours, err := d.Ours(role, key.Public())
	if err != nil {
		return PrivateKey{}, err
	}
	if !ours {
		return PrivateKey{}, fmt.Errorf("%w: %s against %s of %s", ErrOtherKey, path, descriptorFile, d.ID())
	}
	d.keys[role] = key
	return key, nil
}

func (d *Directory) publicKey(role Role) (genesis.Key, error) {
	k := &d.descriptor.Authority.Keys
	switch role {
	case Governance:
		return k.Governance, nil
	case Statement:
		return k.Statement, nil
	case Node:
		return k.Node, nil
	case Cosign:
		return k.Cosign, nil
	}
	return genesis.Key{}, fmt.Errorf("%w: no role %q; want one of %v", ErrNoKey, role, Roles)
}

// LoadKey opens a key's file by itself. Errors wrap ErrNoKey, ErrPermissions,
// ErrPassphrase or ErrKey and name the file.
func LoadKey(path string, passphrase Passphrase) (PrivateKey, error) {
	data, err := readKeyFile(path)
	if err != nil {
		return PrivateKey{}, err
	}
	key, err := unseal(data, passphrase)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// readKeyFile looks at the mode of the file that it has open, so that no other can be put in its place between.
func readKeyFile(path string) (data []byte, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w; if it is kept elsewhere, name it with --key", ErrNoKey, err)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%w: %s is a directory", ErrKey, path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s has mode %04o; run: chmod 600 %s", ErrPermissions, path, mode, path)
	}
	data, err = io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err == nil && len(data) > maxKeyFile {
		return nil, fmt.Errorf("%w: %s is larger than %d bytes", ErrKey, path, maxKeyFile)
	}
	return data, err
}

// readDescriptor reads one byte more than a descriptor may have, and leaves it to the parser to say so.
func readDescriptor(path string) (data []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(io.LimitReader(f, genesis.MaxDescriptor+1))
}
