package recognition

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"concordat/healthcode"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// registration is a registered key that verifies the code, and what follows
// for the code if it is judged under it.
type registration struct {
	key      state.IssuerKey
	verified *healthcode.Verified
	findings findings
	also     []statement.Region // who else has registered the key, and has a word on it (W2)
	admitted string             // the special case that admits the code so; "": none does
}

// verdict is what one code came to.
type verdict struct {
	report   CodeReport
	verified *healthcode.Verified // nil: no registered key verifies it
	key      state.IssuerKey      // that it is judged under
	also     []statement.Region   // who else has registered that key, and has a word on it (W2)
	admitted string               // the special case that admits it; "": none does
}

// code judges one code, but for its itinerary.
func (j *judge) code(f *findings, c Code) (verdict, error) {
	if c.Err != nil || c.Unverified == nil {
		f.add(CodeUnreadable, nil, "The code cannot be read: %s.", cause(c.Err))
		f.reasons[len(f.reasons)-1].Detail = healthcode.Name(c.Err)
		return verdict{}, nil
	}
	kid := c.Unverified.KeyID()
	v := verdict{report: CodeReport{Format: c.Unverified.Format(), Key: keyID(kid)}}
	if len(kid) == 0 {
		f.add(IssuerUnknown, nil, "The code does not name its key, so its issuer cannot be found.")
		return v, nil
	}
	keys, err := j.state.IssuerKeysByKID(kid)
	if err != nil {
		return v, fmt.Errorf("reading the keys with id %s: %w", keyID(kid), err)
	}
	if len(keys) == 0 {
		f.add(IssuerUnknown, nil, "No authority has registered a key with the id %s.", keyID(kid))
		return v, nil
	}
	verifying, err := j.verify(f, c.Unverified, keys)
	if err != nil || len(verifying) == 0 {
		return v, err
	}
	best, err := j.best(c, verifying)
	if err != nil {
		return v, err
	}
	for i := range best.findings.reasons {
		best.findings.reasons[i].Code = f.code
	}
	f.take(&best.findings)
	v.verified, v.key, v.also, v.admitted = best.verified, best.key, best.also, best.admitted
	v.report.fill(best)
	return v, nil
}

// verify tries every key once, and gives the registrations of those that made
// the signature. Where none did, f says so.
func (j *judge) verify(f *findings, u healthcode.Unverified, keys []state.IssuerKey) ([]*registration, error) {
	keys = inOrder(keys)
	var (
		verifying  []*registration
		tried      map[string]*healthcode.Verified // by public key; nil: did not verify
		failed     []state.IssuerKey
		unreadable []state.IssuerKey
		why        error // the first failed key cannot have made the signature
	)
	for _, k := range keys {
		v, known := tried[string(k.PublicKey)]
		if !known {
			public, err := j.keys.publicKey(k.PublicKey)
			if err != nil {
				unreadable = append(unreadable, k)
				continue
			}
			if v, err = j.signatures.verify(j.at, u, k.PublicKey, public); len(failed) == 0 && errors.Is(err, healthcode.ErrKeyUnsuitable) {
				why = err
			}
			if len(keys) > 1 {
				if tried == nil {
					tried = make(map[string]*healthcode.Verified, len(keys))
				}
				tried[string(k.PublicKey)] = v
			}
		}
		if v == nil {
			failed = append(failed, k)
			continue
		}
		verifying = append(verifying, &registration{key: k, verified: v, findings: findings{reasons: make([]Reason, 0, usualReasons)}})
	}
	if len(verifying) > 0 {
		return verifying, nil
	}
	if len(failed) == 0 {
		return nil, j.allUnreadable(f, u, unreadable)
	}
	// A key that cannot be read changes nothing here: whoever likes may register
	// one under another's key id, and forged codes are to stay refused.
	if len(unreadable) > 0 {
		k := unreadable[0]
		f.add(KeyUnreadableElsewhere, at(k.RegisteredAt), "The key %s that %s registered cannot be read by this program, and is left out, since others with that id were tried.", keyID(k.KeyID), k.Region)
	}
	switch first, only := failed[0], len(failed) == 1; {
	case only && why != nil:
		f.add(KeyUnsuitable, at(first.RegisteredAt), "The key %s that %s registered cannot have made the signature: %s.", keyID(first.KeyID), first.Region, cause(why))
	case only:
		f.add(SignatureInvalid, at(first.RegisteredAt), "The signature was not made by the key %s that %s registered.", keyID(first.KeyID), first.Region)
	default:
		f.add(SignatureInvalid, nil, "The signature was made by none of the %d keys that are registered with the id %s.", len(failed), keyID(u.KeyID()))
	}
	return nil, nil
}

