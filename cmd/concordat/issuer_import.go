package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// imported is what issuer import answers.
type imported struct {
	Registered []said `json:"registered"`
	Known      []said `json:"known"` // had been registered before
	DryRun     bool   `json:"dryRun,omitempty"`
}

func newIssuerImport(t *terminal) *cobra.Command {
	var s speech
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Register many keys at once",
		Long: `  concordat issuer import --dir xa dscs.pem
  concordat issuer import --dir xa --dry-run keys.json

FILE has certificates (PEM, any number; DER, one) or is a JWK set. Every key is
checked before the first is sent. Running it again registers what is missing.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := readImport(args[0])
			if err != nil {
				return err
			}
			return importKeys(cmd, t, &s, found)
		},
	}
	s.flags(cmd)
	return cmd
}

// readImport reads the formats that there are, and names them where a file is in none.
func readImport(path string) ([]issuerKey, error) {
	const formats = "want certificates in PEM or DER, or a JWK or JWK set; the signed trust lists of the EU and its members are not read yet"
	raw, err := readFile(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	read := readCertificates
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		read = readJWKs
	}
	found, err := read(path)
	if err != nil {
		return nil, usage("%w; %s", err, formats)
	}
	if len(found) == 0 {
		return nil, usage("%s holds no key; %s", path, formats)
	}
	return found, nil
}

func importKeys(cmd *cobra.Command, t *terminal, s *speech, found []issuerKey) error {
	ctx := cmd.Context()
	id, err := s.speaker()
	if err != nil {
		return err
	}
	bodies := make([]*statement.RegisterKey, len(found))
	answers := make([]said, len(found))
	for i := range found {
		if bodies[i], err = found[i].registration(); err != nil {
			return fmt.Errorf("nothing was sent: %w", err)
		}
		if answers[i], err = wordsOf(id, bodies[i]); err != nil {
			return fmt.Errorf("nothing was sent: %s: %w", found[i].where, err)
		}
		found[i].remarks(t, time.Now(), false)
	}
	result := imported{Registered: []said{}, Known: []said{}, DryRun: s.dryRun}
	if s.dryRun {
		result.Registered = answers
		return t.emit(cmd, result, func(w io.Writer) error {
			for _, a := range answers {
				if _, err := fmt.Fprintln(w, a.Words); err != nil {
					return err
				}
			}
			_, err := fmt.Fprintln(w, "not signed, not sent (--dry-run)")
			return err
		})
	}
	v, err := s.voice(ctx, t)
	if err != nil {
		return err
	}
	for i, body := range bodies {
		// A key is registered once: its first revision.
		switch err := v.submit(ctx, t, &answers[i], body, 1); {
		case err == nil && answers[i].Known: // said in the same words within the same second
			result.Known = append(result.Known, answers[i])
		case err == nil:
			result.Registered = append(result.Registered, answers[i])
		case isStatus(err, http.StatusConflict) && (isNamed(err, state.AlreadyRegistered) || isNamed(err, state.RevisionConflict)):
			result.Known = append(result.Known, answers[i])
		default:
			return fmt.Errorf("%s: %w; %d of %d keys are registered, the rest is not: run it again", found[i].where, err, i, len(bodies))
		}
	}
	if err := t.emit(cmd, result, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%d keys registered, %d were registered before\n", len(result.Registered), len(result.Known))
		return err
	}); err != nil {
		return err
	}
	var sent []*client.Submitted
	for _, a := range result.Registered {
		sent = append(sent, a.Submitted)
	}
	return v.certain(sent...)
}
