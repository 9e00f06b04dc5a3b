package shc

import (
	"bytes"
	"compress/flate"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"crypto/elliptic"

	"concordat/healthcode"
)

// TestTolerated: what the specification permits, or real cards have, is read and
// verifies.
func TestTolerated(t *testing.T) {
	bothKinds := func(types ...any) func(*forgery) {
		return func(f *forgery) {
			theBundle(f.payload)["entry"] = append(entries(f.payload), entries(observation())[1])
			vc(f.payload)["type"] = append(a{typeHealthCard}, types...)
		}
	}
	isKind := func(kind healthcode.Kind) func(*testing.T, *healthcode.Verified) {
		return func(t *testing.T, v *healthcode.Verified) {
			if v.Kind() != kind || (kind == healthcode.Test) != (fieldsOf(v, "testResult") != nil) || (kind == healthcode.Vaccination) != (fieldsOf(v, "vaccine") != nil) {
				t.Errorf("a card of kind %s with fields %q", v.Kind(), v.Fields())
			}
		}
	}
	for _, test := range []struct {
		name   string
		change func(*forgery)
		check  func(*testing.T, *healthcode.Verified)
	}{
		{"plain", func(*forgery) {}, func(t *testing.T, v *healthcode.Verified) {
			kid := thumbprint(&forgingKey().PublicKey)
			if !bytes.Equal(v.KeyID(), kid[:]) || v.Issuer() != forgedIssuer || v.IssuedAt().Unix() != 1620000000 || !v.ExpiresAt().IsZero() ||
				!reflect.DeepEqual(v.RevocationHashes(), []healthcode.RevocationHash{{Type: healthcode.HashRID, Hash: RevocationHash(kid[:], forgedRID)}}) {
				t.Errorf("%x, %s, %s, %v", v.KeyID(), v.Issuer(), v.IssuedAt(), v.RevocationHashes())
			}
		}},
		{"other header members", header(func(h m) { h["typ"], h["jku"], h["x5c"] = "JWT", "https://evil.example/jwks.json", a{"AA"} }), nil},
		{"white space, not minified", func(f *forgery) {
			f.text = func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`,"`), []byte(" ,\r\n\t\"")) }
			f.headerText = func(b []byte) []byte { return append(bytes.ReplaceAll(b, []byte(`:`), []byte(" : ")), '\n') }
		}, nil},
		{"payload with trailing white space (dev-tools)", func(f *forgery) {
			f.text = func(b []byte) []byte { return append(b, " \n"...) }
		}, nil},
		{"a payload of the largest size", func(f *forgery) {
			f.text = func(b []byte) []byte { return append(b, bytes.Repeat([]byte{' '}, MaxInflated-len(b))...) }
		}, nil},
		{"stored, without compression", func(f *forgery) {
			f.compress = func(b []byte) []byte {
				var out bytes.Buffer
				w, err := flate.NewWriter(&out, flate.NoCompression)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.Write(b); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				return out.Bytes()
			}
		}, nil},
		{"nbf with a fraction", claim(func(p m) { p["nbf"] = json1("1687450764.656") }), func(t *testing.T, v *healthcode.Verified) {
			if want := time.Unix(1687450764, 656e6); !v.IssuedAt().Equal(want) || !v.NotBefore().Equal(want) {
				t.Errorf("issued %s", v.IssuedAt())
			}
		}},
		{"nbf with an exponent", claim(func(p m) { p["nbf"] = json1("1.62E+9") }), func(t *testing.T, v *healthcode.Verified) {
			if v.IssuedAt().Unix() != 1620000000 {
				t.Errorf("issued %s", v.IssuedAt())
			}
		}},
		{"the last second of 9999", claim(func(p m) { p["exp"] = int64(latest) }), func(t *testing.T, v *healthcode.Verified) {
			if v.ExpiresAt().Unix() != latest {
				t.Errorf("expires %s", v.ExpiresAt())
			}
		}},
		{"exp before nbf (dev-tools): expired, and that is for others to say", claim(func(p m) { p["exp"] = 1500000000 }), func(t *testing.T, v *healthcode.Verified) {
			if v.ExpiresAt().Unix() != 1500000000 {
				t.Errorf("expires %s", v.ExpiresAt())
			}
		}},
		{"exp null", claim(func(p m) { p["exp"] = nil }), func(t *testing.T, v *healthcode.Verified) {
			if !v.ExpiresAt().IsZero() {
				t.Errorf("expires %s", v.ExpiresAt())
			}
		}},
		{"no rid", claim(func(p m) { delete(vc(p), "rid") }), noHashes},
		{"rid null", claim(func(p m) { vc(p)["rid"] = nil }), noHashes},
		{"rid of 24 characters", claim(func(p m) { vc(p)["rid"] = strings.Repeat("-", 24) }), func(t *testing.T, v *healthcode.Verified) {
			if len(v.RevocationHashes()) != 1 {
				t.Errorf("hashes %v", v.RevocationHashes())
			}
		}},
		{"@context, as before 1.0 (dev-tools)", claim(func(p m) { vc(p)["@context"] = a{"https://www.w3.org/2018/credentials/v1"} }), nil},
		{"types that nobody knows", claim(func(p m) { vc(p)["type"] = a{"VerifiableCredential", typeHealthCard, "https://x.example#y"} }), nil},
		{"covid19 with a test", func(f *forgery) {
			f.payload = observation()
			vc(f.payload)["type"] = a{typeHealthCard, "https://smarthealth.cards#covid19"}
		}, isKind(healthcode.Test)},
		{"test by type", func(f *forgery) {
			f.payload = observation()
			vc(f.payload)["type"] = a{typeHealthCard, typeLaboratory}
		}, isKind(healthcode.Test)},
		{"both, untyped: vaccination first", bothKinds(), isKind(healthcode.Vaccination)},
		{"both, both types: vaccination first", bothKinds(typeLaboratory, typeImmunization), isKind(healthcode.Vaccination)},
		{"both, laboratory by type", bothKinds(typeLaboratory), isKind(healthcode.Test)},
		{"both, immunization by type", bothKinds(typeImmunization), isKind(healthcode.Vaccination)},
		{"one of two doses was not given", resourceN(1, func(r m) { r["status"] = "not-done" }), func(t *testing.T, v *healthcode.Verified) {
			if got := fieldsOf(v, "vaccinatedOn"); !slices.Equal(got, []string{"2021-01-29"}) {
				t.Errorf("vaccinated on %q", got)
			}
		}},
		{"a corrected result", func(f *forgery) {
			f.payload = observation()
			resourceAt(f.payload, 1)["status"] = "corrected"
		}, isKind(healthcode.Test)},
		{"a result that is a number is not shown", func(f *forgery) {
			f.payload = observation()
			delete(resourceAt(f.payload, 1), "valueCodeableConcept")
			resourceAt(f.payload, 1)["valueQuantity"] = m{"value": 176, "unit": "g/L"}
		}, func(t *testing.T, v *healthcode.Verified) {
			if v.Kind() != healthcode.Test || fieldsOf(v, "testType") != nil {
				t.Errorf("%s: %q", v.Kind(), v.Fields())
			}
		}},
		{"no patient", claim(func(p m) { theBundle(p)["entry"] = entries(p)[1:] }), func(t *testing.T, v *healthcode.Verified) {
			if v.Holder() != (healthcode.Holder{}) || fieldsOf(v, "familyName") != nil {
				t.Errorf("fields %q", v.Fields())
			}
		}},
		{"name and date of birth null", resourceN(0, func(r m) { r["name"], r["birthDate"] = nil, nil }), nil},
		{"a name in one piece", resourceN(0, func(r m) { r["name"] = a{m{"text": "Sukarno", "given": nil}} }), func(t *testing.T, v *healthcode.Verified) {
			if got := fieldsOf(v, "name"); !slices.Equal(got, []string{"Sukarno"}) {
				t.Errorf("name %q", got)
			}
		}},
		{"the first of two names", resourceN(0, func(r m) { r["name"] = a{m{"family": "A"}, m{"family": "B"}} }), func(t *testing.T, v *healthcode.Verified) {
			if got := fieldsOf(v, "familyName"); !slices.Equal(got, []string{"A"}) {
				t.Errorf("familyName %q", got)
			}
		}},
		{"a name with escapes", func(f *forgery) {
			f.text = func(b []byte) []byte {
				return bytes.Replace(b, []byte(forgedName), []byte(`\u0141\"\ud83d\ude00\/\ud83d\n`), 1)
			}
		}, func(t *testing.T, v *healthcode.Verified) {
			if got := fieldsOf(v, "familyName"); !slices.Equal(got, []string{"Ł\"😀/\ufffd\n"}) {
				t.Errorf("familyName %q", got)
			}
		}},
		{"a year of birth", resourceN(0, func(r m) { r["birthDate"] = "1957" }), func(t *testing.T, v *healthcode.Verified) {
			if v.Holder().BirthDate != "1957" {
				t.Errorf("born %q", v.Holder().BirthDate)
			}
		}},
		{"a date of birth in another form is shown, not compared", resourceN(0, func(r m) { r["birthDate"] = "29.3.1957" }), func(t *testing.T, v *healthcode.Verified) {
			if v.Holder().BirthDate != "" || !slices.Equal(fieldsOf(v, "dateOfBirth"), []string{"29.3.1957"}) {
				t.Errorf("born %q", v.Holder().BirthDate)
			}
		}},
		{"a coding without a system, after one without a code", resourceN(1, func(r m) {
			r["vaccineCode"] = m{"text": "x", "coding": a{m{"system": "http://x.example"}, m{"code": "208"}, m{"code": "209"}}}
		}), func(t *testing.T, v *healthcode.Verified) {
			if got := slices.Concat(fieldsOf(v, "vaccine"), fieldsOf(v, "vaccine2")); !slices.Equal(got, []string{"|208", "http://hl7.org/fhir/sid/cvx|207"}) {
				t.Errorf("vaccines %q", got)
			}
		}},
		{"resourceType at the end", func(f *forgery) {
			f.text = func(b []byte) []byte {
				b = bytes.ReplaceAll(b, []byte(`"resourceType":"Patient"`), []byte(`"x":0`))
				return bytes.Replace(b, []byte(`"x":0}`), []byte(`"x":0,"resourceType":"Patient"}`), 1)
			}
		}, func(t *testing.T, v *healthcode.Verified) {
			if got := fieldsOf(v, "familyName"); !slices.Equal(got, []string{forgedName}) {
				t.Errorf("familyName %q", got)
			}
		}},
		{"s and n-s both sign", func(f *forgery) {
			f.sign = func(input []byte) []byte {
				sig := signES256(t, forgingKey(), input)
				s := new(big.Int).SetBytes(sig[32:])
				s.Sub(elliptic.P256().Params().N, s).FillBytes(sig[32:])
				return sig
			}
		}, func(t *testing.T, v *healthcode.Verified) {
			kid := thumbprint(&forgingKey().PublicKey)
			if v.RevocationHashes()[0].Hash != RevocationHash(kid[:], forgedRID) {
				t.Error("the other signature escapes revocation")
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := mustVerify(t, forged(t, test.change), forgingKey().Public())
			if v.Format() != healthcode.FormatSHC || v.Algorithm() != healthcode.ES256 || v.Payload() != nil {
				t.Errorf("%v", v)
			}
			if test.check != nil {
				test.check(t, v)
			}
		})
	}
}

