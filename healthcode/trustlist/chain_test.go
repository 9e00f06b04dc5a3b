package trustlist

import (
	"crypto/x509"
	"strings"
	"testing"
)

// TestOtherCountry: a certificate of another country than the list says is never
// taken in silence, and not at all where it can be judged (T4).
func TestOtherCountry(t *testing.T) {
	ru, de := csca("RU", nil), csca("DE", nil)
	dsc, none := ru.dsc("RU", nil, nil), ru.dsc("RU", nil, func(c *x509.Certificate) { c.Subject.Country = nil })
	swedish := jwkOf(dsc.PublicKey)
	swedish["x5c"], swedish["kid"] = []string{b64(dsc.Raw)}, b64(sha256Of(dsc.Raw)[:8])
	for name, data := range map[string][]byte{
		"the gateway's": object([]any{itemOf(dsc, "DSC", "DE")}),
		"by country":    object(map[string]any{"DE": []any{map[string]any{"rawData": b64(dsc.Raw)}}}),
		"WHO":           object(did(methodOf("DCC:DEU:DSC", dsc))),
		"Sweden":        object(map[string]any{"dsc_trust_list": map[string]any{"DE": map[string]any{"keys": []any{swedish}}}}),
		"our own":       object(map[string]any{"keys": []any{map[string]any{"certificate": b64(dsc.Raw), "region": "DE"}}}),
		"no country":    object([]any{itemOf(none, "DSC", "DE")}),
	} {
		country := "RU"
		if name == "no country" {
			country = "(none)"
		}
		l := read(t, data, Options{})
		taken(t, l, 1)
		remarked(t, l.Entries[0].Remarks, "the certificate's country is "+country+", and the list says DE")
		remarked(t, l.Remarks, "1 certificates have another country than the list gives them, and no chain shows whose they are: what the list says is of DE is "+country)
		taken(t, read(t, data, Options{Strict: true}), 0, "the certificate's country is "+country+", and the list says DE")
		if name != "no country" {
			taken(t, read(t, data, Options{Anchors: []*x509.Certificate{de.cert, ru.cert}}), 0, "the certificate's country is RU, and the list says DE")
		}
	}
	// CSCAs of other countries in the list judge nothing of this one.
	fr := csca("FR", nil)
	taken(t, read(t, object([]any{itemOf(dsc, "DSC", "DE"), itemOf(fr.cert, "CSCA", "FR")}), Options{Strict: true}), 0, "country is RU")
	// One spelling, and parts of a country, are no other country.
	gr := csca("GR", nil).dsc("GR", nil, nil)
	for _, region := range []string{"EL", "GR", "GR-A"} {
		l := read(t, object([]any{itemOf(gr, "DSC", region)}), Options{Strict: true})
		taken(t, l, 1)
		if said := strings.Join(l.Remarks, "\n"); strings.Contains(said, "another country") || len(l.Entries[0].Remarks) > 0 {
			t.Errorf("%s: %s; %q", region, said, l.Entries[0].Remarks)
		}
	}
}
