package statement_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"concordat/ledger/statement"
)

// checkIdentity checks S1 and S2 on bytes that Parse took: what it decoded,
// signed anew, gives the same bytes but for kid and signature, and the hash is
// of the bytes.
func checkIdentity(t interface{ Fatalf(string, ...any) }, raw []byte, u *statement.Unverified) {
	again, err := statement.Sign(u.Statement(), keyXA)
	if err != nil {
		t.Fatalf("Parse took what Sign does not: %v\n%x", err, raw)
	}
	kid := bytes.Index(raw, []byte(statement.ContentType)) + len(statement.ContentType) + len("\x04\x48")
	id := u.KeyID()
	want := bytes.Clone(again.Raw()[:len(again.Raw())-ed25519.SignatureSize])
	copy(want[kid:], id[:])
	if !bytes.Equal(want, raw[:len(raw)-ed25519.SignatureSize]) {
		t.Fatalf("Parse took\n%x\nwhich Sign would write\n%x", raw, want)
	}
	if !bytes.Equal(u.Raw(), raw) {
		t.Fatalf("Raw gives other bytes than were parsed")
	}
}

func drawStatement(t *rapid.T) statement.Statement {
	text := func(most int) *rapid.Generator[string] {
		return rapid.StringMatching(`[a-zA-Zäé漢 "\\<&]{0,40}`).Filter(func(s string) bool { return len(s) <= most })
	}
	region := rapid.StringMatching(`(DE|XA|CN|DEU)(-[A-Z0-9]{1,4}){0,3}`)
	when := rapid.Int64Range(1, statement.MaxTime-1)
	maybe := rapid.OneOf(rapid.Just(int64(0)), when)
	kinds := func() []statement.CodeKind {
		var out []statement.CodeKind
		for _, k := range statement.CodeKinds {
			if rapid.Bool().Draw(t, string(k)) {
				out = append(out, k)
			}
		}
		return out
	}
	window := func() (statement.Time, statement.Time) {
		from, until := statement.Time(maybe.Draw(t, "from")), statement.Time(maybe.Draw(t, "until"))
		if until != 0 && until <= from {
			until = from + 1
		}
		return from, until
	}
	var thumb statement.Thumbprint
	copy(thumb[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "thumbprint"))
	batch := func() statement.Batch {
		b := statement.Batch{HashType: rapid.SampledFrom(statement.HashTypes).Draw(t, "type"), Count: rapid.Uint64Range(1, statement.MaxBatchHashes).Draw(t, "count"),
			Expires: statement.Time(when.Draw(t, "expires")), Reason: "r" + text(900).Draw(t, "reason")}
		copy(b.Digest[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
		return b
	}
	risk := func() statement.RiskLevel {
		r := statement.RiskLevel{Area: statement.Area(rapid.StringMatching(`(DE|XA)(-[A-Z0-9]{1,4}){0,5}`).Draw(t, "area")),
			Scheme: rapid.StringMatching(`[a-z0-9.-]{1,32}`).Draw(t, "scheme"), Level: rapid.StringMatching(`[a-z0-9.-]{1,32}`).Draw(t, "level"),
			Lookback: rapid.Uint64Range(0, statement.MaxLookback).Draw(t, "look-back"), Refuse: rapid.Bool().Draw(t, "refuse"), LegalRef: text(500).Draw(t, "legal")}
		r.From, r.Until = window()
		if r.From == 0 {
			r.From = 1
			if r.Until != 0 {
				r.Until++
			}
		}
		return r
	}
	terms := func() statement.Terms {
		x := statement.Terms{Region: statement.Region(region.Draw(t, "region")), Kinds: kinds(), Reason: text(1000).Draw(t, "reason"),
			LegalRef: text(500).Draw(t, "legal"), Formats: drawSome(t, statement.FormatNames), Algorithms: drawSome(t, statement.AlgorithmNames),
			Schemes: drawSome(t, []string{"cn-risk", "default", "ecdc-2021"}), RuleSet: rapid.SampledFrom([]string{"", "default", "neighbours"}).Draw(t, "rule set")}
		x.From, x.Until = window()
		return x
	}
	s := statement.Statement{Issuer: statement.Region(region.Draw(t, "issuer")), IssuedAt: statement.Time(maybe.Draw(t, "issued at")), Revision: rapid.Uint64Min(1).Draw(t, "revision")}
	copy(s.Network[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "network"))
	switch kind := rapid.SampledFrom(statement.Kinds()).Draw(t, "kind"); kind {
	case statement.RulePublish, statement.RuleRetire, statement.ValueSetPublish, statement.ValueSetRetire, statement.RiskSchemePublish,
		statement.SpecialCaseDeclare, statement.SpecialCaseEnd:
		s.Body = drawRules(t, kind, region, text)
	case statement.IssuerKeyRegister:
		b := &statement.RegisterKey{PublicKey: rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "key"), KeyID: rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "key id"), Kinds: kinds(),
			Issuer: text(512).Draw(t, "issuer"), Name: text(200).Draw(t, "issuer's name")}
		if c := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "certificate"); len(c) > 0 {
			b.Certificate = c
		}
		b.ValidFrom, b.ValidUntil = window()
		s.Body = b
	case statement.IssuerKeyRetire:
		s.Body = &statement.RetireKey{Key: thumb, At: statement.Time(when.Draw(t, "at"))}
	case statement.IssuerKeyCompromise:
		s.Body = &statement.CompromiseKey{Key: thumb, Since: statement.Time(when.Draw(t, "since")), SpareEarlier: rapid.Bool().Draw(t, "spare"), Reason: text(1000).Draw(t, "reason")}
	case statement.RevocationAdd:
		b := batch()
		b.IssuedBefore = statement.Time(maybe.Draw(t, "issued before"))
		s.Body, s.Revision = &statement.Revoke{Batch: b}, 0
	case statement.RevocationUndo:
		s.Body, s.Revision = &statement.Reinstate{Batch: batch()}, 0
	case statement.RiskDeclare:
		s.Body = &statement.DeclareRisk{RiskLevel: risk()}
	case statement.RiskChange:
		s.Body = &statement.ChangeRisk{RiskLevel: risk()}
	case statement.RiskLift:
		r := risk()
		s.Body = &statement.LiftRisk{Area: r.Area, Scheme: r.Scheme, At: r.From, Reason: r.LegalRef}
	case statement.RecognitionGrant:
		s.Body = &statement.Grant{Terms: terms()}
	case statement.RecognitionChange:
		s.Body = &statement.ChangeGrant{Terms: terms()}
	case statement.RecognitionSuspend:
		x := terms()
		s.Body = &statement.Suspend{Region: x.Region, Kinds: x.Kinds, From: x.From, Until: x.Until, Reason: "r", LegalRef: x.LegalRef}
	case statement.RecognitionWithdraw:
		x := terms()
		s.Body = &statement.Withdraw{Region: x.Region, Reason: x.Reason, LegalRef: x.LegalRef}
	case statement.Seal:
		b := &statement.SealState{Size: rapid.Uint64Max(statement.MaxLogSize).Draw(t, "size"), At: statement.Time(when.Draw(t, "at")), Records: batch().Digest, Revoked: batch().Digest}
		key := rapid.SliceOfN(rapid.Byte(), 32, 32)
		ids := rapid.SliceOfNDistinct(region, 1, 9, rapid.ID).Draw(t, "validators")
		slices.Sort(ids)
		for _, id := range ids {
			b.Validators = append(b.Validators, statement.SealedValidator{ID: statement.Region(id), Cosign: key.Draw(t, "cosign key"), Node: key.Draw(t, "node key"), Governance: key.Draw(t, "governance key")})
		}
		s.Body, s.Revision = b, 0
	case statement.EvidenceReport:
		s.Body, s.Revision = &statement.ReportEvidence{Culprit: statement.Region(region.Draw(t, "culprit")), Proof: rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "proof")}, 0
	default:
		drawGovernance(t, &s, region, text)
	}
	return s
}

