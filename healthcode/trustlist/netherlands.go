package trustlist

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"concordat/healthcode"
)

// dutch reads the Dutch verifier's public keys as they are served: a payload in
// base64 with a CMS signature beside it.
func (r *reader) dutch(text []byte) error {
	var m struct {
		Payload []byte `json:"payload"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return malformed("the Dutch list", err)
	}
	if err := distinct(m.Payload); err != nil {
		return err
	}
	var inner struct {
		Keys json.RawMessage `json:"eu_keys"`
	}
	if err := json.Unmarshal(m.Payload, &inner); err != nil {
		return malformed("the payload of the Dutch list", err)
	}
	if inner.Keys == nil {
		return fmt.Errorf("%w: the payload has no eu_keys", ErrUnknown)
	}
	return r.netherlands(inner.Keys)
}

// netherlands reads the eu_keys of the Dutch list: key ids, and the public keys of each.
func (r *reader) netherlands(raw []byte) error {
	var m map[string][]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return malformed("eu_keys", err)
	}
	return r.dutchKeys(m)
}

// dutchKinds are the letters of a key's usages (minvws nl-covid19-coronacheck-hcert).
var dutchKinds = []struct {
	letter string
	kind   healthcode.Kind
}{{"v", healthcode.Vaccination}, {"t", healthcode.Test}, {"r", healthcode.Recovery}}

func (r *reader) dutchKeys(m map[string][]json.RawMessage) error {
	total := 0
	for _, items := range m { // any order: they are added up
		total += len(items)
	}
	if err := count(total); err != nil {
		return err
	}
	r.remark("the list's signature was not checked: it is a CMS signature of the Dutch state's PKI")
	for _, text := range sortedKeys(m) {
		for i, raw := range m[text] {
			where := fmt.Sprintf("key id %s, key %d", clipTo(text, maxShown), i+1)
			var one struct {
				SubjectPk []byte   `json:"subjectPk"`
				KeyUsage  []string `json:"keyUsage"`
				Country   string   `json:"ian"`
			}
			if err := json.Unmarshal(raw, &one); err != nil {
				r.refuse(where, "", nil, fmt.Errorf("it is no key of a Dutch list: %s", clip(err.Error())))
				continue
			}
			e := Entry{Where: where, Region: r.region(one.Country)}
			var err error
			if e.KeyID, err = Base64(text); err != nil || len(e.KeyID) != 8 {
				r.refuse(where, e.Region, nil, errors.New("its key id is not 8 bytes in base64"))
				continue
			}
			if e.Key, err = x509.ParsePKIXPublicKey(one.SubjectPk); err != nil {
				r.refuse(where, e.Region, nil, fmt.Errorf("subjectPk is no public key in DER: %s", clip(err.Error())))
				continue
			}
			for _, k := range dutchKinds {
				if slices.Contains(one.KeyUsage, k.letter) {
					e.Kinds = append(e.Kinds, k.kind)
				}
			}
			if len(e.Kinds) == 0 && len(one.KeyUsage) > 0 {
				r.refuse(where, e.Region, nil, fmt.Errorf("its usages are %.80q; want some of v, t, r", one.KeyUsage))
				continue
			}
			r.add(e)
		}
	}
	return nil
}
