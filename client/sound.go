package client

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"concordat/ledger/statement"
	"concordat/recognition"
)

// ErrTampered: a node's answer contradicts what was signed.
var ErrTampered = errors.New("the node's answer is not what was signed")

// answer is an answer of the API that knows what a node may say in it. Every
// answer is asked before a caller sees it: a node is not trusted to keep to the
// API, and what callers branch on, compare or print must be what it is called.
// What is absent is not judged here, unless nothing can be made of an answer
// without it. Free text (reasons, names, messages) may hold anything.
type answer interface{ sound() error }

// The lengths of hashes, in bytes.
const (
	sha256Bytes     = 32
	revocationBytes = statement.HashSize
)

func (a *CheckAnswer) sound() error {
	faults := []error{
		oneOf("decision", a.Decision.Decision, recognition.Recognized, recognition.Refused, recognition.Undetermined),
		regionOrNone("region", a.Region), a.AsOf.sound(),
	}
	for _, r := range a.Reasons {
		faults = append(faults, name("reason", r.Name), hashOrNone("hash of a reason", r.Hash, sha256Bytes), oneOf("effect", r.Effect, recognition.For, recognition.Against, recognition.Unknown, recognition.Note))
		if r.Code != nil && (*r.Code < 0 || *r.Code >= len(a.Codes)) {
			faults = append(faults, fmt.Errorf("a reason is about code %d of %d", *r.Code, len(a.Codes)))
		}
	}
	for _, c := range a.Codes {
		faults = append(faults, regionOrNone("region of a code", string(c.Region)), hashOrNone("thumbprint", c.Thumbprint, sha256Bytes))
	}
	return first(faults...)
}

func (a *AsOf) sound() error {
	return first(hashOrNone("root", a.Root, sha256Bytes), ageOrNone("age", a.Age), regionsIn("cosigners", a.Cosigners),
		oneOf("standing of the node's authority", a.Standing, "", StandingSuspended, StandingExpelled, StandingApplicant))
}

func (a *Submitted) sound() error {
	if err := first(hashOf("hash", a.Hash, sha256Bytes), oneOf("state", a.State, Accepted, Ordered, Final)); err != nil {
		return err
	}
	if a.State != Accepted {
		if a.Index == nil {
			return fmt.Errorf("the statement is %s and has no index", a.State)
		}
		return nil
	}
	_, err := ParsePromise(a.Promise)
	return err
}

func (s *Statement) sound() error {
	faults := []error{
		hashOf("hash", s.Hash, sha256Bytes), oneOf("state", s.State, Accepted, Ordered, Final, Refused),
		regionOf("authority", s.Authority), name("kind", s.Kind),
	}
	if s.Refusal != nil {
		faults = append(faults, name("refusal", s.Refusal.Name))
	}
	return first(faults...)
}

func (a *Statements) sound() error {
	return each(a.Statements, (*Statement).sound, a.AsOf.sound)
}

// follows checks that a page is one of what comes after an index, in order, so
// that whoever reads page after page comes to an end.
func (a *Statements) follows(f Filter) error {
	last := f.After
	for i := range a.Statements {
		s := &a.Statements[i]
		if last != nil && s.Index <= *last {
			return fmt.Errorf("statement %d comes after statement %d", s.Index, *last)
		}
		last = &s.Index
	}
	if f.Limit > 0 && len(a.Statements) > f.Limit {
		return fmt.Errorf("%d statements, at most %d were asked for", len(a.Statements), f.Limit)
	}
	if a.Next != nil && (len(a.Statements) == 0 || *a.Next != *last) {
		return fmt.Errorf("the next page is after %d, which is not where this one ends", *a.Next)
	}
	return nil
}

func (a *Authorities) sound() error {
	return each(a.Authorities, func(au *Authority) error {
		return first(regionOf("id", au.ID), roleOrNone(au.Role), standing(au.Standing))
	}, a.AsOf.sound)
}

func (a *Issuers) sound() error {
	return each(a.Issuers, func(k *IssuerKey) error {
		return first(hashOf("id", k.ID, sha256Bytes), regionOf("region", k.Region))
	}, a.AsOf.sound)
}

func (a *Revocations) sound() error {
	return each(a.Revocations, func(r *Revocation) error {
		return first(regionOf("authority", r.Authority), oneOf("action", r.Action, "revoked", "reinstated"))
	}, func() error { return hashOf("hash", a.Hash, revocationBytes) }, a.AsOf.sound)
}

func (a *RiskAreas) sound() error {
	return each(a.RiskAreas, func(r *RiskArea) error {
		return first(notUnderstood("area", statement.Area(r.Area).Validate()), regionOf("authority", r.Authority))
	}, a.AsOf.sound)
}

func (a *Recognitions) sound() error {
	return each(a.Recognitions, func(r *Recognition) error {
		return first(regionOf("grantor", r.Grantor), regionOf("grantee", r.Grantee))
	}, a.AsOf.sound)
}

func (a *Schemes) sound() error {
	return each(a.Schemes, func(s *Scheme) error {
		return first(regionOf("authority", s.Authority), name("scheme", s.Name))
	}, a.AsOf.sound)
}

