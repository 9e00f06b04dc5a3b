package trustlist

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"testing"
)

func TestOwn(t *testing.T) {
	type entry = map[string]any
	dsc := csca("DE", nil).dsc("DE", nil, usages(vaccinationUsage))
	spki := must(x509.MarshalPKIXPublicKey(p256().Public()))
	spkiPEM := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}))
	l := read(t, object(entry{"keys": []any{
		entry{"certificate": string(inPEM(dsc)), "region": "el", "kinds": []string{"recovery", "health"}, "validFrom": "2021-05-01T00:00:00+02:00", "validUntil": "2022-05-01T00:00:00Z", "issuer": "https://a.example", "name": "A"},
		entry{"certificate": b64(dsc.Raw), "kid": "2QdaSlJm1AE="},
		entry{"publicKey": spkiPEM, "kid": "2QdaSlJm1AE="},
		entry{"publicKey": b64(spki), "kid": "2QdaSlJm1AE"},
		entry{"jwk": jwkOf(p256().Public())},
		entry{"publicKey": b64(spki)},
		entry{"publicKey": b64(spki), "kid": "!"},
		entry{"publicKey": "AAAA", "kid": "2QdaSlJm1AE="},
		entry{"publicKey": "!", "kid": "2QdaSlJm1AE="},
		entry{"certificate": "AAAA"},
		entry{"jwk": jwkOf(p256().Public()), "publicKey": b64(spki)},
		entry{},
		entry{"certificate": b64(dsc.Raw), "kinds": []string{"vaccine"}},
		entry{"certificate": b64(dsc.Raw), "valid_until": "2022-05-01T00:00:00Z"},
		entry{"certificate": b64(dsc.Raw), "validFrom": "2022-05-01T00:00:00Z", "validUntil": "2021-05-01T00:00:00Z"},
		entry{"certificate": b64(dsc.Raw), "validFrom": "yesterday"},
		"text",
	}}), Options{})
	taken(t, l, 5, "needs a kid", "is not in base64", "no SubjectPublicKeyInfo", "neither PEM nor DER", "no X.509", "it has 2 of", "it has 0 of", `"vaccine" is unknown`, "unknown field", "it never is", "no key of this format", "no key of this format")
	e := l.Entries[0]
	if l.Format != Own || e.Region != "GR" || fmt.Sprint(e.Kinds) != "[recovery health]" || stamp(e.ValidFrom) != "2021-04-30T22:00:00Z" || stamp(e.ValidUntil) != "2022-05-01T00:00:00Z" || e.Issuer != "https://a.example" || e.Name != "A" {
		t.Errorf("%+v", e)
	}
	e = l.Entries[1]
	if b64(e.KeyID) != "2QdaSlJm1AE=" || e.Region != "DE" || fmt.Sprint(e.Kinds) != "[vaccination]" {
		t.Errorf("%+v", e)
	}
	remarked(t, e.Remarks, "codes are found by it alone")
	for _, private := range []string{`{"keys":[{"certificate":"-----BEGIN PRIVATE KEY-----"}]}`, `{"keys":[{"jwk":{"kty":"oct","k":"AAAA"}}]}`} {
		if _, err := Read([]byte(private), Options{}); !errors.Is(err, ErrPrivateKey) {
			t.Errorf("%s: %v", private, err)
		}
	}
	if _, err := Read([]byte(`{"keys":[{}],"more":1}`), Options{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("a member more: %v", err)
	}
	long := make([]any, MaxEntries+1)
	for i := range long {
		long[i] = entry{}
	}
	if _, err := Read(object(entry{"keys": long}), Options{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d keys: %v", len(long), err)
	}
}
