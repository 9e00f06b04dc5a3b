package trustlist

import (
	"bytes"
	"crypto/x509"
	"errors"
	"reflect"
	"testing"
)

// checkRead states what holds for every file: an error of ours; or a list whose
// entries are fit to be registered, and which is the same when it is read again.
func checkRead(t *testing.T, data []byte, o Options) {
	l, err := Read(data, o)
	if err != nil {
		known := false
		for _, is := range []error{ErrUnknown, ErrMalformed, ErrNoKeys, ErrTooLarge, ErrPrivateKey, ErrSignature, ErrSigner} {
			known = known || errors.Is(err, is)
		}
		if l != nil || !known || len(err.Error()) > 2000 {
			t.Fatalf("%v, %v", l, err)
		}
		return
	}
	for _, e := range l.Entries {
		if Suitable(e.Key) != nil || len(e.KeyID) == 0 || len(e.KeyID) > MaxKeyID || len(e.Issuer) > MaxIssuer || len(e.Name) > MaxName {
			t.Fatalf("%+v", e)
		}
		if key, err := x509.ParsePKIXPublicKey(e.PublicKey); err != nil || !same(key, e.Key) {
			t.Fatalf("the key is encoded as another: %v", err)
		}
		if c := e.Certificate; c != nil && (!bytes.Equal(c.RawSubjectPublicKeyInfo, e.PublicKey) || len(c.Raw) > MaxCertificate) {
			t.Fatal("the key is not the certificate's")
		}
		if !e.ValidFrom.IsZero() && !e.ValidUntil.IsZero() && !e.ValidFrom.Before(e.ValidUntil) {
			t.Fatalf("valid from %s until %s", e.ValidFrom, e.ValidUntil)
		}
		if len(o.Anchors) > 0 && !e.Chained {
			t.Fatal("it does not chain, and was taken")
		}
	}
	for _, r := range l.Refused {
		if r.Reason == "" || len(r.Reason) > 1000 {
			t.Fatalf("%+v", r)
		}
	}
	if m := Merge(l.Entries); len(m) > len(l.Entries) || (len(m) == 0) != (len(l.Entries) == 0) {
		t.Fatalf("%d entries merged to %d", len(l.Entries), len(m))
	}
	again, err := Read(data, o)
	if err != nil || !reflect.DeepEqual(l.Refused, again.Refused) || !reflect.DeepEqual(l.Remarks, again.Remarks) || len(l.Entries) != len(again.Entries) {
		t.Fatalf("read again, it is another list: %v", err)
	}
}

// FuzzRead: no file brings the reader down, whatever it is checked by.
func FuzzRead(f *testing.F) {
	de := csca("DE", nil)
	dsc := de.dsc("DE", nil, usages(vaccinationUsage))
	f.Add(inPEM(dsc, de.cert))
	f.Add(dsc.Raw)
	f.Add(object(jwkOf(dsc.PublicKey)))
	f.Add(object(map[string]any{"keys": []any{jwkOf(dsc.PublicKey), map[string]any{"kty": "RSA", "n": "AQAB", "e": "AQAB"}}}))
	f.Add(object([]any{itemOf(dsc, "DSC", "DE"), itemOf(de.cert, "CSCA", "DE")}))
	f.Add(object(map[string]any{"DE": []any{map[string]any{"kid": "2QdaSlJm1AE=", "rawData": b64(dsc.Raw)}}}))
	f.Add(append([]byte("AAAA\n"), object(map[string]any{"certificates": []any{itemOf(dsc, "DSC", "DE")}})...))
	f.Add(object(map[string]any{"eu_keys": map[string]any{"2QdaSlJm1AE=": []any{map[string]any{"subjectPk": b64(dsc.RawSubjectPublicKeyInfo), "keyUsage": []string{"v"}}}}}))
	f.Add(object(map[string]any{"iat": 1, "dsc_trust_list": map[string]any{"DE": map[string]any{"eku": map[string]any{"2QdaSlJm1AE=": []string{"1.2"}}, "keys": []any{jwkOf(dsc.PublicKey)}}}}))
	f.Add([]byte(`eyJhbGciOiJFUzI1NiIsImI2NCI6ZmFsc2V9.{"dsc_trust_list":{}}.AAAA`))
	f.Add(object(did(methodOf("DCC:DEU:DSC", dsc), methodOf("DCC:DEU:SCA", de.cert))))
	f.Add([]byte(`{"verificationMethod":[{"id":"did:web:x:trustlist:DEU#x","publicKeyJwk":{"kty":"EC"}}],"proof":{"type":"JsonWebSignature2020","jws":"e30..AA"}}`))
	f.Add([]byte(`{"issuerInfo":[{"issuer":{"iss":"https://a.example","name":"A"},"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}],"crls":[{"kid":"AA"}]}]}`))
	f.Add(object(map[string]any{"keys": []any{map[string]any{"certificate": b64(dsc.Raw), "kinds": []string{"test"}, "region": "DE"}, map[string]any{"publicKey": "AAAA", "kid": "AA"}}}))
	f.Add([]byte(`{"participating_issuers":[]}`))
	signer, signerDID := inPEM(dsc), object(did(methodOf("WHO:signing:DID", dsc)))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkRead(t, data, Options{At: now})
		checkRead(t, data, Options{At: now, Anchors: []*x509.Certificate{de.cert}, Domains: []string{"DCC", "-"}})
		checkRead(t, data, Options{Signer: signer, Signature: []byte{0x30, 0}, DIDSigner: signerDID})
		if as, err := Anchors(data); err == nil && len(as) == 0 {
			t.Fatal("no anchor and no error")
		}
	})
}
