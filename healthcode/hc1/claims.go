package hc1

import (
	"fmt"
	"time"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
)

// Claim keys of hcert_spec 3.3, beside those of RFC 8392.
const (
	claimHcert = -260
	euDCCv1    = 1
)

// credential is the decoded payload.
type credential struct {
	issuer                         string
	issuedAt, notBefore, expiresAt time.Time
	kind                           healthcode.Kind
	dcc                            cwt.Item  // eu_dcc_v1, as received
	subject                        cwt.Table // what is in it: name and date of birth
	entry                          cwt.Table // the one vaccination, test or recovery
}

// parseClaims reads the CWT claims set in a payload. Claims that are not named
// above are ignored.
func parseClaims(payload []byte) (*credential, error) {
	if len(payload) == 0 {
		return nil, fmt.Errorf("%w: the payload is empty", healthcode.ErrClaims)
	}
	set, err := cwt.Parse(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: claims set: %w", healthcode.ErrClaims, err)
	}
	claims, err := set.Table()
	if err != nil {
		return nil, fmt.Errorf("%w: claims set: %w", healthcode.ErrClaims, err)
	}
	c := &credential{}
	if c.issuer, err = claims.Label(cwt.ClaimIss).Shown(); err != nil {
		return nil, fmt.Errorf("%w: iss: %w", healthcode.ErrClaims, err)
	}
	for _, t := range []struct {
		name  string
		label int64
		into  *time.Time
	}{{"iat", cwt.ClaimIat, &c.issuedAt}, {"nbf", cwt.ClaimNbf, &c.notBefore}, {"exp", cwt.ClaimExp, &c.expiresAt}} {
		if *t.into, err = claims.Label(t.label).Time(); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", healthcode.ErrClaims, t.name, err)
		}
	}
	hcert := claims.Label(claimHcert)
	if hcert == nil {
		return nil, fmt.Errorf("%w: claim -260 (hcert) is missing", healthcode.ErrClaims)
	}
	container, err := hcert.Table()
	if err != nil {
		return nil, fmt.Errorf("%w: hcert: %w", healthcode.ErrClaims, err)
	}
	if c.dcc = container.Label(euDCCv1); c.dcc == nil {
		return nil, fmt.Errorf("%w: hcert: key 1 (eu_dcc_v1) is missing", healthcode.ErrClaims)
	}
	if c.subject, err = c.dcc.Table(); err != nil {
		return nil, fmt.Errorf("%w: eu_dcc_v1: %w", healthcode.ErrClaims, err)
	}
	c.kind, c.entry, err = onlyEntry(c.subject)
	return c, err
}

// The three groups of the DCC schema. A fixed order, so that errors are the
// same on every run.
var groups = []struct {
	key  string
	kind healthcode.Kind
}{
	{"v", healthcode.Vaccination},
	{"t", healthcode.Test},
	{"r", healthcode.Recovery},
}

// onlyEntry finds the one entry that a DCC holds. None, or more than one in all
// groups together, is refused: which of two would the answer be about? (Schema
// 1.3.0 maxItems 1; dcc-quality-assurance SpecialCaseHandling.md.) A group that
// is null or empty is as good as absent.
func onlyEntry(dcc cwt.Table) (healthcode.Kind, cwt.Table, error) {
	var (
		kind  healthcode.Kind
		entry cwt.Item
		count int
	)
	for _, group := range groups {
		it := dcc.Text(group.key)
		if it == nil {
			continue
		}
		items, err := it.Array()
		if err != nil {
			return "", nil, fmt.Errorf("%w: group %s: %w", healthcode.ErrEntries, group.key, err)
		}
		if len(items) > 0 {
			kind, entry = group.kind, items[0]
			count += len(items)
		}
	}
	if count != 1 {
		return "", nil, fmt.Errorf("%w: %d entries in the groups v, t and r; exactly 1 is accepted", healthcode.ErrEntries, count)
	}
	t, err := entry.Table()
	if err != nil {
		return "", nil, fmt.Errorf("%w: %s: %w", healthcode.ErrEntries, kind, err)
	}
	return kind, t, nil
}
