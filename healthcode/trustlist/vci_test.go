package trustlist

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSnapshot reads the whole of the VCI directory's snapshot, with its signature.
func TestSnapshot(t *testing.T) {
	data := file(t, "vci/vci_snapshot.json")
	l := read(t, data, Options{Signature: file(t, "vci/vci_snapshot.sig"), Signer: file(t, "vci/vci_snapshot.crt")})
	taken(t, l, 961)
	if l.Format != VCI || l.Time.Format("2006-01-02") != "2026-08-22" || len(l.CRLs) != 6 {
		t.Errorf("format %s, time %s, %d revocation lists", l.Format, l.Time, len(l.CRLs))
	}
	if !strings.Contains(l.Signed, "CN=vci.org") || len(l.Remarks) != 0 {
		t.Errorf("signed by %q; remarks %q", l.Signed, l.Remarks)
	}
	issuers, certified, odd := map[string]bool{}, 0, 0
	for _, e := range l.Entries {
		issuers[e.Issuer] = true
		if !bytes.Equal(e.KeyID, thumbprint(e.Key)) {
			odd++ // a coordinate's leading zero was left out
			remarked(t, e.Remarks, "a coordinate has 31 bytes")
		}
		if len(e.KeyID) != 32 || e.Name == "" || e.Region != "" || len(e.Kinds) > 0 {
			t.Fatalf("%+v", e)
		}
		if e.Certificate != nil {
			certified++
		}
	}
	if len(issuers) != 650 || certified != 0 || odd != 2 { // one of the 651 has no key; 11 keys have an x5c, which is not taken along
		t.Errorf("%d issuers, %d keys with certificates, %d odd", len(issuers), certified, odd)
	}
	merged := Merge(l.Entries)
	shared := 0
	for _, e := range merged {
		if strings.Contains(strings.Join(e.Remarks, "\n"), "issuers list this key") {
			shared++
		}
		if e.Issuer == "" || e.Name == "" {
			t.Errorf("%s: no issuer", e.Where)
		}
	}
	if len(merged) != 596 || shared != 46 || merged[0].Issuer != "https://myvaccinerecord.cdph.ca.gov/creds" || merged[0].Name != "State of California" {
		t.Errorf("%d different keys, %d of them shared; the first is of %s", len(merged), shared, merged[0].Issuer)
	}
}

// TestDetachedSignature: the list is refused if anything of it, or of its signature, is another's.
func TestDetachedSignature(t *testing.T) {
	data, sig, crt := file(t, "vci/vci_snapshot.json"), file(t, "vci/vci_snapshot.sig"), file(t, "vci/vci_snapshot.crt")
	other := csca("XA", nil)
	sum := sha512.Sum512(data)
	byOther := must(other.key.Sign(rand.Reader, sum[:], crypto.SHA512))
	block, _ := pem.Decode(crt)
	real := must(x509.ParseCertificate(block.Bytes))
	for _, test := range []struct {
		name            string
		data, sig, cert []byte
		good            bool
	}{
		{"as it was made", data, sig, crt, true},
		{"a public key in PEM", data, sig, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: real.RawSubjectPublicKeyInfo}), true},
		{"the certificate in DER", data, sig, real.Raw, true},
		{"another signer who signed", data, byOther, inPEM(other.cert), true},
		{"a name changed", bytes.Replace(data, []byte("State of California"), []byte("State of Colorado!!"), 1), sig, crt, false},
		{"a space more", append(bytes.Clone(data), ' '), sig, crt, false},
		{"another's signature", data, byOther, crt, false},
		{"another's certificate", data, sig, inPEM(other.cert), false},
		{"a signature cut short", data, sig[:len(sig)-1], crt, false},
		{"no signature", data, nil, crt, false},
		{"no signer", data, sig, nil, false},
		{"rubbish for a signer", data, sig, []byte("rubbish"), false},
		{"a private key for a signer", data, sig, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), false},
	} {
		_, err := Read(test.data, Options{Signature: test.sig, Signer: test.cert})
		if (err == nil) != test.good || err != nil && !errors.Is(err, ErrSignature) && !errors.Is(err, ErrSigner) && !errors.Is(err, ErrPrivateKey) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	remarked(t, read(t, data, Options{}).Remarks, "signature was not checked")
}

