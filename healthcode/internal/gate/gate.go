// Package gate keeps the one door through which a code becomes verified.
//
// It promises that only packages below healthcode can call healthcode.Vouch:
// nobody else can import this package, so nobody else can hold a Pass. It
// expects of them that they open the gate after a signature was checked, and
// never before.
package gate

// Pass is the right to vouch for a code. Its zero value opens nothing.
type Pass struct{ open bool }

// SignatureChecked gives the pass. Call it in the one line after a signature
// verified.
func SignatureChecked() Pass { return Pass{open: true} }

// Open reports whether p came from SignatureChecked.
func (p Pass) Open() bool { return p.open }
