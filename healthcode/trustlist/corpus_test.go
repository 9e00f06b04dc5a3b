package trustlist

import (
	"bytes"
	"testing"

	"concordat/testnet/codes"
)

// TestRealCertificates reads the certificates that signed real codes, as a list
// in PEM would have them, and as the EU's verifier service would.
func TestRealCertificates(t *testing.T) {
	var list []byte
	byCountry := map[string][]any{}
	names := codes.Names()
	for _, name := range names {
		c, err := codes.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		cert := must(parse(c.Certificate))
		list = append(list, inPEM(cert)...)
		byCountry[name[:2]] = append(byCountry[name[:2]], map[string]any{"rawData": b64(c.Certificate)})
	}
	l := read(t, list, Options{})
	taken(t, l, len(names))
	for i, e := range l.Entries {
		if e.Region != names[i][:2] || len(e.KeyID) != 8 {
			t.Errorf("%s: region %q, key id %x", names[i], e.Region, e.KeyID)
		}
	}
	merged := Merge(l.Entries)
	again := Merge(read(t, object(byCountry), Options{}).Entries)
	if len(merged) != len(again) || len(merged) == 0 || !bytes.Equal(merged[0].KeyID, again[0].KeyID) {
		t.Errorf("%d different keys, and %d by country", len(merged), len(again))
	}
}
