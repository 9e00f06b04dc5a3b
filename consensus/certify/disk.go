package certify

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// disk is where the signer's file is. Tests have one that crashes.
type disk interface {
	// Read reads a file; the error wraps fs.ErrNotExist if there is none.
	Read(path string) ([]byte, error)
	// Create makes a file anew, which only its owner may read.
	Create(path string) (diskFile, error)
	Rename(from, to string) error
	// SyncDir makes renames within a directory durable.
	SyncDir(dir string) error
	// Lock keeps other processes from a path until it is closed. The error
	// wraps ErrLocked if another one has it.
	Lock(path string) (io.Closer, error)
}

type diskFile interface {
	io.WriteCloser
	Sync() error
}

// ErrLocked: another process has the signer's file.
var ErrLocked = errors.New("another process has the signer's file")

// replace writes a file whole, so that whatever crashes there is either what
// was there or what is written now, and the latter once it returned (F1).
func replace(d disk, path string, data []byte) error {
	temp := path + ".new"
	f, err := d.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := d.Rename(temp, path); err != nil {
		return err
	}
	return d.SyncDir(filepath.Dir(path))
}

// maxStateFile bounds what is read of the files here.
const maxStateFile = 4 << 20

// osDisk is the operating system's.
type osDisk struct{}

func (osDisk) Read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	b, err := io.ReadAll(io.LimitReader(f, maxStateFile+1))
	if err == nil && len(b) > maxStateFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxStateFile)
	}
	return b, err
}

func (osDisk) Create(path string) (diskFile, error) {
	// A left-over may have another mode: it is made anew.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }

func (osDisk) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (osDisk) Lock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil // closing it lets go
}
