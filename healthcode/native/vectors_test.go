package native

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
)

// TestVectors: the vectors of docs/formats/health-code.md, which package issue
// writes, read as any reader has to.
func TestVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name, Algorithm, Kid, Payload, Protected, Signature, Text string
		PublicKey                                                 []byte
		JSON                                                      map[string]any
		Revocation                                                map[healthcode.HashType]string
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	algorithms := map[string]int{}
	for _, test := range vectors {
		t.Run(test.Name+"/"+test.Algorithm, func(t *testing.T) {
			key, err := x509.ParsePKIXPublicKey(test.PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			v := mustVerify(t, test.Text, key)
			if string(v.Algorithm()) != test.Algorithm || hex.EncodeToString(v.KeyID()) != test.Kid {
				t.Errorf("algorithm %s, key id %x", v.Algorithm(), v.KeyID())
			}
			if got := v.Payload(); !reflect.DeepEqual(got, any(test.JSON)) {
				t.Errorf("JSON form %v, want %v", got, test.JSON)
			}
			for _, h := range v.RevocationHashes() {
				if got := hex.EncodeToString(h.Hash[:]); got != test.Revocation[h.Type] {
					t.Errorf("hash of type %s: %s, want %s", h.Type, got, test.Revocation[h.Type])
				}
			}
			m, err := cwt.CHC1.Open(test.Text)
			if err != nil {
				t.Fatal(err)
			}
			protected, _ := hex.DecodeString(test.Protected)
			if hex.EncodeToString(m.Payload) != test.Payload || hex.EncodeToString(m.Signature) != test.Signature || !bytes.Contains(mustInflate(t, test.Text), protected) {
				t.Error("the layers are not those of the vector")
			}
			c, err := parseCard(m.Payload)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := c.Encode(); err != nil || !bytes.Equal(again, m.Payload) {
				t.Errorf("another encoding: %x, %v", again, err)
			}
			algorithms[test.Algorithm]++
		})
	}
	if len(algorithms) != 3 {
		t.Errorf("vectors for %v; every algorithm has some", algorithms)
	}
}

func mustInflate(t *testing.T, text string) []byte {
	t.Helper()
	packed, err := cwt.DecodeBase45(text[len(Prefix):])
	if err != nil {
		t.Fatal(err)
	}
	message, err := cwt.Inflate(packed)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

// TestFormatPage: the example in docs/formats/health-code.md is the vector's.
func TestFormatPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/formats/health-code.md")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name, Text string
		Revocation map[string]string
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		if v.Name != "least health code" {
			continue
		}
		for _, want := range []string{v.Text, v.Revocation["signature"], v.Revocation["uci"]} {
			if !bytes.Contains(page, []byte(want)) {
				t.Errorf("the page does not have %s", want)
			}
		}
		return
	}
	t.Error("no vector of the least health code")
}
