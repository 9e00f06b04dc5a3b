package httpapi

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"concordat/client"
	"concordat/healthcode"
	"concordat/ledger"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// authorities answers GET /v1/authorities.
func (a *api) authorities(w http.ResponseWriter, r *http.Request) error {
	return a.listing(w, r, func(v *ledger.View) (any, error) {
		all, err := v.State().Authorities()
		if err != nil {
			return nil, err
		}
		out := client.Authorities{Authorities: make([]client.Authority, len(all)), AsOf: a.node.AsOf(v)}
		for i, au := range all {
			out.Authorities[i] = authorityOf(au)
		}
		return out, nil
	})
}

// authorityOf gives an authority as the API does.
func authorityOf(au state.Authority) client.Authority {
	out := client.Authority{
		ID: string(au.ID), Name: au.Name, Role: string(au.Role), Standing: string(au.Standing), By: au.StandingBy,
		Keys: map[string]string{}, History: make([]client.KeyState, len(au.Keys)), Addresses: texts(au.Addresses), HTTP: au.HTTP,
		Revision: au.Revision, Changed: au.ChangedAt, Statement: au.AdmittedAt,
	}
	for _, use := range []state.Use{state.Governance, state.Statements, state.Node, state.Cosign} {
		if k := au.Key(use); k != nil {
			out.Keys[string(use)] = base64.StdEncoding.EncodeToString(k)
		}
	}
	for i, k := range au.Keys {
		s := client.KeyState{Use: string(k.Use), KeyID: fmt.Sprintf("%x", statement.KeyIDOf(k.Public)), Public: base64.StdEncoding.EncodeToString(k.Public), From: k.From}
		if k.Until > 0 {
			s.Until = &k.Until
		}
		out.History[i] = s
	}
	return out
}

// issuers answers GET /v1/issuers?region=&kid=&at=.
func (a *api) issuers(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	var f state.KeyFilter
	if s := q.Get("region"); s != "" {
		region, err := statement.ParseRegion(s)
		if err != nil {
			return client.Fail(client.BadRequest, "region: %v", err)
		}
		f.Region = region
	}
	if s := q.Get("kid"); s != "" {
		kid, err := readKeyID(s)
		if err != nil {
			return err
		}
		f.KeyID = kid
	}
	return a.listing(w, r, func(v *ledger.View) (any, error) {
		keys, err := v.State().IssuerKeys(f)
		if err != nil {
			return nil, err
		}
		out := client.Issuers{Issuers: make([]client.IssuerKey, len(keys)), AsOf: a.node.AsOf(v)}
		for i, k := range keys {
			out.Issuers[i] = client.IssuerKey{
				ID: k.Thumbprint.String(), KeyID: healthcode.KeyIDText(k.KeyID), Region: string(k.Region),
				Status: string(k.Status), Algorithm: algorithm(k.PublicKey), Kinds: texts(k.Kinds), Issuer: k.Issuer, Name: k.Name,
				ValidFrom: timeOrNil(k.ValidFrom), ValidUntil: timeOrNil(k.ValidUntil), RetiredAt: timeOrNil(k.RetiredAt),
				Since: timeOrNil(k.Since), SpareEarlier: k.SpareEarlier, Reason: k.Reason, Revision: k.Revision,
				Registered: k.RegisteredAt, Statement: k.ChangedAt, Certificate: k.Certificate, PublicKey: k.PublicKey,
			}
		}
		return out, nil
	})
}

// readKeyID reads a kid in base64, of either alphabet, or in hex.
func readKeyID(s string) ([]byte, error) {
	if b, err := hex.DecodeString(s); err == nil {
		return b, nil
	}
	plain := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/", " ", "+").Replace(s), "=")
	b, err := base64.RawStdEncoding.DecodeString(plain)
	if err != nil {
		return nil, client.Fail(client.BadRequest, "kid is %q, want base64 or hex", clip(s))
	}
	return b, nil
}

// algorithm names an issuer's key for people.
func algorithm(spki []byte) string {
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return "unreadable"
	}
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return "EC " + k.Curve.Params().Name
	case *rsa.PublicKey:
		return "RSA " + itoa(k.N.BitLen())
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "unsupported"
}

// maxRevocations bounds what is listed of one hash. Nobody honest says nearly
// as much of a code, and anybody may say more.
const maxRevocations = 1000

// revocations answers GET /v1/revocations/{hash}?at=.
func (a *api) revocations(w http.ResponseWriter, r *http.Request) error {
	text := r.PathValue("hash")
	b, err := hex.DecodeString(text)
	if err != nil {
		b, err = readKeyID(text)
	}
	if err != nil || len(b) != statement.HashSize {
		return client.Fail(client.BadRequest, "%q is no revocation hash: want %d bytes in hex or base64", clip(text), statement.HashSize)
	}
	at, err := readAt(r)
	if err != nil {
		return err
	}
	return a.listing(w, r, func(v *ledger.View) (any, error) {
		events, more, err := v.State().Revocations(statement.RevocationHash(b), maxRevocations)
		if err != nil {
			return nil, err
		}
		out := client.Revocations{Hash: hex.EncodeToString(b), More: more, Revocations: make([]client.Revocation, len(events)), AsOf: a.node.AsOf(v)}
		for i, e := range events {
			reason, err := v.State().RevocationReason(e)
			if err != nil {
				return nil, err
			}
			action := "revoked"
			if e.Undo {
				action = "reinstated"
			}
			force := e.InForce(at)
			out.Revoked = out.Revoked || force
			out.Revocations[i] = client.Revocation{
				Authority: string(e.Authority), HashType: string(e.Type), Action: action, InForce: force,
				Expires: e.Expires.Time(), Reason: reason, Statement: e.Index,
			}
		}
		return out, nil
	})
}

// riskAreas answers GET /v1/risk-areas?at=.
func (a *api) riskAreas(w http.ResponseWriter, r *http.Request) error {
	at, err := readAt(r)
	if err != nil {
		return err
	}
	return a.listing(w, r, func(v *ledger.View) (any, error) {
		all, err := v.State().RiskAreasAll()
		if err != nil {
			return nil, err
		}
		out := client.RiskAreas{RiskAreas: []client.RiskArea{}, AsOf: a.node.AsOf(v)}
		for _, area := range all {
			for i, win := range area.Windows {
				out.RiskAreas = append(out.RiskAreas, client.RiskArea{
					Area: string(area.Area), Authority: string(area.Authority), Scheme: area.Scheme, Level: win.Level, Refuse: win.Refuse,
					From: timeOrNil(win.From), Until: timeOrNil(win.Until), Lookback: win.Lookback, LegalRef: win.LegalRef,
					InForce: at >= win.From && (win.Until == 0 || at < win.Until), Standing: area.Standing && i == len(area.Windows)-1, Revision: area.Revision, Statement: win.Index,
				})
			}
		}
		return out, nil
	})
}

// readAt reads the time that windows are judged at; now, if none is given.
func readAt(r *http.Request) (statement.Time, error) { return readTime(r, "at") }

// readTime reads a time of the query; now, if none is given.
func readTime(r *http.Request, name string) (statement.Time, error) {
	s := r.URL.Query().Get(name)
	if s == "" || s == "now" {
		return statement.TimeOf(time.Now()), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return 0, client.Fail(client.BadRequest, "%s is %q, want RFC 3339 like 2021-06-01T12:00:00Z", name, clip(s))
	}
	return statement.TimeOf(t), nil
}
