package trustlist

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"concordat/healthcode"
)

// ownEntry is one key of our own format (docs/operations/trust-lists.md).
type ownEntry struct {
	Region      string            `json:"region"`
	Kid         string            `json:"kid"`
	Certificate string            `json:"certificate"`
	PublicKey   string            `json:"publicKey"`
	JWK         json.RawMessage   `json:"jwk"`
	Kinds       []healthcode.Kind `json:"kinds"`
	ValidFrom   *time.Time        `json:"validFrom"`
	ValidUntil  *time.Time        `json:"validUntil"`
	Issuer      string            `json:"issuer"`
	Name        string            `json:"name"`
}

// kinds are those that our own format can name, in the order in which lists of
// them are written.
var kinds = []healthcode.Kind{healthcode.Vaccination, healthcode.Test, healthcode.Recovery, healthcode.Health, healthcode.Itinerary}

// own reads our own format. It is for people to write, so it is read strictly: a
// member that is misspelt is an error, not a default.
func (r *reader) own(text []byte) error {
	var m struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := strictly(text, &m); err != nil {
		return malformed("the list", err)
	}
	if err := count(len(m.Keys)); err != nil {
		return err
	}
	for i, raw := range m.Keys {
		where := fmt.Sprintf("key %d", i+1)
		var o ownEntry
		if err := strictly(raw, &o); err != nil {
			r.refuse(where, "", nil, fmt.Errorf("it is no key of this format: %s", clip(err.Error())))
			continue
		}
		e, err := r.ownKey(where, &o)
		switch {
		case errors.Is(err, ErrPrivateKey):
			return private(where)
		case err != nil:
			r.refuse(where, r.region(o.Region), e.Certificate, err)
		default:
			r.add(e)
		}
	}
	return nil
}

func strictly(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func (r *reader) ownKey(where string, o *ownEntry) (Entry, error) {
	e, err := r.ownMaterial(where, o)
	if err != nil {
		return e, err
	}
	if o.Region != "" {
		e.Region = r.region(o.Region)
	}
	if o.Kid != "" {
		kid, err := Base64(o.Kid)
		if err != nil {
			return e, fmt.Errorf("its kid %q is not in base64", clipTo(o.Kid, maxShown))
		}
		if len(e.KeyID) > 0 && !bytes.Equal(kid, e.KeyID) {
			e.Remarks = append(e.Remarks, fmt.Sprintf("its kid %q is not the one that follows from the key; codes are found by it alone", clipTo(o.Kid, maxShown)))
		}
		e.KeyID = kid
	}
	if len(e.KeyID) == 0 {
		return e, errors.New("a public key by itself needs a kid: the key id as codes name it, in base64")
	}
	if len(o.Kinds) > 0 {
		e.Kinds = nil
		for _, k := range kinds {
			if slices.Contains(o.Kinds, k) {
				e.Kinds = append(e.Kinds, k)
			}
		}
		for _, k := range o.Kinds {
			if !slices.Contains(kinds, k) {
				return e, fmt.Errorf("kind of code %q is unknown; want some of %v", clip(string(k)), kinds)
			}
		}
	}
	if o.ValidFrom != nil {
		e.ValidFrom = o.ValidFrom.UTC()
	}
	if o.ValidUntil != nil {
		e.ValidUntil = o.ValidUntil.UTC()
	}
	e.Issuer, e.Name = o.Issuer, o.Name
	return e, nil
}

// ownMaterial reads the one of certificate, publicKey and jwk that there is.
func (r *reader) ownMaterial(where string, o *ownEntry) (Entry, error) {
	given := 0
	for _, has := range []bool{o.Certificate != "", o.PublicKey != "", o.JWK != nil} {
		if has {
			given++
		}
	}
	switch {
	case given != 1:
		return Entry{}, fmt.Errorf("it has %d of certificate, publicKey and jwk; want one", given)
	case strings.Contains(o.Certificate+o.PublicKey, "PRIVATE KEY"):
		return Entry{}, ErrPrivateKey
	case o.JWK != nil:
		return r.jwk(where, o.JWK)
	case o.Certificate != "":
		c, err := parseText(o.Certificate)
		if err != nil {
			return Entry{}, err
		}
		return r.certified(where, "", c), nil
	}
	der, err := Base64(strings.Join(strings.Fields(o.PublicKey), ""))
	if block, _ := pem.Decode([]byte(o.PublicKey)); block != nil {
		der, err = block.Bytes, nil
	}
	if err != nil {
		return Entry{}, errors.New("its publicKey is neither PEM nor DER in base64")
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return Entry{}, fmt.Errorf("its publicKey is no SubjectPublicKeyInfo: %s", clip(err.Error()))
	}
	return Entry{Where: where, Key: key}, nil
}
