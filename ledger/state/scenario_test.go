package state

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// TestScenarios runs the scripts in testdata. A script founds a network, says
// things in it and shows what came of it:
//
//	found [validators=N] [level=N] [quietly]
//	                          the authorities, the first three (or so many) being validators
//	say                       one statement a line; see (*script).body for the sentences, and counted and manyKeys for one that says many
//	state                     the whole state in words
//	bytes                     the whole state in hex
//	hash NAME [at TIME]       what is said of a revocation hash
//	kid NAME, key NAME        the registrations of a key's kid, or of the key itself
//	revision SUBJECT          of a subject
//	describe REGION …         what an action would do, in words; and what speaks against it
//	electorates               who certifies which sizes
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		s := &script{names: map[string]string{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			if s.world != nil {
				s.world.t = t
			}
			return s.readable(s.run(d))
		})
	})
}

type script struct {
	t     *testing.T
	world *world
	names map[string]string // hex → name, to read outcomes by
}

// readable puts names in the place of thumbprints, kids and hashes.
func (s *script) readable(text string) string {
	for _, h := range slices.Backward(slices.SortedFunc(keysOf(s.names), func(a, b string) int { return len(a) - len(b) })) {
		text = strings.ReplaceAll(text, h, s.names[h])
	}
	return text
}

