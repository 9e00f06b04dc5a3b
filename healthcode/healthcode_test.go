package healthcode

import (
	"crypto"
	"errors"
	"fmt"
	"strings"
	"testing"

	"concordat/healthcode/internal/gate"
)

// echo is a format that hands back the text it was given.
type echo struct{ prefix string }

type echoed struct{ text string }

func (e echo) Prefix() string                             { return e.prefix }
func (e echo) Decode(text string) (Unverified, error)     { return echoed{text}, nil }
func (echoed) Format() Format                             { return "echo" }
func (echoed) KeyID() []byte                              { return nil }
func (echoed) RevocationHashes() []RevocationHash         { return nil }
func (echoed) Verify(crypto.PublicKey) (*Verified, error) { return nil, ErrSignature }

func TestDecodeChoosesByPrefix(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"A:1", "A:1"},
		{"B:1", "B:1"},
		{" \t\r\n A:1 x \n", "A:1 x"},
	} {
		u, err := Decode(test.text, echo{"A:"}, echo{"B:"})
		if err != nil || u.(echoed).text != test.want {
			t.Errorf("%q: %v, %v", test.text, u, err)
		}
	}
	for _, text := range []string{"", "   ", "C:1", "a:1", "A", "1A:"} {
		u, err := Decode(text, echo{"A:"}, echo{"B:"})
		if u != nil || !errors.Is(err, ErrFormatUnknown) || !errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), "[A: B:]") {
			t.Errorf("%q: %v, %v", text, u, err)
		}
	}
	if _, err := Decode("SECRETTEXT", echo{"A:"}); strings.Contains(err.Error(), "SECRET") {
		t.Errorf("the error repeats the text: %v", err)
	}
}

// TestNames pins the names: they are part of the interface.
func TestNames(t *testing.T) {
	for err, want := range map[error]string{
		ErrUnreadable:     "code-unreadable",
		ErrFormatUnknown:  "format-unknown",
		ErrPrefix:         "prefix-invalid",
		ErrBase45:         "base45-invalid",
		ErrCompression:    "compression-invalid",
		ErrTooLarge:       "code-too-large",
		ErrCBOR:           "cbor-invalid",
		ErrCOSE:           "cose-invalid",
		ErrClaims:         "claims-invalid",
		ErrEntries:        "entries-invalid",
		ErrDigits:         "digits-invalid",
		ErrChunks:         "chunks-invalid",
		ErrJWS:            "jws-invalid",
		ErrJSON:           "json-invalid",
		ErrPicture:        "picture-unreadable",
		ErrSignature:      "signature-invalid",
		ErrKeyUnsuitable:  "key-unsuitable",
		errors.New("any"): "",
	} {
		if got := Name(fmt.Errorf("around: %w", err)); got != want {
			t.Errorf("Name(%v) = %q, want %q", err, got, want)
		}
		broad := errors.Is(err, ErrUnreadable)
		if narrow := want != "" && want != "signature-invalid" && want != "key-unsuitable"; broad != narrow {
			t.Errorf("%v is unreadable: %v, want %v", err, broad, narrow)
		}
	}
	if got := Name(nil); got != "" {
		t.Errorf("Name(nil) = %q", got)
	}
	// Stages nest: the outermost names the error, and both can be asked for.
	nested := fmt.Errorf("%w: %w", ErrClaims, ErrCBOR)
	if Name(nested) != "claims-invalid" || !errors.Is(nested, ErrCBOR) {
		t.Errorf("%v is named %q", nested, Name(nested))
	}
}

func TestVouchNeedsAPass(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Vouch took a pass that nobody gave")
		}
	}()
	Vouch(gate.Pass{}, Claims{})
}

// TestVerifiedIsImmutable: neither the giver nor the taker can change it.
func TestVerifiedIsImmutable(t *testing.T) {
	c := Claims{
		KeyID:  []byte{1},
		Fields: []Field{{"familyName", "A"}},
		Hashes: []RevocationHash{{Type: HashUCI}},
		Stays:  []Stay{{Area: "XA"}},
	}
	v := Vouch(gate.SignatureChecked(), c)
	for range 2 {
		c.KeyID[0], c.Fields[0].Value, c.Hashes[0].Type, c.Stays[0].Area = 9, "changed", "changed", "changed"
		c.KeyID, c.Fields, c.Hashes, c.Stays = v.KeyID(), v.Fields(), v.RevocationHashes(), v.Stays()
	}
	if v.KeyID()[0] != 1 || v.Fields()[0].Value != "A" || v.RevocationHashes()[0].Type != HashUCI || v.Stays()[0].Area != "XA" {
		t.Errorf("changed from outside: %v %v %v %v", v.KeyID(), v.Fields(), v.RevocationHashes(), v.Stays())
	}
}

// TestPrintingIsDiscreet: a code in a log line shows no person.
func TestPrintingIsDiscreet(t *testing.T) {
	c := Claims{Format: FormatHC1, Kind: Test, KeyID: []byte{0xab}, Issuer: "Secret", Country: "Secret", Fields: []Field{{"familyName", "Secret"}}}
	v := Vouch(gate.SignatureChecked(), c)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{c, v} {
			got := fmt.Sprintf(verb, value)
			if strings.Contains(got, "Secret") || !strings.Contains(got, "hc1 code (test, key id ab)") {
				t.Errorf("%s gives %s", verb, got)
			}
		}
	}
}
