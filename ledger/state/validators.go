package state

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"

	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// validatorSet is who vouches for the ledger, with the keys that they do it
// with. It says nothing that the authorities and the evidence do not say
// (ST13); it is a record of its own because Apply must know all of them, and
// may not scan (ST2).
type validatorSet struct {
	Members []member `cbor:"1,keyasint"` // in ascending order of id
}

type member struct {
	ID          statement.Region  `cbor:"1,keyasint"`
	Cosign      ed25519.PublicKey `cbor:"2,keyasint"`
	Node        ed25519.PublicKey `cbor:"3,keyasint"`
	SuspendedBy *uint64           `cbor:"4,keyasint,omitempty"` // index of the evidence
}

func (vs *validatorSet) key() []byte { return validatorsKey() }

func (vs *validatorSet) check() error {
	last := statement.Region("")
	for _, m := range vs.Members {
		switch {
		case m.ID <= last:
			return fmt.Errorf("validator %q after %q", m.ID, last)
		case len(m.Cosign) != ed25519.PublicKeySize || len(m.Node) != ed25519.PublicKeySize:
			return fmt.Errorf("keys of validator %q have %d and %d bytes, want %d", m.ID, len(m.Cosign), len(m.Node), ed25519.PublicKeySize)
		}
		if err := m.ID.Validate(); err != nil {
			return err
		}
		last = m.ID
	}
	return nil
}

func (vs *validatorSet) words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:", count(uint64(len(vs.Members)), "validator", "validators"))
	for i, m := range vs.Members {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, " %s", m.ID)
		if m.SuspendedBy != nil {
			fmt.Fprintf(&b, " (suspended by statement %d)", *m.SuspendedBy)
		}
	}
	return b.String()
}

func (vs *validatorSet) find(id statement.Region) *member {
	for i := range vs.Members {
		if vs.Members[i].ID == id {
			return &vs.Members[i]
		}
	}
	return nil
}

// sealedAs reports whether a seal's list is this one.
func (vs *validatorSet) sealedAs(list []statement.SealedValidator) bool {
	return slices.EqualFunc(vs.Members, list, func(m member, v statement.SealedValidator) bool {
		return m.ID == v.ID && bytes.Equal(m.Cosign, v.Cosign) && bytes.Equal(m.Node, v.Node)
	})
}

// validators gives the set as package checkpoint knows it. The keys are shared with vs.
func (vs *validatorSet) validators() checkpoint.Validators {
	out := make(checkpoint.Validators, len(vs.Members))
	for i, m := range vs.Members {
		out[i] = checkpoint.Validator{ID: m.ID, Cosign: m.Cosign, Node: m.Node, Suspended: m.SuspendedBy != nil}
	}
	return out
}

// loadValidators reads the set. A state without it is corrupt.
func loadValidators(r Reader) (*validatorSet, error) {
	vs, err := load[validatorSet](r, validatorsKey())
	if err != nil {
		return nil, err
	}
	if vs == nil {
		return nil, fmt.Errorf("%w: it has no validators; was it ever founded?", ErrCorrupt)
	}
	return vs, nil
}

// Validators lists who vouches for the ledger at this size, in ascending order
// of id, those suspended by evidence included and marked.
func (v View) Validators() (checkpoint.Validators, error) {
	vs, err := loadValidators(v)
	if err != nil {
		return nil, err
	}
	return vs.validators(), nil
}

// SealedValidators lists the validators as a seal made at this size must.
func (v View) SealedValidators() ([]statement.SealedValidator, error) {
	vs, err := loadValidators(v)
	if err != nil {
		return nil, err
	}
	out := make([]statement.SealedValidator, len(vs.Members))
	for i, m := range vs.Members {
		out[i] = statement.SealedValidator{ID: m.ID, Cosign: m.Cosign, Node: m.Node}
	}
	return out, nil
}
