package issue_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
	"concordat/healthcode/issue"
	"concordat/healthcode/native"
)

var update = flag.Bool("update", false, "write ../native/testdata/vectors.json anew")

const vectorsFile = "../native/testdata/vectors.json"

// vector is one test vector of docs/formats/health-code.md.
type vector struct {
	Name       string         `json:"name"`
	Algorithm  string         `json:"algorithm"`
	PublicKey  string         `json:"publicKey"`            // SubjectPublicKeyInfo, base64
	PrivateKey string         `json:"privateKey,omitempty"` // hex: the scalar of P-256, or the seed of Ed25519
	KeyID      string         `json:"kid"`
	JSON       map[string]any `json:"json"`
	Payload    string         `json:"payload"`   // hex: the claims set
	Protected  string         `json:"protected"` // hex
	Signature  string         `json:"signature"` // hex
	Text       string         `json:"text"`
	Revocation map[string]any `json:"revocation"` // type of hash to hash, in hex
}

// The keys of the vectors, which are nobody's: the first 32 bytes of the SHA-256
// of a text that says so. PS256 vectors cannot be made twice, so their key is
// thrown away.
func vectorKeys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	seed := sha256.Sum256([]byte("concordat health code test key, for nobody to trust"))
	ec, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"ES256": ec, "EdDSA": ed25519.NewKeyFromSeed(seed[:])}
}

var vectorID = native.ID{0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78, 0x87, 0x96, 0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0}

// vectorCards are the cards of the vectors, by name and algorithm.
func vectorCards() []struct {
	name, algorithm string
	card            native.Card
} {
	full, itinerary := healthCard(), itineraryCard()
	full.ID, itinerary.ID = vectorID, vectorID
	full.Health.Status.LegalGround, full.Health.Declared.Auditor = "XA Act 7, section 3", "Health Office 1"
	least := native.Card{IssuedAt: issued, ExpiresAt: expires, ID: vectorID, Health: &native.Health{Status: healthcode.Status{Scheme: "default", Level: "green"}}}
	pending := least
	pending.Health = &native.Health{Status: healthcode.Status{Scheme: "cn-health", Level: "yellow"}, Declared: &healthcode.Declaration{At: issued, Audit: healthcode.AuditPending}}
	pending.NotBefore = issued.AddDate(0, 0, 1)
	nowhere := itinerary
	nowhere.Itinerary = &native.Itinerary{Covered: itinerary.Itinerary.Covered}
	return []struct {
		name, algorithm string
		card            native.Card
	}{
		{"health code", "ES256", full},
		{"health code", "EdDSA", full},
		{"health code", "PS256", full},
		{"least health code", "ES256", least},
		{"audit pending", "EdDSA", pending},
		{"itinerary card", "ES256", itinerary},
		{"itinerary card", "EdDSA", itinerary},
		{"nowhere", "ES256", nowhere},
	}
}

// TestVectors: the vectors are what this issuer makes, byte for byte but for the
// compressor's choice, which may change with a release of Go.
func TestVectors(t *testing.T) {
	keys := vectorKeys(t)
	if *update {
		writeVectors(t, keys)
	}
	data, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	cards := vectorCards()
	if len(vectors) != len(cards) {
		t.Fatalf("%d vectors, want %d", len(vectors), len(cards))
	}
	for n, v := range vectors {
		if v.Algorithm == "PS256" {
			continue // read, in package native
		}
		i := must(issue.New("XA", must(issue.NewKey(keys[v.Algorithm], nil)), nil))
		code, err := i.Native(cards[n].card)
		if err != nil {
			t.Fatal(err)
		}
		m, err := cwt.CHC1.Open(code.Text)
		if err != nil {
			t.Fatal(err)
		}
		if hex.EncodeToString(m.Payload) != v.Payload || hex.EncodeToString(m.Signature) != v.Signature {
			t.Errorf("%s, %s: another payload or signature than the vector's", v.Name, v.Algorithm)
		}
	}
}

func writeVectors(t *testing.T, keys map[string]crypto.Signer) {
	t.Helper()
	keys["PS256"] = keyRSA()
	var vectors []vector
	for _, c := range vectorCards() {
		signer := keys[c.algorithm]
		key := must(issue.NewKey(signer, nil))
		i := must(issue.New("XA", key, nil))
		if c.algorithm == "PS256" {
			i = must(issue.New("XA", key, rand.Reader))
		}
		code, err := i.Native(c.card)
		if err != nil {
			t.Fatal(err)
		}
		m := must(cwt.CHC1.Open(code.Text))
		v := vector{
			Name: c.name, Algorithm: c.algorithm, KeyID: hex.EncodeToString(key.ID()),
			PublicKey: base64.StdEncoding.EncodeToString(must(x509.MarshalPKIXPublicKey(signer.Public()))),
			JSON:      code.Verified.Payload().(map[string]any),
			Payload:   hex.EncodeToString(m.Payload), Protected: hex.EncodeToString(cwt.Protected(key.Algorithm(), key.ID())),
			Signature: hex.EncodeToString(m.Signature), Text: code.Text, Revocation: map[string]any{},
		}
		switch k := signer.(type) {
		case *ecdsa.PrivateKey:
			v.PrivateKey = hex.EncodeToString(must(k.Bytes()))
		case ed25519.PrivateKey:
			v.PrivateKey = hex.EncodeToString(k.Seed())
		}
		for _, h := range code.Verified.RevocationHashes() {
			v.Revocation[string(h.Type)] = hex.EncodeToString(h.Hash[:])
		}
		vectors = append(vectors, v)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(vectors); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorsFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
