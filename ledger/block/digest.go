package block

import "crypto/sha256"

// BodyDigest is what a header's Body says of these statements and attachments:
// for whoever has a header and them, and not the block. attachments has one for
// each statement whose kind has one, in their order.
func BodyDigest(statements, attachments [][]byte) [sha256.Size]byte {
	if attachments == nil {
		attachments = [][]byte{} // an empty array, as Seal has it
	}
	return sha256.Sum256(mustEncode(body{Statements: statements, Attachments: attachments}))
}