func noHashes(t *testing.T, v *healthcode.Verified) {
	if len(v.RevocationHashes()) != 0 {
		t.Errorf("hashes %v", v.RevocationHashes())
	}
}

// TestPersonalDataStaysOut: of all that a card says, nothing is kept but what a
// verifier compares and sees.
func TestPersonalDataStaysOut(t *testing.T) {
	v := mustVerify(t, forged(t, func(f *forgery) {
		p := resourceAt(f.payload, 0)
		p["gender"], p["address"], p["telecom"] = "female", a{m{"city": "Graz"}}, a{m{"value": "+43 1"}}
	}), forgingKey().Public())
	var names []string
	for _, f := range v.Fields() {
		names = append(names, f.Name)
		for _, secret := range []string{forgedLot, "Hospital", "female", "Graz", "+43", forgedRID} {
			if strings.Contains(f.Value, secret) {
				t.Errorf("%s tells %s", f.Name, secret)
			}
		}
	}
	if want := []string{"familyName", "givenName", "dateOfBirth", "vaccine", "vaccinatedOn", "vaccine2", "vaccinatedOn2", "certificateIssuer"}; !slices.Equal(names, want) {
		t.Errorf("fields %q, want %q", names, want)
	}
}

// TestPrintingIsDiscreet: a card in a log line shows no person.
func TestPrintingIsDiscreet(t *testing.T) {
	u, err := Decoder{}.Decode(forged(t))
	if err != nil {
		t.Fatal(err)
	}
	printed := strings.Join([]string{u.(*unverified).String(), u.(*unverified).GoString()}, " ")
	if strings.Contains(printed, forgedName) || !strings.Contains(printed, "unverified shc code (vaccination, key id ") {
		t.Errorf("it prints as %s", printed)
	}
}
