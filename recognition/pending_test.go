package recognition_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concordat/ledger/statement"
	"concordat/recognition"
	"concordat/recognition/sentence"
)

// held is what a node holds that is not ordered: said, with a hash of its own.
func held(by statement.Region, body statement.Body, attachment []byte) recognition.PendingStatement {
	return recognition.PendingStatement{
		Hash: sha256.Sum256(fmt.Append(nil, by, body, attachment)), Issuer: by, Body: body, Attachment: attachment,
	}
}

// urgent are statements that refuse the code AT/1 where XB checks and XA made it.
func urgent(t testing.TB, s sample) map[string]recognition.PendingStatement {
	uci := s.hash(t, statement.HashUCI)
	many := make([]statement.RevocationHash, 1000)
	for i := range many {
		sum := sha256.Sum256(fmt.Append(nil, "other ", i))
		many[i] = statement.RevocationHash(sum[:statement.HashSize])
	}
	large := statement.NewAttachment(append(many, statement.RevocationHash(uci)))
	level := statement.RiskLevel{Area: "XB-1", Scheme: "default", Level: "high", From: 1, Lookback: 14, Refuse: true}
	thumbprint := s.register().Thumbprint()
	return map[string]recognition.PendingStatement{
		"a revocation":                  held("XA", &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, uci, 4_000_000_000, "lost")}, uci),
		"a revocation by who checks":    held("XB", &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, uci, 4_000_000_000, "wrong")}, uci),
		"a revocation in a large batch": held("XA", &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, large, 4_000_000_000, "many")}, large),
		"a compromise":                  held("XA", &statement.CompromiseKey{Key: thumbprint, Since: 1, Reason: "stolen"}, nil),
		"a retirement":                  held("XA", &statement.RetireKey{Key: thumbprint, At: 1}, nil),
		"a risk area":                   held("XB", &statement.DeclareRisk{RiskLevel: level}, nil),
		"a changed risk area":           held("XB", &statement.ChangeRisk{RiskLevel: level}, nil),
		"a suspension":                  held("XB", &statement.Suspend{Region: "XA", Reason: "forged cards", LegalRef: "Order 7"}, nil),
		"a suspension of a kind":        held("XB", &statement.Suspend{Region: "XA", Kinds: []statement.CodeKind{statement.Vaccination}, Reason: "forged cards"}, nil),
		"a special case":                held("XB", &statement.DeclareCase{Name: "batch-7", Region: "XA", Keys: []statement.Thumbprint{thumbprint}, Reason: "recalled"}, nil),
		"another of its name":           held("XB", &statement.DeclareCase{Name: "batch-7", Region: "XA", Reason: "recalled"}, nil),
	}
}

// cutOff is a network in which XB recognises XA, whose code is shown.
func cutOff(t testing.TB) (*network, sample, recognition.Query) {
	s := realCode(t, "AT/2DCode/raw/1.json")
	n := found(t, "XA", "XB", "XC")
	n.must("XA", s.register(), nil)
	n.must("XB", &statement.Grant{Terms: statement.Terms{Region: "XA"}}, nil)
	at := time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)
	return n, s, recognition.Query{Region: "XB", At: at, Itinerary: []recognition.Stay{{Area: "XB-1-2", From: at.Add(-48 * time.Hour), To: at.Add(-24 * time.Hour)}}}
}

