package httpapi

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/http"
	"sync"

	"golang.org/x/text/language"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition/rules"
)

// ruleQuery is which rules or value sets are asked for.
type ruleQuery struct {
	region  statement.Region // "": everybody's
	set, id string           // "": all
	at      statement.Time
	wanted  []language.Tag // of descriptions, the best first
}

func readRuleQuery(r *http.Request) (ruleQuery, error) {
	v := r.URL.Query()
	q := ruleQuery{set: v.Get("set"), id: v.Get("id")}
	var err error
	if q.at, err = readAt(r); err != nil {
		return q, err
	}
	if s := v.Get("region"); s != "" {
		if q.region, err = statement.ParseRegion(s); err != nil {
			return q, client.Fail(client.BadRequest, "region: %v", err)
		}
	}
	// A header that cannot be read wants nothing that is there: English is.
	if header := r.Header.Get("Accept-Language"); len(header) <= maxAcceptLanguage {
		q.wanted, _, _ = language.ParseAcceptLanguage(header)
		q.wanted = q.wanted[:min(len(q.wanted), maxWanted)]
	}
	return q, nil
}

// maxAcceptLanguage bounds the header, in bytes; a longer one is not read.
const maxAcceptLanguage = 1_000

// maxWanted bounds the languages that are looked at, the best first: each rule's
// are looked through for each.
const maxWanted = 8

// maxRuleLists bounds the lists of rules and value sets that are made at once. Each
// may read all that authorities have published.
const maxRuleLists = 2

// maxListedRules bounds the versions in one answer: an authority has no more
// (1,024 rules of 8 versions).
const maxListedRules = 8_192

// ruleListing is listing, for what reads documents.
func (a *api) ruleListing(w http.ResponseWriter, r *http.Request, build func(*ledger.View) (any, error)) error {
	return a.listing(w, r, func(v *ledger.View) (any, error) {
		if err := a.ruleLists.enter(r.Context(), "lists of rules"); err != nil {
			return nil, err
		}
		defer a.ruleLists.leave()
		return build(v)
	})
}

// rules answers GET /v1/rules?region=&set=&id=&at=.
func (a *api) rules(w http.ResponseWriter, r *http.Request) error {
	q, err := readRuleQuery(r)
	if err != nil {
		return err
	}
	w.Header().Set("Vary", "Accept-Language")
	return a.ruleListing(w, r, func(v *ledger.View) (any, error) {
		read := v.State().RulesAll
		if q.region != "" {
			read = func() ([]state.RuleRecord, error) { return v.State().Rules(q.region) }
		}
		all, err := read()
		if err != nil {
			return nil, err
		}
		out := client.Rules{Rules: []client.Rule{}, AsOf: a.node.AsOf(v)}
		b := &readers{left: maxListedText}
		for i := range all {
			if q.set != "" && all[i].Set != q.set || q.id != "" && all[i].ID != q.id {
				continue
			}
			if len(out.Rules)+len(all[i].Published) > maxListedRules {
				out.More = true
				break
			}
			counts, any := rules.InForce(all[i], q.at.Time())
			for _, one := range all[i].Published {
				rule := ruleOf(&all[i], &one, any && one.Version == counts.Version)
				a.describe(&rule, &one, &q, b)
				out.Rules = append(out.Rules, rule)
			}
		}
		return out, nil
	})
}

// ruleOf gives a version of a rule as the API does, but for what stands in its document.
func ruleOf(r *state.RuleRecord, v *state.RuleVersion, inForce bool) client.Rule {
	out := client.Rule{
		ID: v.ID, Version: v.Version, Authority: string(v.Authority), Set: v.Set, Type: client.RuleAcceptance,
		From: timeOrNil(v.From), Until: timeOrNil(v.Until), RetiredAt: timeOrNil(r.RetiredAt), Reason: r.Reason, InForce: inForce,
		Hash: hex.EncodeToString(v.Document.Digest[:]), Size: v.Document.Size, Revision: r.Revision, Statement: v.Index,
	}
	if v.Invalidation {
		out.Type = client.RuleInvalidation
	}
	return out
}

