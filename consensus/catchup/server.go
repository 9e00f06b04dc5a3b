package catchup

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/time/rate"

	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// Source is what is served: a *ledger.Ledger.
type Source interface {
	View() *ledger.View
	Certified() *checkpoint.Certified // newest; nil before the first
}

// ServerConfig says what may be spent on peers.
type ServerConfig struct {
	// Source is the ledger.
	Source Source
	// CallsPerPeer is how many calls of one peer are answered at once; further
	// ones are told to come later. Default: 16.
	CallsPerPeer int
	// Calls is how many are answered at once in all; each takes MaxAnswer at
	// most. Default: 48.
	Calls int
	// BytesPerSecond bounds what one peer is sent in the mean, so that it does
	// not starve Raft on the same line. Default: 16 MiB; below 0: no bound.
	BytesPerSecond int
}

// Server answers peers that catch up, from views that never change. Its
// methods may be called by any number of goroutines; it starts none.
type Server struct {
	cfg ServerConfig

	mu    sync.Mutex
	calls int
	peers map[string]*served
}

// served is what is being done for one peer. It stays while the peer's allowance fills up.
type served struct {
	calls int
	rate  *rate.Limiter
}

// maxServed bounds how many peers the server remembers; forgotten ones are given a fresh allowance.
const maxServed = 256

// NewServer makes a server.
func NewServer(cfg ServerConfig) *Server {
	if cfg.CallsPerPeer <= 0 {
		cfg.CallsPerPeer = 16
	}
	if cfg.Calls <= 0 {
		cfg.Calls = 48
	}
	if cfg.BytesPerSecond == 0 {
		cfg.BytesPerSecond = 16 << 20
	}
	return &Server{cfg: cfg, peers: map[string]*served{}}
}

// errAbsent: this node does not have what was asked for. It becomes an answer.
var errAbsent = errors.New("not here")

// Serve answers one call of one of Protocols, made by the member named from.
// The error wraps ErrMalformed if the caller is at fault, or what ended ctx; any
// other is of the ledger, and the caller need not know it.
func (s *Server) Serve(ctx context.Context, name, from string, req []byte) ([]byte, error) {
	peer, ok := s.begin(from)
	if !ok {
		return []byte{statusBusy}, nil
	}
	defer s.end(peer)
	answer, err := s.answer(name, req)
	if errors.Is(err, errAbsent) {
		return []byte{statusAbsent}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("serving %s: %w", name, err)
	}
	if peer.rate == nil {
		return answer, nil
	}
	// The burst is MaxAnswer, so that what fails here is the caller's time.
	if err := peer.rate.WaitN(ctx, len(answer)); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return []byte{statusBusy}, nil
	}
	return answer, nil
}

func (s *Server) begin(from string) (*served, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	peer := s.peers[from]
	if peer == nil {
		if len(s.peers) >= maxServed {
			for name, p := range s.peers {
				if p.calls == 0 {
					delete(s.peers, name)
				}
			}
		}
		peer = &served{}
		if s.cfg.BytesPerSecond > 0 {
			peer.rate = rate.NewLimiter(rate.Limit(s.cfg.BytesPerSecond), MaxAnswer)
		}
		s.peers[from] = peer
	}
	if s.calls >= s.cfg.Calls || peer.calls >= s.cfg.CallsPerPeer {
		return nil, false
	}
	s.calls++
	peer.calls++
	return peer, true
}

func (s *Server) end(peer *served) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls--
	peer.calls--
}

func (s *Server) answer(name string, req []byte) (out []byte, err error) {
	// Taken before the view, so that the view has what it certifies.
	certified := s.cfg.Source.Certified()
	v := s.cfg.Source.View()
	defer func() { err = errors.Join(err, v.Close()) }()
	switch name {
	case OfferProtocol:
		var q offerRequest
		if err := decode(req, MaxRequest, &q); err != nil {
			return nil, err
		}
		return serveOffer(v, certified, q)
	case TilesProtocol:
		var q tilesRequest
		if err := decode(req, MaxRequest, &q); err != nil {
			return nil, err
		}
		return serveTiles(v, q)
	case EntriesProtocol:
		var q entriesRequest
		if err := decode(req, MaxRequest, &q); err != nil {
			return nil, err
		}
		return serveEntries(v, q)
	case AttachmentsProtocol:
		var q attachmentsRequest
		if err := decode(req, MaxRequest, &q); err != nil {
			return nil, err
		}
		return serveAttachments(v, q)
	case BlocksProtocol:
		var q blocksRequest
		if err := decode(req, MaxRequest, &q); err != nil {
			return nil, err
		}
		return serveBlocks(v, q)
	case StepsProtocol:
		var q stepsRequest
		if err := decode(req, MaxRequest, &q); err != nil {
			return nil, err
		}
		return serveSteps(v, q)
	}
	return nil, malformed("nothing is served as %q", name)
}

