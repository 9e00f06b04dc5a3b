package corpus_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"concordat/healthcode"
	"concordat/healthcode/intake"
	"concordat/healthcode/issue"
	"concordat/healthcode/native"
	"concordat/healthcode/shc"
	"concordat/healthcode/trustlist"
	"concordat/ledger/statement"
	"concordat/recognition/rules"
)

// forEver is after every time that is asked about.
const forEver = statement.Time(2_200_000_000)

// epoch is when the native codes are issued, and about when the cards are.
var epoch = time.Date(2023, 7, 1, 8, 0, 0, 0, time.UTC)

// everything is what each authority says.
func everything(m *material) (map[string][]saying, error) {
	all := map[string][]saying{}
	for _, part := range []func(*material, map[string][]saying) error{keys, directory, cards, nativeCodes, published, agreements, areas, cases, denials} {
		if err := part(m, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// add has a region say something more.
func add(all map[string][]saying, region string, bodies ...statement.Body) {
	for _, b := range bodies {
		all[region] = append(all[region], saying{body: b})
	}
}

// registration is what `concordat issuer import` says of a key on a list.
func registration(e trustlist.Entry) *statement.RegisterKey {
	body := &statement.RegisterKey{
		PublicKey: e.PublicKey, KeyID: e.KeyID, Issuer: e.Issuer, Name: e.Name,
		ValidFrom: statement.TimeOf(e.ValidFrom), ValidUntil: statement.TimeOf(e.ValidUntil),
	}
	if e.Certificate != nil {
		body.Certificate = e.Certificate.Raw
	}
	for _, k := range e.Kinds {
		body.Kinds = append(body.Kinds, statement.CodeKind(k))
	}
	body.Kinds = statement.SortKinds(body.Kinds)
	return body
}

// entries reads a list of keys, all of which must be good.
func entries(list []byte) ([]trustlist.Entry, error) {
	l, err := trustlist.Read(list, trustlist.Options{})
	if err != nil {
		return nil, err
	}
	if len(l.Refused) > 0 {
		return nil, fmt.Errorf("%s: %s", l.Refused[0].Where, l.Refused[0].Reason)
	}
	return l.Entries, nil
}

// keys has every region register the certificates of its cases.
func keys(m *material, all map[string][]saying) error {
	seen := map[string]bool{}
	for _, c := range m.cases {
		if seen[string(c.certificate.Raw)] {
			continue
		}
		seen[string(c.certificate.Raw)] = true
		e, err := entries(c.certificate.Raw)
		if err != nil {
			return fmt.Errorf("certificate of %s: %w", c.Path, err)
		}
		add(all, c.home(), registration(e[0]))
	}
	return nil
}

// listed are the keys of the VCI directory, and revoked what its revocation lists name.
var (
	listed  []trustlist.Entry
	revoked []statement.RevocationHash
)

// directory has Canada import the VCI directory's snapshot, with the revocation
// lists in it, as `concordat issuer import` does.
func directory(m *material, all map[string][]saying) error {
	if m.directory == nil {
		return nil
	}
	l, err := trustlist.Read(m.directory, trustlist.Options{Format: trustlist.VCI, Signature: m.signature, Signer: m.signer})
	if err != nil {
		return err
	}
	if len(l.Refused) > 0 || l.Signed == "" {
		return fmt.Errorf("of the VCI directory %d entries are refused, and it is signed by %q", len(l.Refused), l.Signed)
	}
	listed = trustlist.Merge(l.Entries)
	for _, e := range listed {
		add(all, "CA", registration(e))
	}
	for _, c := range l.CRLs {
		if err := revokeCards(all, "CA", c.Raw); err != nil {
			return fmt.Errorf("%s: %w", c.Where, err)
		}
	}
	return nil
}

// revokeCards revokes what an issuer's revocation list names.
func revokeCards(all map[string][]saying, by string, list []byte) error {
	crl, err := shc.ParseCRL(list)
	if err != nil {
		return err
	}
	for _, g := range crl.Groups {
		var hashes []statement.RevocationHash
		for _, h := range g.Hashes {
			hashes = append(hashes, h)
		}
		revoked = append(revoked, hashes...)
		attachment := statement.NewAttachment(hashes)
		b := statement.NewBatch(statement.HashRID, attachment, forEver, "revoked by its issuer")
		b.IssuedBefore = statement.TimeOf(g.IssuedBefore)
		all[by] = append(all[by], saying{&statement.Revoke{Batch: b}, attachment})
	}
	return nil
}

// cards has the United States import the keys and the revocation list of the
// SMART Health Cards examples' issuer.
func cards(m *material, all map[string][]saying) error {
	set, err := m.card("issuer/.well-known/jwks.json")
	if err != nil {
		return err
	}
	list, err := entries([]byte(set))
	if err != nil {
		return err
	}
	for _, e := range list {
		add(all, "US", registration(e))
	}
	crl, err := m.card("issuer/.well-known/crl/3Kfdg-XwP-7gXyywtUfUADwBumDOPKMQx-iELL11W9s.json")
	if err != nil {
		return err
	}
	return revokeCards(all, "US", []byte(crl))
}

// nativeCode is one of the codes that China issues here.
type nativeCode struct {
	name string
	text string
	card native.Card
}

// natives are China's codes: two persons', of an office whose key is good, and
// one of a desk whose key was stolen afterwards.
var natives []nativeCode

// issuer makes an issuer of China's and registers its key. Its keys follow from
// their names, so that a failure can be had again.
func issuer(name string, all map[string][]saying) (*issue.Issuer, statement.Thumbprint, error) {
	seed := sha256.Sum256([]byte(name))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
	if err != nil {
		return nil, statement.Thumbprint{}, err
	}
	signer, err := issue.NewKey(key, nil)
	if name == "desk" {
		signer, err = issue.NewKey(ed25519.NewKeyFromSeed(seed[:]), nil)
	}
	if err != nil {
		return nil, statement.Thumbprint{}, err
	}
	spki, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return nil, statement.Thumbprint{}, err
	}
	add(all, "CN", &statement.RegisterKey{PublicKey: spki, KeyID: signer.ID(), Name: "Issuing " + name})
	i, err := issue.New("CN", signer, nil)
	return i, sha256.Sum256(spki), err
}

func nativeCodes(_ *material, all map[string][]saying) error {
	office, _, err := issuer("office", all)
	if err != nil {
		return err
	}
	desk, stolen, err := issuer("desk", all)
	if err != nil {
		return err
	}
	card := func(id byte, born string) native.Card {
		return native.Card{ID: native.ID{id, 0xA7, 0x51, 0x0F, 0x99}, BirthDate: born, IssuedAt: epoch, ExpiresAt: epoch.AddDate(0, 0, 14)}
	}
	health := func(level string, audit healthcode.Audit) *native.Health {
		d := &healthcode.Declaration{At: epoch.Add(-time.Hour), Audit: audit, Auditor: "Grenzamt Nebelhorn"}
		if audit != healthcode.AuditPending {
			d.AuditedAt = epoch
		}
		return &native.Health{Status: healthcode.Status{Scheme: "cn-health", Level: level, LegalGround: "Verordnung Nebelhorn 7"}, Declared: d}
	}
	stays := &native.Itinerary{
		Covered: healthcode.Span{From: epoch.AddDate(0, 0, -14), To: epoch},
		Stays: []healthcode.Stay{
			{Area: "CN-31-0115", From: epoch.AddDate(0, 0, -10), To: epoch.AddDate(0, 0, -6)},
			{Area: "CN-11", From: epoch.AddDate(0, 0, -6), To: epoch},
		},
	}
	for _, n := range []struct {
		name string
		by   *issue.Issuer
		card native.Card
		as   any
	}{
		{"green", office, card(1, "1951-01-20"), health("green", healthcode.AuditPassed)}, // the birth date of two of the SMART Health Cards
		{"been", office, card(1, ""), stays},
		{"yellow", office, card(2, "1938-11-23"), health("yellow", healthcode.AuditPending)},
		{"red", office, card(3, "1929-07"), health("red", healthcode.AuditFailed)},
		{"withdrawn", office, card(4, "1947"), health("green", healthcode.AuditPassed)},
		{"of the desk", desk, card(5, "1966-06-06"), health("green", healthcode.AuditPassed)},
	} {
		n.card.Health, _ = n.as.(*native.Health)
		n.card.Itinerary, _ = n.as.(*native.Itinerary)
		c, err := n.by.Native(n.card)
		if err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
		natives = append(natives, nativeCode{n.name, c.Text, n.card})
		if n.name == "withdrawn" {
			s, err := revocation(c.Text, statement.HashUCI, "given to another")
			if err != nil {
				return err
			}
			all["CN"] = append(all["CN"], s)
		}
	}
	add(all, "CN", &statement.CompromiseKey{Key: stolen, Since: statement.TimeOf(epoch.AddDate(0, 0, 3)), SpareEarlier: true, Reason: "stolen"})
	return nil
}

// nativeText gives the text of a native code.
func nativeText(name string) string {
	i := slices.IndexFunc(natives, func(n nativeCode) bool { return n.name == name })
	return natives[i].text
}

// published has the four publish their rules, as `concordat rules publish` does,
// and the Czech Republic a second set, for the codes of Greece.
func published(m *material, all map[string][]saying) error {
	for _, region := range validators {
		texts := m.rules[region]
		if len(texts) == 0 {
			continue // the part in this repository has Germany's only
		}
		for _, v := range m.sets {
			text, err := v.Marshal(epoch)
			if err != nil {
				return err
			}
			d, err := rules.Document(text)
			if err != nil {
				return err
			}
			add(all, region, &statement.PublishValueSet{ID: v.ID, Version: cmpOr(v.Date, "2021-05-27"), Document: d})
		}
		for _, r := range texts {
			body, err := publication(r, statement.DefaultRuleSet)
			if err != nil {
				return err
			}
			add(all, region, body)
		}
	}
	strict, err := publication(m.rules["DE"][0], "strict")
	add(all, "CZ", strict)
	return err
}

func publication(r ruleText, set string) (*statement.PublishRule, error) {
	d, err := rules.Document(r.text)
	return &statement.PublishRule{
		Set: set, ID: r.rule.Identifier, Version: r.rule.Version, From: statement.TimeOf(r.rule.ValidFrom), Until: statement.TimeOf(r.rule.ValidTo),
		Invalidation: r.rule.Type == rules.Invalidation, Document: d,
	}, err
}

func cmpOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// agreements are who recognises whom, for what.
func agreements(_ *material, all map[string][]saying) error {
	everybody := slices.Concat(validators, observers)
	for _, by := range []string{neutral, "EU", "IE"} {
		for _, of := range everybody {
			if of != by {
				add(all, by, &statement.Grant{Terms: statement.Terms{Region: statement.Region(of)}})
			}
		}
	}
	for _, g := range []struct {
		by    string
		terms statement.Terms
	}{
		{"DE", statement.Terms{Region: "AT", Reason: "Treaty 1", LegalRef: "BGBl. 12"}},
		{"DE", statement.Terms{Region: "BG", Kinds: []statement.CodeKind{statement.Vaccination}}},
		{"DE", statement.Terms{Region: "CH", From: statement.TimeOf(epoch)}},
		{"DE", statement.Terms{Region: "ES", Algorithms: []string{"ES256"}}},
		{"DE", statement.Terms{Region: "US", Formats: []string{"shc"}}},
		{"DE", statement.Terms{Region: "CN", Schemes: []string{"cn-health"}}},
		{"DE", statement.Terms{Region: "SE"}},
		{"CZ", statement.Terms{Region: "AT"}},
		{"CZ", statement.Terms{Region: "DE", Until: statement.TimeOf(epoch)}},
		{"CZ", statement.Terms{Region: "GR", RuleSet: "strict"}},
		{"CZ", statement.Terms{Region: "PT", RuleSet: "nowhere"}},
		{"CZ", statement.Terms{Region: "CN", Formats: []string{"native"}}},
		{"CZ", statement.Terms{Region: "SE", Formats: []string{"shc"}}},
		{"CN", statement.Terms{Region: "US"}},
		{"CN", statement.Terms{Region: "DE"}},
	} {
		add(all, g.by, &statement.Grant{Terms: g.terms})
	}
	add(all, "DE", &statement.Suspend{Region: "SE", Kinds: []statement.CodeKind{statement.Vaccination}, Reason: "one manufacturer", LegalRef: "Order 3"})
	add(all, "IE", &statement.Withdraw{Region: "RO", Reason: "ended", LegalRef: "Notice 4"})
	add(all, "EU", &statement.Suspend{Region: "SG", Reason: "inspection", Until: statement.TimeOf(epoch)})
	return nil
}

// areas are at risk, under schemes.
func areas(_ *material, all map[string][]saying) error {
	level := func(area statement.Area, scheme, name string, refuse bool) *statement.DeclareRisk {
		return &statement.DeclareRisk{RiskLevel: statement.RiskLevel{Area: area, Scheme: scheme, Level: name, From: 1_600_000_000, Lookback: 14, Refuse: refuse, LegalRef: "Order 9"}}
	}
	add(all, "CN",
		&statement.PublishScheme{Name: "cn-health", Title: "Health code", Levels: []statement.SchemeLevel{{Name: "green"}, {Name: "yellow"}, {Name: "red", Refuse: true}}},
		&statement.PublishScheme{Name: "cn-risk", Levels: []statement.SchemeLevel{{Name: "low"}, {Name: "medium", Lookback: 7}, {Name: "high", Refuse: true, Lookback: 14}}},
		level("CN-31-0115", "cn-risk", "high", true), level("CN-11", "cn-risk", "medium", false), level("CN", "default", "low", false),
	)
	add(all, "IE", &statement.PublishScheme{Name: "cn-health", LegalRef: "SI 5", Levels: []statement.SchemeLevel{{Name: "green"}, {Name: "yellow", Refuse: true}, {Name: "red", Refuse: true}}})
	add(all, "DE", level("FR-75", "default", "high", true), level("ES", "default", "medium", false))
	add(all, "EU",
		&statement.PublishScheme{Name: "ecdc", Levels: []statement.SchemeLevel{{Name: "green"}, {Name: "orange"}, {Name: "dark-red", Refuse: true, Lookback: 5}}, Supersedes: "default"},
		level("FR", "default", "high", true), level("FR-75", "ecdc", "orange", false), level("ES", "ecdc", "dark-red", true),
	)
	return nil
}

// cases are named exceptions.
func cases(_ *material, all map[string][]saying) error {
	condition := func(text string) (*statement.Document, error) {
		d, err := rules.Document([]byte(text))
		return &d, err
	}
	second, err := condition(`{"===":[{"var":"payload.v.0.dn"},2]}`)
	if err != nil {
		return err
	}
	strange, err := condition(`{"unheard-of":[1]}`)
	if err != nil {
		return err
	}
	add(all, "CZ",
		&statement.DeclareCase{Name: "crew", Admit: true, Region: "BG", Reason: "crews of lorries", LegalRef: "Decree 8"},
		&statement.DeclareCase{Name: "second-dose", Admit: true, Region: "BG", Kinds: []statement.CodeKind{statement.Vaccination}, Condition: second, Reason: "complete"},
		&statement.DeclareCase{Name: "unclear", Region: "CH", Condition: strange, Reason: "nobody knows"},
	)
	add(all, "EU", &statement.DeclareCase{Name: "misprints", Region: "GE", Reason: "misprinted series", Until: statement.TimeOf(epoch)})
	add(all, "DE", &statement.DeclareCase{Name: "cards", Formats: []string{"shc"}, Kinds: []statement.CodeKind{statement.Test}, Reason: "no tests on cards"})
	return nil
}

// denials are revocations of the corpus's codes by the Czech Republic, which
// count where it checks; every other is taken back. It vouches for a key of
// Austria's, too, after Austria has registered it.
func denials(m *material, all map[string][]saying) error {
	first, err := entries(m.cases[0].certificate.Raw)
	if err != nil {
		return err
	}
	add(all, "CZ", registration(first[0]))
	n := 0
	for _, c := range m.cases {
		if c.Verdict != "accept" {
			continue
		}
		if n++; n%6 != 0 {
			continue
		}
		s, err := revocation(c.text, statement.HashSignature, "reported lost")
		if err != nil {
			return err
		}
		all["CZ"] = append(all["CZ"], s)
		if n%12 == 0 {
			all["CZ"] = append(all["CZ"], saying{&statement.Reinstate{Batch: s.body.(*statement.Revoke).Batch}, s.attachment})
		}
	}
	return nil
}

// revocation revokes a code by its hash of a type.
func revocation(text string, of statement.HashType, reason string) (saying, error) {
	r := intake.Read([]intake.Shown{intake.Text(text)})[0]
	if r.Err != nil {
		return saying{}, r.Err
	}
	for _, h := range r.Unverified.RevocationHashes() {
		if string(h.Type) == string(of) {
			attachment := statement.NewAttachment([]statement.RevocationHash{h.Hash})
			return saying{&statement.Revoke{Batch: statement.NewBatch(of, attachment, forEver, reason)}, attachment}, nil
		}
	}
	return saying{}, fmt.Errorf("no hash of type %s", of)
}
