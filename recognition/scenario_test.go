package recognition_test

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"concordat/healthcode"
	"concordat/ledger/statement"
	"concordat/recognition"
)

// TestScenarios runs the scripts in testdata/scenarios, which README.md there
// explains. To see what a change of behaviour does to them: go test -rewrite.
// It also checks that every name in the table of reasons is one that some
// scenario reaches, and that every answer reads well in every language.
func TestScenarios(t *testing.T) {
	reached := make(map[string]bool)
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		s := &scenario{reached: reached, codes: make(map[string]sample), conditions: make(map[string]statement.Document)}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			if s.network != nil {
				s.network.t = t
			}
			switch d.Cmd {
			case "network":
				s.found(d)
				return ""
			case "code":
				return s.code(d)
			case "condition":
				return s.condition(d)
			case "say":
				s.final, s.lifting = nil, false
				return s.say(d.Input)
			case "say-not-final":
				if s.final == nil {
					s.final = s.network.clone()
				}
				return s.say(d.Input)
			case "vote":
				s.final, s.lifting = nil, false
				return s.vote(d)
			case "vote-not-final":
				if s.final == nil {
					s.final = s.network.clone()
				}
				return s.vote(d)
			case "check":
				return s.check(d)
			}
			t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			return ""
		})
	})
	for _, m := range recognition.Reasons {
		if !reached[m.Name] {
			t.Errorf("reason %q: no scenario reaches it", m.Name)
		}
	}
}

// scenario is one script in the run.
type scenario struct {
	t       *testing.T
	network *network
	final   *network // the ledger up to where it is final; nil: all of it is
	lifting bool     // something that is not final may lift what speaks against a code
	codes   map[string]sample
	reached map[string]bool

	conditions map[string]statement.Document // of special cases
}

// found founds a network: `network VALIDATOR … [observers=(…)]`.
func (s *scenario) found(d *datadriven.TestData) {
	var validators, observers []statement.Region
	for _, a := range d.CmdArgs {
		if a.Key != "observers" {
			validators = append(validators, statement.Region(a.Key))
			continue
		}
		for _, r := range a.Vals {
			observers = append(observers, statement.Region(r))
		}
	}
	s.network = foundWith(s.t, validators, observers)
}

// code introduces a code: `code NAME file=PATH`, `code NAME text=TEXT`, or one
// that is made here: `code NAME forged …`, `code NAME health …`,
// `code NAME itinerary …`, `code NAME smart …`. README.md in testdata has the
// particulars.
func (s *scenario) code(d *datadriven.TestData) string {
	a := arguments{s.t, d.CmdArgs}
	name := a.args[0].Key
	switch {
	case a.has("file"):
		s.codes[name] = realCode(s.t, a.text("file"))
	case a.has("forged"):
		s.codes[name] = forge(s.t, name, a.time("issued").Time(), a.time("not-before").Time(), a.time("expires").Time())
	case a.has("health"), a.has("itinerary"):
		s.codes[name] = nativeCode(s.t, issuerOf(s.t, a.text("key"), a.has("ed25519")), a.card())
	case a.has("smart"):
		s.codes[name] = healthCard(s.t, issuerOf(s.t, a.text("key"), false), a.text("issuer"), a.textOr("born", "1990-05-04"), a.textOr("rid", ""), a.time("issued").Time())
	default:
		s.codes[name] = sample{text: a.text("text")}
		return ""
	}
	// Its first registered key verifies it, so that a reader learns what it says of itself.
	probe := found(s.t, "XX")
	probe.must("XX", s.codes[name].register(), nil)
	got, err := recognition.Decide([]recognition.Code{s.codes[name].code()}, recognition.Query{Region: "XX", At: time.Unix(1, 0)}, probe.view())
	if err != nil {
		s.t.Fatal(err)
	}
	r := got.Codes[0]
	switch {
	case r.Key == "":
		return "not a code\n"
	case r.Kind == "":
		return fmt.Sprintf("a code under key %s that its certificate does not verify\n", r.Key)
	}
	when := func(t *time.Time) string {
		if t == nil {
			return "-"
		}
		return t.Format(time.RFC3339)
	}
	article := "a"
	if r.Kind == healthcode.Itinerary {
		article = "an"
	}
	return fmt.Sprintf("%s %s code under key %s, issued %s, expires %s\n", article, r.Kind, r.Key, when(r.IssuedAt), when(r.ExpiresAt))
}

