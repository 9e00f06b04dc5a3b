package bridge

import (
	"net/http"
	"strings"

	"concordat/client"
)

// trustItem is an element of the EU gateway's trust list (dgc-gateway, TrustListDto).
type trustItem struct {
	Kid             string  `json:"kid"`
	Timestamp       string  `json:"timestamp"`
	Country         string  `json:"country"`
	CertificateType string  `json:"certificateType"`
	Thumbprint      string  `json:"thumbprint"`
	Signature       *string `json:"signature"` // the gateway's CMS, which nobody here can make: empty; null on what is deleted
	RawData         *string `json:"rawData"`
}

// certificateTypes are the gateway's. Only document signers are in the ledger.
var certificateTypes = []string{"AUTHENTICATION", "UPLOAD", "CSCA", "DSC"}

// signer is the type of the certificates that are listed.
const signer = "DSC"

// trustList answers GET /trustList, /trustList/{type} and /trustList/{type}/{cc}.
func (b *Bridge) trustList(w http.ResponseWriter, r *http.Request) error {
	kind, country := strings.ToUpper(r.PathValue("type")), r.PathValue("cc")
	if kind != "" && !covers(certificateTypes, kind) {
		return client.Fail(client.BadRequest, "certificate type is %q, want one of %v", clip(r.PathValue("type")), certificateTypes)
	}
	from, changes, err := since(r)
	if err != nil {
		return err
	}
	fits := func(*item) bool { return kind == "" || kind == signer }
	if country != "" {
		in, err := isCountry(country)
		if err != nil {
			return err
		}
		fits = func(i *item) bool { return (kind == "" || kind == signer) && in(i.Region) }
	}
	keys, err := b.asked(r)
	if err != nil {
		return err
	}
	var all []*item
	for i := range keys.items {
		one := &keys.items[i]
		if len(one.Certificate) > 0 && fits(one) && (one.certified() && !changes || changes && one.when >= from) {
			all = append(all, one)
		}
	}
	if all, err = page(r, all); err != nil {
		return err
	}
	keys.dated(w)
	if tagged(w, r, keys.tag(), r.URL.Path, r.URL.RawQuery, from, changes) {
		return nil
	}
	return listed(w, all, func(i **item) any { return (*i).trustItem() })
}

func (i *item) trustItem() trustItem {
	out := trustItem{
		Kid: b64(i.KeyID), Timestamp: stamp(i.when), Country: countryOf(i.Region), CertificateType: signer, Thumbprint: i.Thumbprint.String(),
	}
	if i.certified() {
		raw, none := b64(i.Certificate), ""
		out.RawData, out.Signature = &raw, &none
	}
	return out
}

// trustedCertificate is an element of the WHO gateway's list of certificates
// (TrustedCertificateTrustListDto).
type trustedCertificate struct {
	Kid         string            `json:"kid"`
	Certificate string            `json:"certificate"`
	Signature   string            `json:"signature"`
	Group       string            `json:"group"`
	Country     string            `json:"country"`
	Domain      string            `json:"domain"`
	UUID        string            `json:"uuid"`
	Version     int               `json:"version"`
	Properties  map[string]string `json:"properties"`
}

// trustedCertificates answers GET /trustList/certificate?group=&country=&domain=.
func (b *Bridge) trustedCertificates(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	fits := func(*item) bool { return true }
	if c := q.Get("country"); c != "" {
		in, err := isCountry(c)
		if err != nil {
			return err
		}
		fits = func(i *item) bool { return in(i.Region) }
	}
	group, domain := q.Get("group"), q.Get("domain")
	keys, err := b.asked(r)
	if err != nil {
		return err
	}
	var all []*item
	for i := range keys.items {
		one := &keys.items[i]
		if one.certified() && fits(one) && (group == "" || group == signer) && (domain == "" || domain == dccDomain) {
			all = append(all, one)
		}
	}
	if all, err = page(r, all); err != nil {
		return err
	}
	if tagged(w, r, keys.tag(), r.URL.Path, r.URL.RawQuery) {
		return nil
	}
	return listed(w, all, func(i **item) any {
		one := *i
		return trustedCertificate{
			Kid: b64(one.KeyID), Certificate: b64(one.Certificate), Group: signer, Country: countryOf(one.Region), Domain: dccDomain,
			UUID: uuid(one.Thumbprint[:]), Version: 1, Properties: map[string]string{},
		}
	})
}

// references answers GET /trustList/references: the ledger has none.
func (b *Bridge) references(w http.ResponseWriter, r *http.Request) error {
	if tagged(w, r, r.URL.Path) {
		return nil
	}
	return listed(w, []struct{}{}, func(*struct{}) any { return nil })
}