// allUnreadable judges a code where no key with its key id can be read. Only a
// key of an authority whose codes may be recognised here leaves the answer open.
func (j *judge) allUnreadable(f *findings, u healthcode.Unverified, keys []state.IssuerKey) error {
	for _, k := range keys {
		trusted, err := j.trustsSomehow(k.Region, string(u.Format())) // the code's kind cannot be believed
		if err != nil {
			return err
		}
		if trusted {
			f.add(KeyUnreadable, at(k.RegisteredAt), "The key %s that %s registered cannot be read by this program, so the signature cannot be checked.", keyID(k.KeyID), k.Region)
			return nil
		}
	}
	k := keys[0]
	f.add(KeyUnreadableElsewhere, at(k.RegisteredAt), "The key %s that %s registered cannot be read by this program, and %s does not recognise the codes of %s.", keyID(k.KeyID), k.Region, j.query.Region, k.Region)
	f.add(IssuerUnknown, nil, "No authority whose codes %s recognises has registered a key with the id %s.", j.query.Region, keyID(k.KeyID))
	return nil
}

// best judges the code under each registration and gives the one under which
// it fares best (W1). Among equals it takes the one with the least against it,
// then the one that the code names, then the verifying region's own, then the
// first by region and thumbprint.
func (j *judge) best(c Code, verifying []*registration) (*registration, error) {
	said, err := j.revocations(verifying[0].verified)
	if err != nil {
		return nil, err
	}
	for _, r := range verifying {
		if err := j.registration(r, said); err != nil {
			return nil, err
		}
	}
	stale := j.query.Knowledge.stale()
	rank := func(r *registration) [4]int {
		merit := strictness[outcome(r.findings.reasons, stale)]
		return [4]int{merit, r.findings.count(Against), truth(!namesRegion(r.verified, r.key.Region)), truth(r.key.Region != j.query.Region)}
	}
	best := slices.MinFunc(verifying, func(a, b *registration) int {
		x, y := rank(a), rank(b)
		return slices.Compare(x[:], y[:])
	})
	for _, r := range verifying {
		if r != best {
			best.findings.add(AlsoRegistered, at(r.key.RegisteredAt), "%s has registered a key that verifies the code, too; judged as %s's it fares no better.", r.key.Region, r.key.Region)
		}
	}
	return best, nil
}

// registration judges a code that a registered key verifies, in the order of judgement.
func (j *judge) registration(r *registration, said *said) error {
	f, k, v := &r.findings, &r.key, r.verified
	f.add(KeyRegistered, at(k.RegisteredAt), "%s has registered the key %s for %s.", k.Region, keyID(k.KeyID), kindsOf(k.Kinds))
	if named, differs := otherRegion(v, k.Region); differs {
		f.add(IssuerDiffers, at(k.RegisteredAt), "The code names %s as its issuer, but its key is %s's; the key decides.", named, k.Region)
	}
	if err := j.issuerStanding(f, k.Region); err != nil {
		return err
	}
	if otherIssuer(v, k.Issuer) {
		f.add(IssuerDiffers, at(k.RegisteredAt), "The code names another issuer than %q, for which %s has registered its key; the key decides.", k.Issuer, k.Region)
	}
	same, err := j.registrations(k)
	if err != nil {
		return err
	}
	voices, err := j.voices(k, same, classOf(v))
	if err != nil {
		return err
	}
	r.also = voices.registrants(k, same)
	j.key(f, k, v, same, voices)
	f.add(SignatureValid, nil, "The signature is good.")
	j.time(f, v)
	if err := j.revoked(f, v, said, voices); err != nil {
		return err
	}
	if err := j.recognised(f, k.Region, classOf(v)); err != nil {
		return err
	}
	if err := j.status(f, k.Region, v); err != nil {
		return err
	}
	declaration(f, v)
	return j.specialCases(r)
}

