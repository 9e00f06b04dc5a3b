package bridge

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"concordat/client"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// maxQuery bounds a query, and maxQueryText each of its texts, in bytes.
const (
	maxQuery     = 16 << 10
	maxQueryText = 2 << 10
)

var errQuery = errors.New("not a query of the Trust Registry Query Protocol")

// query is an authorization or recognition query (ToIP TRQP v2.0).
type query struct {
	EntityID    string            `json:"entity_id"`
	AuthorityID string            `json:"authority_id"`
	Action      string            `json:"action"`
	Resource    string            `json:"resource"`
	Context     map[string]string `json:"context"`

	at statement.Time // 0: now
}

// readQuery reads a query. Members that the protocol does not name are let be,
// as its schema lets them be. Errors wrap errQuery.
func readQuery(raw []byte) (*query, error) {
	q := new(query)
	if err := json.Unmarshal(raw, q); err != nil {
		return nil, fmt.Errorf("%w: the body is no JSON object whose members are texts, and context an object of texts", errQuery)
	}
	for _, f := range []struct{ name, text string }{
		{"entity_id", q.EntityID}, {"authority_id", q.AuthorityID}, {"action", q.Action}, {"resource", q.Resource},
	} {
		if n := len(f.text); n == 0 || n > maxQueryText {
			return nil, fmt.Errorf("%w: %s has %d bytes, want 1 to %d", errQuery, f.name, n, maxQueryText)
		}
	}
	if s := q.Context["time"]; s != "" {
		t, err := time.Parse(time.RFC3339Nano, s)
		if _, offset := t.Zone(); err != nil || offset != 0 || t.Unix() <= 0 || t.Unix() > statement.MaxTime {
			return nil, fmt.Errorf("%w: context.time is %q, want RFC 3339 in UTC like 2025-06-19T11:30:00Z", errQuery, clip(s))
		}
		q.at = statement.TimeOf(t)
	}
	return q, nil
}

// queryAnswer is the answer to either query; one of Authorized and Recognized is given.
type queryAnswer struct {
	EntityID      string            `json:"entity_id"`
	AuthorityID   string            `json:"authority_id"`
	Action        string            `json:"action"`
	Resource      string            `json:"resource"`
	Authorized    *bool             `json:"authorized,omitempty"`
	Recognized    *bool             `json:"recognized,omitempty"`
	TimeRequested string            `json:"time_requested,omitempty"`
	TimeEvaluated string            `json:"time_evaluated"`
	Message       string            `json:"message"`
	Context       map[string]string `json:"context,omitempty"`
}

// problem is an error as the protocol wants it (RFC 7807).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// authorization answers POST /authorization: has this authority registered the
// key, or keys of the issuer, for codes of that kind that are issued at that time?
func (b *Bridge) authorization(w http.ResponseWriter, r *http.Request) error {
	return b.query(w, r, func(a *queryAnswer, yes *bool) { a.Authorized = yes }, (*registry).authorizes)
}

// recognition answers POST /recognition: does this authority's region recognise
// that one's codes of that kind at that time?
func (b *Bridge) recognition(w http.ResponseWriter, r *http.Request) error {
	return b.query(w, r, func(a *queryAnswer, yes *bool) { a.Recognized = yes }, (*registry).recognises)
}

// registry answers queries from one state.
type registry struct {
	*judge
	state     state.View
	authority statement.Region
	at        statement.Time
	kinds     []statement.CodeKind // any of them will do
}

// asking answers one of the two queries, with the reason.
type asking func(*registry, *query) (yes bool, why string, err error)

func (b *Bridge) query(w http.ResponseWriter, r *http.Request, set func(*queryAnswer, *bool), ask asking) error {
	w.Header().Set("Cache-Control", "no-store")
	if id := r.Header.Get("X-Request-ID"); id != "" && len(id) <= 64 && !strings.ContainsFunc(id, unprintable) {
		w.Header().Set("X-Request-ID", id)
	}
	a, err := b.answer(w, r, set, ask)
	var f *client.Failure
	if errors.As(err, &f) && f.Status() < http.StatusInternalServerError {
		return replyAs(w, f.Status(), "application/problem+json", problem{"about:blank", http.StatusText(f.Status()), f.Status(), f.Message})
	}
	if err != nil {
		return err
	}
	return reply(w, a)
}

func unprintable(c rune) bool { return c < ' ' || c > '~' }

