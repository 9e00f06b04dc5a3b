package client

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"time"

	"concordat/ledger/statement"
)

// Author signs and submits what one authority says.
type Author struct {
	Client    *Client
	Authority statement.Region
	Network   statement.NetworkID
	Key       ed25519.PrivateKey // the authority's statement key
	Clock     func() time.Time   // for IssuedAt; time.Now if nil
}

// Compose signs a statement that makes the given revision of its subject; 0
// means the one after the current, which a node is asked for.
func (a *Author) Compose(ctx context.Context, body statement.Body, revision uint64) (*statement.Verified, error) {
	s := statement.Statement{Issuer: a.Authority, Network: a.Network, Revision: revision, IssuedAt: statement.TimeOf(a.now()), Body: body}
	if revision == 0 && body.Kind().HasRevision() {
		r, err := a.Client.Revision(ctx, s.Subject())
		if err != nil {
			return nil, fmt.Errorf("asking for the revision of %s: %w", s.Subject(), err)
		}
		s.Revision = r.Revision + 1
	}
	return statement.Sign(s, a.Key)
}

// Say composes a statement and submits it, with its attachment where its kind has one.
func (a *Author) Say(ctx context.Context, body statement.Body, attachment []byte, wait string) (Submitted, error) {
	v, err := a.Compose(ctx, body, 0)
	if err != nil {
		return Submitted{}, err
	}
	return a.Client.Submit(ctx, v.Raw(), attachment, wait)
}

func (a *Author) now() time.Time {
	if a.Clock != nil {
		return a.Clock()
	}
	return time.Now()
}

// ParseNetwork reads a network's id as the API shows it: 64 hex digits.
func ParseNetwork(s string) (statement.NetworkID, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(statement.NetworkID{}) {
		return statement.NetworkID{}, fmt.Errorf("%q is no network id: want 64 hex digits, the SHA-256 of the genesis file", s)
	}
	return statement.NetworkID(b), nil
}
