package witness

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
)

const (
	// DefaultEvery, DefaultRefresh and DefaultTimeout are what FeedConfig takes for zero.
	DefaultEvery   = 5 * time.Second
	DefaultRefresh = time.Minute
	DefaultTimeout = 10 * time.Second

	// longestPause bounds the pause after failures.
	longestPause = 5 * time.Minute
	// maxFedLines bounds the log's own signatures that a request carries: any
	// reader of notes takes sixteen (C2SP signed-note), and witnesses bound
	// requests to as little as 10 KiB.
	maxFedLines = 16
	// maxReadLines is how many signatures golang.org/x/mod/sumdb/note reads.
	maxReadLines = 100
	// maxAnswer bounds a witness's answer, in bytes.
	maxAnswer = 16 << 10
	// maxConflicts is how often one attempt follows the size that a witness names.
	maxConflicts = 3
)

// ErrInconsistent: a witness says that our checkpoint does not continue the
// history that it co-signed of us. Either it is wrong, or two histories exist.
var ErrInconsistent = errors.New("the witness has co-signed another history")

// Outside is a witness outside of the network.
type Outside struct {
	VKey string // its verifier key, type 0x04
	URL  string // of its API; "/add-checkpoint" is appended
}

// FeedConfig says what is shown to whom.
type FeedConfig struct {
	Witnesses []Outside
	// LogKey is this validator's node key: its signature of the checkpoint is sent first.
	LogKey ed25519.PublicKey
	// Newest gives the newest certified checkpoint; nil before the first.
	Newest func() *checkpoint.Certified
	// Changed gives a channel that is closed when Newest next changes.
	Changed func() <-chan struct{}
	// Proof proves the tree of old statements to begin that of size.
	Proof func(old, size uint64) ([]merkle.Hash, error)
	// Every is the least time between two requests to one witness.
	Every time.Duration
	// Refresh is after how long an unchanged checkpoint is shown again, for a newer time.
	Refresh time.Duration
	// Timeout bounds one request.
	Timeout time.Duration
	// Client makes the requests. Default: one of its own.
	Client *http.Client
	// Logger gets what witnesses refuse. Default: slog.Default.
	Logger *slog.Logger
}

// Feeder shows the newest certified checkpoint to outside witnesses and keeps
// their co-signatures. It has one goroutine for each witness; a slow one delays
// nobody.
type Feeder struct {
	FeedConfig
	cancel context.CancelFunc
	wait   sync.WaitGroup
	fed    []*fed
}

// fed is one witness. Its goroutine alone uses what stands above the lock.
type fed struct {
	verifier *checkpoint.CosignatureVerifier
	url      string
	size     uint64 // what it co-signed last for us: its own line says so

	mu     sync.Mutex
	of     *checkpoint.Certified // what it co-signed; nil: nothing yet
	line   string
	status FedStatus
}

// FedStatus is how feeding one witness goes.
type FedStatus struct {
	Name  string
	URL   string
	Size  uint64    // of the newest checkpoint that it co-signed for us
	At    time.Time // when, by its clock; zero: never
	Err   error     // why the last attempt failed; nil: it did not. It may be ErrInconsistent
	Since time.Time // of the first failure since the last success
}