// drawGovernance draws a body of the kinds that change the network itself.
func drawGovernance(t *rapid.T, s *statement.Statement, region *rapid.Generator[string], text func(int) *rapid.Generator[string]) {
	authority := func() statement.Region { return statement.Region(region.Draw(t, "authority")) }
	said := func(of string) string { return "r" + text(190).Draw(t, of) }
	key := func(uses []statement.KeyUse) statement.NewKey {
		private := testKey(rapid.StringN(1, 9, -1).Draw(t, "key"))
		return statement.ProveKey(s.Network, s.Issuer, rapid.SampledFrom(uses).Draw(t, "use"), private)
	}
	where := func() statement.Place {
		addresses := rapid.SliceOfNDistinct(rapid.StringMatching(`/dns/[a-z]{1,9}/tcp/4001`), 1, statement.MaxAddresses, rapid.ID).Draw(t, "addresses")
		return statement.Place{Addresses: addresses, HTTP: text(200).Draw(t, "http")}
	}
	role := func() statement.Role {
		return rapid.SampledFrom([]statement.Role{statement.RoleObserver, statement.RoleValidator}).Draw(t, "role")
	}
	index := func() uint64 { return rapid.Uint64Max(statement.MaxLogSize).Draw(t, "index") }
	var hash statement.Hash
	copy(hash[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
	kinds := slices.DeleteFunc(statement.Kinds(), func(k statement.Kind) bool {
		return !(k.ByGovernance() || k == statement.AuthoritySetNode || k == statement.Handover || k == statement.IncidentReport)
	})
	switch rapid.SampledFrom(kinds).Draw(t, "kind of governance") {
	case statement.AuthorityRotateKey:
		s.Body = &statement.RotateOwnKey{NewKey: key(statement.KeyUses[1:])}
	case statement.AuthoritySetNode:
		s.Body = &statement.SetNode{Place: where()}
	case statement.GovernancePropose:
		thresholds := rapid.SampledFrom([]string{"majority", "two-thirds", "all"})
		actions := []func() statement.Action{
			func() statement.Action {
				return statement.Action{Admit: &statement.Admit{Descriptor: rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "descriptor"), Role: role()}}
			},
			func() statement.Action {
				return statement.Action{ChangeRole: &statement.ChangeRole{Authority: authority(), Role: role()}}
			},
			func() statement.Action {
				return statement.Action{Suspend: &statement.SuspendAuthority{Authority: authority()}}
			},
			func() statement.Action {
				return statement.Action{Restore: &statement.RestoreAuthority{Authority: authority()}}
			},
			func() statement.Action { return statement.Action{Expel: &statement.Expel{Authority: authority()}} },
			func() statement.Action {
				return statement.Action{RotateKey: &statement.RotateKey{Authority: authority(), NewKey: key(statement.KeyUses)}}
			},
			func() statement.Action {
				return statement.Action{SetNode: &statement.SetNodeOf{Authority: authority(), Place: where()}}
			},
			func() statement.Action {
				at := func() string { return thresholds.Draw(t, "threshold") }
				return statement.Action{ChangePolicy: &statement.ChangePolicy{AdmitObserver: at(), AdmitValidator: at(), Suspend: at(), Expel: at(), RotateKeys: at(), ChangePolicy: at()}}
			},
			func() statement.Action {
				return statement.Action{RaiseLevel: &statement.RaiseLevel{Level: rapid.Uint64Range(2, 99).Draw(t, "level")}}
			},
		}
		s.Body = &statement.Propose{Action: rapid.SampledFrom(actions).Draw(t, "action")(), Reason: said("reason")}
	case statement.GovernanceVote:
		s.Body, s.Revision = &statement.Vote{Proposal: index(), Of: hash, Yes: rapid.Bool().Draw(t, "yes"), Reason: text(900).Draw(t, "reason")}, 0
	case statement.GovernanceWithdraw:
		s.Body, s.Revision = &statement.WithdrawProposal{Proposal: index(), Of: hash, Reason: text(900).Draw(t, "reason")}, 0
	case statement.Handover:
		s.Body, s.Revision = &statement.HandOver{Seal: index(), Note: rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "note")}, 0
	case statement.NetworkRecovery:
		ids := rapid.SliceOfNDistinct(region, 1, 9, rapid.ID).Draw(t, "validators")
		slices.Sort(ids)
		b := &statement.Recover{Plan: statement.RecoveryPlan{Lineage: rapid.Uint64Range(2, 1000).Draw(t, "lineage"), Size: index(), Root: hash, Reason: said("reason")}}
		for _, id := range ids {
			b.Plan.Validators = append(b.Plan.Validators, statement.Region(id))
			b.Signatures = append(b.Signatures, statement.RecoverySignature{Authority: statement.Region(id), Signature: rapid.SliceOfN(rapid.Byte(), 64, 64).Draw(t, "signature")})
		}
		s.Body, s.Revision = b, 0
	case statement.IncidentReport:
		b := &statement.ReportIncident{Title: said("title"), Text: text(900).Draw(t, "text")}
		if rapid.Bool().Draw(t, "about a key") {
			thumb := statement.Thumbprint(hash)
			b.Key = &thumb
		}
		s.Body, s.Revision = b, 0
	}
}

