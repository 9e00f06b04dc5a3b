package state

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"

	"concordat/ledger/statement"
)

// Apply says what the statement that is to stand at index does to the state
// that r shows: the writes that it makes, or the verdict that refuses it.
// attachment is what came beside it, nil for most kinds. The error is for a
// state that could not be read or is corrupt; no node may go on after it.
//
// That a statement is not in the log already is for the caller to see, by its
// hash: Apply sees a repeated statement as one that names an old revision, and
// a repeated batch of revocations, which has none, as a further batch.
func Apply(r Reader, index uint64, s *statement.Verified, attachment []byte) ([]Write, Verdict, error) {
	return apply(r, index, s, attachment, false)
}

// ApplyErased is Apply for a statement whose attachment has been erased since
// it was ordered. It gives the writes that Apply gave less those that erasing
// deletes (ExpandedKeys): what was said stays, and of which hashes is forgotten.
// It is for replaying what was ordered before, and only where the loss is
// allowed: the caller sees to it that the batch has expired. For a statement of
// a kind without an attachment it is Apply.
func ApplyErased(r Reader, index uint64, s *statement.Verified) ([]Write, Verdict, error) {
	return apply(r, index, s, nil, s.Statement().Body.Kind().HasAttachment())
}

func apply(r Reader, index uint64, s *statement.Verified, attachment []byte, erased bool) ([]Write, Verdict, error) {
	st := s.Statement()
	n, err := View{r}.Network()
	if err != nil {
		return nil, Verdict{}, err
	}
	if v, err := mayAct(r, n, index, s, &st); err != nil || !v.Accepted() {
		return nil, v, err
	}
	if !erased {
		if v := checkAttachment(&st, attachment); !v.Accepted() {
			return nil, v, nil
		}
	}
	a := act{r: r, index: index, by: st.Issuer, level: n.ProtocolLevel, s: &st, hash: s.Hash()}
	writes, v, err := a.apply(attachment)
	if err != nil {
		return nil, Verdict{}, fmt.Errorf("applying statement %d, a %s of %s: %w", index, st.Kind(), st.Issuer, err)
	}
	if !v.Accepted() {
		return nil, v, nil // ST3
	}
	return writes, v, nil
}

// act is one statement on its way into the state.
type act struct {
	r     Reader
	index uint64
	by    statement.Region
	level uint64 // of the network's protocol, whose rules decide
	s     *statement.Statement
	hash  statement.Hash // of s
}

func (a *act) apply(attachment []byte) ([]Write, Verdict, error) {
	switch b := a.s.Body.(type) {
	case *statement.RegisterKey:
		return a.registerKey(b)
	case *statement.RetireKey:
		return a.retireKey(b)
	case *statement.CompromiseKey:
		return a.compromiseKey(b)
	case *statement.Revoke:
		return a.revoke(&b.Batch, false, attachment)
	case *statement.Reinstate:
		return a.revoke(&b.Batch, true, attachment)
	case *statement.DeclareRisk:
		return a.declareRisk(&b.RiskLevel)
	case *statement.ChangeRisk:
		return a.changeRisk(&b.RiskLevel)
	case *statement.LiftRisk:
		return a.liftRisk(b)
	case *statement.Grant:
		return a.grant(&b.Terms)
	case *statement.ChangeGrant:
		return a.changeGrant(&b.Terms)
	case *statement.Suspend:
		return a.suspend(b)
	case *statement.Withdraw:
		return a.withdraw(b)
	case *statement.PublishRule:
		return a.publishRule(b)
	case *statement.RetireRule:
		return a.retireRule(b)
	case *statement.PublishValueSet:
		return a.publishValueSet(b)
	case *statement.RetireValueSet:
		return a.retireValueSet(b)
	case *statement.PublishScheme:
		return a.publishScheme(b)
	case *statement.DeclareCase:
		return a.declareCase(b)
	case *statement.EndCase:
		return a.endCase(b)
	case *statement.SealState:
		return a.seal(b)
	case *statement.ReportEvidence:
		return a.reportEvidence(b)
	case *statement.RotateOwnKey:
		return a.rotateOwnKey(b)
	case *statement.SetNode:
		return a.setNode(b)
	case *statement.Propose:
		return a.propose(b)
	case *statement.Vote:
		return a.vote(b)
	case *statement.WithdrawProposal:
		return a.withdrawProposal(b)
	case *statement.HandOver:
		return a.handOver(b)
	case *statement.Recover:
		return a.recover(b)
	case *statement.ReportIncident:
		return nil, Verdict{}, nil // it stands in the log, and changes nothing
	}
	return nil, refuse(UnknownKind, "use a kind that the network's protocol level has",
		"%q does nothing at this protocol level", a.s.Kind()), nil
}