func (a *SpecialCases) sound() error {
	return each(a.SpecialCases, func(c *SpecialCase) error {
		return first(regionOf("authority", c.Authority), regionOrNone("region", c.Region), name("special case", c.Name), oneOf("effect", c.Effect, "admit", "refuse"))
	}, a.AsOf.sound)
}

func (s *Status) sound() error {
	faults := []error{
		hashOf("network", s.Network, sha256Bytes), regionOrNone("region", s.Region), regionOrNone("leader", s.Leader), roleOrNone(s.Role), standing(s.Standing),
		hashOrNone("root", s.Root, sha256Bytes), hashOrNone("final root", s.Final.Root, sha256Bytes), regionsIn("cosigners", s.Final.Cosigners),
		ageOrNone("age", s.Age), ageOrNone("age of final", s.Final.Age), ageOrNone("maxAge", s.MaxAge),
	}
	if s.Since != nil {
		faults = append(faults, timeOrNone("noQuorumSince", *s.Since))
	}
	if s.Final.Since != nil {
		faults = append(faults, timeOrNone("notFinalSince", *s.Final.Since))
	}
	for _, p := range s.Problems {
		faults = append(faults, name("problem", p.Name))
	}
	for _, e := range s.Evidence {
		faults = append(faults, e.sound())
	}
	if s.CatchingUp != nil {
		faults = append(faults, timeOrNone("catching up since", s.CatchingUp.Started))
	}
	faults = append(faults, timeOrNone("started", s.Started))
	return each(s.Peers, func(p *Peer) error { return regionOrNone("region of a peer", p.Region) }, func() error { return first(faults...) })
}

func (e *Culprit) sound() error {
	return first(regionOf("culprit", e.Region), name("kind of evidence", e.Kind))
}

func (a *EvidenceList) sound() error { return each(a.Evidence, (*Culprit).sound, a.AsOf.sound) }

func (r *Revision) sound() error { return r.AsOf.sound() }

func (e *Event) sound() error {
	return first(oneOf("state", e.State, Ordered, Final), e.Statement.sound(), e.AsOf.sound())
}

// each gives the first fault of some checks of the whole and of a list's elements.
func each[T any](list []T, check func(*T) error, whole ...func() error) error {
	for _, f := range whole {
		if err := f(); err != nil {
			return err
		}
	}
	for i := range list {
		if err := check(&list[i]); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

func first(faults ...error) error {
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// notUnderstood says what it is that cannot be read.
func notUnderstood(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

func oneOf[T ~string](what string, is T, known ...T) error {
	for _, k := range known {
		if is == k {
			return nil
		}
	}
	return fmt.Errorf("%s is %.80q, want one of %q", what, string(is), known)
}

// name checks a stable name, like knowledge-stale or recognition.grant.
func name(what, s string) error {
	const most = 64
	if s == "" || len(s) > most || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return fmt.Errorf("%s is %.80q, want a name of a-z, 0-9, \".\" and \"-\" with at most %d bytes", what, s, most)
	}
	return nil
}

func roleOrNone(s string) error { return oneOf("role", s, "", "validator", "observer") }

// standing checks how an authority stands with the others; none is a good one.
func standing(s string) error { return oneOf("standing", s, "", StandingSuspended, StandingExpelled) }

func hashOf(what, s string, size int) error {
	if b, err := hex.DecodeString(s); err != nil || len(b) != size || strings.ToLower(s) != s {
		return fmt.Errorf("%s is %.80q, want %d hex digits", what, s, 2*size)
	}
	return nil
}

func hashOrNone(what, s string, size int) error {
	if s == "" {
		return nil
	}
	return hashOf(what, s, size)
}

func regionOf(what, s string) error { return notUnderstood(what, statement.Region(s).Validate()) }

func regionOrNone(what, s string) error {
	if s == "" {
		return nil
	}
	return regionOf(what, s)
}

func regionsIn(what string, list []string) error {
	for _, s := range list {
		if err := regionOf(what, s); err != nil {
			return err
		}
	}
	return nil
}

// ageOrNone checks a duration in words; a node that does not know its age says so.
func ageOrNone(what, s string) error {
	if s == "" || s == "unknown" {
		return nil
	}
	if _, err := time.ParseDuration(s); err != nil {
		return fmt.Errorf("%s is %.80q, want a duration like 1.5s", what, s)
	}
	return nil
}

func timeOrNone(what, s string) error {
	if s == "" {
		return nil
	}
	if _, err := time.Parse(time.RFC3339, s); err != nil {
		return fmt.Errorf("%s is %.80q, want a time like 2021-06-01T12:00:00Z", what, s)
	}
	return nil
}

// sameStatement checks that an answer is about the statement that was asked
// for: by its index, or by its hash.
func sameStatement(ref string, s *Statement) error {
	if index, err := strconv.ParseUint(ref, 10, 64); err == nil && len(ref) < 2*sha256Bytes {
		if s.Index != index {
			return fmt.Errorf("%w: statement %d was asked for, and the answer is statement %d", ErrTampered, index, s.Index)
		}
		return nil
	}
	if !strings.EqualFold(ref, s.Hash) {
		return fmt.Errorf("%w: statement %.80q was asked for, and the answer is statement %s", ErrTampered, ref, s.Hash)
	}
	return nil
}
