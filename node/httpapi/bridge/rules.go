package bridge

import (
	"cmp"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"concordat/client"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition/rules"
)

// shelf is what authorities have published of rules and value sets, at one size
// that is final. It never changes.
type shelf struct {
	size        uint64
	authorities []statement.Region // those that are present, by id
	rules       []published
	valueSets   []published
}

// published is one document as clients ask for it: by its digest.
type published struct {
	by          statement.Region
	id, version string
	index       uint64         // of the statement that published it
	ends        statement.Time // of a rule: from then on it does not count; 0: it has no end
	document    statement.Document
}

func (p *published) hash() string { return hex.EncodeToString(p.document.Digest[:]) }

// stocking are the kinds of statement that may change a shelf.
var stocking = []statement.Kind{
	statement.RulePublish, statement.RuleRetire, statement.ValueSetPublish, statement.ValueSetRetire,
	statement.GovernancePropose, statement.GovernanceVote, statement.NetworkRecovery,
}

// published gives the newest shelf, of what is final (B2).
func (b *Bridge) published() (*shelf, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	view := b.source.View()
	defer release(view)
	final := min(b.source.FinalSize(), view.Head().Size)
	if b.shelf != nil {
		if b.shelf.size >= final {
			return b.shelf, nil
		}
		if quiet, err := quietSince(view, b.shelf.size, stocking); err != nil || quiet {
			return b.shelf, err
		}
	}
	// What is ordered and not final yet may have nothing to do with it.
	quiet, err := quietSince(view, final, stocking)
	if err != nil {
		return nil, err
	}
	if !quiet {
		v, done, ok := b.source.FinalView()
		if ok {
			defer done()
			view, final = v, v.Head().Size
		}
		if b.shelf != nil && (!ok || final <= b.shelf.size) {
			return b.shelf, nil // it was final, and nothing newer is at hand
		}
		if !ok {
			return nil, client.Fail(client.Busy, "what is final is not at hand yet")
		}
	}
	s, err := makeShelf(view.State())
	if err != nil {
		return nil, err
	}
	s.size, b.shelf = final, s
	b.forget(s)
	return s, nil
}

func makeShelf(v state.View) (*shelf, error) {
	authorities, err := v.Authorities()
	if err != nil {
		return nil, err
	}
	s := &shelf{}
	present := map[statement.Region]bool{}
	for _, a := range authorities {
		if a.Present() {
			present[a.ID] = true
			s.authorities = append(s.authorities, a.ID)
		}
	}
	all, err := v.RulesAll()
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		for _, p := range r.Published {
			// Clients apply every acceptance rule of the country of arrival: those
			// of other sets are for some codes only, which no client could know.
			if !present[r.Authority] || r.Set != statement.DefaultRuleSet && !p.Invalidation {
				continue
			}
			ends := r.RetiredAt
			if p.Until != 0 {
				ends = sooner(ends, p.Until+1)
			}
			if ends != 0 && ends <= p.From {
				continue // it never counts
			}
			s.rules = append(s.rules, published{by: r.Authority, id: r.ID, version: p.Version, index: p.Index, ends: ends, document: p.Document})
		}
	}
	slices.SortStableFunc(s.rules, func(a, b published) int { return cmp.Or(cmp.Compare(a.by, b.by), cmp.Compare(a.id, b.id)) })
	sets, err := v.ValueSetsAll()
	if err != nil {
		return nil, err
	}
	for _, set := range sets {
		if present[set.Authority] && !set.Retired {
			s.valueSets = append(s.valueSets, published{by: set.Authority, id: set.ID, version: set.Version, index: set.ChangedAt, document: set.Document})
		}
	}
	return s, nil
}

// ruleItem is an element of the business-rule service's list of rules.
type ruleItem struct {
	Identifier string `json:"identifier"`
	Version    string `json:"version"`
	Country    string `json:"country"`
	Hash       string `json:"hash"`
}

// listedAs is what a region is listed as by the business-rule service: a country
// as the EU's systems write it, and what is a part of one by its own id, because
// its rules are no rules of the country's.
func listedAs(r statement.Region) string {
	if r != r.Country() {
		return string(r)
	}
	return countryOf(r)
}

// isPlace reports whether a region is the one that a request names.
func isPlace(name string) (func(statement.Region) bool, error) {
	want, err := statement.ParseRegion(name)
	if err != nil {
		return nil, client.Fail(client.BadRequest, "country: %v", err)
	}
	return func(r statement.Region) bool { return r == want }, nil
}

// rules answers GET /rules and GET /rules/{cc}: the rules that count now or
// will, of every country or one.
func (b *Bridge) rules(w http.ResponseWriter, r *http.Request) error {
	fits := func(statement.Region) bool { return true }
	if cc := r.PathValue("cc"); cc != "" {
		var err error
		if fits, err = isPlace(cc); err != nil {
			return err
		}
	}
	s, err := b.published()
	if err != nil {
		return err
	}
	now, all := b.now(), []ruleItem{}
	for i := range s.rules {
		if p := &s.rules[i]; fits(p.by) && (p.ends == 0 || now < p.ends) {
			all = append(all, ruleItem{p.id, p.version, listedAs(p.by), p.hash()})
		}
	}
	return b.signed(w, r, all)
}

// rule answers GET /rules/{cc}/{hash}: one rule, to the byte as it was published.
func (b *Bridge) rule(w http.ResponseWriter, r *http.Request) error {
	fits, err := isPlace(r.PathValue("cc"))
	if err != nil {
		return err
	}
	s, err := b.published()
	if err != nil {
		return err
	}
	return b.document(w, r, s.rules, fits, "rule")
}

