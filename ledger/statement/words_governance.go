package statement

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// governanceWords says what changes the network itself in one sentence; "" for
// bodies of other kinds.
func governanceWords(by string, body Body) string {
	switch b := body.(type) {
	case *RotateOwnKey:
		return fmt.Sprintf("%s replaces its %s key by %s", by, b.Use, b.NewKey.words())
	case *SetNode:
		return fmt.Sprintf("%s says that its node is at %s", by, b.Place.words())
	case *Propose:
		return fmt.Sprintf("%s proposes to %s%s; if it has a vote on that, this is its yes", by, b.Action.Words(), because(b.Reason))
	case *Vote:
		says := "no"
		if b.Yes {
			says = "yes"
		}
		return fmt.Sprintf("%s votes %s on proposal %d (%.16s)%s", by, says, b.Proposal, b.Of, because(b.Reason))
	case *WithdrawProposal:
		return fmt.Sprintf("%s withdraws its proposal %d (%.16s)%s", by, b.Proposal, b.Of, because(b.Reason))
	case *HandOver:
		return fmt.Sprintf("the node of %s shows that the validators before and after the change that statement %d seals vouch for the same ledger", by, b.Seal)
	case *Recover:
		return fmt.Sprintf("%s begins lineage %d at %d statements, root %x, with the validators %s and the signatures of %s, because: %q",
			by, b.Plan.Lineage, b.Plan.Size, b.Plan.Root[:8], regionsInWords(b.Plan.Validators), signersInWords(b.Signatures), b.Plan.Reason)
	case *ReportIncident:
		about, text := "", ""
		if b.Key != nil {
			about = fmt.Sprintf(" about issuer key %.16s", b.Key)
		}
		if b.Text != "" {
			text = fmt.Sprintf(": %q", b.Text)
		}
		return fmt.Sprintf("%s reports an incident%s, %q%s", by, about, b.Title, text)
	}
	return ""
}

// Words says what a proposal would do, after "proposes to".
func (a *Action) Words() string {
	switch {
	case a.Admit != nil:
		sum := sha256.Sum256(a.Admit.Descriptor)
		return fmt.Sprintf("admit the authority of the descriptor %x as %s", sum[:8], a.Admit.Role.withArticle())
	case a.ChangeRole != nil:
		return fmt.Sprintf("make %s %s", a.ChangeRole.Authority, a.ChangeRole.Role.withArticle())
	case a.Suspend != nil:
		return fmt.Sprintf("suspend %s", a.Suspend.Authority)
	case a.Restore != nil:
		return fmt.Sprintf("end the suspension of %s", a.Restore.Authority)
	case a.Expel != nil:
		return fmt.Sprintf("expel %s", a.Expel.Authority)
	case a.RotateKey != nil:
		return fmt.Sprintf("replace the %s key of %s by %s", a.RotateKey.NewKey.Use, a.RotateKey.Authority, a.RotateKey.NewKey.words())
	case a.SetNode != nil:
		return fmt.Sprintf("say that the node of %s is at %s", a.SetNode.Authority, a.SetNode.Place.words())
	case a.ChangePolicy != nil:
		p := a.ChangePolicy
		return fmt.Sprintf("change the policy: admit an observer by %s, admit a validator by %s, suspend by %s, expel by %s, replace keys by %s, change the policy or the protocol level by %s",
			p.AdmitObserver, p.AdmitValidator, p.Suspend, p.Expel, p.RotateKeys, p.ChangePolicy)
	case a.RaiseLevel != nil:
		return fmt.Sprintf("raise the protocol level to %d", a.RaiseLevel.Level)
	}
	return "do nothing"
}

// withArticle names a role; any text may be in one that was not validated.
func (r Role) withArticle() string {
	if r == RoleObserver {
		return "an observer"
	}
	return "a " + string(r)
}

func (k *NewKey) words() string { return fmt.Sprintf("key %x", KeyIDOf(k.Public)) }

func (p *Place) words() string {
	s := strings.Join(p.Addresses, ", ")
	if p.HTTP != "" {
		s += ", with its API at " + p.HTTP
	}
	return s
}

func regionsInWords(of []Region) string {
	s := make([]string, len(of))
	for i, r := range of {
		s[i] = string(r)
	}
	return strings.Join(s, ", ")
}

func signersInWords(of []RecoverySignature) string {
	s := make([]Region, len(of))
	for i, r := range of {
		s[i] = r.Authority
	}
	return regionsInWords(s)
}
