package checkpoint

import "concordat/ledger/merkle"

// Every bound on checkpoints and notes.
const (
	// MaxNote bounds a signed note, in bytes.
	MaxNote = 64 << 10
	// MaxLines bounds the signature lines of a note.
	MaxLines = 512
	// MaxNetwork bounds the network's name in an origin, in bytes. It is genesis.MaxNetwork.
	MaxNetwork = 64
	// MaxOrigin bounds the origin, in bytes: a name, a slash, and a lineage below 2^64.
	MaxOrigin = MaxNetwork + 1 + 20
	// MaxSize bounds a checkpoint's size.
	MaxSize = merkle.MaxSize
	// MaxForeignLine bounds each line of another log's checkpoint, in bytes.
	MaxForeignLine = 1024
	// MaxExtensions bounds the extension lines of another log's checkpoint.
	MaxExtensions = 16

	// toolLines is how many lines golang.org/x/mod/sumdb/note reads, which most
	// tools are built on. Only co-signatures may go beyond.
	toolLines = 100
	// witnessLines is how many lines of unknown signers a canonical note keeps.
	witnessLines = 16
)
