package state

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"

	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// maxOldKeys bounds the replaced keys that an authority's record keeps: beyond
// it the oldest is forgotten there. That it was used is kept for ever.
const maxOldKeys = 128

// UsedKey says whose an Ed25519 key is, or was: no key is used twice in a
// network, by anybody, for anything. So a key that was replaced, or whose
// authority was expelled, never counts again, and a key tells who signed.
type UsedKey struct {
	Sum       [sha256.Size]byte `cbor:"1,keyasint"` // SHA-256 of the key
	Authority statement.Region  `cbor:"2,keyasint"`
	Use       Use               `cbor:"3,keyasint"`
}

func (u *UsedKey) key() []byte { return usedKeyKey(u.Sum) }

func (u *UsedKey) check() error {
	if !slices.Contains(uses, u.Use) {
		return fmt.Errorf("use %q", u.Use)
	}
	return u.Authority.Validate()
}

func (u *UsedKey) words() string {
	return fmt.Sprintf("key with SHA-256 %x is or was the %s key of %s", u.Sum[:8], u.Use, u.Authority)
}

// UsedKey is whose an Ed25519 key is or was; false if nobody has used it.
func (v View) UsedKey(public ed25519.PublicKey) (UsedKey, bool, error) {
	return one[UsedKey](v, usedKeyKey(sha256.Sum256(public)))
}

// firstUse is the record that a key is an authority's; the verdict refuses one
// that was used before.
func firstUse(r Reader, public ed25519.PublicKey, by statement.Region, use Use) (*UsedKey, Verdict, error) {
	used, taken, err := View{r}.UsedKey(public)
	if err != nil {
		return nil, Verdict{}, err
	}
	if taken {
		return nil, refuse(KeyUsed, "make a new key; no key is used twice in a network, by anybody, for anything",
			"the %s key %x for %s is or was the %s key of %s", use, statement.KeyIDOf(public), by, used.Use, used.Authority), nil
	}
	return &UsedKey{Sum: sha256.Sum256(public), Authority: by, Use: use}, Verdict{}, nil
}

// tellsApart refuses a node or co-signing key that notes could not tell from
// another of the same name: C2SP names a key with four bytes, and whoever makes
// keys until two have the same could spoil everybody's notes with them.
func tellsApart(origin string, vouch []member, au *Authority, use Use, public ed25519.PublicKey) Verdict {
	var id func(ed25519.PublicKey) uint32
	var others []ed25519.PublicKey
	switch use {
	case Cosign:
		id = func(k ed25519.PublicKey) uint32 { return checkpoint.CosignerKeyID(origin, au.ID, k) }
	case Node:
		id = func(k ed25519.PublicKey) uint32 { return checkpoint.LogKeyID(origin, k) }
		for _, m := range vouch {
			others = append(others, m.Node)
		}
	default:
		return Verdict{}
	}
	for _, k := range au.Keys {
		if k.Use == use {
			others = append(others, k.Public)
		}
	}
	for _, k := range others {
		if id(k) == id(public) {
			return refuse(KeyUsed, "make another key",
				"in notes the new %s key of %s has the id %08x of another key", use, au.ID, id(public))
		}
	}
	return Verdict{}
}

// replaceKey makes public the authority's key for a use for statements after
// index; the one before counts up to and with it.
func (a *Authority) replaceKey(use Use, public ed25519.PublicKey, index uint64) {
	a.Keys = slices.Clone(a.Keys)
	at := 0
	for i := range a.Keys {
		k := &a.Keys[i]
		if slices.Index(uses, k.Use) <= slices.Index(uses, use) {
			at = i + 1
		}
		if k.Use == use && k.Until == 0 {
			k.Until = index + 1
		}
	}
	a.Keys = slices.Insert(a.Keys, at, AuthorityKey{Use: use, Public: public, From: index + 1})
	a.forgetKeys()
}

// closeKeys ends all keys with the statement at index.
func (a *Authority) closeKeys(index uint64) {
	a.Keys = slices.Clone(a.Keys)
	for i := range a.Keys {
		if a.Keys[i].Until == 0 {
			a.Keys[i].Until = index + 1
		}
	}
	a.forgetKeys()
}

// forgetKeys leaves out the oldest of more than maxOldKeys replaced keys.
func (a *Authority) forgetKeys() {
	for {
		oldest, n := -1, 0
		for i, k := range a.Keys {
			if k.Until == 0 {
				continue
			}
			n++
			if oldest < 0 || k.Until < a.Keys[oldest].Until {
				oldest = i
			}
		}
		if n <= maxOldKeys {
			return
		}
		a.Keys = slices.Delete(a.Keys, oldest, oldest+1)
		a.Forgotten++
	}
}
