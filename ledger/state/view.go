package state

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// View asks a state questions. What it returns is the caller's. Every error is
// a failure to read, ErrCorrupt or ErrLevel; that nothing is there is never an error.
type View struct{ Reader }

// Network is the founding document in short, as votes have changed it. A state
// without it is corrupt. One of a network whose protocol level is newer than this
// program gives ErrLevel.
func (v View) Network() (Network, error) {
	n, err := networks.load(v, networkKey())
	if err != nil {
		return Network{}, err
	}
	if n == nil {
		return Network{}, fmt.Errorf("%w: it has no founding record; was it ever founded?", ErrCorrupt)
	}
	if n.ProtocolLevel > genesis.ProtocolLevel {
		return Network{}, fmt.Errorf("%w: it is %d, and this program knows %d: install a newer version; nothing is lost",
			ErrLevel, n.ProtocolLevel, uint64(genesis.ProtocolLevel))
	}
	return *n, nil
}

// Authorities lists the authorities by id.
func (v View) Authorities() ([]Authority, error) {
	return list[Authority](v, []byte{tagAuthority})
}

// Authority is the authority that speaks for a region.
func (v View) Authority(id statement.Region) (Authority, bool, error) {
	return one[Authority](v, authorityKey(id))
}

// IssuerKey is the key that a region registered under a thumbprint.
func (v View) IssuerKey(region statement.Region, t statement.Thumbprint) (IssuerKey, bool, error) {
	return one[IssuerKey](v, issuerKeyKey(region, t))
}

// KeyFilter chooses issuers' keys. Its zero value chooses all.
type KeyFilter struct {
	Region statement.Region // "": any
	KeyID  []byte           // nil: any
	Status KeyStatus        // "": any
}

// IssuerKeys lists the issuers' keys that f chooses, by region and thumbprint.
func (v View) IssuerKeys(f KeyFilter) ([]IssuerKey, error) {
	var all []IssuerKey
	var err error
	switch {
	case f.KeyID != nil:
		all, err = v.IssuerKeysByKID(f.KeyID)
	case f.Region != "":
		all, err = list[IssuerKey](v, issuerKeyPrefix(f.Region))
	default:
		all, err = list[IssuerKey](v, []byte{tagIssuerKey})
	}
	if err != nil {
		return nil, err
	}
	var out []IssuerKey
	for _, k := range all {
		if (f.Region == "" || f.Region == k.Region) && (f.Status == "" || f.Status == k.Status) {
			out = append(out, k)
		}
	}
	return out, nil
}

// IssuerKeysByKID lists every registration with the kid, of whatever region:
// a kid is only an index, and two keys may have the same.
func (v View) IssuerKeysByKID(kid []byte) ([]IssuerKey, error) {
	if len(kid) > statement.MaxKeyID {
		return nil, nil // none can be registered with it
	}
	return v.registrations(keyIDPrefix(kid))
}

// IssuerKeysByPublicKey lists every registration of one public key, given as
// SubjectPublicKeyInfo in DER: a compromise under one region is then seen under another.
func (v View) IssuerKeysByPublicKey(spki []byte) ([]IssuerKey, error) {
	return v.registrations(publicKeyPrefix(spki))
}