// say applies statements, one a line: `AUTHORITY verb …`, said again and again with times=N.
func (s *scenario) say(input string) string {
	var out strings.Builder
	for line := range strings.Lines(input) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		by, args, err := datadriven.ParseLine(line)
		if err != nil {
			s.t.Fatalf("%q: %v", line, err)
		}
		a := arguments{s.t, args}
		body, attachment := s.statement(a)
		index, v, verdict := s.network.say(statement.Region(by), body, attachment)
		if !verdict.Accepted() {
			fmt.Fprintf(&out, "refused: %s\n", verdict.Name)
			continue
		}
		st := v.Statement()
		s.lifting = s.lifting || s.final != nil && recognition.MayLift(st.Kind())
		times := a.number("times", 1)
		for range times - 1 {
			s.network.must(statement.Region(by), body, attachment)
		}
		if times > 1 {
			fmt.Fprintf(&out, "%d to ", index)
			index += uint64(times) - 1
		}
		fmt.Fprintf(&out, "%d: %s\n", index, st.Words())
	}
	return out.String()
}

// vote has the validators do something, by as many votes as it takes: `vote
// suspends|restores|expels|admits AUTHORITY`.
func (s *scenario) vote(d *datadriven.TestData) string {
	verb, id := d.CmdArgs[0].Key, statement.Region(d.CmdArgs[1].Key)
	var do statement.Action
	switch verb {
	case "suspends":
		do.Suspend = &statement.SuspendAuthority{Authority: id}
	case "restores":
		do.Restore = &statement.RestoreAuthority{Authority: id}
	case "expels":
		do.Expel = &statement.Expel{Authority: id}
	case "admits":
		do.Admit = newcomer(s.t, id)
	default:
		s.t.Fatalf("%s: unknown verb %q", d.Pos, verb)
	}
	said, last := s.network.vote(do)
	var out strings.Builder
	for i, st := range said {
		s.lifting = s.lifting || s.final != nil && recognition.MayLift(st.Kind())
		fmt.Fprintf(&out, "%d: %s\n", last+1-uint64(len(said))+uint64(i), st.Words())
	}
	return out.String()
}