// Feed starts showing checkpoints. Close ends it.
func Feed(c FeedConfig) (*Feeder, error) {
	if c.Every == 0 {
		c.Every = DefaultEvery
	}
	if c.Refresh == 0 {
		c.Refresh = DefaultRefresh
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Client == nil {
		c.Client = &http.Client{}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	f := &Feeder{FeedConfig: c}
	names := map[string]bool{}
	for _, o := range c.Witnesses {
		v, err := checkpoint.NewCosignatureVerifier(o.VKey)
		if err != nil {
			return nil, fmt.Errorf("witness %q: %w", o.VKey, err)
		}
		if u, err := url.Parse(o.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("witness %s: %q is not the URL of an HTTP service", v.Name(), o.URL)
		}
		if names[v.Name()] {
			return nil, fmt.Errorf("witness %s is named twice", v.Name())
		}
		names[v.Name()] = true
		f.fed = append(f.fed, &fed{
			verifier: v, url: strings.TrimSuffix(o.URL, "/") + "/add-checkpoint",
			status: FedStatus{Name: v.Name(), URL: o.URL},
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	for _, w := range f.fed {
		f.wait.Go(func() { f.run(ctx, w) })
	}
	return f, nil
}

// Close ends the feeding and waits for what is under way.
func (f *Feeder) Close() error {
	f.cancel()
	f.wait.Wait()
	return nil
}

// Lines gives the witnesses' lines over exactly this checkpoint, in the order
// in which the witnesses were configured. While statements come quickly, the
// newest certified checkpoint has none yet; see Witnessed.
func (f *Feeder) Lines(c checkpoint.Checkpoint) []string {
	var lines []string
	for _, w := range f.fed {
		w.mu.Lock()
		if w.of != nil && w.of.Checkpoint() == c {
			lines = append(lines, w.line)
		}
		w.mu.Unlock()
	}
	return lines
}

// Note gives a certified checkpoint's note with the witnesses' lines over it
// after the validators': what a node serves as its checkpoint.
func (f *Feeder) Note(c *checkpoint.Certified) []byte {
	note := c.Note()
	_, have, err := checkpoint.SplitNote(note)
	if err != nil {
		return note // Certify made it
	}
	lines := f.Lines(c.Checkpoint())
	return append(note, strings.Join(lines[:min(len(lines), max(maxReadLines-len(have), 0))], "")...)
}

// Witnessed gives the largest checkpoint that a witness has co-signed, certified,
// with all witnesses' lines over it; nil before the first.
func (f *Feeder) Witnessed() (of *checkpoint.Certified, lines []string) {
	for _, w := range f.fed {
		w.mu.Lock()
		if checkpoint.Newer(w.of, of) {
			of = w.of
		}
		w.mu.Unlock()
	}
	if of == nil {
		return nil, nil
	}
	return of, f.Lines(of.Checkpoint())
}

// Status tells how feeding each witness goes.
func (f *Feeder) Status() []FedStatus {
	out := make([]FedStatus, len(f.fed))
	for i, w := range f.fed {
		w.mu.Lock()
		out[i] = w.status
		w.mu.Unlock()
	}
	return out
}

// run shows one witness what changes.
func (f *Feeder) run(ctx context.Context, w *fed) {
	var shown checkpoint.Checkpoint
	var last time.Time // of the last success
	pause := f.Every
	for {
		changed := f.Changed() // before Newest, so that nothing is missed
		c := f.Newest()
		if c == nil || c.Checkpoint() == shown && time.Since(last) < f.Refresh {
			wait := f.Refresh
			if c != nil {
				wait -= time.Since(last)
			}
			if !sleep(ctx, wait, changed) {
				return
			}
			continue
		}
		err := f.show(ctx, w, c)
		if ctx.Err() != nil {
			return
		}
		w.note(err)
		if err == nil {
			shown, last, pause = c.Checkpoint(), time.Now(), f.Every
		} else {
			f.Logger.Warn("an outside witness did not co-sign", "witness", w.verifier.Name(), "size", c.Checkpoint().Size, "err", err)
			pause = min(2*pause, max(longestPause, f.Every))
		}
		// A part of the pause is chance, so that the validators do not all ask at once.
		if !sleep(ctx, pause-rand.N(pause/4+1), nil) {
			return
		}
	}
}

// note keeps how an attempt went.
func (w *fed) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.status.Since = time.Time{}
	} else if w.status.Err == nil {
		w.status.Since = time.Now()
	}
	w.status.Err = err
}

// sleep waits until the time has passed or early is closed; it is false when ctx ends.
func sleep(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-early:
	case <-t.C:
	}
	return true
}

// show has one witness co-sign a checkpoint. It follows the sizes that the
// witness names: another validator may have shown it a newer one meanwhile. A
// size that is only named, and not signed, is believed for this attempt alone:
// the next begins again from what the witness has signed.
func (f *Feeder) show(ctx context.Context, w *fed, c *checkpoint.Certified) error {
	cp := c.Checkpoint()
	body := []byte(cp.Text() + "\n" + strings.Join(f.logLines(c), ""))
	old := min(w.size, cp.Size)
	for range maxConflicts {
		proof, err := f.Proof(old, cp.Size)
		if err != nil {
			return fmt.Errorf("proving that size %d continues size %d: %w", cp.Size, old, err)
		}
		answer, status, err := f.post(ctx, w.url, encodeRequest(old, proof, body))
		if err != nil {
			return err
		}
		switch status {
		case http.StatusOK:
			return w.keep(c, answer)
		case http.StatusConflict:
			size, err := strconv.ParseUint(strings.TrimSuffix(string(answer), "\n"), 10, 64)
			if err != nil || size == old {
				return fmt.Errorf("%w: it answered 409 to size %d and names no other: %.80q", ErrInconsistent, old, answer)
			}
			if size > cp.Size {
				return fmt.Errorf("it says that it has co-signed size %d, which this node has not certified yet; the newest here is %d", size, cp.Size)
			}
			old = size
		case http.StatusUnprocessableEntity:
			return fmt.Errorf("%w, at size %d: %.200q", ErrInconsistent, old, answer)
		case http.StatusForbidden:
			return fmt.Errorf("it knows none of the keys that signed: give it this log's verifier keys; it says %.200q", answer)
		case http.StatusNotFound:
			return fmt.Errorf("it does not witness this log: it is to be told of %q first; it says %.200q", cp.Origin, answer)
		default:
			return fmt.Errorf("it answered with status %d: %.200q", status, answer)
		}
	}
	return fmt.Errorf("it named another size %d times, the last is %d; somebody else feeds it faster", maxConflicts, old)
}

// logLines gives the log's own signatures in the certified note, this
// validator's first.
func (f *Feeder) logLines(c *checkpoint.Certified) []string {
	cp := c.Checkpoint()
	self := checkpoint.Validators{{ID: "self", Node: f.LogKey}}
	var lines []string
	_, all, err := checkpoint.SplitNote(c.Note())
	if err != nil {
		return nil // it is certified, so it has lines
	}
	for _, line := range all {
		if !strings.HasPrefix(line, "— "+cp.Origin+" ") {
			continue // a co-signer's
		}
		if _, err := self.VerifyLog(cp, line); err == nil {
			lines = append([]string{line}, lines...)
		} else {
			lines = append(lines, line)
		}
	}
	return lines[:min(len(lines), maxFedLines)]
}

func (f *Feeder) post(ctx context.Context, to string, body []byte) (answer []byte, status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	resp, err := f.Client.Do(r)
	if err != nil {
		return nil, 0, err
	}
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, 0, err
	}
	if len(answer) > maxAnswer {
		return nil, 0, fmt.Errorf("its answer has more than %d bytes", maxAnswer)
	}
	return answer, resp.StatusCode, nil
}

// keep keeps the witness's line, if its key has signed it over this checkpoint.
func (w *fed) keep(c *checkpoint.Certified, answer []byte) error {
	cp := c.Checkpoint()
	for line := range strings.Lines(string(answer)) {
		at, err := w.verifier.VerifyLine(cp.Text(), line)
		if errors.Is(err, checkpoint.ErrUnknownSigner) {
			continue // it may sign with further keys
		}
		if err != nil {
			return fmt.Errorf("its co-signature: %w", err)
		}
		w.size = cp.Size
		w.mu.Lock()
		defer w.mu.Unlock()
		w.of, w.line = c, line
		w.status.Size, w.status.At = cp.Size, at
		return nil
	}
	return fmt.Errorf("it answered without a co-signature by %s: %w", w.verifier.Name(), checkpoint.ErrUnknownSigner)
}
