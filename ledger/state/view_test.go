package state

import (
	"fmt"
	"slices"
	"testing"

	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// TestLists asks for parts of the state, where one id begins like another.
func TestLists(t *testing.T) {
	w := newWorld(t, "CN", "CN-31", "XA")
	for _, by := range []statement.Region{"CN", "CN-31"} {
		w.must(by, issuerKeyFor("K of "+string(by)), nil)
		w.must(by, &statement.Grant{Terms: statement.Terms{Region: "XA"}}, nil)
		for _, area := range []statement.Area{"CN", "CN-31", "CN-31-01"} {
			w.must(by, &statement.DeclareRisk{RiskLevel: statement.RiskLevel{Area: area, Scheme: "default", Level: "high", From: 1}}, nil)
		}
	}
	w.must("CN", &statement.RetireKey{Key: issuerKeyFor("K of CN").Thumbprint(), At: 5}, nil)
	v := View{w.mem}
	for _, c := range []struct {
		what string
		got  func() ([]string, error)
		want []string
	}{
		{"authorities", func() ([]string, error) {
			return named(v.Authorities())(func(a Authority) string { return string(a.ID) })
		}, []string{"CN", "CN-31", "XA"}},
		{"all issuer keys", keysBy(v, KeyFilter{}), []string{"CN-31 registered", "CN retired"}},
		{"issuer keys of CN", keysBy(v, KeyFilter{Region: "CN"}), []string{"CN retired"}},
		{"issuer keys that stand", keysBy(v, KeyFilter{Status: Registered}), []string{"CN-31 registered"}},
		{"issuer keys of CN that stand", keysBy(v, KeyFilter{Region: "CN", Status: Registered}), nil},
		{"issuer keys by kid", keysBy(v, KeyFilter{KeyID: []byte("the same")}), []string{"CN-31 registered", "CN retired"}},
		{"issuer keys by kid and region", keysBy(v, KeyFilter{KeyID: []byte("the same"), Region: "CN-31"}), []string{"CN-31 registered"}},
		{"issuer keys by a part of the kid", keysBy(v, KeyFilter{KeyID: []byte("the")}), nil},
		{"recognitions", func() ([]string, error) {
			return named(v.Recognitions())(func(g Recognition) string { return string(g.Grantor + ">" + g.Grantee) })
		}, []string{"CN>XA", "CN-31>XA"}},
		{"recognitions by CN", func() ([]string, error) {
			return named(v.RecognitionsBy("CN"))(func(g Recognition) string { return string(g.Grantor + ">" + g.Grantee) })
		}, []string{"CN>XA"}},
		{"risk areas", func() ([]string, error) {
			return named(v.RiskAreasAll())(func(a RiskArea) string { return string(a.Area) + " by " + string(a.Authority) })
		}, []string{"CN by CN", "CN by CN-31", "CN-31 by CN", "CN-31 by CN-31", "CN-31-01 by CN", "CN-31-01 by CN-31"}},
		{"risk areas on CN-31", func() ([]string, error) {
			return named(v.RiskAreas("CN-31"))(func(a RiskArea) string { return string(a.Area) + " by " + string(a.Authority) })
		}, []string{"CN-31 by CN", "CN-31 by CN-31"}},
	} {
		got, err := c.got()
		slices.Sort(got)
		slices.Sort(c.want)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, error %v; want %q", c.what, got, err, c.want)
		}
	}
}

func keysBy(v View, f KeyFilter) func() ([]string, error) {
	return func() ([]string, error) {
		return named(v.IssuerKeys(f))(func(k IssuerKey) string { return fmt.Sprintf("%s %s", k.Region, k.Status) })
	}
}

func named[T any](list []T, err error) func(func(T) string) ([]string, error) {
	return func(name func(T) string) ([]string, error) {
		var out []string
		for _, x := range list {
			out = append(out, name(x))
		}
		return out, err
	}
}

