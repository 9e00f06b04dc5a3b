package state

import (
	"errors"
	"fmt"

	"concordat/ledger/genesis"
)

// ErrLevel: the network keeps to rules that this program does not know. The
// state is whole; a newer program goes on with it where this one stopped.
var ErrLevel = errors.New("the network's protocol level is newer than this program")

func errLevel(level uint64) error {
	return fmt.Errorf("%w: the network raises it to %d, and this program knows %d: install a newer version; nothing is lost",
		ErrLevel, level, uint64(genesis.ProtocolLevel))
}
