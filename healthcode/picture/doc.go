// Package picture reads codes off pictures, and draws them.
//
// It promises that whatever bytes it is given, Read comes back: with the texts of
// the codes in the picture, or with an error that wraps healthcode.ErrPicture and
// says nothing of what the picture shows. It takes bounded memory and a bounded
// number of steps (limits.go), starts no goroutine, and no panic of the libraries
// beneath gets out.
//
// Pictures are PNG and JPEG, told by their first bytes and never by a name:
// every colour type and bit depth of PNG, interlaced or not, and of an animated
// one the picture that programs show which know nothing of animation; grey, YCbCr
// and CMYK JPEG, baseline or progressive. SVG, PDF, GIF, WebP, HEIC and others
// are named and refused.
//
// Codes are QR codes, several in one picture if there are several, in any
// rotation, mirrored and inverted too, and Aztec codes, which the EU's specification
// also allows: one, where no QR code is found, around the middle of the picture.
//
// A text that was read is what the symbol holds; whether it is a health code is
// for package healthcode to say. Reading uses floating point, so two kinds of
// processor may differ on a picture that is barely legible: what a decision is
// repeatable on are the texts, not the picture.
package picture
