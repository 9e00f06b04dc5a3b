package witness

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// ErrBusy: Own.Saw has too much to do.
var ErrBusy = errors.New("too many checkpoints are shown to this node")

const (
	// maxLooked bounds the signatures that are verified of one request. Any reader
	// of notes takes as many (C2SP signed-note).
	maxLooked = 16
	// maxJudged bounds the requests that are judged at once.
	maxJudged = 4
	// patience is how long a request waits to be judged before it is told to come later.
	patience = time.Second
)

// Log is an outside log to be witnessed.
type Log struct {
	// Origin is the first line of its checkpoints.
	Origin string
	// VKeys are its verifier keys (C2SP signed-note, type 0x01). A signature by any of them will do.
	VKeys []string
}

// Own is what the node's own network vouches for. Its methods wait for nothing
// but the ledger.
type Own interface {
	// Saw is told of every checkpoint of the own network that anybody shows us,
	// before it is judged: a validator's signature on another history is evidence.
	// The error says in words that it is, or why the signatures are none of ours;
	// or it wraps ErrBusy, and nothing was looked at.
	Saw(*checkpoint.Note) error
	// Validators are those whose signatures make a checkpoint ours to talk about.
	Validators() checkpoint.Validators
	// Cosigned gives the newest checkpoint that this validator co-signed in the
	// validators' round, and its line; false before the first.
	Cosigned() (c checkpoint.Checkpoint, line string, ok bool)
}

// Config says who witnesses what.
type Config struct {
	// Origin is the node's own network's name, and Authority whose validator it
	// is: together the name of the co-signing key.
	Origin    string
	Authority statement.Region
	// Cosign is the validator's co-signing key.
	Cosign ed25519.PrivateKey
	// Dir is where the state is kept; it is made if it is not there. See the package comment.
	Dir string
	// Logs are the outside logs.
	Logs []Log
	// Own answers for the own network; nil: its origin is unknown here.
	Own Own
	// Now is the clock that co-signatures tell. Default: time.Now.
	Now func() time.Time
	// Logger gets refusals that may be a log's misbehaviour. Default: slog.Default.
	Logger *slog.Logger
}

// Witness answers add-checkpoint.
type Witness struct {
	Config
	name   string
	logs   map[string]*witnessed
	judged chan struct{} // has an element for each request that is being judged
}

// witnessed is one outside log.
type witnessed struct {
	keys  note.Verifiers
	state *record
}

// Open reads the state of every log.
func Open(c Config) (*Witness, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if len(c.Cosign) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("witness: the co-signing key has %d bytes, want %d", len(c.Cosign), ed25519.PrivateKeySize)
	}
	vkey := checkpoint.CosignerVKey(c.Origin, c.Authority, c.Cosign.Public().(ed25519.PublicKey))
	own, err := checkpoint.NewCosignatureVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	w := &Witness{Config: c, name: own.Name(), logs: map[string]*witnessed{}, judged: make(chan struct{}, maxJudged)}
	for _, l := range c.Logs {
		if l.Origin == c.Origin { // W4
			return nil, fmt.Errorf("witness: %q is the node's own network, which its validators' round vouches for", l.Origin)
		}
		if w.logs[l.Origin] != nil {
			return nil, fmt.Errorf("witness: log %q is named twice", l.Origin)
		}
		var keys []note.Verifier
		for _, k := range l.VKeys {
			v, err := note.NewVerifier(k)
			if err != nil {
				return nil, fmt.Errorf("witness: log %q: key %q: %w", l.Origin, k, err)
			}
			keys = append(keys, v)
		}
		if len(keys) == 0 {
			return nil, fmt.Errorf("witness: log %q has no key", l.Origin)
		}
		state, err := openRecord(c.Dir, l.Origin, own)
		if err != nil {
			return nil, fmt.Errorf("witness: %w", err)
		}
		w.logs[l.Origin] = &witnessed{keys: note.VerifierList(keys...), state: state}
	}
	return w, nil
}

// VKey is the verifier key under which others know this witness.
func (w *Witness) VKey() string {
	return checkpoint.CosignerVKey(w.Origin, w.Authority, w.Cosign.Public().(ed25519.PublicKey))
}

// refusal is an answer other than 200.
type refusal struct {
	status int
	size   *uint64 // 409: what was co-signed last
	why    string
}

func refuse(status int, format string, a ...any) *refusal {
	return &refusal{status: status, why: fmt.Sprintf(format, a...)}
}

func conflict(size uint64) *refusal { return &refusal{status: http.StatusConflict, size: &size} }

