package node

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"

	"github.com/fxamacker/cbor/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/statement"
)

// What nodes tell one another of statements that wait to be ordered.
const (
	pendingProtocol = "pending/1"       // what this node has promised, and the urgent ones whole
	fetchProtocol   = "pending-fetch/1" // a statement of which only the promise is known
)

// Bounds of one message. With the largest statement behind batchBytes it still
// fits p2p's frame of 4 MiB.
const (
	maxNotices = 256
	maxPushed  = 64
	maxFetched = 16

	maxKind    = 64 // bytes of a kind's name
	maxNotice  = 512
	maxPending = maxNotices*(maxNotice+len(statement.Hash{})) + batchBytes + statement.MaxSize + statement.MaxAttachment + 4096
)

// pendingPush is what a node tells another: what it has promised to get ordered,
// what will not be ordered any more, and the urgent statements themselves.
type pendingPush struct {
	Notices    []pendingNotice      `cbor:"1,keyasint,omitempty"`
	Gone       [][]byte             `cbor:"2,keyasint,omitempty"` // hashes of what was refused
	Statements []forwardedStatement `cbor:"3,keyasint,omitempty"`
}

// pendingNotice tells of one statement.
type pendingNotice struct {
	Hash    []byte `cbor:"1,keyasint"`
	Issuer  string `cbor:"2,keyasint"`
	Kind    string `cbor:"3,keyasint"`
	Size    uint64 `cbor:"4,keyasint"`
	Promise string `cbor:"5,keyasint"` // of the node that tells
}

// notice is a pendingNotice that was read: well-formed, and promised by its teller.
type notice struct {
	hash    statement.Hash
	issuer  statement.Region
	kind    statement.Kind
	size    int
	promise client.Promise
}

// errPending: a message of this sort cannot be read.
var errPending = errors.New("message on pending statements is not understood")

// told is a pendingPush that was read.
type told struct {
	notices    []notice
	gone       []statement.Hash
	statements []ledger.Candidate
}

// decodePush reads what a node tells. Whether the promises are the teller's is
// for promised to say, and what statements are worth for the ledger. Errors wrap
// errPending.
func decodePush(b []byte) (out told, err error) {
	var p pendingPush
	if err := forwardMode.Unmarshal(b, &p); err != nil {
		return told{}, fmt.Errorf("%w: it cannot be decoded", errPending)
	}
	if k := len(p.Notices); k > maxNotices {
		return told{}, fmt.Errorf("%w: %d notices, at most %d", errPending, k, maxNotices)
	}
	if k := len(p.Gone); k > maxNotices {
		return told{}, fmt.Errorf("%w: %d hashes of what is gone, at most %d", errPending, k, maxNotices)
	}
	for i, w := range p.Notices {
		n, err := readNotice(w)
		if err != nil {
			return told{}, fmt.Errorf("%w: notice %d: %w", errPending, i, err)
		}
		out.notices = append(out.notices, n)
	}
	if out.gone, err = readHashes(p.Gone); err == nil {
		out.statements, err = readStatements(p.Statements, maxPushed)
	}
	if err != nil {
		return told{}, fmt.Errorf("%w: %w", errPending, err)
	}
	return out, nil
}

func readNotice(w pendingNotice) (n notice, err error) {
	if len(w.Hash) != len(n.hash) {
		return n, fmt.Errorf("a hash of %d bytes, want %d", len(w.Hash), len(n.hash))
	}
	n.hash = statement.Hash(w.Hash)
	if n.issuer, err = statement.ParseRegion(w.Issuer); err != nil {
		return n, err
	}
	plain := strings.IndexFunc(w.Kind, func(r rune) bool { return (r < 'a' || r > 'z') && r != '-' && r != '.' }) < 0
	if w.Kind == "" || len(w.Kind) > maxKind || !plain {
		return n, fmt.Errorf("a kind's name of %d bytes, want 1 to %d, of a-z, dashes and dots alone", len(w.Kind), maxKind)
	}
	n.kind = statement.Kind(w.Kind)
	if w.Size == 0 || w.Size > statement.MaxSize+statement.MaxAttachment {
		return n, fmt.Errorf("a statement of %d bytes, want 1 to %d", w.Size, statement.MaxSize+statement.MaxAttachment)
	}
	n.size = int(w.Size)
	n.promise, err = client.ParsePromise(w.Promise)
	return n, err
}

