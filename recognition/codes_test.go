package recognition_test

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/healthcode"
	"concordat/healthcode/hc1"
	"concordat/healthcode/native"
	"concordat/healthcode/shc"
	"concordat/ledger/statement"
	"concordat/recognition"
)

// corpus is the copy of the public EU DCC test data that healthcode/hc1 keeps,
// with its licence.
const corpus = "../healthcode/hc1/testdata/dcc"

// sample is a real code with the certificate and the clock that belong to it,
// or a forged one with its key.
type sample struct {
	text        string
	certificate []byte // DER; none for a forged code
	publicKey   []byte // SubjectPublicKeyInfo
	keyID       []byte
	kinds       []statement.CodeKind // that the certificate allows; none: all
	clock       string
}

// realCode reads a case of the corpus.
func realCode(t testing.TB, path string) sample {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(corpus, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Text    string `json:"PREFIX"`
		Context struct {
			Certificate []byte `json:"CERTIFICATE"`
			Clock       string `json:"VALIDATIONCLOCK"`
		} `json:"TESTCTX"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	cert, err := x509.ParseCertificate(c.Context.Certificate)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	kid := hc1.KeyID(cert.Raw)
	s := sample{text: c.Text, certificate: cert.Raw, publicKey: cert.RawSubjectPublicKeyInfo, keyID: kid[:], clock: c.Context.Clock}
	for _, k := range hc1.Kinds(cert) {
		s.kinds = append(s.kinds, statement.CodeKind(k))
	}
	s.kinds = statement.SortKinds(s.kinds)
	return s
}

// code is what a node makes of the text.
func (s sample) code() recognition.Code {
	u, err := healthcode.Decode(s.text, hc1.Decoder{}, shc.Decoder{}, native.Decoder{})
	return recognition.Code{Unverified: u, Err: err}
}

// register is the statement that makes the code's key known as its certificate has it.
func (s sample) register() *statement.RegisterKey {
	return &statement.RegisterKey{PublicKey: s.publicKey, KeyID: s.keyID, Certificate: s.certificate, Kinds: s.kinds}
}

// hash is a hash under which the code can be revoked.
func (s sample) hash(t testing.TB, of statement.HashType) []byte {
	t.Helper()
	u := s.code().Unverified
	i := slices.IndexFunc(u.RevocationHashes(), func(h healthcode.RevocationHash) bool { return string(h.Type) == string(of) })
	if i < 0 {
		t.Fatalf("the code has no %s hash", of)
	}
	return statement.NewAttachment([]statement.RevocationHash{statement.RevocationHash(u.RevocationHashes()[i].Hash)})
}

// forge makes a vaccination code signed with a key of its own, for what no
// public code is like. A zero time leaves the claim out.
func forge(t testing.TB, seed string, issued, notBefore, expires time.Time) sample {
	t.Helper()
	by := issuerOf(t, seed, false)
	claims := map[any]any{1: "XA", -260: map[any]any{1: map[any]any{
		"ver": "1.3.0", "dob": "1990-01-01", "nam": map[any]any{"fnt": "FORGED"},
		"v": []any{map[any]any{"tg": "840539006", "co": "XA", "ci": "URN:UVCI:01:XA:" + seed}},
	}}}
	for claim, at := range map[int]time.Time{4: expires, 5: notBefore, 6: issued} {
		if !at.IsZero() {
			claims[claim] = at.Unix()
		}
	}
	return by.seal(t, "HC1:", encode(t, claims))
}

// alias is another encoding of the same key, which crypto/x509 parses as well:
// an element more at the end of the outer SEQUENCE.
func alias(t testing.TB, spki []byte) []byte {
	t.Helper()
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(spki, &outer); err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: slices.Concat(outer.Bytes, asn1.NullBytes)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x509.ParsePKIXPublicKey(der); err != nil {
		t.Fatalf("the other encoding does not parse, so it proves nothing: %v", err)
	}
	return der
}

// base45 is RFC 9285.
func base45(data []byte) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
	var out strings.Builder
	for pair := range slices.Chunk(data, 2) {
		n, digits := int(pair[0]), 2
		if len(pair) == 2 {
			n, digits = n<<8|int(pair[1]), 3
		}
		for range digits {
			out.WriteByte(alphabet[n%45])
			n /= 45
		}
	}
	return out.String()
}
