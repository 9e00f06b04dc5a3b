package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"concordat/healthcode"
	"concordat/healthcode/intake"
	"concordat/recognition"
)

// shownCode is what stands in a code, which nobody has vouched for.
type shownCode struct {
	Verified  bool               `json:"verified"` // never
	Format    string             `json:"format"`
	Kind      string             `json:"kind"`
	Algorithm string             `json:"algorithm"`
	KeyID     string             `json:"kid,omitempty"` // hex
	Issuer    string             `json:"issuer,omitempty"`
	IssuedAt  string             `json:"issuedAt,omitempty"`
	NotBefore string             `json:"notBefore,omitempty"`
	ExpiresAt string             `json:"expiresAt,omitempty"`
	Fields    recognition.Fields `json:"fields,omitempty"`
	Hashes    []hashOfCode       `json:"revocation"`
	Payload   any                `json:"payload,omitempty"`
}

func newCodeShow(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "show CODE|FILE…",
		Short: "Show what stands in a code, which nobody has vouched for",
		Long: `  concordat code show code.png
  concordat code issue health --key xa-issuer/issuer.key --region XA --status green --expires now+30d | concordat code show -
  concordat code show --json 'CHC1:…'

No signature is checked and no node is asked: anybody can make a code that says
what this shows. To know whether a code is honoured, use concordat check.

A FILE is a picture (PNG, JPEG), or holds the texts of codes; - is standard input.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			texts, unread, err := readShown(t, args)
			if err != nil {
				return err
			}
			if len(unread) > 0 {
				return usage("no code could be seen in a picture; is it sharp, whole and not too small?")
			}
			shown := make([]intake.Shown, len(texts))
			for i, text := range texts {
				shown[i] = intake.Text(text)
			}
			codes := []shownCode{}
			for _, r := range intake.Read(shown) {
				if r.Err != nil {
					return usage("code %d: %w", r.Texts[0]+1, r.Err)
				}
				codes = append(codes, show(r.Unverified))
			}
			return t.emit(cmd, map[string]any{"codes": codes}, func(w io.Writer) error {
				p := &printer{w: w}
				for _, c := range codes {
					p.shown(c)
				}
				return p.err
			})
		},
	}
}

func show(u healthcode.Unverified) shownCode {
	c, _ := healthcode.ClaimsUnverified(u)
	s := shownCode{
		Format: string(u.Format()), Kind: string(c.Kind), Algorithm: string(c.Algorithm), KeyID: hex.EncodeToString(u.KeyID()),
		Issuer: c.Issuer, Fields: recognition.Fields(c.Fields), Hashes: hashesOf(u.RevocationHashes()),
	}
	for _, t := range []struct {
		at   time.Time
		into *string
	}{{c.IssuedAt, &s.IssuedAt}, {c.NotBefore, &s.NotBefore}, {c.ExpiresAt, &s.ExpiresAt}} {
		if !t.at.IsZero() {
			*t.into = stamp(&t.at)
		}
	}
	if c.Payload != nil {
		s.Payload = c.Payload()
	}
	return s
}

// shown prints a code for people.
func (p *printer) shown(c shownCode) {
	p.line("NOT VERIFIED: what follows stands in the code, and nobody has vouched for it")
	p.line("%-24s  %s %s", "code", c.Format, c.Kind)
	for _, f := range append([]healthcode.Field{
		{Name: "issuer", Value: c.Issuer}, {Name: "issued", Value: c.IssuedAt}, {Name: "not before", Value: c.NotBefore}, {Name: "expires", Value: c.ExpiresAt},
		{Name: "key id", Value: c.KeyID}, {Name: "algorithm", Value: c.Algorithm},
	}, c.Fields...) {
		if f.Value != "" {
			p.line("%-24s  %s", f.Name, f.Value)
		}
	}
	for _, h := range c.Hashes {
		p.line("%-24s  %s", fmt.Sprintf("revoked by %s as", h.Type), h.Hash)
	}
}
