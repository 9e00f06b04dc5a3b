package recognition

import (
	"crypto"
	"fmt"
	"slices"
	"time"

	"concordat/healthcode"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// State is what a decision reads, pinned to one size. state.View is one. Lists
// come in a fixed order; an error means that no answer may be given.
type State interface {
	// Authority gives the authority of a region, be it suspended or expelled; false
	// if the region never had one.
	Authority(statement.Region) (state.Authority, bool, error)
	// IssuerKeysByKID gives every registration with a key id, by whomever.
	IssuerKeysByKID(kid []byte) ([]state.IssuerKey, error)
	// IssuerKeysByPublicKey gives every registration of a public key
	// (SubjectPublicKeyInfo, DER), by whomever and under whichever key id.
	IssuerKeysByPublicKey(spki []byte) ([]state.IssuerKey, error)
	// Revocations gives what was said of a hash, of whichever type, by whomever:
	// the first limit events, and whether there are more.
	Revocations(h statement.RevocationHash, limit int) (events []state.RevocationEvent, more bool, err error)
	// RevocationsBy gives everything that one authority said of a hash of a type, by index.
	RevocationsBy(statement.RevocationHash, statement.HashType, statement.Region) ([]state.RevocationEvent, error)
	// RevocationReason gives the reason that was given with an event.
	RevocationReason(state.RevocationEvent) (string, error)
	// Recognition gives how grantor's recognition of grantee stands; false if there never was one.
	Recognition(grantor, grantee statement.Region) (state.Recognition, bool, error)
	// RiskAreas gives every authority's word on exactly this area, in every scheme.
	RiskAreas(statement.Area) ([]state.RiskArea, error)
}

// judge is one run of Decide: the question, and what was read for it already.
type judge struct {
	state      State
	query      Query
	keys       *keyCache
	signatures signatures
	at         int // the code that is judged

	sameKey      map[string][]state.IssuerKey // by public key
	reasons      map[uint64]string            // of revocations, by statement
	recognitions map[statement.Region]recognition
	authorities  map[statement.Region]authority
	risks        map[statement.Area][]state.RiskArea
}

// recognition is one look-up of the verifying region's recognition of another.
type recognition struct {
	state.Recognition
	exists bool
}

// recognition reads how the verifying region recognises of's codes.
func (j *judge) recognition(of statement.Region) (recognition, error) {
	if r, ok := j.recognitions[of]; ok {
		return r, nil
	}
	r, ok, err := j.state.Recognition(j.query.Region, of)
	if err != nil {
		return recognition{}, fmt.Errorf("reading the recognition of %s by %s: %w", of, j.query.Region, err)
	}
	if j.recognitions == nil {
		j.recognitions = make(map[statement.Region]recognition)
	}
	j.recognitions[of] = recognition{r, ok}
	return j.recognitions[of], nil
}

// inForce reports whether a recognition covers codes of a kind at a time.
func (r *recognition) inForce(kind statement.CodeKind, at time.Time) bool {
	return r.Status != state.Withdrawn &&
		within(at, r.Terms.From, r.Terms.Until) && covers(r.Terms.Kinds, kind) &&
		!r.suspends(kind, at)
}

// suspends reports whether a recognition is suspended for a kind at a time.
func (r *recognition) suspends(kind statement.CodeKind, at time.Time) bool {
	return r.Status == state.Suspended && r.Suspension != nil &&
		covers(r.Suspension.Kinds, kind) && within(at, r.Suspension.From, r.Suspension.Until)
}

// within reports whether t is in a window with both ends (T1); an end that is not given is open.
func within(t time.Time, from, until statement.Time) bool {
	return (from == 0 || !t.Before(from.Time())) && (until == 0 || !t.After(until.Time()))
}

// covers reports whether a list of kinds, where none means all, has kind.
func covers(kinds []statement.CodeKind, kind statement.CodeKind) bool {
	return len(kinds) == 0 || slices.Contains(kinds, kind)
}

// signatures are the findings on codes' signatures: the dearest part of a
// decision, and the same whatever the state.
type signatures map[signature]checked

// signature is one code, by its place, under one public key.
type signature struct {
	code      int
	publicKey string
}

type checked struct {
	verified *healthcode.Verified
	err      error
}

// verify verifies a code with a key, once.
func (s signatures) verify(code int, u healthcode.Unverified, spki []byte, key crypto.PublicKey) (*healthcode.Verified, error) {
	at := signature{code, string(spki)}
	c, known := s[at]
	if !known {
		c.verified, c.err = u.Verify(key)
		s[at] = c
	}
	return c.verified, c.err
}
