package healthcode_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"pgregory.net/rapid"

	"concordat/healthcode"
)

// agree verifies with the key and with the key prepared, and gives what they say.
func agree(t rapid.TB, key ed25519.PublicKey, message, signature []byte) bool {
	t.Helper()
	want := ed25519.Verify(key, message, signature)
	p, ok := healthcode.Prepare(key).(*healthcode.Prepared)
	if !ok { // no point of the curve
		if want {
			t.Errorf("key %x cannot be prepared, and verifies", key)
		}
		return want
	}
	if got := p.Verify(message, signature); got != want {
		t.Errorf("key %x, message %x, signature %x: prepared %v, else %v", key, message, signature, got, want)
	}
	return want
}

// smallOrder is every encoding of a point of small order, six that are not
// canonical among them (ZIP 215, test vectors).
var smallOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000", "0000000000000000000000000000000000000000000000000000000000000080",
	"0100000000000000000000000000000000000000000000000000000000000000", "0100000000000000000000000000000000000000000000000000000000000080",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

// TestPreparedSmallOrder: where verifiers of Ed25519 part most, keys and points of
// small order, a prepared key says what crypto/ed25519 says.
func TestPreparedSmallOrder(t *testing.T) {
	good := 0
	for _, a := range smallOrder {
		for _, r := range smallOrder {
			for message := range byte(8) { // of one in eight, at most, the hash fits the cofactor
				if agree(t, unhex(t, a), []byte{message}, append(unhex(t, r), make([]byte, 32)...)) {
					good++
				}
			}
		}
	}
	if good == 0 {
		t.Error("no signature of small order was good, so little was compared")
	}
}

// TestPreparedSpeccheck: the twelve cases of "Taming the many EdDSAs" (Chalkias,
// Garillot, Nikolaenko 2020; ed25519-speccheck).
func TestPreparedSpeccheck(t *testing.T) {
	raw, err := os.ReadFile("../ledger/statement/testdata/speccheck.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Message   string `json:"message"`
		PublicKey string `json:"pub_key"`
		Signature string `json:"signature"`
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	good := 0
	for _, c := range cases {
		if agree(t, unhex(t, c.PublicKey), unhex(t, c.Message), unhex(t, c.Signature)) {
			good++
		}
	}
	if len(cases) != 12 || good == 0 || good == 12 {
		t.Errorf("%d of %d cases good; some of 12 are", good, len(cases))
	}
}

// TestPreparedRandom: good signatures, and ones of which a bit was changed or
// whose S is greater by the group's order.
func TestPreparedRandom(t *testing.T) {
	order := unhex(t, "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
	rapid.Check(t, func(t *rapid.T) {
		private := ed25519.NewKeyFromSeed(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed"))
		key := bytes.Clone(private.Public().(ed25519.PublicKey))
		message := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "message")
		signature := ed25519.Sign(private, message)
		if !agree(t, key, message, signature) {
			t.Fatal("a good signature does not verify")
		}
		carry := 0
		greater := bytes.Clone(signature)
		for i := range order {
			carry += int(greater[32+i]) + int(order[i])
			greater[32+i], carry = byte(carry), carry>>8
		}
		agree(t, key, message, greater)
		bit := rapid.IntRange(0, 8*64-1).Draw(t, "bit")
		signature[bit/8] ^= 1 << (bit % 8)
		agree(t, key, message, signature)
		key[bit/16] ^= 1 << (bit % 8)
		agree(t, key, message, signature)
	})
}

func TestUnprepared(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if key, ok := healthcode.Unprepared(healthcode.Prepare(ed)).(ed25519.PublicKey); !ok || !key.Equal(ed) {
		t.Error("a prepared key is not the key")
	}
	for _, key := range []crypto.PublicKey{&ec.PublicKey, ed[:31], nil} {
		if _, ok := healthcode.Prepare(key).(*healthcode.Prepared); ok {
			t.Errorf("a key of type %T was prepared", key)
		}
	}
	if healthcode.Prepare(&ec.PublicKey) != crypto.PublicKey(&ec.PublicKey) {
		t.Error("a key that cannot be prepared comes back as another")
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
