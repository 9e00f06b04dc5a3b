package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"concordat/client"
	"concordat/client/audit"
	"concordat/client/authority"
	"concordat/consensus"
	"concordat/consensus/catchup"
	"concordat/consensus/certify"
	"concordat/healthcode/issue"
	"concordat/healthcode/picture"
	"concordat/healthcode/trustlist"
	"concordat/ledger"
	"concordat/ledger/backup"
	"concordat/ledger/bundle"
	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
	"concordat/ledger/genesis"
	"concordat/ledger/receipt"
	"concordat/ledger/recovery"
	"concordat/ledger/statement"
	"concordat/node"
	"concordat/testnet"
	"concordat/testnet/load"
)

// outcome is an exit code whose reason has been printed already, such as a
// code that is not recognized.
type outcome struct{ code int }

func (o *outcome) Error() string { return fmt.Sprintf("exit code %d", o.code) }

// usageError is a mistake in what was typed, or in a file that was given.
type usageError struct{ err error }

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

func usage(format string, a ...any) error { return &usageError{fmt.Errorf(format, a...)} }

// exits is the table from what went wrong to its name for programs, the exit
// code, and what to do. A *client.Failure brings its own.
var exits = []struct {
	err  error
	name string
	code int
	hint string
}{
	{audit.ErrNoCheckpoint, "not-final", client.ExitUnreachable, "ask again when the validators have co-signed something; status says what keeps them"},
	{audit.ErrBehind, "behind", client.ExitUnreachable, "ask again later, or another node"},
	{client.ErrTampered, "tampered", client.ExitTampering, "keep the answer and ask another node: one of them does not tell the truth"},
	{backup.ErrMalformed, "no-backup", client.ExitUsage, "concordat backup makes backups"},
	{backup.ErrDamaged, "tampered", client.ExitTampering, "the file is not as it was made: take another copy of it, or another backup; nothing was restored"},
	{ledger.ErrBackupNetwork, "other-network", client.ExitTampering, "is this the --genesis of the network that it is from?"},
	{ledger.ErrBackup, "tampered", client.ExitTampering, "it is not what the network vouches for: take another backup, and keep this one until it is known how that came; nothing was restored"},
	{recovery.ErrSignature, "tampered", client.ExitTampering, "begin again from the plan as it was made"},
	{recovery.ErrMalformed, "no-plan", client.ExitUsage, "concordat recover plan makes plans; use them exactly as they were written"},
	{recovery.ErrNotElector, "not-an-elector", client.ExitRefused, "concordat recover show says whose signatures count"},
	{recovery.ErrUnsigned, "not-signed", client.ExitRefused, "concordat recover show says who has to do what next"},
	{recovery.ErrSealed, "sealed", client.ExitRefused, ""},
	{node.ErrWouldLose, "would-lose", client.ExitRefused, "make the plan on the survivor that has the most; docs/operations/recover.md says what else there is to try"},
	{node.ErrOtherHistory, "other-history", client.ExitTampering, "keep everything that was handed in, and find out who signed both: concordat audit --receipt"},
	{node.ErrNotProved, "proves-nothing", client.ExitUsage, ""},
	{node.ErrPlan, "plan-does-not-fit", client.ExitRefused, ""},
	{node.ErrForgotten, "signer-forgotten", client.ExitRefused, ""},
	{issue.ErrKey, "key-unusable", client.ExitUsage, "concordat code key makes issuers' keys"},
	{issue.ErrNotReadBack, "not-read-back", client.ExitRefused, "nothing was handed out: the key, or the module that it is in, does not sign as it should"},
	{picture.ErrTooLong, "code-too-long", client.ExitUsage, "it does not fit one QR code: write it as text (--out FILE.txt), or cover fewer stays"},
	{authority.ErrExists, "directory-taken", client.ExitUsage, ""},
	{authority.ErrPermissions, "key-permissions", client.ExitUsage, "private keys are for their owner alone"},
	{authority.ErrPassphrase, "passphrase", client.ExitUsage, "give it in CONCORDAT_PASSPHRASE, or the path of a file with it in CONCORDAT_PASSPHRASE_FILE"},
	{authority.ErrNotAuthority, "not-an-authority", client.ExitUsage, "make an authority's directory with `concordat init`, and give it with --dir"},
	{authority.ErrNoNext, "no-next-key", client.ExitUsage, "concordat authority rotate makes the next key"},
	{authority.ErrNoKey, "no-key", client.ExitUsage, ""},
	{authority.ErrKey, "key-unusable", client.ExitUsage, "give a key file that `concordat init` made"},
	{authority.ErrOtherKey, "other-key", client.ExitUsage, "keys/ and descriptor.json are of two authorities, or of two times; restore the pair that belongs together"},
	{trustlist.ErrSignature, "tampered", client.ExitTampering, "nothing was sent: get the list, its signature and its signer again, each from where it is published"},
	{genesis.ErrProof, "descriptor-not-proven", client.ExitUsage, ""},
	{genesis.ErrMalformed, "malformed-file", client.ExitUsage, "use genesis files and descriptors exactly as `concordat` wrote them"},
	{genesis.ErrInvalid, "invalid-file", client.ExitUsage, ""},
	{ledger.ErrLevel, "newer-level", client.ExitUsage, "install a version that knows the network's protocol level and start the node again: it goes on where it stopped"},
	{audit.ErrLeftBehind, "left-behind", client.ExitUnreachable, "the network was recovered without this log: audit a node that went on"},
	{ledger.ErrOtherNetwork, "other-network", client.ExitUsage, ""},
	{ledger.ErrMissing, "no-ledger", client.ExitUsage, ""},
	{ledger.ErrLocked, "directory-locked", client.ExitUsage, ""},
	{ledger.ErrCorrupt, "ledger-corrupt", client.ExitTampering, "keep what you moved away until the cause is known, and leave data/raft where it is; if it comes again, the disk or the memory is bad"},
	{ledger.ErrBroken, "broken", client.ExitUnreachable, "this node's storage failed and it has stopped vouching for its state: make room on the disk, or repair it, then start the node again; nothing in data/ may be deleted"},
	{consensus.ErrOtherNetwork, "other-network", client.ExitUsage, ""},
	{consensus.ErrCorrupt, "raft-log-corrupt", client.ExitTampering, ""},
	{consensus.ErrStorage, "broken", client.ExitUnreachable, "raft's storage on this node failed, and it has stopped: see to the disk (space, permissions, health), then start the node again"},
	{certify.ErrSignerFile, "signer-file", client.ExitUsage, ""},
	{certify.ErrLocked, "directory-locked", client.ExitUsage, ""},
	{catchup.ErrOtherHistory, "other-history", client.ExitTampering, "keep a copy of data/ until it is known how that came, then start the node with an empty data/: it fetches everything from the others"},
	{catchup.ErrFork, "fork", client.ExitTampering, "more than a third of the validators signed two histories: concordat evidence list names them at every node"},
	{node.ErrNotInNetwork, "not-in-network", client.ExitUsage, ""},
	{node.ErrPortInUse, "port-in-use", client.ExitUsage, ""},
	{node.ErrListen, "cannot-listen", client.ExitUsage, "the address must be one of this machine's own: give it with --http or --listen"},
	{syscall.EADDRINUSE, "port-in-use", client.ExitUsage, "stop what uses the port, or choose another with --http or --listen"},
	{testnet.ErrOtherPlan, "another-network", client.ExitUsage, ""},
	{testnet.ErrNotAsTold, "not-as-told", client.ExitRefused, ""},
	{load.ErrWrong, "wrong-answer", client.ExitTampering, "an answer or a ledger is not as it was promised: keep the nodes' directories and look into it"},
	{errDamaged, "tampered", client.ExitTampering, "the file is not as it was made: get it again, and keep this one if somebody gave it to you as genuine"},
	{receipt.ErrOtherNetwork, "other-network", client.ExitTampering, "is this the --genesis of the network that it is from?"},
	{receipt.ErrRefused, "tampered", client.ExitTampering, "it proves nothing: get it again from a node, and keep this one if somebody gave it to you as genuine"},
	{receipt.ErrMalformed, "no-receipt", client.ExitUsage, "concordat receipt get makes receipts"},
	{bundle.ErrRefused, "tampered", client.ExitTampering, "do not decide with it: get another, and keep this one if somebody gave it to you as genuine"},
	{bundle.ErrDelta, "delta", client.ExitUsage, "whoever has the bundle that it belongs to brings that up to date: concordat bundle get --since FILE"},
	{bundle.ErrMalformed, "no-bundle", client.ExitUsage, "concordat bundle get makes bundles"},
	{evidence.ErrProvesNothing, "proves-nothing", client.ExitRefused, "it speaks against nobody; is this the --genesis of the network that it is from?"},
	{evidence.ErrMalformed, "no-evidence", client.ExitUsage, "concordat evidence get makes such files; use them exactly as they were made"},
	{checkpoint.ErrMalformed, "no-checkpoint", client.ExitUsage, "GET /checkpoint of a node gives one; use it exactly as it was given"},
	{statement.ErrInvalid, "invalid-statement", client.ExitUsage, ""},
	{statement.ErrRegion, "not-a-region", client.ExitUsage, ""},
	{statement.ErrArea, "not-an-area", client.ExitUsage, ""},
	{fs.ErrNotExist, "no-such-file", client.ExitUsage, ""},
	{fs.ErrExist, "file-exists", client.ExitUsage, ""},
	{fs.ErrPermission, "permission", client.ExitUsage, ""},
	{context.DeadlineExceeded, "timeout", client.ExitUnreachable, ""},
	{context.Canceled, "interrupted", client.ExitUnreachable, ""},
}

