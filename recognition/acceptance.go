package recognition

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"concordat/healthcode"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition/certlogic"
	"concordat/recognition/rules"
	"concordat/recognition/sentence"
)

// Bounds on the rules of one decision, for all its codes. Beyond them the answer
// says so, and is left open. They are counted alike whether or not what is read
// was remembered, so that every node gives the same answer.
const (
	// MaxRuleSteps bounds the steps that all rules may take together.
	MaxRuleSteps = 10 * rules.MaxSteps
	// MaxRuleText bounds the rules and value sets that are read, in bytes of their
	// texts. Those of an EU member state take about 300,000.
	MaxRuleText = 4 << 20
)

// acceptance judges every verified code by the acceptance rules of the verifying
// region, in the set that its grant names, and by the invalidation rules of the
// code's own region (R1 to R6 in doc.go).
func (j *judge) acceptance(all *findings, verdicts []verdict) error {
	for i := range verdicts {
		v := &verdicts[i]
		if v.verified == nil {
			continue
		}
		f := findings{code: &i}
		if err := j.judgeByRules(&f, v); err != nil {
			return err
		}
		all.reasons = append(all.reasons, f.reasons...)
	}
	return nil
}

// book is what a decision reads of one authority's rules and value sets, each
// document when it is first needed.
type book struct {
	by       statement.Region
	pages    []page         // in force at the time asked about, by set and id
	sets     map[string]any // codes by value set, once setsRead
	setsRead bool
	unread   []unread // value sets that cannot be read
}

// page is a rule that is in force.
type page struct {
	set     string
	version state.RuleVersion
	rule    *rules.Rule
	err     error // why it cannot be read; then rule is nil
	read    bool
}

// unread is a value set that cannot be read.
type unread struct {
	set state.ValueSet
	err error
}

// library is everything that a decision reads of rules, and what it may do yet.
type library struct {
	books map[statement.Region]*book
	steps *certlogic.Budget
	text  int // bytes that may still be read

	// The conditions of special cases have as much for themselves, so that neither
	// they nor rules are left unjudged for want of what the others took.
	conditionSteps *certlogic.Budget
	conditionText  int
}

// openLibrary makes the library of a decision, once.
func (j *judge) openLibrary() {
	if j.library.books == nil {
		j.library = library{
			map[statement.Region]*book{}, certlogic.NewBudget(MaxRuleSteps), MaxRuleText,
			certlogic.NewBudget(MaxRuleSteps), MaxRuleText,
		}
	}
}

// errTooMuch: a decision would read or compute more than it may.
var errTooMuch = errors.New("the rules are too many or too long to be judged in one check")

// book reads which rules of an authority are in force.
func (j *judge) book(by statement.Region) (*book, error) {
	j.openLibrary()
	if b, ok := j.library.books[by]; ok {
		return b, nil
	}
	records, err := j.state.Rules(by)
	if err != nil {
		return nil, fmt.Errorf("reading the rules of %s: %w", by, err)
	}
	b := &book{by: by}
	for _, r := range records {
		if v, ok := rules.InForce(r, j.query.At); ok {
			b.pages = append(b.pages, page{set: r.Set, version: v})
		}
	}
	slices.SortStableFunc(b.pages, func(x, y page) int {
		return cmp.Or(cmp.Compare(x.set, y.set), cmp.Compare(x.version.ID, y.version.ID))
	})
	j.library.books[by] = b
	return b, nil
}

// read reads a rule's document, once.
func (j *judge) read(p *page) error {
	if p.read {
		return nil
	}
	if err := j.library.spendText(&p.version.Document); err != nil {
		return err
	}
	p.read = true
	if p.rule, p.err = j.keys.rule(&p.version.Document); p.err == nil {
		if p.err = p.rule.Is(p.version); p.err != nil {
			p.rule = nil
		}
	}
	return nil
}

// spendText takes a document off what may be read.
func (l *library) spendText(d *statement.Document) error {
	if d.Size > uint64(l.text) {
		return errTooMuch
	}
	l.text -= int(d.Size)
	return nil
}

// valueSets reads the value sets of an authority, once.
func (j *judge) valueSets(by statement.Region) (*book, error) {
	b, err := j.book(by)
	if err != nil || b.setsRead {
		return b, err
	}
	all, err := j.state.ValueSets(by)
	if err != nil {
		return nil, fmt.Errorf("reading the value sets of %s: %w", by, err)
	}
	b.setsRead, b.sets = true, make(map[string]any, len(all))
	for _, s := range all {
		if s.Retired {
			continue
		}
		codes, err := []any(nil), j.library.spendText(&s.Document)
		if err == nil {
			codes, err = j.keys.valueSet(&s.Document, s.ID)
		}
		if err != nil {
			b.unread = append(b.unread, unread{s, err})
			continue
		}
		b.sets[s.ID] = codes
	}
	return b, nil
}

