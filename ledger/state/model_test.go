package state

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"concordat/ledger/statement"
)

// model is the state as one would explain it on paper: maps, and for risk
// areas the level of every single day. It knows nothing of keys, records or
// windows, and is too simple to be wrong.
type model struct {
	revision    map[string]uint64 // by subject
	key         map[string]KeyStatus
	spares      map[string]int           // of a compromised key: codes issued before this day; 0: none
	withKID     map[statement.Region]int // keys; the model has one kid only
	recognition map[string]RecognitionStatus
	terms       map[string]string
	suspension  map[string]string
	suspended   map[string]string // kinds and until
	standing    map[string]bool
	today       map[string]string           // the last word on a risk area
	days        map[string][days]string     // level by day; "" for none
	revoked     map[string][]statement.Time // by authority, type and hash: codes issued before; 0: all
	rules       rulesModel
}

const days = 12

func newModel() *model {
	return &model{
		revision: map[string]uint64{}, key: map[string]KeyStatus{}, spares: map[string]int{}, withKID: map[statement.Region]int{},
		recognition: map[string]RecognitionStatus{}, terms: map[string]string{}, suspension: map[string]string{}, suspended: map[string]string{},
		standing: map[string]bool{}, today: map[string]string{}, days: map[string][days]string{}, revoked: map[string][]statement.Time{}, rules: newRulesModel(),
	}
}

// say gives the name of the refusal, "" for none, and changes the model.
func (m *model) say(by statement.Region, revision uint64, body statement.Body, names []string) string {
	subject := body.Subject(by)
	stale := revision != m.revision[subject]+1
	name := m.judge(by, subject, stale, body)
	if name != "" {
		return name
	}
	if body.Kind().HasRevision() {
		m.revision[subject]++
	}
	m.rules.say(subject, body)
	switch body.(type) {
	case *statement.Grant, *statement.ChangeGrant, *statement.Suspend, *statement.Withdraw:
		if m.recognition[subject] != "" {
			m.rules.past[subject] = append(m.rules.past[subject], m.stands(subject))
		}
	}
	switch b := body.(type) {
	case *statement.RegisterKey:
		m.key[subject] = Registered
		m.withKID[by]++
	case *statement.RetireKey:
		m.key[subject] = Retired
	case *statement.CompromiseKey:
		m.key[subject], m.spares[subject] = Compromised, spares(b)
	case *statement.Grant:
		m.recognition[subject], m.terms[subject], m.suspension[subject] = Granted, fmt.Sprint(b.Terms), ""
	case *statement.ChangeGrant:
		m.recognition[subject], m.terms[subject], m.suspension[subject] = Granted, fmt.Sprint(b.Terms), ""
	case *statement.Suspend:
		m.recognition[subject], m.suspension[subject] = Suspended, fmt.Sprint(*b)
		m.suspended[subject] = fmt.Sprint(b.Kinds, b.Until)
	case *statement.Withdraw:
		m.recognition[subject], m.suspension[subject] = Withdrawn, ""
	case *statement.DeclareRisk:
		m.level(subject, &b.RiskLevel)
	case *statement.ChangeRisk:
		m.level(subject, &b.RiskLevel)
	case *statement.LiftRisk:
		m.standing[subject] = false
		d := m.days[subject]
		for day := int(b.At); day < days; day++ {
			d[day] = ""
		}
		m.days[subject] = d
	case *statement.Revoke:
		for _, n := range names {
			who := fmt.Sprint(by, b.HashType, n)
			m.revoked[who] = append(m.revoked[who], b.IssuedBefore)
		}
	case *statement.Reinstate:
		for _, n := range names {
			delete(m.revoked, fmt.Sprint(by, b.HashType, n))
		}
	}
	return ""
}

// stands is how a recognition stands, as standing has it of a record.
func (m *model) stands(subject string) string {
	if m.recognition[subject] != Suspended {
		return string(m.recognition[subject])
	}
	return string(Suspended) + m.suspended[subject]
}

