package backup

import (
	"concordat/ledger/block"
	"concordat/ledger/genesis"
	"concordat/ledger/receipt"
)

// Every bound on a backup.
const (
	// MaxManifest bounds the manifest.
	MaxManifest = 4 << 10
	// MaxVersion bounds the name of the program's version, in bytes.
	MaxVersion = 64
	// MaxBlock bounds one block's record. Attachments are within a block's bounds,
	// and two statements of one block may have the same.
	MaxBlock = 2 * block.MaxBytes

	maxGenesis = genesis.MaxSize
	maxProof   = receipt.MaxSize
)
