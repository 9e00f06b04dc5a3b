package trustlist

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"concordat/healthcode"
	"concordat/healthcode/hc1"
)

// sweden reads the Swedish DSC-TL (diggsweden/dgc-trust, trust-list.md): a
// compact JWS, whose payload may stand unencoded (RFC 7797).
func (r *reader) sweden(text []byte) error {
	head, rest, _ := bytes.Cut(text, []byte("."))
	cut := bytes.LastIndexByte(rest, '.')
	payload, sig := rest[:cut], rest[cut+1:]
	raw, err := base64.RawURLEncoding.DecodeString(string(head))
	if err != nil {
		return malformed("the JWS header", err)
	}
	var header struct {
		Alg string `json:"alg"`
		B64 *bool  `json:"b64"`
	}
	if err := json.Unmarshal(raw, &header); err != nil {
		return malformed("the JWS header", err)
	}
	if err := distinct(raw); err != nil {
		return err
	}
	body := payload
	if header.B64 == nil || *header.B64 {
		if body, err = base64.RawURLEncoding.DecodeString(string(payload)); err != nil {
			return malformed("the JWS payload", err)
		}
	}
	if r.o.Signer == nil {
		r.remark("the list's signature was not checked: give the certificate that its publisher signs with")
	} else if err := r.jws(header.Alg, text[:len(head)+1+len(payload)], sig); err != nil {
		return err
	}
	if err := distinct(body); err != nil {
		return err
	}
	return r.swedish(body)
}

// jws checks a JWS signature by Options.Signer.
func (r *reader) jws(alg string, input, sig []byte) error {
	key, name, err := signer(r.o.Signer)
	if err != nil {
		return err
	}
	b, err := base64.RawURLEncoding.DecodeString(string(sig))
	if err != nil || !verifyJWS(alg, key, input, b) {
		return fmt.Errorf("%w: the list is not what %s signed with %q", ErrSignature, name, clip(alg))
	}
	r.list.Signed = name
	return nil
}

// swedish reads the payload.
func (r *reader) swedish(body []byte) error {
	var m struct {
		Issued json.Number `json:"iat"`
		Ends   json.Number `json:"exp"`
		Lists  map[string]struct {
			Usages map[string][]string `json:"eku"`
			Keys   []json.RawMessage   `json:"keys"`
		} `json:"dsc_trust_list"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return malformed("the Swedish list", err)
	}
	r.list.Time = unix(m.Issued)
	if ends := unix(m.Ends); !ends.IsZero() && !r.o.At.IsZero() && r.o.At.After(ends) {
		r.remark("the list was good until %s", stamp(ends))
	}
	total := 0
	for _, l := range m.Lists { // any order: they are added up
		total += len(l.Keys)
	}
	if err := count(total); err != nil {
		return err
	}
	for _, country := range sortedKeys(m.Lists) {
		l := m.Lists[country]
		for i, raw := range l.Keys {
			where := fmt.Sprintf("%s, key %d", clipTo(country, maxShown), i+1)
			if err := r.swedishKey(where, r.region(country), raw, l.Usages); err != nil {
				return err
			}
		}
	}
	return nil
}

// swedishKey reads one key. An error spoils the list.
func (r *reader) swedishKey(where, region string, raw []byte, usages map[string][]string) error {
	var j jwk
	if err := json.Unmarshal(raw, &j); err != nil {
		r.refuse(where, region, nil, fmt.Errorf("it is no JWK that can be used here: %s", clip(err.Error())))
		return nil
	}
	if j.private() {
		return private(where)
	}
	e, err := r.jwkEntry(where, &j, true)
	if err != nil {
		r.refuse(where, region, e.Certificate, err)
		return nil
	}
	kid, err := Base64(j.Kid)
	switch {
	case err != nil || len(kid) != 8:
		err = fmt.Errorf("its kid %q is not 8 bytes in base64", clipTo(j.Kid, maxShown))
	case e.Certificate != nil:
		err = checkKeyID(j.Kid, kid, e.Certificate)
	default:
		e.Kinds, err = kindsOf(usages[j.Kid])
	}
	if err != nil {
		r.refuse(where, region, e.Certificate, err)
		return nil
	}
	e.KeyID, e.Region = kid, region
	r.add(e)
	return nil
}

// kindsOf gives the kinds of extended key usages written as text, in both arcs.
func kindsOf(usages []string) ([]healthcode.Kind, error) {
	var oids []asn1.ObjectIdentifier
	for _, text := range usages {
		var oid asn1.ObjectIdentifier
		for part := range strings.SplitSeq(text, ".") {
			n, err := strconv.ParseUint(part, 10, 31)
			if err != nil {
				return nil, fmt.Errorf("its usage %q is no object identifier", clip(text))
			}
			oid = append(oid, int(n))
		}
		oids = append(oids, oid)
	}
	return hc1.Kinds(&x509.Certificate{UnknownExtKeyUsage: oids}), nil
}

// unix reads a time in seconds; zero where there is none, or none in this age.
func unix(n json.Number) time.Time {
	s, err := n.Int64()
	if err != nil || s <= 0 || s > 253_402_300_799 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}
