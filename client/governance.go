package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"concordat/ledger/statement"
)

// ProposalQuery chooses proposals. Its zero value chooses all.
type ProposalQuery struct {
	Status     string // one of the Proposal… names
	WaitingFor string // only those that this authority may still vote on
}

// Proposals lists the proposals by index.
func (c *Client) Proposals(ctx context.Context, q ProposalQuery) (Proposals, error) {
	v := url.Values{}
	if q.Status != "" {
		v.Set("status", q.Status)
	}
	if q.WaitingFor != "" {
		v.Set("waitingFor", q.WaitingFor)
	}
	var a Proposals
	err := c.getJSON(ctx, "/v1/proposals", v, &a)
	return a, err
}

// Proposal reads one proposal. An answer that is another is ErrTampered.
func (c *Client) Proposal(ctx context.Context, index uint64) (ProposalAnswer, error) {
	var a ProposalAnswer
	if err := c.getJSON(ctx, proposalPath(index), nil, &a); err != nil {
		return a, err
	}
	if a.Index != index {
		return a, fmt.Errorf("%w: proposal %d was asked for, and the answer is proposal %d", ErrTampered, index, a.Index)
	}
	return a, nil
}

func proposalPath(index uint64) string { return "/v1/proposals/" + strconv.FormatUint(index, 10) }

// ProposalChecks has a node look at what speaks against a proposal. It dials and
// asks other nodes, and so takes some seconds.
func (c *Client) ProposalChecks(ctx context.Context, index uint64) (ProposalChecks, error) {
	var a ProposalChecks
	err := c.getJSON(ctx, proposalPath(index)+"/checks", nil, &a)
	return a, err
}

// DraftChecks does the same for one that is not made yet.
func (c *Client) DraftChecks(ctx context.Context, d Draft) (ProposalChecks, error) {
	var a ProposalChecks
	b, err := json.Marshal(d)
	if err != nil {
		return a, fmt.Errorf("encoding the request: %w", err)
	}
	body, _, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/proposals/checks", contentType: "application/json", body: b})
	if err != nil {
		return a, err
	}
	err = decodeAnswer("/v1/proposals/checks", body, &a)
	return a, err
}

// Transfer has the first node's operator, whose token it is, move leadership away
// from whoever leads.
func (c *Client) Transfer(ctx context.Context, token string, to string) (Transferred, error) {
	var a Transferred
	b, err := json.Marshal(Transfer{To: to})
	if err != nil {
		return a, fmt.Errorf("encoding the request: %w", err)
	}
	// One node only: the token is no other's.
	body, _, err := c.ask(ctx, c.nodes[0], request{
		method: http.MethodPost, path: "/v1/operator/transfer", contentType: "application/json", body: b, token: token,
	})
	if err != nil {
		return a, err
	}
	err = decodeAnswer("/v1/operator/transfer", body, &a)
	return a, err
}

// ActionOf gives the API's form of what a proposal would do.
func ActionOf(a statement.Action) Action {
	switch {
	case a.Admit != nil:
		return Action{Type: ActionAdmit, Role: string(a.Admit.Role), Descriptor: a.Admit.Descriptor}
	case a.ChangeRole != nil:
		return Action{Type: ActionChangeRole, Authority: string(a.ChangeRole.Authority), Role: string(a.ChangeRole.Role)}
	case a.Suspend != nil:
		return Action{Type: ActionSuspend, Authority: string(a.Suspend.Authority)}
	case a.Restore != nil:
		return Action{Type: ActionRestore, Authority: string(a.Restore.Authority)}
	case a.Expel != nil:
		return Action{Type: ActionExpel, Authority: string(a.Expel.Authority)}
	case a.RotateKey != nil:
		k := KeyRequestOf(a.RotateKey.NewKey)
		return Action{Type: ActionRotateKey, Authority: string(a.RotateKey.Authority), Key: &k}
	case a.SetNode != nil:
		return Action{Type: ActionSetNode, Authority: string(a.SetNode.Authority), Addresses: a.SetNode.Place.Addresses, HTTP: a.SetNode.Place.HTTP}
	case a.ChangePolicy != nil:
		p := Policy(*a.ChangePolicy)
		return Action{Type: ActionChangePolicy, Policy: &p}
	case a.RaiseLevel != nil:
		return Action{Type: ActionRaiseLevel, Level: a.RaiseLevel.Level}
	}
	return Action{}
}

