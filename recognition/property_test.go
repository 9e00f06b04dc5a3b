package recognition_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition"
)

// TestMoreAgainstNeverHelps: in any network, one more fact against a code never
// turns a decision to recognized, nor a refusal into anything but what stale
// knowledge makes of it.
//
// Suspending and withdrawing are left out on purpose: they also take from the
// suspended region the right to speak of others' keys and areas (W3, W4), and
// what it held against a code falls with it. 04-compromise.txt shows that.
func TestMoreAgainstNeverHelps(t *testing.T) {
	samples := []sample{realCode(t, "AT/2DCode/raw/1.json"), realCode(t, "AT/2DCode/raw/3.json"), realCode(t, "BG/2DCode/raw/1.json")}
	regions := []statement.Region{"AT", "BG", "XC"}
	day := func(d int) statement.Time { return statement.Time(time.Date(2021, 5, d, 12, 0, 0, 0, time.UTC).Unix()) }

	rapid.Check(t, func(r *rapid.T) {
		n := found(t, regions...)
		region := rapid.SampledFrom(regions)
		someSample := func(what string) sample { return samples[rapid.IntRange(0, len(samples)-1).Draw(r, what)] }
		someDay := func(what string) statement.Time { return day(rapid.IntRange(1, 60).Draw(r, what)) }
		revoke := func(by statement.Region) {
			of := rapid.SampledFrom(statement.HashTypes[:3]).Draw(r, "hash type")
			attachment := someSample("revoked").hash(t, of)
			n.must(by, &statement.Revoke{Batch: statement.NewBatch(of, attachment, day(300), "issued in error")}, attachment)
		}
		// tell says what, in this network, may or may not be accepted.
		tell := func(by statement.Region, body statement.Body) { n.say(by, body, nil) }
		risk := func(scheme string, refuse bool) statement.Body {
			return &statement.DeclareRisk{RiskLevel: statement.RiskLevel{
				Area: rapid.SampledFrom([]statement.Area{"FR", "FR-IDF", "AT-9", "AT"}).Draw(r, "area"), Scheme: scheme, Level: "high",
				From: someDay("risk from"), Lookback: rapid.Uint64Range(0, 30).Draw(r, "look-back"), Refuse: refuse,
			}}
		}
		for range rapid.IntRange(0, 12).Draw(r, "facts") {
			by := region.Draw(r, "by")
			switch rapid.IntRange(0, 7).Draw(r, "fact") {
			case 0, 1:
				k := someSample("registered").register()
				if rapid.Bool().Draw(r, "window") {
					k.ValidFrom = someDay("valid from")
				}
				tell(by, k)
			case 2, 3:
				tell(by, &statement.Grant{Terms: statement.Terms{Region: region.Draw(r, "of"), From: someDay("granted from")}})
			case 4:
				tell(by, &statement.CompromiseKey{Key: someSample("compromised").register().Thumbprint(), Since: someDay("since"), SpareEarlier: true})
			case 5:
				revoke(by)
			case 6:
				tell(by, &statement.Suspend{Region: region.Draw(r, "suspended"), Kinds: []statement.CodeKind{statement.Test}, Reason: "inspection"})
			case 7:
				tell(by, risk("default", rapid.Bool().Draw(r, "refuse")))
			}
		}

		q := recognition.Query{Region: region.Draw(r, "checking"), At: day(rapid.IntRange(1, 70).Draw(r, "at")).Time()}
		if rapid.Bool().Draw(r, "itinerary") {
			q.Itinerary = []recognition.Stay{{
				Area: rapid.SampledFrom([]statement.Area{"FR-IDF", "AT-9", "XC"}).Draw(r, "stay in"),
				From: q.At.AddDate(0, 0, -rapid.IntRange(5, 20).Draw(r, "stay from")), To: q.At.AddDate(0, 0, -rapid.IntRange(0, 5).Draw(r, "stay to")),
			}}
		}
		codes := []recognition.Code{someSample("shown").code()}
		before := n.decide(codes, q)

		by := region.Draw(r, "against by")
		switch rapid.IntRange(0, 7).Draw(r, "against") {
		case 0:
			revoke(by)
		case 1:
			tell(by, &statement.CompromiseKey{Key: someSample("compromised").register().Thumbprint(), Since: someDay("since")})
		case 2:
			tell(by, &statement.RetireKey{Key: someSample("retired").register().Thumbprint(), At: someDay("retired at")})
		case 3:
			tell(by, risk("another-scheme", true))
		case 4:
			codes = append(codes, sample{text: "no code"}.code())
		case 5:
			q.Knowledge = recognition.Knowledge{Age: 2 * time.Minute, MaxAge: time.Minute}
		case 6:
			n.vote(statement.Action{Expel: &statement.Expel{Authority: by}})
		case 7:
			n.vote(statement.Action{Suspend: &statement.SuspendAuthority{Authority: by}})
		}
		after := n.decide(codes, q)

		if before.Decision != recognition.Recognized && after.Decision == recognition.Recognized {
			r.Errorf("%s became %s\n%+v\n%+v", before.Decision, after.Decision, before.Reasons, after.Reasons)
		}
		if before.Decision == recognition.Refused && after.Decision != recognition.Refused && q.Knowledge.Age == 0 {
			r.Errorf("refused became %s\n%+v\n%+v", after.Decision, before.Reasons, after.Reasons)
		}
	})
}

