package node

import (
	"time"

	"concordat/consensus"
	"concordat/ledger"
)

// OnLedger lets a test change how a node's ledger is opened.
func OnLedger(c *Config, change func(*ledger.Options)) { c.ledgerOptions = change }

// OnOrder lets a test change how a node's part in the order is opened.
func OnOrder(c *Config, change func(*consensus.Config)) { c.orderConfig = change }

// EraseNow erases what has expired without waiting until it is time to look.
func EraseNow(n *Node) (erased int, err error) {
	return n.ledger.Erase(time.Now(), n.cfg.Storage.EraseAfter, 1000)
}

// ErrClockAhead is why no seal is made.
var ErrClockAhead = errClockAhead

// AheadOf is how far a co-signature is ahead of the quorum's time.
var AheadOf = aheadOf

// SealAt asks for a seal as consensus does, of a leader whose clock shows at.
func SealAt(n *Node, at time.Time) (*ledger.Candidate, error) { return n.seal(n.ledger.Head(), at) }

// MayLift reports whether a statement from index from on may lift what speaks against a code.
func MayLift(n *Node, from uint64) (bool, error) {
	view := n.View()
	defer n.release(view)
	return mayLift(view, from)
}

// KeyGrace is how long a node is spoken with by a key that was replaced.
const KeyGrace = keyGrace
