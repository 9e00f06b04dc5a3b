package trustlist

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// didDocument is a did.json of WHO's Global Digital Health Certification Network
// (smart-trust, concepts_did_gdhcn).
type didDocument struct {
	Context    json.RawMessage   `json:"@context"`
	ID         string            `json:"id"`
	Controller string            `json:"controller"`
	Methods    []json.RawMessage `json:"verificationMethod"`
	Proof      json.RawMessage   `json:"proof"`
}

// method is one verification method. The proof is over Key as it stands, and the
// key is read from that and nothing else.
type method struct {
	ID         string          `json:"id"`
	Type       string          `json:"type"`
	Controller string          `json:"controller"`
	Key        json.RawMessage `json:"publicKeyJwk"`
}

// jwk reads the method's key; nil: it has none.
func (m *method) jwk() (*jwk, error) {
	var j *jwk
	if m.Key == nil {
		return nil, nil
	}
	err := json.Unmarshal(m.Key, &j)
	return j, err
}

// who reads a trust list of WHO's network, v2.
func (r *reader) who(text []byte) error {
	var doc didDocument
	if err := json.Unmarshal(text, &doc); err != nil {
		return malformed("the DID document", err)
	}
	if err := count(len(doc.Methods)); err != nil {
		return err
	}
	if len(doc.Methods) > 0 && !slices.ContainsFunc(doc.Methods, func(m json.RawMessage) bool { return m[0] == '{' }) {
		return fmt.Errorf("%w: its methods are references (trustlist-ref); take the did.json of the same name under trustlist, which has the keys", ErrNoKeys)
	}
	if err := r.proof(text, &doc); err != nil {
		return err
	}
	passed := map[string]int{}
	for i, raw := range doc.Methods {
		if err := r.method(fmt.Sprintf("method %d", i+1), raw, passed); err != nil {
			return err
		}
	}
	for _, why := range sortedKeys(passed) {
		r.remark("%d methods were passed over: %s", passed[why], why)
	}
	return nil
}

// method reads one verification method: a signer's key, or an anchor. An error
// spoils the list.
func (r *reader) method(where string, raw []byte, passed map[string]int) error {
	if raw[0] != '{' {
		passed["they are references to other documents"]++
		return nil
	}
	var m method
	err := json.Unmarshal(raw, &m)
	var key *jwk
	if err == nil {
		key, err = m.jwk()
	}
	if err != nil {
		r.refuse(where, "", nil, fmt.Errorf("it is no verification method: %s", clip(err.Error())))
		return nil
	}
	domain, participant, usage, fragment := methodParts(m.ID)
	region := ""
	if participant != "-" {
		region = r.region(alpha2(participant))
	}
	switch {
	case key == nil:
		r.refuse(where, region, nil, errors.New("it has no publicKeyJwk"))
		return nil
	case key.private():
		return private(where)
	case usage == "SCA" || usage == "CSCA":
		r.scaMethod(where, region, key)
		return nil
	case usage != "DSC" && usage != "":
		passed[fmt.Sprintf("their usage is %s, and they sign no codes", clipTo(usage, maxShown))]++
		return nil
	case domain == "-" && !r.wanted(domain):
		passed["their trust domain is not named in this file; import the one of the domain, or ask for the domain -"]++
		return nil
	case domain != "" && !r.wanted(domain):
		passed[fmt.Sprintf("they are of the trust domain %s, which was not asked for", clipTo(domain, maxShown))]++
		return nil
	}
	e, err := r.jwkEntry(where, key, true)
	if err == nil && usage == "" && e.Certificate != nil && e.Certificate.IsCA { // lists of version 1 name no usage
		r.anchor(where, region, e.Certificate)
		return nil
	}
	if err == nil {
		err = r.methodKeyID(&e, key.Kid, fragment)
	}
	if err != nil {
		r.refuse(where, region, e.Certificate, err)
		return nil
	}
	if r.given == nil {
		for _, text := range key.X5c[min(1, len(key.X5c)):] {
			if ca, err := parseText(text); err == nil {
				r.anchor(where, region, ca)
			}
		}
	}
	if region == "" && e.Certificate != nil {
		region = r.country(e.Certificate)
	}
	e.Region = region
	r.add(e)
	return nil
}

