package state

import "concordat/ledger/statement"

func (a *act) registerKey(b *statement.RegisterKey) ([]Write, Verdict, error) {
	thumb := b.Thumbprint()
	old, err := load[IssuerKey](a.r, issuerKeyKey(a.by, thumb))
	if err != nil {
		return nil, Verdict{}, err
	}
	if old != nil {
		if old.Status == Compromised {
			return nil, compromised(old), nil
		}
		// What no other revision would change is said before the revision is looked at.
		return nil, refuse(AlreadyRegistered, "nothing needs to be done; to change its terms, register a new certificate or key",
			"%s registered key %s in statement %d, and it is %s", a.by, thumb, old.RegisteredAt, old.Status).
			on(old.Revision, old.ChangedAt), nil
	}
	withKID, v, err := a.oneMoreKey(b.KeyID)
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	ofKey, v, err := a.oneMoreRegistration(b.PublicKey)
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	if v := nextRevision(a.s, 0, 0); !v.Accepted() {
		return nil, v, nil
	}
	k := &IssuerKey{
		Region: a.by, Thumbprint: thumb,
		PublicKey: b.PublicKey, KeyID: b.KeyID, Certificate: b.Certificate, Kinds: b.Kinds,
		ValidFrom: b.ValidFrom, ValidUntil: b.ValidUntil, Issuer: b.Issuer, Name: b.Name,
		Status: Registered, RegisteredAt: a.index, ChangedAt: a.index, Revision: 1,
	}
	return []Write{
		put(k),
		put(withKID),
		put(ofKey),
		{Key: registration(keyIDPrefix(b.KeyID), a.by, thumb), Value: present},
		{Key: registration(publicKeyPrefix(b.PublicKey), a.by, thumb), Value: present},
	}, Verdict{}, nil
}

func (a *act) retireKey(b *statement.RetireKey) ([]Write, Verdict, error) {
	k, v, err := a.ownKey(b.Key, func(*IssuerKey) bool { return false })
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	if k.Status == Retired {
		return nil, refuse(AlreadyRetired, "nothing needs to be done; if the key is in wrong hands, declare it compromised",
			"statement %d retired key %s as of %s", *k.RetiredBy, k.Thumbprint, moment(k.RetiredAt)).
			on(k.Revision, k.ChangedAt), nil
	}
	k.Status, k.RetiredAt, k.RetiredBy = Retired, b.At, &a.index
	return a.changedKey(k), Verdict{}, nil
}

func (a *act) compromiseKey(b *statement.CompromiseKey) ([]Write, Verdict, error) {
	k, v, err := a.ownKey(b.Key, func(k *IssuerKey) bool { return stricter(k, b) })
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	k.Status, k.Since, k.SpareEarlier, k.Reason = Compromised, b.Since, b.SpareEarlier, b.Reason
	return a.changedKey(k), Verdict{}, nil
}

// stricter reports whether b spares fewer codes than the compromise of k that
// stands: it spares none any more, or only those issued before an earlier time.
// So an authority that learns that a theft was worse than it thought can say
// so, and nobody can take a compromise back.
func stricter(k *IssuerKey, b *statement.CompromiseKey) bool {
	return k.SpareEarlier && (!b.SpareEarlier || b.Since < k.Since)
}

// ownKey is the issuer's key that the statement is to change; the verdict says
// why it may not. A compromised key changes only if mayChange says so (ST7).
func (a *act) ownKey(t statement.Thumbprint, mayChange func(*IssuerKey) bool) (*IssuerKey, Verdict, error) {
	k, err := load[IssuerKey](a.r, issuerKeyKey(a.by, t))
	if err != nil {
		return nil, Verdict{}, err
	}
	if k == nil {
		return nil, refuse(NotRegistered, "see the authority's issuer keys for their thumbprints; a key of another authority is for that one to change",
			"%s has not registered key %s", a.by, t), nil
	}
	if k.Status == Compromised && !mayChange(k) {
		return nil, compromised(k), nil
	}
	return k, nextRevision(a.s, k.Revision, k.ChangedAt), nil
}

func compromised(k *IssuerKey) Verdict {
	spared := ", which spares no code"
	if k.SpareEarlier {
		spared = ", sparing what was issued earlier"
	}
	return refuse(KeyCompromised, "register another key; a compromise is final, and can only be made to spare fewer codes",
		"statement %d declared key %s of %s compromised since %s%s", k.ChangedAt, k.Thumbprint, k.Region, moment(k.Since), spared).
		on(k.Revision, k.ChangedAt)
}

func (a *act) changedKey(k *IssuerKey) []Write {
	k.ChangedAt = a.index
	k.Revision++
	return []Write{put(k)}
}
