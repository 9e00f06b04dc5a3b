package client

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxEvent bounds one server-sent event, in bytes: a statement with its raw bytes in base64 and its words.
const maxEvent = 1 << 20

// Events calls fn for every statement of the first node after the given index
// (nil: from the first), then for each new one as it is ordered, and for each
// once more as it becomes final, until ctx ends, fn fails or the node stops. To
// go on after a fault, call it again with the last index seen as ordered: none
// is left out and none comes twice, but those that became final meanwhile.
func (c *Client) Events(ctx context.Context, after *uint64, fn func(Event) error) error {
	path := "/v1/events"
	if after != nil {
		path += fmt.Sprintf("?after=%d", *after)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.nodes[0]+path, nil)
	if err != nil {
		return fmt.Errorf("request to %s: %w", c.nodes[0], err)
	}
	req.Header.Set("Accept", "text/event-stream")
	stream := &http.Client{Transport: c.http.Transport} // no overall timeout: the stream has no end
	resp, err := stream.Do(req)
	if err != nil {
		return Fail(Unreachable, "%s: %v", c.nodes[0], err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxEvent))
		if err != nil {
			return Fail(Unreachable, "%s: %v", c.nodes[0], err)
		}
		return failureOf(c.nodes[0], resp.StatusCode, body)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e Event
		if err := decodeAnswer("event", []byte(data), &e); err != nil {
			return err
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil && ctx.Err() == nil {
		return Fail(Unreachable, "%s: %v", c.nodes[0], err)
	}
	return context.Cause(ctx)
}