// judgeByRules judges one code by every rule that applies to it.
func (j *judge) judgeByRules(f *findings, v *verdict) error {
	set, err := j.ruleSet(v.key.Region)
	if err != nil {
		return err
	}
	// Whose invalidation rules count: those of whoever the code is judged as, and of
	// the others whose word counts on its key (W2).
	issuers := append([]statement.Region{v.key.Region}, v.also...)
	if none, err := j.ruleless(set, issuers); none || err != nil {
		return err
	}
	own, err := j.book(j.query.Region)
	if err != nil {
		return err
	}
	accepts := func(p *page) bool { return p.set == set && !p.version.Invalidation }
	invalidates := func(p *page) bool { return p.version.Invalidation }
	if set != statement.DefaultRuleSet && !slices.ContainsFunc(own.pages, func(p page) bool { return accepts(&p) }) {
		f.add(RuleSetEmpty, nil, "%s judges the codes of %s by its rule set %q, in which no rule is in force at %s.", j.query.Region, v.key.Region, set, stamp(j.query.At))
	}
	r := &reading{j: j, f: f, v: v}
	if err := r.chapter(own, v.key.Region, accepts); err != nil {
		return err
	}
	for i := range f.reasons { // what the verifying region itself demands, a case that admits overrules (SC3)
		if e := f.reasons[i].Effect; v.admitted != "" && (e == Against || e == Unknown) {
			f.reasons[i].Overruled = v.admitted
		}
	}
	for _, issuer := range issuers {
		b, err := j.book(issuer)
		if err != nil {
			return err
		}
		if err := r.chapter(b, issuer, invalidates); err != nil {
			return err
		}
	}
	if r.met > 0 {
		f.add(RuleMet, &r.newest, "Rules that the code meets: %d (acceptance rules of %s in set %q, invalidation rules of %s).", r.met, j.query.Region, set, listed(issuers))
	}
	return nil
}

// ruleless reports whether it is known, without a look into the ledger, that
// neither the verifying region nor a code's issuers have ever published a rule,
// and no set of rules is asked for.
func (j *judge) ruleless(set string, issuers []statement.Region) (bool, error) {
	if set != statement.DefaultRuleSet || !j.remembers() {
		return false, nil
	}
	if any, err := j.publishes(j.query.Region); any || err != nil {
		return false, err
	}
	for _, by := range issuers {
		if any, err := j.publishes(by); any || err != nil {
			return false, err
		}
	}
	return true, nil
}

// publishes reports whether an authority has ever published a rule.
func (j *judge) publishes(by statement.Region) (bool, error) {
	records, err := j.state.Rules(by)
	if err != nil {
		return false, fmt.Errorf("reading the rules of %s: %w", by, err)
	}
	return len(records) > 0, nil
}

// ruleSet is the set of acceptance rules by which a region's codes are judged.
func (j *judge) ruleSet(of statement.Region) (string, error) {
	if of == j.query.Region {
		return statement.DefaultRuleSet, nil
	}
	r, err := j.recognition(of)
	if err != nil {
		return "", err
	}
	if r.exists && r.Status != state.Withdrawn && r.Terms.RuleSet != "" {
		return r.Terms.RuleSet, nil
	}
	return statement.DefaultRuleSet, nil
}

// reading is the judgement of one code by rules.
type reading struct {
	j       *judge
	f       *findings
	told    sparing // of the chapter
	v       *verdict
	payload any
	foreign bool // it was said that codes of this format show nothing to rules
	met     int
	newest  uint64 // of the rules that are met, the newest statement
}

// chapter judges by those rules of a book that are meant and apply, with the code
// as issuer's.
func (r *reading) chapter(b *book, issuer statement.Region, meant func(*page) bool) error {
	r.told = sparing{f: r.f}
	err := r.judge(b, issuer, meant)
	r.told.leftOut()
	return err
}

func (r *reading) judge(b *book, issuer statement.Region, meant func(*page) bool) error {
	var data map[string]any
	for i := range b.pages {
		p := &b.pages[i]
		if !meant(p) {
			continue
		}
		if err := r.j.read(p); err != nil {
			r.f.add(RulesExceeded, nil, "The rules of %s are left unjudged from %s on: %s.", b.by, p.version.ID, cause(err))
			return nil
		}
		if p.rule != nil && !(p.rule.AppliesTo(r.v.verified.Kind()) && p.rule.AppliesIn(r.j.query.Region, r.j.arrival())) {
			continue
		}
		if !r.shows() {
			return nil
		}
		if p.rule == nil {
			if r.told.add(RuleUnreadable, at(p.version.Index), "Rule %s %s of %s cannot be read by this program: %s.", p.version.ID, p.version.Version, b.by, cause(p.err)) {
				r.f.reasons[len(r.f.reasons)-1].Detail = p.version.ID
			}
			continue
		}
		if data == nil {
			given, err := r.j.given(r.v.verified, issuer, b.by)
			if err != nil {
				return err
			}
			for _, u := range b.unread {
				r.told.add(RuleUnreadable, at(u.set.ChangedAt), "Value set %s of %s, which its rules may look into, cannot be read by this program: %s.", u.set.ID, b.by, cause(u.err))
			}
			data = given.Data(r.payload)
		}
		if r.j.library.steps.Left() < rules.MaxSteps {
			r.f.add(RulesExceeded, nil, "The rules of %s are left unjudged from %s on: %s.", b.by, p.version.ID, cause(errTooMuch))
			return nil
		}
		r.rule(b, p, data)
	}
	return nil
}

