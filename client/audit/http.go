package audit

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
)

const (
	// attempts and firstPause say how often a request is made that fails for the
	// time being, and the pause after the first; each later one is twice as long.
	attempts   = 4
	firstPause = 200 * time.Millisecond
	// requestTimeout bounds one request, its answer included.
	requestTimeout = 30 * time.Second
	// idleConnections are kept to a node between requests.
	idleConnections = 2 * DefaultWorkers
	// maxBundle bounds an entry bundle, in bytes.
	maxBundle = merkle.TileWidth * (2 + statement.MaxSize)
)

// node is a Source over HTTP.
type node struct {
	base   string
	client *http.Client
}

// HTTP gives the log of the node whose API is at base, like
// "https://node.example:8080". A nil client takes one with a timeout.
func HTTP(base string, client *http.Client) (Source, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not the URL of a node, like http://127.0.0.1:8080", base)
	}
	if client == nil {
		client = &http.Client{Timeout: requestTimeout}
		// The default keeps two idle connections to a host, and would make a new
		// one for most requests.
		if t, is := http.DefaultTransport.(*http.Transport); is {
			t = t.Clone()
			t.MaxIdleConnsPerHost = idleConnections
			client.Transport = t
		}
	}
	return &node{base: strings.TrimRight(base, "/") + "/", client: client}, nil
}

// Checkpoint implements Source.
func (n *node) Checkpoint(ctx context.Context) ([]byte, error) {
	return n.get(ctx, "checkpoint", checkpoint.MaxNote)
}

// Tile implements Source.
func (n *node) Tile(ctx context.Context, t merkle.Tile, width int) ([]byte, error) {
	return n.partial(ctx, t.Path, width, merkle.TileWidth*merkle.HashSize)
}

// Entries implements Source.
func (n *node) Entries(ctx context.Context, index uint64, width int) ([]byte, error) {
	return n.partial(ctx, func(w int) string { return merkle.EntriesPath(index, w) }, width, maxBundle)
}

// Attachment implements Source, by a path that is not of the C2SP:
// attachment/ and 64 hex digits.
func (n *node) Attachment(ctx context.Context, digest [32]byte) ([]byte, error) {
	return n.get(ctx, "attachment/"+hex.EncodeToString(digest[:]), statement.MaxAttachment)
}

// Steps implements Guide, by the receipt of the last statement that is certified.
// A log that hands out no receipts shows none.
func (n *node) Steps(ctx context.Context) ([]receipt.Step, error) {
	note, err := fetchNote(ctx, n)
	if err != nil || note.Checkpoint.Size == 0 {
		return nil, err
	}
	raw, err := n.get(ctx, fmt.Sprintf("v1/statements/%d/receipt", note.Checkpoint.Size-1), receipt.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := receipt.ParseTLogProof(raw)
	if err != nil {
		return nil, &Tampering{What: fmt.Errorf("the receipt of statement %d: %w", note.Checkpoint.Size-1, err)}
	}
	return r.Steps, nil
}

// partial asks for a tile at a width and, where a log has dropped its partial
// tiles since, for the full one (C2SP tlog-tiles).
func (n *node) partial(ctx context.Context, path func(width int) string, width, most int) ([]byte, error) {
	data, err := n.get(ctx, path(width), most)
	if errors.Is(err, fs.ErrNotExist) && width != merkle.TileWidth {
		if full, again := n.get(ctx, path(merkle.TileWidth), most); again == nil {
			return full, nil
		}
	}
	return data, err
}

// get fetches a path. Errors are fs.ErrNotExist where the node says that it has
// no such thing.
func (n *node) get(ctx context.Context, path string, most int) ([]byte, error) {
	pause := firstPause
	for try := 1; ; try++ {
		data, again, err := n.once(ctx, path, most)
		if err == nil {
			return data, nil
		}
		err = fmt.Errorf("%s%s: %w", n.base, path, err)
		if !again || try == attempts {
			return nil, err
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil, err
		case <-t.C:
		}
		pause *= 2
	}
}

// once makes one request, and says whether another may succeed.
func (n *node) once(ctx context.Context, path string, most int) (data []byte, again bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.base+path, nil)
	if err != nil {
		return nil, false, err
	}
	resp, err := n.client.Do(r)
	if err != nil {
		return nil, ctx.Err() == nil, err
	}
	// The client undoes gzip, and the bound is on what comes out of it.
	data, err = io.ReadAll(io.LimitReader(resp.Body, int64(most)+1))
	err = errors.Join(err, resp.Body.Close())
	switch status := resp.StatusCode; {
	case status == http.StatusNotFound || status == http.StatusGone:
		return nil, false, fmt.Errorf("%s: %w", resp.Status, fs.ErrNotExist)
	case status == http.StatusTooManyRequests || status >= 500:
		return nil, true, errors.New(resp.Status)
	case status != http.StatusOK:
		return nil, false, errors.New(resp.Status)
	case err != nil:
		return nil, ctx.Err() == nil, err
	case len(data) > most:
		return nil, false, fmt.Errorf("the answer has more than %d bytes", most)
	}
	return data, false, nil
}
