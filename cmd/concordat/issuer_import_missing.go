package main

import (
	"crypto/x509"
	"fmt"

	"concordat/client"
	"concordat/ledger/statement"
)

// kinship tells which keys of an authority may have come from a list like one
// that is there. The ledger does not say what list a key was on, and an authority
// has keys of other lists and its own: a list says nothing of those.
type kinship struct {
	issuers   map[string]bool // whose keys are on the list, by their URLs
	countries map[string]bool // of the certificates on the list that have no issuer's URL
}

func (p *plan) kinship() kinship {
	k := kinship{map[string]bool{}, map[string]bool{}}
	for _, e := range p.list.Entries {
		switch {
		case e.Issuer != "":
			k.issuers[e.Issuer] = true
		case e.Certificate != nil:
			k.countries[countryOf(e.Certificate)] = true
		}
	}
	return k
}

// stranger says why a key that is not on the list may never have been on one like
// it; "": it is of an issuer on the list, or of a country.
func (l kinship) stranger(k *client.IssuerKey) string {
	if k.Issuer != "" {
		if l.issuers[k.Issuer] {
			return ""
		}
		return fmt.Sprintf("no key of its issuer %q is", k.Issuer)
	}
	c, err := x509.ParseCertificate(k.Certificate)
	if err != nil { // a bare key, or a certificate that was registered unread
		return "it has neither a certificate nor an issuer's URL to tell from what list it came"
	}
	if country := countryOf(c); !l.countries[country] {
		return fmt.Sprintf("no certificate of its country %q is", country)
	}
	return ""
}

func countryOf(c *x509.Certificate) string {
	if len(c.Subject.Country) == 0 {
		return ""
	}
	return spelt(c.Subject.Country[0])
}

// missing finds the keys of this authority that are not on the list, and with
// --retire-missing what would retire those that may have come from one like it.
func (m *importing) missing(p *plan, have []client.IssuerKey, onList map[string]bool) error {
	if len(m.chosen) > 0 {
		return nil // a part of the list says nothing of what is not in it
	}
	unreadable := 0
	for _, r := range p.list.Refused {
		switch {
		case r.Deleted:
		case r.Thumbprint == nil:
			unreadable++
		default:
			onList[statement.Thumbprint(*r.Thumbprint).String()] = true
		}
	}
	like, alike := p.kinship(), 0
	for i := range have {
		k := &have[i]
		if k.Status != registeredKey {
			continue
		}
		strange := like.stranger(k)
		if strange == "" {
			alike++
		}
		switch {
		case onList[k.ID]:
			continue
		case strange != "":
			p.answer.Missing = append(p.answer.Missing, unlike{Key: k.ID, KeyID: k.KeyID, Kept: true,
				Why: "it is registered, and not on the list; " + strange + ", so --retire-missing leaves it"})
			continue
		}
		p.answer.Missing = append(p.answer.Missing, unlike{Key: k.ID, KeyID: k.KeyID, Why: "it is registered, and not on the list"})
		if !m.retireMissing {
			continue
		}
		j, err := m.retirement(p.id, k)
		if err != nil {
			return err
		}
		p.retire = append(p.retire, j)
	}
	switch n := len(p.retire); {
	case n == 0:
	case unreadable > 0:
		return usage("nothing was sent: %d entries of the list cannot be read, so it cannot be told which keys are missing from it", unreadable)
	case 2*n > alike && !m.yes:
		return usage("nothing was sent: --retire-missing would retire %d of the %d registered keys of %s that are of the list's issuers or countries; is this the whole list? --yes says that it is", n, alike, p.id)
	}
	return nil
}

// retirement makes what retires a key.
func (m *importing) retirement(id statement.Region, k *client.IssuerKey) (*job, error) {
	print, err := parseHex(k.ID, len(statement.Thumbprint{}))
	if err != nil {
		return nil, client.Fail(client.NotUnderstood, "issuers: %v", err)
	}
	body := &statement.RetireKey{Key: statement.Thumbprint(print), At: statement.TimeOf(m.now)}
	words, err := wordsOf(id, body)
	if err != nil {
		return nil, err
	}
	return newJob(words, body, k.Revision+1, "key "+short(k.ID)), nil
}