// ServeHTTP implements http.Handler for POST add-checkpoint, at whatever path
// it is mounted.
func (w *Witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	rw.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		rw.Header().Set("Allow", "POST")
		http.Error(rw, "only POST", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, MaxRequest))
	if err != nil {
		http.Error(rw, fmt.Sprintf("the body could not be read; it has at most %d bytes", MaxRequest), http.StatusBadRequest)
		return
	}
	// The body comes first: who sends slowly takes none of the room.
	no := w.enter(r.Context())
	var lines string
	if no == nil {
		lines, no = w.judge(body)
	}
	switch {
	case no == nil:
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(rw, lines) // a client that is gone asks again
	case no.size != nil:
		rw.Header().Set("Content-Type", "text/x.tlog.size")
		rw.WriteHeader(no.status)
		_, _ = io.WriteString(rw, strconv.FormatUint(*no.size, 10)+"\n") // as above
	default:
		if no.status == http.StatusServiceUnavailable {
			rw.Header().Set("Retry-After", "1")
		}
		http.Error(rw, no.why, no.status)
	}
}

// enter waits for room to judge a request in; judge makes it free again.
func (w *Witness) enter(ctx context.Context) *refusal {
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case w.judged <- struct{}{}:
		return nil
	case <-ctx.Done():
	case <-wait.C:
	}
	return refuse(http.StatusServiceUnavailable, "%d checkpoints are being judged already; ask again", maxJudged)
}

// judge is add, and makes room for the next request when it is done.
func (w *Witness) judge(body []byte) (lines string, no *refusal) {
	defer func() { <-w.judged }()
	return w.add(body)
}

// add judges a request, and gives our signature lines or the refusal.
func (w *Witness) add(body []byte) (lines string, no *refusal) {
	r, err := parseRequest(body)
	if err != nil {
		return "", refuse(http.StatusBadRequest, "%v", err)
	}
	if w.Own != nil && r.checkpoint.Origin == w.Origin {
		return w.addOwn(r)
	}
	l := w.logs[r.checkpoint.Origin]
	if l == nil {
		return "", refuse(http.StatusNotFound, "log %q is not witnessed here", r.checkpoint.Origin)
	}
	signed, no := l.verify(r)
	if no != nil {
		return "", no
	}
	if r.old > r.checkpoint.Size {
		return "", refuse(http.StatusBadRequest, "the old size %d is above the checkpoint's, %d", r.old, r.checkpoint.Size)
	}
	return w.cosign(l.state, r, signed)
}

// verify gives the lines that keys of the log signed. It looks at maxLooked of
// the lines that name such a key, and at one of each key.
func (l *witnessed) verify(r *request) ([]string, *refusal) {
	known, _ := firstOfEachKey(r.lines, func(k lineKey) bool {
		_, err := l.keys.Verifier(k.name, k.id)
		return err == nil
	})
	if len(known) == 0 {
		return nil, refuse(http.StatusForbidden, "no key that is known of log %q has signed this", r.checkpoint.Origin)
	}
	// It is put together from its parts, so that note reads what we read.
	n, err := note.Open([]byte(r.text+"\n"+strings.Join(known, "")), l.keys)
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unverified), errors.As(err, &invalid):
		return nil, refuse(http.StatusForbidden, "no key that is known of log %q has signed this, or one has signed something else", r.checkpoint.Origin)
	case err != nil: // golang.org/x/mod/sumdb/note reads less than we do
		return nil, refuse(http.StatusBadRequest, "%v", err)
	}
	var signed []string
	for _, s := range n.Sigs {
		signed = append(signed, "— "+s.Name+" "+s.Base64+"\n")
	}
	return signed, nil
}

// cosign co-signs what follows from the state, and writes it down before it
// lets the line out (W1, W2).
func (w *Witness) cosign(s *record, r *request, signed []string) (string, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return "", refuse(http.StatusInternalServerError, "%v", s.broken)
	}
	if r.old != s.size {
		return "", conflict(s.size)
	}
	if no := w.checkProof(r, s.size, s.root); no != nil {
		return "", no
	}
	// Our times never run back, whatever the clock does.
	at := w.Now().Truncate(time.Second)
	if at.Before(s.at) {
		at = s.at
	}
	line, err := checkpoint.CosignText(w.name, r.text, at, w.Cosign)
	if err != nil {
		return "", refuse(http.StatusInternalServerError, "signing: %v", err)
	}
	kept := []byte(r.text + "\n" + strings.Join(signed, "") + line)
	if err := s.writeLocked(r.checkpoint, at, kept); err != nil {
		w.Logger.Error("a witness's state could not be written; this log is witnessed no more until the node restarts", "origin", s.origin, "err", err)
		return "", refuse(http.StatusInternalServerError, "%v", s.broken)
	}
	return line, nil
}