// spares: codes issued before that day are spared by a compromise.
func spares(b *statement.CompromiseKey) int {
	if !b.SpareEarlier {
		return 0
	}
	return int(b.Since)
}

// level: the newest word speaks of all days from its first on.
func (m *model) level(subject string, b *statement.RiskLevel) {
	m.standing[subject], m.today[subject] = true, fmt.Sprint(*b)
	d := m.days[subject]
	for day := int(b.From); day < days; day++ {
		d[day] = ""
		if b.Until == 0 || day < int(b.Until) {
			d[day] = b.Level
		}
	}
	m.days[subject] = d
}

func (m *model) judge(by statement.Region, subject string, stale bool, body statement.Body) string {
	conflict := func(otherwise string) string {
		if stale {
			return RevisionConflict
		}
		return otherwise
	}
	other := func(r statement.Region) string {
		switch r {
		case by:
			return SelfRecognition
		case "ZZ":
			return UnknownRegion
		}
		return ""
	}
	// in judges a statement about a recognition that must be in force.
	in := func(of statement.Region, otherwise string) string {
		switch status := m.recognition[subject]; {
		case other(of) != "":
			return other(of)
		case status == "":
			return NotGranted
		case stale:
			return RevisionConflict
		case status == Withdrawn:
			return NotGranted
		}
		return otherwise
	}
	if before, after := m.rules.judge(by, subject, body); before != "" {
		return before
	} else if after != "" {
		return conflict(after)
	}
	switch b := body.(type) {
	case *statement.PublishRule, *statement.RetireRule, *statement.PublishValueSet, *statement.RetireValueSet,
		*statement.PublishScheme, *statement.DeclareCase, *statement.EndCase:
		return conflict("")
	case *statement.RegisterKey:
		switch s := m.key[subject]; {
		case s == Compromised:
			return KeyCompromised
		case s != "":
			return AlreadyRegistered
		case m.withKID[by] == 16:
			return TooManyKeys
		}
		return conflict("")
	case *statement.RetireKey:
		switch m.key[subject] {
		case "":
			return NotRegistered
		case Compromised:
			return KeyCompromised
		case Retired:
			return conflict(AlreadyRetired)
		}
		return conflict("")
	case *statement.CompromiseKey:
		switch m.key[subject] {
		case "":
			return NotRegistered
		case Compromised:
			if spares(b) >= m.spares[subject] {
				return KeyCompromised
			}
		}
		return conflict("")
	case *statement.Grant:
		if o := other(b.Region); o != "" {
			return o
		}
		if s := m.recognition[subject]; s == Granted || s == Suspended {
			return conflict(AlreadyGranted)
		}
		return conflict("")
	case *statement.ChangeGrant:
		if m.recognition[subject] == Granted && m.terms[subject] == fmt.Sprint(b.Terms) {
			return in(b.Region, NothingToChange)
		}
		return in(b.Region, "")
	case *statement.Suspend:
		if m.suspension[subject] == fmt.Sprint(*b) {
			return in(b.Region, AlreadySuspended)
		}
		return in(b.Region, "")
	case *statement.Withdraw:
		return in(b.Region, "")
	case *statement.DeclareRisk:
		if m.standing[subject] {
			return conflict(RiskAlreadyDeclared)
		}
		return conflict("")
	case *statement.ChangeRisk:
		switch {
		case m.revision[subject] == 0:
			return RiskNotDeclared
		case !m.standing[subject]:
			return conflict(RiskNotDeclared)
		case m.today[subject] == fmt.Sprint(b.RiskLevel):
			return conflict(NothingToChange)
		}
		return conflict("")
	case *statement.LiftRisk:
		switch {
		case m.revision[subject] == 0:
			return RiskNotDeclared
		case !m.standing[subject]:
			return conflict(RiskNotDeclared)
		}
		return conflict("")
	}
	return ""
}

