package block

import "concordat/ledger/statement"

// Every bound on a block.
const (
	// MaxBytes bounds a whole block.
	MaxBytes = 3 << 20
	// MaxStatements bounds the statements in a block.
	MaxStatements = 1024
	// MaxStatementBytes bounds the statements' bytes together, without attachments.
	MaxStatementBytes = 512 << 10
	// MaxHeader bounds a header. The longest takes less than 200 bytes.
	MaxHeader = 256
	// MaxHeaderProof bounds a header with its signature.
	MaxHeaderProof = MaxHeader + 128
	// MaxLogSize bounds the ledger's size: the largest number that JSON carries exactly everywhere.
	MaxLogSize = 1<<53 - 1
	// MaxTime bounds the block's time, in Unix milliseconds.
	MaxTime = statement.MaxTime*1000 + 999

	// envelopeBytes is more than all that is around the statements and attachments.
	envelopeBytes = MaxHeader + 128
	// itemBytes is the most that CBOR puts before a byte string here.
	itemBytes = 5
)

// Budget tells a proposer when a block is full. The zero value is that of an empty block.
type Budget struct {
	count, statements, total int
}

// Take makes room for a statement and its attachment, if it has one. It
// reports false, and takes nothing, if they do not fit any more. Whatever was
// taken can be sealed. The first that is taken always fits, if it is within
// the limits of its own (B4).
func (b *Budget) Take(statement, attachment []byte) bool {
	total := len(statement) + itemBytes
	if len(attachment) > 0 {
		total += len(attachment) + itemBytes
	}
	switch {
	case b.count+1 > MaxStatements, b.statements+len(statement) > MaxStatementBytes, b.total+total > MaxBytes-envelopeBytes:
		return false
	}
	b.count++
	b.statements += len(statement)
	b.total += total
	return true
}

// Count is how many statements were taken.
func (b *Budget) Count() int { return b.count }
