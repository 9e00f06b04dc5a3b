package picture

import (
	"fmt"

	"concordat/healthcode"
)

// Bounds on one picture. What does not keep them is refused before a pixel is
// decoded.
const (
	// MaxBytes bounds a picture as it comes.
	MaxBytes = 8 << 20
	// MaxPixels bounds width times height: a photograph of 24 megapixels.
	MaxPixels = 24 << 20
	// MaxSide bounds width and height, in pixels.
	MaxSide = 12_000
	// MaxMemory bounds what the pixels take while they are decoded, in bytes. A
	// photograph of 24 megapixels takes 72 MiB; deep and progressive pictures take
	// more for each pixel, and may have fewer.
	MaxMemory = 128 << 20
	// MaxTexts bounds how many codes one picture may show.
	MaxTexts = 16
)

// maxScans bounds the scans of a JPEG. Each goes through the whole picture, and
// may take a few bytes only; encoders write ten or so.
const maxScans = 64

// maxSteps bounds the work on one picture, in looks at a pixel or what takes as
// long. It is what keeps a picture made to be slow from being so.
const maxSteps = 400_000_000

// Why a picture is refused. All wrap healthcode.ErrPicture, and so
// healthcode.ErrUnreadable.
var (
	// ErrTooLarge: the picture is over one of the bounds above.
	ErrTooLarge = fmt.Errorf("%w: too large", healthcode.ErrPicture)
	// ErrKind: it is neither PNG nor JPEG.
	ErrKind = fmt.Errorf("%w: neither PNG nor JPEG", healthcode.ErrPicture)
	// ErrBroken: it begins as a PNG or JPEG does and cannot be decoded.
	ErrBroken = fmt.Errorf("%w: broken", healthcode.ErrPicture)
	// ErrNoCode: it can be decoded, and no code was found in it.
	ErrNoCode = fmt.Errorf("%w: no code found", healthcode.ErrPicture)
)