// TestSnapshotDefects changes the snapshot by hand.
func TestSnapshotDefects(t *testing.T) {
	type key = map[string]any
	good := key{"kty": "EC", "use": "sig", "crv": "P-256", "x": "3dQz5ZlbazChP3U7bdqShfF0fvSXLXD9WMa1kqqH6i4", "y": "FV4AsWjc7ZmfhSiHsw2gjnDMKNLwNqi2jMLmJpiKWtE", "kid": "7JvktUpf1_9NPwdM-70FJT3YdyTiSe2IvmVxxgDSRb0"}
	with := func(name string, v any) key {
		k := key{}
		for n, old := range good {
			k[n] = old
		}
		k[name] = v
		return k
	}
	list := func(crls []any, keys ...any) []byte {
		return object(key{"directory": "d", "time": "t", "issuerInfo": []any{key{"issuer": key{"iss": "https://a.example", "name": "A"}, "keys": keys, "crls": crls}}})
	}
	l := read(t, list([]any{key{"kid": good["kid"], "method": "rid", "ctr": 1, "rids": []any{}}, key{"kid": "AAAA", "rids": []any{}}, "x"},
		good, with("kid", "another"), with("y", good["x"]), with("use", "enc"), with("crv", "secp256k1"), with("x", "short"), with("kty", "RSA"), "text"), Options{})
	taken(t, l, 1, "neither its thumbprint", "no point on P-256", "want sig", "unknown curve", "x is not in base64", "n has 0 bytes", "no JWK")
	if len(l.CRLs) != 1 || l.CRLs[0].Issuer != "https://a.example" || len(l.CRLs[0].KeyID) != 32 {
		t.Errorf("revocation lists: %+v", l.CRLs)
	}
	remarked(t, l.Remarks, "which is not one of that issuer's in the list")
	remarked(t, l.Remarks, "revocation list 3 cannot be read")
	if _, err := Read(list(nil, with("d", "AAAA")), Options{}); !errors.Is(err, ErrPrivateKey) || !strings.Contains(err.Error(), "key 1 holds a private") {
		t.Errorf("private key: %v", err)
	}
	if _, err := Read([]byte(`{"issuerInfo":[{"keys":7}]}`), Options{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("keys that are a number: %v", err)
	}
	var long struct{ Name string }
	long.Name = strings.Repeat("ü", 300)
	l = read(t, object(key{"issuerInfo": []any{key{"issuer": key{"iss": "https://a.example", "name": long.Name}, "keys": []any{good}}}}), Options{})
	taken(t, l, 1)
	if n := len(l.Entries[0].Name); n > MaxName || !json.Valid(object(l.Entries[0].Name)) {
		t.Errorf("the name has %d bytes", n)
	}
}

// TestNoKeys: files of the field that are near a trust list, and have no keys.
func TestNoKeys(t *testing.T) {
	for _, text := range []string{
		`{"participating_issuers":[{"iss":"https://a.example","name":"A"}]}`,
		`{"issuer_metadata":[]}`,
		`["2QdaSlJm1AE="]`,
		`{"kid":"x","method":"rid","ctr":1,"rids":[]}`,
		`{"verifiableCredential":["eyJ"]}`,
		`{"id":"did:web:x","verificationMethod":["did:web:x:v2:trustlist-ref:DCC"]}`,
	} {
		if _, err := Read([]byte(text), Options{}); !errors.Is(err, ErrNoKeys) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"", " ", `{"version":"2.0"}`, `{}`, `{"DE":[]}`, `{"DE":7}`, `{"DE":[{"a":1}]}`, "hello", "0\x82", "Zm9v\n{not", "eyJ.x"} {
		_, err := Read([]byte(text), Options{})
		if !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
