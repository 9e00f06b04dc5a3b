package hc1

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
)

// TestTolerated forges what real issuers write and the corpus lacks, or has
// once: each must decode and verify.
func TestTolerated(t *testing.T) {
	field := func(v *healthcode.Verified, name string) string {
		for _, f := range v.Fields() {
			if f.Name == name {
				return f.Value
			}
		}
		return ""
	}
	iat := time.Unix(1620000000, 0).UTC()
	claim := func(change func(m)) func(*forgery) {
		return func(f *forgery) {
			c := vaccination()
			change(c)
			f.claims = c
		}
	}
	tests := []struct {
		name   string
		change func(*forgery)
		check  func(*testing.T, *healthcode.Verified)
	}{
		{"plain", func(*forgery) {}, func(t *testing.T, v *healthcode.Verified) {
			if v.Kind() != healthcode.Vaccination || v.Issuer() != "XA" || v.Country() != "XA" || !v.IssuedAt().Equal(iat) ||
				!v.ExpiresAt().Equal(time.Unix(1700000000, 0)) || !v.NotBefore().IsZero() || !bytes.Equal(v.KeyID(), forgedKeyID) {
				t.Errorf("got %s %q %q %s %s %s %x", v.Kind(), v.Issuer(), v.Country(), v.IssuedAt(), v.ExpiresAt(), v.NotBefore(), v.KeyID())
			}
		}},
		{"untagged", func(f *forgery) { f.tags = nil }, nil},
		{"CWT tag alone", func(f *forgery) { f.tags = []uint64{61} }, nil},
		{"61(18(…))", func(f *forgery) { f.tags = []uint64{61, 18} }, nil},
		{"self-described", func(f *forgery) { f.tags = []uint64{55799, 61, 55799, 18} }, nil},
		{"self-described, untagged", func(f *forgery) { f.tags = []uint64{55799} }, nil},
		{"indefinite array around it all", func(f *forgery) {
			f.message = func(parts []any) any {
				b := []byte{0x9f}
				for _, p := range parts {
					b = append(b, enc(t, p)...)
				}
				return raw(append(b, 0xff)...)
			}
		}, nil},
		{"payload in chunks", func(f *forgery) {
			f.message = func(parts []any) any {
				p := parts[2].([]byte)
				b := append([]byte{0x5f}, enc(t, p[:10])...)
				parts[2] = raw(append(append(b, enc(t, p[10:])...), 0xff)...)
				return parts
			}
		}, nil},
		{"indefinite maps, arrays and texts in the payload", func(f *forgery) {
			f.payload = indefinite(t, vaccination())
		}, func(t *testing.T, v *healthcode.Verified) {
			if got := field(v, "familyName"); got != forgedName {
				t.Errorf("familyName = %q", got)
			}
		}},
		{"protected header not canonical", func(f *forgery) {
			f.protected = append(append([]byte{0xa2, 0x04, 0x48}, forgedKeyID...), 0x01, 0x26)
		}, nil},
		{"protected header with long integers", func(f *forgery) { f.protected = []byte{0xbf, 0x18, 0x01, 0x38, 0x06, 0xff} }, nil},
		{"content type", func(f *forgery) { f.protected = enc(t, m{1: -7, 3: "application/cwt", 4: forgedKeyID}) }, nil},
		{"kid unprotected", func(f *forgery) {
			f.protected, f.unprotected = enc(t, m{1: -7}), m{4: forgedKeyID}
		}, func(t *testing.T, v *healthcode.Verified) {
			if !bytes.Equal(v.KeyID(), forgedKeyID) {
				t.Errorf("kid = %x", v.KeyID())
			}
		}},
		{"kid in both: the protected one", func(f *forgery) { f.unprotected = m{4: []byte("otherkid")} }, func(t *testing.T, v *healthcode.Verified) {
			if !bytes.Equal(v.KeyID(), forgedKeyID) {
				t.Errorf("kid = %x", v.KeyID())
			}
		}},
		{"kid null in one: the other", func(f *forgery) {
			f.protected, f.unprotected = enc(t, m{1: -7, 4: nil}), m{4: forgedKeyID}
		}, func(t *testing.T, v *healthcode.Verified) {
			if !bytes.Equal(v.KeyID(), forgedKeyID) {
				t.Errorf("kid = %x", v.KeyID())
			}
		}},
		{"kid of 4 bytes", func(f *forgery) { f.protected = enc(t, m{1: -7, 4: forgedKeyID[:4]}) }, func(t *testing.T, v *healthcode.Verified) {
			if !bytes.Equal(v.KeyID(), forgedKeyID[:4]) {
				t.Errorf("kid = %x", v.KeyID())
			}
		}},
		{"no kid", func(f *forgery) { f.protected = enc(t, m{1: -7}) }, func(t *testing.T, v *healthcode.Verified) {
			if v.KeyID() != nil {
				t.Errorf("kid = %x, want none", v.KeyID())
			}
		}},
		{"P2 alg unprotected", func(f *forgery) { f.protected, f.unprotected = []byte{}, m{1: -7, 4: forgedKeyID} }, nil},
		{"P2 alg in both: the protected one", func(f *forgery) { f.unprotected = m{1: -37} }, nil},
		{"P13 empty map, signed as received", func(f *forgery) { f.protected, f.unprotected = []byte{0xa0}, m{1: -7} }, nil},
		{"P13 empty map, signed as empty string", func(f *forgery) {
			f.protected, f.unprotected = []byte{}, m{1: -7}
			f.message = func(parts []any) any { parts[0] = []byte{0xa0}; return parts }
		}, nil},
		{"P12 crit of known parameters", func(f *forgery) { f.protected = enc(t, m{1: -7, 2: []any{1, 4}, 4: forgedKeyID}) }, nil},
		{"iat and exp as floats", claim(func(c m) { c[4], c[6] = 1.7e9, 1620000000.25 }), func(t *testing.T, v *healthcode.Verified) {
			if want := iat.Add(250 * time.Millisecond); !v.IssuedAt().Equal(want) {
				t.Errorf("iat = %s, want %s", v.IssuedAt(), want)
			}
		}},
		{"half and single floats", claim(func(c m) { c[6], c[5] = raw(0xf9, 0x7b, 0xff), raw(0xfa, 0x4e, 0xc1, 0x1f, 0x6c) }), func(t *testing.T, v *healthcode.Verified) {
			if v.IssuedAt().Unix() != 65504 || v.NotBefore().Unix() != int64(math.Float32frombits(0x4ec11f6c)) {
				t.Errorf("iat = %s, nbf = %s", v.IssuedAt(), v.NotBefore())
			}
		}},
		{"iat as tagged seconds", claim(func(c m) { c[6] = cbor.Tag{Number: 1, Content: 1620000000} }), func(t *testing.T, v *healthcode.Verified) {
			if !v.IssuedAt().Equal(iat) {
				t.Errorf("iat = %s", v.IssuedAt())
			}
		}},
		{"iat as tagged text", claim(func(c m) { c[6] = cbor.Tag{Number: 0, Content: "2021-05-03T02:00:00+02:00"} }), func(t *testing.T, v *healthcode.Verified) {
			if !v.IssuedAt().Equal(iat) {
				t.Errorf("iat = %s", v.IssuedAt())
			}
		}},
		{"P9 absurd expiry", claim(func(c m) { c[4] = uint64(math.MaxUint64) }), func(t *testing.T, v *healthcode.Verified) {
			if v.ExpiresAt().Unix() != cwt.Latest {
				t.Errorf("exp = %s", v.ExpiresAt())
			}
		}},
		{"P9 infinite expiry, negative issue", claim(func(c m) { c[4], c[6] = math.Inf(1), -5 }), func(t *testing.T, v *healthcode.Verified) {
			if v.ExpiresAt().Unix() != cwt.Latest || v.IssuedAt().Unix() != cwt.Earliest {
				t.Errorf("exp = %s, iat = %s", v.ExpiresAt(), v.IssuedAt())
			}
		}},
		{"P9 a text that spells the zero time", claim(func(c m) { c[4] = "0001-01-01T00:00:00Z" }), func(t *testing.T, v *healthcode.Verified) {
			if v.ExpiresAt().IsZero() || v.ExpiresAt().Unix() != cwt.Earliest {
				t.Errorf("exp = %s", v.ExpiresAt())
			}
		}},
		{"times null and absent", claim(func(c m) { c[4] = nil; delete(c, 6) }), func(t *testing.T, v *healthcode.Verified) {
			if !v.ExpiresAt().IsZero() || !v.IssuedAt().IsZero() {
				t.Errorf("exp = %s, iat = %s, want none", v.ExpiresAt(), v.IssuedAt())
			}
		}},
		{"iss absent", claim(func(c m) { delete(c, 1) }), func(t *testing.T, v *healthcode.Verified) {
			if v.Issuer() != "" {
				t.Errorf("iss = %q", v.Issuer())
			}
		}},
		{"iss a ministry", claim(func(c m) { c[1] = "Ministry of Health and so on" }), nil},
		{"claims 2 and 7", claim(func(c m) { c[2] = "someone"; c[7] = []byte{1, 2}; c["x"] = m{"y": 1} }), nil},
		{"null groups", claim(func(c m) { dcc(c)["t"], dcc(c)["r"] = nil, nil }), nil},
		{"undefined and empty groups", claim(func(c m) { dcc(c)["t"], dcc(c)["r"] = raw(0xf7), []any{} }), nil},
		{"doses as floats", claim(func(c m) { entry(c)["dn"], entry(c)["sd"] = 1.0, 2.0 }), func(t *testing.T, v *healthcode.Verified) {
			if field(v, "dose") != "1" || field(v, "doses") != "2" {
				t.Errorf("dose %q of %q", field(v, "dose"), field(v, "doses"))
			}
		}},
		{"manufacturer null", claim(func(c m) { entry(c)["ma"] = nil }), func(t *testing.T, v *healthcode.Verified) {
			if field(v, "manufacturer") != "" {
				t.Errorf("manufacturer %q", field(v, "manufacturer"))
			}
		}},
		{"date of birth with a time", claim(func(c m) { dcc(c)["dob"] = "1957-03-29T00:00:00" }), func(t *testing.T, v *healthcode.Verified) {
			if field(v, "dateOfBirth") != "1957-03-29T00:00:00" {
				t.Errorf("dateOfBirth %q", field(v, "dateOfBirth"))
			}
		}},
		{"date of birth empty", claim(func(c m) { dcc(c)["dob"] = "" }), nil},
		{"date as tagged text", claim(func(c m) { entry(c)["dt"] = cbor.Tag{Number: 0, Content: "2021-02-18T00:00:00Z"} }), func(t *testing.T, v *healthcode.Verified) {
			if field(v, "vaccinatedOn") != "2021-02-18T00:00:00Z" {
				t.Errorf("vaccinatedOn %q", field(v, "vaccinatedOn"))
			}
		}},
		{"date as tagged seconds", claim(func(c m) { entry(c)["dt"] = cbor.Tag{Number: 1, Content: 1620000000} }), func(t *testing.T, v *healthcode.Verified) {
			if field(v, "vaccinatedOn") != "2021-05-03T00:00:00Z" {
				t.Errorf("vaccinatedOn %q", field(v, "vaccinatedOn"))
			}
		}},
		{"date under a tag not known here", claim(func(c m) { entry(c)["dt"] = cbor.Tag{Number: 1004, Content: "2021-02-18"} }), func(t *testing.T, v *healthcode.Verified) {
			if field(v, "vaccinatedOn") != "2021-02-18" {
				t.Errorf("vaccinatedOn %q", field(v, "vaccinatedOn"))
			}
		}},
		{"members of other types", claim(func(c m) {
			entry(c)["mp"], entry(c)["vp"], entry(c)["is"], entry(c)["ma"] = true, -3, []any{1}, raw(0xe5)
		}), func(t *testing.T, v *healthcode.Verified) {
			if field(v, "product") != "true" || field(v, "vaccine") != "-3" || field(v, "certificateIssuer") != "" || field(v, "manufacturer") != "" {
				t.Errorf("fields %v", v.Fields())
			}
		}},
		{"no name", claim(func(c m) { delete(dcc(c), "nam") }), nil},
		{"no identifier", claim(func(c m) { delete(entry(c), "ci") }), func(t *testing.T, v *healthcode.Verified) {
			if hashes := v.RevocationHashes(); len(hashes) != 1 || hashes[0].Type != healthcode.HashSignature {
				t.Errorf("hashes %v", hashes)
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := mustVerify(t, forged(t, test.change), keyP256().Public())
			if test.check != nil {
				test.check(t, v)
			}
		})
	}
}

// TestRefusedUnread forges what must be refused before any key is asked.
func TestRefusedUnread(t *testing.T) {
	claim := func(change func(m)) func(*forgery) {
		return func(f *forgery) {
			c := vaccination()
			change(c)
			f.claims = c
		}
	}
	// retagged swaps a tag in the encoded payload for one that the encoder would
	// refuse to write around such a value.
	retagged := func(change func(m), from, to byte) func(*forgery) {
		return func(f *forgery) {
			c := vaccination()
			change(c)
			f.payload = bytes.Replace(enc(t, c), []byte{from}, []byte{to}, 1)
		}
	}
	text := func(change func(string) string) func(*forgery) { return func(f *forgery) { f.text = change } }
	body := func(change func([]byte) []byte) func(*forgery) { return func(f *forgery) { f.compressed = change } }
	twice := func(key, value any) cbor.RawMessage {
		pair := append(enc(t, key), enc(t, value)...)
		return append(append([]byte{0xa2}, pair...), pair...)
	}
	deep := func(n int) cbor.RawMessage {
		return append(bytes.Repeat([]byte{0x81}, n), 0x00)
	}
	tests := []struct {
		name   string
		change func(*forgery)
		want   error
	}{
		{"HC2", text(func(s string) string { return "HC2" + s[3:] }), healthcode.ErrPrefix},
		{"no prefix", text(func(s string) string { return s[4:] }), healthcode.ErrPrefix},
		{"small letters in the prefix", text(func(s string) string { return "hc1" + s[3:] }), healthcode.ErrPrefix},
		{"prefix alone", text(func(string) string { return Prefix }), healthcode.ErrCompression},
		{"nothing", text(func(string) string { return "" }), healthcode.ErrPrefix},
		{"too long", text(func(s string) string { return s + strings.Repeat("0", MaxText) }), healthcode.ErrTooLarge},
		{"base45: small letters", text(func(s string) string { return Prefix + strings.ToLower(s[4:]) }), healthcode.ErrBase45},
		{"base45: not ASCII", text(func(s string) string { return s + "é" }), healthcode.ErrBase45},
		{"base45: group overflow", text(func(s string) string { return s[:4] + "GGW" + s[7:] }), healthcode.ErrBase45},
		{"base45: character left over", text(func(string) string { return "HC1:BB8B" }), healthcode.ErrBase45},
		{"zlib: missing", func(f *forgery) { f.compressed = func([]byte) []byte { return enc(t, m{}) } }, healthcode.ErrCompression},
		{"zlib: raw DEFLATE", body(func(b []byte) []byte { return b[2 : len(b)-4] }), healthcode.ErrCompression},
		{"zlib: cut", body(func(b []byte) []byte { return b[:len(b)-5] }), healthcode.ErrCompression},
		{"zlib: checksum", body(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }), healthcode.ErrCompression},
		{"zlib: preset dictionary", body(func(b []byte) []byte { return append([]byte{0x78, 0xbb, 0, 0, 0, 1}, b[2:]...) }), healthcode.ErrCompression},
		{"zlib: trailing byte", body(func(b []byte) []byte { return append(b, 0) }), healthcode.ErrCompression},
		{"zlib: a second stream", body(func(b []byte) []byte { return append(b, b...) }), healthcode.ErrCompression},
		{"zlib: nothing in it", func(f *forgery) { f.encoded = func([]byte) []byte { return nil } }, healthcode.ErrCBOR},
		{"bomb of 5 MB", func(f *forgery) { f.encoded = func([]byte) []byte { return make([]byte, 5<<20) } }, healthcode.ErrTooLarge},
		{"one byte over the cap", func(f *forgery) { f.encoded = func([]byte) []byte { return make([]byte, MaxInflated+1) } }, healthcode.ErrTooLarge},
		{"CBOR: trailing byte", func(f *forgery) { f.encoded = func(b []byte) []byte { return append(b, 0) } }, healthcode.ErrCBOR},
		{"CBOR: trailing byte in the payload", func(f *forgery) { f.payload = append(enc(t, vaccination()), 0) }, healthcode.ErrCBOR},
		{"CBOR: trailing byte in the protected header", func(f *forgery) { f.protected = append(f.protected, 0) }, healthcode.ErrCBOR},
		{"CBOR: cut", func(f *forgery) { f.encoded = func(b []byte) []byte { return b[:len(b)-1] } }, healthcode.ErrCBOR},
		{"CBOR: a length of 2^63", func(f *forgery) { f.encoded = func([]byte) []byte { return []byte{0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0} } }, healthcode.ErrCBOR},
		{"CBOR: nested too deep", func(f *forgery) { f.encoded = func([]byte) []byte { return deep(20000) } }, healthcode.ErrCBOR},
		{"CBOR: nested too deep in the payload", claim(func(c m) { c[99] = deep(cwt.MaxNesting + 1) }), healthcode.ErrCBOR},
		{"CBOR: indefinite and nested too deep", func(f *forgery) { f.encoded = func([]byte) []byte { return bytes.Repeat([]byte{0x9f}, 20000) } }, healthcode.ErrCBOR},
		{"CBOR: tags in tags", func(f *forgery) { f.encoded = func([]byte) []byte { return bytes.Repeat([]byte{0xd2}, 20000) } }, healthcode.ErrCBOR},
		{"CBOR: too many elements", claim(func(c m) { c[99] = make([]int, cwt.MaxElements+1) }), healthcode.ErrCBOR},
		{"CBOR: not UTF-8", claim(func(c m) { c[1] = raw(0x62, 0xff, 0xfe) }), healthcode.ErrCBOR},
		{"twice in the protected header", func(f *forgery) { f.protected = twice(1, -7) }, healthcode.ErrCBOR},
		{"twice in the unprotected header", func(f *forgery) { f.unprotected = twice(4, forgedKeyID) }, healthcode.ErrCBOR},
		{"twice in the claims", func(f *forgery) { f.payload = twice(-260, vaccination()[-260]) }, healthcode.ErrCBOR},
		{"twice, spelt differently", func(f *forgery) {
			f.payload = append([]byte{0xa2, 0x06, 0x00, 0x18, 0x06}, 0x01)
		}, healthcode.ErrCBOR},
		{"twice in hcert", claim(func(c m) { c[-260] = twice(1, dcc(c)) }), healthcode.ErrCBOR},
		{"twice in the certificate", claim(func(c m) { c[-260].(m)[1] = twice("v", dcc(c)["v"]) }), healthcode.ErrCBOR},
		{"twice in the entry", claim(func(c m) { dcc(c)["v"] = []any{twice("ci", forgedUCI)} }), healthcode.ErrCBOR},
		{"twice in the name", claim(func(c m) { dcc(c)["nam"] = twice("fn", forgedName) }), healthcode.ErrCBOR},
		{"an array as a key", claim(func(c m) { c[-260] = raw(0xa1, 0x80, 0x00) }), healthcode.ErrCBOR},
		{"COSE_Sign with its tag", func(f *forgery) { f.tags = []uint64{98} }, healthcode.ErrCOSE},
		{"COSE_Sign without", func(f *forgery) {
			f.tags = nil
			f.message = func(p []any) any { p[3] = []any{[]any{p[0], p[1], p[3]}}; return p }
		}, healthcode.ErrCOSE},
		{"COSE_Mac0", func(f *forgery) { f.tags = []uint64{17} }, healthcode.ErrCOSE},
		{"tags the wrong way round", func(f *forgery) { f.tags = []uint64{18, 61} }, healthcode.ErrCOSE},
		{"tag 18 twice", func(f *forgery) { f.tags = []uint64{18, 18} }, healthcode.ErrCOSE},
		{"three elements", func(f *forgery) { f.message = func(p []any) any { return p[:3] } }, healthcode.ErrCOSE},
		{"five elements", func(f *forgery) { f.message = func(p []any) any { return append(p, 0) } }, healthcode.ErrCOSE},
		{"a map", func(f *forgery) { f.message = func([]any) any { return m{} } }, healthcode.ErrCOSE},
		{"detached payload", func(f *forgery) { f.message = func(p []any) any { p[2] = nil; return p } }, healthcode.ErrCOSE},
		{"payload as text", func(f *forgery) { f.message = func(p []any) any { p[2] = "{}"; return p } }, healthcode.ErrCOSE},
		{"protected header as a map", func(f *forgery) { f.message = func(p []any) any { p[0] = m{1: -7}; return p } }, healthcode.ErrCOSE},
		{"unprotected header null", func(f *forgery) { f.unprotected = nil }, healthcode.ErrCOSE},
		{"no algorithm", func(f *forgery) { f.protected = enc(t, m{4: forgedKeyID}) }, healthcode.ErrCOSE},
		{"algorithm none", func(f *forgery) { f.protected = enc(t, m{1: 0}) }, healthcode.ErrCOSE},
		{"EdDSA", func(f *forgery) { f.protected = enc(t, m{1: -8}) }, healthcode.ErrCOSE},
		{"HMAC", func(f *forgery) { f.protected = enc(t, m{1: 5}) }, healthcode.ErrCOSE},
		{"algorithm as text", func(f *forgery) { f.protected = enc(t, m{1: "ES256"}) }, healthcode.ErrCOSE},
		{"kid as text", func(f *forgery) { f.protected = enc(t, m{1: -7, 4: "AQIDBAUGBwg="}) }, healthcode.ErrCOSE},
		{"crit of an unknown parameter", func(f *forgery) { f.protected = enc(t, m{1: -7, 2: []any{99}, 99: 1}) }, healthcode.ErrCOSE},
		{"crit unprotected", func(f *forgery) { f.unprotected = m{2: []any{4}} }, healthcode.ErrCOSE},
		{"payload empty", func(f *forgery) { f.payload = []byte{} }, healthcode.ErrClaims},
		{"payload an array", func(f *forgery) { f.claims = []any{1} }, healthcode.ErrClaims},
		{"iat not a number", claim(func(c m) { c[6] = math.NaN() }), healthcode.ErrClaims},
		{"exp as bytes", claim(func(c m) { c[4] = []byte{1} }), healthcode.ErrClaims},
		{"exp as a word", claim(func(c m) { c[4] = forgedName }), healthcode.ErrClaims},
		{"no hcert", claim(func(c m) { delete(c, -260) }), healthcode.ErrClaims},
		{"hcert as bytes", claim(func(c m) { c[-260] = enc(t, c[-260]) }), healthcode.ErrClaims},
		{"no eu_dcc_v1", claim(func(c m) { c[-260] = m{2: dcc(c)} }), healthcode.ErrClaims},
		{"name as text", claim(func(c m) { dcc(c)["nam"] = forgedName }), healthcode.ErrClaims},
		{"iss not UTF-8 inside a tag", claim(func(c m) { c[1] = cbor.Tag{Number: 5000, Content: raw(0x61, 0xff)} }), healthcode.ErrClaims},
		{"name not UTF-8", claim(func(c m) { dcc(c)["nam"].(m)["fn"] = raw(0x61, 0xff) }), healthcode.ErrClaims},
		{"date of birth not UTF-8", claim(func(c m) { dcc(c)["dob"] = raw(0x61, 0xff) }), healthcode.ErrClaims},
		{"product not UTF-8", claim(func(c m) { entry(c)["mp"] = raw(0x61, 0xff) }), healthcode.ErrClaims},
		{"identifier not UTF-8", claim(func(c m) { entry(c)["ci"] = raw(0x61, 0xff) }), healthcode.ErrClaims},
		{"time tag 0 around a number", retagged(func(c m) { c[6] = cbor.Tag{Number: 9, Content: 1} }, 0xc9, 0xc0), healthcode.ErrCBOR},
		{"time tag 1 around a word", retagged(func(c m) { entry(c)["dt"] = cbor.Tag{Number: 9, Content: "x"} }, 0xc9, 0xc1), healthcode.ErrCBOR},
		{"tagged seconds not a number", claim(func(c m) { entry(c)["dt"] = raw(0xc1, 0xf9, 0x7e, 0x00) }), healthcode.ErrClaims},
		{"crit not an array", func(f *forgery) { f.protected = enc(t, m{1: -7, 2: 1}) }, healthcode.ErrCOSE},
		{"no entry", claim(func(c m) { delete(dcc(c), "v") }), healthcode.ErrEntries},
		{"only empty groups", claim(func(c m) { dcc(c)["v"] = []any{} }), healthcode.ErrEntries},
		{"two in one group", claim(func(c m) { dcc(c)["v"] = []any{entry(c), entry(c)} }), healthcode.ErrEntries},
		{"one in each of two groups", claim(func(c m) { dcc(c)["r"] = dcc(c)["v"] }), healthcode.ErrEntries},
		{"entry null", claim(func(c m) { dcc(c)["v"] = []any{nil} }), healthcode.ErrEntries},
		{"group a map", claim(func(c m) { dcc(c)["v"] = entry(c) }), healthcode.ErrEntries},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := forged(t, test.change)
			u, err := Decoder{}.Decode(text)
			if u != nil || !errors.Is(err, test.want) || !errors.Is(err, healthcode.ErrUnreadable) {
				t.Fatalf("got %v, %v; want %v", u, err, test.want)
			}
			checkDiscreet(t, err, text)
		})
	}
}