// valueSetItem is an element of the business-rule service's list of value sets.
type valueSetItem struct {
	ID   string `json:"id"`
	Hash string `json:"hash"`
}

// valueSets answers GET /valuesets: the value sets of the node's region, or of ?region=.
func (b *Bridge) valueSets(w http.ResponseWriter, r *http.Request) error {
	region, err := b.regionOf(r)
	if err != nil {
		return err
	}
	s, err := b.published()
	if err != nil {
		return err
	}
	all := []valueSetItem{}
	for i := range s.valueSets {
		if p := &s.valueSets[i]; p.by == region {
			all = append(all, valueSetItem{p.id, p.hash()})
		}
	}
	return b.signed(w, r, all)
}

// valueSet answers GET /valuesets/{hash}: one value set, whosever.
func (b *Bridge) valueSet(w http.ResponseWriter, r *http.Request) error {
	s, err := b.published()
	if err != nil {
		return err
	}
	return b.document(w, r, s.valueSets, func(statement.Region) bool { return true }, "value set")
}

// countries answers GET /countrylist: the countries whose authorities are in
// the network, in which a traveller may arrive.
func (b *Bridge) countries(w http.ResponseWriter, r *http.Request) error {
	s, err := b.published()
	if err != nil {
		return err
	}
	all := []string{}
	for _, a := range s.authorities {
		all = append(all, listedAs(a))
	}
	slices.Sort(all)
	return b.signed(w, r, slices.Compact(all))
}

// publicKey answers GET /publickey: the key that X-SIGNATURE is made with, as
// base64 of its SubjectPublicKeyInfo.
func (b *Bridge) publicKey(w http.ResponseWriter, r *http.Request) error {
	if b.key == nil {
		return client.Fail(client.NotFound, "this node signs no lists")
	}
	der, err := x509.MarshalPKIXPublicKey(&b.key.PublicKey)
	if err != nil {
		return fmt.Errorf("the key of the lists: %w", err)
	}
	if tagged(w, r, der) {
		return nil
	}
	return reads(w, "text/plain", []byte(b64(der)))
}

// document gives the published document with the hash in the path. A digest is
// what a publisher says of a document, so others may have published under it what
// is another text, or none: those are gone by.
func (b *Bridge) document(w http.ResponseWriter, r *http.Request, all []published, fits func(statement.Region) bool, what string) error {
	hash := r.PathValue("hash")
	want, err := hex.DecodeString(hash)
	if err != nil || len(want) != sha256.Size {
		return client.Fail(client.BadRequest, "%q is no hash: want 64 hex digits", clip(hash))
	}
	failure := client.Fail(client.NotFound, "there is no %s with hash %s", what, hex.EncodeToString(want)).
		WithHint("the list gives the hashes of those that there are")
	for i := range all {
		p := &all[i]
		if !fits(p.by) || p.document.Digest != [sha256.Size]byte(want) {
			continue
		}
		text, readable, err := b.text(p)
		if err != nil {
			return err
		}
		if readable {
			return b.sign(w, r, text)
		}
		// Its publisher's fault, and not this node's: nobody can read it.
		failure = client.Fail(client.NotFound, "%s %s of %s cannot be read: it does not hold the text with the digest that it names", what, p.id, p.by)
		if err := r.Context().Err(); err != nil {
			return err
		}
	}
	return failure
}

// text unpacks a document; false if that does not give the text that it names.
// One is unpacked in vain once: otherwise somebody who publishes much under one
// digest would have every request unpack it all.
func (b *Bridge) text(p *published) (text []byte, readable bool, err error) {
	b.reading.Lock()
	vain := b.vain[p.index]
	b.reading.Unlock()
	if vain {
		return nil, false, nil
	}
	text, err = rules.Text(p.document)
	if err == nil {
		return text, true, nil
	}
	if !errors.Is(err, rules.ErrDocument) {
		return nil, false, err
	}
	b.reading.Lock()
	b.vain[p.index] = true
	b.reading.Unlock()
	return nil, false, nil
}

// forget drops what is known of documents that are not on the shelf.
func (b *Bridge) forget(s *shelf) {
	b.reading.Lock()
	defer b.reading.Unlock()
	was := b.vain
	b.vain = map[uint64]bool{}
	for _, all := range [][]published{s.rules, s.valueSets} {
		for i := range all {
			if was[all[i].index] {
				b.vain[all[i].index] = true
			}
		}
	}
}

// signed answers with a list and the signature on it.
func (b *Bridge) signed(w http.ResponseWriter, r *http.Request, list any) error {
	raw, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	return b.sign(w, r, raw)
}

// sign answers with a text and, in X-SIGNATURE, this node's signature on the hex
// digits of its SHA-256: ECDSA with SHA-256 in DER and base64, as the
// business-rule service signs.
func (b *Bridge) sign(w http.ResponseWriter, r *http.Request, text []byte) error {
	digest := sha256.Sum256(text)
	hash := hex.EncodeToString(digest[:])
	if b.key != nil {
		toBeSigned := sha256.Sum256([]byte(hash))
		signature, err := b.key.Sign(nil, toBeSigned[:], crypto.SHA256) // RFC 6979: without randomness
		if err != nil {
			return fmt.Errorf("signing the answer: %w", err)
		}
		w.Header().Set("X-SIGNATURE", b64(signature))
	}
	if tagged(w, r, hash) {
		return nil
	}
	return reads(w, "application/json", text)
}