// explain gives what a program and a person are told of an error, and the exit code.
func explain(err error) (f client.Failure, code int) {
	var u *usageError
	var known *client.Failure
	f = client.Failure{Name: "failed", Message: err.Error()}
	switch {
	case errors.As(err, &known):
		f.Name, f.Hint, f.Detail = known.Name, known.Hint, known.Detail
		// The name stands in its own field, and before the message for people.
		f.Message = strings.Replace(f.Message, known.Error(), known.Message, 1)
		return f, known.Exit()
	case errors.As(err, &u):
		f.Name = "usage"
		return f, client.ExitUsage
	}
	if detail, found := tampering(err); found {
		f.Name, f.Detail, f.Hint = "tampered", detail, "keep what was fetched, and ask the other nodes: what is signed shows who does not tell the truth"
		return f, client.ExitTampering
	}
	for _, e := range exits {
		if errors.Is(err, e.err) {
			f.Name, f.Hint = e.name, e.hint
			return f, e.code
		}
	}
	// cobra reports unknown commands and missing arguments as plain errors.
	for _, p := range []string{"unknown command", "accepts ", "requires ", "required flag", "if any flags in the group", "at least one of the flags"} {
		if strings.HasPrefix(err.Error(), p) {
			f.Name, f.Hint = "usage", "see --help"
			return f, client.ExitUsage
		}
	}
	return f, client.ExitRefused
}

