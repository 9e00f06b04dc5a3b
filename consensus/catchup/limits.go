package catchup

import (
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
)

// The names that calls go by; each is served by Server.Serve.
const (
	OfferProtocol       = "catchup/offer/1"
	TilesProtocol       = "catchup/tiles/1"
	EntriesProtocol     = "catchup/entries/1"
	AttachmentsProtocol = "catchup/attachments/1"
	BlocksProtocol      = "catchup/blocks/1"
	StepsProtocol       = "catchup/steps/1"
)

// Protocols are all names that a node hands to Server.Serve.
func Protocols() []string {
	return []string{OfferProtocol, TilesProtocol, EntriesProtocol, AttachmentsProtocol, BlocksProtocol, StepsProtocol}
}

// Every bound on what travels.
const (
	// MaxRequest bounds a request, in bytes. The largest asks for 64 attachments.
	MaxRequest = 4 << 10
	// MaxAnswer bounds an answer, in bytes.
	MaxAnswer = 2 << 20
	// MaxTiles bounds the tiles of one answer.
	MaxTiles = 64
	// MaxRange bounds the statements of one answer, and the range whose block
	// records are in one.
	MaxRange = 4 * merkle.TileWidth
	// MaxAttachments bounds the attachments of one answer.
	MaxAttachments = 64

	// contentBytes is what entries or attachments may take of an answer, with
	// itemBytes for each; the rest is for what is around them.
	contentBytes = MaxAnswer - 256
	// itemBytes is the most that CBOR puts before a byte string here.
	itemBytes = 5
)

// What is largest still fits into an answer by itself.
var (
	_ [contentBytes - statement.MaxAttachment - itemBytes]struct{}
	_ [contentBytes - statement.MaxSize - itemBytes]struct{}
	_ [contentBytes - receipt.MaxStep - itemBytes]struct{}
	_ [contentBytes - MaxTiles*(merkle.TileWidth*merkle.HashSize+itemBytes)]struct{}
)