// describe adds what stands in a rule's document.
func (a *api) describe(out *client.Rule, v *state.RuleVersion, q *ruleQuery, b *readers) {
	rule, err := a.described.rule(&v.Document, b)
	if err == nil {
		err = rule.Is(*v)
	}
	if err != nil {
		out.Fault = err.Error()
		return
	}
	says := rule.Describe(q.wanted...)
	out.CertificateType, out.Country, out.Part = rule.CertificateType, rule.Country, rule.Region
	out.Description, out.Language = says.Desc, says.Lang
	if q.id != "" && b.spend(&v.Document) == nil {
		if text, err := rules.Text(v.Document); err == nil { // it was read to be described
			out.Text = string(text)
		}
	}
}

// valueSets answers GET /v1/value-sets?region=&id=.
func (a *api) valueSets(w http.ResponseWriter, r *http.Request) error {
	q, err := readRuleQuery(r)
	if err != nil {
		return err
	}
	return a.ruleListing(w, r, func(v *ledger.View) (any, error) {
		read := v.State().ValueSetsAll
		if q.region != "" {
			read = func() ([]state.ValueSet, error) { return v.State().ValueSets(q.region) }
		}
		all, err := read()
		if err != nil {
			return nil, err
		}
		out := client.ValueSets{ValueSets: []client.ValueSet{}, AsOf: a.node.AsOf(v)}
		b := &readers{left: maxListedText}
		for i := range all {
			if s := &all[i]; q.id == "" || s.ID == q.id {
				one := client.ValueSet{
					ID: s.ID, Version: s.Version, Authority: string(s.Authority), Retired: s.Retired, Reason: s.Reason,
					Hash: hex.EncodeToString(s.Document.Digest[:]), Size: s.Document.Size, Revision: s.Revision, Statement: s.ChangedAt,
				}
				if q.id != "" {
					show(&one, s, b)
				}
				out.ValueSets = append(out.ValueSets, one)
			}
		}
		return out, nil
	})
}

// show adds what stands in a value set's document.
func show(out *client.ValueSet, s *state.ValueSet, b *readers) {
	if err := b.spend(&s.Document); err != nil {
		out.Fault = err.Error()
		return
	}
	text, err := rules.Text(s.Document)
	if err != nil {
		out.Fault = err.Error()
		return
	}
	out.Text = string(text)
	set, err := rules.ParseValueSet(text)
	if err != nil {
		out.Fault = err.Error()
		return
	}
	out.Codes = set.Codes
}

// maxListedText bounds the documents that one answer reads, in bytes of their
// texts. The rules of the 27 member states of the EU took about 2 MB.
const maxListedText = 4 << 20

// errListedText: an answer would read more than it may.
var errListedText = errors.New("left unread: this answer has read as much as it may; ask again, or for one region, set or id")

// readers bounds what one answer reads.
type readers struct{ left int }

func (b *readers) spend(d *statement.Document) error {
	if d.Size > uint64(b.left) {
		return errListedText
	}
	b.left -= int(d.Size)
	return nil
}

// descriptions remembers the heads of rules, and what cannot be read: a listing
// describes hundreds, and most of them are the same the next time. It is bounded
// in bytes, and safe for concurrent use.
type descriptions struct {
	mu     sync.Mutex
	known  map[[sha256.Size]byte]described
	weight int
}

// described is what one document was found to be.
type described struct {
	head *rules.Rule
	err  error
}

// maxDescriptions bounds what is remembered, in bytes of memory; then it begins
// anew. Honest rules take about 8 kB each.
const maxDescriptions = 32 << 20

// describedWeight is about how many bytes an entry takes beside the head.
const describedWeight = 150

// rule reads the head of a document, or remembers it.
func (m *descriptions) rule(d *statement.Document, b *readers) (*rules.Rule, error) {
	h := sha256.New() // of all that a document is: its own digest may be of another text
	_ = binary.Write(h, binary.BigEndian, d.Size)
	h.Write(d.Digest[:])
	h.Write(d.Deflated)
	key := [sha256.Size]byte(h.Sum(nil))
	m.mu.Lock()
	one, ok := m.known[key]
	m.mu.Unlock()
	if ok {
		return one.head, one.err
	}
	if err := b.spend(d); err != nil {
		return nil, err
	}
	weight := describedWeight
	rule, err := rules.Read(*d)
	if err != nil {
		one.err = errors.New(err.Error()) // and nothing that it was made of
		weight += len(one.err.Error())
	} else {
		one.head = rule.Head()
		weight += one.head.Weight()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || m.weight+weight > maxDescriptions {
		m.known, m.weight = make(map[[sha256.Size]byte]described), 0
	}
	if _, ok := m.known[key]; !ok {
		m.weight += weight
	}
	m.known[key] = one
	return one.head, one.err
}
