package shc

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"concordat/healthcode"
)

// CRL is a card revocation list: what an issuer has revoked of the cards under one
// key (specification, Revocation).
type CRL struct {
	KeyID   []byte // the key's thumbprint, 32 bytes
	Counter uint64 // of the list's versions, from 1 on
	Groups  []CRLGroup
}

// CRLGroup is what a list revokes up to one time, in the order of the list.
type CRLGroup struct {
	// IssuedBefore spares the cards whose nbf is that time or later. The zero time
	// spares none.
	IssuedBefore time.Time
	Hashes       [][16]byte // as by RevocationHash
}

// ParseCRL reads the JSON of a list, {"kid", "method": "rid", "ctr", "rids":
// ["<rid>[.<seconds>]", …]}. Groups come with the zero time first and then by
// time; an identifier that is there twice is there twice. One entry that is
// wrong refuses the list, because to leave it out would be to reinstate a card.
//
// Errors wrap healthcode.ErrUnreadable.
func ParseCRL(data []byte) (CRL, error) {
	list, err := parseCRL(data)
	if err != nil {
		return CRL{}, fmt.Errorf("unreadable card revocation list: %w", err)
	}
	return list, nil
}

func parseCRL(data []byte) (list CRL, err error) {
	if len(data) > MaxCRL {
		return CRL{}, tooLong("a list", len(data), MaxCRL)
	}
	var (
		kid, method string
		counted     bool
		rids        = -1 // where they begin: kid may stand behind them
	)
	err = document("list", data, func(r *reader) error {
		err := r.object(func(name []byte) (err error) {
			switch string(name) {
			case "kid":
				kid, err = r.text(healthcode.ErrClaims, "kid")
			case "method":
				method, err = r.text(healthcode.ErrClaims, "method")
			case "ctr":
				counted = true
				list.Counter, err = r.counter()
			case "rids":
				rids = r.at
				err = r.skip()
			default:
				err = r.skip()
			}
			return err
		})
		if err != nil {
			return err
		}
		after := r.at
		switch {
		case kid == "":
			return claimsError("kid is missing")
		case method != "rid":
			return claimsError("method is not rid, the one of the specification")
		case !counted:
			return claimsError("ctr is missing")
		case rids < 0:
			return claimsError("rids is missing")
		}
		var key [32]byte
		if err := decodeKID(&key, []byte(kid)); err != nil {
			return err
		}
		list.KeyID = key[:]
		r.at = rids
		err = list.readRIDs(r)
		r.at = after
		return err
	})
	return list, err
}

func (l *CRL) readRIDs(r *reader) error {
	if err := r.want('[', healthcode.ErrClaims, "rids"); err != nil {
		return err
	}
	groups := map[int64]*CRLGroup{}
	place := 0
	err := r.array(MaxCRL, func() error {
		place++
		if err := r.want('"', healthcode.ErrClaims, "an element of rids"); err != nil {
			return err
		}
		entry, err := r.string()
		if err != nil {
			return err
		}
		rid, before, err := parseRID(entry)
		if err != nil {
			return fmt.Errorf("%w: entry %d of rids: %w", healthcode.ErrClaims, place, err)
		}
		g := groups[before]
		if g == nil {
			g = &CRLGroup{}
			if before != 0 {
				g.IssuedBefore = time.Unix(before, 0).UTC()
			}
			groups[before] = g
		}
		g.Hashes = append(g.Hashes, RevocationHash(l.KeyID, rid))
		return nil
	})
	if err != nil {
		return err
	}
	for _, before := range slices.Sorted(maps.Keys(groups)) {
		l.Groups = append(l.Groups, *groups[before])
	}
	return nil
}

// parseRID takes "<rid>[.<seconds>]" apart; 0: without a time. A time of 0 is
// refused, since it would revoke nothing and be taken for none, which revokes all.
func parseRID(entry []byte) (rid string, before int64, err error) {
	id, stamp, timed := bytes.Cut(entry, []byte{'.'})
	if !validRID(id) {
		return "", 0, fmt.Errorf("an identifier of %d characters that is not 1 to %d of base64url", len(id), MaxRID)
	}
	if !timed {
		return string(id), 0, nil
	}
	before, err = strconv.ParseInt(string(stamp), 10, 64)
	switch {
	case err != nil || stamp[0] == '+' || before < 1:
		return "", 0, fmt.Errorf("its time, %d characters, is no number of seconds since 1970", len(stamp))
	case before > latest:
		return "", 0, fmt.Errorf("its time is beyond the year 9999: it seems to count milliseconds, where seconds are asked for")
	}
	return string(id), before, nil
}

// counter reads a whole number, as such or as a string: issuers write both.
func (r *reader) counter() (uint64, error) {
	const wrong = "ctr is no whole number"
	var digits []byte
	var err error
	if r.peek() == '"' {
		digits, err = r.string()
	} else {
		digits, err = r.value()
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		return 0, claimsError(wrong)
	}
	return n, nil
}