// registrations reads the issuer keys that the index keys under prefix name (ST11).
func (v View) registrations(prefix []byte) ([]IssuerKey, error) {
	type name struct {
		region statement.Region
		thumb  statement.Thumbprint
	}
	var names []name
	err := v.Scan(prefix, func(key, value []byte) (bool, error) {
		region, thumb, err := splitRegistration(key, prefix)
		if err != nil {
			return false, err
		}
		if !bytes.Equal(value, present) {
			return false, fmt.Errorf("%w: index key %x has value %x, want %x", ErrCorrupt, key, value, present)
		}
		names = append(names, name{region, thumb})
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading keys under %x: %w", prefix, err)
	}
	var out []IssuerKey
	for _, n := range names {
		k, err := load[IssuerKey](v, issuerKeyKey(n.region, n.thumb))
		if err != nil {
			return nil, err
		}
		if k == nil {
			return nil, fmt.Errorf("%w: an index names key %s of %s, which is not there", ErrCorrupt, n.thumb, n.region)
		}
		out = append(out, *k)
	}
	return out, nil
}

// Batch is what the statement at index said with its batch of revocation hashes.
func (v View) Batch(index uint64) (Batch, bool, error) {
	b, err := loadBatch(v, index)
	if err != nil || b == nil {
		return Batch{}, false, err
	}
	return *b, true, nil
}

// Batches calls fn for every batch of revocation hashes, in the order of the
// log, until fn returns false or an error, which Batches returns.
func (v View) Batches(fn func(index uint64, b Batch) (more bool, err error)) error {
	return v.Scan([]byte{tagBatch}, func(key, value []byte) (bool, error) {
		b, err := parseBatch(key, value)
		if err != nil {
			return false, err
		}
		return fn(binary.BigEndian.Uint64(key[1:]), *b)
	})
}

// Totals counts what an authority said in batches of one type of hash.
func (v View) Totals(authority statement.Region, t statement.HashType) (Totals, error) {
	return loadTotals(v, authority, t)
}

// Recognition is what grantor recognises of grantee's codes; false if it has
// never granted any. A region's recognition of itself is not in the state.
func (v View) Recognition(grantor, grantee statement.Region) (Recognition, bool, error) {
	return one[Recognition](v, recognitionKey(grantor, grantee))
}

// Recognitions lists every recognition, withdrawn ones included, by grantor and grantee.
func (v View) Recognitions() ([]Recognition, error) {
	return list[Recognition](v, []byte{tagRecognition})
}

// RecognitionsBy lists what one region recognises, by grantee.
func (v View) RecognitionsBy(grantor statement.Region) ([]Recognition, error) {
	return list[Recognition](v, recognitionPrefix(grantor))
}

// RiskAreas is what each authority said of exactly this area, lifted ones
// included, by authority and scheme. For what covers it, ask for its Ancestors too.
func (v View) RiskAreas(area statement.Area) ([]RiskArea, error) {
	return list[RiskArea](v, riskPrefix(area))
}

// RiskAreasAll lists every risk area, lifted ones included, by area, authority and scheme.
func (v View) RiskAreasAll() ([]RiskArea, error) {
	return list[RiskArea](v, []byte{tagRisk})
}

// RiskArea is one authority's word on an area in a scheme.
func (v View) RiskArea(authority statement.Region, scheme string, area statement.Area) (RiskArea, bool, error) {
	return one[RiskArea](v, riskKey(area, authority, scheme))
}

// Revision is the current revision of a subject, as a statement's Subject
// names it; 0 for one that does not exist and for those without revisions. A
// statement about the subject makes the next.
func (v View) Revision(subject string) (uint64, error) {
	part := strings.Split(subject, "/")
	switch {
	case part[0] == "authority" && len(part) == 2:
		a, _, err := v.Authority(statement.Region(part[1]))
		return a.Revision, err
	case part[0] == "proposals" && len(part) == 2:
		c, _, err := one[proposalCount](v, proposalCountKey(statement.Region(part[1])))
		return c.Made, err
	case part[0] == "issuer-key" && len(part) == 3:
		var t statement.Thumbprint
		if n, err := hex.Decode(t[:], []byte(cut(part[2], 2*len(t)))); err != nil || n != len(t) || t.String() != part[2] {
			return 0, nil
		}
		k, _, err := v.IssuerKey(statement.Region(part[1]), t)
		return k.Revision, err
	case part[0] == "risk-area" && len(part) == 4:
		a, _, err := v.RiskArea(statement.Region(part[1]), part[2], statement.Area(part[3]))
		return a.Revision, err
	case part[0] == "recognition" && len(part) == 3:
		g, _, err := v.Recognition(statement.Region(part[1]), statement.Region(part[2]))
		return g.Revision, err
	case part[0] == "rule" && len(part) == 4:
		r, _, err := v.Rule(statement.Region(part[1]), part[2], part[3])
		return r.Revision, err
	case part[0] == "value-set" && len(part) == 3:
		s, _, err := v.ValueSet(statement.Region(part[1]), part[2])
		return s.Revision, err
	case part[0] == "risk-scheme" && len(part) == 3:
		s, _, err := v.Scheme(statement.Region(part[1]), part[2])
		return s.Revision, err
	case part[0] == "special-case" && len(part) == 3:
		c, _, err := v.SpecialCase(statement.Region(part[1]), part[2])
		return c.Revision, err
	}
	return 0, nil
}

// cut shortens s to at most n bytes.
func cut(s string, n int) string { return s[:min(n, len(s))] }

func one[T any, P record[T]](r Reader, key []byte) (T, bool, error) {
	rec, err := load[T, P](r, key)
	if err != nil || rec == nil {
		var none T
		return none, false, err
	}
	return *rec, true, nil
}