// A few of everything, so that statements meet.
var (
	someRegions = []statement.Region{"XA", "XB"}
	someOthers  = []statement.Region{"XA", "XB", "ZZ"}
	someKeys    = []string{"K1", "K2"}
	someAreas   = []statement.Area{"CN-31", "CN-31-01"}
	someSchemes = []string{"default", "ecdc"}
	someLevels  = []string{"low", "high"}
	someHashes  = []string{"h1", "h2", "h3"}
	someKinds   = [][]statement.CodeKind{nil, {statement.Vaccination}, {statement.Test, statement.Recovery}}
)

// draw makes a statement, and the names of the hashes in its attachment.
func draw(t *rapid.T) (statement.Region, statement.Body, []string) {
	key := func() *statement.RegisterKey { return issuerKeyFor(rapid.SampledFrom(someKeys).Draw(t, "key")) }
	by := rapid.SampledFrom(someRegions).Draw(t, "by")
	thumb := func() statement.Thumbprint { return key().Thumbprint() }
	terms := func() statement.Terms {
		return statement.Terms{
			Region: rapid.SampledFrom(someOthers).Draw(t, "region"),
			Kinds:  rapid.SampledFrom(someKinds).Draw(t, "kinds"),
			Until:  statement.Time(rapid.IntRange(0, 2).Draw(t, "until")),
		}
	}
	level := func() statement.RiskLevel {
		from := statement.Time(rapid.IntRange(1, days-2).Draw(t, "from"))
		until := statement.Time(0)
		if rapid.Bool().Draw(t, "bounded") {
			until = from + statement.Time(rapid.IntRange(1, 4).Draw(t, "length"))
		}
		return statement.RiskLevel{
			Area: rapid.SampledFrom(someAreas).Draw(t, "area"), Scheme: rapid.SampledFrom(someSchemes).Draw(t, "scheme"),
			Level: rapid.SampledFrom(someLevels).Draw(t, "level"), From: from, Until: until,
		}
	}
	batch := func() (statement.Batch, []string) {
		names := rapid.SliceOfNDistinct(rapid.SampledFrom(someHashes), 1, 3, rapid.ID).Draw(t, "hashes")
		kind := rapid.SampledFrom(statement.HashTypes[:2]).Draw(t, "type")
		return statement.NewBatch(kind, attachmentOf(names), 100, "reason"), names
	}
	kind := rapid.IntRange(0, 17).Draw(t, "kind")
	if kind > 11 {
		return by, drawRule(t), nil
	}
	switch kind {
	case 0:
		return by, key(), nil
	case 1:
		return by, &statement.RetireKey{Key: thumb(), At: 5}, nil
	case 2:
		return by, &statement.CompromiseKey{
			Key: thumb(), Since: statement.Time(rapid.IntRange(3, 6).Draw(t, "since")), SpareEarlier: rapid.Bool().Draw(t, "spare earlier"),
		}, nil
	case 3:
		b, names := batch()
		b.IssuedBefore = statement.Time(rapid.SampledFrom([]int{0, 0, 4, 8}).Draw(t, "issued before"))
		return by, &statement.Revoke{Batch: b}, names
	case 4:
		b, names := batch()
		return by, &statement.Reinstate{Batch: b}, names
	case 5:
		return by, &statement.DeclareRisk{RiskLevel: level()}, nil
	case 6:
		return by, &statement.ChangeRisk{RiskLevel: level()}, nil
	case 7:
		l := level()
		return by, &statement.LiftRisk{Area: l.Area, Scheme: l.Scheme, At: l.From}, nil
	case 8:
		return by, &statement.Grant{Terms: terms()}, nil
	case 9:
		return by, &statement.ChangeGrant{Terms: terms()}, nil
	case 10:
		b := terms()
		return by, &statement.Suspend{Region: b.Region, Kinds: b.Kinds, Until: b.Until, Reason: "reason"}, nil
	}
	return by, &statement.Withdraw{Region: rapid.SampledFrom(someOthers).Draw(t, "region")}, nil
}

