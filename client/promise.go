package client

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"concordat/ledger/statement"
)

// ErrPromise: a promise is malformed, or was not signed by the key given.
var ErrPromise = errors.New("no promise")

// maxPromise bounds a promise's text, in bytes: an authority, a time and a signature.
const maxPromise = 256

// Promise is what a node signs when it accepts a statement: that it holds it
// on its disk and offers it until it is ordered or refused. Keep it: a
// statement that is neither, long after, shows that the node broke its word.
// docs/formats/promise.md has the bytes.
type Promise struct {
	Authority statement.Region // whose node promised
	At        time.Time        // by that node's clock, to the second
	signature []byte
}

// promiseText is what is signed.
func promiseText(network statement.NetworkID, hash statement.Hash, at time.Time) []byte {
	return fmt.Appendf(nil, "concordat promise v1\n%s\n%s\n%d\n", network, hash, at.Unix())
}

// SignPromise makes a promise for a statement under an authority's node key.
func SignPromise(by statement.Region, network statement.NetworkID, hash statement.Hash, at time.Time, key ed25519.PrivateKey) Promise {
	at = at.UTC().Truncate(time.Second)
	return Promise{Authority: by, At: at, signature: ed25519.Sign(key, promiseText(network, hash, at))}
}

// String gives the promise as the API does: authority, Unix seconds and the
// signature in base64, parted by single spaces.
func (p Promise) String() string {
	return fmt.Sprintf("%s %d %s", p.Authority, p.At.Unix(), base64.StdEncoding.EncodeToString(p.signature))
}

// ParsePromise reads a promise as String writes it, and no other form. It
// verifies nothing. Errors wrap ErrPromise.
func ParsePromise(s string) (Promise, error) {
	if len(s) > maxPromise {
		return Promise{}, fmt.Errorf("%w: %d bytes, at most %d", ErrPromise, len(s), maxPromise)
	}
	part := strings.Split(s, " ")
	if len(part) != 3 {
		return Promise{}, fmt.Errorf("%w: %d parts, want authority, seconds and signature", ErrPromise, len(part))
	}
	region, err := statement.ParseRegion(part[0])
	if err != nil {
		return Promise{}, fmt.Errorf("%w: %w", ErrPromise, err)
	}
	seconds, err := strconv.ParseInt(part[1], 10, 64)
	if err != nil || seconds < 0 || seconds > statement.MaxTime {
		return Promise{}, fmt.Errorf("%w: time is %q, want Unix seconds, 0 to %d", ErrPromise, part[1], int64(statement.MaxTime))
	}
	sig, err := base64.StdEncoding.Strict().DecodeString(part[2])
	if err != nil || len(sig) != ed25519.SignatureSize {
		return Promise{}, fmt.Errorf("%w: the signature has %d bytes of base64, want %d", ErrPromise, len(sig), ed25519.SignatureSize)
	}
	p := Promise{Authority: region, At: time.Unix(seconds, 0).UTC(), signature: sig}
	if p.String() != s {
		return Promise{}, fmt.Errorf("%w: it is not in its one form", ErrPromise)
	}
	return p, nil
}

// Verify is nil if the promise was signed for that statement of that network
// with the node key given, which the network's genesis names for p.Authority.
// Errors wrap ErrPromise.
func (p Promise) Verify(network statement.NetworkID, hash statement.Hash, nodeKey ed25519.PublicKey) error {
	if len(nodeKey) != ed25519.PublicKeySize || !ed25519.Verify(nodeKey, promiseText(network, hash, p.At), p.signature) {
		return fmt.Errorf("%w: not signed for statement %s with the node key given for %s", ErrPromise, hash, p.Authority)
	}
	return nil
}
