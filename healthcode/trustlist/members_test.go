package trustlist

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestDistinct(t *testing.T) {
	for text, good := range map[string]bool{
		`{}`:                                    true,
		`[{"a":1},{"a":1}]`:                     true,
		`{"a":{"a":["a","a",{"a":"a"}]}}`:       true,
		`{"a":"b","b":"a","c":",\"a\":"}`:       true,
		`{"2QdaSlJm1AE=":[],"2qdaSlJm1AE=":[]}`: true, // key ids
		`{"a":1,"b":2,"a":1}`:                   false,
		`{"a":1,"A":1}`:                         false,
		`{"kid":1,"\u212aid":1}`:                false, // the Kelvin sign: encoding/json takes it for a k
		`{"kid":1,"\u006bid":1}`:                false,
		`{"x":[{"y":{"a":1,"b":[],"a":1}}]}`:    false,
		`{"a":[{}],"b":{"c":1},"a":1}`:          false,
		`{"2QdaSlJm1AE=":[],"2QdaSlJm1AE=":[]}`: false,
		"{\"\xff\":1,\"\ufffd\":1}":             false,
	} {
		if !json.Valid([]byte(text)) {
			t.Fatal(text)
		}
		if err := distinct([]byte(text)); (err == nil) != good || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzDistinct: what is said to be distinct has as many members when it is decoded,
// by names as encoding/json compares them.
func FuzzDistinct(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[{"c":1},"d",{}]},"A":2}`))
	f.Add([]byte(`{"\u212a":1,"k":{"x":"\"}{,"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		err := distinct(text)
		if !json.Valid(text) {
			return // nothing is promised but an end
		}
		if want := twice(json.NewDecoder(bytes.NewReader(text))); want != (err != nil) {
			t.Fatalf("a member is there twice: %t; said %v", want, err)
		}
	})
}

// twice is distinct, by the library's own tokens.
func twice(d *json.Decoder) bool {
	found := false
	d.UseNumber()
	var value func()
	value = func() {
		token, err := d.Token()
		if err != nil {
			return
		}
		switch token {
		case json.Delim('['):
			for d.More() {
				value()
			}
		case json.Delim('{'):
			names := map[string]bool{}
			for d.More() {
				token, err := d.Token()
				if err != nil {
					return
				}
				name := token.(string)
				if !strings.Contains(name, "=") {
					name = strings.Map(folded, name)
				}
				found = found || names[name]
				names[name] = true
				value()
			}
		default:
			return
		}
		d.Token() // the end, of which More has told
	}
	value()
	return found
}

