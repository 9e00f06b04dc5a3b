package authority

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Role says what a key is for. It is the name of the key's file.
type Role string

// The roles.
const (
	Governance Role = "governance"
	Statement  Role = "statement"
	Node       Role = "node"
	Cosign     Role = "cosign"
)

// Roles lists every role, in the order in which descriptors name them.
var Roles = []Role{Governance, Statement, Node, Cosign}

// PrivateKey holds an Ed25519 private key and keeps it out of prints and logs.
type PrivateKey struct {
	// A function, because fmt does not call the methods of unexported fields: of
	// a struct that has a PrivateKey in one it prints this function's address.
	key func() ed25519.PrivateKey
}

func newPrivateKey(key ed25519.PrivateKey) PrivateKey {
	return PrivateKey{func() ed25519.PrivateKey { return key }}
}

// Ed25519 gives the key itself, to sign with. What prints it is on its own.
func (k PrivateKey) Ed25519() ed25519.PrivateKey { return k.key() }

// Public gives the public key.
func (k PrivateKey) Public() ed25519.PublicKey { return k.key().Public().(ed25519.PublicKey) }

const redacted = "[private key]"

// String does not show the key.
func (k PrivateKey) String() string { return redacted }

// Format shows the key under no verb of fmt, %x and %#v included.
func (k PrivateKey) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, redacted) // fmt has no place for an error
}

// LogValue keeps the key out of slog.
func (k PrivateKey) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText refuses: a key is not to be in any JSON.
func (k PrivateKey) MarshalText() ([]byte, error) {
	return nil, errors.New("a private key is not to be encoded")
}
