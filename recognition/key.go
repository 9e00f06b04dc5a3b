package recognition

import (
	"time"

	"concordat/healthcode"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// key judges whether a key was good for a code of this kind when the code was
// issued (T2).
func (j *judge) key(f *findings, k *state.IssuerKey, v *healthcode.Verified, same []state.IssuerKey, voices voices) {
	if kind := statement.CodeKind(v.Kind()); !among(k.Kinds, kind) {
		f.add(KeyNotForKind, at(k.RegisteredAt), "The key is registered for %s, and this code's kind is %s.", kindsOf(k.Kinds), kindName(kind))
	}
	issue := issueTime{latest: v.IssuedAt(), known: true}
	if issue.latest.IsZero() {
		issue = issueTime{latest: j.query.At} // a code was issued before it is shown
	}
	j.keyWindow(f, k, v, issue)
	if k.RetiredAt != 0 {
		issue.until(f, k.RetiredAt, KeyRetired, k.RetiredBy, say("%s retired the key as of %s", k.Region, k.RetiredAt))
	}
	compromise(f, same, voices, issue)
}

// keyWindow judges the validity that was registered or, for its end, else the
// certificate's. A certificate's beginning alone is information: issuers sign
// codes before it and no holder can help that.
func (j *judge) keyWindow(f *findings, k *state.IssuerKey, v *healthcode.Verified, issue issueTime) {
	if k.ValidFrom != 0 {
		issue.from(f, k.ValidFrom, KeyNotYetValid, at(k.RegisteredAt), say("%s lets the key issue codes from %s on", k.Region, k.ValidFrom))
	}
	if k.ValidUntil != 0 {
		issue.until(f, k.ValidUntil, KeyExpired, at(k.RegisteredAt), say("%s lets the key issue codes until %s", k.Region, k.ValidUntil))
	}
	if len(k.Certificate) == 0 {
		return
	}
	c, err := j.keys.certificate(k.Certificate)
	if err != nil {
		if k.ValidUntil == 0 {
			f.add(CertificateUnreadable, at(k.RegisteredAt), "The key's end of validity stands only in its certificate, which this program cannot read.")
		}
		return
	}
	if k.ValidUntil == 0 {
		issue.until(f, statement.TimeOf(c.notAfter), KeyExpired, at(k.RegisteredAt), say("The key's certificate ends at %s", stamp(c.notAfter)))
	}
	if issue.known && k.ValidFrom == 0 && issue.latest.Before(c.notBefore) {
		f.add(IssuedBeforeCert, at(k.RegisteredAt), "The code was issued at %s, before its certificate begins at %s.", stamp(issue.latest), stamp(c.notBefore))
	}
	if v.ExpiresAt().After(c.notAfter) {
		f.add(OutlivesCertificate, at(k.RegisteredAt), "The code expires at %s, after its certificate ends at %s.", stamp(v.ExpiresAt()), stamp(c.notAfter))
	}
}

// compromise judges what is said, of any registration of the key, of its being
// in wrong hands (W3).
func compromise(f *findings, same []state.IssuerKey, voices voices, issue issueTime) {
	for _, o := range same {
		if o.Status != state.Compromised {
			continue
		}
		// A code without a time of issue is spared if even now is early enough.
		spared := o.SpareEarlier && issue.latest.Before(o.Since.Time())
		said := say("declared the key compromised since %s", o.Since)
		switch {
		case !voices.has(o.Region):
			f.add(KeyCompromiseClaimed, at(o.ChangedAt), "%s, whose word does not count here, %s%s.", o.Region, said, because(o.Reason, ""))
		case spared:
			f.add(KeyCompromisedLater, at(o.ChangedAt), "%s %s, and spares codes issued before, as this one was%s.", o.Region, said, because(o.Reason, ""))
		case o.SpareEarlier:
			f.add(KeyCompromised, at(o.ChangedAt), "%s %s, and spares only codes issued before%s.", o.Region, said, because(o.Reason, ""))
		default:
			f.add(KeyCompromised, at(o.ChangedAt), "%s %s, which refuses all its codes%s.", o.Region, said, because(o.Reason, ""))
		}
	}
}

// issueTime is when a code was issued: at latest if it is known, else at an
// unknown time up to latest.
type issueTime struct {
	latest time.Time
	known  bool
}

// until finds against a code that was issued after t.
func (i issueTime) until(f *findings, t statement.Time, name string, on *uint64, said phrase) {
	switch {
	case !i.latest.After(t.Time()):
	case i.known:
		f.add(name, on, "%s, and the code was issued at %s.", said, stamp(i.latest))
	default:
		f.add(IssueTimeMissing, on, "%s, and the code does not say when it was issued.", said)
	}
}

// from finds against a code that was issued before t.
func (i issueTime) from(f *findings, t statement.Time, name string, on *uint64, said phrase) {
	switch {
	case i.known && !i.latest.Before(t.Time()):
	case i.known:
		f.add(name, on, "%s, and the code was issued at %s.", said, stamp(i.latest))
	default:
		f.add(IssueTimeMissing, on, "%s, and the code does not say when it was issued.", said)
	}
}