// Statement gives the form that is signed, and checks it. Errors wrap statement.ErrInvalid.
func (a Action) Statement() (statement.Action, error) {
	var s statement.Action
	of, role := statement.Region(a.Authority), statement.Role(a.Role)
	switch a.Type {
	case ActionAdmit:
		s.Admit = &statement.Admit{Descriptor: a.Descriptor, Role: role}
	case ActionChangeRole:
		s.ChangeRole = &statement.ChangeRole{Authority: of, Role: role}
	case ActionSuspend:
		s.Suspend = &statement.SuspendAuthority{Authority: of}
	case ActionRestore:
		s.Restore = &statement.RestoreAuthority{Authority: of}
	case ActionExpel:
		s.Expel = &statement.Expel{Authority: of}
	case ActionRotateKey:
		if a.Key == nil {
			return s, fmt.Errorf("%w: rotate-key without a key", statement.ErrInvalid)
		}
		s.RotateKey = &statement.RotateKey{Authority: of, NewKey: a.Key.NewKey()}
	case ActionSetNode:
		s.SetNode = &statement.SetNodeOf{Authority: of, Place: statement.Place{Addresses: a.Addresses, HTTP: a.HTTP}}
	case ActionChangePolicy:
		if a.Policy == nil {
			return s, fmt.Errorf("%w: change-policy without a policy", statement.ErrInvalid)
		}
		p := statement.ChangePolicy(*a.Policy)
		s.ChangePolicy = &p
	case ActionRaiseLevel:
		s.RaiseLevel = &statement.RaiseLevel{Level: a.Level}
	default:
		return s, fmt.Errorf("%w: action %.40q is unknown; want one of %v", statement.ErrInvalid, a.Type, actionTypes)
	}
	return s, s.Validate()
}

var actionTypes = []string{
	ActionAdmit, ActionChangeRole, ActionSuspend, ActionRestore, ActionExpel, ActionRotateKey, ActionSetNode, ActionChangePolicy, ActionRaiseLevel,
}

// KeyRequestOf gives a new key as files and answers have it.
func KeyRequestOf(k statement.NewKey) KeyRequest {
	return KeyRequest{Use: string(k.Use), Public: k.Public, Proof: k.Proof}
}

// NewKey gives the form that is signed.
func (k *KeyRequest) NewKey() statement.NewKey {
	return statement.NewKey{Use: statement.KeyUse(k.Use), Public: k.Public, Proof: k.Proof}
}

func (p *Proposal) sound() error {
	faults := []error{
		regionOf("by", p.By), hashOf("hash", p.Hash, sha256Bytes), oneOf("type", p.Type, actionTypes...),
		oneOf("status", p.Status, ProposalOpen, ProposalCarried, ProposalRejected, ProposalWithdrawn, ProposalFailed),
		regionOrNone("concerns", p.Concerns), regionsIn("electorate", p.Electorate), regionsIn("waitingFor", p.WaitingFor),
	}
	for _, b := range slices.Concat(p.Yes, p.No) {
		faults = append(faults, regionOf("authority of a vote", b.Authority))
	}
	return first(faults...)
}

func (a *ProposalAnswer) sound() error { return first(a.Proposal.sound(), a.AsOf.sound()) }

func (a *Proposals) sound() error { return each(a.Proposals, (*Proposal).sound, a.AsOf.sound) }

func (a *ProposalChecks) sound() error {
	return each(a.Checks, func(c *ProposalCheck) error { return name("check", c.Name) },
		func() error { return regionsIn("electorate", a.Electorate) }, a.AsOf.sound)
}

func (a *Transferred) sound() error { return regionOrNone("leader", a.Leader) }
