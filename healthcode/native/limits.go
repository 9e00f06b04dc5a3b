package native

import "concordat/healthcode/internal/cwt"

// Every bound on a card, in one place; those on the text and its layers are
// HC1's. 64 stays in areas with ids as they are, of ten bytes or so, fit a QR
// code of level L; with the longest ids that are read, they do not.
const (
	// MaxText bounds the scanned text in bytes, prefix included.
	MaxText = cwt.MaxText
	// IDSize is how many random bytes an id has.
	IDSize = 16
	// MaxStays bounds an itinerary: two a day for a month.
	MaxStays = 64
	// MaxRegion and MaxArea bound the id of a region and of an area, in bytes, as statements do.
	MaxRegion = 32
	MaxArea   = 64
	// MaxScheme and MaxLevel bound the names of a scheme and of a level in it, in bytes, as statements do.
	MaxScheme = 32
	MaxLevel  = 32
	// MaxLegalGround bounds the legal ground of a status, in bytes of UTF-8: a citation and no text of law.
	MaxLegalGround = 200
	// MaxAuditor bounds the name of the office that audited, in bytes of UTF-8.
	MaxAuditor = 100
)