// TestPendingStandsBeside: a pending suspension or special case replaces neither
// what is ordered nor another that is pending.
func TestPendingStandsBeside(t *testing.T) {
	n, s, q := cutOff(t)
	q.Itinerary = nil
	suspend := func(kinds ...statement.CodeKind) *statement.Suspend {
		return &statement.Suspend{Region: "XA", Kinds: kinds, Reason: "forged cards"}
	}
	refuse := func(kinds ...statement.CodeKind) *statement.DeclareCase {
		return &statement.DeclareCase{Name: "some", Kinds: kinds, Reason: "recalled"}
	}
	for name, c := range map[string]struct {
		ordered []statement.Body
		pending []statement.Body
		want    recognition.Outcome
	}{
		"a narrower suspension after a pending one": {nil, []statement.Body{suspend(), suspend(statement.Test)}, recognition.Refused},
		"a suspension that does not concern it":     {nil, []statement.Body{suspend(statement.Test)}, recognition.Recognized},
		"a narrower case after a pending one":       {nil, []statement.Body{refuse(), refuse(statement.Test)}, recognition.Refused},
		"a narrower case after an ordered one":      {[]statement.Body{refuse()}, []statement.Body{refuse(statement.Test)}, recognition.Refused},
		"a case that does not concern it":           {nil, []statement.Body{refuse(statement.Test)}, recognition.Recognized},
		"a case in the place of one that admits": {
			[]statement.Body{&statement.Withdraw{Region: "XA"}, &statement.DeclareCase{Name: "some", Admit: true, Region: "XA", Reason: "guests"}},
			[]statement.Body{refuse(statement.Test)}, recognition.Recognized,
		},
		"a suspension that an ordered case overrules": {
			[]statement.Body{&statement.DeclareCase{Name: "guests", Admit: true, Region: "XA", Reason: "guests"}},
			[]statement.Body{suspend()}, recognition.Recognized,
		},
	} {
		n := n.clone()
		for _, body := range c.ordered {
			n.must("XB", body, nil)
		}
		var some []recognition.PendingStatement
		for _, body := range c.pending {
			some = append(some, held("XB", body, nil))
		}
		if with, _ := decidePending(t, n, s, q, recognition.NewPending(some)); with.Decision != c.want {
			t.Errorf("%s: %s, want %s: %+v", name, with.Decision, c.want, with.Reasons)
		}
	}
}

func decidePending(t testing.TB, n *network, s sample, q recognition.Query, p *recognition.Pending) (with, without recognition.Decision) {
	t.Helper()
	d := recognition.NewDecider(8)
	codes := []recognition.Code{s.code()}
	without, err := d.Decide(codes, q, n.view())
	if err != nil {
		t.Fatal(err)
	}
	if with, err = d.DecidePending(codes, q, n.view(), p, without); err != nil {
		t.Fatal(err)
	}
	return with, without
}

// TestPending: what is urgent refuses before it is ordered, and says which
// statement does; what it is laid over stays as it is.
func TestPending(t *testing.T) {
	n, s, q := cutOff(t)
	for name, u := range urgent(t, s) {
		t.Run(name, func(t *testing.T) {
			p := recognition.NewPending([]recognition.PendingStatement{u})
			with, without := decidePending(t, n, s, q, p)
			if without.Decision != recognition.Recognized || with.Decision != recognition.Refused {
				t.Fatalf("%s without it, %s with it: %+v", without.Decision, with.Decision, with.Reasons)
			}
			i := slices.IndexFunc(with.Reasons, func(r recognition.Reason) bool { return r.Effect == recognition.Against })
			r := with.Reasons[i]
			if !r.Pending || r.Hash != u.Hash.String() || r.Statement != nil || !strings.Contains(r.Message, "not ordered yet") {
				t.Errorf("the reason is %+v", r)
			}
			reads(t, with)
			if said := with.In(sentence.German).Reasons[i].Message; !strings.HasSuffix(said, " Dies gilt an diesem Knoten bereits und ist noch nicht eingereiht.") {
				t.Errorf("in German it is %s", said)
			}
			raw, err := json.Marshal(r)
			if err != nil || !strings.Contains(string(raw), `"pending":true,"hash":"`+u.Hash.String()) || strings.Contains(string(raw), "statement\"") {
				t.Errorf("in JSON it is %s, %v", raw, err)
			}
			for _, r := range without.Reasons {
				if r.Pending || r.Hash != "" {
					t.Errorf("without it %+v", r)
				}
			}
		})
	}
}

