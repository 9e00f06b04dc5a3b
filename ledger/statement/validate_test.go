package statement_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"concordat/ledger/statement"
)

// Every bound of limits.go: the last that is taken, and the first that is not.
func TestBounds(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	bytesOf := func(n int) []byte { return make([]byte, n) }
	batch := statement.NewBatch(statement.HashUCI, attachment, july, "r")
	risk := statement.RiskLevel{Area: "XB", Scheme: "default", Level: "high", From: june}
	seal := statement.SealState{Size: 1, At: 1, Validators: sealed(1)}
	type body = statement.Body
	for _, c := range []struct {
		name      string
		good, bad body
	}{
		{"public key", &statement.RegisterKey{PublicKey: bytesOf(statement.MaxPublicKey), KeyID: bytesOf(1)}, &statement.RegisterKey{PublicKey: bytesOf(statement.MaxPublicKey + 1), KeyID: bytesOf(1)}},
		{"no public key", &statement.RegisterKey{PublicKey: bytesOf(1), KeyID: bytesOf(1)}, &statement.RegisterKey{KeyID: bytesOf(1)}},
		{"key id", &statement.RegisterKey{PublicKey: bytesOf(1), KeyID: bytesOf(statement.MaxKeyID)}, &statement.RegisterKey{PublicKey: bytesOf(1), KeyID: bytesOf(statement.MaxKeyID + 1)}},
		{"certificate", &statement.RegisterKey{PublicKey: bytesOf(1), KeyID: bytesOf(1), Certificate: bytesOf(statement.MaxCertificate)}, &statement.RegisterKey{PublicKey: bytesOf(1), KeyID: bytesOf(1), Certificate: bytesOf(statement.MaxCertificate + 1)}},
		{"window of a key", &statement.RegisterKey{PublicKey: bytesOf(1), KeyID: bytesOf(1), ValidFrom: june, ValidUntil: june + 1}, &statement.RegisterKey{PublicKey: bytesOf(1), KeyID: bytesOf(1), ValidFrom: june, ValidUntil: june}},
		{"time of retirement", &statement.RetireKey{At: statement.MaxTime}, &statement.RetireKey{At: statement.MaxTime + 1}},
		{"no time of retirement", &statement.RetireKey{At: 1}, &statement.RetireKey{}},
		{"since", &statement.CompromiseKey{Since: 1}, &statement.CompromiseKey{}},
		{"reason of a compromise", &statement.CompromiseKey{Since: 1, Reason: long(statement.MaxReason)}, &statement.CompromiseKey{Since: 1, Reason: long(statement.MaxReason + 1)}},
		{"hash type", &statement.Revoke{Batch: batch}, &statement.Revoke{Batch: with(batch, func(b *statement.Batch) { b.HashType = "md5" })}},
		{"no hashes", &statement.Revoke{Batch: batch}, &statement.Revoke{Batch: with(batch, func(b *statement.Batch) { b.Count = 0 })}},
		{"no expiry", &statement.Revoke{Batch: batch}, &statement.Revoke{Batch: with(batch, func(b *statement.Batch) { b.Expires = 0 })}},
		{"no reason to revoke", &statement.Revoke{Batch: batch}, &statement.Revoke{Batch: with(batch, func(b *statement.Batch) { b.Reason = "" })}},
		{"no reason to undo", &statement.Reinstate{Batch: batch}, &statement.Reinstate{Batch: with(batch, func(b *statement.Batch) { b.Reason = "" })}},
		{"look-back", &statement.DeclareRisk{RiskLevel: with(risk, func(r *statement.RiskLevel) { r.Lookback = statement.MaxLookback })}, &statement.DeclareRisk{RiskLevel: with(risk, func(r *statement.RiskLevel) { r.Lookback = statement.MaxLookback + 1 })}},
		{"level", &statement.ChangeRisk{RiskLevel: with(risk, func(r *statement.RiskLevel) { r.Level = "dark-red" })}, &statement.ChangeRisk{RiskLevel: with(risk, func(r *statement.RiskLevel) { r.Level = "Dark red" })}},
		{"long level", &statement.ChangeRisk{RiskLevel: with(risk, func(r *statement.RiskLevel) { r.Level = long(statement.MaxLevel) })}, &statement.ChangeRisk{RiskLevel: with(risk, func(r *statement.RiskLevel) { r.Level = long(statement.MaxLevel + 1) })}},
		{"scheme", &statement.LiftRisk{Area: "XB", Scheme: "ecdc-2021.1", At: 1}, &statement.LiftRisk{Area: "XB", Scheme: "", At: 1}},
		{"scheme with a slash", &statement.LiftRisk{Area: "XB", Scheme: "a", At: 1}, &statement.LiftRisk{Area: "XB", Scheme: "a/b", At: 1}},
		{"area", &statement.LiftRisk{Area: "XB", Scheme: "a", At: 1}, &statement.LiftRisk{Area: "xb", Scheme: "a", At: 1}},
		{"from of a risk", &statement.DeclareRisk{RiskLevel: risk}, &statement.DeclareRisk{RiskLevel: with(risk, func(r *statement.RiskLevel) { r.From = 0 })}},
		{"legal reference", &statement.DeclareRisk{RiskLevel: with(risk, func(r *statement.RiskLevel) { r.LegalRef = long(statement.MaxLegalRef) })}, &statement.DeclareRisk{RiskLevel: with(risk, func(r *statement.RiskLevel) { r.LegalRef = long(statement.MaxLegalRef + 1) })}},
		{"kind of code", &statement.Grant{Terms: statement.Terms{Region: "XB", Kinds: statement.CodeKinds}}, &statement.Grant{Terms: statement.Terms{Region: "XB", Kinds: []statement.CodeKind{"passport"}}}},
		{"region", &statement.ChangeGrant{Terms: statement.Terms{Region: "XB"}}, &statement.ChangeGrant{Terms: statement.Terms{Region: "EL"}}},
		{"reason to suspend", &statement.Suspend{Region: "XB", Reason: "r"}, &statement.Suspend{Region: "XB"}},
		{"lines", &statement.Withdraw{Region: "XB", Reason: "two\nlines"}, &statement.Withdraw{Region: "XB", Reason: "two\rlines"}},
		{"terminal control", &statement.Withdraw{Region: "XB", Reason: "résumé"}, &statement.Withdraw{Region: "XB", Reason: "\x1b[2J"}},
		{"C1 control", &statement.Withdraw{Region: "XB", Reason: "\u00a0"}, &statement.Withdraw{Region: "XB", Reason: "\u009b2J"}},
		{"text turned round", &statement.Withdraw{Region: "XB", Reason: "בטל"}, &statement.Withdraw{Region: "XB", Reason: "\u202edetnarg"}},
		{"size of a seal", sealWith(seal, func(b *statement.SealState) { b.Size = statement.MaxLogSize }), sealWith(seal, func(b *statement.SealState) { b.Size = statement.MaxLogSize + 1 })},
		{"seal of the founding", sealWith(seal, func(b *statement.SealState) { b.Size = 0 }), sealWith(seal, func(b *statement.SealState) { b.Validators = nil })},
		{"time of a seal", &seal, sealWith(seal, func(b *statement.SealState) { b.At = 0 })},
		{"validators", sealWith(seal, func(b *statement.SealState) { b.Validators = sealed(statement.MaxValidators) }), sealWith(seal, func(b *statement.SealState) { b.Validators = sealed(statement.MaxValidators + 1) })},
		{"validators in order", sealWith(seal, func(b *statement.SealState) { b.Validators = sealed(3) }), sealWith(seal, func(b *statement.SealState) { b.Validators = sealed(3); slices.Reverse(b.Validators) })},
		{"validators once", sealWith(seal, func(b *statement.SealState) { b.Validators = sealed(2) }), sealWith(seal, func(b *statement.SealState) { b.Validators = append(sealed(2), sealed(2)[1]) })},
		{"id of a validator", &seal, sealWith(seal, func(b *statement.SealState) { b.Validators = sealed(1); b.Validators[0].ID = "UK" })},
		{"cosign key", &seal, sealWith(seal, func(b *statement.SealState) { b.Validators = sealed(1); b.Validators[0].Cosign = bytesOf(31) })},
		{"node key", &seal, sealWith(seal, func(b *statement.SealState) { b.Validators = sealed(1); b.Validators[0].Node = nil })},
		{"governance key", &seal, sealWith(seal, func(b *statement.SealState) { b.Validators = sealed(1); b.Validators[0].Governance = bytesOf(33) })},
		{"proof", &statement.ReportEvidence{Culprit: "XB", Proof: bytesOf(statement.MaxEvidence)}, &statement.ReportEvidence{Culprit: "XB", Proof: bytesOf(statement.MaxEvidence + 1)}},
		{"no proof", &statement.ReportEvidence{Culprit: "XB", Proof: bytesOf(1)}, &statement.ReportEvidence{Culprit: "XB"}},
		{"culprit", &statement.ReportEvidence{Culprit: "XB", Proof: bytesOf(1)}, &statement.ReportEvidence{Culprit: "UK", Proof: bytesOf(1)}},
		{"text that is not UTF-8", &statement.Withdraw{Region: "XB", Reason: "r"}, &statement.Withdraw{Region: "XB", Reason: "\xff"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			revision := uint64(1)
			if !c.good.Kind().HasRevision() {
				revision = 0
			}
			s := statement.Statement{Issuer: "XA", Network: network, Revision: revision, Body: c.good}
			if _, err := statement.Sign(s, keyXA); err != nil {
				t.Errorf("the last that is good: %v", err)
			}
			s.Body = c.bad
			if _, err := statement.Sign(s, keyXA); !errors.Is(err, statement.ErrInvalid) {
				t.Errorf("the first that is bad: got %v, want ErrInvalid", err)
			}
		})
	}
}

