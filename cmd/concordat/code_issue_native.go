package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/healthcode"
	"concordat/healthcode/native"
	"concordat/ledger/statement"
)

func newCodeIssueHealth(t *terminal) *cobra.Command {
	var i issuing
	var h holding
	var status healthcode.Status
	var until, declaredAt, auditedAt moment
	var auditor string
	audit := choice{of: []string{string(healthcode.AuditPending), string(healthcode.AuditPassed), string(healthcode.AuditFailed)}}
	cmd := &cobra.Command{
		Use:   "health --key FILE --region REGION --status LEVEL --expires TIME",
		Short: "Issue a health code",
		Long: `  concordat code issue health --key xa-issuer/issuer.key --certificate xa-issuer/issuer.pem --region XA --status green --expires now+30d
  concordat code issue health --key xa-issuer/issuer.key --region XA --status yellow --scheme cn-health --legal-ground 'XA Act 7, section 3' --until now+7d --declared-at now-2h --audit passed --audited-at now-1h --auditor 'Health Office 1' --expires now+7d --out code.png

A health code (CHC1) gives a status under a scheme of levels, and tells of the
declaration that the person made and of its audit; what was declared is not in
the code. The schemes are those that regions publish on the ledger.

Every code issued with one --id is revoked by revoking that id.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			changed := cmd.Flags().Changed
			if declaredAt.IsZero() && (changed("audit") || changed("audited-at") || changed("auditor")) {
				return usage("--audit, --audited-at and --auditor tell of a declaration: give --declared-at")
			}
			issuer, err := i.issuer(cmd, t)
			if err != nil {
				return err
			}
			c, err := h.card(&i)
			if err != nil {
				return err
			}
			status.Until = until.Time
			c.Health = &native.Health{Status: status}
			if !declaredAt.IsZero() {
				c.Health.Declared = &healthcode.Declaration{
					At: declaredAt.Time, Audit: healthcode.Audit(cmp.Or(audit.value, string(healthcode.AuditPending))), AuditedAt: auditedAt.Time, Auditor: auditor,
				}
			}
			code, err := issuer.Native(c)
			if err != nil {
				return issueError(err)
			}
			return i.hand(cmd, t, code)
		},
	}
	i.flags(cmd)
	h.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&status.Level, "status", "", "`LEVEL` of the scheme: green")
	f.StringVar(&status.Scheme, "scheme", "health", "scheme that the level is of")
	f.StringVar(&status.LegalGround, "legal-ground", "", "on which the status was given")
	f.Var(&until, "until", "end of the status (default: with the code)")
	f.Var(&declaredAt, "declared-at", "when the person declared")
	f.Var(&audit, "audit", "what the audit of the declaration came to (default pending)")
	f.Var(&auditedAt, "audited-at", "when it was audited")
	f.StringVar(&auditor, "auditor", "", "the office that audited")
	require(cmd, "status")
	return cmd
}

func newCodeIssueItinerary(t *terminal) *cobra.Command {
	var i issuing
	var h holding
	var stays []string
	var file, covered string
	cmd := &cobra.Command{
		Use:   "itinerary --key FILE --region REGION --covered FROM,TO --expires TIME",
		Short: "Issue an itinerary card",
		Long: `  concordat code issue itinerary --key xa-issuer/issuer.key --region XA --id 0f1e2d3c4b5a69788796a5b4c3d2e1f0 --covered now-14d,now --stay XA,now-14d,now-9d --stay 310115,now-9d,now --expires now+1d
  concordat code issue itinerary --key xa-issuer/issuer.key --region XA --covered now-14d,now --stays stays.csv --expires now+1d --out card.png

An itinerary card (CHC1) says where somebody was in the time that it covers. Any
region judges it against its own risk areas and look-back.

A file of stays has one AREA,FROM,TO a line; lines that begin with # are
skipped. Stays are put in order. A six-digit GB/T 2260 code is an area of CN.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			issuer, err := i.issuer(cmd, t)
			if err != nil {
				return err
			}
			in := &native.Itinerary{}
			from, to, _ := strings.Cut(covered, ",")
			if in.Covered, err = span("--covered", from, to); err != nil {
				return err
			}
			for n, s := range stays {
				stay, err := parseStay(fmt.Sprintf("--stay %d", n+1), s)
				if err != nil {
					return err
				}
				in.Stays = append(in.Stays, stay)
			}
			if file != "" {
				listed, err := readStays(t, file)
				if err != nil {
					return err
				}
				in.Stays = append(in.Stays, listed...)
			}
			slices.SortStableFunc(in.Stays, func(a, b healthcode.Stay) int { return a.From.Compare(b.From) })
			c, err := h.card(&i)
			if err != nil {
				return err
			}
			c.Itinerary = in
			code, err := issuer.Native(c)
			if err != nil {
				return issueError(err)
			}
			return i.hand(cmd, t, code)
		},
	}
	i.flags(cmd)
	h.flags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&stays, "stay", nil, "one stay, as `AREA,FROM,TO`; repeat it")
	f.StringVar(&file, "stays", "", "`FILE` of stays, one a line; - is standard input")
	f.StringVar(&covered, "covered", "", "the time that the stays are all stays of, as `FROM,TO`")
	require(cmd, "covered")
	return cmd
}

// maxStaysFile bounds a file of stays, in bytes: many times what a card takes.
const maxStaysFile = 64 << 10

// readStays reads a file of stays. Errors name the line and nothing that is in it.
func readStays(t *terminal, path string) ([]healthcode.Stay, error) {
	raw, err := t.readInput(path, maxStaysFile)
	if err != nil {
		return nil, err
	}
	var stays []healthcode.Stay
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\ufeff"))))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		stay, err := parseStay(fmt.Sprintf("%s, line %d", path, n), line)
		if err != nil {
			return nil, err
		}
		stays = append(stays, stay)
	}
	if err := lines.Err(); err != nil {
		return nil, usage("%s: %w", path, err)
	}
	return stays, nil
}

// parseStay reads AREA,FROM,TO. Its errors do not repeat where somebody was.
func parseStay(where, s string) (healthcode.Stay, error) {
	cells := strings.Split(s, ",")
	if len(cells) != 3 {
		return healthcode.Stay{}, usage("%s has %d parts; want AREA,FROM,TO", where, len(cells))
	}
	area, err := statement.ParseArea(cells[0])
	if err != nil {
		return healthcode.Stay{}, usage("%s: the area is no area id, like CN-31-0115, 310115 or DE-BY", where)
	}
	times, err := span(where, cells[1], cells[2])
	if err != nil {
		return healthcode.Stay{}, err
	}
	return healthcode.Stay{Area: string(area), From: times.From, To: times.To}, nil
}

// span reads two times.
func span(where, from, to string) (healthcode.Span, error) {
	var times [2]time.Time
	for n, s := range []string{from, to} {
		t, err := parseTime(strings.TrimSpace(s))
		if err != nil {
			return healthcode.Span{}, usage("%s: the %s is no time; want RFC 3339 like 2026-02-15T00:00:00Z", where, []string{"beginning", "end"}[n])
		}
		times[n] = t
	}
	return healthcode.Span{From: times[0], To: times[1]}, nil
}
