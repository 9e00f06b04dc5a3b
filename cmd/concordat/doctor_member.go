package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"concordat/client/authority"
	"concordat/ledger"
	"concordat/ledger/genesis"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// membership looks whether this authority is in the network, with the keys that
// are here: by its node's ledger, for members come by vote and keys are replaced;
// by the founding document alone where the ledger cannot be looked at.
func (d *diagnosis) membership(g trust, dir *authority.Directory) {
	doc, err := g.document()
	if err != nil {
		d.fault(g.dir, err)
		return
	}
	if doc == nil {
		d.add(finding{g.dir, "no-genesis", "there is no " + filepath.Join(g.dir, "genesis.json"), "put the network's founding document there, or name it with --genesis", stops})
		return
	}
	r, unread, err := recordOf(doc, g.dir, dir.ID())
	switch {
	case err != nil:
		d.fault(g.dir, err)
	case unread == "":
		d.member(g.dir, dir, r)
	default:
		d.founder(g.dir, dir, doc, unread)
	}
}

// fault is a finding of what could not be read.
func (d *diagnosis) fault(where string, err error) {
	f, _ := explain(err)
	d.add(finding{where, f.Name, f.Message, f.Hint, stops})
}

// founder compares with the founding document alone, which does not know who came
// later. unread is why there is no more to go by.
func (d *diagnosis) founder(where string, dir *authority.Directory, doc *genesis.Document, unread string) {
	a, is := doc.Authority(dir.ID())
	switch other := is && a.Keys != dir.Descriptor().Authority.Keys; {
	case !is:
		d.Remarks = append(d.Remarks, fmt.Sprintf("%s is not in the founding document of %q, and %s: whether it was voted in since is not known here; ask a node: concordat authority show %s", dir.ID(), doc.Network, unread, dir.ID()))
	case other && unread == noLedger:
		d.add(finding{where, "other-key", fmt.Sprintf("the keys of %s in descriptor.json are not those of the founding document, and %s", dir.ID(), unread),
			"restore the keys that the network was founded with; of an authority that was voted in anew, start the node with --join URL", stops})
	case other:
		d.Remarks = append(d.Remarks, fmt.Sprintf("the keys of %s in descriptor.json are not those of the founding document, and %s: whether the network has these since is not known here; ask a node: concordat authority show %s", dir.ID(), unread, dir.ID()))
	}
}

// record is what a stopped node's ledger says of its authority.
type record struct {
	state.Authority
	is   bool
	size uint64 // of the ledger
}

// noLedger is why a directory's ledger was not read where it has none.
const noLedger = "there is no ledger here"

// recordOf reads what a node's ledger says of its authority, if the node is
// stopped; unread is why it was not looked at, "" if it was.
func recordOf(doc *genesis.Document, dir string, id statement.Region) (r record, unread string, err error) {
	info, err := os.Stat(filepath.Join(dir, "data", "ledger"))
	if errors.Is(err, fs.ErrNotExist) {
		return r, noLedger, nil
	}
	if err != nil {
		return r, "", err
	}
	// To open a store is to write to it: what another user's process left there the
	// node could not open any more.
	if at, ok := info.Sys().(*syscall.Stat_t); ok && int(at.Uid) != os.Geteuid() {
		return r, "its ledger is another user's (run doctor as the one that runs the node)", nil
	}
	l, err := openStopped(doc, dir)
	switch {
	case errors.Is(err, ledger.ErrMissing):
		return r, noLedger, nil
	case errors.Is(err, ledger.ErrLocked):
		return r, "its ledger is in use by the node that runs", nil
	case err != nil:
		return r, "", err
	}
	view := l.View()
	defer func() { err = errors.Join(err, view.Close(), l.Close()) }()
	r.size = view.Head().Size
	r.Authority, r.is, err = view.State().Authority(id)
	return r, "", err
}

// member says how the authority stands by its ledger, and whether its keys are here.
func (d *diagnosis) member(where string, dir *authority.Directory, r record) {
	id := dir.ID()
	switch {
	case !r.is:
		d.add(finding{where, "not-in-network", fmt.Sprintf("%s is neither in the founding document nor in the ledger here, of %d statements", id, r.size),
			"is this the right --dir, and the right --genesis? The node of one that was voted in fetches the ledger: concordat node run --join URL", stops})
		return
	case !r.Present():
		d.add(finding{where, "expelled", fmt.Sprintf("%s was expelled by statement %d", id, *r.StandingBy), "talk to the others; to come back it needs new keys, and their vote", stops})
		return
	case r.Standing == state.StandingSuspended:
		d.add(finding{where, "suspended", fmt.Sprintf("%s is suspended by statement %d: it says nothing, and its node's word does not count", id, *r.StandingBy), "talk to the others: they restore it by vote", stops})
	}
	for _, role := range authority.Roles {
		d.named(where, dir, role, r)
	}
}

// named looks whether the key is here that the ledger names for a role.
func (d *diagnosis) named(where string, dir *authority.Directory, role authority.Role, r record) {
	public := r.Key(state.Use(role))
	if _, err := os.Stat(dir.KeyPath(role)); err != nil || public == nil {
		return // that it is missing is said already, where a node needs it
	}
	_, err := dir.KeyFor(role, public)
	switch {
	case err == nil, errors.Is(err, authority.ErrPermissions): // its mode is said already
		return
	case errors.Is(err, authority.ErrPassphrase):
		// It cannot be opened without one; the list of what was made here can be read.
		ours, err := dir.Ours(role, public)
		if err != nil {
			d.fault(where, err)
			return
		}
		if _, err := os.Stat(dir.NextPath(role)); ours || err == nil {
			return // perhaps one that was made on another machine, and copied to keys/next
		}
	case !errors.Is(err, authority.ErrNoKey):
		d.fault(where, err)
		return
	}
	message := fmt.Sprintf("%s is not the %s key of %s that the ledger names, %s", dir.KeyPath(role), role, dir.ID(), fingerprint(public))
	if role == authority.Statement || role == authority.Governance {
		d.Remarks = append(d.Remarks, message+": it was replaced elsewhere; what this one signs is refused")
		return
	}
	d.add(finding{where, "other-key", message, "put that key into " + dir.NextPath(role) + " (mode 0600): the node takes it by itself; docs/operations/keys.md", stops})
}