func (b *Bridge) answer(w http.ResponseWriter, r *http.Request, set func(*queryAnswer, *bool), ask asking) (*queryAnswer, error) {
	if t := r.Header.Get("Content-Type"); t != "" && !strings.HasPrefix(t, "application/json") {
		return nil, client.Fail(client.WrongContentType, "a query is application/json")
	}
	raw, err := body(w, r, maxQuery)
	if err != nil {
		return nil, err
	}
	q, err := readQuery(raw)
	if err != nil {
		return nil, client.Fail(client.BadRequest, "%v", err)
	}
	now := b.now()
	a := &queryAnswer{EntityID: q.EntityID, AuthorityID: q.AuthorityID, Action: q.Action, Resource: q.Resource, TimeEvaluated: stamp(now), Context: q.Context}
	if q.at != 0 {
		a.TimeRequested = stamp(q.at)
	} else {
		q.at = now
	}
	yes, why, err := b.judgeQuery(q, ask)
	if err != nil {
		return nil, err
	}
	set(a, &yes)
	a.Message = why
	return a, nil
}

// judgeQuery answers from what is ordered and, for a yes, from what is final too (B2).
func (b *Bridge) judgeQuery(q *query, ask asking) (bool, string, error) {
	view := b.source.View()
	defer release(view)
	final := b.source.FinalSize()
	reg, err := newRegistry(view.State(), q)
	if err != nil {
		return false, "", err
	}
	yes, why, err := ask(reg, q)
	if err != nil || !yes || final >= view.Head().Size {
		return yes, why, err
	}
	certain, done, ok := b.source.FinalView()
	if !ok {
		return false, "What speaks for it may not be final yet: ask again in a moment.", nil
	}
	defer done()
	if reg, err = newRegistry(certain.State(), q); err != nil {
		return false, "", err
	}
	if was, _, err := ask(reg, q); err != nil || !was {
		return false, "What speaks for it is ordered and not final yet: ask again in a moment.", err
	}
	return yes, why, nil
}

// newRegistry reads what a query is about.
func newRegistry(v state.View, q *query) (*registry, error) {
	authority, ok := named(q.AuthorityID)
	j, err := newJudge(v, authority)
	if err != nil {
		return nil, err
	}
	if _, known := j.authorities[authority]; !ok || !known {
		return nil, client.Fail(client.NotFound, "authority_id %q names no authority of this network: want a region like XB, urn:concordat:XB, or its did:web in the list", clip(q.AuthorityID))
	}
	return &registry{judge: j, state: v, authority: authority, at: q.at, kinds: kindsOf(q.Resource)}, nil
}

// named gives the authority that an identifier names, be it in the network or
// not. Its region's id alone does that, in whatever form. What an authority says
// of itself does not: it would say another's URL, and be answered for in its name.
func named(id string) (statement.Region, bool) {
	id = strings.TrimPrefix(id, "urn:concordat:")
	if did, is := strings.CutPrefix(id, "did:web:"); is {
		// did:web:host:v2:trustlist:DCC:XXB[:DSC], of whichever node
		_, path, _ := strings.Cut(did, ":v2:trustlist:")
		parts := strings.Split(path, ":")
		if len(parts) < 2 {
			return "", false
		}
		id = parts[1]
	}
	region, err := statement.ParseRegion(id)
	return region, err == nil
}

// anyCode is the resource that stands for a code of whatever kind.
const anyCode = "code"

// kindsOf reads a resource: a kind of code, alone or at the end of a name like
// urn:concordat:code:vaccination. None: it is no resource that is known.
func kindsOf(resource string) []statement.CodeKind {
	last := resource[strings.LastIndexAny(resource, ":/#")+1:]
	kind := statement.CodeKind(strings.ToLower(last))
	switch {
	case kind == anyCode:
		return statement.CodeKinds
	case slices.Contains(statement.CodeKinds, kind):
		return []statement.CodeKind{kind}
	}
	return nil
}

// understood says why a query cannot be answered yes, whatever the state.
func (g *registry) understood(q *query, actions ...string) (string, bool) {
	if !slices.Contains(actions, q.Action) {
		return fmt.Sprintf("The action is not one of %s.", strings.Join(actions, ", ")), false
	}
	if g.kinds == nil {
		return fmt.Sprintf("The resource is no kind of code: want one of %v, or %s for any.", statement.CodeKinds, anyCode), false
	}
	if a := g.authorities[g.authority]; !a.Present() {
		return fmt.Sprintf("%s was expelled from the network: what it says counts no more.", g.authority), false
	}
	return "", true
}

func (g *registry) authorizes(q *query) (bool, string, error) {
	if why, ok := g.understood(q, "issue"); !ok {
		return false, why, nil
	}
	if region, err := statement.ParseRegion(q.EntityID); err == nil && region == g.authority {
		return true, fmt.Sprintf("%s issues its own codes, with the keys that it has registered.", region), nil
	}
	keys, err := g.namedBy(q.EntityID)
	if err != nil {
		return false, "", err
	}
	why := fmt.Sprintf("%s has registered no such key or issuer.", g.authority)
	for i := range keys {
		yes, said, err := g.mayIssue(&keys[i])
		if err != nil || yes {
			return yes, said, err
		}
		why = said
	}
	return false, why, nil
}

