package state

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"
)

// record is a pointer to a stored record that knows its key and its own rules.
type record[T any] interface {
	*T
	key() []byte  // the key that it belongs under
	check() error // what the encoding alone does not say
}

// load reads the record under key; nil if there is none.
func load[T any, P record[T]](r Reader, key []byte) (*T, error) {
	value, err := read(r, key)
	if err != nil || value == nil {
		return nil, err
	}
	return parse[T, P](key, value)
}

func read(r Reader, key []byte) ([]byte, error) {
	value, err := r.Get(key)
	if err != nil {
		return nil, fmt.Errorf("reading key %x: %w", key, err)
	}
	return value, nil
}

// parse reads the record that stands under key (ST9).
func parse[T any, P record[T]](key, value []byte) (*T, error) {
	rec := new(T)
	what := fmt.Sprintf("the %T under key %x", *rec, key)
	if err := decode(what, value, rec); err != nil {
		return nil, err
	}
	if err := P(rec).check(); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrCorrupt, what, err)
	}
	if !bytes.Equal(P(rec).key(), key) {
		return nil, fmt.Errorf("%w: %s belongs under key %x", ErrCorrupt, what, P(rec).key())
	}
	return rec, nil
}

// list reads every record under prefix, in the order of the keys.
func list[T any, P record[T]](r Reader, prefix []byte) ([]T, error) {
	var out []T
	err := r.Scan(prefix, func(key, value []byte) (bool, error) {
		rec, err := parse[T, P](key, value)
		if err != nil {
			return false, err
		}
		out = append(out, *rec)
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading keys under %x: %w", prefix, err)
	}
	return out, nil
}

func put[T any, P record[T]](rec P) Write { return Write{Key: rec.key(), Value: encode(rec)} }

func (n *Network) key() []byte     { return networkKey() }
func (a *Authority) key() []byte   { return authorityKey(a.ID) }
func (k *IssuerKey) key() []byte   { return issuerKeyKey(k.Region, k.Thumbprint) }
func (g *Recognition) key() []byte { return recognitionKey(g.Grantor, g.Grantee) }
func (a *RiskArea) key() []byte    { return riskKey(a.Area, a.Authority, a.Scheme) }

func (n *Network) check() error {
	if n.Lineage == 1 {
		return fmt.Errorf("lineage 1, which is left out")
	}
	return nil
}

func (a *Authority) check() error {
	for i, k := range a.Keys {
		switch {
		case !slices.Contains(uses, k.Use):
			return fmt.Errorf("key %d has use %q", i, k.Use)
		case len(k.Public) != ed25519.PublicKeySize:
			return fmt.Errorf("key %d has %d bytes, want %d", i, len(k.Public), ed25519.PublicKeySize)
		case k.Until != 0 && k.Until <= k.From:
			return fmt.Errorf("key %d counts from %d until %d", i, k.From, k.Until)
		case k.Until == 0 && !a.Present():
			return fmt.Errorf("key %d counts, and the authority is expelled", i)
		}
	}
	switch {
	case a.Role != Validator && a.Role != Observer:
		return fmt.Errorf("role %q", a.Role)
	case a.Standing != StandingMember && a.Standing != StandingSuspended && a.Standing != StandingExpelled:
		return fmt.Errorf("standing %q", a.Standing)
	case (a.Standing == StandingMember) != (a.StandingBy == nil):
		return fmt.Errorf("standing %q and the statement that made it so do not agree", a.Standing)
	case a.Standing == StandingExpelled && a.Role == Validator:
		return fmt.Errorf("expelled, and a validator")
	case (a.Revision == 0) != (a.ChangedAt == nil):
		return fmt.Errorf("revision %d and the statement that made it do not agree", a.Revision)
	}
	return a.ID.Validate()
}

func (k *IssuerKey) check() error {
	switch {
	case k.Status != Registered && k.Status != Retired && k.Status != Compromised:
		return fmt.Errorf("status %q", k.Status)
	case k.Revision == 0:
		return fmt.Errorf("revision 0")
	case k.Status == Retired && k.RetiredBy == nil:
		return fmt.Errorf("retired by no statement")
	}
	return k.Region.Validate()
}

func (g *Recognition) check() error {
	switch {
	case g.Status != Granted && g.Status != Suspended && g.Status != Withdrawn:
		return fmt.Errorf("status %q", g.Status)
	case g.Revision == 0:
		return fmt.Errorf("revision 0")
	case (g.Status == Suspended) != (g.Suspension != nil):
		return fmt.Errorf("status %q and suspension do not agree", g.Status)
	}
	if len(g.Past) > MaxPastTerms {
		return fmt.Errorf("%d earlier terms, at most %d", len(g.Past), MaxPastTerms)
	}
	for i := range g.Past {
		p, next := &g.Past[i], g.ChangedAt
		if i+1 < len(g.Past) {
			next = g.Past[i+1].Index
		}
		if p.Index >= p.EndedBy || p.EndedBy != next {
			return fmt.Errorf("earlier terms of statement %d until %d, and then come those of %d", p.Index, p.EndedBy, next)
		}
		if p.Status != Granted && p.Status != Suspended && p.Status != Withdrawn || (p.Status == Suspended) != (p.Suspension != nil) {
			return fmt.Errorf("earlier terms of statement %d: status %q and suspension do not agree", p.Index, p.Status)
		}
	}
	if err := g.Grantor.Validate(); err != nil {
		return err
	}
	return g.Grantee.Validate()
}

func (a *RiskArea) check() error {
	if a.Revision == 0 {
		return fmt.Errorf("revision 0")
	}
	if a.Standing && len(a.Windows) == 0 {
		return fmt.Errorf("standing without a window")
	}
	if len(a.Windows) > MaxWindows {
		return fmt.Errorf("%d windows, at most %d", len(a.Windows), MaxWindows)
	}
	for i, w := range a.Windows {
		last := i == len(a.Windows)-1
		switch {
		case w.Until == 0 && !last:
			return fmt.Errorf("window %d is open and not the last", i)
		case w.Until != 0 && w.Until <= w.From:
			return fmt.Errorf("window %d is from %d until %d", i, w.From, w.Until)
		case !last && w.Until > a.Windows[i+1].From:
			return fmt.Errorf("window %d runs into the next", i)
		}
	}
	if err := a.Area.Validate(); err != nil {
		return err
	}
	return a.Authority.Validate()
}
