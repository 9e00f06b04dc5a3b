package bridge

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"sort"
	"strconv"

	"concordat/client"
	"concordat/ledger/statement"
)

// Headers of the DGCA verifier service.
const (
	resumeToken = "X-RESUME-TOKEN"
	kidHeader   = "X-KID"
)

// nextCertificate answers GET /signercertificateUpdate: the certificate after
// the one whose token the client gives, or 204 when there is none.
func (b *Bridge) nextCertificate(w http.ResponseWriter, r *http.Request) error {
	after, err := readToken(r.Header.Get(resumeToken))
	if err != nil {
		return client.Fail(client.BadRequest, "%s: %v", resumeToken, err).WithHint("leave the header out to begin anew")
	}
	keys, err := b.asked(r)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	next := sort.Search(len(keys.items), func(i int) bool { return keys.items[i].token > after })
	for next < len(keys.items) && !keys.items[next].certified() {
		next++
	}
	if next == len(keys.items) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	one := &keys.items[next]
	w.Header().Set(resumeToken, strconv.FormatUint(one.token, 10))
	w.Header().Set(kidHeader, b64(one.KeyID))
	return reads(w, "text/plain", []byte(b64(one.Certificate)))
}

// maxKids and maxKidsBody bound a request for certificates by their key ids.
const (
	maxKids     = 10_000
	maxKidsBody = 512 << 10
)

// readKids reads a JSON array of key ids, in base64 as they stand in the status
// list. One that is none is nobody's: it is left out, as an unknown one is.
func readKids(raw []byte) (map[string]bool, error) {
	var texts []string
	if err := json.Unmarshal(raw, &texts); err != nil {
		return nil, client.Fail(client.BadRequest, `the body is no list of key ids like ["8xYtW2837ac="]`)
	}
	if len(texts) > maxKids {
		return nil, client.Fail(client.BadRequest, "%d key ids, at most %d at once", len(texts), maxKids)
	}
	kids := make(map[string]bool, len(texts))
	for _, s := range texts {
		if b, err := base64.StdEncoding.DecodeString(s); err == nil && len(b) <= statement.MaxKeyID {
			kids[string(b)] = true
		}
	}
	return kids, nil
}

// certificatesOf answers POST /signercertificateUpdate: the certificates of the
// key ids in the body, by country.
func (b *Bridge) certificatesOf(w http.ResponseWriter, r *http.Request) error {
	raw, err := body(w, r, maxKidsBody)
	if err != nil {
		return err
	}
	kids, err := readKids(raw)
	if err != nil {
		return err
	}
	keys, err := b.asked(r)
	if err != nil {
		return err
	}
	type found struct {
		Kid     string `json:"kid"`
		RawData string `json:"rawData"`
	}
	out := map[string][]found{}
	for i := range keys.items {
		if one := &keys.items[i]; one.certified() && kids[string(one.KeyID)] {
			country := countryOf(one.Region)
			out[country] = append(out[country], found{b64(one.KeyID), b64(one.Certificate)})
		}
	}
	return reply(w, out)
}

// kids answers GET /signercertificateStatus: every key id that is listed. A
// client drops what it has under another.
func (b *Bridge) kids(w http.ResponseWriter, r *http.Request) error {
	keys, err := b.asked(r)
	if err != nil {
		return err
	}
	if tagged(w, r, keys.tag(), r.URL.Path) {
		return nil
	}
	all := []string{}
	seen := map[string]bool{}
	for i := range keys.items {
		if one := &keys.items[i]; one.certified() && !seen[string(one.KeyID)] {
			seen[string(one.KeyID)] = true
			all = append(all, b64(one.KeyID))
		}
	}
	return listed(w, all, func(s *string) any { return *s })
}

// kidsSince answers GET /signercertificateStatus/delta: the key ids under which
// something turned. A key id is only an index: while a key is listed under it,
// it is updated and not deleted.
func (b *Bridge) kidsSince(w http.ResponseWriter, r *http.Request) error {
	from, changes, err := since(r)
	if err != nil {
		return err
	}
	keys, err := b.asked(r)
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for i := range keys.items {
		if one := &keys.items[i]; one.certified() {
			listed[string(one.KeyID)] = true
		}
	}
	delta := struct {
		Updated []string `json:"updated"`
		Deleted []string `json:"deleted"`
	}{[]string{}, []string{}}
	seen := map[string]bool{}
	for i := range keys.items {
		one := &keys.items[i]
		kid := string(one.KeyID)
		switch {
		case len(one.Certificate) == 0, seen[kid], changes && one.when < from:
			continue
		case listed[kid]:
			delta.Updated = append(delta.Updated, b64(one.KeyID))
		default:
			delta.Deleted = append(delta.Deleted, b64(one.KeyID))
		}
		seen[kid] = true
	}
	keys.dated(w)
	w.Header().Set("Cache-Control", "no-cache")
	return reply(w, delta)
}