// TestPendingIsStrict: a stale state stays stale, and a word that does not count
// is told of, whether it is ordered or not.
func TestPendingIsStrict(t *testing.T) {
	n, s, q := cutOff(t)
	all := urgent(t, s)
	uci := s.hash(t, statement.HashUCI)
	elsewhere := held("XC", &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, uci, 4_000_000_000, "wrong")}, uci)
	with, without := decidePending(t, n, s, q, recognition.NewPending([]recognition.PendingStatement{elsewhere}))
	told := slices.ContainsFunc(with.Reasons, func(r recognition.Reason) bool { return r.Name == recognition.RevokedElsewhere && r.Pending })
	if with.Decision != without.Decision || !told {
		t.Errorf("another's revocation makes %s of %s: %+v", with.Decision, without.Decision, with.Reasons)
	}

	stale := q
	stale.Knowledge = recognition.Knowledge{Age: 2 * time.Hour, MaxAge: time.Hour}
	with, _ = decidePending(t, n, s, stale, recognition.NewPending([]recognition.PendingStatement{all["a revocation"]}))
	told = slices.ContainsFunc(with.Reasons, func(r recognition.Reason) bool { return r.Name == recognition.Revoked && r.Pending })
	if with.Decision != recognition.Undetermined || !told {
		t.Errorf("with a stale state it is %s: %+v", with.Decision, with.Reasons)
	}

	// What is not urgent is left out, and nil says nothing.
	for _, allows := range []statement.Body{
		&statement.LiftRisk{Area: "XB-1", Scheme: "default", At: 1},
		&statement.DeclareCase{Name: "guests", Admit: true, Region: "XA", Reason: "guests of the state"},
		&statement.EndCase{Name: "batch-7", At: 1},
		&statement.PublishScheme{Name: "default", Levels: []statement.SchemeLevel{{Name: "high", Refuse: true}}},
	} {
		if p := recognition.NewPending([]recognition.PendingStatement{held("XB", allows, nil)}); p.Len() != 0 {
			t.Errorf("%s counts before it is ordered", allows.Kind())
		}
	}
	if with, without = decidePending(t, n, s, q, nil); with.Decision != without.Decision {
		t.Errorf("nothing makes %s of %s", with.Decision, without.Decision)
	}
}

// TestPendingOnlyDenies: whatever is ordered and whatever is pending, what is
// pending makes no answer weaker, and one that will be refused when it is
// ordered is refused before.
func TestPendingOnlyDenies(t *testing.T) {
	base, s, q := cutOff(t)
	all := urgent(t, s)
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	others := []statement.Body{
		&statement.Grant{Terms: statement.Terms{Region: "XA", Kinds: []statement.CodeKind{statement.Vaccination}}},
		&statement.Suspend{Region: "XA", Reason: "forgeries"},
		&statement.Suspend{Region: "XA", Kinds: []statement.CodeKind{statement.Test}, Reason: "tests only"},
		&statement.DeclareCase{Name: "batch-7", Admit: true, Region: "XA", Reason: "guests"},
		&statement.DeclareCase{Name: "others", Admit: true, Region: "XA", Reason: "guests"},
		&statement.DeclareCase{Name: "batch-7", Region: "XA", Kinds: []statement.CodeKind{statement.Test}, Reason: "tests only"},
		&statement.DeclareRisk{RiskLevel: statement.RiskLevel{Area: "XB", Scheme: "default", Level: "high", From: 1, Lookback: 14, Refuse: true}},
		&statement.DeclareRisk{RiskLevel: statement.RiskLevel{Area: "XB-1", Scheme: "default", Level: "low", From: 1, Lookback: 14}},
	}
	strictness := map[recognition.Outcome]int{recognition.Recognized: 0, recognition.Undetermined: 1, recognition.Refused: 2}
	rapid.Check(t, func(t *rapid.T) {
		n := base.clone()
		for _, body := range others {
			if rapid.Bool().Draw(t, "ordered") {
				n.say("XB", body, nil)
			}
		}
		var some []recognition.PendingStatement
		ordered := n.clone()
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID[string]).Draw(t, "pending") {
			some = append(some, all[name])
			ordered.say(all[name].Issuer, all[name].Body, all[name].Attachment)
		}
		with, without := decidePending(base.t, n, s, q, recognition.NewPending(some))
		if strictness[with.Decision] < strictness[without.Decision] {
			t.Fatalf("what is pending makes %s of %s: %+v", with.Decision, without.Decision, with.Reasons)
		}
		later, _ := decidePending(base.t, ordered, s, q, nil)
		if strictness[with.Decision] < strictness[later.Decision] {
			t.Fatalf("it is %s, and once all is ordered %s: %+v", with.Decision, later.Decision, later.Reasons)
		}
		for _, r := range with.Reasons {
			if r.Statement != nil && *r.Statement >= n.size() {
				t.Fatalf("a reason rests on statement %d of %d", *r.Statement, n.size())
			}
		}
	})
}
