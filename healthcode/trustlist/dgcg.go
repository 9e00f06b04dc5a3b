package trustlist

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// item is one entry of the gateway's trust list (dgc-gateway, TrustListDto), and
// of what national backends made of it.
type item struct {
	Kid             string          `json:"kid"`
	Country         string          `json:"country"`
	CertificateType string          `json:"certificateType"`
	Thumbprint      string          `json:"thumbprint"`
	Signature       json.RawMessage `json:"signature"`
	RawData         string          `json:"rawData"`
}

// dgcg reads /trustList of the EU's gateway, and of WHO's, which is the same
// program. Signer certificates are keys, CSCAs anchor those of their country,
// and the certificates by which states speak with the gateway are passed over.
func (r *reader) dgcg(raw []json.RawMessage) error {
	ta, err := r.trustAnchor()
	if err != nil {
		return err
	}
	return r.items(raw, ta)
}

// items reads items of which ta, where it is not nil, must have signed each CSCA.
func (r *reader) items(raw []json.RawMessage, ta *x509.Certificate) error {
	if err := count(len(raw)); err != nil {
		return err
	}
	others := map[string]int{}
	for i, one := range raw {
		where := fmt.Sprintf("item %d", i+1)
		var it item
		if err := json.Unmarshal(one, &it); err != nil {
			r.refuse(where, "", nil, fmt.Errorf("it is no item of a trust list: %s", clip(err.Error())))
			continue
		}
		switch t := strings.ToUpper(it.CertificateType); {
		case t == "CSCA" || t == "SCA":
			r.csca(where, &it, ta)
		case t == "DSC":
			r.item(where, &it)
		case t == "":
			r.refuse(where, r.region(it.Country), nil, errors.New("it has no certificateType; want DSC or CSCA"))
		default:
			others[clipTo(t, maxShown)]++
		}
	}
	for _, t := range sortedKeys(others) {
		r.remark("%d items of type %s were passed over: they sign no codes", others[t], t)
	}
	return nil
}

// csca takes an item's certificate as an anchor, if the gateway's trust anchor
// signed it; nil: that was not given, and the item is taken at the file's word.
func (r *reader) csca(where string, it *item, ta *x509.Certificate) {
	if it.deleted() {
		return // it anchors nothing any more
	}
	c, err := parseText(it.RawData)
	if err == nil {
		err = checkThumbprint(it.Thumbprint, c.Raw)
	}
	if err == nil && ta != nil {
		var text string
		if json.Unmarshal(it.Signature, &text) != nil {
			err = errors.New("it has no signature")
		} else {
			err = checkCMS(text, c.Raw, ta)
		}
	}
	if err != nil {
		r.remark("%s: %v; it anchors nothing", where, err)
		return
	}
	r.anchor(where, r.region(it.Country), c)
}

// item adds an item's certificate as a key, if all that the item says agrees with it.
func (r *reader) item(where string, it *item) {
	region := r.region(it.Country)
	c, err := parseText(it.RawData)
	if err != nil {
		r.refuse(where, region, nil, err)
		return
	}
	if err := checkThumbprint(it.Thumbprint, c.Raw); err != nil {
		r.refuse(where, region, c, err)
		return
	}
	if it.deleted() {
		// Not on the list any more: it has no thumbprint that keeps it from being retired.
		r.refuse(where, region, nil, errors.New("it was deleted from the list: it has no signature"))
		r.pending[len(r.pending)-1].refused.Deleted = true
		return
	}
	if it.Kid != "" {
		kid, err := Base64(it.Kid)
		if err != nil {
			err = fmt.Errorf("its kid is not in base64: %s", clip(err.Error()))
		} else {
			err = checkKeyID(it.Kid, kid, c)
		}
		if err != nil {
			r.refuse(where, region, c, err)
			return
		}
	}
	r.add(r.certified(where, region, c))
}

// deleted reports that the item is shown to say that it is gone: null in place
// of the signature, as the gateway answers to If-Modified-Since.
func (it *item) deleted() bool {
	return it.Signature != nil && string(it.Signature) == "null"
}

// checkThumbprint compares a list's hex SHA-256 with the certificate's.
func checkThumbprint(listed string, der []byte) error {
	if listed == "" {
		return nil
	}
	b, err := hex.DecodeString(strings.TrimSpace(listed))
	if sum := sha256.Sum256(der); err != nil || !bytes.Equal(b, sum[:]) {
		return fmt.Errorf("its thumbprint is %q, and the certificate's is %s", clipTo(listed, maxShown), hex.EncodeToString(sum[:]))
	}
	return nil
}

// byName reads the formats that are an object of names: what the EU's verifier
// service answers, a country to its certificates, and the Dutch map of key ids.
func (r *reader) byName(m map[string]json.RawMessage) error {
	byCountry := map[string][]json.RawMessage{}
	dutch, total := false, 0
	for name, raw := range m { // any order: the names are sorted below
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil {
			return fmt.Errorf("%w: it is JSON", ErrUnknown)
		}
		byCountry[name] = items
		total += len(items)
		var first struct {
			SubjectPk *string `json:"subjectPk"`
			RawData   *string `json:"rawData"`
		}
		switch {
		case len(items) == 0:
		case json.Unmarshal(items[0], &first) != nil || first.SubjectPk == nil && first.RawData == nil:
			return fmt.Errorf("%w: it is JSON", ErrUnknown)
		default:
			dutch = dutch || first.SubjectPk != nil
		}
	}
	switch err := count(max(total, len(m))); {
	case err != nil:
		return err
	case total == 0:
		return fmt.Errorf("%w: it is JSON", ErrUnknown)
	case dutch:
		return r.only(Netherlands, func() error { return r.dutchKeys(byCountry) })
	}
	return r.only(DGCG, func() error {
		for _, country := range sortedKeys(byCountry) {
			for i, raw := range byCountry[country] {
				where := fmt.Sprintf("%s, item %d", clipTo(country, maxShown), i+1)
				var it item
				if err := json.Unmarshal(raw, &it); err != nil {
					r.refuse(where, r.region(country), nil, fmt.Errorf("it is no item of a trust list: %s", clip(err.Error())))
					continue
				}
				it.Country = country
				r.item(where, &it)
			}
		}
		return nil
	})
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m { // any order: they are sorted next
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return slices.Clip(keys)
}