func readHashes(in [][]byte) ([]statement.Hash, error) {
	out := make([]statement.Hash, len(in))
	for i, b := range in {
		if len(b) != len(out[i]) {
			return nil, fmt.Errorf("hash %d has %d bytes, want %d", i, len(b), len(out[i]))
		}
		out[i] = statement.Hash(b)
	}
	return out, nil
}

func readStatements(in []forwardedStatement, most int) ([]ledger.Candidate, error) {
	if k := len(in); k > most {
		return nil, fmt.Errorf("%d statements, at most %d", k, most)
	}
	out := make([]ledger.Candidate, len(in))
	for i, s := range in {
		if len(s.Raw) == 0 || len(s.Raw) > statement.MaxSize || len(s.Attachment) > statement.MaxAttachment {
			return nil, fmt.Errorf("statement %d has %d bytes and an attachment of %d, want 1 to %d and at most %d",
				i, len(s.Raw), len(s.Attachment), statement.MaxSize, statement.MaxAttachment)
		}
		out[i] = ledger.Candidate(s)
	}
	return out, nil
}

// promised reports whether a promise was given by the node that tells of it.
func promised(by peer.ID, authority string, network statement.NetworkID, hash statement.Hash, p client.Promise) error {
	if string(p.Authority) != authority {
		return fmt.Errorf("%w: a promise of %s, told by %s", errPending, p.Authority, authority)
	}
	key, err := by.ExtractPublicKey()
	if err != nil {
		return fmt.Errorf("%w: the teller's key: %w", errPending, err)
	}
	raw, err := key.Raw()
	if err != nil {
		return fmt.Errorf("%w: the teller's key: %w", errPending, err)
	}
	if err := p.Verify(network, hash, ed25519.PublicKey(raw)); err != nil {
		return fmt.Errorf("%w: %w", errPending, err)
	}
	return nil
}

// pendingFetch asks for statements by their hashes.
type pendingFetch struct {
	Hashes [][]byte `cbor:"1,keyasint"`
}

// pendingFetched has those that the node still holds, up to batchBytes and one,
// and says which it does not hold.
type pendingFetched struct {
	Statements []forwardedStatement `cbor:"1,keyasint,omitempty"`
	Gone       [][]byte             `cbor:"2,keyasint,omitempty"`
}

func encodeFetch(hashes []statement.Hash) ([]byte, error) {
	var f pendingFetch
	for _, h := range hashes {
		f.Hashes = append(f.Hashes, h[:])
	}
	return cbor.Marshal(f)
}

// decodeFetch reads which statements are asked for. Errors wrap errPending.
func decodeFetch(b []byte) ([]statement.Hash, error) {
	var f pendingFetch
	if err := forwardMode.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("%w: it cannot be decoded", errPending)
	}
	if k := len(f.Hashes); k == 0 || k > maxFetched {
		return nil, fmt.Errorf("%w: %d hashes, want 1 to %d", errPending, k, maxFetched)
	}
	out, err := readHashes(f.Hashes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPending, err)
	}
	return out, nil
}

// decodeFetched reads the answer. Errors wrap errPending.
func decodeFetched(b []byte) (cands []ledger.Candidate, gone []statement.Hash, err error) {
	var f pendingFetched
	if err := forwardMode.Unmarshal(b, &f); err != nil {
		return nil, nil, fmt.Errorf("%w: it cannot be decoded", errPending)
	}
	if k := len(f.Gone); k > maxFetched {
		return nil, nil, fmt.Errorf("%w: %d hashes of what is gone, at most %d", errPending, k, maxFetched)
	}
	if cands, err = readStatements(f.Statements, maxFetched); err == nil {
		gone, err = readHashes(f.Gone)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errPending, err)
	}
	return cands, gone, nil
}