// TestRefusedByKey forges codes that decode, and whose signature must not pass.
func TestRefusedByKey(t *testing.T) {
	p256, p384, rsa2048 := keyP256().Public(), keyP384().Public(), keyRSA().Public()
	signature := func(sign func(structure []byte) any) func(*forgery) { return func(f *forgery) { f.sign = sign } }
	alg := func(n int) func(*forgery) { return func(f *forgery) { f.protected = enc(t, m{1: n, 4: forgedKeyID}) } }
	good := signature(func(s []byte) any { return signEC(t, keyP256(), s) })
	resize := func(n int) func(*forgery) {
		return signature(func(s []byte) any { return append(signEC(t, keyP256(), s), make([]byte, 64)...)[:n] })
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*forgery)
		key    crypto.PublicKey
		want   error
	}{
		{"another key", good, ecKey(elliptic.P256()).Public(), healthcode.ErrSignature},
		{"3 bytes", resize(3), p256, healthcode.ErrSignature},
		{"0 bytes", resize(0), p256, healthcode.ErrSignature},
		{"63 bytes", resize(63), p256, healthcode.ErrSignature},
		{"65 bytes", resize(65), p256, healthcode.ErrSignature},
		{"all zero", signature(func([]byte) any { return make([]byte, 64) }), p256, healthcode.ErrSignature},
		{"r and s above the order", signature(func([]byte) any { return bytes.Repeat([]byte{0xff}, 64) }), p256, healthcode.ErrSignature},
		{"DER", signature(func(s []byte) any {
			digest := sha256.Sum256(s)
			sig, err := ecdsa.SignASN1(rand.Reader, keyP256(), digest[:])
			if err != nil {
				t.Fatal(err)
			}
			return sig
		}), p256, healthcode.ErrSignature},
		{"payload changed", func(f *forgery) {
			f.message = func(p []any) any {
				c := vaccination()
				entry(c)["dn"] = 3
				p[2] = enc(t, c)
				return p
			}
		}, p256, healthcode.ErrSignature},
		{"protected header changed", func(f *forgery) {
			f.message = func(p []any) any { p[0] = enc(t, m{1: -7, 4: []byte("otherkid")}); return p }
		}, p256, healthcode.ErrSignature},
		{"P13 does not drop a header", func(f *forgery) {
			f.protected = []byte{}
			f.message = func(p []any) any { p[0] = enc(t, m{1: -7}); return p }
		}, p256, healthcode.ErrSignature},
		{"P-256 code, P-384 key", good, p384, healthcode.ErrSignature},
		{"ES256 header, RSA key", good, rsa2048, healthcode.ErrKeyUnsuitable},
		{"PS256 header, EC key", alg(-37), p256, healthcode.ErrKeyUnsuitable},
		{"PS256, an EC signature", alg(-37), rsa2048, healthcode.ErrSignature},
		{"PS256 with a salt of 20", func(f *forgery) {
			alg(-37)(f)
			f.sign = func(s []byte) any { return signRSA(t, keyRSA(), 20, s) }
		}, rsa2048, healthcode.ErrSignature},
		{"P4 RSA-1024", alg(-37), rsaModulus(1024), healthcode.ErrKeyUnsuitable},
		{"P4 RSA-2047", alg(-37), rsaModulus(2047), healthcode.ErrKeyUnsuitable},
		{"P4 RSA-4097", alg(-37), rsaModulus(4097), healthcode.ErrKeyUnsuitable},
		{"P-224", good, ecKey(elliptic.P224()).Public(), healthcode.ErrKeyUnsuitable},
		{"P-521", good, ecKey(elliptic.P521()).Public(), healthcode.ErrKeyUnsuitable},
		{"Ed25519", good, edwards, healthcode.ErrKeyUnsuitable},
		{"no key", good, nil, healthcode.ErrKeyUnsuitable},
		{"nil EC key", good, (*ecdsa.PublicKey)(nil), healthcode.ErrKeyUnsuitable},
		{"nil RSA key", alg(-37), (*rsa.PublicKey)(nil), healthcode.ErrKeyUnsuitable},
		{"RSA key without a modulus", alg(-37), &rsa.PublicKey{E: 3}, healthcode.ErrKeyUnsuitable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := forged(t, test.change)
			u, err := Decoder{}.Decode(text)
			if err != nil {
				t.Fatal(err)
			}
			if hashes := u.RevocationHashes(); len(hashes) != 3 {
				t.Errorf("%d revocation hashes, want 3", len(hashes))
			}
			v, err := u.Verify(test.key)
			if v != nil || !errors.Is(err, test.want) || errors.Is(err, healthcode.ErrUnreadable) {
				t.Fatalf("got %v, %v; want %v", v, err, test.want)
			}
			checkDiscreet(t, err, text)
		})
	}
}