// trustedIssuer is an element of the gateway's list of issuers (TrustedIssuerDto).
type trustedIssuer struct {
	URL            string `json:"url"`
	Type           string `json:"type"` // HTTP or DID
	Country        string `json:"country"`
	Thumbprint     string `json:"thumbprint"`   // of the TLS certificate, which is not in the ledger
	SSLPublicKey   string `json:"sslPublicKey"` // likewise
	KeyStorageType string `json:"keyStorageType"`
	Signature      string `json:"signature"` // the gateway's
	Timestamp      string `json:"timestamp"`
	Name           string `json:"name"`
	Domain         string `json:"domain"`
	UUID           string `json:"uuid"`
}

// trustedIssuers answers GET /trustedissuers and GET /trustList/issuers?country=:
// the issuers of SMART Health Cards, by their URL.
func (b *Bridge) trustedIssuers(w http.ResponseWriter, r *http.Request) error {
	fits := func(statement.Region) bool { return true }
	if c := r.URL.Query().Get("country"); c != "" {
		var err error
		if fits, err = isCountry(c); err != nil {
			return err
		}
	}
	keys, err := b.asked(r)
	if err != nil {
		return err
	}
	if tagged(w, r, keys.tag(), r.URL.Path, r.URL.RawQuery) {
		return nil
	}
	type issuer struct {
		region statement.Region
		url    string
	}
	newest := map[issuer]*item{}
	for i := range keys.items {
		one := &keys.items[i]
		if one.shc && one.Issuer != "" && fits(one.Region) {
			newest[issuer{one.Region, one.Issuer}] = one
		}
	}
	all := make([]*item, 0, len(newest))
	for _, one := range newest { // in any order: sorted below
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *item) int { return cmp.Or(cmp.Compare(a.Region, b.Region), cmp.Compare(a.Issuer, b.Issuer)) })
	return listed(w, all, func(i **item) any {
		one := *i
		return trustedIssuer{
			URL: one.Issuer, Type: "HTTP", Country: countryOf(one.Region), KeyStorageType: "JWKS", Timestamp: stamp(one.when),
			Name: one.Name, Domain: shcDomain, UUID: uuidOf(string(one.Region) + " " + one.Issuer),
		}
	})
}

// endpoint is where a verifier app finds something. Pins would be those of the
// TLS certificate of whatever stands before the node: there are none.
type endpoint struct {
	URL     string   `json:"url"`
	PubKeys []string `json:"pubKeys"`
}

// context answers GET /context: where a verifier app finds the rest.
func (b *Bridge) context(w http.ResponseWriter, r *http.Request) error {
	region, err := b.regionOf(r)
	if err != nil {
		return err
	}
	base, err := b.base(r)
	if err != nil {
		return err
	}
	query := ""
	if region != b.region {
		query = "?region=" + string(region)
	}
	at := func(path string) endpoint { return endpoint{base + path + query, []string{}} }
	return reply(w, map[string]any{
		"origin": countryOf(region),
		"versions": map[string]any{
			"default": map[string]any{
				"privacyUrl": base + "/",
				"context":    at("/context"),
				"endpoints": map[string]endpoint{
					"status": at("/signercertificateStatus"), "update": at("/signercertificateUpdate"), "countryList": at("/countrylist"),
					"rules": at("/rules"), "valuesets": at("/valuesets"),
				},
			},
		},
	})
}

// base is where clients reach this node.
func (b *Bridge) base(r *http.Request) (string, error) {
	if b.url != "" {
		return b.url, nil
	}
	view := b.source.View()
	defer release(view)
	a, _, err := view.State().Authority(b.region)
	if err != nil {
		return "", err
	}
	if a.HTTP != "" {
		return trimSlash(a.HTTP), nil
	}
	return "http://" + r.Host, nil
}

func trimSlash(s string) string {
	for len(s) > 0 && s[len(s)-1] == '/' {
		s = s[:len(s)-1]
	}
	return s
}

// uuid and uuidOf name something by its digest (RFC 9562 §5.8: version 8).
func uuidOf(s string) string { sum := sha256.Sum256([]byte(s)); return uuid(sum[:]) }

func uuid(digest []byte) string {
	var u [16]byte
	copy(u[:], digest)
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	s := hex.EncodeToString(u[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// body reads a request's body, up to a bound.
func body(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return raw, nil
	case errors.As(err, &tooLarge):
		return nil, client.Fail(client.TooLarge, "the body has more than %d bytes", most)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, client.Fail(client.Timeout, "the body did not arrive in time")
	}
	return nil, client.Fail(client.BadRequest, "the body could not be read: it broke off")
}
