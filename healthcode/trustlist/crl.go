package trustlist

import (
	"bytes"
	"encoding/json"
)

// crl is a revocation list of a snapshot, with what it says whatever the spaces.
type crl struct {
	CRL
	text string
}

// crl reads for which key a revocation list is. It has to be one that its issuer
// lists: else one issuer could revoke another's cards.
func (r *reader) crl(where, issuer string, holders map[string]*issuers, raw json.RawMessage) (crl, bool) {
	var c struct {
		Kid string `json:"kid"`
	}
	var text bytes.Buffer
	err := json.Unmarshal(raw, &c)
	if err == nil {
		err = json.Compact(&text, raw)
	}
	if err != nil {
		r.remark("%s cannot be read and was left out: %s", where, clip(err.Error()))
		return crl{}, false
	}
	kid, err := Base64(c.Kid)
	if err != nil || !holders[string(kid)].holds(issuer) {
		r.remark("%s is for the key %q, which is not one of that issuer's in the list, and was left out", where, clipTo(c.Kid, maxShown))
		return crl{}, false
	}
	return crl{CRL{Where: where, Issuer: issuer, KeyID: kid, Raw: raw}, text.String()}, true
}

// revocations takes the revocation lists about which there is no doubt (T8). A
// public key is public: whoever lists another's could revoke its cards, since a
// revocation names a key and a rid, and no issuer. Which of several has the
// private key a list cannot show, so all of them have to say the same.
func (r *reader) revocations(crls []crl, holders map[string]*issuers) {
	type claim struct{ kid, text string }
	sayers := map[claim]*issuers{}
	for _, c := range crls {
		of := claim{string(c.KeyID), c.text}
		if sayers[of] == nil {
			sayers[of] = &issuers{}
		}
		sayers[of].add(c.Issuer)
	}
	doubts := map[claim]string{} // who does not say so; "": all do
	for of, by := range sayers { // any order: each claim is judged by itself
		if silent, n := holders[of.kid].but(by); n > 0 {
			doubts[of] = andOthers(silent, n)
		}
	}
	for _, c := range crls {
		if who := doubts[claim{string(c.KeyID), c.text}]; who != "" {
			r.remark("%s was left out, and NONE of its cards are revoked: its key is on the list for %s too, without that revocation list; ask whose key it is, and revoke with concordat revoke --file",
				c.Where, who)
			continue
		}
		r.list.CRLs = append(r.list.CRLs, c.CRL)
	}
}

// listedKeyID is the key id that a JWK claims, of whatever use the JWK is; nil: none.
func listedKeyID(raw []byte) []byte {
	var j struct {
		Kid string `json:"kid"`
	}
	if json.Unmarshal(raw, &j) != nil {
		return nil
	}
	kid, err := Base64(j.Kid)
	if err != nil {
		return nil
	}
	return kid
}
