package testnet

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"concordat/healthcode"
	"concordat/healthcode/issue"
	"concordat/healthcode/native"
	"concordat/ledger/statement"
	"concordat/recognition/rules"
	"concordat/testnet/codes"
)

// overseas: a code of another kind, whose issuer's key a member brings along.
func (s *story) overseas(ctx context.Context) error {
	text, set, err := codes.Card()
	if err != nil {
		return err
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(set, &keys); err != nil {
		return fmt.Errorf("the card issuer's key set: %w", err)
	}
	for _, k := range keys.Keys {
		thumbprint, err := k.Thumbprint(crypto.SHA256)
		if err != nil {
			return err
		}
		spki, err := x509.MarshalPKIXPublicKey(k.Key)
		if err != nil {
			return err
		}
		if _, err := s.speak(ctx, "SE", &statement.RegisterKey{
			PublicKey: spki, KeyID: thumbprint, Kinds: []statement.CodeKind{statement.Vaccination, statement.Test},
			Issuer: "https://spec.smarthealth.cards/examples/issuer", Name: "SMART Health Cards, example issuer",
		}, nil); err != nil {
			return err
		}
	}
	s.codes["card"] = codes.Code{Text: text}
	later := time.Date(2023, 7, 1, 12, 0, 0, 0, time.UTC)
	if err := s.check(ctx, "SE", ask{code: "card", at: later}, "recognized", "own-region"); err != nil {
		return err
	}
	if err := s.check(ctx, "CH", ask{code: "card", at: later}, "refused", "recognition-missing"); err != nil {
		return err
	}
	if _, err := s.speak(ctx, "CH", &statement.Grant{Terms: statement.Terms{
		Region: "SE", Formats: []string{"shc"}, Algorithms: []string{"ES256"}, Reason: "cards of one issuer, on trial",
	}}, nil); err != nil {
		return err
	}
	if err := s.check(ctx, "CH", ask{code: "card", at: later}, "recognized", "recognition-granted"); err != nil {
		return err
	}
	s.say("   Switzerland asked for cards, and gets no more than it asked for:")
	return s.check(ctx, "CH", ask{code: "SE-1"}, "refused", "recognition-not-for-format")
}

// everywhere: a health code and an itinerary card of one person, made by one
// region and judged by another.
func (s *story) everywhere(ctx context.Context) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := issue.NewKey(private, nil)
	if err != nil {
		return err
	}
	issuer, err := issue.New("DE", key, rand.Reader)
	if err != nil {
		return err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	for _, said := range []struct {
		by   string
		body statement.Body
	}{
		{"DE", &statement.RegisterKey{PublicKey: spki, KeyID: key.ID(), Kinds: []statement.CodeKind{statement.Health, statement.Itinerary}}},
		{"CH", &statement.Grant{Terms: statement.Terms{Region: "DE", Kinds: []statement.CodeKind{statement.Health, statement.Itinerary}, Reason: "one code pass"}}},
		{"CH", &statement.PublishScheme{Name: "cn-health", Title: "status of a health code", Levels: []statement.SchemeLevel{
			{Name: "green"}, {Name: "yellow", Refuse: true}, {Name: "red", Refuse: true},
		}}},
		{"CH", &statement.DeclareRisk{RiskLevel: statement.RiskLevel{
			Area: "CN-31", Scheme: "default", Level: "high", From: statement.TimeOf(demoTime.AddDate(0, 0, -20)), Lookback: 14, Refuse: true,
		}}},
	} {
		if _, err := s.speak(ctx, said.by, said.body, nil); err != nil {
			return err
		}
	}
	id, err := issuer.NewID()
	if err != nil {
		return err
	}
	other, err := issuer.NewID()
	if err != nil {
		return err
	}
	health := func(level string) *native.Health {
		return &native.Health{
			Status: healthcode.Status{Scheme: "cn-health", Level: level, LegalGround: "IfSG §28a"},
			Declared: &healthcode.Declaration{
				At: demoTime.AddDate(0, 0, -3), Audit: healthcode.AuditPassed, AuditedAt: demoTime.AddDate(0, 0, -2), Auditor: "health office",
			},
		}
	}
	itinerary := func(area string) *native.Itinerary {
		from := demoTime.AddDate(0, 0, -9)
		return &native.Itinerary{
			Covered: healthcode.Span{From: demoTime.AddDate(0, 0, -15), To: demoTime.AddDate(0, 0, -1)},
			Stays:   []healthcode.Stay{{Area: area, From: from, To: from.Add(30 * time.Hour)}},
		}
	}
	for name, card := range map[string]native.Card{
		"green": {ID: id, Health: health("green")}, "red": {ID: id, Health: health("red")},
		"itinerary":            {ID: id, Itinerary: itinerary("CN-11")},
		"itinerary from CN-31": {ID: id, Itinerary: itinerary("CN-31-0115")},
		"somebody's itinerary": {ID: other, Itinerary: itinerary("CN-11")},
	} {
		card.IssuedAt, card.ExpiresAt = demoTime.AddDate(0, 0, -1), demoTime.AddDate(0, 0, 6)
		code, err := issuer.Native(card)
		if err != nil {
			return fmt.Errorf("code %q: %w", name, err)
		}
		s.codes[name] = codes.Code{Text: code.Text}
	}
	for _, step := range []struct {
		shown  ask
		want   string
		reason string
	}{
		{ask{code: "green", with: []string{"itinerary"}}, "recognized", "declaration-passed"},
		{ask{code: "red"}, "refused", "status-refused"},
		{ask{code: "green", with: []string{"itinerary from CN-31"}}, "refused", "risk-area"},
		{ask{code: "green", with: []string{"somebody's itinerary"}}, "refused", "holders-differ"},
	} {
		if err := s.check(ctx, "CH", step.shown, step.want, step.reason); err != nil {
			return err
		}
	}
	return nil
}

// rule: a rule of the region of arrival, and the reason in the reader's language.
func (s *story) rule(ctx context.Context) error {
	for _, id := range []string{"RR-DE-0002", "TR-DE-0003"} {
		text, err := codes.Rule(id)
		if err != nil {
			return err
		}
		rule, err := rules.ParseRule(text)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		document, err := rules.Document(text)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		if _, err := s.speak(ctx, "DE", &statement.PublishRule{
			Set: statement.DefaultRuleSet, ID: rule.Identifier, Version: rule.Version, From: statement.TimeOf(rule.ValidFrom), Until: statement.TimeOf(rule.ValidTo), Document: document,
		}, nil); err != nil {
			return err
		}
	}
	for _, language := range []string{"en", "de", "zh"} {
		if err := s.check(ctx, "DE", ask{code: "AT-3", language: language}, "refused", "rule-not-met"); err != nil {
			return err
		}
	}
	for _, id := range []string{"RR-DE-0002", "TR-DE-0003"} {
		if _, err := s.speak(ctx, "DE", &statement.RetireRule{
			Set: statement.DefaultRuleSet, ID: id, At: statement.TimeOf(demoTime.AddDate(0, -1, 0)), Reason: "the story goes on",
		}, nil); err != nil {
			return err
		}
	}
	return s.check(ctx, "DE", ask{code: "AT-3"}, "recognized", "recognition-granted")
}
