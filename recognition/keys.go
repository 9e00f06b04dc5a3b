package recognition

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"concordat/healthcode"
	"concordat/ledger/statement"
	"concordat/recognition/certlogic"
	"concordat/recognition/rules"
)

// validity is the window that a certificate gives its key.
type validity struct{ notBefore, notAfter time.Time }

// keyCache remembers issuers' keys and certificates, and the conditions of
// special cases, as parsed, because parsing a key adds about a sixth to a check
// (BenchmarkDecide). It is a convenience of time
// only: decisions are the same with one, another or none. It is safe for
// concurrent use and bounded. A nil *keyCache remembers nothing.
type keyCache struct {
	keys         memory[crypto.PublicKey]
	certificates memory[validity]
	conditions   memory[*certlogic.Expression]
	rules        memory[*rules.Rule]
	sets         memory[[]any] // the codes of value sets
}

// newKeyCache makes a cache of about n keys, and as many certificates and conditions.
func newKeyCache(n int) *keyCache {
	half := n/2 + 1
	return &keyCache{
		keys: memory[crypto.PublicKey]{half: half}, certificates: memory[validity]{half: half},
		conditions: memory[*certlogic.Expression]{half: half},
		rules:      memory[*rules.Rule]{half: min(half, 512)}, sets: memory[[]any]{half: min(half, 128)}, // each may take 100 kB
	}
}

// publicKey parses a SubjectPublicKeyInfo.
func (c *keyCache) publicKey(spki []byte) (crypto.PublicKey, error) {
	parse := func() (crypto.PublicKey, error) { return parsePublicKey(spki) }
	if c == nil {
		return parse()
	}
	return c.keys.get(spki, func() (crypto.PublicKey, error) {
		key, err := parse()
		return healthcode.Prepare(key), err
	})
}

// parsePublicKey reads a key in its one encoding only. What is said of a key
// under one registration is found under another by its bytes (W2, W3), and
// crypto/x509 takes more than one encoding of a key: with an element more at the
// end of the outer SEQUENCE, say. In another encoding a key that its owner has
// declared compromised would come back as one of which nothing is said.
func parsePublicKey(spki []byte) (crypto.PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, err
	}
	canonical, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(canonical, spki) {
		return nil, errors.New("the key is in another encoding than its own")
	}
	return key, nil
}

// certificate reads the window of a certificate.
func (c *keyCache) certificate(der []byte) (validity, error) {
	parse := func() (validity, error) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return validity{}, err
		}
		return validity{cert.NotBefore, cert.NotAfter}, nil
	}
	if c == nil {
		return parse()
	}
	return c.certificates.get(der, parse)
}

// condition reads the condition of a special case.
func (c *keyCache) condition(d *statement.Document) (*certlogic.Expression, error) {
	parse := func() (*certlogic.Expression, error) { return parseCondition(d) }
	if c == nil {
		return parse()
	}
	// What it is unpacked to depends on the size and the digest that it names, too.
	key := fmt.Appendf(nil, "%d %x ", d.Size, d.Digest)
	return c.conditions.get(append(key, d.Deflated...), parse)
}

// memory is a map of two generations. What is used moves to the young one;
// when that is full it becomes the old one and the old one is forgotten, so
// that at most 2·half entries are kept, the recently used among them.
//
// Entries are found by their whole bytes and not by a thumbprint: the ledger
// does not hold a registration's key against its certificate, so two
// registrations may share a thumbprint and not a key.
type memory[V any] struct {
	half int

	mu         sync.Mutex
	young, old map[string]V
}

// get gives what parse made of data, now or earlier. Failures are not kept.
func (m *memory[V]) get(data []byte, parse func() (V, error)) (V, error) {
	m.mu.Lock()
	v, ok := m.young[string(data)]
	if !ok {
		if v, ok = m.old[string(data)]; ok {
			m.putLocked(string(data), v)
		}
	}
	m.mu.Unlock()
	if ok {
		return v, nil
	}
	v, err := parse() // outside of the lock: two may parse the same, and keep the same
	if err != nil {
		return v, err
	}
	m.mu.Lock()
	m.putLocked(string(data), v)
	m.mu.Unlock()
	return v, nil
}

func (m *memory[V]) putLocked(key string, v V) {
	if m.young == nil || len(m.young) >= m.half {
		m.old, m.young = m.young, make(map[string]V)
	}
	m.young[key] = v
}
