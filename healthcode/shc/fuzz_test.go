package shc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"

	"concordat/healthcode"
)

// stranger is a public key that signed nothing: the generator of P-256. Making a
// real one takes longer than a fuzz run, under its instrumentation.
var stranger = sync.OnceValue(func() crypto.PublicKey { return generator(elliptic.P256()) })

func generator(curve elliptic.Curve) *ecdsa.PublicKey {
	p := curve.Params()
	size := (p.BitSize + 7) / 8
	point := append([]byte{4}, append(p.Gx.FillBytes(make([]byte, size)), p.Gy.FillBytes(make([]byte, size))...)...)
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		panic(err)
	}
	return key
}

// unsuitableKeys cannot have signed a card.
func unsuitableKeys() map[string]crypto.PublicKey {
	return map[string]crypto.PublicKey{
		"nil":       nil,
		"nil ECDSA": (*ecdsa.PublicKey)(nil),
		"no curve":  &ecdsa.PublicKey{},
		"P-384":     generator(elliptic.P384()),
		"RSA":       &rsa.PublicKey{N: big.NewInt(1), E: 65537},
		"Ed25519":   ed25519.PublicKey(make([]byte, 32)),
		"private":   forgingKey(),
		"a string":  "key",
	}
}

// checkDecoded states what holds for every text: an error of ours, small and
// named; or a card that a stranger's key does not verify.
func checkDecoded(t *testing.T, u healthcode.Unverified, err error) {
	t.Helper()
	if err != nil {
		if u != nil || !errors.Is(err, healthcode.ErrUnreadable) || healthcode.Name(err) == "" || len(err.Error()) > 400 {
			t.Fatalf("%v, %v (%s)", u, err, healthcode.Name(err))
		}
		return
	}
	if n := len(u.RevocationHashes()); n > 1 || u.Format() != healthcode.FormatSHC || len(u.KeyID()) != 32 {
		t.Fatalf("%d revocation hashes, format %q, key id %x", n, u.Format(), u.KeyID())
	}
	v, err := u.Verify(stranger())
	if v != nil || !errors.Is(err, healthcode.ErrSignature) {
		t.Fatalf("verified by a key that signed nothing: %v, %v", v, err)
	}
}

// FuzzDecode throws texts at all forms of a card.
func FuzzDecode(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Add(`{"verifiableCredential":["eyJ","shc:/00"]}`)
	f.Add("shc:/1/1/00")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := healthcode.Decode(text, Decoders()...)
		checkDecoded(t, u, err)
	})
}

// FuzzRead throws several texts at once, each on a line of its own, and counts
// that each is in one reading or more, and each reading in order.
func FuzzRead(f *testing.F) {
	all := seeds(f)
	f.Add(strings.Join(all, "\n"))
	f.Add(strings.Join(chunked(forgedJWS(f), 5), "\n"))
	f.Add("shc:/1/2/00\nshc:/1/3/11\nshc:/2/2/11\nshc:/1/2/00\neyJ")
	f.Fuzz(func(t *testing.T, lines string) {
		texts := strings.SplitN(lines, "\n", 32)
		seen := make([]bool, len(texts))
		last := -1
		for _, r := range healthcode.Read(texts, Decoders()...) {
			checkDecoded(t, r.Unverified, r.Err)
			if len(r.Texts) == 0 || r.Texts[0] < last {
				t.Fatalf("texts %v after %d", r.Texts, last)
			}
			last = r.Texts[0]
			for i, place := range r.Texts {
				if i > 0 && r.Texts[i-1] >= place {
					t.Fatalf("texts %v", r.Texts)
				}
				seen[place] = true
			}
		}
		for i, in := range seen {
			if !in {
				t.Fatalf("text %d is in no reading", i)
			}
		}
	})
}

// FuzzJWS throws characters at a JWS whose header is sound, and has what is
// accepted verified against a signature over other characters.
func FuzzJWS(f *testing.F) {
	parts := strings.Split(forgedJWS(f), ".")
	f.Add(parts[0], parts[1], parts[2])
	f.Add(parts[0], "", parts[2])
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, header, payload, signature string) {
		if header == "" {
			header = parts[0]
		}
		if signature == "" {
			signature = parts[2]
		}
		jws := header + "." + payload + "." + signature
		u, err := JWSDecoder{}.Decode(jws)
		checkDecoded(t, u, err)
		if err != nil {
			return
		}
		// s and n-s both sign, so the signature may differ; what was signed may not.
		if v, err := u.Verify(forgingKey().Public()); err == nil && header+payload != parts[0]+parts[1] {
			t.Fatalf("%v verified, and was not signed", v)
		}
	})
}

