package hc1

import "concordat/healthcode/internal/cwt"

// The bounds on a code; those on what is inside of it stand in internal/cwt.
const (
	// MaxText bounds the scanned text in bytes, prefix included.
	MaxText = cwt.MaxText
	// MaxInflated bounds the message after decompression, in bytes.
	MaxInflated = cwt.MaxInflated
)
