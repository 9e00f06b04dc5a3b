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
type validity struct {
	notBefore, notAfter time.Time
	publicKey           string // the key that it is of, SubjectPublicKeyInfo, DER
}

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

// How much is kept of what authorities publish, in bytes of memory and for half
// of each: a document of a few hundred bytes may unpack to megabytes, and anybody
// may ask for the checks of whoever published it.
const (
	roomForKeys       = 16 << 20
	roomForConditions = 16 << 20
	roomForRules      = 32 << 20 // those of the EU's member states take some 10 MiB
	roomForSets       = 16 << 20
)

// newKeyCache makes a cache of about n keys, and as many certificates, conditions,
// rules and value sets, within the bounds on each.
func newKeyCache(n int) *keyCache {
	half := n/2 + 1
	return &keyCache{
		keys: memory[crypto.PublicKey]{half: half, room: roomForKeys}, certificates: memory[validity]{half: half, room: roomForKeys},
		conditions: memory[*certlogic.Expression]{half: half, room: roomForConditions, weigh: (*certlogic.Expression).Weight},
		rules:      memory[*rules.Rule]{half: half, room: roomForRules, weigh: (*rules.Rule).Weight},
		sets:       memory[[]any]{half: half, room: roomForSets, weigh: weighCodes},
	}
}

// weighCodes is about how many bytes the codes of a value set take.
func weighCodes(codes []any) int {
	weight := 0
	for _, c := range codes {
		code, _ := c.(string)
		weight += 48 + len(code)
	}
	return weight
}

// publicKey parses a SubjectPublicKeyInfo.
func (c *keyCache) publicKey(spki []byte) (crypto.PublicKey, error) {
	parse := func() (crypto.PublicKey, error) { return ParsePublicKey(spki) }
	if c == nil {
		return parse()
	}
	return c.keys.get(spki, func() (crypto.PublicKey, error) {
		key, err := parse()
		return healthcode.Prepare(key), err
	})
}

// ParsePublicKey reads an issuer's key (SubjectPublicKeyInfo) in its one encoding only. What is said of a key
// under one registration is found under another by its bytes (W2, W3), and
// crypto/x509 takes more than one encoding of a key: with an element more at the
// end of the outer SEQUENCE, say. In another encoding a key that its owner has
// declared compromised would come back as one of which nothing is said.
func ParsePublicKey(spki []byte) (crypto.PublicKey, error) {
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
		return validity{cert.NotBefore, cert.NotAfter, string(cert.RawSubjectPublicKeyInfo)}, nil
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
// when that is full, by entries or by bytes, it becomes the old one and the old
// one is forgotten. So at most 2·half entries are kept, which weigh at most
// 2·room, the recently used among them. What weighs more than room by itself is
// not kept.
//
// That something cannot be read is kept, too: to find out takes as long as reading.
//
// Entries are found by their whole bytes and not by a thumbprint: the ledger
// does not hold a registration's key against its certificate, so two
// registrations may share a thumbprint and not a key.
type memory[V any] struct {
	half  int
	room  int         // bytes
	weigh func(V) int // bytes beside the entry's own; nil: as many as it is read from

	mu         sync.Mutex
	young, old map[string]entry[V]
	weight     int // of the young
}

// entry is what was made of some bytes.
type entry[V any] struct {
	v      V
	err    error
	weight int
}

// entryWeight is about how many bytes an entry takes beside what it is found by and what it holds.
const entryWeight = 200

// get gives what parse made of data, now or earlier.
func (m *memory[V]) get(data []byte, parse func() (V, error)) (V, error) {
	m.mu.Lock()
	e, ok := m.young[string(data)]
	if !ok {
		if e, ok = m.old[string(data)]; ok {
			m.putLocked(string(data), e)
		}
	}
	m.mu.Unlock()
	if ok {
		return e.v, e.err
	}
	e.v, e.err = parse() // outside of the lock: two may parse the same, and keep the same
	e.weight = entryWeight + len(data)
	switch {
	case e.err != nil:
		e.weight += 2 * len(e.err.Error()) // the text, and what it was made of
	case m.weigh != nil:
		e.weight += m.weigh(e.v)
	default:
		e.weight += len(data)
	}
	m.mu.Lock()
	m.putLocked(string(data), e)
	m.mu.Unlock()
	return e.v, e.err
}

func (m *memory[V]) putLocked(key string, e entry[V]) {
	if e.weight > m.room {
		return
	}
	if m.young == nil || len(m.young) >= m.half || m.weight+e.weight > m.room {
		m.old, m.young, m.weight = m.young, make(map[string]entry[V]), 0
	}
	if _, known := m.young[key]; !known {
		m.weight += e.weight
	}
	m.young[key] = e
}