// tampering gives what a program is told of what an audit has found.
func tampering(err error) (detail map[string]any, found bool) {
	var t *audit.Tampering
	var f *audit.Fork
	switch {
	case errors.As(err, &f):
		culprits := []string{}
		for _, p := range f.Evidence {
			culprits = append(culprits, string(p.Culprit()))
		}
		detail = map[string]any{
			"fork":     []certifiedHead{headOf(f.Older), headOf(f.Newer)},
			"culprits": culprits,
		}
		if f.Known {
			detail["index"] = f.First
		}
		return detail, true
	case errors.As(err, &t):
		return map[string]any{"index": t.Index, "size": t.Size}, true
	}
	return nil, false
}

// certifiedHead is one side of a fork.
type certifiedHead struct {
	Size uint64 `json:"size"`
	Root string `json:"root"`
}

func headOf(s audit.Signed) certifiedHead {
	return certifiedHead{s.Checkpoint.Size, fmt.Sprintf("%x", s.Checkpoint.Root)}
}

// fail tells what went wrong, to people on standard error and with --json to
// programs on standard output, and gives the exit code.
func (t *terminal) fail(args []string, err error) int {
	var o *outcome
	if errors.As(err, &o) {
		return o.code
	}
	f, code := explain(err)
	message := "concordat: " + f.Message
	if f.Name != "usage" && f.Name != "failed" {
		message = "concordat: " + f.Name + ": " + f.Message
	}
	var told *client.Failure
	if errors.As(err, &told) {
		t.say("%s", message) // a node's words are kept on one line
	} else {
		t.sayLines(message)
	}
	if revision, ok := f.Detail["revision"].(float64); ok && revision > 0 {
		t.say("  its subject stands at revision %.0f now; without --revision the next one is taken", revision)
	}
	if f.Hint != "" {
		t.say("  hint: %s", f.Hint)
	}
	if slices.Contains(args, "--json") && !t.emitted {
		// If standard output is gone, the exit code still says it.
		_ = json.NewEncoder(t.out).Encode(map[string]client.Failure{"error": f})
	}
	return code
}
