package bridge

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"concordat/client"
	"concordat/ledger/statement"
)

// The trust domains that keys are listed under, and the wildcard of the WHO's paths.
const (
	dccDomain = "DCC" // EU DCC
	shcDomain = "SHC" // SMART Health Cards: the WHO's list has no domain for them
	anything  = "-"
)

// didDocument is a did:web document in the shape of the WHO's trust list (v2),
// without its proof: the key that signs that one is the WHO's.
type didDocument struct {
	Context            []string    `json:"@context"`
	ID                 string      `json:"id"`
	Controller         string      `json:"controller"`
	VerificationMethod []didMethod `json:"verificationMethod"`
}

type didMethod struct {
	ID           string `json:"id"`
	Type         string `json:"type"`
	Controller   string `json:"controller"`
	PublicKeyJwk jwk    `json:"publicKeyJwk"`
	Domain       string `json:"domain"`
	Participant  string `json:"participant"`
	KeyUsage     string `json:"keyusage"`
}

// did answers GET /v2/trustlist/[{domain}/[{participant}/[{usage}/]]]did.json.
func (b *Bridge) did(w http.ResponseWriter, r *http.Request) error {
	domain, participant, usage := r.PathValue("domain"), r.PathValue("participant"), r.PathValue("usage")
	if !slices.Contains([]string{"", anything, dccDomain, shcDomain}, domain) || usage != "" && usage != anything && usage != signer {
		return client.Fail(client.NotFound, "there is no list of domain %q and key usage %q", clip(domain), clip(usage)).
			WithHint("the domains are %s and %s, the key usage %s; %s is any", dccDomain, shcDomain, signer, anything)
	}
	keys, err := b.asked(r)
	if err != nil {
		return err
	}
	fits := func(statement.Region) bool { return true }
	if participant != "" && participant != anything {
		if fits, err = isCountry(participant); err != nil {
			return err
		}
		known, err := b.published()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(known.authorities, fits) {
			return client.Fail(client.NotFound, "no authority of participant %q is in this network", clip(participant))
		}
	}
	base, err := b.base(r)
	if err != nil {
		return err
	}
	root, err := didOf(base)
	if err != nil {
		return err
	}
	doc := didDocument{
		Context: []string{"https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"},
		ID:      root, Controller: root, VerificationMethod: []didMethod{},
	}
	for _, part := range []string{domain, participant, usage} {
		if part != "" {
			doc.Controller, doc.ID = doc.ID, doc.ID+":"+part
		}
	}
	if tagged(w, r, keys.tag(), doc.ID) {
		return nil
	}
	for i := range keys.items {
		one := &keys.items[i]
		in := one.domain()
		if in == "" || !fits(one.Region) || domain != "" && domain != anything && domain != in {
			continue
		}
		m, ok := one.method(root, in)
		if ok {
			m.Controller = doc.ID
			doc.VerificationMethod = append(doc.VerificationMethod, m)
		}
	}
	return reply(w, doc)
}

// domain is the trust domain that the key is listed in; "" for none. An issuer's
// URL, or a key id that is no eight bytes, is of SMART Health Cards.
func (i *item) domain() string {
	switch smart := i.Issuer != "" || len(i.KeyID) != 8; {
	case smart && i.shc:
		return shcDomain
	case !smart && i.hc1:
		return dccDomain
	}
	return ""
}

// method gives the key as a verification method. Its name has the key id in the
// alphabet that a fragment may have; the JWK has it as codes and clients do.
func (i *item) method(root, domain string) (didMethod, bool) {
	k, ok := jwkOf(i.public.key)
	if !ok {
		return didMethod{}, false
	}
	k.Kid = b64(i.KeyID)
	if domain == shcDomain {
		k.Kid = b64url(i.KeyID)
	}
	if i.public.leaf {
		k.X5c = []string{b64(i.Certificate)}
	}
	participant, ok := i.Region.Alpha3()
	if !ok {
		participant = string(i.Region.Country())
	}
	return didMethod{
		ID:   fmt.Sprintf("%s:%s:%s:%s#%s", root, domain, participant, signer, b64url(i.KeyID)),
		Type: "JsonWebKey2020", PublicKeyJwk: k, Domain: domain, Participant: participant, KeyUsage: signer,
	}, true
}

// didOf names the trust list below a URL (did:web: colons for slashes, the
// port's colon escaped).
func didOf(base string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", client.Fail(client.BadRequest, "%q is no host to name a list by", clip(base)).WithHint("set bridge.url to where clients reach this node")
	}
	id := "did:web:" + strings.ReplaceAll(u.Host, ":", "%3A")
	for _, part := range strings.Split(u.EscapedPath(), "/") {
		if part != "" {
			id += ":" + part
		}
	}
	return id + ":v2:trustlist", nil
}