// TestStandingMovesOneWay: in any network, to expel an authority makes no answer
// less strict, and leaves no code of its keys and no check for its region
// recognised; to suspend it changes no answer. Whatever it said before.
func TestStandingMovesOneWay(t *testing.T) {
	samples := []sample{realCode(t, "AT/2DCode/raw/1.json"), realCode(t, "BG/2DCode/raw/1.json")}
	regions := []statement.Region{"AT", "BG", "CN-31", "XC"}
	areas := []statement.Area{"CN-31", "CN-31-0115", "FR", "AT-9"}
	strictness := map[recognition.Outcome]int{recognition.Recognized: 0, recognition.Undetermined: 1, recognition.Refused: 2}
	at := time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(r *rapid.T) {
		n := foundWith(t, []statement.Region{"DE", "SE"}, regions)
		region, area := rapid.SampledFrom(regions), rapid.SampledFrom(areas)
		someSample := func() sample { return rapid.SampledFrom(samples).Draw(r, "code") }
		for range rapid.IntRange(0, 16).Draw(r, "facts") {
			by := region.Draw(r, "by")
			switch rapid.IntRange(0, 7).Draw(r, "fact") {
			case 0, 1, 2:
				n.say(by, someSample().register(), nil)
			case 3, 4:
				n.say(by, &statement.Grant{Terms: statement.Terms{Region: region.Draw(r, "of")}}, nil)
			case 5:
				attachment := someSample().hash(t, statement.HashUCI)
				n.must(by, &statement.Revoke{Batch: statement.NewBatch(statement.HashUCI, attachment, statement.MaxTime, "lost")}, attachment)
			case 6:
				n.say(by, &statement.CompromiseKey{Key: someSample().register().Thumbprint(), Since: 1}, nil)
			case 7:
				n.say(by, &statement.DeclareRisk{RiskLevel: statement.RiskLevel{
					Area: area.Draw(r, "area"), Scheme: "default", Level: "some", From: 1, Lookback: 14, Refuse: rapid.Bool().Draw(r, "refuse"),
				}}, nil)
			}
		}
		q := recognition.Query{Region: region.Draw(r, "checking"), At: at}
		if rapid.Bool().Draw(r, "itinerary") {
			q.Itinerary = []recognition.Stay{{Area: area.Draw(r, "stay in"), From: at.AddDate(0, 0, -3), To: at.AddDate(0, 0, -2)}}
		}
		codes := []recognition.Code{someSample().code()}
		whom := region.Draw(r, "whom")
		before := n.decide(codes, q)

		n.vote(statement.Action{Suspend: &statement.SuspendAuthority{Authority: whom}})
		if during := n.decide(codes, q); during.Decision != before.Decision {
			r.Errorf("%s is suspended, and %s became %s\n%+v\n%+v", whom, before.Decision, during.Decision, before.Reasons, during.Reasons)
		}
		n.vote(statement.Action{Expel: &statement.Expel{Authority: whom}})
		after := n.decide(codes, q)
		if strictness[after.Decision] < strictness[before.Decision] {
			r.Errorf("%s is expelled, and %s became %s\n%+v\n%+v", whom, before.Decision, after.Decision, before.Reasons, after.Reasons)
		}
		if after.Decision == recognition.Recognized && (q.Region == whom || after.Codes[0].Region == whom) {
			r.Errorf("%s is expelled, and a code of %s is recognised for %s\n%+v", whom, after.Codes[0].Region, q.Region, after.Reasons)
		}
	})
}

