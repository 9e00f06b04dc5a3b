package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/statement"
)

func newRevoke(t *terminal) *cobra.Command {
	var r revocation
	cmd := &cobra.Command{
		Use:   "revoke CODE… | --file FILE",
		Short: "Revoke codes, by their hashes",
		Long: `  concordat revoke --dir xa --expires 2022-06-30T23:59:59Z --reason 'issued in error' 'HC1:…'
  concordat revoke --dir xa --file hashes.txt --hash-type uci --expires 2022-06-30T23:59:59Z --reason 'stolen vials'
  concordat revoke --dir xa --file crl.json --expires 2032-01-01T00:00:00Z --reason 'revoked by the issuer'
  concordat revoke undo --dir xa --reason 'it was not this one' 'HC1:…'

Only hashes leave this machine, never a code. A FILE has one code, or one hash
of 32 hex digits, a line, and any number of lines; empty ones and those that
begin with # are passed over. It is read to its end before anything is sent, so
a bad line means that nothing was. Where sending is cut short, run the same
command again: what is revoked stays so, and is counted once.

A code is revoked by the hash of its identifier (uci; rid of a SMART Health Card),
or of its signature if it has none; --hash-type chooses. A hash says not what it
was taken of: without --hash-type it is taken for one of a signature, and a hash
under the wrong type refuses no code.

Of SMART Health Cards, FILE may be the issuer's card revocation list too, as it is
published under /.well-known/crl: what it revokes up to a time is revoked up to
that time, each time in a statement; beyond 1,000 --yes is needed. An issuer may give one rid to all cards of a person: --issued-before
spares those that are issued later. A card in several QR codes has a line for
each, one after the other.

Revocations count until just before --expires, and may be forgotten from then on: give a time at
which the codes themselves are no longer good.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd, t, args) },
	}
	r.flags(cmd)
	require(cmd, "expires", "reason")
	cmd.AddCommand(newRevokeUndo(t))
	return cmd
}

func newRevokeUndo(t *terminal) *cobra.Command {
	r := revocation{undo: true}
	cmd := &cobra.Command{
		Use:   "undo CODE… | --file FILE",
		Short: "Reinstate codes that this authority has revoked",
		Long: `  concordat revoke undo --dir xa --reason 'it was not this one' 'HC1:…'
  concordat revoke undo --dir xa --file hashes.txt --hash-type uci --expires 2022-06-30T23:59:59Z --reason 'the vials were found'

Undoes what the same authority said before of the same hashes under the same
type. It must be kept as long as what it undoes: for codes and hashes on the
command line --expires is found out, for a FILE give that of the revocation.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd, t, args) },
	}
	r.flags(cmd)
	require(cmd, "reason")
	return cmd
}

// revocation is what revoke and revoke undo are told.
type revocation struct {
	speech
	undo     bool
	file     string
	hashType choice
	before   moment
	expires  moment
	reason   string
	inFlight int
	yes      bool
}

func (r *revocation) flags(cmd *cobra.Command) {
	r.speech.flags(cmd)
	for _, t := range statement.HashTypes {
		r.hashType.of = append(r.hashType.of, string(t))
	}
	f := cmd.Flags()
	f.StringVar(&r.file, "file", "", "`FILE` with one code or one hex hash a line, or a card revocation list")
	f.Var(&r.hashType, "hash-type", "what the hashes are taken of (default: uci or rid for codes that have one, else signature)")
	if !r.undo {
		f.Var(&r.before, "issued-before", "spare what was issued at that time or later")
	}
	f.Var(&r.expires, "expires", "until when it counts")
	f.StringVar(&r.reason, "reason", "", "why, for everyone to read: it must name nobody")
	if !r.undo {
		f.BoolVar(&r.yes, "yes", false, "sign for a card revocation list with more than 1,000 different times, each of which is a statement")
	}
	f.IntVar(&r.inFlight, "in-flight", 3, "how many batches are on their way at once, 1 to 16")
}

// run checks everything, then sends everything.
func (r *revocation) run(cmd *cobra.Command, t *terminal, args []string) error {
	if (r.file == "") == (len(args) == 0) {
		return usage("give codes or hashes, or --file FILE with one a line")
	}
	if r.inFlight < 1 || r.inFlight > 16 {
		return usage("--in-flight is %d, want 1 to 16", r.inFlight)
	}
	id, err := r.speaker()
	if err != nil {
		return err
	}
	var from hashSource = hashArgs{args}
	if r.file != "" {
		if from, err = openSource(r.file); err != nil {
			return fmt.Errorf("nothing was sent: %w", err)
		}
	}
	counts, err := r.survey(t, from)
	if err != nil {
		return fmt.Errorf("nothing was sent: %w", err)
	}
	if r.expires.IsZero() {
		if r.expires.Time, err = r.latestExpiry(cmd.Context(), id, from); err != nil {
			return err
		}
	}
	if n := len(counts); n > unaskedBatches && !r.yes {
		return usage("nothing was sent: %s comes to %d statements or more, since each time before which it revokes is one, and more than %d are not signed unasked; --yes signs them", from.name(), n, unaskedBatches)
	}
	if !r.undo && r.expires.Before(time.Now()) {
		t.say("remark: --expires is %s, which is past: checks for later times are not affected", r.expires.String())
	}
	for i, c := range counts {
		words, err := r.announce(id, c)
		if err != nil {
			return err
		}
		switch {
		case i < maxListed:
			t.say("signing: %s", words)
		case i == maxListed:
			t.say("signing: … and as much for %d more times", len(counts)-i)
		}
	}
	var v *voice
	if !r.dryRun {
		if v, err = r.voice(cmd.Context(), t); err != nil {
			return err
		}
	}
	answer, err := r.sendAll(cmd.Context(), t, id, v, from, counts)
	if err != nil {
		return err
	}
	if err := t.emit(cmd, answer, answer.print); err != nil || v == nil {
		return err
	}
	var sent []*client.Submitted
	for _, b := range answer.Batches {
		sent = append(sent, b.Submitted)
	}
	return v.certain(sent...)
}

