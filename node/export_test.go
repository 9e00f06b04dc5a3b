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
