package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/client/audit"
	"concordat/ledger"
	"concordat/ledger/evidence"
	"concordat/ledger/genesis"
	"concordat/ledger/receipt"
	"concordat/node/tiles"
)

func newAudit(t *terminal) *cobra.Command {
	var a auditing
	cmd := &cobra.Command{
		Use:   "audit --node URL | --dir DIR",
		Short: "Replay the whole log, and compare everything that it says with what it should say",
		Long: `  concordat audit --node http://127.0.0.1:8460 --genesis genesis.json
  concordat audit --node http://127.0.0.1:8460 --node http://127.0.0.1:8461 --genesis genesis.json --out fork.evidence
  concordat audit --node http://127.0.0.1:8460 --genesis genesis.json --receipt old.receipt
  concordat audit --dir xa                     # of a node that is stopped

Fetches every statement, and recomputes signatures, verdicts, tree, state, seals
and co-signatures, with nothing trusted but the founding document. Several logs
are compared with one another first, and each with a receipt that was given
once: that is how a fork shows. --out is where the evidence of a fork goes, a
file for each validator that signed both sides.

Exit code 4: tampering was found; the message has the index of the first
statement that is wrong. 3: a node could not be asked, or nothing is final yet.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.run(cmd, t)
		},
	}
	a.talk.flags(cmd)
	a.trust.flags(cmd)
	cmd.Flags().Lookup("node").Usage = "base `URL` of a node; repeat it: each is asked (default $CONCORDAT_NODE, else " + defaultNode + ")"
	cmd.Flags().Lookup("dir").Usage = "`DIR` of a node that is stopped, to audit its data; its genesis.json is the default of --genesis"
	f := cmd.Flags()
	f.StringVar(&a.receipt, "receipt", "", "`FILE` that a node gave once: does it still tell the same history?")
	f.StringVar(&a.out, "out", "", "`FILE` for the evidence of a fork; it must not be there yet")
	f.BoolVar(&a.skip, "skip-attachments", false, "do not fetch revoked hashes, which are most of the traffic; seals are then checked in part")
	f.IntVar(&a.workers, "workers", audit.DefaultWorkers, "requests under way at once")
	return cmd
}

// auditing is what audit is told.
type auditing struct {
	talk
	trust
	receipt, out string
	skip         bool
	workers      int

	stopped *ledger.Ledger // of --dir
}

// auditee is one log under audit.
type auditee struct {
	name   string // a URL, or a directory
	source audit.Source
}

// audited is what audit answers where nothing is wrong.
type audited struct {
	Logs    []auditedLog `json:"logs"`
	Receipt *sameHistory `json:"receipt,omitempty"` // of --receipt, with every log
	Compare *sameHistory `json:"compared,omitempty"`
}

// sameHistory says that checkpoints are of one history.
type sameHistory struct {
	Oldest uint64 `json:"oldest"` // size
	Newest uint64 `json:"newest"`
}

func (s *sameHistory) with(c *audit.Comparison) *sameHistory {
	if s == nil {
		s = &sameHistory{Oldest: c.Older.Checkpoint.Size}
	}
	s.Oldest, s.Newest = min(s.Oldest, c.Older.Checkpoint.Size), max(s.Newest, c.Newer.Checkpoint.Size)
	return s
}

// auditedLog is what the audit of one log has found.
type auditedLog struct {
	Log        string            `json:"log"`
	Certified  certified         `json:"checkpoint"`
	Statements uint64            `json:"statements"`
	Kinds      map[string]uint64 `json:"kinds"`
	Seals      struct {
		Whole   uint64 `json:"whole"`
		Partial uint64 `json:"partial"`
	} `json:"seals"`
	Batches struct {
		Verified uint64 `json:"verified"`
		Erased   uint64 `json:"erased"`
		Absent   uint64 `json:"absent"`
	} `json:"revocationBatches"`
	Suspended  []string `json:"suspended"` // by evidence in the log
	Lineage    uint64   `json:"lineage"`
	Handovers  int      `json:"handovers"`  // changes of validators
	Recoveries int      `json:"recoveries"` // from the loss of a majority
	Took       string   `json:"took"`
}

func (a *auditing) run(cmd *cobra.Command, t *terminal) (err error) {
	ctx := cmd.Context()
	doc, err := a.required()
	if err != nil {
		return err
	}
	if a.workers < 1 || a.workers > 64 {
		return usage("--workers is %d, want 1 to 64", a.workers)
	}
	if a.out != "" {
		if a.out == stdio {
			return usage("--out is a file here: a fork may convict several")
		}
		if err := checkOutput(cmd, a.out); err != nil {
			return err
		}
	}
	var old *receipt.Receipt
	if a.receipt != "" {
		raw, err := t.readInput(a.receipt, receipt.MaxSize)
		if err != nil {
			return err
		}
		_, r, err := parseReceipt(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", a.receipt, err)
		}
		old = &r
	}
	logs, end, err := a.logs(doc)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	answer, err := a.audit(ctx, t, doc, logs, old)
	if err != nil {
		return a.keep(t, doc, unasked(ctx, err))
	}
	if a.stopped != nil {
		// The log is right; what the node has made of it is another matter.
		if err := a.stopped.Check(ctx); err != nil {
			return fmt.Errorf("%s: the log is as it was signed, and what is kept beside it is not: %w", a.dir, err)
		}
	}
	return t.emit(cmd, answer, answer.print)
}

// logs opens what is to be audited: a stopped node's directory, and nodes. The
// node that is asked by default is so only where nothing was named.
func (a *auditing) logs(doc *genesis.Document) (logs []auditee, end func() error, err error) {
	end = func() error { return nil }
	if a.dir != "" {
		l, err := openStopped(doc, a.dir)
		if err != nil {
			return nil, nil, err
		}
		a.stopped = l
		view := l.View()
		source := tiles.Local{View: view}
		if c := view.Certified(); c != nil {
			source.Note = c.Note()
		}
		logs = append(logs, auditee{a.dir, guided{source, view}})
		end = func() error { return errors.Join(view.Close(), l.Close()) }
		if len(a.nodes) == 0 {
			return logs, end, nil
		}
	}
	for _, u := range a.urls() {
		s, err := audit.HTTP(u, nil)
		if err != nil {
			return nil, nil, errors.Join(usage("--node: %w", err), end())
		}
		logs = append(logs, auditee{u, s})
	}
	return logs, end, nil
}

// guided is a stopped node's ledger that shows the way from the genesis to its
// validators.
type guided struct {
	tiles.Local
	view *ledger.View
}

// Steps implements audit.Guide.
func (g guided) Steps(context.Context) ([]receipt.Step, error) {
	c := g.view.Certified()
	if c == nil {
		return nil, nil
	}
	return g.view.Steps(c.Checkpoint().Size)
}

// openStopped opens the ledger of a node that is stopped. It founds none.
func openStopped(doc *genesis.Document, dir string) (*ledger.Ledger, error) {
	data := filepath.Join(dir, "data", "ledger")
	if _, err := os.Stat(data); err != nil {
		return nil, usage("%s has no ledger: %w; give the --dir that the node is run with", dir, err)
	}
	l, err := ledger.Open(doc, ledger.Options{Dir: data, MustExist: true, Logger: slog.New(slog.DiscardHandler)})
	if errors.Is(err, ledger.ErrLocked) {
		return nil, fmt.Errorf("%w; stop the node first, or audit it over HTTP with --node", err)
	}
	return l, err
}

// audit compares the logs and then replays each. What is cheap comes first, and
// it alone finds evidence.
func (a *auditing) audit(ctx context.Context, t *terminal, doc *genesis.Document, logs []auditee, old *receipt.Receipt) (*audited, error) {
	answer := &audited{Logs: []auditedLog{}}
	for _, l := range logs {
		if old == nil {
			break
		}
		c, err := audit.CheckReceipt(ctx, doc, l.source, *old)
		if err != nil {
			return nil, fmt.Errorf("%s against %s: %w", l.name, a.receipt, err)
		}
		answer.Receipt = answer.Receipt.with(c)
	}
	for _, l := range logs[1:] {
		c, err := audit.Compare(ctx, doc, nil, logs[0].source, l.source)
		if err != nil {
			return nil, fmt.Errorf("%s against %s: %w", logs[0].name, l.name, err)
		}
		answer.Compare = answer.Compare.with(c)
	}
	for _, l := range logs {
		m := newMeter(t, "statements")
		r, err := audit.Run(ctx, audit.Config{Genesis: doc, Source: l.source, Workers: a.workers, SkipAttachments: a.skip, Progress: m.set})
		m.done()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.name, err)
		}
		answer.Logs = append(answer.Logs, auditedOf(l.name, r))
	}
	return answer, nil
}

// unasked makes of an error that accuses nobody one that says so: a log could
// not be read.
func unasked(ctx context.Context, err error) error {
	var tampering *audit.Tampering
	var fork *audit.Fork
	if errors.As(err, &tampering) || errors.As(err, &fork) || ctx.Err() != nil {
		return err
	}
	for _, known := range exits { // those that say what they are
		if errors.Is(err, known.err) && known.err != context.DeadlineExceeded {
			return err
		}
	}
	return client.Fail(client.Unreachable, "%v", err)
}

// keep writes the evidence of a fork to --out, and says where it is.
func (a *auditing) keep(t *terminal, doc *genesis.Document, err error) error {
	var fork *audit.Fork
	if !errors.As(err, &fork) || len(fork.Evidence) == 0 {
		return err
	}
	if a.out == "" {
		t.say("remark: --out FILE keeps the evidence")
		return err
	}
	for _, p := range fork.Evidence {
		path := a.out
		if len(fork.Evidence) > 1 {
			path = strings.TrimSuffix(a.out, filepath.Ext(a.out)) + "-" + string(p.Culprit()) + filepath.Ext(a.out)
		}
		if failed := writeNew(path, evidence.EncodeFile(p, doc.ID())); failed != nil {
			return errors.Join(err, failed)
		}
		t.say("%s: evidence against %s; concordat evidence verify %s --genesis FILE", path, string(p.Culprit()), path)
	}
	return err
}

func auditedOf(name string, r *audit.Report) auditedLog {
	a := auditedLog{Log: name, Certified: certifiedOf(r.Certified, r.Validators), Kinds: map[string]uint64{}, Suspended: []string{}, Took: r.Took.Round(time.Millisecond).String()}
	for k, n := range r.Statements {
		a.Kinds[string(k)] = n
		a.Statements += n
	}
	a.Seals.Whole, a.Seals.Partial = r.Seals.Whole, r.Seals.Partial
	a.Batches.Verified, a.Batches.Erased, a.Batches.Absent = r.Batches.Verified, r.Batches.Erased, r.Batches.Absent
	for _, e := range r.Evidence {
		a.Suspended = append(a.Suspended, string(e.Culprit))
	}
	slices.Sort(a.Suspended)
	a.Lineage, a.Handovers, a.Recoveries = r.Lineage, len(r.Handovers), len(r.Recoveries)
	return a
}

func (a *audited) print(w io.Writer) error {
	p := &printer{w: w}
	for _, l := range a.Logs {
		p.line("%s: nothing is wrong", l.Log)
		p.line("statements %d, replayed in %s", l.Statements, l.Took)
		for _, k := range slices.Sorted(maps.Keys(l.Kinds)) {
			p.line("           %d %s", l.Kinds[k], k)
		}
		p.line("seals      %d recomputed whole, %d without the revoked hashes", l.Seals.Whole, l.Seals.Partial)
		p.line("batches    %d of revocations verified, %d erased after their expiry, %d not handed out", l.Batches.Verified, l.Batches.Erased, l.Batches.Absent)
		p.certified(l.Certified)
		if l.Handovers > 0 {
			p.line("handovers  %d changes of validators, each co-signed by those before and those after it", l.Handovers)
		}
		if l.Recoveries > 0 {
			p.line("recovered  %d times from the loss of a majority: this is lineage %d", l.Recoveries, l.Lineage)
		}
		if len(l.Suspended) > 0 {
			p.line("suspended  %s, by evidence in the log", strings.Join(l.Suspended, ", "))
		}
		p.line("")
	}
	if c := a.Compare; c != nil {
		p.line("one history: sizes %d to %d of the %d logs", c.Oldest, c.Newest, len(a.Logs))
	}
	if c := a.Receipt; c != nil {
		p.line("one history: the receipt's checkpoint of size %d is the beginning of what is told now", c.Oldest)
	}
	return p.err
}
