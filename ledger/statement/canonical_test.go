package statement_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"concordat/ledger/statement"
)

// parts are the pieces of a COSE_Sign1, to be put together in other ways than Sign does.
type parts struct {
	_           struct{} `cbor:",toarray"`
	Protected   []byte
	Unprotected struct{}
	Payload     []byte
	Signature   []byte
}

func split(t testing.TB, raw []byte) parts {
	t.Helper()
	var p parts
	if err := cbor.Unmarshal(raw[1:], &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// join signs the pieces and puts them together, so that nothing but their form is wrong.
func (p parts) join(t testing.TB, key ed25519.PrivateKey) []byte {
	t.Helper()
	p.Signature = ed25519.Sign(key, toBeSigned(t, p))
	raw, err := cbor.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{0xd2}, raw...)
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sampleNamed(t testing.TB, name string) statement.Statement {
	t.Helper()
	for _, s := range samples() {
		if s.name == name {
			return s.Statement
		}
	}
	t.Fatalf("no sample %s", name)
	return statement.Statement{}
}

// S1: whatever is not the one encoding of what it says is refused, though it
// is signed. Each mutation replaces bytes that stand there once.
func TestOnlyOneEncoding(t *testing.T) {
	const least = "recognition.grant-least"
	networkHex := hex.EncodeToString(network[:])
	type mutation struct {
		name     string
		sample   string
		in       string // protected or payload
		old, new string // hexadecimal
		want     error
	}
	for _, m := range []mutation{
		// The payload's map.
		{"integer longer than needed", least, "payload", "a60101", "a6011801", statement.ErrMalformed},
		{"integer in eight bytes", least, "payload", "0401051a", "041b0000000000000001051a", statement.ErrMalformed},
		{"map length longer than needed", least, "payload", "a60101", "b8060101", statement.ErrMalformed},
		{"map of indefinite length", least, "payload", "a60101", "bf0101", statement.ErrMalformed},
		{"keys in another order", least, "payload", "0401051a60b57880", "051a60b578800401", statement.ErrMalformed},
		{"key twice", least, "payload", "a60101", "a701010101", statement.ErrMalformed},
		{"unknown field", least, "payload", "a60101", "a7000001 01", statement.ErrMalformed},
		{"field named by text", least, "payload", "a60101", "a6613101", statement.ErrMalformed},
		{"version 2", least, "payload", "a60101", "a60102", statement.ErrMalformed},
		{"version missing", least, "payload", "a60101", "a5", statement.ErrMalformed},
		{"null network", least, "payload", "025820" + networkHex, "02f6", statement.ErrMalformed},
		{"short network", least, "payload", "025820" + networkHex, "02581f" + networkHex[2:], statement.ErrMalformed},
		{"network of another type", least, "payload", "025820" + networkHex, "0201", statement.ErrMalformed},
		{"indefinite string", least, "payload", "025820" + networkHex, "025f5820" + networkHex + "ff", statement.ErrMalformed},
		{"kind as bytes", least, "payload", "0371", "0351", statement.ErrMalformed},
		{"unknown kind", least, "payload", hex.EncodeToString([]byte("recognition.grant")), hex.EncodeToString([]byte("recognition.grand")), statement.ErrUnknownKind},
		{"revision as float", least, "payload", "0401051a", "04f93c00051a", statement.ErrMalformed},
		{"revision as bignum", least, "payload", "0401051a", "04c24101051a", statement.ErrMalformed},
		{"revision negative", least, "payload", "0401051a", "0420051a", statement.ErrMalformed},
		{"revision true", least, "payload", "0401051a", "04f5051a", statement.ErrMalformed},
		{"revision null", least, "payload", "0401051a", "04f6051a", statement.ErrMalformed},
		{"revision zero, written", least, "payload", "0401051a", "0400051a", statement.ErrMalformed},
		{"tagged time", least, "payload", "051a60b57880", "05c11a60b57880", statement.ErrMalformed},
		{"negative time", least, "payload", "051a60b57880", "0520", statement.ErrInvalid},
		{"time after the year 9999", least, "payload", "051a60b57880", "051b0000003afff44180", statement.ErrInvalid},
		{"null body", least, "payload", "06a101625842", "06f6", statement.ErrMalformed},
		{"undefined body", least, "payload", "06a101625842", "06f7", statement.ErrMalformed},
		{"empty body", least, "payload", "06a101625842", "06a0", statement.ErrMalformed},
		{"body an array", least, "payload", "06a101625842", "0681625842", statement.ErrMalformed},
		{"body in a byte string", least, "payload", "06a101625842", "0645a101625842", statement.ErrMalformed},
		{"body missing", least, "payload", "a60101025820" + networkHex + "03", "a50101025820" + networkHex + "03", statement.ErrMalformed},

		// The bodies.
		{"unknown field in the body", least, "payload", "06a101625842", "06a20162584218 63 00", statement.ErrMalformed},
		{"key twice in the body", least, "payload", "06a101625842", "06a20162584201625842", statement.ErrMalformed},
		{"empty list, written", least, "payload", "06a101625842", "06a2016258420280", statement.ErrMalformed},
		{"null list", least, "payload", "06a101625842", "06a20162584202f6", statement.ErrMalformed},
		{"zero time, written", least, "payload", "06a101625842", "06a2016258420300", statement.ErrMalformed},
		{"empty text, written", least, "payload", "06a101625842", "06a2016258420560", statement.ErrMalformed},
		{"null text", least, "payload", "06a101625842", "06a20162584205f6", statement.ErrMalformed},
		{"null region", least, "payload", "06a101625842", "06a101f6", statement.ErrMalformed},
		{"region in lower case", least, "payload", "06a101625842", "06a101627862", statement.ErrInvalid},
		{"text that is not UTF-8", least, "payload", "06a101625842", "06a10162ff42", statement.ErrMalformed},
		{"kinds twice", "recognition.grant", "payload", "82" + textHex("vaccination") + textHex("test"), "82" + textHex("test") + textHex("test"), statement.ErrInvalid},
		{"kinds in another order", "recognition.grant", "payload", "82" + textHex("vaccination") + textHex("test"), "82" + textHex("test") + textHex("vaccination"), statement.ErrInvalid},
		{"empty certificate, written", "issuer-key.register-least", "payload", "024100", "0241000340", statement.ErrMalformed},
		{"null key id", "issuer-key.register-least", "payload", "024100", "02f6", statement.ErrInvalid},
		{"empty key id", "issuer-key.register-least", "payload", "024100", "0240", statement.ErrInvalid},
		{"key id as a list of numbers", "issuer-key.register-least", "payload", "024100", "028100", statement.ErrMalformed},
		{"key id as text", "issuer-key.register-least", "payload", "024100", "026100", statement.ErrMalformed},
		{"false, written", "issuer-key.compromise-least", "payload", "06a2015820" + thumb.String() + "021a60b57880", "06a3015820" + thumb.String() + "021a60b5788003f4", statement.ErrMalformed},
		{"true as a number", "issuer-key.compromise", "payload", "03f504", "030104", statement.ErrMalformed},
		{"short thumbprint", "issuer-key.retire", "payload", "5820" + thumb.String(), "581f" + thumb.String()[2:], statement.ErrMalformed},
		{"long thumbprint", "issuer-key.retire", "payload", "5820" + thumb.String(), "5821" + thumb.String() + "00", statement.ErrMalformed},
		{"null thumbprint", "issuer-key.retire", "payload", "5820" + thumb.String(), "f6", statement.ErrMalformed},
		{"revision where there is none", "revocation.add", "payload", "051a60b57880", "0401051a60b57880", statement.ErrMalformed},
		{"zero revision where there is none", "revocation.add", "payload", "a50101", "a601010400", statement.ErrMalformed},

		// The protected header.
		{"another algorithm", least, "protected", "a4012703", "a4012603", statement.ErrMalformed},
		{"algorithm of RFC 9864", least, "protected", "a4012703", "a4013203", statement.ErrMalformed},
		{"critical headers", least, "protected", "a4012703", "a501270281 0103", statement.ErrMalformed},
		{"another content type", least, "protected", textHex(statement.ContentType), textHex("application/cbor"), statement.ErrMalformed},
		{"short kid", least, "protected", "0448", "0447", statement.ErrMalformed},
		{"kid null", least, "protected", "0448" + kidHex(), "04f6", statement.ErrMalformed},
		{"kid missing", least, "protected", "0448" + kidHex(), "", statement.ErrMalformed},
		{"another issuer", least, "protected", "01625841", "01625843", statement.ErrMalformed},
		{"another subject", least, "protected", textHex("recognition/XA/XB"), textHex("recognition/XA/XC"), statement.ErrMalformed},
		{"another claim", least, "protected", "0fa2", "0fa3", statement.ErrMalformed},
	} {
		t.Run(m.name, func(t *testing.T) {
			p := split(t, sign(t, sampleNamed(t, m.sample), keyXA).Raw())
			if _, err := statement.Parse(p.join(t, keyXA)); err != nil {
				t.Fatalf("before the mutation: %v", err)
			}
			where := &p.Payload
			if m.in == "protected" {
				where = &p.Protected
			}
			*where = replaceOnce(t, *where, unhex(t, m.old), unhex(t, m.new))
			_, err := statement.Parse(p.join(t, keyXA))
			if !errors.Is(err, m.want) {
				t.Errorf("got %v, want %v", err, m.want)
			}
		})
	}
}

func textHex(s string) string {
	b, err := cbor.Marshal(s)
	if err != nil {
		panic(err)
	}
	return hex.EncodeToString(b)
}

func kidHex() string {
	id := statement.KeyIDOf(public(keyXA))
	return hex.EncodeToString(id[:])
}

// The COSE_Sign1 itself.
func TestOnlyOneEnvelope(t *testing.T) {
	raw := grant(t).Raw()
	for _, m := range []struct {
		name string
		make func([]byte) []byte
	}{
		{"nothing", func([]byte) []byte { return nil }},
		{"untagged", func(b []byte) []byte { return b[1:] }},
		{"tag longer than needed", func(b []byte) []byte { return append([]byte{0xd8, 18}, b[1:]...) }},
		{"tagged twice", func(b []byte) []byte { return append([]byte{0xd2}, b...) }},
		{"CWT tag", func(b []byte) []byte { return append([]byte{0xd8, 61}, b...) }},
		{"COSE_Sign", func(b []byte) []byte { return append([]byte{0xd8, 98}, b[1:]...) }},
		{"array longer than needed", func(b []byte) []byte { return append([]byte{0xd2, 0x98, 4}, b[2:]...) }},
		{"array of indefinite length", func(b []byte) []byte { return append(append([]byte{0xd2, 0x9f}, b[2:]...), 0xff) }},
		{"three elements", func(b []byte) []byte { return append([]byte{0xd2, 0x83}, b[2:len(b)-66]...) }},
		{"five elements", func(b []byte) []byte { return append(append([]byte{0xd2, 0x85}, b[2:]...), 0xa0) }},
		{"trailing byte", func(b []byte) []byte { return append(bytes.Clone(b), 0) }},
		{"two statements", func(b []byte) []byte { return append(bytes.Clone(b), b...) }},
		{"cut", func(b []byte) []byte { return b[:len(b)-1] }},
		{"short signature", func(b []byte) []byte {
			b = replaceOnce(t, b, []byte{0x58, 0x40}, []byte{0x58, 0x3f})
			return b[:len(b)-1]
		}},
		{"null signature", func(b []byte) []byte { return append(bytes.Clone(b[:len(b)-66]), 0xf6) }},
		{"something unprotected", func(b []byte) []byte {
			return replaceOnce(t, b, []byte{0x58, 0x42, 0xa0, 0x58}, []byte{0x58, 0x42, 0xa1, 0x04, 0x41, 0x00, 0x58})
		}},
		{"null unprotected", func(b []byte) []byte {
			return replaceOnce(t, b, []byte{0x58, 0x42, 0xa0, 0x58}, []byte{0x58, 0x42, 0xf6, 0x58})
		}},
		{"detached payload", func(b []byte) []byte {
			p := split(t, b)
			return replaceOnce(t, b, append([]byte{0x58, byte(len(p.Payload))}, p.Payload...), []byte{0xf6})
		}},
	} {
		t.Run(m.name, func(t *testing.T) {
			if _, err := statement.Parse(m.make(raw)); !errors.Is(err, statement.ErrMalformed) {
				t.Errorf("got %v, want ErrMalformed", err)
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	raw := append(grant(t).Raw(), make([]byte, statement.MaxSize)...)
	_, err := statement.Parse(raw[:statement.MaxSize+1])
	if !errors.Is(err, statement.ErrTooLarge) || !strings.Contains(err.Error(), "60001 bytes, at most 60000") {
		t.Errorf("60,001 bytes: %v", err)
	}
	if _, err := statement.Parse(raw[:statement.MaxSize]); errors.Is(err, statement.ErrTooLarge) || !errors.Is(err, statement.ErrMalformed) {
		t.Errorf("60,000 bytes with rubbish after the statement: %v", err)
	}
}

// Whatever bit is changed, what comes out is refused or not signed.
func TestEveryBitCounts(t *testing.T) {
	for _, s := range samples() {
		raw := sign(t, s.Statement, keyXA).Raw()
		for i := range raw {
			for bit := range 8 {
				changed := bytes.Clone(raw)
				changed[i] ^= 1 << bit
				u, err := statement.Parse(changed)
				if err != nil {
					continue
				}
				if i%8 != 0 && i < len(raw)-64 { // verifying all would take long, and adds little
					continue
				}
				if _, err := u.Verify(public(keyXA)); !errors.Is(err, statement.ErrSignature) {
					t.Errorf("%s with bit %d of byte %d changed: %v", s.name, bit, i, err)
				}
			}
		}
	}
}

// toBeSigned is the Sig_structure by another encoder than ours.
func toBeSigned(t testing.TB, p parts) []byte {
	t.Helper()
	tbs, err := cbor.Marshal([]any{"Signature1", p.Protected, []byte{}, p.Payload})
	if err != nil {
		t.Fatal(err)
	}
	return tbs
}