func issuerKeyFor(name string) *statement.RegisterKey {
	return &statement.RegisterKey{PublicKey: []byte("the public key " + name), KeyID: []byte("the same")}
}

func attachmentOf(names []string) []byte {
	var hashes []statement.RevocationHash
	for _, n := range names {
		hashes = append(hashes, testHash(n))
	}
	if len(hashes) == 0 {
		return nil
	}
	return statement.NewAttachment(hashes)
}

// TestModel says random things to the state and to the model: they agree on
// every verdict and, after each, on everything that can be asked.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w, m := newWorld(t, someRegions...), newModel()
		for i := range rapid.SampledFrom([]int{0, 14, 15, 16}).Draw(rt, "keys before") { // too many to come about by chance
			k := issuerKeyFor(fmt.Sprint("earlier ", i))
			w.must("XA", k, nil)
			m.say("XA", 1, k, nil)
		}
		for range rapid.IntRange(1, 80).Draw(rt, "statements") {
			by, body, names := draw(rt)
			revision := w.next(by, body)
			if revision > 0 && rapid.IntRange(0, 7).Draw(rt, "stale") == 0 {
				revision = max(1, revision+uint64(rapid.IntRange(0, 2).Draw(rt, "off"))-1)
			}
			s := w.sign(by, revision, body, testKey(string(by)+"/statement"))
			before := digest(t, w.mem)
			v := w.apply(s, attachmentOf(names))
			if want := m.say(by, revision, body, names); v.Name != want {
				rt.Fatalf("%s by %s (%+v), revision %d: the state says %q (%s), the model %q", body.Kind(), by, body, revision, v.Name, v.Message, want)
			}
			if !v.Accepted() && digest(t, w.mem) != before {
				rt.Fatalf("refused with %s, and the state has changed", v.Name)
			}
			if v.Name == RevisionConflict && v.Revision != m.revision[body.Subject(by)] {
				rt.Fatalf("a conflict tells revision %d, the current one is %d", v.Revision, m.revision[body.Subject(by)])
			}
		}
		compare(rt, w, m)
		dump(t, w.mem) // decodes every record, and checks the indexes
		replay(rt, w)
	})
}