// TestCopyHasNoWord: who has copied a key, or has not even done that, cannot
// have its owner's codes refused, whatever it says, unless it is the one that
// checks (W2, W3). The owner is who registered the key first.
func TestCopyHasNoWord(t *testing.T) {
	code := realCode(t, "AT/2DCode/raw/1.json")
	regions := []statement.Region{"AT", "BG", "XC"}
	at := time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(r *rapid.T) {
		n := found(t, regions...)
		registration := func(by string) *statement.RegisterKey {
			k := code.register()
			switch rapid.IntRange(0, 3).Draw(r, by+" registers with") {
			case 1:
				k.Certificate = nil
			case 2: // a key id that the code does not name
				k.KeyID, k.Certificate = []byte("other"), []byte("unreadable")
			case 3:
				k.PublicKey, k.Certificate = alias(t, k.PublicKey), nil
			}
			return k
		}
		revoke := func(by statement.Region, undo bool) {
			of := rapid.SampledFrom(statement.HashTypes[:3]).Draw(r, "hash type")
			attachment := code.hash(t, of)
			b := statement.NewBatch(of, attachment, statement.MaxTime, "whatever")
			if undo {
				n.must(by, &statement.Reinstate{Batch: b}, attachment)
				return
			}
			n.must(by, &statement.Revoke{Batch: b}, attachment)
		}
		compromise := func(by statement.Region) statement.Body {
			return &statement.CompromiseKey{
				Key:   registration("compromised, " + string(by)).Thumbprint(),
				Since: statement.TimeOf(at), SpareEarlier: rapid.Bool().Draw(r, "spare earlier"),
			}
		}
		// says is one thing that an authority may say; it need not be accepted.
		says := func(by statement.Region) {
			switch rapid.IntRange(0, 5).Draw(r, "says") {
			case 0, 1:
				n.say(by, registration(string(by)), nil)
			case 2:
				n.say(by, compromise(by), nil)
			case 3:
				n.say(by, &statement.RetireKey{Key: registration("retired, " + string(by)).Thumbprint(), At: 1}, nil)
			case 4:
				for range rapid.SampledFrom([]int{1, 2, 70}).Draw(r, "times") {
					revoke(by, false)
				}
			case 5:
				revoke(by, true)
			}
		}
		n.must("AT", code.register(), nil)
		n.must("BG", &statement.Grant{Terms: statement.Terms{Region: "AT"}}, nil)
		n.must("BG", &statement.Grant{Terms: statement.Terms{Region: "XC"}}, nil)
		for range rapid.IntRange(0, 6).Draw(r, "facts") {
			says(rapid.SampledFrom(regions).Draw(r, "by"))
		}
		q := recognition.Query{Region: "BG", At: at}
		codes := []recognition.Code{code.code()}
		before := n.decide(codes, q)
		for range rapid.IntRange(1, 6).Draw(r, "against") {
			says("XC")
		}
		after := n.decide(codes, q)
		if before.Decision == recognition.Recognized && before.Codes[0].Region == "AT" && after.Decision != recognition.Recognized {
			r.Errorf("%s became %s\n%+v\n%+v", before.Decision, after.Decision, before.Reasons, after.Reasons)
		}
		for _, reason := range []string{recognition.Revoked, recognition.RevokedElsewhere, recognition.RevocationUndone} {
			if told := count(after.Reasons, reason); told > 8 {
				r.Errorf("%d reasons %s, at most 8", told, reason)
			}
		}
	})
}

func count(reasons []recognition.Reason, name string) int {
	n := 0
	for _, r := range reasons {
		if r.Name == name {
			n++
		}
	}
	return n
}

func (n *network) decide(codes []recognition.Code, q recognition.Query) recognition.Decision {
	n.t.Helper()
	d, err := recognition.Decide(codes, q, n.view())
	if err != nil {
		n.t.Fatal(err)
	}
	return d
}

// levels is a state of risk areas only, of one authority.
type levels struct {
	areas map[statement.Area]state.RiskArea
}

