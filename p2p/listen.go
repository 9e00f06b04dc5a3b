package p2p

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/libp2p/go-libp2p/p2p/net/swarm"
)

var (
	// ErrAddressInUse is wrapped by [New] when another program, or another node,
	// listens on an address of Config.Listen.
	ErrAddressInUse = errors.New("p2p: address in use")
	// ErrListen is wrapped by [New] when an address of Config.Listen cannot be
	// listened on for another reason.
	ErrListen = errors.New("p2p: cannot listen")
)

// listen listens on every address, or on none: libp2p by itself is content with
// one of them, and tells its own log of the rest.
func (h *Host) listen() error {
	n, ok := h.host.Network().(*swarm.Swarm)
	if !ok {
		return fmt.Errorf("%w: libp2p's network is a %T", ErrListen, h.host.Network())
	}
	for _, a := range h.cfg.Listen {
		err := n.AddListenAddr(a)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			return fmt.Errorf("%w: %s: %w; stop what listens there, or choose another port", ErrAddressInUse, a, err)
		case err != nil:
			return fmt.Errorf("%w on %s: %w; is it an address of this machine, and may this user have the port?", ErrListen, a, err)
		}
	}
	return nil
}
