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
	n, v, err := a.oneMoreKey(b.KeyID)
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	if v := nextRevision(a.s, 0, 0); !v.Accepted() {
		return nil, v, nil
	}
	k := &IssuerKey{
		Region: a.by, Thumbprint: thumb,
		PublicKey: b.PublicKey, KeyID: b.KeyID, Certificate: b.Certificate, Kinds: b.Kinds,
		ValidFrom: b.ValidFrom, ValidUntil: b.ValidUntil,
		Status: Registered, RegisteredAt: a.index, ChangedAt: a.index, Revision: 1,
	}
	return []Write{
		put(k),
		put(n),
		{Key: registration(keyIDPrefix(b.KeyID), a.by, thumb), Value: present},
		{Key: registration(publicKeyPrefix(b.PublicKey), a.by, thumb), Value: present},
	}, Verdict{}, nil
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

func (a *act) retireKey(b *statement.RetireKey) ([]Write, Verdict, error) {
	k, v, err := a.ownKey(b.Key)
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
	k, v, err := a.ownKey(b.Key)
	if err != nil || !v.Accepted() {
		return nil, v, err
	}
	k.Status, k.Since, k.SpareEarlier, k.Reason = Compromised, b.Since, b.SpareEarlier, b.Reason
	return a.changedKey(k), Verdict{}, nil
}

// ownKey is the issuer's key that the statement is to change; the verdict says why it may not.
func (a *act) ownKey(t statement.Thumbprint) (*IssuerKey, Verdict, error) {
	k, err := load[IssuerKey](a.r, issuerKeyKey(a.by, t))
	if err != nil {
		return nil, Verdict{}, err
	}
	if k == nil {
		return nil, refuse(NotRegistered, "see the authority's issuer keys for their thumbprints; a key of another authority is for that one to change",
			"%s has not registered key %s", a.by, t), nil
	}
	if k.Status == Compromised {
		return nil, compromised(k), nil // ST7
	}
	return k, nextRevision(a.s, k.Revision, k.ChangedAt), nil
}

func compromised(k *IssuerKey) Verdict {
	return refuse(KeyCompromised, "register another key; a compromise is final",
		"statement %d declared key %s of %s compromised since %s", k.ChangedAt, k.Thumbprint, k.Region, moment(k.Since)).
		on(k.Revision, k.ChangedAt)
}

func (a *act) changedKey(k *IssuerKey) []Write {
	k.ChangedAt = a.index
	k.Revision++
	return []Write{put(k)}
}
