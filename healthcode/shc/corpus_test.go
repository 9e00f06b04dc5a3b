package shc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"concordat/healthcode"
)

// corpusRoot has the examples of smart-on-fhir/health-cards, with the JWK set and
// the revocation list of their issuer, as they were published (LICENSE beside them).
const corpusRoot = "testdata/examples"

func corpusFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(corpusRoot, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// corpusKeys gives the issuer's keys by the id that cards name.
func corpusKeys(t testing.TB) map[string]crypto.PublicKey {
	t.Helper()
	var set struct {
		Keys []struct{ KID, X, Y string }
	}
	if err := json.Unmarshal([]byte(corpusFile(t, "issuer/.well-known/jwks.json")), &set); err != nil {
		t.Fatal(err)
	}
	keys := map[string]crypto.PublicKey{}
	for _, k := range set.Keys {
		point := []byte{4}
		for _, coordinate := range []string{k.X, k.Y} {
			b, err := base64.RawURLEncoding.DecodeString(coordinate)
			if err != nil {
				t.Fatal(err)
			}
			point = append(point, b...)
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			t.Fatal(err)
		}
		if thumb := thumbprint(key); base64.RawURLEncoding.EncodeToString(thumb[:]) != k.KID {
			t.Fatalf("%s is not the thumbprint of its key", k.KID)
		}
		keys[k.KID] = key
	}
	return keys
}

// examples are what a reader by hand finds in the four examples.
var examples = []struct {
	number string
	texts  []string
	kid    string
	kind   healthcode.Kind
	nbf    string
	exp    string
	birth  string
	hash   string // of type rid; "" where there is no rid
	fields []healthcode.Field
}{
	{
		number: "00", texts: []string{"-f-qr-code-numeric-value-0.txt"}, kid: corpusKID, kind: healthcode.Vaccination,
		nbf: "2023-06-22T16:19:24.656Z", birth: "1951-01-20", hash: "801db4b49d9cd210cb38889db8e8125a",
		fields: []healthcode.Field{
			{Name: "familyName", Value: "Anyperson"}, {Name: "givenName", Value: "John B."}, {Name: "dateOfBirth", Value: "1951-01-20"},
			{Name: "vaccine", Value: "http://hl7.org/fhir/sid/cvx|207"}, {Name: "vaccinatedOn", Value: "2021-01-01"},
			{Name: "vaccine2", Value: "http://hl7.org/fhir/sid/cvx|207"}, {Name: "vaccinatedOn2", Value: "2021-01-29"},
			{Name: "vaccine3", Value: "http://hl7.org/fhir/sid/cvx|229"}, {Name: "vaccinatedOn3", Value: "2022-09-05"},
			{Name: "certificateIssuer", Value: "https://spec.smarthealth.cards/examples/issuer"},
		},
	},
	{
		number: "01", texts: []string{"-f-qr-code-numeric-value-0.txt"}, kid: "EBKOr72QQDcTBUuVzAzkfBTGew0ZA16GuWty64nS-sw", kind: healthcode.Vaccination,
		nbf: "2023-06-22T16:19:24.657Z", birth: "1951-01-20",
		fields: []healthcode.Field{
			{Name: "familyName", Value: "Anyperson"}, {Name: "givenName", Value: "John B."}, {Name: "dateOfBirth", Value: "1951-01-20"},
			{Name: "vaccine", Value: "http://hl7.org/fhir/sid/cvx|207"}, {Name: "vaccinatedOn", Value: "2021-01-01"},
			{Name: "vaccine2", Value: "http://hl7.org/fhir/sid/cvx|207"}, {Name: "vaccinatedOn2", Value: "2021-01-29"},
			{Name: "vaccine3", Value: "http://hl7.org/fhir/sid/cvx|229"}, {Name: "vaccinatedOn3", Value: "2022-09-05"},
			{Name: "certificateIssuer", Value: "https://spec.smarthealth.cards/examples/issuer"},
		},
	},
	{
		number: "02", texts: []string{"-f-qr-code-numeric-value-0.txt", "-f-qr-code-numeric-value-1.txt", "-f-qr-code-numeric-value-2.txt"},
		kid: corpusKID, kind: healthcode.Test, nbf: "2023-06-22T16:19:24.657Z", hash: "c33e5495205a500c767112669a1bbb77",
		// No patient is in it, and of 51 Observations only those with a coded result are shown: 4.
		fields: []healthcode.Field{
			{Name: "testType", Value: "http://loinc.org|2887-8"}, {Name: "testResult", Value: "http://snomed.info/sct|260385009"}, {Name: "sampledAt", Value: "2015-08-16T06:40:17Z"},
			{Name: "testType2", Value: "http://loinc.org|33051-4"}, {Name: "testResult2", Value: "http://snomed.info/sct|260385009"}, {Name: "sampledAt2", Value: "2015-08-16T06:40:17Z"},
			{Name: "testType3", Value: "http://loinc.org|2349-9"}, {Name: "testResult3", Value: "http://snomed.info/sct|260385009"}, {Name: "sampledAt3", Value: "2015-08-16T06:40:17Z"},
			{Name: "testType4", Value: "http://loinc.org|33052-2"}, {Name: "testResult4", Value: "http://snomed.info/sct|260385009"}, {Name: "sampledAt4", Value: "2015-08-16T06:40:17Z"},
			{Name: "certificateIssuer", Value: "https://spec.smarthealth.cards/examples/issuer"},
		},
	},
	{
		number: "03", texts: []string{"-f-qr-code-numeric-value-0.txt"}, kid: corpusKID, kind: healthcode.Vaccination,
		nbf: "2023-06-22T16:19:24.657Z", exp: "2024-06-21T16:19:24.657Z", birth: "1960-04-22", hash: "49e18d74f5b017d5666419b2ec72d53c",
		fields: []healthcode.Field{
			{Name: "familyName", Value: "Revoked"}, {Name: "givenName", Value: "Johnny"}, {Name: "dateOfBirth", Value: "1960-04-22"},
			{Name: "vaccine", Value: "http://hl7.org/fhir/sid/cvx|207"}, {Name: "vaccinatedOn", Value: "2021-03-01"},
			{Name: "vaccine2", Value: "http://hl7.org/fhir/sid/cvx|207"}, {Name: "vaccinatedOn2", Value: "2021-03-29"},
			{Name: "certificateIssuer", Value: "https://spec.smarthealth.cards/examples/issuer"},
		},
	},
}

// TestCorpus: each example says the same in every form that it comes in.
func TestCorpus(t *testing.T) {
	keys := corpusKeys(t)
	for _, e := range examples {
		for _, form := range []struct {
			name  string
			texts []string
		}{
			{"QR codes", e.texts},
			{"JWS", []string{"-d-jws.txt"}},
			{"file", []string{"-e-file.smart-health-card"}},
		} {
			t.Run(e.number+" "+form.name, func(t *testing.T) {
				var texts []string
				var places []int
				for i, suffix := range form.texts {
					texts = append(texts, corpusFile(t, "example-"+e.number+suffix))
					places = append(places, i)
				}
				readings := healthcode.Read(texts, Decoders()...)
				if len(readings) != 1 || readings[0].Err != nil || !reflect.DeepEqual(readings[0].Texts, places) {
					t.Fatalf("%+v", readings)
				}
				u := readings[0].Unverified
				if u.Format() != healthcode.FormatSHC || base64.RawURLEncoding.EncodeToString(u.KeyID()) != e.kid {
					t.Fatalf("format %s, key id %x", u.Format(), u.KeyID())
				}
				for kid, key := range keys {
					v, err := u.Verify(key)
					if kid != e.kid {
						if v != nil || healthcode.Name(err) != "signature-invalid" {
							t.Fatalf("another key gives %v, %v", v, err)
						}
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					if v.Kind() != e.kind || v.Issuer() != "https://spec.smarthealth.cards/examples/issuer" || v.Algorithm() != healthcode.ES256 ||
						v.Holder().BirthDate != e.birth || v.Holder().ID != "" || v.Country() != "" || v.Payload() != nil {
						t.Errorf("%s, %s, %s, %q", v.Kind(), v.Issuer(), v.Algorithm(), v.Holder().BirthDate)
					}
					if got := stamp(v.IssuedAt()); got != e.nbf || !v.NotBefore().Equal(v.IssuedAt()) || stamp(v.ExpiresAt()) != e.exp {
						t.Errorf("issued %s, not before %s, expires %s", got, stamp(v.NotBefore()), stamp(v.ExpiresAt()))
					}
					if !reflect.DeepEqual(v.Fields(), e.fields) {
						t.Errorf("fields %q", v.Fields())
					}
					if got := ridHash(t, v); got != e.hash {
						t.Errorf("revocation hash %q, want %q", got, e.hash)
					}
				}
			})
		}
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// ridHash gives the one revocation hash of a card in hex; "" if it has none.
func ridHash(t *testing.T, v *healthcode.Verified) string {
	t.Helper()
	hashes := v.RevocationHashes()
	if len(hashes) == 0 {
		return ""
	}
	if len(hashes) != 1 || hashes[0].Type != healthcode.HashRID {
		t.Fatalf("hashes %v", hashes)
	}
	return hex.EncodeToString(hashes[0].Hash[:])
}

// TestCorpusOutOfOrder: chunks may be shown in any order, other codes in between.
func TestCorpusOutOfOrder(t *testing.T) {
	file := func(name string) string { return corpusFile(t, "example-"+name) }
	readings := healthcode.Read([]string{
		file("02-f-qr-code-numeric-value-2.txt"),
		file("00-f-qr-code-numeric-value-0.txt"),
		file("02-f-qr-code-numeric-value-0.txt"),
		file("01-d-jws.txt"),
		file("02-f-qr-code-numeric-value-1.txt"),
	}, Decoders()...)
	var places [][]int
	for _, r := range readings {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		places = append(places, r.Texts)
	}
	if want := [][]int{{0, 2, 4}, {1}, {3}}; !reflect.DeepEqual(places, want) {
		t.Errorf("texts %v, want %v", places, want)
	}
}

// TestCorpusRevoked: the issuer's list names example 03, whose nbf is a fraction of
// a second before the time with it, and no other.
func TestCorpusRevoked(t *testing.T) {
	list, err := ParseCRL([]byte(corpusFile(t, "issuer/.well-known/crl/"+corpusKID+".json")))
	if err != nil {
		t.Fatal(err)
	}
	if list.Counter != 1 || base64.RawURLEncoding.EncodeToString(list.KeyID) != corpusKID {
		t.Errorf("list %d of key %x", list.Counter, list.KeyID)
	}
	if len(list.Groups) != 2 || !list.Groups[0].IssuedBefore.IsZero() || list.Groups[1].IssuedBefore.Unix() != 1687450765 ||
		len(list.Groups[0].Hashes) != 2 || len(list.Groups[1].Hashes) != 2 {
		t.Fatalf("groups %v", list.Groups)
	}
	keys := corpusKeys(t)
	for _, e := range examples {
		v := mustVerify(t, corpusFile(t, "example-"+e.number+"-d-jws.txt"), keys[e.kid])
		if revoked := revokedBy(list, v); revoked != (e.number == "03") {
			t.Errorf("example %s is revoked: %v", e.number, revoked)
		}
	}
}

// revokedBy is the specification's rule: the rid is on the list, and nbf is before
// the time with it if there is one.
func revokedBy(list CRL, v *healthcode.Verified) bool {
	for _, g := range list.Groups {
		for _, h := range g.Hashes {
			for _, own := range v.RevocationHashes() {
				if own.Hash == h && (g.IssuedBefore.IsZero() || v.NotBefore().Before(g.IssuedBefore)) {
					return true
				}
			}
		}
	}
	return false
}

// TestCorpusTampered: one changed character anywhere, and no example verifies.
func TestCorpusTampered(t *testing.T) {
	keys := corpusKeys(t)
	jws := corpusFile(t, "example-00-d-jws.txt")
	for i := 0; i < len(jws); i += 7 {
		other := byte('A')
		if jws[i] == other {
			other = 'B'
		}
		u, err := JWSDecoder{}.Decode(jws[:i] + string(other) + jws[i+1:])
		if err == nil {
			_, err = u.Verify(keys[corpusKID])
		}
		if err == nil {
			t.Fatalf("character %d was changed and the card verifies", i)
		}
	}
	if !strings.HasPrefix(jws, PrefixJWS) {
		t.Error("the example does not begin as a JWS")
	}
}