func keysOf(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (s *script) run(d *datadriven.TestData) string {
	var out strings.Builder
	switch d.Cmd {
	case "found":
		var ids []statement.Region
		for _, id := range strings.Fields(d.Input) {
			ids = append(ids, statement.Region(id))
			for _, u := range uses {
				s.nameAuthorityKey(id, string(u))
			}
		}
		validators, level := 3, genesis.ProtocolLevel
		d.MaybeScanArgs(s.t, "validators", &validators)
		d.MaybeScanArgs(s.t, "level", &level)
		s.world = newWorldOf(s.t, validators, uint64(level), ids...)
		if d.HasArg("quietly") {
			return ""
		}
		s.names[s.world.net.String()] = "‹this network›"
		return dump(s.t, s.world.mem)
	case "say":
		for line := range strings.Lines(d.Input) {
			line = strings.TrimSpace(line)
			if m := counted.FindStringSubmatch(line); m != nil {
				out.WriteString(s.sayMany(line, m))
				continue
			}
			if m := manyKeys.FindStringSubmatch(line); m != nil {
				out.WriteString(s.registerMany(m))
				continue
			}
			fmt.Fprintf(&out, "%s\n", s.say(line))
		}
	case "state":
		return dump(s.t, s.world.mem)
	case "bytes":
		err := s.world.mem.Scan(nil, func(k, v []byte) (bool, error) {
			line, err := describe(s.world.mem, k, v)
			if line == "" {
				line = "an index entry"
			}
			fmt.Fprintf(&out, "# %s\n%x\n  %x\n", s.readable(line), k, v)
			return true, err
		})
		if err != nil {
			s.t.Fatal(err)
		}
		fmt.Fprintf(&out, "digest %x\n", digest(s.t, s.world.mem))
		s.names = map[string]string{} // bytes are shown as they are
	case "hash":
		return s.hash(d)
	case "kid", "key":
		f := View{s.world.mem}.IssuerKeysByKID
		name := s.testIssuerKey(d.CmdArgs[0].Key)
		arg := name.KeyID
		if d.Cmd == "key" {
			f, arg = View{s.world.mem}.IssuerKeysByPublicKey, name.PublicKey
		}
		keys, err := f(arg)
		if err != nil {
			s.t.Fatal(err)
		}
		for i := range keys {
			fmt.Fprintln(&out, keys[i].words())
		}
		if len(keys) == 0 {
			out.WriteString("none\n")
		}
	case "revision":
		rev, err := View{s.world.mem}.Revision(s.subject(d.CmdArgs[0].Key))
		if err != nil {
			s.t.Fatal(err)
		}
		return fmt.Sprintln(rev)
	case "describe":
		p := &words{t: s.t, line: d.Input}
		p.split()
		return s.describe(s.action(p))
	case "electorates":
		all, err := list[electorate](s.world.mem, []byte{tagElectorate})
		if err != nil {
			s.t.Fatal(err)
		}
		for i := range all {
			fmt.Fprintln(&out, all[i].words())
		}
	default:
		d.Fatalf(s.t, "unknown command %s", d.Cmd)
	}
	return out.String()
}

func (s *script) nameAuthorityKey(id, use string) {
	kid := statement.KeyIDOf(testKey(id + "/" + use).Public().(ed25519.PublicKey))
	s.names[hex.EncodeToString(kid[:])] = "‹" + id + "/" + use + "›"
}

// subject puts thumbprints in the place of ‹name›.
func (s *script) subject(text string) string {
	for h, name := range s.names {
		text = strings.ReplaceAll(text, name, h)
	}
	return text
}

func (s *script) describe(a statement.Action) string {
	v := View{s.world.mem}
	text, err := v.Describe(a)
	if err != nil {
		s.t.Fatal(err)
	}
	d, err := v.Draft("XA", &a)
	if err != nil {
		s.t.Fatal(err)
	}
	waits := ""
	if d.Waits {
		waits = ", and waits for the handover"
	}
	return fmt.Sprintf("%s\n%d of %s carry it\nagainst it: %s%s\n", text, d.Needed, names(d.Electorate), d.Against, waits)
}

func (s *script) hash(d *datadriven.TestData) string {
	name := d.CmdArgs[0].Key
	v := View{s.world.mem}
	events, more, err := v.Revocations(testHash(name), 100)
	if err != nil || more {
		s.t.Fatal(err, more)
	}
	if len(events) == 0 {
		return "nothing is said of it\n"
	}
	var at statement.Time
	if len(d.CmdArgs) == 3 {
		at = instant(s.t, d.CmdArgs[2].Key)
	}
	var out strings.Builder
	h := testHash(name)
	for i := range events {
		e := &events[i]
		reason, err := v.RevocationReason(*e)
		if err != nil {
			s.t.Fatal(err)
		}
		out.WriteString(e.words(h[:]) + because(reason))
		if e.UndoneBy != nil {
			fmt.Fprintf(&out, ", undone by statement %d", *e.UndoneBy)
		}
		if at != 0 {
			fmt.Fprintf(&out, "; in force then: %v", e.InForce(at))
			if e.IssuedBefore != 0 {
				fmt.Fprintf(&out, ", spares what is issued then: %v", e.Spares(at))
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}

// say applies one sentence and tells the verdict and the record that it made.
func (s *script) say(line string) string {
	if strings.HasPrefix(line, "again ") {
		n, err := strconv.Atoi(strings.TrimPrefix(line, "again "))
		if err != nil || n >= len(s.world.said) {
			s.t.Fatalf("%q: no such statement", line)
		}
		old := s.world.said[n]
		return s.outcome(old.s.Statement().Issuer, old.s.Statement().Body, s.world.apply(old.s, old.attachment))
	}
	p := &words{t: s.t, line: line}
	p.split()
	by := statement.Region(p.next())
	body, attachment := s.body(p)
	revision := s.world.next(by, body)
	key := signingKey(by, body.Kind())
	net := s.world.net
	for !p.done() {
		switch {
		case p.skip("as", "revision"):
			n, err := strconv.ParseUint(p.next(), 10, 64)
			if err != nil {
				s.t.Fatalf("%q: %v", line, err)
			}
			revision = n
		case p.skip("said", "at"):
			s.world.clock = instant(s.t, p.next())
		case p.skip("signed", "with"):
			key = testKey(p.next())
		case p.skip("for", "another", "network"):
			s.world.net[0] ^= 1
		case p.skip("without", "attachment"):
			attachment = nil
		case p.skip("with", "attachment", "of"):
			attachment = s.attachment(p)
		default:
			s.t.Fatalf("%q: what is %q?", line, p.rest)
		}
	}
	signed := s.world.sign(by, revision, body, key)
	s.world.net = net
	return s.outcome(by, body, s.world.apply(signed, attachment))
}

// counted matches `{1..65}` in a sentence, which is then said for each number.
var counted = regexp.MustCompile(`\{(\d+)\.\.(\d+)\}`)

// sayMany says a sentence for each number, and tells of those that are accepted
// the last, and of the others all.
func (s *script) sayMany(line string, m []string) string {
	from, err1 := strconv.Atoi(m[1])
	to, err2 := strconv.Atoi(m[2])
	if err1 != nil || err2 != nil || from > to {
		s.t.Fatalf("%q: want numbers in ascending order", line)
	}
	first := s.world.index
	var last string
	var refused strings.Builder
	for i := from; i <= to; i++ {
		outcome := s.say(strings.ReplaceAll(line, m[0], strconv.Itoa(i)))
		if strings.HasPrefix(outcome, "refused") {
			refused.WriteString(outcome + "\n")
		} else {
			last = outcome
		}
	}
	return fmt.Sprintf("statements %d to %d, the last is\n%s\n", first, s.world.index-1, last) + refused.String()
}

// manyKeys matches `XA registers keys DSC1..DSC9 with the kid of DSC1`.
var manyKeys = regexp.MustCompile(`^(\S+) registers keys ([A-Z]+)(\d+)\.\.([A-Z]+)(\d+) with the kid of (\S+)$`)

// registerMany says as many sentences, and tells those that are accepted in one.
func (s *script) registerMany(m []string) string {
	by, name, of := m[1], m[2], m[6]
	from, err1 := strconv.Atoi(m[3])
	to, err2 := strconv.Atoi(m[5])
	if err1 != nil || err2 != nil || m[4] != name || from > to {
		s.t.Fatalf("%q: keys are NAME and a number, in ascending order", m[0])
	}
	first, n := s.world.index, from
	var refused strings.Builder
	for i := from; i <= to; i++ {
		outcome := s.say(fmt.Sprintf("%s registers key %s%d/kid-of-%s", by, name, i, of))
		switch {
		case strings.HasPrefix(outcome, "refused"):
			fmt.Fprintf(&refused, "%s%d: %s\n", name, i, outcome)
		case i != n:
			s.t.Fatalf("%q: %s%d is accepted after one that is refused", m[0], name, i)
		default:
			n++
		}
	}
	if n == from {
		return refused.String()
	}
	return fmt.Sprintf("statements %d to %d:\n  %s has keys %s%d to %s%d with the kid of %s\n", first, s.world.index-1, by, name, from, name, n-1, of) + refused.String()
}

func (s *script) outcome(by statement.Region, body statement.Body, v Verdict) string {
	if !v.Accepted() {
		line := fmt.Sprintf("refused (%s), %s:\n  %s;\n  %s", v.Class(), v.Name, v.Message, v.Hint)
		if v.Index != nil {
			format, args := "\n  (see statement %d)", []any{*v.Index}
			if v.Revision != 0 {
				format, args = "\n  (now at revision %d, by statement %d)", []any{v.Revision, *v.Index}
			}
			line += fmt.Sprintf(format, args...)
		}
		return line
	}
	return fmt.Sprintf("statement %d:\n  %s", s.world.index-1, s.about(by, body))
}

// about is what the state now has of a statement's subject.
func (s *script) about(by statement.Region, body statement.Body) string {
	v := View{s.world.mem}
	var words string
	var err error
	tell := func(w interface{ words() string }, e error) { words, err = w.words(), e }
	switch b := body.(type) {
	case *statement.RegisterKey:
		k, _, e := v.IssuerKey(by, b.Thumbprint())
		tell(&k, e)
	case *statement.RetireKey:
		k, _, e := v.IssuerKey(by, b.Key)
		tell(&k, e)
	case *statement.CompromiseKey:
		k, _, e := v.IssuerKey(by, b.Key)
		tell(&k, e)
	case *statement.Revoke, *statement.Reinstate:
		batch, _, e := v.Batch(s.world.index - 1)
		words, err = batch.words(s.world.index-1), e
	case *statement.DeclareRisk:
		a, _, e := v.RiskArea(by, b.Scheme, b.Area)
		tell(&a, e)
	case *statement.ChangeRisk:
		a, _, e := v.RiskArea(by, b.Scheme, b.Area)
		tell(&a, e)
	case *statement.LiftRisk:
		a, _, e := v.RiskArea(by, b.Scheme, b.Area)
		tell(&a, e)
	case *statement.Grant:
		g, _, e := v.Recognition(by, b.Region)
		tell(&g, e)
	case *statement.ChangeGrant:
		g, _, e := v.Recognition(by, b.Region)
		tell(&g, e)
	case *statement.Suspend:
		g, _, e := v.Recognition(by, b.Region)
		tell(&g, e)
	case *statement.Withdraw:
		g, _, e := v.Recognition(by, b.Region)
		tell(&g, e)
	case *statement.PublishRule:
		words = s.aboutRule(by, b.Set, b.ID)
	case *statement.RetireRule:
		words = s.aboutRule(by, b.Set, b.ID)
	case *statement.PublishValueSet:
		x, _, e := v.ValueSet(by, b.ID)
		tell(&x, e)
	case *statement.RetireValueSet:
		x, _, e := v.ValueSet(by, b.ID)
		tell(&x, e)
	case *statement.PublishScheme:
		x, _, e := v.Scheme(by, b.Name)
		tell(&x, e)
	case *statement.DeclareCase:
		x, _, e := v.SpecialCase(by, b.Name)
		tell(&x, e)
	case *statement.EndCase:
		x, _, e := v.SpecialCase(by, b.Name)
		tell(&x, e)
	case *statement.SealState:
		last, _, e := v.LastSeal()
		tell(&last, e)
	case *statement.ReportEvidence:
		e, e1 := load[EvidenceRecord](v, evidenceKey(b.Culprit))
		vs, e2 := loadValidators(v)
		if err = errors.Join(e1, e2); err == nil {
			words = e.words() + "\n  " + vs.words()
		}
	default:
		words, err = s.aboutGovernance(by, body)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return words
}

// testIssuerKey is an issuer's key for a name. `DSC1/kid-of-DSC2` is DSC1 under the kid of DSC2.
func (s *script) testIssuerKey(name string) *statement.RegisterKey {
	name, kidOf, _ := strings.Cut(name, "/kid-of-")
	if kidOf == "" {
		kidOf = name
	}
	kid := testHash("kid of " + kidOf)
	k := &statement.RegisterKey{PublicKey: []byte("the public key " + name), KeyID: kid[:8]}
	s.names[k.Thumbprint().String()] = "‹" + name + "›"
	s.names[hex.EncodeToString(k.KeyID)] = "‹kid of " + kidOf + "›"
	return k
}

func instant(t testing.TB, text string) statement.Time {
	t.Helper()
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return statement.Time(at.Unix())
		}
	}
	t.Fatalf("%q is not a time", text)
	return 0
}
