package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"concordat/client/authority"
	"concordat/consensus/certify"
)

// Bounds on what is left of a disk, below which something is said.
const (
	leastFree  = 1 << 30 // bytes
	leastShare = 0.05    // of the disk
)

// directory looks at an authority's directory. It asks for no passphrase, and
// leaves a store alone that a node has open.
func (d *diagnosis) directory(g trust) {
	add := func(name string, severity int, hint, format string, a ...any) {
		d.add(finding{g.dir, name, fmt.Sprintf(format, a...), hint, severity})
	}
	dir, err := authority.Open(g.dir, nil)
	if err != nil {
		f, _ := explain(err)
		add(f.Name, stops, f.Hint, "%s", f.Message)
		return
	}
	for _, role := range authority.Roles {
		d.key(g.dir, role)
	}
	d.membership(g, dir)
	d.signer(filepath.Join(g.dir, "signer"), string(dir.ID()))
	d.space(g.dir)
}

// key looks at a key's file: a node needs two of the four.
func (d *diagnosis) key(dir string, role authority.Role) {
	path := filepath.Join(dir, "keys", string(role)+".key")
	needed := role == authority.Node || role == authority.Cosign
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && needed:
		d.add(finding{dir, "no-key", fmt.Sprintf("%s is missing; a node cannot run without", path), "bring it back from where it is kept; a new one is another key, which the network does not know", stops})
	case errors.Is(err, fs.ErrNotExist): // kept elsewhere, as it should be
	case err != nil:
		d.add(finding{dir, "key-unreadable", err.Error(), "", stops})
	case info.Mode().Perm() != 0o600:
		severity := weakens
		if info.Mode().Perm()&0o077 != 0 {
			severity = stops // a node does not start with it
		}
		d.add(finding{dir, "key-permissions", fmt.Sprintf("%s has mode %04o, want 0600", path, info.Mode().Perm()), "chmod 600 " + path, severity})
	case role == authority.Governance:
		d.Remarks = append(d.Remarks, path+" lies beside the others: take it offline; it can rotate them, and no node needs it")
	}
}

// signer looks at the file in which the node writes down what it signed.
func (d *diagnosis) signer(path, authority string) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return // it has signed nothing yet
	}
	var state certify.SignerState
	if err == nil && info.Mode().IsRegular() {
		state, err = certify.Inspect(path)
	}
	switch {
	case errors.Is(err, certify.ErrSignerFile):
		d.add(finding{path, "signer-file", err.Error(), "the node does not start with it: docs/operations/troubleshooting.md says what to do; never put an older copy in its place", stops})
	case err != nil:
		d.add(finding{path, "signer-unreadable", err.Error(), "the node must be able to read and write it, or it does not co-sign; never put an older copy in its place", stops})
	case !info.Mode().IsRegular():
		d.add(finding{path, "signer-unreadable", "it is no file", "bring back the newest state of it, never an older copy", stops})
	case state.Validator != authority:
		d.add(finding{path, "signer-file", fmt.Sprintf("it is the file of %s's validator, and this is the directory of %s", state.Validator, authority), "bring back the newest state of this validator's own", stops})
	case info.Mode().Perm()&0o200 == 0:
		d.add(finding{path, "signer-unreadable", fmt.Sprintf("mode %04o: the node cannot write it, and so does not co-sign", info.Mode().Perm()), "chmod 600 " + path, stops})
	}
}

// space looks at what is left of the disk.
func (d *diagnosis) space(dir string) {
	for _, path := range []string{filepath.Join(dir, "data"), dir} {
		var s syscall.Statfs_t
		err := syscall.Statfs(path, &s)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			d.add(finding{path, "disk-unknown", fmt.Sprintf("how much is free cannot be found out: %v", err), "", weakens})
			return
		}
		free, all := float64(s.Bavail)*float64(s.Bsize), float64(s.Blocks)*float64(s.Bsize)
		if free < leastFree || free < leastShare*all {
			d.add(finding{path, "disk-nearly-full", fmt.Sprintf("%.1f GiB of %.1f GiB are free", free/(1<<30), all/(1<<30)), "make room before it is full: a node that cannot write stops", weakens})
		}
		return
	}
}
