package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/bundle"
	"concordat/ledger/genesis"
	"concordat/ledger/state"
)

func newBundle(t *terminal) *cobra.Command {
	return group("bundle", "Carry the network's state in a file, to check codes without a network",
		`  concordat bundle get --out site.bundle --genesis genesis.json
  concordat check --bundle site.bundle --genesis genesis.json --region XB 'HC1:…'
  concordat bundle get --since site.bundle --genesis genesis.json      # later: bring it up to date

A bundle is all that a check needs, as more than two thirds of the validators
vouch for it. It may come from anybody: it is verified with the network's
founding document and nothing else.`,
		newBundleGet(t), newBundleVerify(t))
}

// gotBundle is what bundle get answers.
type gotBundle struct {
	File     string  `json:"file"`
	Bytes    int     `json:"bytes"`
	Fetched  int     `json:"fetchedBytes"` // of a delta, fewer
	Size     uint64  `json:"size"`
	Since    uint64  `json:"since,omitempty"` // it only has what changed after that size
	Verified *sealed `json:"verified"`        // nil: nobody said what to trust
}

func newBundleGet(t *terminal) *cobra.Command {
	var k talk
	var g trust
	var f freshness
	var out, since, from string
	cmd := &cobra.Command{
		Use:   "get --out FILE [--since FILE|SIZE] [--from FILE]",
		Short: "Fetch the newest certified bundle, or what changed in it",
		Long: `  concordat bundle get --out site.bundle --genesis genesis.json
  concordat bundle get --since site.bundle --genesis genesis.json
  concordat bundle get --since 4711 --out 4711.delta
  concordat bundle get --since site.bundle --from 4711.delta --genesis genesis.json

With --since FILE, a bundle that is there is brought up to date: only what
changed is fetched, the result is verified, and takes the place of FILE (or goes
to --out) whole or not at all. If FILE is not there yet, all of it is fetched.
With --since SIZE, what changed after the bundle of that size is kept as it is,
to be carried to somebody who has that one, and takes it --from that file. The
state is sealed soon after the
first statement of a network, and then about once a minute while more is said:
a bundle is the newest sealed state.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			doc, err := g.document()
			if err != nil {
				return err
			}
			if err := f.check(); err != nil {
				return err
			}
			c, err := k.client()
			if err != nil {
				return err
			}
			have, size, err := sinceWhat(t, doc, since)
			if err != nil {
				return err
			}
			inPlace := since != "" && size == 0 && (out == "" || out == since)
			if inPlace {
				out = since
			} else if err := checkBundleOut(cmd, out); err != nil {
				return err
			}
			if have != nil {
				size = have.Size()
			}
			var raw []byte
			if from != "" {
				raw, err = readFile(from, client.MaxBundle)
			} else {
				raw, err = fetchBundle(cmd.Context(), t, c, size)
			}
			if err != nil {
				return err
			}
			a := gotBundle{File: out, Fetched: len(raw)}
			b, raw, err := a.take(doc, have, raw)
			if err != nil {
				return err
			}
			if b != nil {
				if a.Verified, err = sealedOf(doc, b, f.policy()); err != nil {
					return err
				}
			} else if a.Since == 0 {
				t.say("remark: not verified; give --genesis, or later: concordat bundle verify %s --genesis FILE", out)
			}
			write := t.writeOutput
			if inPlace {
				write = replaceFile
			}
			if err := write(out, raw); err != nil {
				return err
			}
			if a.Bytes = len(raw); out == stdio {
				return nil
			}
			return t.emit(cmd, a, a.print)
		},
	}
	k.flags(cmd)
	g.flags(cmd)
	f.flags(cmd)
	cmd.Flags().StringVar(&out, "out", "", "`FILE` to write, which must not be there yet; - for standard output")
	cmd.Flags().StringVar(&from, "from", "", "take it from a `FILE` that somebody has brought, not from a node")
	cmd.Flags().StringVar(&since, "since", "", "bundle to bring up to date (`FILE`), or the size of one that somebody has")
	return cmd
}

func (a *gotBundle) print(w io.Writer) error {
	p := &printer{w: w}
	if a.Verified != nil {
		p.sealed(a.Verified)
		p.line("")
	}
	what := fmt.Sprintf("the bundle of size %d", a.Size)
	switch {
	case a.Since > 0 && a.Since == a.Size:
		what = fmt.Sprintf("nothing but a newer certificate for bundles of size %d", a.Size)
	case a.Since > 0:
		what = fmt.Sprintf("what changed from size %d to %d", a.Since, a.Size)
	}
	p.line("%s: %s, %d bytes (%d fetched)", a.File, what, a.Bytes, a.Fetched)
	return p.err
}

// checkBundleOut is checkOutput, with a word on what one may have meant.
func checkBundleOut(cmd *cobra.Command, out string) error {
	if out == "" {
		return usage("--out is missing: give a FILE to write")
	}
	err := checkOutput(cmd, out)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w; to bring a bundle up to date: --since %s", err, out)
	}
	return err
}

// sinceWhat reads --since: a verified bundle, or the size of one elsewhere.
func sinceWhat(t *terminal, doc *genesis.Document, since string) (*bundle.Bundle, uint64, error) {
	if since == "" {
		return nil, 0, nil
	}
	if size, err := strconv.ParseUint(since, 10, 63); err == nil {
		if size == 0 {
			return nil, 0, usage("--since is 0: leave it out for a whole bundle")
		}
		return nil, size, nil
	}
	if doc == nil {
		return nil, 0, usage("--since %s needs --genesis: a bundle is brought up to date only when both what is there and what comes are verified", since)
	}
	b, err := readBundle(doc, since)
	if errors.Is(err, fs.ErrNotExist) {
		t.say("remark: %s is not there yet; all of it is fetched", since)
		return nil, 0, nil
	}
	return b, 0, err
}

// readBundle reads and verifies a bundle's file.
func readBundle(doc *genesis.Document, path string) (*bundle.Bundle, error) {
	raw, err := readFile(path, client.MaxBundle)
	if err != nil {
		return nil, err
	}
	b, err := parseBundle(doc, raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// parseBundle verifies a whole bundle. What begins as one and is none was
// changed after it was made (errDamaged); anything else is no bundle.
func parseBundle(doc *genesis.Document, raw []byte) (*bundle.Bundle, error) {
	u, err := bundle.Parse(raw)
	if err != nil && bytes.HasPrefix(raw, []byte(bundle.Magic)) && !errors.Is(err, bundle.ErrTooLarge) {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if err != nil {
		return nil, err
	}
	return u.Verify(doc)
}

// fetchBundle reads a node's answer, with a bar.
func fetchBundle(ctx context.Context, t *terminal, c *client.Client, since uint64) ([]byte, error) {
	m := newMeter(t, "bundle")
	m.bytes = true
	var raw bytes.Buffer
	err := c.Bundle(ctx, since, &raw, func(n int64) { m.set(uint64(n), 0) })
	m.done()
	return raw.Bytes(), err
}

// take looks at what a node answered, brings the bundle at hand up to date where
// there is one, and gives what is to be written; and the verified bundle, where
// there is a document. That a node hands out what is no bundle is not the user's
// mistake.
func (a *gotBundle) take(doc *genesis.Document, have *bundle.Bundle, raw []byte) (*bundle.Bundle, []byte, error) {
	wrong := func(err error) (*bundle.Bundle, []byte, error) {
		return nil, nil, fmt.Errorf("%w: the node's bundle: %w", client.ErrTampered, err)
	}
	u, err := bundle.Parse(raw)
	if err != nil {
		return wrong(err)
	}
	a.Size = u.Header().Receipt.Index
	if have != nil {
		b, err := have.Update(u, doc)
		if errors.Is(err, bundle.ErrOlder) {
			return nil, nil, client.Fail(client.Stale, "the node's bundle: %v", err).WithHint("the file stays as it was; ask another node, or this one later")
		}
		if err != nil {
			return wrong(err)
		}
		var whole bytes.Buffer
		err = b.Write(&whole)
		return b, whole.Bytes(), err
	}
	var delta bool
	if a.Since, delta = u.Delta(); delta || doc == nil {
		return nil, raw, nil // a delta is verified where what it changes is
	}
	b, err := u.Verify(doc)
	if err != nil {
		return wrong(err)
	}
	return b, raw, nil
}

// freshness is what a verifier says of how old a bundle may be.
type freshness struct{ fresh, stale time.Duration }

func (f *freshness) flags(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.fresh, "fresh", bundle.DefaultPolicy.Fresh, "up to this age a bundle is fresh")
	cmd.Flags().DurationVar(&f.stale, "stale", bundle.DefaultPolicy.Stale, "above this age a bundle decides nothing")
}

func (f *freshness) policy() bundle.Policy { return bundle.Policy{Fresh: f.fresh, Stale: f.stale} }

func (f *freshness) check() error {
	if err := f.policy().Check(); err != nil {
		return usage("--fresh, --stale: %w", err)
	}
	return nil
}

func newBundleVerify(t *terminal) *cobra.Command {
	var g trust
	var f freshness
	cmd := &cobra.Command{
		Use:   "verify FILE --genesis FILE",
		Short: "Say what a bundle holds, who vouches for it, and how new it is",
		Long: `  concordat bundle verify site.bundle --genesis genesis.json
  concordat bundle verify --json --stale 24h site.bundle --genesis genesis.json

Asks nobody. Recomputes both roots of the seal, and checks that the seal stands
in the ledger on the word of more than two thirds of the validators. Exit code
4: the bundle was changed, or is of another network. 2: it is no bundle. How new
it must be is the verifier's own decision; it is said, and not enforced here.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			doc, err := g.required()
			if err != nil {
				return err
			}
			raw, err := t.readInput(args[0], client.MaxBundle)
			if err != nil {
				return err
			}
			b, err := parseBundle(doc, raw)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			a, err := sealedOf(doc, b, f.policy())
			if err != nil {
				return err
			}
			return t.emit(cmd, a, func(w io.Writer) error {
				p := &printer{w: w}
				p.sealed(a)
				return p.err
			})
		},
	}
	g.flags(cmd)
	f.flags(cmd)
	return cmd
}

