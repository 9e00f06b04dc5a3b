package receipt

import (
	"bytes"
	"fmt"

	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// recovery follows a recovery. It needs no checkpoint: the governance keys of
// those before it vouch for it, and whatever is certified after it is certified
// by those whom it names, under the new lineage's name.
func (t Trust) recovery(s Step) (Trust, error) {
	fail := func(format string, a ...any) (Trust, error) {
		return Trust{}, fmt.Errorf("%w: %w", ErrRecovery, fmt.Errorf(format, a...))
	}
	u, err := t.parse(s.Statement)
	if err != nil {
		return Trust{}, err
	}
	said := u.Statement()
	body, ok := said.Body.(*statement.Recover)
	switch {
	case !ok:
		return fail("a statement of kind %s at index %d without a checkpoint, want a recovery", said.Kind(), s.Index)
	case body.Plan.Size != s.Index:
		return fail("a recovery of %d statements at index %d; it stands where they end", body.Plan.Size, s.Index)
	case body.Plan.Lineage != t.Lineage+1:
		return fail("it begins lineage %d after lineage %d", body.Plan.Lineage, t.Lineage)
	case s.Index < t.next || s.Index < t.Least:
		return fail("the recovery at index %d comes after a step at index %d with a checkpoint of size %d; want the oldest first", s.Index, t.next-1, t.Least)
	}
	vs, err := Recovering(t.network, body, t.Validators)
	if err != nil {
		return Trust{}, err
	}
	t.Validators, t.Lineage, t.Least, t.next = vs, body.Plan.Lineage, s.Index+1, s.Index+1
	return t, nil
}

// Recovering gives the validators who go on after a recovery, with the keys that
// they had: those of its plan, which a majority of each set of those before it
// has signed with their governance keys. There are two sets where validators had
// changed and not handed over yet: then who goes on is in either, with the same
// keys, because a stranger knows only the former. Errors wrap ErrRecovery.
func Recovering(network statement.NetworkID, body *statement.Recover, sets ...checkpoint.Validators) (checkpoint.Validators, error) {
	fail := func(format string, a ...any) (checkpoint.Validators, error) {
		return nil, fmt.Errorf("%w: %w", ErrRecovery, fmt.Errorf(format, a...))
	}
	message, err := statement.RecoveryMessage(network, body.Plan)
	if err != nil {
		return fail("%w", err)
	}
	var out checkpoint.Validators
	for i, set := range sets {
		signed := 0
		for _, s := range body.Signatures {
			v, is := set.Find(s.Authority)
			if is && statement.VerifySignature(v.Governance, message, s.Signature) {
				signed++
			}
		}
		if majority := 1 + len(set)/2; signed < majority {
			return fail("%d of the %d validators before it have signed it with their governance keys, want %d", signed, len(set), majority)
		}
		for j, id := range body.Plan.Validators {
			v, is := set.Find(id)
			switch {
			case !is:
				return fail("%s, who is to go on, is none of the %d validators before it; let it join afterwards", id, len(set))
			case i == 0:
				v.Suspended = false
				out = append(out, v)
			case !bytes.Equal(v.Cosign, out[j].Cosign) || !bytes.Equal(v.Node, out[j].Node) || !bytes.Equal(v.Governance, out[j].Governance):
				return fail("%s, who is to go on, had changed a key and the validators had not handed over; let it join afterwards", id)
			}
		}
	}
	return out, nil
}