// batchSort is what the hashes of one batch have in common.
type batchSort struct {
	of     statement.HashType
	before statement.Time
}

// sortCount is how many hashes of a sort there are to send.
type sortCount struct {
	batchSort
	count int64
}

// reader reads codes and hashes as the flags have it.
func (r *revocation) reader() hashReader {
	before := statement.Time(0)
	if !r.before.IsZero() {
		before = r.before.of()
	}
	return hashReader{statement.HashType(r.hashType.value), before}
}

// sortOf is the sort of what was read. Who undoes takes back the whole of what was
// said, whatever it spared.
func (r *revocation) sortOf(n revocable) batchSort {
	s := batchSort{statement.HashType(n.hashes[0].Type), n.before}
	if r.undo {
		s.before = 0
	}
	return s
}

// survey reads everything once and counts; nothing is sent unless all of it is good.
func (r *revocation) survey(t *terminal, from hashSource) ([]sortCount, error) {
	bySort := map[batchSort]int64{}
	untyped := false
	err := from.each(r.reader(), func(n revocable) error {
		untyped = untyped || n.bare && r.hashType.value == ""
		bySort[r.sortOf(n)] += int64(len(n.hashes))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(bySort) == 0 {
		return nil, usage("there is no code and no hash in %s", from.name())
	}
	if untyped {
		t.say("remark: hashes are taken for those of signatures; if they are of identifiers, stop here and give --hash-type uci")
	}
	counts := make([]sortCount, 0, len(bySort))
	for _, s := range sortedSorts(bySort) {
		counts = append(counts, sortCount{s, bySort[s]})
	}
	return counts, nil
}

// sortedSorts gives the keys in the order in which they are announced and sent.
func sortedSorts[V any](of map[batchSort]V) []batchSort {
	return slices.SortedFunc(maps.Keys(of), func(a, b batchSort) int {
		return cmp.Or(
			cmp.Compare(slices.Index(statement.HashTypes, a.of), slices.Index(statement.HashTypes, b.of)),
			cmp.Compare(a.before, b.before))
	})
}

// body says a batch.
func (r *revocation) body(b statement.Batch) statement.Body {
	if r.undo {
		return &statement.Reinstate{Batch: b}
	}
	return &statement.Revoke{Batch: b}
}

// announce says in words, and before anything is signed, what all batches of a
// sort say together. It also checks what they have in common.
func (r *revocation) announce(id statement.Region, c sortCount) (string, error) {
	b := statement.Batch{HashType: c.of, Count: 1, Expires: r.expires.of(), Reason: r.reason, IssuedBefore: c.before}
	if err := r.body(b).Validate(); err != nil {
		return "", err
	}
	b.Count = uint64(c.count)
	st := statement.Statement{Issuer: id, Body: r.body(b)}
	words := st.Words()
	if n := (c.count + statement.MaxBatchHashes - 1) / statement.MaxBatchHashes; n > 1 {
		words += fmt.Sprintf(" (in %d batches)", n)
	}
	return words, nil
}

// maxLookups bounds how many hashes are asked about one by one.
const maxLookups = 64

// latestExpiry finds until when an undo must be kept: as long as the last of
// what it undoes.
func (r *revocation) latestExpiry(ctx context.Context, id statement.Region, from hashSource) (time.Time, error) {
	args, ok := from.(hashArgs)
	if !ok || len(args.args) > maxLookups {
		return time.Time{}, usage("--expires is missing: give that of the revocation, or a later one")
	}
	c, err := r.client()
	if err != nil {
		return time.Time{}, err
	}
	var latest time.Time
	code := 0
	err = from.each(r.reader(), func(n revocable) error {
		code++
		found := false
		for _, h := range n.hashes {
			a, err := c.Revocations(ctx, hex.EncodeToString(h.Hash[:]))
			if err != nil {
				return err
			}
			if a.More {
				return usage("--expires is missing, and too much was said of code %d to find it: give that of the revocation, or a later one", code)
			}
			for _, e := range a.Revocations {
				if e.Authority != string(id) || e.HashType != string(h.Type) || e.Action != "revoked" {
					continue
				}
				found = true
				if e.Expires.After(latest) {
					latest = e.Expires
				}
			}
		}
		if !found {
			return usage("code %d: %s has not revoked it by its %s hash; --hash-type chooses another", code, id, n.hashes[0].Type)
		}
		return nil
	})
	return latest, err
}

// revoked is what revoke answers. Where one batch was enough, it is there by
// itself too, as from the other commands that sign one statement.
type revoked struct {
	*said
	Hashes     int64  `json:"hashes"`
	Duplicates int64  `json:"duplicates"` // left out, being twice in one batch
	DryRun     bool   `json:"dryRun,omitempty"`
	Batches    []said `json:"batches"`
}

func (a *revoked) print(w io.Writer) error {
	for i := range a.Batches {
		b := &a.Batches[i]
		if _, err := fmt.Fprintf(w, "%s: %s\n", b.Words, b.place()); err != nil {
			return err
		}
	}
	if a.Duplicates > 0 {
		if _, err := fmt.Fprintf(w, "%d that were there twice were left out\n", a.Duplicates); err != nil {
			return err
		}
	}
	if a.DryRun {
		_, err := fmt.Fprintln(w, "not signed, not sent (--dry-run)")
		return err
	}
	return nil
}
