package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Check asks for a decision. Pictures are sent as they are, and read by the node.
func (c *Client) Check(ctx context.Context, q Check) (CheckAnswer, error) {
	var a CheckAnswer
	b, err := json.Marshal(q)
	if err != nil {
		return a, fmt.Errorf("encoding the request: %w", err)
	}
	r := request{method: http.MethodPost, path: "/v1/check", contentType: "application/json", body: b, language: q.Language}
	if len(q.Pictures) > 0 {
		parts := []formPart{{"check", "application/json", b}}
		for _, p := range q.Pictures {
			parts = append(parts, formPart{"picture", http.DetectContentType(p), p})
		}
		if r.body, r.contentType, err = formOf(parts); err != nil {
			return a, err
		}
	}
	body, _, err := c.do(ctx, r)
	if err != nil {
		return a, err
	}
	err = decodeAnswer("/v1/check", body, &a)
	return a, err
}