// TestSignedListTakenApart: nothing can be added to a signed list of WHO's beside
// what the proof is over, so that the key is read from something else.
func TestSignedListTakenApart(t *testing.T) {
	de := csca("DE", nil)
	key := p256()
	const who = "did:web:tng-cdn.example:WHO:signing:DID"
	signer := object(map[string]any{"id": who, "verificationMethod": []any{map[string]any{"id": who + "#key", "type": "JsonWebKey2020", "publicKeyJwk": jwkOf(key.Public())}}})
	bare := func(dsc map[string]any) map[string]any {
		j := dsc["publicKeyJwk"].(map[string]any)
		delete(j, "x5c")
		delete(j, "kid")
		return dsc
	}
	mine := csca("DE", nil).dsc("DE", nil, nil)
	sum := sha256Of(mine.Raw)

	// A key id that the key's issuer never gave it, and, beside a curve that is none
	// (WHO's known defect, for which the certificate's key is taken), another key.
	good := prove(t, did(bare(methodOf("DCC:DEU:DSC", de.dsc("DE", nil, nil)))), key, false)
	taken(t, read(t, good, Options{DIDSigner: signer}), 1)
	p384 := de.dsc("DE", must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)).Public(), nil)
	odd := prove(t, did(bare(methodOf("DCC:DEU:DSC", p384, "crv", "UNKNOWN CURVE"))), key, false)
	for _, test := range []struct {
		name string
		data []byte
		old  string
		new  string
	}{
		{"a key id", good, `"publicKeyJwk":`, `"publicKeyJwk":{"kid":"AAAAAAAAAAA="},"publicKeyJwk":`},
		{"a key id in capitals", good, `"publicKeyJwk":`, `"PublicKeyJwk":{"kid":"AAAAAAAAAAA="},"publicKeyJwk":`},
		{"a key id within", good, `"kty":`, `"kid":"AAAAAAAAAAA=","kid":"AAAAAAAAAAE=","kty":`},
		{"another method's name", good, `"type":"JsonWebKey2020"`, `"type":"JsonWebKey2020","Type":"JsonWebKey2020"`},
		{"all methods", good, `"verificationMethod":[`, `"verificationMethod":[],"verificationMethod":[`},
		{"the key", odd, `"publicKeyJwk":`, `"publicKeyJwk":{"x5c":["` + b64(mine.Raw) + `"],"kid":"` + b64(sum[:8]) + `"},"publicKeyJwk":`},
	} {
		evil := bytes.Replace(test.data, []byte(test.old), []byte(test.new), 1)
		if bytes.Equal(evil, test.data) {
			t.Fatalf("%s: nothing was changed", test.name)
		}
		for _, o := range []Options{{DIDSigner: signer}, {}} {
			if l, err := Read(evil, o); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: %+v, %v", test.name, l, err)
			}
		}
	}

	// Nor can the signer's own document say two things.
	two := bytes.Replace(signer, []byte(`"publicKeyJwk":`), []byte(`"publicKeyJwk":{"x5c":["`+b64(mine.Raw)+`"]},"publicKeyJwk":`), 1)
	if _, err := Read(good, Options{DIDSigner: two}); !errors.Is(err, ErrMalformed) {
		t.Errorf("the signer's document: %v", err)
	}
}

// TestMembersTwice: no format is read with a member that is there twice, whichever way the list is wrapped.
func TestMembersTwice(t *testing.T) {
	dsc := csca("DE", nil).dsc("DE", nil, nil)
	double := func(object []byte, name string) string {
		return strings.Replace(string(object), `"`+name+`":`, `"`+name+`":null,"`+name+`":`, 1)
	}
	item := double(object(itemOf(dsc, "DSC", "DE")), "rawData")
	key := double(object(jwkOf(dsc.PublicKey)), "x")
	dutch := `{"eu_keys":{"2QdaSlJm1AE=":[{"subjectPk":"AAAA","subjectPk":"` + b64(dsc.RawSubjectPublicKeyInfo) + `"}]}}`
	swedish := `{"dsc_trust_list":{"DE":{"keys":[` + key + `]}}}`
	raw := base64.RawURLEncoding.EncodeToString
	for name, text := range map[string]string{
		"a JWK": key, "a JWK set": `{"keys":[` + key + `]}`, "our own": `{"keys":[{"jwk":` + key + `}]}`,
		"the gateway's": `[` + item + `]`, "by country": `{"DE":[` + item + `]}`,
		"Germany": "AAAA\n" + `{"certificates":[` + item + `]}`, "Germany, no signature": `{"certificates":[` + item + `]}`,
		"VCI":         `{"issuerInfo":[{"issuer":{"iss":"https://a.example"},"keys":[` + key + `]}]}`,
		"Netherlands": dutch, "Netherlands, wrapped": `{"payload":"` + b64([]byte(dutch)) + `","signature":"AAAA"}`,
		"Sweden": "eyJhbGciOiJFUzI1NiJ9." + raw([]byte(swedish)) + ".AAAA", "Sweden, no signature": swedish,
		"Sweden's header": raw([]byte(`{"alg":"ES256","alg":"ES384"}`)) + "." + raw([]byte(`{"dsc_trust_list":{}}`)) + ".AAAA",
	} {
		if l, err := Read([]byte(text), Options{}); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "is there twice") {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
}