// time judges what the code says of its own time (T1).
func (j *judge) time(f *findings, v *healthcode.Verified) {
	now := j.query.At
	good := true
	if t := v.IssuedAt(); t.After(now) {
		good = false
		f.add(CodeNotYetValid, nil, "The code was issued at %s, after the time asked about, %s.", stamp(t), stamp(now))
	}
	if t := v.NotBefore(); t.After(now) {
		good = false
		f.add(CodeNotYetValid, nil, "The code counts from %s on, after the time asked about, %s.", stamp(t), stamp(now))
	}
	expires := v.ExpiresAt()
	if !expires.IsZero() && now.After(expires) {
		good = false
		f.add(CodeExpired, nil, "The code expired at %s, before the time asked about, %s.", stamp(expires), stamp(now))
	}
	switch {
	case !good:
	case expires.IsZero():
		f.add(InTime, nil, "The code names no end.")
	default:
		f.add(InTime, nil, "The code counts until %s.", stamp(expires))
	}
}

// fill puts what a verified code says into its report.
func (c *CodeReport) fill(r *registration) {
	c.Kind = r.verified.Kind()
	c.Region = r.key.Region
	c.Thumbprint = r.key.Thumbprint.String()
	c.Fields = Fields(r.verified.Fields())
	if t := r.verified.IssuedAt(); !t.IsZero() {
		c.IssuedAt = &t
	}
	if t := r.verified.ExpiresAt(); !t.IsZero() {
		c.ExpiresAt = &t
	}
}

// otherRegion gives the region that the code names as its issuer, and whether
// it is another than the key's. A name that is no region id (a ministry's)
// names none; a region and a part of it do not differ.
func otherRegion(v *healthcode.Verified, key statement.Region) (statement.Region, bool) {
	named, is := regionOf(v.Issuer())
	if !is {
		return "", false
	}
	a, b := statement.Area(named), statement.Area(key)
	return named, !a.Covers(b) && !b.Covers(a)
}

// otherIssuer reports whether the code names another issuer, by its URL, than
// the one for which its key is registered. A region, a ministry or nothing is
// not another.
func otherIssuer(v *healthcode.Verified, registered string) bool {
	return registered != "" && strings.Contains(v.Issuer(), "://") && v.Issuer() != registered
}

// namesRegion reports whether the code names exactly this region as its issuer.
func namesRegion(v *healthcode.Verified, r statement.Region) bool {
	named, is := regionOf(v.Issuer())
	return is && named == r
}

// regionOf gives the region of which an issuer's name is the id.
func regionOf(issuer string) (statement.Region, bool) {
	if strings.Contains(issuer, "://") {
		return "", false // so much is seen without a look at all regions
	}
	named, err := statement.ParseRegion(issuer)
	return named, err == nil
}

// inOrder gives registrations by region and thumbprint, as the ledger keeps them.
func inOrder(keys []state.IssuerKey) []state.IssuerKey {
	if slices.IsSortedFunc(keys, byRegion) {
		return keys
	}
	keys = slices.Clone(keys)
	slices.SortStableFunc(keys, byRegion)
	return keys
}

// byRegion orders registrations.
func byRegion(a, b state.IssuerKey) int {
	return cmp.Or(cmp.Compare(a.Region, b.Region), bytes.Compare(a.Thumbprint[:], b.Thumbprint[:]))
}

// keyID writes a key id as its issuers do.
func keyID(kid []byte) string { return healthcode.KeyIDText(kid) }

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}
