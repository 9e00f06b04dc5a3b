package state

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// Describe says in words what an action would do to the network as it is, for a
// person who is asked to propose it or to vote on it: lines, the first of which
// is the action. It says what is so, not whether it can be done; see Draft.
func (v View) Describe(p statement.Action) (string, error) {
	var lines []string
	var err error
	switch {
	case p.Admit != nil:
		lines, err = v.describeAdmission(p.Admit)
	case p.ChangeRole != nil:
		lines, err = v.describeMember(p.ChangeRole.Authority, fmt.Sprintf("make %s %s", p.ChangeRole.Authority, Role(p.ChangeRole.Role).withArticle()))
	case p.Suspend != nil:
		lines, err = v.describeMember(p.Suspend.Authority, fmt.Sprintf("suspend %s: it says nothing until a vote ends it; what it said stands", p.Suspend.Authority))
	case p.Restore != nil:
		lines, err = v.describeMember(p.Restore.Authority, fmt.Sprintf("end the suspension of %s", p.Restore.Authority))
	case p.Expel != nil:
		lines, err = v.describeMember(p.Expel.Authority, fmt.Sprintf("expel %s: none of its keys counts any more, and its codes are not relied upon", p.Expel.Authority))
	case p.RotateKey != nil:
		lines, err = v.describeRotation(p.RotateKey)
	case p.SetNode != nil:
		lines, err = v.describePlace(p.SetNode)
	case p.ChangePolicy != nil:
		lines, err = v.describePolicy(p.ChangePolicy)
	case p.RaiseLevel != nil:
		lines, err = v.describeLevel(p.RaiseLevel.Level)
	}
	if err != nil {
		return "", fmt.Errorf("describing a proposal: %w", err)
	}
	return strings.Join(lines, "\n"), nil
}

func (v View) describeAdmission(b *statement.Admit) ([]string, error) {
	d, err := genesis.ParseDescriptor(b.Descriptor)
	if err != nil {
		sum := sha256.Sum256(b.Descriptor)
		return []string{fmt.Sprintf("admit the authority of descriptor %x as %s", sum[:8], Role(b.Role).withArticle()),
			fmt.Sprintf("the descriptor cannot be relied upon: %v", err)}, nil
	}
	from := d.Authority
	lines := []string{
		fmt.Sprintf("admit %s, %q, as %s", from.ID, from.Name, Role(b.Role).withArticle()),
		fmt.Sprintf("its keys: governance %x, statement %x, node %x, co-signing %x; each has signed the descriptor",
			statement.KeyIDOf(from.Keys.Governance.Public()), statement.KeyIDOf(from.Keys.Statement.Public()),
			statement.KeyIDOf(from.Keys.Node.Public()), statement.KeyIDOf(from.Keys.Cosign.Public())),
		"its node is at " + place(from.Addresses, from.HTTP),
	}
	old, was, err := v.Authority(from.ID)
	switch {
	case err != nil:
		return nil, err
	case was && old.Present():
		lines = append(lines, fmt.Sprintf("there is an authority of that id: %s", old.inShort()))
	case was:
		lines = append(lines, fmt.Sprintf("it was a member before: %s; what it said then counts again", old.inShort()))
	}
	if Role(b.Role) == Validator {
		return v.describeQuorum(lines, +1)
	}
	return append(lines, "as an observer it states what is its own and reads, and neither votes nor vouches"), nil
}

// describeMember says what is known of the authority that an action is about.
func (v View) describeMember(id statement.Region, first string) ([]string, error) {
	au, is, err := v.Authority(id)
	if err != nil {
		return nil, err
	}
	if !is {
		return []string{first, fmt.Sprintf("there is no authority %s", id)}, nil
	}
	lines := []string{first, au.inShort()}
	keys, err := v.IssuerKeys(KeyFilter{Region: id})
	if err != nil {
		return nil, err
	}
	in := map[KeyStatus]uint64{}
	for _, k := range keys {
		in[k.Status]++
	}
	said := fmt.Sprintf("it has %s", count(uint64(len(keys)), "issuer key", "issuer keys"))
	if len(keys) > 0 {
		said += fmt.Sprintf(" (%d registered, %d retired, %d compromised)", in[Registered], in[Retired], in[Compromised])
	}
	all, err := v.Recognitions()
	if err != nil {
		return nil, err
	}
	var by []statement.Region
	for _, g := range all {
		if g.Grantee == id && g.Status != Withdrawn {
			by = append(by, g.Grantor)
		}
	}
	said += fmt.Sprintf("; %s its codes", count(uint64(len(by)), "region recognises", "regions recognise"))
	if len(by) > 0 {
		said += ": " + names(by)
	}
	lines = append(lines, said)
	against, caught, err := one[EvidenceRecord](v, evidenceKey(id))
	if err != nil {
		return nil, err
	}
	if caught {
		lines = append(lines, against.words())
	}
	if au.Role == Validator {
		return v.describeQuorum(lines, 0)
	}
	return lines, nil
}

