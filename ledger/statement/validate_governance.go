package statement

import (
	"crypto/ed25519"
	"errors"
	"slices"
)

// Validate checks the use and the sizes, and that the key is fit to verify with.
// That the proof is the key's own is for the ledger to say, which knows the network.
func (k *NewKey) Validate() error {
	if !slices.Contains(KeyUses, k.Use) {
		return invalid("use %.40q of a key is unknown; want one of %v", k.Use, KeyUses)
	}
	if n := len(k.Proof); n != ed25519.SignatureSize {
		return invalid("proof of the new key has %d bytes, want %d", n, ed25519.SignatureSize)
	}
	if err := CheckPublicKey(k.Public); err != nil {
		return invalid("new %s key: %w", k.Use, err)
	}
	return nil
}

// Validate wants any use but that of governance.
func (b *RotateOwnKey) Validate() error {
	if b.Use == UseGovernance {
		return invalid("an authority does not replace its own governance key: the others vote on it, so that a thief of it cannot keep the owner out")
	}
	return b.NewKey.Validate()
}

// Validate checks how many addresses there are and how long; their form is for
// package genesis, where the ledger asks it.
func (p *Place) Validate() error {
	if n := len(p.Addresses); n < 1 || n > MaxAddresses {
		return invalid("%d addresses, want 1 to %d", n, MaxAddresses)
	}
	var errs []error
	for i, a := range p.Addresses {
		errs = append(errs, checkText("address", a, 1, MaxAddress))
		if slices.Contains(p.Addresses[:i], a) {
			errs = append(errs, invalid("address %q is there twice", a))
		}
	}
	return errors.Join(append(errs, checkText("http", p.HTTP, 0, MaxAddress))...)
}

// Validate wants a reason, and exactly one action.
func (b *Propose) Validate() error {
	return errors.Join(b.Action.Validate(), checkText("reason", b.Reason, 1, MaxReason))
}

// Validate wants exactly one of the actions, and checks it.
func (a *Action) Validate() error {
	given := a.given()
	if len(given) != 1 {
		return invalid("a proposal with %d actions, want one", len(given))
	}
	return given[0].Validate()
}

// given lists the actions that are there.
func (a *Action) given() (out []interface{ Validate() error }) {
	if a.Admit != nil {
		out = append(out, a.Admit)
	}
	if a.ChangeRole != nil {
		out = append(out, a.ChangeRole)
	}
	if a.Suspend != nil {
		out = append(out, a.Suspend)
	}
	if a.Restore != nil {
		out = append(out, a.Restore)
	}
	if a.Expel != nil {
		out = append(out, a.Expel)
	}
	if a.RotateKey != nil {
		out = append(out, a.RotateKey)
	}
	if a.SetNode != nil {
		out = append(out, a.SetNode)
	}
	if a.ChangePolicy != nil {
		out = append(out, a.ChangePolicy)
	}
	if a.RaiseLevel != nil {
		out = append(out, a.RaiseLevel)
	}
	return out
}

func checkRole(r Role) error {
	if r != RoleValidator && r != RoleObserver {
		return invalid("role %.40q; want %q or %q", r, RoleValidator, RoleObserver)
	}
	return nil
}

// Validate checks the descriptor's size and the role.
func (a *Admit) Validate() error {
	if n := len(a.Descriptor); n < 1 || n > MaxDescriptor {
		return invalid("descriptor has %d bytes, want 1 to %d", n, MaxDescriptor)
	}
	return checkRole(a.Role)
}

// Validate checks the authority and the role.
func (a *ChangeRole) Validate() error { return errors.Join(a.Authority.Validate(), checkRole(a.Role)) }

// Validate checks the authority.
func (a *SuspendAuthority) Validate() error { return a.Authority.Validate() }

// Validate checks the authority.
func (a *RestoreAuthority) Validate() error { return a.Authority.Validate() }