// FuzzPayload throws JSON at the claims, inside of a sound envelope, and compares
// with encoding/json whether it is JSON at all.
func FuzzPayload(f *testing.F) {
	f.Add(encode(f, vaccinations()))
	f.Add(encode(f, observation()))
	f.Add([]byte(`{"iss":"\u0041\ud83d\ude00\ud83d","nbf":-1.5e+3,"a":[true,false,null,{}]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := parseCard(payload)
		if err == nil && !json.Valid(payload) {
			t.Fatal("it was read, and is no JSON")
		}
		var claims healthcode.Claims
		if err == nil {
			claims, err = c.claims([32]byte{1})
		}
		if err != nil {
			if !errors.Is(err, healthcode.ErrUnreadable) || healthcode.Name(err) == "" || len(err.Error()) > 400 {
				t.Fatalf("%v (%s)", err, healthcode.Name(err))
			}
			return
		}
		if claims.Kind != healthcode.Vaccination && claims.Kind != healthcode.Test || claims.IssuedAt.IsZero() || claims.IssuedAt.Year() > 9999 {
			t.Fatalf("%v, issued %s", claims, claims.IssuedAt)
		}
		for _, field := range claims.Fields {
			if field.Name == "" || field.Value == "" {
				t.Fatalf("an empty field %q", field.Name)
			}
		}
	})
}

// FuzzParseCRL throws bytes at revocation lists.
func FuzzParseCRL(f *testing.F) {
	f.Add([]byte(crlText(9)))
	f.Add([]byte(`{"rids":["a.1","a.2","a"],"ctr":"1","method":"rid","kid":"` + corpusKID + `"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := ParseCRL(data)
		if err != nil {
			if !errors.Is(err, healthcode.ErrUnreadable) || healthcode.Name(err) == "" || len(err.Error()) > 400 {
				t.Fatalf("%v (%s)", err, healthcode.Name(err))
			}
			return
		}
		if !json.Valid(data) || len(list.KeyID) != 32 {
			t.Fatalf("key %x", list.KeyID)
		}
		for i, g := range list.Groups {
			if len(g.Hashes) == 0 || i > 0 && !list.Groups[i-1].IssuedBefore.Before(g.IssuedBefore) {
				t.Fatalf("group %d of %d hashes before %s", i, len(g.Hashes), g.IssuedBefore)
			}
		}
	})
}

// FuzzJSON compares the reader with encoding/json on what both must refuse or take.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5e-3,"\u00e9\n",true,false,null]}`, `"\ud800"`, `[]`, ` 0 `, `-`, `01`, `"`, `{"a":1,}`, "\"\x00\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var raw []byte
		err := document("text", data, func(r *reader) (err error) {
			raw, err = r.value()
			return err
		})
		deep := err != nil && strings.Contains(err.Error(), "deeper")
		strict := err != nil && (strings.Contains(err.Error(), "UTF-8") || strings.Contains(err.Error(), "byte order"))
		if (err == nil) != json.Valid(data) && !deep && !strict {
			t.Fatalf("%v, and encoding/json says valid: %v", err, json.Valid(data))
		}
		if err != nil || raw[0] != '"' {
			return
		}
		var want string
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		got, err := (&reader{data: raw}).string()
		if err != nil || string(got) != want {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
	})
}

// seeds are a good text in each form.
func seeds(t testing.TB) []string {
	jws := forgedJWS(t)
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(jws, ".")[1])
	if err != nil || len(payload) == 0 {
		t.Fatal(err)
	}
	all := []string{jws, Prefix + digitsOf(jws), string(encode(t, m{"verifiableCredential": a{jws, jws}}))}
	all = append(all, chunked(jws, 2)...)
	for _, name := range []string{"00-d-jws.txt", "02-f-qr-code-numeric-value-1.txt", "03-f-qr-code-numeric-value-0.txt"} {
		all = append(all, strings.TrimSpace(corpusFile(t, "example-"+name)))
	}
	return all
}