// mayAct refuses a statement for another network, by a stranger, or signed
// with a key that does not count for its issuer at index (ST5).
func mayAct(r Reader, n Network, index uint64, s *statement.Verified, st *statement.Statement) (Verdict, error) {
	if level := st.Level(); level > n.ProtocolLevel {
		return refuse(UnknownKind, fmt.Sprintf("wait until the network has raised its level; a validator can propose it with `concordat propose level %d`", n.ProtocolLevel+1),
			"statements of kind %s have an effect from protocol level %d on, and the network is at level %d", newThing(st), level, n.ProtocolLevel), nil
	}
	if st.Network != n.ID {
		return refuse(WrongNetwork, "sign it for this network, or submit it to the other one",
			"the statement is for network %s, this one is %s", st.Network, n.ID), nil
	}
	au, v, err := speaker(r, st.Issuer)
	if err != nil || au == nil {
		return v, err
	}
	use := signs(st.Kind())
	for i := range au.Keys {
		k := &au.Keys[i]
		if k.Use == use && s.SignedBy(k.Public) && k.CountsAt(index) {
			return Verdict{}, nil
		}
	}
	return unknownKey(au, s.KeyID(), use), nil
}

// newThing says what of a statement the network's level does not have.
func newThing(st *statement.Statement) string {
	if st.Kind().Level() == st.Level() {
		return string(st.Kind())
	}
	return fmt.Sprintf("%s with the fields of this one", st.Kind())
}

// signs is the use of the key that signs statements of a kind: a key that a
// machine holds signs what machines say, and nothing that an authority says; and
// what changes the network is signed with the key that lies in a safe.
func signs(k statement.Kind) Use {
	switch {
	case k.ByNode():
		return Node
	case k.ByGovernance():
		return Governance
	}
	return Statements
}

// SigningKey is the key of issuer with the given kid that counts now for
// statements of the kind, to verify one with before it is applied: a node key
// for those that nodes make, a governance key for those that change the network,
// a statement key for all others. A verdict says that issuer is no authority, may
// say nothing, or has no such key.
func SigningKey(r Reader, issuer statement.Region, kid statement.KeyID, kind statement.Kind) (ed25519.PublicKey, Verdict, error) {
	au, v, err := speaker(r, issuer)
	if err != nil || au == nil {
		return nil, v, err
	}
	use := signs(kind)
	for _, k := range au.Keys {
		if k.Use == use && k.Until == 0 && statement.KeyIDOf(k.Public) == kid {
			return slices.Clone(k.Public), Verdict{}, nil
		}
	}
	return nil, unknownKey(au, kid, use), nil
}

// unknownKey says why no key of au for the use has the kid, or counts.
func unknownKey(au *Authority, kid statement.KeyID, use Use) Verdict {
	var have []string
	for _, k := range au.Keys {
		id := statement.KeyIDOf(k.Public)
		switch {
		case id == kid && k.Use == use && k.Until != 0:
			return refuse(UnknownKey, "sign with the newer key",
				"%s key %x of %s counts only before statement %d", use, kid, au.ID, k.Until)
		case id == kid && k.Use != use:
			return refuse(UnknownKey, fmt.Sprintf("sign with the %s key", use),
				"key %x of %s is its %s key", kid, au.ID, k.Use)
		case k.Use == use && k.Until == 0:
			have = append(have, fmt.Sprintf("%x", id))
		}
	}
	return refuse(UnknownKey, fmt.Sprintf("sign with the %s key of the authority's directory", use),
		"%s has no %s key %x, it has %s", au.ID, use, kid, strings.Join(have, " and "))
}

// checkAttachment refuses a statement that came without what it describes, or with anything else.
func checkAttachment(s *statement.Statement, attachment []byte) Verdict {
	if s.Kind().HasAttachment() && len(attachment) == 0 {
		return refuse(AttachmentMissing, "send the attachment with the statement",
			"a %s comes with an attachment of hashes, and none came", s.Kind())
	}
	if err := s.CheckAttachment(attachment); err != nil {
		return refuse(AttachmentMismatch, "send the attachment that the statement was signed for, unchanged", "%v", err)
	}
	return Verdict{}
}
