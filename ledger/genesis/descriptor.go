package genesis

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"

	"concordat/ledger/statement"
)

// DescriptorFormat names the layout of a descriptor, in its first field.
const DescriptorFormat = "concordat-descriptor/1"

// What is hashed and what is signed begin with these, so that neither can be
// taken for anything else that the keys sign.
const (
	descriptorDomain = "concordat descriptor v1\n"
	proofDomain      = "concordat descriptor proof v1\n"
)

// Descriptor is the public half of an authority, to be handed to the others:
// who it is, and a proof that it holds every key it names.
type Descriptor struct {
	Format    string    `json:"format"` // DescriptorFormat
	Authority Authority `json:"authority"`
	Proofs    Proofs    `json:"proofs"`
}

// Proofs are signatures by each of the four keys over the rest of the descriptor.
type Proofs struct {
	Governance Signature `json:"governance"`
	Statement  Signature `json:"statement"`
	Node       Signature `json:"node"`
	Cosign     Signature `json:"cosign"`
}

// PrivateKeys are the four keys of an authority. They are in one hand only when a descriptor is made.
type PrivateKeys struct {
	Governance, Statement, Node, Cosign ed25519.PrivateKey
}

// SignDescriptor makes a's descriptor. It takes a's public keys from the
// private ones. Errors wrap ErrInvalid.
func SignDescriptor(a Authority, keys PrivateKeys) (*Descriptor, error) {
	for _, k := range []ed25519.PrivateKey{keys.Governance, keys.Statement, keys.Node, keys.Cosign} {
		if len(k) != ed25519.PrivateKeySize {
			return nil, invalid("private key has %d bytes, want %d", len(k), ed25519.PrivateKeySize)
		}
	}
	public := func(k ed25519.PrivateKey) Key { return Key(k.Public().(ed25519.PublicKey)) }
	a.Keys = Keys{public(keys.Governance), public(keys.Statement), public(keys.Node), public(keys.Cosign)}
	d := &Descriptor{Format: DescriptorFormat, Authority: a}
	digest := d.digest()
	sign := func(role string, k ed25519.PrivateKey) Signature {
		return Signature(ed25519.Sign(k, proofMessage(role, digest)))
	}
	d.Proofs = Proofs{
		Governance: sign("governance", keys.Governance),
		Statement:  sign("statement", keys.Statement),
		Node:       sign("node", keys.Node),
		Cosign:     sign("cosign", keys.Cosign),
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	return d, nil
}

// ParseDescriptor reads a descriptor of at most MaxDescriptor bytes and checks
// its proofs. Errors wrap ErrMalformed, ErrInvalid or ErrProof.
func ParseDescriptor(raw []byte) (*Descriptor, error) {
	if len(raw) > MaxDescriptor {
		return nil, fmt.Errorf("descriptor: %w: %d bytes, at most %d", ErrTooLarge, len(raw), MaxDescriptor)
	}
	d := new(Descriptor)
	if err := decode(raw, d, "format", DescriptorFormat); err != nil {
		return nil, fmt.Errorf("descriptor: %w", err)
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	if err := sameBytes(raw, d.Encode()); err != nil {
		return nil, fmt.Errorf("descriptor: %w", err)
	}
	return d, nil
}

// Encode gives the descriptor's bytes: JSON, indented by two spaces, ended by a new line.
func (d *Descriptor) Encode() []byte { return encode(d) }

// Check checks every field and every proof. Errors wrap ErrInvalid or ErrProof.
func (d *Descriptor) Check() error {
	if d.Format != DescriptorFormat {
		return invalid("descriptor: format is %q, want %q", d.Format, DescriptorFormat)
	}
	if d.Authority.Role != "" {
		return invalid("descriptor of %s claims the role %q; the network gives roles, leave it out", d.Authority.ID, d.Authority.Role)
	}
	if err := d.Authority.check(); err != nil {
		return fmt.Errorf("descriptor: %w", err)
	}
	if err := checkDistinct([]Authority{d.Authority}); err != nil {
		return fmt.Errorf("descriptor: %w", err)
	}
	digest := d.digest()
	proofs := []Signature{d.Proofs.Governance, d.Proofs.Statement, d.Proofs.Node, d.Proofs.Cosign}
	var errs []error
	for i, k := range d.Authority.Keys.byRole() {
		if !statement.VerifySignature(k.key.Public(), proofMessage(k.role, digest), proofs[i][:]) {
			errs = append(errs, fmt.Errorf("%w: proof %s of %s is not made by its key; ask the authority for the file again",
				ErrProof, k.role, d.Authority.ID))
		}
	}
	return errors.Join(errs...)
}

// digest is SHA-256 over the descriptor's domain and its bytes with all proofs zero.
func (d *Descriptor) digest() [sha256.Size]byte {
	bare := *d
	bare.Proofs = Proofs{}
	return sha256.Sum256(append([]byte(descriptorDomain), bare.Encode()...))
}

// proofMessage is what the key of a role signs (G3).
func proofMessage(role string, digest [sha256.Size]byte) []byte {
	return append([]byte(proofDomain+role+"\n"), digest[:]...)
}
