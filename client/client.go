package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 20

// Client talks to one network through one or several of its nodes. It is safe
// for use by several goroutines.
type Client struct {
	nodes []string
	http  *http.Client
}

// Option changes how a Client talks.
type Option func(*Client)

// WithHTTP makes the client use h, for its transport and timeouts.
func WithHTTP(h *http.Client) Option { return func(c *Client) { c.http = h } }

// New makes a client of the nodes at the given base URLs, asked in this order.
func New(nodes []string, opts ...Option) (*Client, error) {
	if len(nodes) == 0 {
		return nil, errors.New("no node given")
	}
	c := &Client{http: &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConnsPerHost:   512,
		ResponseHeaderTimeout: 2 * time.Minute,
	}}}
	for _, n := range nodes {
		u, err := url.Parse(n)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("node %q is not a URL like http://127.0.0.1:8460", n)
		}
		c.nodes = append(c.nodes, strings.TrimSuffix(n, "/"))
	}
	for _, o := range opts {
		o(c)
	}
	return c, nil
}

// Nodes are the base URLs asked, in order.
func (c *Client) Nodes() []string { return c.nodes }

// request is one call of the API, which may be sent to several nodes.
type request struct {
	method, path string
	contentType  string
	accept       string
	body         []byte
	token        string // of the node's operator; "" for what anybody may ask
	language     string // as in Accept-Language
}

// do asks one node after the other until one answers; a node that cannot be
// reached, or that says to try elsewhere or later, is passed over.
func (c *Client) do(ctx context.Context, r request) ([]byte, http.Header, error) {
	var failures []error
	for _, node := range c.nodes {
		body, header, err := c.ask(ctx, node, r)
		var f *Failure
		if err == nil || !errors.As(err, &f) || !f.Retriable() || ctx.Err() != nil {
			return body, header, err
		}
		failures = append(failures, err)
	}
	return nil, nil, failures[0]
}

func (c *Client) ask(ctx context.Context, node string, r request) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, node+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, nil, fmt.Errorf("request to %s: %w", node, err)
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	if r.language != "" {
		req.Header.Set("Accept-Language", r.language)
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, Fail(Unreachable, "%s: %v", node, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, nil, Fail(Unreachable, "%s stopped in the middle of its answer: %v", node, err)
	}
	if len(body) > maxAnswer {
		return nil, nil, Fail(NotUnderstood, "%s answered more than %d bytes", node, maxAnswer)
	}
	if resp.StatusCode/100 != 2 {
		return nil, nil, failureOf(node, resp.StatusCode, body)
	}
	return body, resp.Header, nil
}

func failureOf(node string, status int, body []byte) error {
	var e struct {
		Error *Failure `json:"error"`
	}
	if err := json.Unmarshal(body, &e); err != nil || e.Error == nil || name("error", e.Error.Name) != nil {
		return Fail(NotUnderstood, "%s answered status %d without a reason", node, status)
	}
	e.Error.status = status
	return e.Error
}

func (c *Client) getJSON(ctx context.Context, path string, q url.Values, into answer) error {
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	body, _, err := c.do(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return err
	}
	return decodeAnswer(path, body, into)
}

// decodeAnswer reads an answer, and refuses one that no node may give.
func decodeAnswer(path string, body []byte, into answer) error {
	if err := json.Unmarshal(body, into); err != nil {
		return Fail(NotUnderstood, "%s: %v", path, err)
	}
	if err := into.sound(); err != nil {
		return Fail(NotUnderstood, "%s: %v", path, err)
	}
	return nil
}

// Submit sends a signed statement, with its attachment where its kind has one,
// and waits until it is in the state that wait names. Sending the same bytes
// again is safe: the answer is the index of the first. An answer about another
// statement is ErrTampered.
func (c *Client) Submit(ctx context.Context, raw, attachment []byte, wait string) (Submitted, error) {
	var a Submitted
	r := request{method: http.MethodPost, path: "/v1/statements?wait=" + url.QueryEscape(wait), contentType: "application/cose", body: raw}
	if len(attachment) > 0 {
		var err error
		if r.body, r.contentType, err = multipartBody(raw, attachment); err != nil {
			return a, err
		}
	}
	body, _, err := c.do(ctx, r)
	if err != nil {
		return a, err
	}
	if err := decodeAnswer("/v1/statements", body, &a); err != nil {
		return a, err
	}
	if sent := hex.EncodeToString(hashBytes(raw)); a.Hash != sent {
		return a, fmt.Errorf("%w: statement %s was sent, and the answer is about statement %s", ErrTampered, sent, a.Hash)
	}
	return a, nil
}

func hashBytes(raw []byte) []byte {
	sum := sha256.Sum256(raw)
	return sum[:]
}

