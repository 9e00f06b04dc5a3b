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
// (ST13), but for those who hand over; it is a record of its own because Apply
// must know all of them, and may not scan (ST2).
type validatorSet struct {
	Members   []member `cbor:"1,keyasint"`           // in ascending order of id
	Former    []member `cbor:"2,keyasint,omitempty"` // those before the newest change, until they have handed over
	ChangedAt *uint64  `cbor:"3,keyasint,omitempty"` // index of that change
	SealedAt  *uint64  `cbor:"4,keyasint,omitempty"` // index of the first seal after it, which lists Members
	Since     uint64   `cbor:"5,keyasint,omitempty"` // the least size that the newest electorate is for
}

type member struct {
	ID          statement.Region  `cbor:"1,keyasint"`
	Cosign      ed25519.PublicKey `cbor:"2,keyasint"`
	Node        ed25519.PublicKey `cbor:"3,keyasint"`
	SuspendedBy *uint64           `cbor:"4,keyasint,omitempty"` // index of the evidence, or of the vote
	Governance  ed25519.PublicKey `cbor:"5,keyasint"`
}

func (vs *validatorSet) key() []byte { return validatorsKey() }

func (vs *validatorSet) check() error {
	switch {
	case (len(vs.Former) == 0) != (vs.ChangedAt == nil):
		return fmt.Errorf("%d validators hand over, and the change that they do it for is there: %v", len(vs.Former), vs.ChangedAt != nil)
	case vs.SealedAt != nil && (vs.ChangedAt == nil || *vs.SealedAt <= *vs.ChangedAt):
		return fmt.Errorf("a change sealed by statement %d that is not before it", *vs.SealedAt)
	}
	if err := checkMembers(vs.Members); err != nil {
		return err
	}
	return checkMembers(vs.Former)
}

func checkMembers(ms []member) error {
	last := statement.Region("")
	for _, m := range ms {
		switch {
		case m.ID <= last:
			return fmt.Errorf("validator %q after %q", m.ID, last)
		case len(m.Cosign) != ed25519.PublicKeySize || len(m.Node) != ed25519.PublicKeySize || len(m.Governance) != ed25519.PublicKeySize:
			return fmt.Errorf("keys of validator %q have %d, %d and %d bytes, want %d", m.ID, len(m.Cosign), len(m.Node), len(m.Governance), ed25519.PublicKeySize)
		}
		if err := m.ID.Validate(); err != nil {
			return err
		}
		last = m.ID
	}
	return nil
}

func (vs *validatorSet) words() string {
	s := inWords(vs.Members)
	if vs.ChangedAt != nil {
		s += fmt.Sprintf("; since statement %d beside %s", *vs.ChangedAt, inWords(vs.Former))
	}
	if vs.SealedAt != nil {
		s += fmt.Sprintf("; sealed by statement %d", *vs.SealedAt)
	}
	return s
}

func inWords(ms []member) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:", count(uint64(len(ms)), "validator", "validators"))
	for i, m := range ms {
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

func find(ms []member, id statement.Region) *member {
	i, found := slices.BinarySearchFunc(ms, id, func(m member, id statement.Region) int { return strings.Compare(string(m.ID), string(id)) })
	if !found {
		return nil
	}
	return &ms[i]
}

// with is ms with m in its place, instead of the one of its id if there is one.
func with(ms []member, m member) []member {
	out := without(ms, m.ID)
	i, _ := slices.BinarySearchFunc(out, m.ID, func(m member, id statement.Region) int { return strings.Compare(string(m.ID), string(id)) })
	return slices.Insert(out, i, m)
}

// without is ms without the one of an id.
func without(ms []member, id statement.Region) []member {
	return slices.DeleteFunc(slices.Clone(ms), func(m member) bool { return m.ID == id })
}

// mark says on both lists by what a validator is suspended, nil for not.
func (vs *validatorSet) mark(id statement.Region, by *uint64) {
	vs.Members, vs.Former = slices.Clone(vs.Members), slices.Clone(vs.Former)
	for _, ms := range [][]member{vs.Members, vs.Former} {
		if m := find(ms, id); m != nil {
			m.SuspendedBy = by
		}
	}
}

// voiced counts those that are not suspended.
func voiced(ms []member) (n int) {
	for _, m := range ms {
		if m.SuspendedBy == nil {
			n++
		}
	}
	return n
}

// sameKeys reports whether a and b are the same validators with the same keys.
func sameKeys(a, b []member) bool {
	return slices.EqualFunc(a, b, func(a, b member) bool {
		return a.ID == b.ID && bytes.Equal(a.Cosign, b.Cosign) && bytes.Equal(a.Node, b.Node) && bytes.Equal(a.Governance, b.Governance)
	})
}

// sameMembers is sameKeys, suspensions included.
func sameMembers(a, b []member) bool {
	return sameKeys(a, b) && slices.EqualFunc(a, b, func(a, b member) bool {
		if a.SuspendedBy == nil || b.SuspendedBy == nil {
			return a.SuspendedBy == b.SuspendedBy
		}
		return *a.SuspendedBy == *b.SuspendedBy
	})
}

// sealedAs reports whether a seal's list is this one.
func (vs *validatorSet) sealedAs(list []statement.SealedValidator) bool {
	return slices.EqualFunc(vs.Members, list, func(m member, v statement.SealedValidator) bool {
		return m.ID == v.ID && bytes.Equal(m.Cosign, v.Cosign) && bytes.Equal(m.Node, v.Node) && bytes.Equal(m.Governance, v.Governance)
	})
}

// sets is who certifies: those who hand over, if there are such, and then those of now.
func (vs *validatorSet) sets() [][]member {
	if len(vs.Former) == 0 {
		return [][]member{vs.Members}
	}
	return [][]member{vs.Former, vs.Members}
}

// validators gives members as package checkpoint knows them. The keys are shared with ms.
func validators(ms []member) checkpoint.Validators {
	out := make(checkpoint.Validators, len(ms))
	for i, m := range ms {
		out[i] = checkpoint.Validator{ID: m.ID, Cosign: m.Cosign, Node: m.Node, Governance: m.Governance, Suspended: m.SuspendedBy != nil}
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
// of id, suspended ones included and marked. While a change is handed over,
// those before it certify beside them: see ElectorateAt.
func (v View) Validators() (checkpoint.Validators, error) {
	vs, err := loadValidators(v)
	if err != nil {
		return nil, err
	}
	return validators(vs.Members), nil
}

// SealedValidators lists the validators as a seal made at this size must.
func (v View) SealedValidators() ([]statement.SealedValidator, error) {
	vs, err := loadValidators(v)
	if err != nil {
		return nil, err
	}
	out := make([]statement.SealedValidator, len(vs.Members))
	for i, m := range vs.Members {
		out[i] = statement.SealedValidator{ID: m.ID, Cosign: m.Cosign, Node: m.Node, Governance: m.Governance}
	}
	return out, nil
}
