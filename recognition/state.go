package recognition

import (
	"crypto"
	"fmt"

	"concordat/healthcode"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// State is what a decision reads, pinned to one size. state.View is one. Lists
// come in a fixed order, and nobody changes what he is given, since others may
// have been given the same (Recall); an error means that no answer may be given.
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
	// Rules gives an authority's rules with their versions, retired ones included.
	Rules(statement.Region) ([]state.RuleRecord, error)
	// ValueSets gives an authority's value sets, retired ones included, by id.
	ValueSets(statement.Region) ([]state.ValueSet, error)
	// Scheme gives what an authority makes of the levels under a name; false if it has said nothing.
	Scheme(by statement.Region, name string) (state.Scheme, bool, error)
	// SchemesOf gives everything that an authority makes of levels, by name.
	SchemesOf(statement.Region) ([]state.Scheme, error)
	// SpecialCases gives an authority's special cases, ended ones included, by name.
	SpecialCases(statement.Region) ([]state.SpecialCase, error)
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
	recognitions map[statement.Region]*recognition
	authorities  map[statement.Region]*authority
	risks        map[statement.Area][]state.RiskArea
	schemes      map[speaker]*state.Scheme // nil: there is none
	cases        []exception               // in force at the time asked about, once casesRead
	casesRead    bool
	shown        showing
	library      library
}

// remembers reports whether the state remembers by itself what was read.
func (j *judge) remembers() bool {
	_, is := j.state.(remembering)
	return is
}

// recognition reads how the verifying region recognises of's codes.
func (j *judge) recognition(of statement.Region) (*recognition, error) {
	if r, ok := j.recognitions[of]; ok {
		return r, nil
	}
	r, ok, err := j.state.Recognition(j.query.Region, of)
	if err != nil {
		return new(recognition), fmt.Errorf("reading the recognition of %s by %s: %w", of, j.query.Region, err)
	}
	out := &recognition{Recognition: r, exists: ok}
	if o, ok := j.state.(overlaid); ok {
		out.pending = o.pending.suspended(j.query.Region, of)
	}
	if j.remembers() {
		return out, nil
	}
	if j.recognitions == nil {
		j.recognitions = make(map[statement.Region]*recognition)
	}
	j.recognitions[of] = out
	return out, nil
}

// signatures are the findings on codes' signatures: the dearest part of a
// decision, and the same whatever the state. nil remembers none, for a decision
// on one state, which verifies each code with each key once.
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
	if s == nil {
		return u.Verify(key)
	}
	at := signature{code, string(spki)}
	c, known := s[at]
	if !known {
		c.verified, c.err = u.Verify(key)
		s[at] = c
	}
	return c.verified, c.err
}