// sealed is what a verified bundle is.
type sealed struct {
	Network       string    `json:"network"`
	Size          uint64    `json:"size"` // of the ledger that the state is of
	SealedAt      string    `json:"sealedAt"`
	RecordsRoot   string    `json:"recordsRoot"`
	RevokedRoot   string    `json:"revokedRoot"`
	Certified     certified `json:"checkpoint"`
	Freshness     newness   `json:"freshness"`
	Records       records   `json:"records"`
	Revoked       uint64    `json:"revokedHashes"`
	Reinstated    uint64    `json:"reinstatedHashes"`
	FalsePositive float64   `json:"falsePositiveRate"` // of one look-up of a hash that nobody revoked
}

// records counts what is in a bundle's state.
type records struct {
	Authorities  int `json:"authorities"`
	IssuerKeys   int `json:"issuerKeys"`
	Recognitions int `json:"recognitions"`
	RiskAreas    int `json:"riskAreas"`
	Rules        int `json:"rules"`
	ValueSets    int `json:"valueSets"`
	Schemes      int `json:"schemes"`
	SpecialCases int `json:"specialCases"`
	Batches      int `json:"revocationBatches"`
}

// newness is how new a bundle is, by the verifier's policy.
type newness struct {
	Step  bundle.Step `json:"step"`
	AsOf  string      `json:"asOf"`
	Age   string      `json:"age"`
	Words string      `json:"words"`
}