func (levels) Rules(statement.Region) ([]state.RuleRecord, error)         { return nil, nil }
func (levels) ValueSets(statement.Region) ([]state.ValueSet, error)       { return nil, nil }
func (levels) SpecialCases(statement.Region) ([]state.SpecialCase, error) { return nil, nil }
func (levels) SchemesOf(statement.Region) ([]state.Scheme, error)         { return nil, nil }
func (levels) Scheme(statement.Region, string) (state.Scheme, bool, error) {
	return state.Scheme{}, false, nil
}

func (l levels) Authority(r statement.Region) (state.Authority, bool, error) {
	return state.Authority{}, r == "CN", nil
}
func (levels) IssuerKeysByKID([]byte) ([]state.IssuerKey, error)       { return nil, nil }
func (levels) IssuerKeysByPublicKey([]byte) ([]state.IssuerKey, error) { return nil, nil }
func (levels) Revocations(statement.RevocationHash, int) ([]state.RevocationEvent, bool, error) {
	return nil, false, nil
}
func (levels) RevocationsBy(statement.RevocationHash, statement.HashType, statement.Region) ([]state.RevocationEvent, error) {
	return nil, nil
}
func (levels) RevocationReason(state.RevocationEvent) (string, error) { return "", nil }
func (levels) Recognition(_, _ statement.Region) (state.Recognition, bool, error) {
	return state.Recognition{}, false, nil
}
func (l levels) RiskAreas(a statement.Area) ([]state.RiskArea, error) {
	if w, ok := l.areas[a]; ok {
		return []state.RiskArea{w}, nil
	}
	return nil, nil
}

// TestItineraryAgainstModel compares the judgement of a stay with a version too
// simple to be wrong: for each second of the stay within the look-back, what
// does the finest area say that says anything?
func TestItineraryAgainstModel(t *testing.T) {
	const day = 24 * 60 * 60
	nested := []statement.Area{"CN-31-0115", "CN-31-01", "CN-31", "CN"} // finest first
	rapid.Check(t, func(r *rapid.T) {
		l := levels{areas: make(map[statement.Area]state.RiskArea)}
		index := uint64(0)
		for _, a := range nested {
			w := state.RiskArea{Authority: "CN", Area: a, Scheme: "default"}
			next := 0
			for range rapid.IntRange(0, 3).Draw(r, "windows") {
				from := rapid.IntRange(next, next+10).Draw(r, "from")
				until := rapid.IntRange(from+1, from+12).Draw(r, "until")
				w.Windows = append(w.Windows, state.RiskWindow{
					Level: "high", From: statement.Time(from), Until: statement.Time(until), Index: index,
					Lookback: rapid.Uint64Range(0, 1).Draw(r, "look-back"), Refuse: rapid.Bool().Draw(r, "refuse"),
				})
				index++
				next = until
			}
			if n := len(w.Windows); n > 0 && rapid.Bool().Draw(r, "open") {
				w.Windows[n-1].Until = 0
			}
			if len(w.Windows) > 0 {
				l.areas[a] = w
			}
		}
		from := rapid.IntRange(0, 40).Draw(r, "stay from")
		to := rapid.IntRange(from, 45).Draw(r, "stay to")
		at := rapid.IntRange(0, 60).Draw(r, "at") + day*rapid.IntRange(0, 1).Draw(r, "a day later")

		want := make(map[string]bool)
		for second := from; second <= min(to, at); second++ {
			for _, a := range nested {
				area := l.areas[a]
				if level, ok := area.At(statement.Time(second)); ok {
					if second > at-int(level.Lookback)*day {
						want[fmt.Sprint(level.Index, level.Refuse)] = true
					}
					break
				}
			}
		}
		q := recognition.Query{Region: "CN", At: time.Unix(int64(at), 0), Itinerary: []recognition.Stay{
			{Area: nested[0], From: time.Unix(int64(from), 0), To: time.Unix(int64(to), 0)},
		}}
		d, err := recognition.Decide(nil, q, l)
		if err != nil {
			r.Fatal(err)
		}
		got := make(map[string]bool)
		for _, reason := range d.Reasons {
			if reason.Name == recognition.RiskArea || reason.Name == recognition.RiskAreaNoted {
				got[fmt.Sprint(*reason.Statement, reason.Name == recognition.RiskArea)] = true
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			r.Errorf("stay %d to %d, at %d: got %v, want %v\n%+v", from, to, at, got, want, l.areas)
		}
	})
}