func (s *scenario) statement(a arguments) (statement.Body, []byte) {
	verb := a.args[0].Key
	object := ""
	if len(a.args) > 1 {
		object = a.args[1].Key
	}
	batch := func() (statement.Batch, []byte) {
		t := statement.HashType(a.text("by"))
		attachment := s.sample(object).hash(s.t, t)
		b := statement.NewBatch(t, attachment, a.time("expires"), a.text("reason"))
		b.IssuedBefore = a.time("issued-before")
		return b, attachment
	}
	level := func() statement.RiskLevel {
		return statement.RiskLevel{
			Area: statement.Area(object), Scheme: a.textOr("scheme", "default"), Level: a.text("level"),
			From: a.time("from"), Until: a.time("until"), Lookback: uint64(a.number("lookback", 14)),
			Refuse: a.has("refuse"), LegalRef: a.textOr("legal", ""),
		}
	}
	terms := func() statement.Terms {
		return statement.Terms{
			Region: statement.Region(object), Kinds: a.kinds("kinds"),
			From: a.time("from"), Until: a.time("until"), Reason: a.textOr("reason", ""),
			LegalRef: a.textOr("legal", ""), Formats: a.list("formats"), Algorithms: a.list("algorithms"), Schemes: a.list("schemes"),
			RuleSet: a.textOr("rule-set", ""),
		}
	}
	switch verb {
	case "registers":
		return s.register(a, s.sample(object)), nil
	case "retires":
		return &statement.RetireKey{Key: s.register(a, s.sample(object)).Thumbprint(), At: a.time("at")}, nil
	case "compromises":
		return &statement.CompromiseKey{
			Key: s.register(a, s.sample(object)).Thumbprint(), Since: a.time("since"),
			SpareEarlier: a.has("spare-earlier"), Reason: a.textOr("reason", ""),
		}, nil
	case "revokes":
		b, attachment := batch()
		return &statement.Revoke{Batch: b}, attachment
	case "reinstates":
		b, attachment := batch()
		return &statement.Reinstate{Batch: b}, attachment
	case "declares":
		return &statement.DeclareRisk{RiskLevel: level()}, nil
	case "redeclares":
		return &statement.ChangeRisk{RiskLevel: level()}, nil
	case "lifts":
		return &statement.LiftRisk{Area: statement.Area(object), Scheme: a.textOr("scheme", "default"), At: a.time("at"), Reason: a.textOr("reason", "")}, nil
	case "recognises":
		return &statement.Grant{Terms: terms()}, nil
	case "changes":
		return &statement.ChangeGrant{Terms: terms()}, nil
	case "suspends":
		return &statement.Suspend{Region: statement.Region(object), Kinds: a.kinds("kinds"), From: a.time("from"), Until: a.time("until"), Reason: a.text("reason"), LegalRef: a.textOr("legal", "")}, nil
	case "withdraws":
		return &statement.Withdraw{Region: statement.Region(object), Reason: a.textOr("reason", ""), LegalRef: a.textOr("legal", "")}, nil
	case "knows":
		return &statement.PublishScheme{Name: object, Levels: a.levels("levels"), Supersedes: a.textOr("supersedes", ""), LegalRef: a.textOr("legal", "")}, nil
	case "excepts":
		return s.exception(object, a), nil
	case "ends":
		return &statement.EndCase{Name: object, At: a.time("at"), Reason: a.textOr("reason", "")}, nil
	}
	if body := s.ruleStatement(a, verb, object); body != nil {
		return body, nil
	}
	s.t.Fatalf("unknown verb %q", verb)
	return nil, nil
}

// register is a registration of a code's key, or of what a script makes of it.
func (s *scenario) register(a arguments, c sample) *statement.RegisterKey {
	r := c.register()
	r.ValidFrom, r.ValidUntil, r.Issuer = a.time("valid-from"), a.time("valid-until"), a.textOr("issuer", "")
	if a.has("kinds") {
		r.Kinds = a.kinds("kinds")
	}
	if a.has("without-certificate") {
		r.Certificate = nil
	}
	if a.has("unreadable-certificate") {
		r.Certificate = append([]byte("no certificate "), c.keyID...)
	}
	if a.has("unreadable-key") {
		r.PublicKey, r.Certificate = []byte("no key"), nil
	}
	if a.has("another-encoding") {
		r.PublicKey, r.Certificate = alias(s.t, c.publicKey), nil
	}
	if a.has("certificate-of") { // the ledger does not hold a key against its certificate
		r.Certificate = s.sample(a.text("certificate-of")).certificate
	}
	if a.has("key-of") { // the key of another code under this one's key id
		r.PublicKey, r.Certificate = s.sample(a.text("key-of")).publicKey, nil
	}
	return r
}

func (s *scenario) sample(name string) sample {
	c, ok := s.codes[name]
	if !ok {
		s.t.Fatalf("no code is called %q", name)
	}
	return c
}