func freshnessOf(b *bundle.Bundle, p bundle.Policy, now time.Time) newness {
	f := b.Freshness(now, p)
	return newness{Step: f.Step, AsOf: stamp(&f.AsOf), Age: f.Age.Round(time.Millisecond).String(), Words: f.Words}
}

// countPublished counts what authorities have published for checks.
func countPublished(v state.View, r *records) error {
	rules, err := v.RulesAll()
	if err != nil {
		return err
	}
	sets, err := v.ValueSetsAll()
	if err != nil {
		return err
	}
	schemes, err := v.Schemes()
	if err != nil {
		return err
	}
	cases, err := v.SpecialCasesAll()
	r.Rules, r.ValueSets, r.Schemes, r.SpecialCases = len(rules), len(sets), len(schemes), len(cases)
	return err
}

func sealedOf(doc *genesis.Document, b *bundle.Bundle, p bundle.Policy) (*sealed, error) {
	s, sum := b.Seal(), b.Summary()
	at := s.At.Time()
	a := &sealed{
		Network: doc.ID().String(), Size: b.Size(), SealedAt: stamp(&at),
		RecordsRoot: fmt.Sprintf("%x", s.Records), RevokedRoot: fmt.Sprintf("%x", s.Revoked),
		Certified: certifiedOf(b.Certified(), b.Validators()),
		Freshness: freshnessOf(b, p, time.Now()), Revoked: sum.Entries, Reinstated: sum.Undos, FalsePositive: sum.Rate(),
	}
	v := b.State()
	authorities, err := v.Authorities()
	if err != nil {
		return nil, err
	}
	keys, err := v.IssuerKeys(state.KeyFilter{})
	if err != nil {
		return nil, err
	}
	recognitions, err := v.Recognitions()
	if err != nil {
		return nil, err
	}
	areas, err := v.RiskAreasAll()
	if err != nil {
		return nil, err
	}
	if err := countPublished(v, &a.Records); err != nil {
		return nil, err
	}
	err = v.Batches(func(uint64, state.Batch) (bool, error) {
		a.Records.Batches++
		return true, nil
	})
	a.Records.Authorities, a.Records.IssuerKeys = len(authorities), len(keys)
	a.Records.Recognitions, a.Records.RiskAreas = len(recognitions), len(areas)
	return a, err
}

// sealed prints what a bundle is.
func (p *printer) sealed(a *sealed) {
	p.line("verified: the state of network %s (%s) after %d statements, sealed at %s", a.Certified.Origin, short(a.Network), a.Size, a.SealedAt)
	p.line("%s\n", a.Freshness.Words)
	p.line("freshness  %s", string(a.Freshness.Step))
	p.line("holds      %d authorities, %d issuer keys, %d recognitions, %d risk areas, %d batches of revocations",
		a.Records.Authorities, a.Records.IssuerKeys, a.Records.Recognitions, a.Records.RiskAreas, a.Records.Batches)
	p.line("           %d rules, %d value sets, %d schemes of levels, %d special cases",
		a.Records.Rules, a.Records.ValueSets, a.Records.Schemes, a.Records.SpecialCases)
	p.line("revoked    %d hashes, %d reinstated", a.Revoked, a.Reinstated)
	switch {
	case a.FalsePositive > 0:
		p.line("errs       one look-up in %.0f million finds a hash revoked that is not; none that is revoked is missed", 1/a.FalsePositive/1e6)
	default:
		p.line("errs       never: nothing is revoked")
	}
	p.line("\nvouched for by the checkpoint of")
	p.certified(a.Certified)
}
