package shc

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"

	"concordat/healthcode"
)

// header changes a header, claim a payload, resource the n-th resource of its bundle.
func header(change func(m)) func(*forgery) { return func(f *forgery) { change(f.header) } }
func claim(change func(m)) func(*forgery)  { return func(f *forgery) { change(f.payload) } }
func resourceN(n int, change func(m)) func(*forgery) {
	return func(f *forgery) { change(resourceAt(f.payload, n)) }
}

// der is a signature as most libraries make it.
func der(t *testing.T, raw []byte) []byte {
	t.Helper()
	b, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// derUnder is a DER signature whose r and s have the high bit as asked for. The
// signature is made up: a reader that gets as far as verifying has lost already.
func derUnder(rHigh, sHigh bool) func(*forgery) {
	return func(f *forgery) {
		f.sign = func([]byte) []byte {
			integer := func(high bool) []byte {
				body := bytes.Repeat([]byte{0x5a}, 32)
				if high {
					body = append([]byte{0}, bytes.Repeat([]byte{0xa5}, 32)...)
				}
				return append([]byte{2, byte(len(body))}, body...)
			}
			body := append(integer(rHigh), integer(sHigh)...)
			return append([]byte{0x30, byte(len(body))}, body...)
		}
	}
}

func wrapped(t *testing.T, make func(io.Writer) io.WriteCloser) func(*forgery) {
	return func(f *forgery) {
		f.compress = func(text []byte) []byte {
			var out bytes.Buffer
			w := make(&out)
			if _, err := w.Write(text); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			return out.Bytes()
		}
	}
}

// TestRefused: each fault, by itself, in a card that is signed and good otherwise,
// is refused for what it is. Those marked (dev-tools) are the negative cases of
// smart-on-fhir/health-cards-dev-tools, made anew.
func TestRefused(t *testing.T) {
	bom := func(b []byte) []byte { return append([]byte("\xef\xbb\xbf"), b...) }
	for _, test := range []struct {
		name   string
		change func(*forgery)
		reason string // of healthcode.Name
		says   string // part of the error
	}{
		// The compact JWS.
		{"two parts (unsigned)", func(f *forgery) { f.jws = func(j string) string { return j[:strings.LastIndex(j, ".")] } }, "jws-invalid", "1 points"},
		{"four parts", func(f *forgery) { f.jws = func(j string) string { return j + ".AAAA" } }, "jws-invalid", "3 points"},
		{"an empty signature", func(f *forgery) { f.sign = func([]byte) []byte { return nil } }, "jws-invalid", "not signed"},
		{"padded base64", func(f *forgery) { f.part = func(p string) string { return p + "=" } }, "jws-invalid", "payload"},
		{"base64 of the other alphabet", func(f *forgery) { f.part = func(p string) string { return "/" + p[1:] } }, "jws-invalid", "payload"},
		{"unused bits in the signature", func(f *forgery) {
			f.sign = func([]byte) []byte { return make([]byte, 64) }
			f.jws = func(j string) string { return j[:len(j)-1] + "B" }
		}, "jws-invalid", "the signature of 86 characters"},
		{"an empty header", func(f *forgery) { f.headerText = func([]byte) []byte { return nil } }, "json-invalid", "header"},
		{"an empty payload", func(f *forgery) { f.part = func(string) string { return "" } }, "compression-invalid", "ends early"},
		{"a JWS that is too long", func(f *forgery) { f.payload["x"] = incompressible(20000) }, "code-too-large", "at most"},

		// The header.
		{"BOM before the header", func(f *forgery) { f.headerText = bom }, "json-invalid", "header at byte 0: it begins with a byte order mark"},
		{"header is no object", func(f *forgery) { f.headerText = func([]byte) []byte { return []byte(`["ES256"]`) } }, "json-invalid", "want an object"},
		{"header is cut short", func(f *forgery) { f.headerText = func(b []byte) []byte { return b[:len(b)-1] } }, "json-invalid", "header"},
		{"header with a tail", func(f *forgery) { f.headerText = func(b []byte) []byte { return append(b, "{}"...) } }, "json-invalid", "2 bytes follow"},
		{"no alg (dev-tools)", header(func(h m) { delete(h, "alg") }), "jws-invalid", "no alg"},
		{"alg none", header(func(h m) { h["alg"] = "none" }), "jws-invalid", "not signed"},
		{"alg HS256, keyed with the public key", func(f *forgery) {
			f.header["alg"] = "HS256"
			f.sign = func(input []byte) []byte {
				point, err := forgingKey().PublicKey.Bytes()
				if err != nil {
					t.Fatal(err)
				}
				mac := hmac.New(sha256.New, point)
				mac.Write(input)
				return mac.Sum(nil)
			}
		}, "jws-invalid", "alg is not ES256"},
		{"alg RS256", header(func(h m) { h["alg"] = "RS256" }), "jws-invalid", "alg is not ES256"},
		{"alg ES256K (dev-tools)", header(func(h m) { h["alg"] = "ES256K" }), "jws-invalid", "alg is not ES256"},
		{"alg in lower case", header(func(h m) { h["alg"] = "es256" }), "jws-invalid", "alg is not ES256"},
		{"alg is a number", header(func(h m) { h["alg"] = -7 }), "jws-invalid", "alg is no string"},
		{"alg twice", func(f *forgery) {
			f.headerText = func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"kid"`), []byte(`"alg":"none","kid"`), 1)
			}
		}, "json-invalid", "twice"},
		{"alg twice, once escaped", func(f *forgery) {
			f.headerText = func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"kid"`), []byte(`"\u0061lg":"none","kid"`), 1)
			}
		}, "json-invalid", "twice"},
		{"no zip (dev-tools)", header(func(h m) { delete(h, "zip") }), "jws-invalid", "no zip"},
		{"zip GZIP", header(func(h m) { h["zip"] = "GZIP" }), "jws-invalid", "zip is not DEF"},
		{"zip in lower case", header(func(h m) { h["zip"] = "def" }), "jws-invalid", "zip is not DEF"},
		{"zip is true", header(func(h m) { h["zip"] = true }), "jws-invalid", "zip is no string"},
		{"no kid (dev-tools)", header(func(h m) { delete(h, "kid") }), "jws-invalid", "no kid"},
		{"kid is no thumbprint (dev-tools)", header(func(h m) { h["kid"] = "ThisIsNotTheThumbprintOfTheKey" }), "jws-invalid", "kid has 30 characters"},
		{"kid of 8 bytes, as of HC1", header(func(h m) { h["kid"] = "AQIDBAUGBwg" }), "jws-invalid", "kid has 11 characters"},
		{"kid is padded", header(func(h m) { h["kid"] = forgedKID() + "=" }), "jws-invalid", "kid has 44 characters"},
		{"kid of the other alphabet", header(func(h m) { h["kid"] = "+/" + forgedKID()[2:] }), "jws-invalid", "kid has 43 characters"},
		{"kid with line ends", header(func(h m) { h["kid"] = forgedKID()[:40] + "\n\n\n" }), "jws-invalid", "kid has 43 characters"},
		{"kid is null", header(func(h m) { h["kid"] = nil }), "jws-invalid", "kid is no string"},
		{"crit of what nobody knows", header(func(h m) { h["crit"] = a{"exp"} }), "jws-invalid", "crit"},
		{"crit b64", header(func(h m) { h["crit"], h["b64"] = a{"b64"}, false }), "jws-invalid", "crit"},

		// The signature.
		{"DER signature (dev-tools)", func(f *forgery) {
			f.sign = func(input []byte) []byte { return der(t, signES256(t, forgingKey(), input)) }
		}, "jws-invalid", "is in DER"},
		{"DER, r negative without its zero (dev-tools)", derUnder(true, false), "jws-invalid", "71 bytes is in DER"},
		{"DER, s negative without its zero (dev-tools)", derUnder(false, true), "jws-invalid", "71 bytes is in DER"},
		{"DER, both (dev-tools)", derUnder(true, true), "jws-invalid", "72 bytes is in DER"},
		{"DER, neither", derUnder(false, false), "jws-invalid", "70 bytes is in DER"},
		{"signature of 63 bytes", func(f *forgery) { f.sign = func([]byte) []byte { return make([]byte, 63) } }, "jws-invalid", "63 bytes; one by ES256 has 64"},
		{"signature of 96 bytes, as of ES384", func(f *forgery) { f.sign = func([]byte) []byte { return make([]byte, 96) } }, "jws-invalid", "96 bytes"},

		// Compression.
		{"zlib", wrapped(t, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }), "compression-invalid", "zlib stream (RFC 1950)"},
		{"gzip", wrapped(t, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }), "compression-invalid", "gzip"},
		{"no deflate (dev-tools)", func(f *forgery) { f.compress = func(b []byte) []byte { return b } }, "compression-invalid", "not compressed"},
		{"invalid deflate (dev-tools)", func(f *forgery) {
			f.compress = func(b []byte) []byte { return append([]byte{0xff}, deflated(t, b)...) }
		}, "compression-invalid", "broken"},
		{"deflate cut short", func(f *forgery) {
			f.compress = func(b []byte) []byte { d := deflated(t, b); return d[:len(d)-20] }
		}, "compression-invalid", "ends early"},
		{"bytes after deflate", func(f *forgery) {
			f.compress = func(b []byte) []byte { return append(deflated(t, b), 0, 0, 0) }
		}, "compression-invalid", "3 bytes follow"},
		{"a bomb", func(f *forgery) {
			f.compress = func([]byte) []byte { return deflated(t, make([]byte, 10<<20)) }
		}, "code-too-large", "inflate to more than 131072"},
		{"one byte too many", func(f *forgery) {
			f.text = func(b []byte) []byte { return append(b, bytes.Repeat([]byte{' '}, MaxInflated+1-len(b))...) }
		}, "code-too-large", "inflate to more than 131072"},

		// JSON.
		{"BOM before the payload (dev-tools)", func(f *forgery) { f.text = bom }, "json-invalid", "payload at byte 0: it begins with a byte order mark"},
		{"payload is no UTF-8", func(f *forgery) {
			f.text = func(b []byte) []byte {
				return bytes.Replace(b, []byte(forgedGiven), []byte("Ren\xe9"), 1)
			}
		}, "json-invalid", "not UTF-8"},
		{"payload in UTF-16", func(f *forgery) {
			f.text = func(b []byte) []byte {
				out := []byte{0xff, 0xfe}
				for _, c := range b {
					out = append(out, c, 0)
				}
				return out
			}
		}, "json-invalid", "not UTF-8"},
		{"payload with a tail", func(f *forgery) { f.text = func(b []byte) []byte { return append(b, " null"...) } }, "json-invalid", "bytes follow its end"},
		{"payload is an array", func(f *forgery) { f.text = func(b []byte) []byte { return fmt.Appendf(nil, "[%s]", b) } }, "json-invalid", "want an object"},
		{"too deep", claim(func(p m) { p["deep"] = json1(strings.Repeat("[", 32) + strings.Repeat("]", 32)) }), "json-invalid", "deeper than 32"},
		{"too many members", claim(func(p m) {
			for i := range 64 {
				p[fmt.Sprintf("m%d", i)] = i
			}
		}), "json-invalid", "more than 64 members"},
		{"too many entries", claim(func(p m) {
			theBundle(p)["entry"] = slices.Repeat(entries(p)[1:2], 257)
		}), "json-invalid", "more than 256 elements"},
		{"nbf twice", func(f *forgery) {
			f.text = func(b []byte) []byte { return append([]byte(`{"nbf":1,`), b[1:]...) }
		}, "json-invalid", "twice"},
		{"vc twice", func(f *forgery) {
			f.text = func(b []byte) []byte { return append([]byte(`{"vc":{},`), b[1:]...) }
		}, "json-invalid", "twice"},
		{"rid twice", func(f *forgery) {
			f.text = func(b []byte) []byte { return bytes.Replace(b, []byte(`"rid"`), []byte(`"rid":"A","rid"`), 1) }
		}, "json-invalid", "twice"},
		{"birthDate twice", func(f *forgery) {
			f.text = func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"birthDate"`), []byte(`"birthDate":"1999-01-01","birthDate"`), 1)
			}
		}, "json-invalid", "twice"},

		// Claims.
		{"no iss", claim(func(p m) { delete(p, "iss") }), "claims-invalid", "iss is missing"},
		{"iss is a number", claim(func(p m) { p["iss"] = 1 }), "claims-invalid", "iss is no string"},
		{"iss is http (dev-tools)", claim(func(p m) { p["iss"] = "http://issuer.example/shc" }), "claims-invalid", "https"},
		{"iss ends in a slash (dev-tools)", claim(func(p m) { p["iss"] = forgedIssuer + "/" }), "claims-invalid", "without a slash"},
		{"no nbf", claim(func(p m) { delete(p, "nbf") }), "claims-invalid", "nbf, the time of issue, is missing"},
		{"nbf is null", claim(func(p m) { p["nbf"] = nil }), "claims-invalid", "nbf, the time of issue, is missing"},
		{"nbf is a string", claim(func(p m) { p["nbf"] = "1620000000" }), "claims-invalid", "nbf is no number"},
		{"nbf is a date", claim(func(p m) { p["nbf"] = "2021-05-03T00:00:00Z" }), "claims-invalid", "nbf is no number"},
		{"nbf in milliseconds (dev-tools)", claim(func(p m) { p["nbf"] = 1620000000000 }), "claims-invalid", "nbf is beyond the year 9999: it seems to count milliseconds"},
		{"nbf is boundless", claim(func(p m) { p["nbf"] = json1("1e999") }), "claims-invalid", "beyond the year 9999"},
		{"nbf before 1970", claim(func(p m) { p["nbf"] = -1 }), "claims-invalid", "nbf is before 1970"},
		{"exp in milliseconds (dev-tools)", claim(func(p m) { p["exp"] = 1700000000000.5 }), "claims-invalid", "exp is beyond the year 9999: it seems to count milliseconds"},
		{"exp is a string", claim(func(p m) { p["exp"] = "never" }), "claims-invalid", "exp is no number"},
		{"a number of 65 digits", claim(func(p m) { p["nbf"] = json1(strings.Repeat("1", 65)) }), "json-invalid", "65 characters"},
		{"no vc", claim(func(p m) { delete(p, "vc") }), "claims-invalid", "vc is missing"},
		{"vc is a string", claim(func(p m) { p["vc"] = "x" }), "claims-invalid", "vc is no object"},
		{"no type", claim(func(p m) { delete(vc(p), "type") }), "claims-invalid", "#health-card"},
		{"type without #health-card", claim(func(p m) { vc(p)["type"] = a{typeImmunization} }), "claims-invalid", "#health-card"},
		{"type is a string", claim(func(p m) { vc(p)["type"] = typeHealthCard }), "claims-invalid", "vc.type is no array"},
		{"type of numbers", claim(func(p m) { vc(p)["type"] = a{1} }), "claims-invalid", "vc.type is no string"},
		{"no credentialSubject", claim(func(p m) { delete(vc(p), "credentialSubject") }), "claims-invalid", "fhirBundle is missing"},
		{"no fhirBundle (dev-tools)", claim(func(p m) { delete(subject(p), "fhirBundle") }), "claims-invalid", "fhirBundle is missing"},
		{"fhirBundle is an array", claim(func(p m) { subject(p)["fhirBundle"] = a{} }), "claims-invalid", "fhirBundle is no object"},
		{"rid of 25 characters (dev-tools)", claim(func(p m) { vc(p)["rid"] = strings.Repeat("x", 25) }), "claims-invalid", "rid has 25 characters"},
		{"rid of another alphabet (dev-tools)", claim(func(p m) { vc(p)["rid"] = "rid=1" }), "claims-invalid", "rid has 5 characters"},
		{"rid with a time, as in lists", claim(func(p m) { vc(p)["rid"] = "abc.1620000000" }), "claims-invalid", "rid has 14 characters"},
		{"rid is empty", claim(func(p m) { vc(p)["rid"] = "" }), "claims-invalid", "rid has 0 characters"},
		{"rid is a number", claim(func(p m) { vc(p)["rid"] = 7 }), "claims-invalid", "rid is no string"},

		// The bundle.
		{"no entry", claim(func(p m) { delete(theBundle(p), "entry") }), "entries-invalid", "0 entries"},
		{"entry is an object", claim(func(p m) { theBundle(p)["entry"] = m{} }), "entries-invalid", "entry is no array"},
		{"a patient alone", claim(func(p m) { theBundle(p)["entry"] = entries(p)[:1] }), "entries-invalid", "1 entries"},
		{"two patients", claim(func(p m) { theBundle(p)["entry"] = append(entries(p), entries(p)[0]) }), "entries-invalid", "2 patients"},
		{"never vaccinated (dev-tools: status)", func(f *forgery) {
			for _, n := range []int{1, 2} {
				resourceAt(f.payload, n)["status"] = "not-done"
			}
		}, "entries-invalid", "a completed Immunization or a final Observation"},
		{"entered in error", func(f *forgery) {
			f.payload = observation()
			resourceAt(f.payload, 1)["status"] = "entered-in-error"
		}, "entries-invalid", "final Observation"},
		{"immunization by type alone", func(f *forgery) {
			f.payload = observation()
			vc(f.payload)["type"] = a{typeHealthCard, typeImmunization}
		}, "entries-invalid", "a completed Immunization, which its type says"},
		{"laboratory by type alone", claim(func(p m) { vc(p)["type"] = a{typeHealthCard, typeLaboratory} }), "entries-invalid", "a final Observation, which its type says"},
		{"birthDate is a number", resourceN(0, func(r m) { r["birthDate"] = 1957 }), "entries-invalid", "birthDate is no string"},
		{"name is a string", resourceN(0, func(r m) { r["name"] = "x" }), "entries-invalid", "name is no array"},
		{"a vaccine that is a string", resourceN(1, func(r m) { r["vaccineCode"] = "207" }), "entries-invalid", "a code is no object"},
	} {
		t.Run(test.name, func(t *testing.T) {
			jws := forgedJWS(t, test.change)
			for _, form := range []string{Prefix + digitsOf(jws), jws} {
				var format healthcode.Decoder = Decoder{}
				if form == jws {
					format = JWSDecoder{}
				}
				u, err := format.Decode(form)
				if u != nil || healthcode.Name(err) != test.reason || !strings.Contains(fmt.Sprint(err), test.says) {
					t.Fatalf("%v, %v (%s); want %s with %q", u, err, healthcode.Name(err), test.reason, test.says)
				}
				if !errors.Is(err, healthcode.ErrUnreadable) {
					t.Errorf("%v is not unreadable", err)
				}
				checkDiscreet(t, err, form)
			}
		})
	}
}

// json1 goes into a payload as it is.
type json1 string

func (j json1) MarshalJSON() ([]byte, error) { return []byte(j), nil }

// incompressible is n characters that DEFLATE makes no shorter than base64 does.
func incompressible(n int) string {
	var out []byte
	for i := 0; len(out) < n; i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d", i))
		out = append(out, base64.RawStdEncoding.EncodeToString(sum[:])...)
	}
	return string(out[:n])
}

// TestRefusedTexts: what is wrong with a text before there is a JWS in it.
func TestRefusedTexts(t *testing.T) {
	text := forged(t)
	digits := strings.TrimPrefix(text, Prefix)
	for _, test := range []struct{ name, text, reason, says string }{
		{"odd digits", text[:len(text)-1], "digits-invalid", "an odd number"},
		{"a leading zero lost", Prefix + digits[1:], "digits-invalid", "an odd number"},
		{"no digits", Prefix, "digits-invalid", "there are none"},
		{"a letter", text[:100] + "x" + text[101:], "digits-invalid", "character 96 of"},
		{"a space in it (dev-tools)", text[:100] + " " + text[101:], "digits-invalid", "character 96 of"},
		{"a digit of another script", Prefix + "٣٣" + digits, "digits-invalid", "character 1 of"},
		{"a pair above the range (dev-tools)", Prefix + digits[:4] + "78" + digits[6:], "digits-invalid", "pair 3 is above 77"},
		{"the JWS itself (dev-tools: QR mode)", Prefix + forgedJWS(t), "digits-invalid", "is no digit"},
		{"upper case (dev-tools: QR header)", "SHC:/" + digits, "format-unknown", ""},
		{"no slash", "shc:" + digits, "format-unknown", ""},
		{"too long", Prefix + strings.Repeat("0", MaxText), "code-too-large", "at most 32832"},
		{"one number", Prefix + "1/" + digits, "chunks-invalid", "1 slashes"},
		{"three numbers", Prefix + "1/1/1/" + digits, "chunks-invalid", "3 slashes"},
		{"chunk 0", Prefix + "0/2/" + digits, "chunks-invalid", "not from 1 to 16"},
		{"beyond the last (dev-tools)", Prefix + "3/2/" + digits, "chunks-invalid", "chunk 3 of 2"},
		{"leading zero", Prefix + "01/2/" + digits, "chunks-invalid", "leading zeros"},
		{"a sign", Prefix + "+1/2/" + digits, "chunks-invalid", "not from 1 to 16"},
		{"17 chunks", Prefix + "1/17/" + digits, "chunks-invalid", "not from 1 to 16"},
		{"a chunk by itself", chunked(forgedJWS(t), 3)[1], "chunks-invalid", "chunk 2 of 3 by itself"},
		{"JWS too long", "eyJ" + strings.Repeat("A", MaxJWS), "code-too-large", "a JWS of 16387 bytes"},
		{"JWS with a line end", forgedJWS(t)[:50] + "\n" + forgedJWS(t)[50:], "jws-invalid", "a line end"},
		{"JWS of points", "eyJ" + strings.Repeat(".", 9000), "jws-invalid", "9000 points"},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, err := healthcode.Decode(test.text, Decoders()...)
			if u != nil || healthcode.Name(err) != test.reason || !strings.Contains(fmt.Sprint(err), test.says) {
				t.Fatalf("%v, %v (%s)", u, err, healthcode.Name(err))
			}
			checkDiscreet(t, err, "")
		})
	}
}

// TestRefusedPrefixes: a decoder that is asked by itself.
func TestRefusedPrefixes(t *testing.T) {
	if _, err := (Decoder{}).Decode(forgedJWS(t)); healthcode.Name(err) != "prefix-invalid" {
		t.Errorf("a JWS as a QR code: %v", err)
	}
	if _, err := (JWSDecoder{}).Decode(forged(t)); healthcode.Name(err) != "jws-invalid" {
		t.Errorf("a QR code as a JWS: %v", err)
	}
}

// TestRefusedKeys: what Verify says of keys that signed nothing, or cannot have.
func TestRefusedKeys(t *testing.T) {
	u, err := Decoder{}.Decode(forged(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range unsuitableKeys() {
		if v, err := u.Verify(key); v != nil || !errors.Is(err, healthcode.ErrKeyUnsuitable) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
	if v, err := u.Verify(stranger()); v != nil || !errors.Is(err, healthcode.ErrSignature) {
		t.Errorf("another key: %v, %v", v, err)
	}
	for name, sign := range map[string]func([]byte) []byte{
		"zeros":               func([]byte) []byte { return make([]byte, 64) },
		"ones":                func([]byte) []byte { return bytes.Repeat([]byte{0xff}, 64) },
		"of other characters": func(input []byte) []byte { return signES256(t, forgingKey(), input[1:]) },
		"of the payload alone": func(input []byte) []byte {
			return signES256(t, forgingKey(), input[bytes.IndexByte(input, '.')+1:])
		},
		"r and s exchanged": func(input []byte) []byte {
			s := signES256(t, forgingKey(), input)
			return append(slices.Clone(s[32:]), s[:32]...)
		},
	} {
		u, err := Decoder{}.Decode(forged(t, func(f *forgery) { f.sign = sign }))
		if err != nil {
			t.Fatal(err)
		}
		if v, err := u.Verify(forgingKey().Public()); v != nil || !errors.Is(err, healthcode.ErrSignature) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}