// TestAuthorityRecord: what the genesis says of an authority is in the state.
func TestAuthorityRecord(t *testing.T) {
	doc := founding(t, "XA", "XB", "XC", "XD")
	v := View{NewMemory(Found(doc))}
	n, err := v.Network()
	if err != nil || n.ID != doc.ID() || n.Name != doc.Network || n.Policy.Expel != string(doc.Policy.Expel) {
		t.Errorf("network is %+v, error %v; want that of %+v", n, err, doc)
	}
	for _, want := range doc.Authorities {
		a, ok, err := v.Authority(want.ID)
		if err != nil || !ok {
			t.Fatal(want.ID, ok, err)
		}
		if a.Name != want.Name || string(a.Role) != string(want.Role) || !slices.Equal(a.Addresses, want.Addresses) || a.AdmittedAt != nil {
			t.Errorf("%s is %+v, want %+v", want.ID, a, want)
		}
		for use, key := range map[Use]fmt.Stringer{
			Governance: want.Keys.Governance, Statements: want.Keys.Statement, Node: want.Keys.Node, Cosign: want.Keys.Cosign,
		} {
			if got := a.Key(use); len(got) != 32 || fmt.Sprint(key) != genesis.Key(got).String() {
				t.Errorf("%s key of %s is %x, want %s", use, want.ID, got, key)
			}
		}
	}
	if _, ok, err := v.Authority("XZ"); ok || err != nil {
		t.Errorf("XZ is an authority (%v), error %v; want neither", ok, err)
	}
}

// TestRevocationsByOne: what one authority said of a hash is not mixed with
// what one said whose id begins like its own, and costs nothing of theirs.
func TestRevocationsByOne(t *testing.T) {
	w := newWorld(t, "CN", "CN-31", "XA")
	hash := attachmentOf([]string{"h"})
	for _, by := range []statement.Region{"CN-31", "CN", "XA", "CN-31", "CN"} {
		w.must(by, &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, hash, 100, "reason of "+string(by))}, hash)
	}
	w.must("CN", &statement.Reinstate{Batch: statement.NewBatch(statement.HashUCI, hash, 100, "again")}, hash)
	w.must("CN", &statement.Revoke{Batch: statement.NewBatch(statement.HashSignature, hash, 100, "another type")}, hash)
	v := View{w.mem}
	for by, want := range map[statement.Region][]uint64{"CN": {1, 4, 5}, "CN-31": {0, 3}, "XA": {2}, "XB": nil} {
		events, err := v.RevocationsBy(testHash("h"), statement.HashUCI, by)
		var got []uint64
		for _, e := range events {
			got = append(got, e.Index)
			if undone := e.UndoneBy != nil; undone != (by == "CN" && !e.Undo) {
				t.Errorf("statement %d is undone: %v", e.Index, undone)
			}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: statements %v (%v), want %v", by, got, err, want)
		}
	}
	events, more, err := v.Revocations(testHash("h"), 2)
	if err != nil || !more || len(events) != 2 || events[0].Index != 6 || events[1].Index != 1 || events[1].UndoneBy != nil {
		t.Errorf("the first two: %+v, more %v, %v", events, more, err)
	}
	if reason, err := v.RevocationReason(events[1]); err != nil || reason != "reason of CN" {
		t.Errorf("reason %q, %v", reason, err)
	}
}

// TestTotals counts hashes by authority and type.
func TestTotals(t *testing.T) {
	w := story(t)
	got, err := View{w.mem}.Totals("XA", statement.HashUCI)
	if want := (Totals{Batches: 2, Revoked: 3, Undone: 3}); err != nil || got != want {
		t.Errorf("%+v, error %v; want %+v", got, err, want)
	}
	if got, err = (View{w.mem}).Totals("XA", statement.HashRID); err != nil || got != (Totals{}) {
		t.Errorf("%+v, error %v; want none", got, err)
	}
}
