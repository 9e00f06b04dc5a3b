package node

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/multiformats/go-multiaddr"

	"concordat/ledger/genesis"
	"concordat/p2p"
)

// readGenesis finds the founding document.
func (n *Node) readGenesis() error {
	path := n.cfg.Genesis
	if path == "" {
		path = filepath.Join(n.cfg.Dir, "genesis.json")
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("genesis: %w; give the network's founding document with --genesis", err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, genesis.MaxSize+1)) // one more, for the parser to say that it is too large
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("genesis: %w", err)
	}
	if n.doc, err = genesis.Parse(raw); err != nil {
		return fmt.Errorf("genesis %s: %w", path, err)
	}
	n.network = n.doc.ID()
	return nil
}

func (n *Node) openHost(key ed25519.PrivateKey) error {
	listen := n.cfg.Listen
	if len(listen) == 0 {
		listen = n.me.Addresses
	}
	addrs, err := multiaddrs(listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if err := checkFree(addrs); err != nil {
		return err
	}
	members, err := n.roster.members()
	if err != nil {
		return err
	}
	if !n.me.active() {
		// Nobody speaks with this node, and it speaks with nobody; it listens, so that
		// others can see before they vote that it is there.
		if members, err = n.alone(); err != nil {
			return err
		}
	}
	n.host, err = p2p.New(p2p.Config{
		Key: key, Network: n.network, Listen: addrs, Members: members, Logger: n.log, PreferQUIC: n.cfg.PreferQUIC,
	})
	switch {
	case errors.Is(err, p2p.ErrAddressInUse): // taken since checkFree looked
		return fmt.Errorf("%w: %w", ErrPortInUse, err)
	case errors.Is(err, p2p.ErrListen):
		return fmt.Errorf("%w: %w", ErrListen, err)
	}
	return err
}

// alone is a network of this node only.
func (n *Node) alone() ([]p2p.Member, error) {
	id, err := p2p.PeerID(n.nodeKey.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("node key of %s: %w", n.me.ID, err)
	}
	addrs, err := multiaddrs(n.me.Addresses)
	if err != nil {
		return nil, fmt.Errorf("addresses of %s: %w", n.me.ID, err)
	}
	return []p2p.Member{{Authority: n.self(), Peer: id, Addrs: addrs}}, nil
}

func multiaddrs(in []string) ([]multiaddr.Multiaddr, error) {
	out := make([]multiaddr.Multiaddr, len(in))
	for i, s := range in {
		var err error
		if out[i], err = multiaddr.NewMultiaddr(s); err != nil {
			return nil, fmt.Errorf("%q is no libp2p address like /ip4/192.0.2.1/tcp/8461: %w", s, err)
		}
	}
	return out, nil
}

// listenTCP listens, and says which address is taken where one is.
func listenTCP(addr, setting string) (*door, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, listenFailure(addr, setting, err)
	}
	return newDoor(l.(*net.TCPListener)), nil
}

// checkFree looks whether every address can be listened on. libp2p would start
// without those that cannot, and say so in its own log only.
func checkFree(addrs []multiaddr.Multiaddr) error {
	for _, a := range addrs {
		ip, err := a.ValueForProtocol(multiaddr.P_IP4)
		if err != nil {
			if ip, err = a.ValueForProtocol(multiaddr.P_IP6); err != nil {
				continue // a name: what it resolves to is for libp2p to find out
			}
		}
		var l io.Closer
		if port, tcp := a.ValueForProtocol(multiaddr.P_TCP); tcp == nil {
			l, err = net.Listen("tcp", net.JoinHostPort(ip, port))
		} else if port, udp := a.ValueForProtocol(multiaddr.P_UDP); udp == nil {
			l, err = net.ListenPacket("udp", net.JoinHostPort(ip, port))
		} else {
			continue // package p2p refuses it by name
		}
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			return listenFailure(a.String(), "listen, or the addresses in the genesis", err)
		}
	}
	return nil
}

func listenFailure(addr, setting string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: %s (setting %s): %w; stop what uses it, or choose another", ErrPortInUse, addr, setting, err)
	}
	return fmt.Errorf("%w: %s (setting %s): %w", ErrListen, addr, setting, err)
}