func multipartBody(raw, attachment []byte) (body []byte, contentType string, err error) {
	return formOf([]formPart{{"statement", "application/cose", raw}, {"attachment", "application/octet-stream", attachment}})
}

// formPart is one part of a multipart/form-data body.
type formPart struct {
	name, contentType string
	data              []byte
}

func formOf(parts []formPart) (body []byte, contentType string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", fmt.Sprintf("form-data; name=%q; filename=%q", p.name, p.name))
		h.Set("Content-Type", p.contentType)
		part, err := w.CreatePart(h)
		if err == nil {
			_, err = part.Write(p.data)
		}
		if err != nil {
			return nil, "", fmt.Errorf("encoding the request: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", fmt.Errorf("encoding the request: %w", err)
	}
	return b.Bytes(), w.FormDataContentType(), nil
}

// Filter chooses statements.
type Filter struct {
	After     *uint64 // read on after this index; nil: from the first
	Limit     int     // 0: the node's default
	Kind      string
	Authority string
}

// Statements reads a page of the ledger.
func (c *Client) Statements(ctx context.Context, f Filter) (Statements, error) {
	q := url.Values{}
	if f.After != nil {
		q.Set("after", strconv.FormatUint(*f.After, 10))
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	if f.Kind != "" {
		q.Set("kind", f.Kind)
	}
	if f.Authority != "" {
		q.Set("authority", f.Authority)
	}
	var a Statements
	if err := c.getJSON(ctx, "/v1/statements", q, &a); err != nil {
		return a, err
	}
	if err := a.follows(f); err != nil {
		return a, Fail(NotUnderstood, "/v1/statements: %v", err)
	}
	return a, nil
}

// Statement reads one statement by its index or hash. An answer that is
// another statement is ErrTampered; whether Raw is what it says is for the
// caller to check.
func (c *Client) Statement(ctx context.Context, ref string) (Statement, error) {
	var a Statement
	if err := c.getJSON(ctx, "/v1/statements/"+url.PathEscape(ref), nil, &a); err != nil {
		return a, err
	}
	return a, sameStatement(ref, &a)
}

// Raw reads one statement as it was signed.
func (c *Client) Raw(ctx context.Context, ref string) ([]byte, error) {
	body, _, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/statements/" + url.PathEscape(ref), accept: "application/cose"})
	return body, err
}

// Status reads the node at a glance.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var a Status
	err := c.getJSON(ctx, "/v1/status", nil, &a)
	return a, err
}

// Revision reads where a subject stands.
func (c *Client) Revision(ctx context.Context, subject string) (Revision, error) {
	var a Revision
	if err := c.getJSON(ctx, "/v1/revisions", url.Values{"subject": {subject}}, &a); err != nil {
		return a, err
	}
	if a.Subject != subject {
		return a, Fail(NotUnderstood, "/v1/revisions: asked about %q, answered about %.80q", subject, a.Subject)
	}
	return a, nil
}

// Authorities lists the network's authorities.
func (c *Client) Authorities(ctx context.Context) (Authorities, error) {
	var a Authorities
	err := c.getJSON(ctx, "/v1/authorities", nil, &a)
	return a, err
}

// Issuers lists issuers' keys; of one region, and with one kid, where they are not empty.
func (c *Client) Issuers(ctx context.Context, region, kid string) (Issuers, error) {
	q := url.Values{}
	if region != "" {
		q.Set("region", region)
	}
	if kid != "" {
		q.Set("kid", kid)
	}
	var a Issuers
	err := c.getJSON(ctx, "/v1/issuers", q, &a)
	return a, err
}

// Revocations reads what is said of a revocation hash (32 hex digits).
func (c *Client) Revocations(ctx context.Context, hash string) (Revocations, error) {
	var a Revocations
	if err := c.getJSON(ctx, "/v1/revocations/"+url.PathEscape(hash), nil, &a); err != nil {
		return a, err
	}
	if !strings.EqualFold(a.Hash, hash) {
		return a, Fail(NotUnderstood, "/v1/revocations: asked about hash %.80q, answered about %s", hash, a.Hash)
	}
	return a, nil
}

// RiskAreas lists what was declared; InForce is as of the given time, or of
// the node's now if it is zero.
func (c *Client) RiskAreas(ctx context.Context, at time.Time) (RiskAreas, error) {
	var a RiskAreas
	err := c.getJSON(ctx, "/v1/risk-areas", judgedAt(at), &a)
	return a, err
}

// judgedAt is the query for a time that windows are judged at.
func judgedAt(at time.Time) url.Values {
	if at.IsZero() {
		return nil
	}
	return url.Values{"at": {at.UTC().Format(time.RFC3339)}}
}

// Ready asks the first node whether it is ready to serve.
func (c *Client) Ready(ctx context.Context) error {
	_, _, err := c.ask(ctx, c.nodes[0], request{method: http.MethodGet, path: "/readyz"})
	return err
}
