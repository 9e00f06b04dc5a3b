package hc1

import (
	"fmt"
	"math"
	"time"

	"concordat/healthcode"
)

// Claim keys: RFC 8392 section 3.1 and hcert_spec 3.3.
const (
	claimIss   = 1
	claimExp   = 4
	claimNbf   = 5
	claimIat   = 6
	claimHcert = -260
	euDCCv1    = 1
)

// The span of times that Go and JSON can both write down, in seconds since 1970.
const (
	earliest = 0
	latest   = 253402300799 // 9999-12-31T23:59:59Z
)

// credential is the decoded payload.
type credential struct {
	issuer                         string
	issuedAt, notBefore, expiresAt time.Time
	kind                           healthcode.Kind
	subject                        table // eu_dcc_v1: name and date of birth
	entry                          table // the one vaccination, test or recovery
}

// parseClaims reads the CWT claims set in a payload. Claims that are not named
// above are ignored.
func parseClaims(payload []byte) (*credential, error) {
	if len(payload) == 0 {
		return nil, fmt.Errorf("%w: the payload is empty", healthcode.ErrClaims)
	}
	claims, err := asTable(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: claims set: %w", healthcode.ErrClaims, err)
	}
	c := &credential{}
	if c.issuer, err = shown(claims.label(claimIss)); err != nil {
		return nil, fmt.Errorf("%w: iss: %w", healthcode.ErrClaims, err)
	}
	for _, t := range []struct {
		name  string
		label int64
		into  *time.Time
	}{{"iat", claimIat, &c.issuedAt}, {"nbf", claimNbf, &c.notBefore}, {"exp", claimExp, &c.expiresAt}} {
		if *t.into, err = numericDate(claims.label(t.label)); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", healthcode.ErrClaims, t.name, err)
		}
	}
	hcert := claims.label(claimHcert)
	if hcert == nil {
		return nil, fmt.Errorf("%w: claim -260 (hcert) is missing", healthcode.ErrClaims)
	}
	container, err := asTable(hcert)
	if err != nil {
		return nil, fmt.Errorf("%w: hcert: %w", healthcode.ErrClaims, err)
	}
	dcc := container.label(euDCCv1)
	if dcc == nil {
		return nil, fmt.Errorf("%w: hcert: key 1 (eu_dcc_v1) is missing", healthcode.ErrClaims)
	}
	if c.subject, err = asTable(dcc); err != nil {
		return nil, fmt.Errorf("%w: eu_dcc_v1: %w", healthcode.ErrClaims, err)
	}
	c.kind, c.entry, err = onlyEntry(c.subject)
	return c, err
}

// numericDate reads a time as issuers write it: seconds since 1970 as an
// integer or a float, tagged (1) or not; or RFC 3339 text, tagged (0) or not.
// The zero time stands for an absent claim. What lies outside of the years 1970
// to 9999 is read as their edge: an absurd expiry still means "late" and an
// absurd time of issue still lies in the future.
func numericDate(it item) (time.Time, error) {
	if it == nil {
		return time.Time{}, nil
	}
	value, _, _, err := asScalar(it)
	if err != nil {
		return time.Time{}, err
	}
	switch v := value.(type) {
	case uint64:
		return time.Unix(int64(min(v, latest)), 0).UTC(), nil
	case int64: // negative, by fxamacker/cbor's choice of types
		return time.Unix(max(v, earliest), 0).UTC(), nil
	case float64:
		if math.IsNaN(v) {
			return time.Time{}, fmt.Errorf("%w: the time is not a number", healthcode.ErrClaims)
		}
		v = min(max(v, earliest), latest)
		whole, fraction := math.Modf(v)
		return time.Unix(int64(whole), int64(fraction*1e9)).UTC().Round(time.Microsecond), nil
	case string:
		t, err := time.Parse(time.RFC3339, v)
		if err != nil {
			return time.Time{}, fmt.Errorf("%w: a text of %d bytes is not an RFC 3339 time", healthcode.ErrClaims, len(v))
		}
		// Clamped like the numbers, so that no text can spell the zero time,
		// which would read as "absent".
		if t.Unix() < earliest {
			t = time.Unix(earliest, 0)
		}
		return t.UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%w: a time must be a number of seconds", healthcode.ErrClaims)
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
func onlyEntry(dcc table) (healthcode.Kind, table, error) {
	var (
		kind  healthcode.Kind
		entry item
		count int
	)
	for _, group := range groups {
		it := dcc.text(group.key)
		if it == nil {
			continue
		}
		items, err := asArray(it)
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
	t, err := asTable(entry)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %s: %w", healthcode.ErrEntries, kind, err)
	}
	return kind, t, nil
}
