package shc

// Every bound on foreign bytes, in one place. Measured on the four examples of the
// specification: the longest JWS has 3,285 characters, in 3 chunks, and inflates
// to 30,178 bytes; the deepest nesting is 12, and no array has more than 55
// elements. The three that fit one QR code have a JWS of 804 characters at most,
// which inflates to 1,374 bytes.
const (
	// MaxJWS bounds a compact JWS in characters. One QR code as the specification
	// wants it holds 1,195 of them; files may have more.
	MaxJWS = 16 << 10

	// MaxText bounds the text of a QR code in bytes: two digits for each character
	// of the longest JWS, and what stands before them.
	MaxText = 2*MaxJWS + 64

	// MaxChunks bounds the texts that one card is spread over: the longest JWS
	// needs 14 of at most 1,191 characters.
	MaxChunks = 16

	// MaxFile bounds a .smart-health-card file in bytes.
	MaxFile = 256 << 10

	// MaxCards bounds the cards of one file.
	MaxCards = 16

	// MaxInflated bounds the payload after decompression, in bytes. DEFLATE yields
	// up to 1,032 bytes for each byte of input, so MaxJWS alone would admit 12 MB.
	MaxInflated = 128 << 10

	// MaxCRL bounds a card revocation list in bytes: about a million entries.
	MaxCRL = 32 << 20

	// MaxRID bounds a card's revocation identifier in characters (specification,
	// Revocation).
	MaxRID = 24

	// maxNesting bounds the depth of JSON objects and arrays.
	maxNesting = 32

	// maxMembers bounds the members of a JSON object that is read.
	maxMembers = 64

	// maxElements bounds the elements of a JSON array that is read, entries of a
	// bundle among them; those of a card revocation list are bounded by its size.
	maxElements = 256

	// maxNumber bounds the characters of a JSON number that is read.
	maxNumber = 64
)
