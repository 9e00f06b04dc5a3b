package node

import "concordat/ledger"

// OnLedger lets a test change how a node's ledger is opened.
func OnLedger(c *Config, change func(*ledger.Options)) { c.ledgerOptions = change }
