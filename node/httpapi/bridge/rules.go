package bridge

import (
	"cmp"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"concordat/client"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/recognition/rules"
)

// shelf is what authorities have published of rules and value sets, at one size.
// It never changes.
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
	from, until statement.Time // of a rule: when it counts
	document    statement.Document
}

func (p *published) hash() string { return hex.EncodeToString(p.document.Digest[:]) }

// stocking are the kinds of statement that may change a shelf.
var stocking = []statement.Kind{
	statement.RulePublish, statement.RuleRetire, statement.ValueSetPublish, statement.ValueSetRetire,
	statement.GovernancePropose, statement.GovernanceVote, statement.NetworkRecovery,
}

// published gives the newest shelf.
func (b *Bridge) published() (*shelf, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	view := b.source.View()
	defer release(view)
	size := view.Head().Size
	if b.shelf != nil {
		if b.shelf.size == size {
			return b.shelf, nil
		}
		if quiet, err := quietSince(view, b.shelf.size, stocking); err != nil || quiet {
			return b.shelf, err
		}
	}
	s, err := makeShelf(view.State())
	if err != nil {
		return nil, err
	}
	s.size, b.shelf = size, s
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
			until := p.Until
			if r.RetiredAt != 0 && (until == 0 || r.RetiredAt-1 < until) {
				until = r.RetiredAt - 1
			}
			s.rules = append(s.rules, published{by: r.Authority, id: r.ID, version: p.Version, from: p.From, until: until, document: p.Document})
		}
	}
	slices.SortStableFunc(s.rules, func(a, b published) int { return cmp.Or(cmp.Compare(a.by, b.by), cmp.Compare(a.id, b.id)) })
	sets, err := v.ValueSetsAll()
	if err != nil {
		return nil, err
	}
	for _, set := range sets {
		if present[set.Authority] && !set.Retired {
			s.valueSets = append(s.valueSets, published{by: set.Authority, id: set.ID, version: set.Version, document: set.Document})
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

// rules answers GET /rules and GET /rules/{cc}: the rules that count now or
// will, of every country or one.
func (b *Bridge) rules(w http.ResponseWriter, r *http.Request) error {
	fits := func(statement.Region) bool { return true }
	if cc := r.PathValue("cc"); cc != "" {
		var err error
		if fits, err = isCountry(cc); err != nil {
			return err
		}
	}
	s, err := b.published()
	if err != nil {
		return err
	}
	now, all := b.now(), []ruleItem{}
	for i := range s.rules {
		if p := &s.rules[i]; fits(p.by) && (p.until == 0 || now <= p.until) {
			all = append(all, ruleItem{p.id, p.version, countryOf(p.by), p.hash()})
		}
	}
	return b.signed(w, r, all)
}

// rule answers GET /rules/{cc}/{hash}: one rule, to the byte as it was published.
func (b *Bridge) rule(w http.ResponseWriter, r *http.Request) error {
	fits, err := isCountry(r.PathValue("cc"))
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
		all = append(all, countryOf(a))
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

// document gives the published document with the hash in the path.
func (b *Bridge) document(w http.ResponseWriter, r *http.Request, all []published, fits func(statement.Region) bool, what string) error {
	hash := r.PathValue("hash")
	want, err := hex.DecodeString(hash)
	if err != nil || len(want) != sha256.Size {
		return client.Fail(client.BadRequest, "%q is no hash: want 64 hex digits", clip(hash))
	}
	i := slices.IndexFunc(all, func(p published) bool { return fits(p.by) && p.document.Digest == [sha256.Size]byte(want) })
	if i < 0 {
		return client.Fail(client.NotFound, "there is no %s with hash %s", what, hex.EncodeToString(want)).
			WithHint("the list gives the hashes of those that there are")
	}
	text, err := rules.Text(all[i].document)
	if err != nil {
		// Its publisher's fault, and not this node's: nobody can read it.
		return client.Fail(client.NotFound, "%s %s of %s cannot be read: %v", what, all[i].id, all[i].by, err)
	}
	return b.sign(w, r, text)
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
