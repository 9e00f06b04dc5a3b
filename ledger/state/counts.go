package state

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"concordat/ledger/statement"
)

// What a check reads whole is bounded for each authority, whatever has become
// of it since, because nothing is ever removed: without a bound one authority
// could make everybody's checks as slow as it likes, for good. An honest
// authority comes nowhere near the bounds.
const (
	// MaxKeysPerID bounds the keys that one authority may register with one
	// kid: a check tries every key with the kid that a code names. Two keys have
	// one kid by rare chance; one key may have a few certificates.
	MaxKeysPerID = 16
	// MaxRegistrations bounds how often one authority may register one public
	// key, under whichever kid and certificate: a check asks what was said of
	// each registration of the key that made the code.
	MaxRegistrations = 16
	// MaxSchemes bounds the schemes in which one authority may speak of one
	// area: a check reads everyone's word on each area of an itinerary.
	MaxSchemes = 16
)

// A count tells Apply with one Get (ST2) how much of something there is. It
// never falls.

// keyCount is how many keys a region has registered with one kid.
type keyCount struct {
	Region statement.Region `cbor:"1,keyasint"`
	KeyID  []byte           `cbor:"2,keyasint"`
	Keys   uint64           `cbor:"3,keyasint"`
}

// registrationCount is how often a region has registered one public key.
type registrationCount struct {
	Region statement.Region  `cbor:"1,keyasint"`
	Key    [sha256.Size]byte `cbor:"2,keyasint"` // SHA-256 of the SubjectPublicKeyInfo
	Times  uint64            `cbor:"3,keyasint"`
}

// schemeCount is in how many schemes an authority has ever spoken of an area.
type schemeCount struct {
	Authority statement.Region `cbor:"1,keyasint"`
	Area      statement.Area   `cbor:"2,keyasint"`
	Schemes   uint64           `cbor:"3,keyasint"`
}

func (c *keyCount) key() []byte          { return keyCountKey(c.Region, c.KeyID) }
func (c *registrationCount) key() []byte { return registrationCountKey(c.Region, c.Key) }
func (c *schemeCount) key() []byte       { return schemeCountKey(c.Area, c.Authority) }

func (c *keyCount) check() error {
	if n := len(c.KeyID); n < 1 || n > statement.MaxKeyID {
		return fmt.Errorf("kid of %d bytes, want 1 to %d", n, statement.MaxKeyID)
	}
	return checkCount("keys with one kid", c.Keys, MaxKeysPerID, c.Region)
}

func (c *registrationCount) check() error {
	return checkCount("registrations of one public key", c.Times, MaxRegistrations, c.Region)
}

func (c *schemeCount) check() error {
	if err := c.Area.Validate(); err != nil {
		return err
	}
	return checkCount("schemes on one area", c.Schemes, MaxSchemes, c.Authority)
}

func checkCount(of string, n, most uint64, by statement.Region) error {
	if n < 1 || n > most {
		return fmt.Errorf("%d %s, want 1 to %d", n, of, most)
	}
	return by.Validate()
}

func (c *keyCount) words() string {
	return fmt.Sprintf("%s has %s with kid %x", c.Region, count(c.Keys, "key", "keys"), c.KeyID)
}

func (c *registrationCount) words() string {
	return fmt.Sprintf("%s has registered public key %x %s", c.Region, c.Key[:8], count(c.Times, "time", "times"))
}

func (c *schemeCount) words() string {
	return fmt.Sprintf("%s has spoken of %s in %s", c.Authority, c.Area, count(c.Schemes, "scheme", "schemes"))
}

// oneMoreKey is the count of the issuer's keys with the kid, once one more is
// registered; the verdict says that it would be too many (ST12).
func (a *act) oneMoreKey(kid []byte) (*keyCount, Verdict, error) {
	n, err := load[keyCount](a.r, keyCountKey(a.by, kid))
	if err != nil {
		return nil, Verdict{}, err
	}
	if n == nil {
		n = &keyCount{Region: a.by, KeyID: kid}
	}
	if n.Keys >= MaxKeysPerID {
		return nil, refuse(TooManyKeys, "register the key with a kid of its own; retired and compromised keys count too",
			"%s has registered %d keys with kid %x, at most %d", a.by, n.Keys, kid, MaxKeysPerID), nil
	}
	n.Keys++
	return n, Verdict{}, nil
}

// oneMoreRegistration is oneMoreKey for a public key, under whichever kid.
func (a *act) oneMoreRegistration(spki []byte) (*registrationCount, Verdict, error) {
	sum := sha256.Sum256(spki)
	n, err := load[registrationCount](a.r, registrationCountKey(a.by, sum))
	if err != nil {
		return nil, Verdict{}, err
	}
	if n == nil {
		n = &registrationCount{Region: a.by, Key: sum}
	}
	if n.Times >= MaxRegistrations {
		return nil, refuse(TooManyKeys, "register another key; retired and compromised registrations count too",
			"%s has registered this public key %d times, at most %d", a.by, n.Times, MaxRegistrations), nil
	}
	n.Times++
	return n, Verdict{}, nil
}

// oneMoreScheme is the same for the schemes in which the issuer speaks of an area.
func (a *act) oneMoreScheme(area statement.Area) (*schemeCount, Verdict, error) {
	n, err := load[schemeCount](a.r, schemeCountKey(area, a.by))
	if err != nil {
		return nil, Verdict{}, err
	}
	if n == nil {
		n = &schemeCount{Authority: a.by, Area: area}
	}
	if n.Schemes >= MaxSchemes {
		return nil, refuse(TooManySchemes, "use a scheme in which the area was declared before; lifted declarations count too",
			"%s has spoken of %s in %d schemes, at most %d", a.by, area, n.Schemes, MaxSchemes), nil
	}
	n.Schemes++
	return n, Verdict{}, nil
}

// counts holds, by the key of each count, how many were counted less how many
// there are. It sees both in whatever order they stand.
type counts map[string]int

// see takes in one entry that describe has found to be as it must be.
func (c counts) see(key, value []byte) error {
	with := func(tag byte, rest []byte) string { return string(tag) + string(rest) }
	registered := func() []byte { return key[1 : len(key)-sha256.Size-1] } // without 0 and thumbprint
	switch key[0] {
	case tagKeyCount:
		n, err := parse[keyCount](key, value)
		if err != nil {
			return err
		}
		c[string(key)] += int(n.Keys)
	case tagRegistrationCount:
		n, err := parse[registrationCount](key, value)
		if err != nil {
			return err
		}
		c[string(key)] += int(n.Times)
	case tagSchemeCount:
		n, err := parse[schemeCount](key, value)
		if err != nil {
			return err
		}
		c[string(key)] += int(n.Schemes)
	case tagByKeyID:
		c[with(tagKeyCount, registered())]--
	case tagByPublicKey:
		c[with(tagRegistrationCount, registered())]--
	case tagRisk:
		a, err := parse[RiskArea](key, value)
		if err != nil {
			return err
		}
		c[string(schemeCountKey(a.Area, a.Authority))]--
	}
	return c.seePublished(key, value)
}

// check checks ST12, when all has been seen.
func (c counts) check() error {
	for _, key := range slices.Sorted(maps.Keys(c)) { // in order, so that the error is the same every time
		if c[key] != 0 {
			return fmt.Errorf("%w: the count under key %x is %+d off from what there is", ErrCorrupt, key, c[key])
		}
	}
	return nil
}