// inShort is an authority in one line.
func (a *Authority) inShort() string {
	s := fmt.Sprintf("%s is %q, %s", a.ID, a.Name, a.Role.withArticle())
	if a.AdmittedAt != nil {
		s += fmt.Sprintf(" admitted by statement %d", *a.AdmittedAt)
	} else {
		s += " by the genesis"
	}
	if a.Standing != StandingMember {
		s += fmt.Sprintf(", %s by statement %d", a.Standing, *a.StandingBy)
	}
	return s
}

// describeQuorum says how many validators there are, more of them if so many are added.
func (v View) describeQuorum(lines []string, more int) ([]string, error) {
	vs, err := v.Validators()
	if err != nil {
		return nil, err
	}
	silent := 0
	for _, m := range vs {
		if m.Suspended {
			silent++
		}
	}
	s := fmt.Sprintf("there are %s, %d of them suspended; %d have to co-sign", count(uint64(len(vs)), "validator", "validators"), silent, vs.Quorum())
	if more != 0 {
		s += fmt.Sprintf("; then there are %d, and %d have to", len(vs)+more, 1+2*(len(vs)+more)/3)
	}
	return append(lines, s), nil
}

func (v View) describeRotation(b *statement.RotateKey) ([]string, error) {
	lines := []string{fmt.Sprintf("replace the %s key of %s by %x", b.NewKey.Use, b.Authority, statement.KeyIDOf(b.NewKey.Public))}
	au, is, err := v.Authority(b.Authority)
	if err != nil {
		return nil, err
	}
	if !is {
		return append(lines, fmt.Sprintf("there is no authority %s", b.Authority)), nil
	}
	lines = append(lines, au.inShort())
	if old := au.Key(Use(b.NewKey.Use)); old != nil {
		lines = append(lines, fmt.Sprintf("the key now is %x; what it signed before stays valid, and it signs nothing after", statement.KeyIDOf(old)))
	}
	if used, taken, err := v.UsedKey(b.NewKey.Public); err != nil {
		return nil, err
	} else if taken {
		lines = append(lines, "but the "+used.words())
	}
	return lines, nil
}

func (v View) describePlace(b *statement.SetNodeOf) ([]string, error) {
	lines := []string{fmt.Sprintf("say that the node of %s is at %s", b.Authority, place(b.Place.Addresses, b.Place.HTTP))}
	au, is, err := v.Authority(b.Authority)
	if err != nil {
		return nil, err
	}
	if !is {
		return append(lines, fmt.Sprintf("there is no authority %s", b.Authority)), nil
	}
	return append(lines, au.inShort(), "its node was said to be at "+place(au.Addresses, au.HTTP)), nil
}

func place(addresses []string, http string) string {
	s := strings.Join(addresses, ", ")
	if http != "" {
		s += ", with its API at " + http
	}
	return s
}

func (v View) describePolicy(b *statement.ChangePolicy) ([]string, error) {
	n, err := v.Network()
	if err != nil {
		return nil, err
	}
	lines := []string{"change what carries a proposal"}
	now, then := n.Policy, Policy(*b)
	for _, t := range []struct{ of, now, then string }{
		{"to admit an observer", now.AdmitObserver, then.AdmitObserver},
		{"to admit a validator", now.AdmitValidator, then.AdmitValidator},
		{"to suspend or restore", now.Suspend, then.Suspend},
		{"to expel, or make an observer", now.Expel, then.Expel},
		{"to replace keys and addresses of others", now.RotateKeys, then.RotateKeys},
		{"to change the policy or the protocol level", now.ChangePolicy, then.ChangePolicy},
	} {
		if t.now == t.then {
			lines = append(lines, fmt.Sprintf("%s: %s, as now", t.of, t.now))
		} else {
			lines = append(lines, fmt.Sprintf("%s: %s instead of %s", t.of, t.then, t.now))
		}
	}
	return lines, nil
}

func (v View) describeLevel(to uint64) ([]string, error) {
	n, err := v.Network()
	if err != nil {
		return nil, err
	}
	lines := []string{
		fmt.Sprintf("raise the protocol level from %d to %d", n.ProtocolLevel, to),
		fmt.Sprintf("nodes whose program does not know level %d stop at the deciding vote, with nothing lost, until a newer version is installed", to),
	}
	if to > genesis.ProtocolLevel {
		lines = append(lines, fmt.Sprintf("this program knows level %d: this node would stop", uint64(genesis.ProtocolLevel)))
	} else {
		lines = append(lines, "this program knows it: this node would go on")
	}
	return lines, nil
}
