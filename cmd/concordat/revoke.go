package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/healthcode"
	"concordat/ledger/statement"
)

func newRevoke(t *terminal) *cobra.Command {
	var r revocation
	cmd := &cobra.Command{
		Use:   "revoke CODE… | --file FILE",
		Short: "Revoke codes, by their hashes",
		Long: `  concordat revoke --dir xa --expires 2022-06-30T23:59:59Z --reason 'issued in error' 'HC1:…'
  concordat revoke --dir xa --file hashes.txt --hash-type uci --expires 2022-06-30T23:59:59Z --reason 'stolen vials'
  concordat revoke undo --dir xa --reason 'it was not this one' 'HC1:…'

Only hashes leave this machine, never a code. A FILE has one code, or one hash
of 32 hex digits, a line, and any number of lines; empty ones and those that
begin with # are passed over. It is read to its end before anything is sent, so
a bad line means that nothing was. Where sending is cut short, run the same
command again: what is revoked stays so, and is counted once.

A code is revoked by the hash of its identifier (uci), or of its signature if it
has none; --hash-type chooses. A hash says not what it was taken of: without
--hash-type it is taken for one of a signature, and a hash under the wrong type
refuses no code.

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
	expires  moment
	reason   string
	inFlight int
}

func (r *revocation) flags(cmd *cobra.Command) {
	r.speech.flags(cmd)
	for _, t := range statement.HashTypes {
		r.hashType.of = append(r.hashType.of, string(t))
	}
	f := cmd.Flags()
	f.StringVar(&r.file, "file", "", "`FILE` with one code or one hex hash a line")
	f.Var(&r.hashType, "hash-type", "what the hashes are taken of (default: uci for codes that have one, else signature)")
	f.Var(&r.expires, "expires", "until when it counts")
	f.StringVar(&r.reason, "reason", "", "why, for everyone to read: it must name nobody")
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
		from = hashFile{r.file}
	}
	counts, err := r.survey(t, from)
	if err != nil {
		return fmt.Errorf("nothing was sent: %w", err)
	}
	if r.expires.IsZero() {
		if r.expires.Time, err = r.latestExpiry(cmd.Context(), id, args); err != nil {
			return err
		}
	}
	if !r.undo && r.expires.Before(time.Now()) {
		t.say("remark: --expires is %s, which is past: checks for later times are not affected", r.expires.String())
	}
	for _, c := range counts {
		words, err := r.announce(id, c)
		if err != nil {
			return err
		}
		t.say("signing: %s", words)
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

// typeCount is how many hashes of a type there are to send.
type typeCount struct {
	of    statement.HashType
	count int64
}

// survey reads everything once and counts; nothing is sent unless all of it is good.
func (r *revocation) survey(t *terminal, from hashSource) ([]typeCount, error) {
	byType := map[statement.HashType]int64{}
	untyped := false
	read := lineReader{want: statement.HashType(r.hashType.value)}
	err := from.each(func(line string) error {
		hashes, bare, err := read.hashes(line)
		if err != nil {
			return err
		}
		untyped = untyped || bare && r.hashType.value == ""
		for _, h := range hashes {
			byType[statement.HashType(h.Type)]++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(byType) == 0 {
		return nil, usage("there is no code and no hash in %s", from.name())
	}
	if untyped {
		t.say("remark: hashes are taken for those of signatures; if they are of identifiers, stop here and give --hash-type uci")
	}
	var counts []typeCount
	for _, of := range statement.HashTypes {
		if n := byType[of]; n > 0 {
			counts = append(counts, typeCount{of, n})
		}
	}
	return counts, nil
}

// batch describes n hashes; the digest is the attachment's.
func (r *revocation) body(b statement.Batch) statement.Body {
	if r.undo {
		return &statement.Reinstate{Batch: b}
	}
	return &statement.Revoke{Batch: b}
}

// announce says in words, and before anything is signed, what all batches of a
// type say together. It also checks what they have in common.
func (r *revocation) announce(id statement.Region, c typeCount) (string, error) {
	b := statement.Batch{HashType: c.of, Count: 1, Expires: r.expires.of(), Reason: r.reason}
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
func (r *revocation) latestExpiry(ctx context.Context, id statement.Region, args []string) (time.Time, error) {
	if r.file != "" || len(args) > maxLookups {
		return time.Time{}, usage("--expires is missing: give that of the revocation, or a later one")
	}
	c, err := r.client()
	if err != nil {
		return time.Time{}, err
	}
	var latest time.Time
	read := lineReader{want: statement.HashType(r.hashType.value)}
	for i, arg := range args {
		hashes, _, err := read.hashes(arg)
		if err != nil {
			return time.Time{}, err
		}
		found := false
		for _, h := range hashes {
			a, err := c.Revocations(ctx, hex.EncodeToString(h.Hash[:]))
			if err != nil {
				return time.Time{}, err
			}
			if a.More {
				return time.Time{}, usage("--expires is missing, and too much was said of code %d to find it: give that of the revocation, or a later one", i+1)
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
			return time.Time{}, usage("code %d: %s has not revoked it by its %s hash; --hash-type chooses another", i+1, id, hashes[0].Type)
		}
	}
	return latest, nil
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

// lineReader takes the hashes out of a line: a code, or a hash in hex.
type lineReader struct{ want statement.HashType } // "": uci, else signature

// hashes gives the hashes of the wanted type; bare says that the line was a hash.
func (l lineReader) hashes(line string) (_ []healthcode.RevocationHash, bare bool, err error) {
	if isHex(line) {
		b, err := parseHex(line, statement.HashSize)
		if err != nil {
			return nil, true, usage("a hash of %d hex digits; want %d", len(line), 2*statement.HashSize)
		}
		of := healthcode.HashType(l.want)
		if of == "" {
			of = healthcode.HashSignature
		}
		return []healthcode.RevocationHash{{Type: of, Hash: [statement.HashSize]byte(b)}}, true, nil
	}
	code, err := healthcode.Decode(line, formats...)
	if err != nil {
		return nil, false, usage("%w", err)
	}
	all := code.RevocationHashes()
	wanted := []healthcode.HashType{healthcode.HashType(l.want)}
	if l.want == "" {
		wanted = []healthcode.HashType{healthcode.HashUCI, healthcode.HashSignature}
	}
	var has []healthcode.HashType
	for _, h := range all {
		has = append(has, h.Type)
	}
	for _, of := range wanted {
		if slices.Contains(has, of) {
			return slices.DeleteFunc(all, func(h healthcode.RevocationHash) bool { return h.Type != of }), false, nil
		}
	}
	return nil, false, usage("the code has no %s hash; it has %v", wanted[0], has)
}
