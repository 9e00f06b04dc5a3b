package ledger

import (
	"errors"
	"fmt"

	"concordat/ledger/genesis"
	"concordat/ledger/state"
)

// ErrLevel: the network has raised its protocol level to one whose rules this
// program does not know. Nothing is wrong with the ledger and nothing was
// written: a newer program opens the same directory and goes on with that very
// entry.
var ErrLevel = state.ErrLevel

// ended is nil as long as the ledger may be changed: it is not broken, and no
// entry came that this program has no rules for. Only while applying.
func (l *Ledger) ended() error {
	if err := l.Err(); err != nil {
		return err
	}
	return l.outgrown
}

// end takes what kept an entry from being applied, and ends the ledger's growth
// by it: with ErrLevel in peace, or else it is broken (L6). Only while applying.
func (l *Ledger) end(err error) error {
	if errors.Is(err, ErrLevel) && l.Err() == nil {
		l.outgrown = err // whatever came next would be judged by the wrong rules
		return err
	}
	l.store.fault.set(err)
	return l.Err()
}

// checkLevel checks that this program knows the rules by which the state grows.
func checkLevel(p *pin) error {
	n, err := state.View{Reader: p}.Network()
	if err != nil {
		return err
	}
	if n.ProtocolLevel > genesis.ProtocolLevel {
		return fmt.Errorf("%w: its protocol level is %d, this program knows %d: install a newer version; nothing is lost",
			ErrLevel, n.ProtocolLevel, genesis.ProtocolLevel)
	}
	return nil
}