// check decides: `check REGION at=T [codes=(…)] [age=D] [max-age=D]`, and a stay of
// the itinerary a line: `AREA FROM TO`.
func (s *scenario) check(d *datadriven.TestData) string {
	a := arguments{s.t, d.CmdArgs}
	q := recognition.Query{
		Region: statement.Region(a.args[0].Key), At: a.time("at").Time(), Arrival: statement.Area(a.textOr("arrival", "")),
		Knowledge: recognition.Knowledge{Age: a.duration("age"), MaxAge: a.duration("max-age")},
	}
	for line := range strings.Lines(d.Input) {
		f := strings.Fields(line)
		if len(f) != 3 {
			s.t.Fatalf("%s: stay %q: want AREA FROM TO", d.Pos, line)
		}
		q.Itinerary = append(q.Itinerary, recognition.Stay{Area: statement.Area(f[0]), From: parseTime(s.t, f[1]).Time(), To: parseTime(s.t, f[2]).Time()})
	}
	var codes []recognition.Code
	for _, name := range a.list("codes") {
		codes = append(codes, s.sample(name).code())
	}
	if err := q.Validate(len(codes)); err != nil {
		return err.Error() + "\n"
	}
	cached := recognition.NewDecider(2)
	decide := func(d *recognition.Decider) (recognition.Decision, error) {
		switch {
		case s.final == nil:
			return d.Decide(codes, q, s.network.view())
		case a.has("final-state-lost"):
			return d.DecideUncertain(codes, q, s.network.view(), s.final.size(), s.lifting)
		}
		return d.DecideBoth(codes, q, s.network.view(), s.final.view())
	}
	got, err := decide(recognition.NewDecider(0))
	if err != nil {
		s.t.Fatal(err)
	}
	for range 3 { // the same, however often and with whatever is remembered
		again, err := decide(cached)
		if err != nil || !reflect.DeepEqual(got, again) {
			s.t.Fatalf("%s: not the same answer again: %v\n%+v\n%+v", d.Pos, err, got, again)
		}
	}
	reads(s.t, got)
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n", got.Decision)
	for _, r := range got.Reasons {
		s.reached[r.Name] = true
		where := ""
		if r.Code != nil && len(codes) > 1 {
			where += fmt.Sprintf(" (code %d)", *r.Code)
		}
		if r.Detail != "" {
			where += fmt.Sprintf(" (%s)", r.Detail)
		}
		if r.Statement != nil {
			where += fmt.Sprintf(" (statement %d)", *r.Statement)
		}
		if r.Overruled != "" {
			where += fmt.Sprintf(" (overruled by %s)", r.Overruled)
		}
		fmt.Fprintf(&out, "  %s: %s%s: %s\n", r.Effect, r.Name, where, r.Message)
	}
	return out.String()
}

// arguments are what follows the first word of a line.
type arguments struct {
	t    *testing.T
	args []datadriven.CmdArg
}

func (a arguments) list(key string) []string {
	for _, arg := range a.args {
		if arg.Key == key {
			return arg.Vals
		}
	}
	return nil
}

func (a arguments) has(key string) bool {
	return slices.ContainsFunc(a.args, func(arg datadriven.CmdArg) bool { return arg.Key == key })
}

func (a arguments) textOr(key, otherwise string) string {
	if !a.has(key) {
		return otherwise
	}
	return a.text(key)
}

func (a arguments) text(key string) string {
	a.t.Helper()
	if !a.has(key) {
		a.t.Fatalf("%s= is missing in %v", key, a.args)
	}
	return strings.Join(a.list(key), ", ")
}

func (a arguments) time(key string) statement.Time {
	if !a.has(key) {
		return 0
	}
	return parseTime(a.t, a.text(key))
}

func (a arguments) duration(key string) time.Duration {
	if !a.has(key) {
		return 0
	}
	d, err := time.ParseDuration(a.text(key))
	if err != nil {
		a.t.Fatal(err)
	}
	return d
}

func (a arguments) number(key string, otherwise int) int {
	if !a.has(key) {
		return otherwise
	}
	n, err := strconv.Atoi(a.text(key))
	if err != nil {
		a.t.Fatal(err)
	}
	return n
}

func (a arguments) kinds(key string) []statement.CodeKind {
	var out []statement.CodeKind
	for _, k := range a.list(key) {
		out = append(out, statement.CodeKind(k))
	}
	return out
}

// parseTime reads RFC 3339, or a date alone for its first second.
func parseTime(t testing.TB, s string) statement.Time {
	t.Helper()
	if len(s) == len(time.DateOnly) {
		s += "T00:00:00Z"
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return statement.TimeOf(at)
}