// namedBy are the authority's keys that an entity is or has, in the order of
// their registration: by the issuer's URL, or by thumbprint or key id, which are
// the fragment of a DID.
func (g *registry) namedBy(entity string) ([]state.IssuerKey, error) {
	var found []state.IssuerKey
	if strings.HasPrefix(entity, "https://") || strings.HasPrefix(entity, "http://") {
		all, err := g.state.IssuerKeys(state.KeyFilter{Region: g.authority})
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(all, func(k state.IssuerKey) bool { return k.Issuer != entity })
	} else {
		id := entity
		if strings.HasPrefix(entity, "did:") {
			_, id, _ = strings.Cut(entity, "#")
		}
		if b, err := hex.DecodeString(id); err == nil && len(b) == len(statement.Thumbprint{}) {
			k, known, err := g.state.IssuerKey(g.authority, statement.Thumbprint(b))
			if err != nil {
				return nil, err
			}
			if known {
				found = append(found, k)
			}
		}
		plain := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(id), "=")
		if kid, err := base64.RawStdEncoding.DecodeString(plain); err == nil && len(kid) > 0 {
			withKID, err := g.state.IssuerKeys(state.KeyFilter{Region: g.authority, KeyID: kid})
			if err != nil {
				return nil, err
			}
			found = append(found, withKID...)
		}
	}
	slices.SortFunc(found, func(a, b state.IssuerKey) int { return cmp.Compare(a.RegisteredAt, b.RegisteredAt) })
	return found, nil
}

// mayIssue reports whether codes that are issued with a key at the time are good on its account.
func (g *registry) mayIssue(k *state.IssuerKey) (bool, string, error) {
	p, at := parseKey(k), g.at
	until := k.ValidUntil
	if until == 0 {
		until = p.notAfter
	}
	same, err := g.state.IssuerKeysByPublicKey(k.PublicKey)
	if err != nil {
		return false, "", err
	}
	no := func(format string, a ...any) (bool, string, error) {
		return false, fmt.Sprintf("Key %s of %s ", k.Thumbprint, k.Region) + fmt.Sprintf(format, a...) + ".", nil
	}
	switch {
	case p.key == nil:
		return no("cannot be read by this program")
	case !slices.ContainsFunc(g.kinds, func(kind statement.CodeKind) bool { return covers(k.Kinds, kind) }):
		return no("is registered for %v only", k.Kinds)
	case at < k.ValidFrom:
		return no("issues from %s on", k.ValidFrom)
	case until != 0 && at > until:
		return no("issued until %s", until)
	case k.RetiredAt != 0 && at > k.RetiredAt:
		return no("is retired as of %s", k.RetiredAt)
	}
	for _, o := range same {
		if o.Region == k.Region && o.Status == state.Compromised && (!o.SpareEarlier || at >= o.Since) {
			return no("is compromised since %s, by statement %d", o.Since, o.ChangedAt)
		}
	}
	return true, fmt.Sprintf("%s has registered key %s in statement %d.", k.Region, k.Thumbprint, k.RegisteredAt), nil
}

func (g *registry) recognises(q *query) (bool, string, error) {
	if why, ok := g.understood(q, "recognize", "recognizes", "issue"); !ok {
		return false, why, nil
	}
	of, ok := named(q.EntityID)
	a, known := g.authorities[of]
	if !ok || !known {
		return false, "entity_id names no authority of this network: want a region like XB, urn:concordat:XB, or its did:web in the list.", nil
	}
	if !a.Present() {
		return false, fmt.Sprintf("%s was expelled from the network, and its codes are recognised nowhere.", of), nil
	}
	if of == g.authority {
		return true, fmt.Sprintf("%s's codes are its own.", of), nil
	}
	r, known := g.recognised[of]
	if known {
		r, known = r.Until(g.at)
	}
	if !known {
		return false, fmt.Sprintf("%s had said nothing of the codes of %s by then.", g.authority, of), nil
	}
	if !slices.ContainsFunc(g.kinds, func(kind statement.CodeKind) bool { return r.InForce(kind, g.at) }) {
		return false, fmt.Sprintf("By statement %d, %s does not recognise such codes of %s at that time.", r.ChangedAt, g.authority, of), nil
	}
	return true, fmt.Sprintf("%s recognises such codes of %s by statement %d.", g.authority, of, r.ChangedAt), nil
}
