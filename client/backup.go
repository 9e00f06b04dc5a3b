package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Backup copies a backup of the first node's ledger to w (package
// ledger/backup), for its operator, whose token it is. progress, if not nil, is
// told of the bytes so far. What was copied is for that package to verify: a
// node that stops in the middle leaves it cut short.
func (c *Client) Backup(ctx context.Context, token string, w io.Writer, progress func(bytes int64)) error {
	node := c.nodes[0] // one only: the token is no other's
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, node+"/v1/operator/backup", nil)
	if err != nil {
		return fmt.Errorf("request to %s: %w", node, err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	long := &http.Client{Transport: c.http.Transport} // it may take longer than any answer: ctx ends it
	resp, err := long.Do(req)
	if err != nil {
		return Fail(Unreachable, "%s: %v", node, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxEvent))
		if err != nil {
			return Fail(Unreachable, "%s: %v", node, err)
		}
		return failureOf(node, resp.StatusCode, body)
	}
	n, err := io.Copy(&counted{w, 0, progress}, resp.Body)
	if err != nil {
		return Fail(Unreachable, "%s stopped in the middle of its answer, after %d bytes: %v", node, n, err)
	}
	return nil
}