// TestPrintingIsDiscreet: a decoded code in a log line shows no person.
func TestPrintingIsDiscreet(t *testing.T) {
	u, err := Decoder{}.Decode(forged(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, u); got != "unverified hc1 code (vaccination, key id 0102030405060708)" {
			t.Errorf("%s gives %s", verb, got)
		}
	}
}

// TestOtherKeys: the algorithms besides ES256 with P-256.
func TestOtherKeys(t *testing.T) {
	t.Run("P1 P-384", func(t *testing.T) {
		mustVerify(t, forged(t, func(f *forgery) {
			f.sign = func(s []byte) any { return signEC(t, keyP384(), s) }
		}), keyP384().Public())
	})
	t.Run("PS256", func(t *testing.T) {
		mustVerify(t, forged(t, func(f *forgery) {
			f.protected = enc(t, m{1: -37, 4: forgedKeyID})
			f.sign = func(s []byte) any { return signRSA(t, keyRSA(), 32, s) }
		}), keyRSA().Public())
	})
}

// indefinite encodes maps, arrays and texts with indefinite lengths, as some
// issuers' libraries stream them.
func indefinite(t testing.TB, v any) []byte {
	switch v := v.(type) {
	case m:
		out := []byte{0xbf}
		for key, value := range v {
			out = append(append(out, enc(t, key)...), indefinite(t, value)...)
		}
		return append(out, 0xff)
	case []any:
		out := []byte{0x9f}
		for _, value := range v {
			out = append(out, indefinite(t, value)...)
		}
		return append(out, 0xff)
	case string:
		return append(append(append([]byte{0x7f}, enc(t, v[:len(v)/2])...), enc(t, v[len(v)/2:])...), 0xff)
	}
	return enc(t, v)
}