func serveOffer(v *ledger.View, certified *checkpoint.Certified, q offerRequest) ([]byte, error) {
	out := offerAnswer{Head: v.Head().Size, Note: []byte{}}
	if certified != nil {
		out.Note = certified.Note()
		if q.Size == 0 {
			q.Size = certified.Checkpoint().Size
		}
	}
	if q.Size == 0 || q.Size > out.Head {
		return done(out), nil
	}
	at, err := v.PositionOf(q.Size)
	if err != nil && !errors.Is(err, ledger.ErrNoBlockEnd) {
		return nil, err
	}
	if at.Index == 0 {
		return done(out), nil // it was fetched itself, or no block ends there
	}
	out.Size, out.Index, out.Term = q.Size, at.Index, at.Term
	if out.Root, err = v.RootAt(q.Size); err != nil {
		return nil, err
	}
	if out.Seals, err = sealsBelow(v, q.Size); err != nil {
		return nil, err
	}
	return done(out), nil
}

// sealsBelow gives one more than the index of the newest seal below size; 0 if there is none.
func sealsBelow(v *ledger.View, size uint64) (uint64, error) {
	last, any, err := v.State().LastSeal()
	if err != nil || !any {
		return 0, err
	}
	if last.Index < size {
		return last.Index + 1, nil
	}
	// It is one of the few before: look back in steps that grow.
	for step, found := uint64(1<<10), uint64(0); ; step *= 8 {
		from := size - min(size, step)
		for at := from; at < size; {
			seals, err := v.Statements(ledger.Filter{From: at, Kind: statement.Seal, Limit: 16})
			if err != nil {
				return 0, err
			}
			at = size
			for _, s := range seals {
				if s.Index < size {
					found, at = s.Index+1, s.Index+1
				}
			}
		}
		if found > 0 || from == 0 {
			return found, nil
		}
	}
}

func serveTiles(v *ledger.View, q tilesRequest) ([]byte, error) {
	var out tilesAnswer
	for _, t := range q.Tiles {
		if t.Width > uint64(t.tile().Width(v.Head().Size)) {
			return nil, errAbsent
		}
		data, err := v.ReadTile(t.tile(), int(t.Width))
		if err != nil {
			return nil, err
		}
		out.Tiles = append(out.Tiles, data[:t.bytes()])
	}
	return done(out), nil
}

func serveEntries(v *ledger.View, q entriesRequest) ([]byte, error) {
	size := v.Head().Size
	if q.From >= size {
		return nil, errAbsent
	}
	var out entriesAnswer
	total := 0
	for i := range min(q.Count, size-q.From) {
		e, err := v.ByIndex(q.From + i)
		if err != nil {
			return nil, err
		}
		if total += len(e.Raw()) + itemBytes; total > contentBytes {
			break
		}
		out.Entries = append(out.Entries, e.Raw())
	}
	return done(out), nil
}

func serveAttachments(v *ledger.View, q attachmentsRequest) ([]byte, error) {
	var out attachmentsAnswer
	total := 0
	for _, digest := range q.Digests {
		a, err := v.Attachment(digest)
		if errors.Is(err, ledger.ErrNotFound) {
			a, err = []byte{}, nil
		}
		if err != nil {
			return nil, err
		}
		if total += len(a) + itemBytes; total > contentBytes {
			break
		}
		out.Attachments = append(out.Attachments, a)
	}
	return done(out), nil
}

func serveBlocks(v *ledger.View, q blocksRequest) ([]byte, error) {
	if q.To > v.Head().Size {
		return nil, errAbsent
	}
	proofs := []block.HeaderProof{}
	for at := q.From; at < q.To; {
		blocks, err := v.Blocks(at, int(min(q.To-at, ledger.MaxPage)))
		if err != nil {
			return nil, err
		}
		for _, b := range blocks {
			if at = b.First + b.Count; b.First >= q.From && b.First < q.To {
				proofs = append(proofs, b.Proof)
			}
		}
	}
	if q.Digest {
		digest := headersDigest(proofs)
		return done(blocksAnswer{Digest: &digest}), nil
	}
	records := make([][]byte, len(proofs))
	for i, p := range proofs {
		records[i] = p.Encode()
	}
	return done(blocksAnswer{Records: records}), nil
}

func serveSteps(v *ledger.View, q stepsRequest) ([]byte, error) {
	steps, err := v.StepsFrom(q.Have, contentBytes)
	if err != nil {
		return nil, err
	}
	out := stepsAnswer{Steps: [][]byte{}}
	for _, s := range steps {
		raw, err := s.Encode()
		if err != nil {
			return nil, err
		}
		out.Steps = append(out.Steps, raw)
	}
	return done(out), nil
}
