package statement_test

import (
	"bytes"
	"testing"

	"github.com/veraison/go-cose"

	"concordat/ledger/statement"
)

// Another implementation of COSE reads and verifies our statements, and what
// it signs in the same shape is a statement to us.
func TestAnotherCOSE(t *testing.T) {
	verifier, err := cose.NewVerifier(cose.AlgorithmEdDSA, public(keyXA))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := cose.NewSigner(cose.AlgorithmEdDSA, keyXA)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			ours := sign(t, s.Statement, keyXA)
			var m cose.Sign1Message
			if err := m.UnmarshalCBOR(ours.Raw()); err != nil {
				t.Fatalf("reading ours: %v", err)
			}
			if err := m.Verify(nil, verifier); err != nil {
				t.Fatalf("verifying ours: %v", err)
			}
			alg, err := m.Headers.Protected.Algorithm()
			if err != nil || alg != cose.AlgorithmEdDSA {
				t.Errorf("alg is %v, %v", alg, err)
			}
			kid := statement.KeyIDOf(public(keyXA))
			if got, _ := m.Headers.Protected[cose.HeaderLabelKeyID].([]byte); !bytes.Equal(got, kid[:]) {
				t.Errorf("kid is %x, want %x", got, kid)
			}
			claims, _ := m.Headers.Protected[cose.HeaderLabelCWTClaims].(map[any]any)
			if claims[int64(1)] != "XA" || claims[int64(2)] != s.Subject() {
				t.Errorf("claims are %v", claims)
			}

			theirs := cose.Sign1Message{
				Headers: cose.Headers{Protected: cose.ProtectedHeader{
					cose.HeaderLabelAlgorithm:   cose.AlgorithmEdDSA,
					cose.HeaderLabelContentType: statement.ContentType,
					cose.HeaderLabelKeyID:       kid[:],
					cose.HeaderLabelCWTClaims:   map[any]any{int64(1): "XA", int64(2): s.Subject()},
				}},
				Payload: m.Payload,
			}
			if err := theirs.Sign(nil, nil, signer); err != nil {
				t.Fatal(err)
			}
			raw, err := theirs.MarshalCBOR()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(raw, ours.Raw()) {
				t.Errorf("theirs:\n%x\nours:\n%x", raw, ours.Raw())
			}
		})
	}
}