// checkProof checks that the checkpoint's tree begins with the one that was
// co-signed last. What fails here is signed by the log: it may be its misbehaviour.
//
// Versions of C2SP tlog-witness differ in what another root at the same size
// gets, 409 or 422. It is 422 here, as in litewitness: to a 409 a client answers
// with another old size, and there is none that would help.
func (w *Witness) checkProof(r *request, size uint64, root merkle.Hash) *refusal {
	c := r.checkpoint
	err := merkle.VerifyConsistency(size, c.Size, root, c.Root, r.proof)
	if err == nil && c.Size == 0 && c.Root != merkle.EmptyRoot() {
		err = errors.New("the root of an empty tree is another")
	}
	if err == nil {
		return nil
	}
	w.Logger.Warn("a log's checkpoint does not follow from what was co-signed of it", "origin", c.Origin,
		"cosigned", size, "size", c.Size, "err", err)
	return refuse(http.StatusUnprocessableEntity, "it is not shown to begin with the checkpoint of size %d that was co-signed: %v", size, err)
}

// addOwn answers for the own network with what the validators' round made, and
// signs nothing (W4). Whoever signed another history need not have signed for
// the log too, and whoever shows it to us need not know what we have: it is
// looked at before anything else is judged (W5), but for no more lines than
// anybody may make us verify: maxLooked, and one of each key.
func (w *Witness) addOwn(r *request) (string, *refusal) {
	lines, left := firstOfEachKey(r.lines, func(k lineKey) bool {
		return k.name == w.Origin || strings.HasPrefix(k.name, w.Origin+"/") // a witness's line says nothing here
	})
	saw := w.Own.Saw(checkpoint.Assemble(r.checkpoint, lines))
	have, line, is := w.Own.Cosigned()
	if !is {
		have = checkpoint.Checkpoint{Origin: w.Origin, Root: merkle.EmptyRoot()}
	}
	switch {
	case saw == nil, errors.Is(saw, ErrBusy) && is && have == r.checkpoint: // what is our own history's is no evidence
	case errors.Is(saw, ErrBusy):
		// It may be evidence, and is not to be lost; nor is more of it verified now.
		return "", refuse(http.StatusServiceUnavailable, "%v; ask again", saw)
	default:
		return "", refuse(http.StatusForbidden, "%v%s", saw, leftOut(left))
	}
	answer, no := w.judgeOwn(r, lines, have, line)
	if no != nil && no.size == nil {
		no.why += leftOut(left)
	}
	return answer, no
}

// leftOut says that some lines were not looked at, so that evidence among them
// is not lost silently.
func leftOut(lines int) string {
	if lines == 0 {
		return ""
	}
	return fmt.Sprintf(" (the first %d lines under names of this log were looked at, one of each key, and %d were not: to accuse their signers, show those lines by themselves)", maxLooked, lines)
}

// judgeOwn judges a checkpoint of the own network with those of its lines that
// are looked at, against what the round has signed last, and our line over that:
// "" before the first.
func (w *Witness) judgeOwn(r *request, lines []string, have checkpoint.Checkpoint, cosigned string) (string, *refusal) {
	c := r.checkpoint
	vs := w.Own.Validators()
	ours := r.text == c.Text() && // a text with extension lines is none of ours
		slices.ContainsFunc(lines, func(line string) bool {
			_, err := vs.VerifyLog(c, line)
			return err == nil
		})
	switch {
	case !ours:
		return "", refuse(http.StatusForbidden, "no validator of %q has signed this", c.Origin)
	case r.old > c.Size:
		return "", refuse(http.StatusBadRequest, "the old size %d is above the checkpoint's, %d", r.old, c.Size)
	case cosigned != "" && have == c:
		return cosigned, nil
	case r.old != have.Size:
		return "", conflict(have.Size)
	}
	if no := w.checkProof(r, have.Size, have.Root); no != nil {
		return "", no
	}
	return "", refuse(http.StatusServiceUnavailable, "the validators of %q sign size %d when a quorum of them holds it; ask again", c.Origin, c.Size)
}

// Latest is the handler of GET <hex SHA-256 of an origin>/checkpoint: the
// newest checkpoint co-signed of that log, for monitors. It looks at the last
// two elements of the path, so it may be mounted anywhere.
func (w *Witness) Latest() http.Handler {
	byHash := map[string]*record{}
	for origin, l := range w.logs {
		byHash[OriginHash(origin)] = l.state
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("X-Content-Type-Options", "nosniff")
		rw.Header().Set("Cache-Control", "no-cache")
		rest, is := strings.CutSuffix(strings.TrimSuffix(r.URL.Path, "/"), "/checkpoint")
		s := byHash[rest[strings.LastIndexByte(rest, '/')+1:]]
		if !is || s == nil {
			http.Error(rw, "no such log is witnessed here", http.StatusNotFound)
			return
		}
		s.mu.Lock()
		data := s.note
		s.mu.Unlock()
		if data == nil {
			http.Error(rw, "nothing was co-signed of this log yet", http.StatusNotFound)
			return
		}
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = rw.Write(data) // a client that is gone asks again
	})
}