// sealed gives n validators with the longest ids there are.
func sealed(n int) (out []statement.SealedValidator) {
	for i := range n {
		id := statement.Region(fmt.Sprintf("XAA-ABCDEFGHIJKL-ABCDEFGHIJ-%04d", i))
		out = append(out, statement.SealedValidator{ID: id, Cosign: make([]byte, 32), Node: make([]byte, 32), Governance: make([]byte, 32)})
	}
	return out
}

func sealWith(b statement.SealState, change func(*statement.SealState)) *statement.SealState {
	change(&b)
	return &b
}

func with[T any](v T, change func(*T)) T {
	change(&v)
	return v
}

func TestStatementBounds(t *testing.T) {
	good := statement.Statement{Issuer: "XA", Network: network, Revision: 1, Body: &statement.Withdraw{Region: "XB"}}
	for name, bad := range map[string]statement.Statement{
		"issuer":      with(good, func(s *statement.Statement) { s.Issuer = "UK" }),
		"no revision": with(good, func(s *statement.Statement) { s.Revision = 0 }),
		"time":        with(good, func(s *statement.Statement) { s.IssuedAt = -1 }),
		"a revision for a kind without": with(good, func(s *statement.Statement) {
			s.Body = &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, attachment, july, "r")}
		}),
	} {
		if _, err := statement.Sign(bad, keyXA); !errors.Is(err, statement.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	if _, err := statement.Sign(good, keyXA); err != nil {
		t.Error(err)
	}
	if _, err := statement.Sign(good, keyXA[:31]); !errors.Is(err, statement.ErrKey) {
		t.Errorf("with 31 bytes of a key: got %v, want ErrKey", err)
	}
	if _, err := statement.Sign(with(good, func(s *statement.Statement) { s.Body = nil }), keyXA); !errors.Is(err, statement.ErrInvalid) {
		t.Error("signed nothing")
	}
}

// The longest statement of each sort is far below the limit of a tile's entry.
func TestLargestFits(t *testing.T) {
	v := sign(t, statement.Statement{Issuer: "XAA-ABCDEFGH-ABCDEFGH-ABCDEFGH", Network: network, Revision: 1<<64 - 1, IssuedAt: statement.MaxTime,
		Body: &statement.RegisterKey{PublicKey: make([]byte, statement.MaxPublicKey), KeyID: make([]byte, statement.MaxKeyID),
			Certificate: make([]byte, statement.MaxCertificate), Kinds: statement.CodeKinds, ValidFrom: 1, ValidUntil: statement.MaxTime}}, keyXA)
	if n := len(v.Raw()); n > statement.MaxSize/4 {
		t.Errorf("a statement of %d bytes", n)
	}
}

// The seal of the largest network that can be founded is a statement.
func TestLargestSealFits(t *testing.T) {
	validators := sealed(statement.MaxValidators)
	for _, v := range validators {
		if len(v.ID) != statement.MaxRegion {
			t.Fatalf("id %s has %d bytes: not the longest", v.ID, len(v.ID))
		}
	}
	v := sign(t, statement.Statement{Issuer: validators[0].ID, Network: network, IssuedAt: statement.MaxTime,
		Body: &statement.SealState{Size: statement.MaxLogSize, At: statement.MaxTime, Validators: validators}}, keyXA)
	t.Logf("%d bytes of %d", len(v.Raw()), statement.MaxSize)
}

// The kinds that nodes make are apart from those that people sign, and have neither revision nor attachment.
func TestByNode(t *testing.T) {
	var of []statement.Kind
	for _, k := range statement.Kinds() {
		if k.ByNode() {
			of = append(of, k)
			if k.HasRevision() || k.HasAttachment() {
				t.Errorf("%s: revision %v, attachment %v; want neither", k, k.HasRevision(), k.HasAttachment())
			}
		}
	}
	if want := []statement.Kind{statement.Seal, statement.EvidenceReport, statement.Handover}; !slices.Equal(of, want) {
		t.Errorf("nodes make %v, want %v", of, want)
	}
}

// CheckKey is advice before signing: the key parses, and is the certificate's.
func TestCheckKey(t *testing.T) {
	one, other := newCertificate(t), newCertificate(t)
	good := statement.RegisterKey{PublicKey: one.RawSubjectPublicKeyInfo, KeyID: []byte("k"), Certificate: one.Raw}
	if err := good.CheckKey(); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string]statement.RegisterKey{
		"key that does not parse":         with(good, func(b *statement.RegisterKey) { b.PublicKey = []byte("no key") }),
		"certificate that does not parse": with(good, func(b *statement.RegisterKey) { b.Certificate = []byte("none") }),
		"key in another encoding": with(good, func(b *statement.RegisterKey) {
			b.PublicKey, b.Certificate = alias(t, one.RawSubjectPublicKeyInfo), nil
		}),
		"key of another certificate": with(good, func(b *statement.RegisterKey) { b.PublicKey = other.RawSubjectPublicKeyInfo }),
	} {
		if err := bad.CheckKey(); !errors.Is(err, statement.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if good.Thumbprint() == (&statement.RegisterKey{PublicKey: good.PublicKey}).Thumbprint() {
		t.Error("the thumbprint does not depend on the certificate")
	}
}

// alias is another encoding of the same key, which crypto/x509 parses as well:
// an element more at the end of the outer SEQUENCE.
func alias(t *testing.T, spki []byte) []byte {
	t.Helper()
	var outer asn1.RawValue
	_, err := asn1.Unmarshal(spki, &outer)
	must(t, err)
	der, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: slices.Concat(outer.Bytes, asn1.NullBytes)})
	must(t, err)
	if _, err := x509.ParsePKIXPublicKey(der); err != nil {
		t.Fatalf("the other encoding does not parse, so it proves nothing: %v", err)
	}
	return der
}

func newCertificate(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}},
		&x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	must(t, err)
	c, err := x509.ParseCertificate(der)
	must(t, err)
	return c
}

func TestSortKinds(t *testing.T) {
	got := statement.SortKinds([]statement.CodeKind{statement.Itinerary, statement.Vaccination, statement.Itinerary, statement.Test})
	g := statement.Grant{Terms: statement.Terms{Region: "XB", Kinds: got}}
	if err := g.Validate(); err != nil || len(got) != 3 {
		t.Errorf("SortKinds gives %v: %v", got, err)
	}
}