// scaMethod takes a signing CA as an anchor.
func (r *reader) scaMethod(where, region string, key *jwk) {
	if len(key.X5c) == 0 {
		r.remark("%s: the SCA has no certificate; it anchors nothing", where)
		return
	}
	c, err := parseText(key.X5c[0])
	if err != nil {
		r.remark("%s: %v; it anchors nothing", where, err)
		return
	}
	r.anchor(where, region, c)
}

// wanted reports whether keys of a trust domain are read (T7).
func (r *reader) wanted(domain string) bool {
	if len(r.o.Domains) == 0 {
		return domain == "DCC"
	}
	return slices.ContainsFunc(r.o.Domains, func(d string) bool { return strings.EqualFold(d, domain) })
}

// methodKeyID finds the kid: the JWK's own, else the fragment of the method's id.
func (r *reader) methodKeyID(e *Entry, kid, fragment string) error {
	text := kid
	if text == "" {
		text = fragment
	}
	b, err := Base64(text)
	if err == nil && len(b) == 12 { // base64 of the base64 of 8 bytes
		if inner, err := Base64(string(b)); err == nil {
			b, text = inner, string(b)
			e.Remarks = append(e.Remarks, "its kid is encoded in base64 twice")
		}
	}
	if err != nil || len(b) != 8 {
		return fmt.Errorf("its kid %q is not 8 bytes in base64", clipTo(text, maxShown))
	}
	if strings.ContainsAny(fragment, "+/=") {
		e.Remarks = append(e.Remarks, "its kid stands in standard base64 in a DID's fragment, where + / and = have to be escaped")
	}
	if e.Certificate != nil {
		if err := checkKeyID(text, b, e.Certificate); err != nil {
			return err
		}
	}
	e.KeyID = b
	return nil
}

// methodParts takes a method's id apart:
// did:web:HOST:v2:trustlist:DOMAIN:PARTICIPANT:USAGE[:KID]#KID. What it does not
// have is "". A part may be "-", of a list of all.
func methodParts(id string) (domain, participant, usage, fragment string) {
	did, fragment, _ := strings.Cut(id, "#")
	if plain, err := url.PathUnescape(fragment); err == nil {
		fragment = plain
	}
	_, path, ok := strings.Cut(did, ":trustlist:")
	if !ok {
		return "", "-", "", fragment
	}
	switch parts := strings.Split(path, ":"); len(parts) {
	case 3, 4:
		return parts[0], parts[1], strings.ToUpper(parts[2]), fragment
	case 1, 2: // version 1: PARTICIPANT, or a version and PARTICIPANT
		return "", parts[len(parts)-1], "", fragment
	default:
		return "", "-", "", fragment
	}
}

// alpha2 gives a participant's two-letter code: WHO's network names three, and
// calls its virtual test countries XXA and so on, which are XA.
func alpha2(participant string) string {
	p := strings.ToUpper(participant)
	if len(p) == 3 && strings.HasPrefix(p, "XX") {
		return p[1:]
	}
	if len(p) == 3 {
		if r, err := language.ParseRegion(p); err == nil && r.ISO3() == p {
			return r.String()
		}
	}
	return p
}

// methodKeys are the keys of a DID document by which it signs.
func methodKeys(data []byte) (id string, keys map[string]crypto.PublicKey, err error) {
	var doc didDocument
	if len(data) > MaxFile {
		return "", nil, fmt.Errorf("%w: the signer's DID document has %d bytes, at most %d", ErrTooLarge, len(data), MaxFile)
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return "", nil, malformed("the signer's DID document", err)
	}
	if err := distinct(data); err != nil {
		return "", nil, fmt.Errorf("the signer's DID document: %w", err)
	}
	keys = map[string]crypto.PublicKey{}
	for _, raw := range doc.Methods {
		var m method
		if json.Unmarshal(raw, &m) != nil {
			continue
		}
		j, err := m.jwk()
		if err != nil || j == nil || j.private() {
			continue
		}
		key, _, err := j.public()
		if err != nil && len(j.X5c) > 0 {
			var c *x509.Certificate
			if c, err = parseText(j.X5c[0]); err == nil {
				key = c.PublicKey
			}
		}
		if err == nil {
			keys[m.ID] = key
		}
	}
	return doc.ID, keys, nil
}
