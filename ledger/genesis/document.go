package genesis

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"concordat/ledger/statement"
)

// Format names the layout of a founding document, in its first field.
const Format = "concordat-genesis/1"

var (
	// ErrMalformed: the bytes are not a document, or a descriptor, in its one encoding.
	ErrMalformed = errors.New("malformed")
	// ErrTooLarge: there are more bytes than the limit.
	ErrTooLarge = fmt.Errorf("%w: too large", ErrMalformed)
	// ErrInvalid: a field breaks a bound or contradicts another.
	ErrInvalid = errors.New("invalid")
	// ErrProof: a descriptor is not signed by a key that it names.
	ErrProof = errors.New("descriptor is not proven")
)

// Document founds a network. Everything that is ever judged in the network
// starts from it.
type Document struct {
	Format        string      `json:"format"`        // Format
	Network       string      `json:"network"`       // the name: a-z, 0-9, "." and "-"; also the origin of the log
	Created       string      `json:"created"`       // RFC 3339 in UTC with whole seconds; the age that bounds Raft's terms counts from here
	ProtocolLevel uint64      `json:"protocolLevel"` // the rules that the network begins with, 1 to ProtocolLevel; votes raise it
	Policy        Policy      `json:"policy"`        // how many votes carry what
	Authorities   []Authority `json:"authorities"`   // in ascending order of id
}

// Role is an authority's part in the network.
type Role string

// The roles.
const (
	Validator Role = "validator" // orders and vouches; may vote
	Observer  Role = "observer"  // states and reads
)

// Authority is one authority as the network knows it.
type Authority struct {
	ID        statement.Region `json:"id"`             // the region it speaks for
	Name      string           `json:"name"`           // for people
	Role      Role             `json:"role,omitempty"` // given by the network: absent in a descriptor
	Keys      Keys             `json:"keys"`
	Addresses []string         `json:"addresses"`      // libp2p multiaddrs without /p2p: the node key says who answers
	HTTP      string           `json:"http,omitempty"` // base URL of its node's API
}

// Keys are the public keys of an authority, one for each thing that it signs.
type Keys struct {
	Governance Key `json:"governance"` // offline: votes, and rotates the others
	Statement  Key `json:"statement"`  // what the authority says
	Node       Key `json:"node"`       // its node's libp2p identity, and the blocks it proposes
	Cosign     Key `json:"cosign"`     // checkpoints
}

// byRole lists the keys in the order in which documents name them.
func (k *Keys) byRole() []namedKey {
	return []namedKey{
		{"governance", k.Governance}, {"statement", k.Statement}, {"node", k.Node}, {"cosign", k.Cosign},
	}
}

type namedKey struct {
	role string
	key  Key
}

// New founds a network: the authorities of the descriptors become its
// validators, under the default policy. Every descriptor's proofs are checked.
// Errors wrap ErrProof or ErrInvalid and name the authority.
func New(network string, created time.Time, ds []Descriptor) (*Document, error) {
	d := &Document{
		Format:        Format,
		Network:       network,
		Created:       created.UTC().Format(timeLayout),
		ProtocolLevel: ProtocolLevel,
		Policy:        DefaultPolicy(),
	}
	for i := range ds {
		if err := ds[i].Check(); err != nil {
			return nil, fmt.Errorf("descriptor %d (%s): %w", i+1, ds[i].Authority.ID, err)
		}
		a := ds[i].Authority
		a.Role = Validator
		a.Addresses = slices.Clone(a.Addresses)
		d.Authorities = append(d.Authorities, a)
	}
	slices.SortFunc(d.Authorities, func(a, b Authority) int { return cmp.Compare(a.ID, b.ID) })
	if err := d.Check(); err != nil {
		return nil, err
	}
	return d, nil
}

// Parse reads a founding document of at most MaxSize bytes. Errors wrap
// ErrMalformed or ErrInvalid.
func Parse(raw []byte) (*Document, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("genesis: %w: %d bytes, at most %d", ErrTooLarge, len(raw), MaxSize)
	}
	d := new(Document)
	if err := decode(raw, d, "format", Format); err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	if err := sameBytes(raw, d.Encode()); err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	return d, nil
}

// Encode gives the document's bytes: JSON, indented by two spaces, ended by a new line.
func (d *Document) Encode() []byte { return encode(d) }

// ID is the network's identity: SHA-256 of the document's bytes.
func (d *Document) ID() statement.NetworkID { return sha256.Sum256(d.Encode()) }

// Authority finds an authority by its id.
func (d *Document) Authority(id statement.Region) (Authority, bool) {
	i, found := slices.BinarySearchFunc(d.Authorities, id, func(a Authority, id statement.Region) int { return cmp.Compare(a.ID, id) })
	if !found {
		return Authority{}, false
	}
	return d.Authorities[i], true
}

// Validators gives the authorities that order and vouch, in ascending order of id.
func (d *Document) Validators() []Authority {
	return slices.DeleteFunc(slices.Clone(d.Authorities), func(a Authority) bool { return a.Role != Validator })
}

// sameBytes checks G1 and, where it fails, names the first line that differs.
func sameBytes(have, want []byte) error {
	if bytes.Equal(have, want) {
		return nil
	}
	haveLines, wantLines := bytes.Split(have, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range min(len(haveLines), len(wantLines)) {
		if !bytes.Equal(haveLines[i], wantLines[i]) {
			return fmt.Errorf("%w: line %d is not in canonical form: it is %.80q and should be %.80q; use the file as it was made, an editor may have changed it",
				ErrMalformed, i+1, haveLines[i], wantLines[i])
		}
	}
	return fmt.Errorf("%w: %d lines where the canonical form has %d; use the file as it was made, an editor may have changed it",
		ErrMalformed, len(haveLines), len(wantLines))
}