// compare asks the state everything that the model knows.
func compare(t *rapid.T, w *world, m *model) {
	v := View{w.mem}
	compareRules(t, v, &m.rules)
	for subject, want := range m.revision {
		if got, err := v.Revision(subject); err != nil || got != want {
			t.Fatalf("revision of %s is %d (%v), want %d", subject, got, err, want)
		}
	}
	for _, by := range someRegions {
		for _, name := range someKeys {
			b := issuerKeyFor(name)
			k, ok, err := v.IssuerKey(by, b.Thumbprint())
			if want := m.spares[b.Subject(by)]; spares(&statement.CompromiseKey{Since: k.Since, SpareEarlier: k.SpareEarlier}) != want {
				t.Fatalf("key %s of %s spares codes before %d (%v), want %d", name, by, k.Since, k.SpareEarlier, want)
			}
			if want := m.key[b.Subject(by)]; err != nil || k.Status != want || ok != (want != "") {
				t.Fatalf("key %s of %s is %q (%v), want %q", name, by, k.Status, err, want)
			}
		}
		keys, err := v.IssuerKeys(KeyFilter{Region: by, KeyID: []byte("the same")})
		if err != nil || len(keys) != m.withKID[by] {
			t.Fatalf("%d keys of %s by kid (%v), want %d", len(keys), by, err, m.withKID[by])
		}
		for _, of := range someRegions {
			subject := statement.RecognitionSubject(by, of)
			g, _, err := v.Recognition(by, of)
			if err != nil || g.Status != m.recognition[subject] {
				t.Fatalf("%s is %q (%v), want %q", subject, g.Status, err, m.recognition[subject])
			}
			if g.Status != "" && fmt.Sprint(statement.Terms{Region: of, Kinds: g.Terms.Kinds, Until: g.Terms.Until}) != m.terms[subject] {
				t.Fatalf("%s has the terms %v, want %s", subject, g.Terms, m.terms[subject])
			}
			if (g.Suspension != nil) != (m.suspension[subject] != "") {
				t.Fatalf("%s has the suspension %v, want %q", subject, g.Suspension, m.suspension[subject])
			}
		}
		for _, area := range someAreas {
			for _, scheme := range someSchemes {
				subject := statement.RiskSubject(by, scheme, area)
				a, _, err := v.RiskArea(by, scheme, area)
				if err != nil || a.Standing != m.standing[subject] {
					t.Fatalf("%s stands: %v (%v), want %v", subject, a.Standing, err, m.standing[subject])
				}
				for day := range days {
					window, _ := a.At(statement.Time(day))
					if want := m.days[subject][day]; window.Level != want {
						t.Fatalf("%s on day %d is at %q, want %q; windows %+v", subject, day, window.Level, want, a.Windows)
					}
				}
			}
		}
	}
	for _, name := range someHashes {
		in := map[string]map[statement.Time]bool{} // by the code's time of issue
		events, more, err := v.Revocations(testHash(name), 1000)
		if err != nil || more {
			t.Fatal(err, more)
		}
		byEach(t, v, name, events)
		for i := range events {
			e := &events[i]
			who := fmt.Sprint(e.Authority, e.Type, name)
			if in[who] == nil {
				in[who] = map[statement.Time]bool{}
			}
			for issued := range statement.Time(10) {
				in[who][issued] = in[who][issued] || e.InForce(99) && !e.Spares(issued)
			}
			if e.InForce(100) {
				t.Fatalf("%s by statement %d is in force when it has expired", who, e.Index)
			}
		}
		for _, by := range someRegions {
			for _, kind := range statement.HashTypes {
				who := fmt.Sprint(by, kind, name)
				for issued := range statement.Time(10) {
					want := slices.ContainsFunc(m.revoked[who], func(before statement.Time) bool { return before == 0 || issued < before })
					if in[who][issued] != want {
						t.Fatalf("%s, issued at %d, is revoked: %v, want %v", who, issued, in[who][issued], want)
					}
				}
			}
		}
	}
}

// byEach asks for each authority's events apart, and for the first of all of
// them: they are parts of the whole.
func byEach(t *rapid.T, v View, name string, all []RevocationEvent) {
	var parts []RevocationEvent
	for _, of := range statement.HashTypes {
		for _, by := range someRegions {
			part, err := v.RevocationsBy(testHash(name), of, by)
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, part...)
		}
	}
	if !reflect.DeepEqual(parts, all) {
		t.Fatalf("events of %s are %+v by each, %+v together", name, parts, all)
	}
	for limit := range len(all) + 2 {
		first, more, err := v.Revocations(testHash(name), limit)
		if err != nil || len(first) != min(limit, len(all)) || more != (limit < len(all)) {
			t.Fatalf("the first %d of %d events of %s are %d, more %v (%v)", limit, len(all), name, len(first), more, err)
		}
	}
}

// replay plays every accepted statement with a revision back, in reverse order
// too: all are refused, and nothing changes (ST6).
func replay(t *rapid.T, w *world) {
	before := digest(w.t, w.mem)
	for i := range w.said {
		for _, said := range []spokenOnce{w.said[i], w.said[len(w.said)-1-i]} {
			if !said.s.Statement().Body.Kind().HasRevision() {
				continue
			}
			writes, v, err := Apply(w.mem, w.index, said.s, said.attachment)
			if err != nil || v.Accepted() || len(writes) != 0 {
				t.Fatalf("played back, a %s is not refused (%v)", said.s.Statement().Body.Kind(), err)
			}
		}
	}
	if digest(w.t, w.mem) != before {
		t.Fatal("playing back has changed the state")
	}
}