// Validate checks the authority.
func (a *Expel) Validate() error { return a.Authority.Validate() }

// Validate checks the authority and the key.
func (a *RotateKey) Validate() error {
	return errors.Join(a.Authority.Validate(), a.NewKey.Validate())
}

// Validate checks the authority and the place.
func (a *SetNodeOf) Validate() error { return errors.Join(a.Authority.Validate(), a.Place.Validate()) }

// Validate checks each threshold's name.
func (a *ChangePolicy) Validate() error {
	var errs []error
	for _, f := range []struct{ name, t string }{
		{"admit observer", a.AdmitObserver}, {"admit validator", a.AdmitValidator}, {"suspend", a.Suspend},
		{"expel", a.Expel}, {"rotate keys", a.RotateKeys}, {"change policy", a.ChangePolicy},
	} {
		if f.t != "majority" && f.t != "two-thirds" && f.t != "all" {
			errs = append(errs, invalid("%s takes %.40q; want \"majority\", \"two-thirds\" or \"all\"", f.name, f.t))
		}
	}
	return errors.Join(errs...)
}

// Validate wants a level from 2 on.
func (a *RaiseLevel) Validate() error {
	if a.Level < 2 || a.Level > MaxLogSize {
		return invalid("protocol level %d, want 2 or more", a.Level)
	}
	return nil
}

// Validate checks the reason.
func (b *Vote) Validate() error {
	return errors.Join(checkIndex(b.Proposal), checkText("reason", b.Reason, 0, MaxReason))
}

// Validate checks the reason.
func (b *WithdrawProposal) Validate() error {
	return errors.Join(checkIndex(b.Proposal), checkText("reason", b.Reason, 0, MaxReason))
}

// Validate checks the note's size; what it proves the ledger says, with the
// validators that it has.
func (b *HandOver) Validate() error {
	if n := len(b.Note); n < 1 || n > MaxNote {
		return invalid("note has %d bytes, want 1 to %d", n, MaxNote)
	}
	return checkIndex(b.Seal)
}

func checkIndex(i uint64) error {
	if i > MaxLogSize {
		return invalid("index %d, at most %d", i, uint64(MaxLogSize))
	}
	return nil
}

// Validate checks the plan, and that the signatures ascend and are whole.
func (b *Recover) Validate() error {
	if n := len(b.Signatures); n < 1 || n > MaxValidators {
		return invalid("%d signatures, want 1 to %d", n, MaxValidators)
	}
	last := Region("")
	for _, s := range b.Signatures {
		switch {
		case s.Authority <= last:
			return invalid("signature of %.40q after %.40q: want each once, in ascending order", s.Authority, last)
		case len(s.Signature) != ed25519.SignatureSize:
			return invalid("signature of %.40q has %d bytes, want %d", s.Authority, len(s.Signature), ed25519.SignatureSize)
		}
		if err := s.Authority.Validate(); err != nil {
			return err
		}
		last = s.Authority
	}
	return b.Plan.Validate()
}

// Validate checks the lineage, the size, and that the validators ascend.
func (p *RecoveryPlan) Validate() error {
	if p.Lineage < 2 || p.Lineage > 1_000 {
		return invalid("lineage %d, want 2 to 1000", p.Lineage)
	}
	if n := len(p.Validators); n < 1 || n > MaxValidators {
		return invalid("%d validators, want 1 to %d", n, MaxValidators)
	}
	last := Region("")
	for _, v := range p.Validators {
		if v <= last {
			return invalid("validator %.40q after %.40q: want each once, in ascending order", v, last)
		}
		if err := v.Validate(); err != nil {
			return err
		}
		last = v
	}
	return errors.Join(checkIndex(p.Size), checkText("reason", p.Reason, 1, MaxReason))
}

// Validate checks the texts.
func (b *ReportIncident) Validate() error {
	return errors.Join(checkText("title", b.Title, 1, MaxTitle), checkText("text", b.Text, 0, MaxText))
}
