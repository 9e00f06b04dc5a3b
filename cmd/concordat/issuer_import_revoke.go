package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"concordat/client"
	"concordat/healthcode/shc"
	"concordat/ledger/statement"
)

// Whoever writes a revocation list decides how many different times are in it,
// and each is a statement that this authority signs.
const (
	unaskedBatches = 1_000   // beyond so many statements --yes is needed; the VCI directory's come to 55
	mostBatches    = 100_000 // as many as a list may have keys
)

// revocations makes batches of the list's revocation lists: one for each time
// before which codes are revoked, of all issuers together.
func (m *importing) revocations(t *terminal, p *plan) error {
	if m.noRevocations || len(p.list.CRLs) == 0 {
		return nil
	}
	if m.untilGiven = !m.revokedUntil.IsZero(); !m.untilGiven {
		m.revokedUntil.Time = time.Date(m.now.UTC().Year()+10, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	taken := map[string]bool{}
	for _, k := range p.keys {
		taken[string(k.key.KeyID)] = true
	}
	groups := map[statement.Time][]statement.RevocationHash{}
	for _, c := range p.list.CRLs {
		if !taken[string(c.KeyID)] {
			continue // its key is not registered, so none of its codes is good
		}
		crl, err := shc.ParseCRL(c.Raw)
		if err != nil {
			t.say("remark: %s is left out: %v", c.Where, err)
			continue
		}
		if !bytes.Equal(crl.KeyID, c.KeyID) {
			t.say("remark: %s is left out: it names its key twice", c.Where)
			continue
		}
		for _, g := range crl.Groups {
			at := statement.TimeOf(g.IssuedBefore)
			for _, h := range g.Hashes {
				groups[at] = append(groups[at], h)
			}
		}
	}
	batches := 0
	for at, hashes := range groups { // any order: they are added up
		// Sorted, so that the same list gives the same batches.
		slices.SortFunc(hashes, func(a, b statement.RevocationHash) int { return bytes.Compare(a[:], b[:]) })
		groups[at] = slices.Compact(hashes)
		batches += (len(groups[at]) + statement.MaxBatchHashes - 1) / statement.MaxBatchHashes
	}
	switch {
	case batches > mostBatches:
		return usage("nothing was sent: the list's revocation lists come to %d statements, at most %d in one import: each time before which they revoke is one; --no-revocations leaves them out", batches, mostBatches)
	case batches > unaskedBatches && !m.yes:
		return usage("nothing was sent: the list's revocation lists come to %d statements, since each time before which they revoke is one, and more than %d are not signed unasked; --yes signs them, --no-revocations leaves them out", batches, unaskedBatches)
	}
	for _, before := range sortedTimes(groups) {
		for part := range slices.Chunk(groups[before], statement.MaxBatchHashes) {
			attachment := statement.NewAttachment(part)
			batch := statement.NewBatch(statement.HashRID, attachment, m.revokedUntil.of(), "revoked by its issuer, as "+m.source(p)+" says")
			batch.IssuedBefore = before
			body := &statement.Revoke{Batch: batch}
			words, err := wordsOf(p.id, body)
			if err != nil {
				return err
			}
			j := newJob(words, body, 0, fmt.Sprintf("revocation batch %d", len(p.revoke)+1))
			j.saying.attachment = attachment
			p.revoke = append(p.revoke, j)
		}
	}
	return nil
}

// source names the list in a reason that everybody reads.
func (m *importing) source(p *plan) string {
	if p.list.Time.IsZero() {
		return "a " + string(p.list.Format) + " list"
	}
	return fmt.Sprintf("a %s list of %s", p.list.Format, stamp(&p.list.Time))
}

func sortedTimes(groups map[statement.Time][]statement.RevocationHash) []statement.Time {
	out := make([]statement.Time, 0, len(groups))
	for at := range groups {
		out = append(out, at)
	}
	slices.Sort(out)
	return out
}

// newRevocations leaves those batches that this authority has said already, to
// the hash, and that still count. What it said afterwards to take one back is
// not overturned by a list.
func (m *importing) newRevocations(ctx context.Context, c *client.Client, p *plan, reachable bool) error {
	if len(p.revoke) == 0 || !reachable {
		return nil
	}
	wanted := map[string][]*job{}
	for _, j := range p.revoke {
		digest := j.saying.body.(*statement.Revoke).Digest
		wanted[hex.EncodeToString(digest[:])] = append(wanted[hex.EncodeToString(digest[:])], j)
	}
	least := statement.TimeOf(m.now)
	if m.untilGiven {
		least = m.revokedUntil.of()
	}
	filter := client.Filter{Kind: string(statement.RevocationAdd), Authority: string(p.id), Limit: 1000}
	said := map[*job]bool{}
	for {
		page, err := c.Statements(ctx, filter)
		if err != nil {
			return err
		}
		for i := range page.Statements {
			s := &page.Statements[i]
			digest, _ := s.Body["digest"].(string)
			if len(wanted[digest]) == 0 {
				continue
			}
			raw, err := c.Raw(ctx, strconv.FormatUint(s.Index, 10))
			if err != nil {
				return err
			}
			u, err := statement.Parse(raw)
			if err != nil {
				return client.Fail(client.NotUnderstood, "statement %d: %v", s.Index, err)
			}
			st := u.Statement()
			old, is := st.Body.(*statement.Revoke)
			for _, j := range wanted[digest] {
				b := j.saying.body.(*statement.Revoke)
				if is && st.Issuer == p.id && old.HashType == b.HashType && old.Digest == b.Digest && old.IssuedBefore == b.IssuedBefore && old.Expires >= least {
					said[j] = true
				}
			}
		}
		if page.Next == nil {
			break
		}
		filter.After = page.Next
	}
	p.answer.Batches = len(said)
	p.revoke = slices.DeleteFunc(p.revoke, func(j *job) bool { return said[j] })
	return nil
}
