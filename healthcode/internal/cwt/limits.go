package cwt

// Every bound on foreign bytes, in one place. Measured on 116 cases of
// eu-digital-green-certificates/dgc-testdata (12 countries and the common ones):
// the longest text has 1,093 characters, the largest inflated message 870 bytes,
// the deepest nesting is 5, and no array or map has more than 16 elements. A
// native itinerary card of 64 stays, the most that it may have, inflates to some
// 1,500 bytes.
const (
	// MaxText bounds the scanned text in bytes, prefix included. One QR code
	// holds at most 4,296 alphanumeric characters (ISO/IEC 18004, version 40-L);
	// twice that leaves room for other carriers.
	MaxText = 8192

	// MaxInflated bounds the message after decompression, in bytes. DEFLATE
	// yields up to 1,032 bytes for each byte of input, so MaxText alone would
	// admit 5.6 MB.
	MaxInflated = 64 << 10

	// MaxNesting bounds the depth of CBOR arrays, maps and tags.
	MaxNesting = 16

	// MaxElements bounds the elements of one CBOR array or pairs of one map.
	MaxElements = 256

	// MinRSABits and MaxRSABits bound RSA keys. hcert_spec 3.3.2 asks for 2048 at
	// least; the upper bound keeps the price of a check known.
	MinRSABits = 2048
	MaxRSABits = 4096
)

// The span of times that Go and JSON can both write down, in seconds since 1970.
const (
	Earliest = 0
	Latest   = 253402300799 // 9999-12-31T23:59:59Z
)
