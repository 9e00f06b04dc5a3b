package p2p

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// Bounds of a member set. They are far above any network that we expect, and
// low enough that a set can be walked on each change.
const (
	maxMembers     = 1024
	maxAuthority   = 64 // bytes of an authority's id
	maxAddresses   = 16 // addresses of one member
	maxPeerIDBytes = 128
)

// ErrMembers is wrapped by every complaint about a set of members.
var ErrMembers = errors.New("p2p: unusable set of members")

// Member is one node that the ledger names.
type Member struct {
	// Authority is the id of the authority that runs the node; Raft's ServerID.
	Authority string
	// Peer is the node's libp2p identity; as text, Raft's ServerAddress.
	Peer peer.ID
	// Addrs are where the node can be dialled. None: it is left to dial us.
	Addrs []multiaddr.Multiaddr
	// Voter says that the node is a validator. Only validators' Raft requests are
	// heard; an observer may call and be called, and answers Raft's leader.
	Voter bool
}

// PeerID returns the libp2p identity that belongs to a node's public key.
func PeerID(pub ed25519.PublicKey) (peer.ID, error) {
	if len(pub) != ed25519.PublicKeySize {
		return "", fmt.Errorf("p2p: public key has %d bytes, want %d", len(pub), ed25519.PublicKeySize)
	}
	k, err := crypto.UnmarshalEd25519PublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("p2p: public key: %w", err)
	}
	return peer.IDFromPublicKey(k)
}

// roster is one immutable set of members. The Host swaps whole rosters, so that
// whoever reads one sees a set that the ledger really held.
type roster struct {
	members     []Member
	byPeer      map[peer.ID]Member
	byAuthority map[string]Member
}

func newRoster(members []Member) (*roster, error) {
	if len(members) > maxMembers {
		return nil, fmt.Errorf("%w: %d members, at most %d", ErrMembers, len(members), maxMembers)
	}
	r := &roster{
		byPeer:      make(map[peer.ID]Member, len(members)),
		byAuthority: make(map[string]Member, len(members)),
	}
	for _, m := range members {
		if m.Authority == "" || len(m.Authority) > maxAuthority {
			return nil, fmt.Errorf("%w: authority %q has %d bytes, want 1 to %d", ErrMembers, m.Authority, len(m.Authority), maxAuthority)
		}
		if err := m.Peer.Validate(); err != nil {
			return nil, fmt.Errorf("%w: authority %s: peer id: %w", ErrMembers, m.Authority, err)
		}
		if n := len(m.Peer.String()); n > maxPeerIDBytes {
			return nil, fmt.Errorf("%w: authority %s: peer id has %d characters, at most %d", ErrMembers, m.Authority, n, maxPeerIDBytes)
		}
		if len(m.Addrs) > maxAddresses {
			return nil, fmt.Errorf("%w: authority %s has %d addresses, at most %d", ErrMembers, m.Authority, len(m.Addrs), maxAddresses)
		}
		if other, ok := r.byPeer[m.Peer]; ok {
			return nil, fmt.Errorf("%w: authorities %s and %s have the same peer %s", ErrMembers, other.Authority, m.Authority, m.Peer)
		}
		if _, ok := r.byAuthority[m.Authority]; ok {
			return nil, fmt.Errorf("%w: authority %s is named twice", ErrMembers, m.Authority)
		}
		m.Addrs = slices.Clone(m.Addrs)
		r.members = append(r.members, m)
		r.byPeer[m.Peer] = m
		r.byAuthority[m.Authority] = m
	}
	slices.SortFunc(r.members, func(a, b Member) int { return strings.Compare(a.Authority, b.Authority) })
	return r, nil
}

// server is a pair of Raft's ServerID and ServerAddress.
type server struct{ id, address string }

func (m Member) server() server { return server{m.Authority, m.Peer.String()} }

// usable reports whether a is an address that our two transports can use.
func usable(a multiaddr.Multiaddr) bool {
	return a != nil && (isQUIC(a) || isTCP(a))
}

func isQUIC(a multiaddr.Multiaddr) bool {
	_, err := a.ValueForProtocol(multiaddr.P_QUIC_V1)
	return err == nil
}

func isTCP(a multiaddr.Multiaddr) bool {
	_, err := a.ValueForProtocol(multiaddr.P_TCP)
	return err == nil
}