// Whatever can be said is signed, read back the same, verified by its key and by no other.
func TestRoundTrip(t *testing.T) {
	other := public(testKey("another"))
	rapid.Check(t, func(t *rapid.T) {
		s := drawStatement(t)
		v, err := statement.Sign(s, keyXA)
		if err != nil {
			t.Fatalf("Sign: %v", err)
		}
		u, err := statement.Parse(v.Raw())
		if err != nil {
			t.Fatalf("Parse: %v", err)
		}
		if !reflect.DeepEqual(u.Statement(), s) {
			t.Fatalf("said %+v, read %+v", s, u.Statement())
		}
		checkIdentity(t, v.Raw(), u)
		if v, err := u.Verify(public(keyXA)); err != nil || v.Hash() != u.Hash() {
			t.Fatalf("Verify: %v", err)
		}
		if _, err := u.Verify(other); !errors.Is(err, statement.ErrSignature) {
			t.Fatalf("Verify with another key: %v", err)
		}
	})
}

// FuzzParse hands over whatever it likes: Parse does not panic, its errors are
// its own, and what it takes is the one encoding of what it says.
func FuzzParse(f *testing.F) {
	for _, s := range samples() {
		f.Add(sign(f, s.Statement, keyXA).Raw())
	}
	f.Add([]byte{0xd2, 0x84})
	f.Fuzz(func(t *testing.T, raw []byte) {
		u, err := statement.Parse(raw)
		if err != nil {
			if !errors.Is(err, statement.ErrMalformed) && !errors.Is(err, statement.ErrInvalid) {
				t.Fatalf("an error of no name: %v", err)
			}
			return
		}
		checkIdentity(t, raw, u)
		s := u.Statement()
		if s.Words() == "" {
			t.Fatal("no words for it")
		}
		_, alone := u.Verify(public(keyXA))
		_, checked := statement.NewChecker(1).Verify(u, public(keyXA))
		if (alone == nil) != (checked == nil) {
			t.Fatalf("alone %v, checked %v", alone, checked)
		}
	})
}