// shows reports whether the code shows rules what they look at. Where it does
// not, that is noted once.
func (r *reading) shows() bool {
	if r.payload == nil && !r.foreign {
		if r.payload = r.v.verified.Payload(); r.payload == nil {
			r.foreign = true
			r.f.add(RulesNotForFormat, nil, "Codes of format %s show nothing to rules, so none was applied.", r.v.verified.Format())
		}
	}
	return !r.foreign
}

// rule judges by one rule.
func (r *reading) rule(b *book, p *page, data map[string]any) {
	v := &p.version
	met, err := p.rule.Met(data, r.j.library.steps)
	told := false
	switch {
	case met:
		r.met++
		r.newest = max(r.newest, v.Index)
		return
	case errors.Is(err, certlogic.ErrInvalid):
		told = r.told.add(RuleUnreadable, at(v.Index), "Rule %s %s of %s cannot be judged by this program: %s. It says: %s", v.ID, v.Version, b.by, cause(err), demandOf(p.rule))
	case err != nil:
		told = r.told.add(RuleUnevaluable, at(v.Index), "Rule %s %s of %s cannot be judged for this code, and so is not met: %s. It says: %s", v.ID, v.Version, b.by, cause(err), demandOf(p.rule))
	default:
		told = r.told.add(RuleNotMet, at(v.Index), "Rule %s %s of %s is not met: %s", v.ID, v.Version, b.by, demandOf(p.rule))
	}
	if told {
		r.f.reasons[len(r.f.reasons)-1].Detail = v.ID
	}
}

// demand is what a rule demands, in words; it has them in several languages. It
// holds no more of the rule than that: an answer outlives what was remembered.
type demand struct {
	id    string // where the rule has no words
	words *rules.Words
}

func demandOf(r *rules.Rule) demand { return demand{r.Identifier, r.Words()} }

// String is the demand in English.
func (d demand) String() string { return d.In(sentence.English) }

// In is the demand in a language, in English where the rule has none in that.
func (d demand) In(l sentence.Language) string {
	tag, ours := tags[l]
	if !ours { // a rule may have words in languages that no sentence is said in
		tag = language.Make(string(l))
	}
	return fmt.Sprintf("%q", cmp.Or(d.words.Describe(tag).Desc, d.id))
}

// tags are the languages that sentences are said in, as rules choose by them.
var tags = func() map[sentence.Language]language.Tag {
	all := make(map[sentence.Language]language.Tag)
	for _, l := range sentence.Languages {
		all[l] = language.Make(string(l))
	}
	return all
}()

// arrival is where the person arrives.
func (j *judge) arrival() statement.Area {
	if j.query.Arrival != "" {
		return j.query.Arrival
	}
	return statement.Area(j.query.Region)
}

// given is what an authority's rules are given beside a code of an issuer's, its
// value sets among it.
func (j *judge) given(v *healthcode.Verified, issuer, by statement.Region) (*rules.External, error) {
	b, err := j.valueSets(by)
	if err != nil {
		return nil, err
	}
	_, part, _ := strings.Cut(string(j.arrival()), "-")
	part, _, _ = strings.Cut(part, "-")
	return &rules.External{
		Clock: j.query.At, ValueSets: b.sets, Country: string(j.arrival().Country()), Region: part, Issuer: string(issuer.Country()), KeyID: keyID(v.KeyID()),
		IssuedAt: v.IssuedAt(), ExpiresAt: v.ExpiresAt(),
	}, nil
}

// document is what a document is remembered by: what it unpacks to depends on
// the size and digest that it names, too. An id has no zero byte.
func document(d *statement.Document, id string) []byte {
	key := make([]byte, 0, len(id)+1+8+len(d.Digest)+len(d.Deflated))
	key = append(append(key, id...), 0)
	key = binary.BigEndian.AppendUint64(key, d.Size)
	return append(append(key, d.Digest[:]...), d.Deflated...)
}

// rule reads a rule's document.
func (c *keyCache) rule(d *statement.Document) (*rules.Rule, error) {
	parse := func() (*rules.Rule, error) { return rules.Read(*d) }
	if c == nil {
		return parse()
	}
	return c.rules.get(document(d, ""), parse)
}

// valueSet reads a value set's document, as rules see it.
func (c *keyCache) valueSet(d *statement.Document, id string) ([]any, error) {
	parse := func() ([]any, error) {
		text, err := rules.Text(*d)
		if err != nil {
			return nil, err
		}
		set, err := rules.ParseValueSet(text)
		if err != nil {
			return nil, err
		}
		if set.ID != id {
			return nil, fmt.Errorf("%w: the statement names %s, its document %s", rules.ErrValueSet, id, set.ID)
		}
		return set.List(), nil
	}
	if c == nil {
		return parse()
	}
	return c.sets.get(document(d, id), parse)
}
