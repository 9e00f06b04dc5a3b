package client

import (
	"context"
	"net/url"
	"time"
)

// Recognitions lists who recognises whom; InForce is as of the given time, or
// of the node's now if it is zero.
func (c *Client) Recognitions(ctx context.Context, at time.Time) (Recognitions, error) {
	return c.RecognitionsSaid(ctx, at, time.Time{})
}

// RecognitionsSaid is Recognitions by what the grantors had said until said, by
// their own clocks: what was thought then about at. A zero said is now.
func (c *Client) RecognitionsSaid(ctx context.Context, at, said time.Time) (Recognitions, error) {
	q := judgedAt(at)
	if !said.IsZero() {
		if q == nil {
			q = url.Values{}
		}
		q.Set("said", said.UTC().Format(time.RFC3339))
	}
	var a Recognitions
	err := c.getJSON(ctx, "/v1/recognitions", q, &a)
	return a, err
}

// Schemes lists everybody's schemes of levels.
func (c *Client) Schemes(ctx context.Context) (Schemes, error) {
	var a Schemes
	err := c.getJSON(ctx, "/v1/schemes", nil, &a)
	return a, err
}

// SpecialCases lists everybody's special cases; InForce is as of the given time,
// or of the node's now if it is zero.
func (c *Client) SpecialCases(ctx context.Context, at time.Time) (SpecialCases, error) {
	var a SpecialCases
	err := c.getJSON(ctx, "/v1/special-cases", judgedAt(at), &a)
	return a, err
}
