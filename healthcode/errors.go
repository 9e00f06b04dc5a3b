package healthcode

import "errors"

// failure is a sentinel with a stable name for machines. Parent lets a caller
// ask the broad question (is it unreadable?) or the narrow one (what stage?).
type failure struct {
	name, text string
	parent     error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.parent }

// The reasons why a text is not a code. All of the narrow ones wrap
// ErrUnreadable.
var (
	ErrUnreadable    error = &failure{name: "code-unreadable", text: "unreadable code"}
	ErrFormatUnknown       = unreadable("format-unknown", "unknown format")
	ErrPrefix              = unreadable("prefix-invalid", "prefix")
	ErrBase45              = unreadable("base45-invalid", "Base45")
	ErrCompression         = unreadable("compression-invalid", "compression")
	ErrTooLarge            = unreadable("code-too-large", "too large")
	ErrCBOR                = unreadable("cbor-invalid", "CBOR")
	ErrCOSE                = unreadable("cose-invalid", "COSE")
	ErrClaims              = unreadable("claims-invalid", "claims")
	ErrEntries             = unreadable("entries-invalid", "entries")
	ErrDigits              = unreadable("digits-invalid", "digits")
	ErrChunks              = unreadable("chunks-invalid", "chunks")
	ErrJWS                 = unreadable("jws-invalid", "JWS")
	ErrJSON                = unreadable("json-invalid", "JSON")
	ErrPicture             = unreadable("picture-unreadable", "picture")
)

// The reasons why a readable code does not verify under a key.
var (
	// ErrSignature: the key did not sign this code.
	ErrSignature error = &failure{name: "signature-invalid", text: "bad signature"}
	// ErrKeyUnsuitable: the key cannot have signed this code, whatever its bytes.
	ErrKeyUnsuitable error = &failure{name: "key-unsuitable", text: "unsuitable key"}
)

func unreadable(name, text string) error {
	return &failure{name: name, text: text, parent: ErrUnreadable}
}

// Name gives the stable, machine-readable name of the narrowest of this
// package's errors that err wraps, such as "base45-invalid", and "" where it
// wraps none. Names are part of the interface: they never change.
func Name(err error) string {
	var f *failure
	if errors.As(err, &f) {
		return f.name
	}
	return ""
}
