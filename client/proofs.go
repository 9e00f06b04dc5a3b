package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// MaxBundle bounds a bundle that is read from a node, in bytes.
const MaxBundle = 2 << 30

// Receipt reads the proof of one statement, by its index or hash: a C2SP
// tlog-proof or, as cose, the statement with an RFC 9942 receipt. What it proves
// is for package ledger/receipt to verify, with the network's genesis.
func (c *Client) Receipt(ctx context.Context, ref string, cose bool) ([]byte, error) {
	r := request{method: http.MethodGet, path: "/v1/statements/" + url.PathEscape(ref) + "/receipt", accept: "text/plain"}
	if cose {
		r.accept = "application/cose"
	}
	body, _, err := c.do(ctx, r)
	return body, err
}

// Evidence lists who is proved to have signed two histories. The proofs are for
// package ledger/evidence to verify.
func (c *Client) Evidence(ctx context.Context) (EvidenceList, error) {
	var a EvidenceList
	err := c.getJSON(ctx, "/v1/evidence", nil, &a)
	return a, err
}

// Bundle copies the newest certified bundle to w, or what changed in it since
// the one of a size that the caller has (0: all of it). progress, if not nil, is
// told of the bytes so far. What it says is for package ledger/bundle to verify.
func (c *Client) Bundle(ctx context.Context, since uint64, w io.Writer, progress func(bytes int64)) error {
	path := "/v1/bundle"
	if since > 0 {
		path += "?since=" + strconv.FormatUint(since, 10)
	}
	var failures []error
	for _, node := range c.nodes {
		begun, err := c.copyFrom(ctx, node, path, w, progress)
		var f *Failure
		if err == nil || begun || !errors.As(err, &f) || !f.Retriable() && f.Name != NotFound || ctx.Err() != nil {
			return err
		}
		failures = append(failures, err)
	}
	return failures[0]
}

// copyFrom copies one node's answer, and says whether any of it was written.
func (c *Client) copyFrom(ctx context.Context, node, path string, w io.Writer, progress func(int64)) (begun bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, node+path, nil)
	if err != nil {
		return false, fmt.Errorf("request to %s: %w", node, err)
	}
	long := &http.Client{Transport: c.http.Transport} // a bundle may take longer than any answer: ctx ends it
	resp, err := long.Do(req)
	if err != nil {
		return false, Fail(Unreachable, "%s: %v", node, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxEvent))
		if err != nil {
			return false, Fail(Unreachable, "%s: %v", node, err)
		}
		return false, failureOf(node, resp.StatusCode, body)
	}
	n, err := io.Copy(&counted{w, 0, progress}, io.LimitReader(resp.Body, MaxBundle+1))
	switch {
	case n > MaxBundle:
		return true, Fail(NotUnderstood, "%s answered more than %d bytes", node, int64(MaxBundle))
	case err != nil:
		return n > 0, Fail(Unreachable, "%s stopped in the middle of its answer, after %d bytes: %v", node, n, err)
	}
	return true, nil
}

// counted tells of what passes through it.
type counted struct {
	io.Writer
	n    int64
	tell func(int64)
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.n += int64(n)
	if c.tell != nil {
		c.tell(c.n)
	}
	return n, err
}
