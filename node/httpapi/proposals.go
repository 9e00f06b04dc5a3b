package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/genesis"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// Governor is what the API needs of a node for what its authorities decide together.
type Governor interface {
	// Draft says what an action that an authority would propose would do, who would
	// vote on it, and what speaks against it. It dials and asks other nodes. An
	// empty authority is the node's own.
	Draft(ctx context.Context, v *ledger.View, by statement.Region, a statement.Action) (client.ProposalChecks, error)
	// Transfer moves leadership to an authority's node, or, with "", to any other.
	Transfer(ctx context.Context, to string) (client.Transferred, error)
}

const (
	// maxDraft bounds the body of a draft, in bytes: a descriptor in base64, and what is around it.
	maxDraft = 2*genesis.MaxDescriptor + 4<<10
	// maxDrafts is how many drafts are looked at at once. Each dials another node.
	maxDrafts = 2
)

// proposals answers GET /v1/proposals?status=&waitingFor=.
func (a *api) proposals(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	status, of := q.Get("status"), q.Get("waitingFor")
	known := []string{"", client.ProposalOpen, client.ProposalCarried, client.ProposalRejected, client.ProposalWithdrawn, client.ProposalFailed}
	if !slices.Contains(known, status) {
		return client.Fail(client.BadRequest, "status is %q, want one of %v", clip(status), known[1:])
	}
	if of != "" {
		region, err := statement.ParseRegion(of)
		if err != nil {
			return client.Fail(client.BadRequest, "waitingFor: %v", err)
		}
		of = string(region)
	}
	return a.listing(w, r, func(v *ledger.View) (any, error) {
		net, err := v.State().Network()
		if err != nil {
			return nil, err
		}
		all, err := v.State().Proposals()
		if err != nil {
			return nil, err
		}
		out := client.Proposals{Proposals: []client.Proposal{}, Policy: client.Policy(net.Policy), ProtocolLevel: net.ProtocolLevel, AsOf: a.node.AsOf(v)}
		for _, p := range all {
			c, err := proposalOf(v.State(), p)
			if err != nil {
				return nil, err
			}
			if (status == "" || c.Status == status) && (of == "" || slices.Contains(c.WaitingFor, of)) {
				out.Proposals = append(out.Proposals, c)
			}
		}
		return out, nil
	})
}

// proposal answers GET /v1/proposals/{index}.
func (a *api) proposal(w http.ResponseWriter, r *http.Request) error {
	index, err := readProposal(r)
	if err != nil {
		return err
	}
	return a.listing(w, r, func(v *ledger.View) (any, error) {
		p, err := findProposal(v, index)
		if err != nil {
			return nil, err
		}
		c, err := proposalOf(v.State(), p)
		return client.ProposalAnswer{Proposal: c, AsOf: a.node.AsOf(v)}, err
	})
}

// proposalChecks answers GET /v1/proposals/{index}/checks.
func (a *api) proposalChecks(w http.ResponseWriter, r *http.Request) error {
	index, err := readProposal(r)
	if err != nil {
		return err
	}
	view := a.node.View()
	defer closeView(a, view)
	p, err := findProposal(view, index)
	if err != nil {
		return err
	}
	return a.draft(w, r, view, p.By, p.Action, func(c *client.ProposalChecks) {
		// They were fixed when it was made.
		c.Electorate, c.Needed = texts(p.Electorate), p.Needed
	})
}

// draftChecks answers POST /v1/proposals/checks.
func (a *api) draftChecks(w http.ResponseWriter, r *http.Request) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return client.Fail(client.WrongContentType, "a draft is application/json").WithHint("send the body as application/json")
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxDraft))
	d.DisallowUnknownFields()
	var draft client.Draft
	if err := d.Decode(&draft); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return err
		}
		return client.Fail(client.BadRequest, "the draft is not understood: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return client.Fail(client.BadRequest, "the draft is followed by something else")
	}
	by := statement.Region(draft.By)
	if draft.By != "" {
		if err := by.Validate(); err != nil {
			return client.Fail(client.BadRequest, "by: %v", err)
		}
	}
	action, err := draft.Action.Statement()
	if err != nil {
		return client.Fail(client.BadRequest, "action: %v", err)
	}
	view := a.node.View()
	defer closeView(a, view)
	return a.draft(w, r, view, by, action, func(*client.ProposalChecks) {})
}

func (a *api) draft(w http.ResponseWriter, r *http.Request, v *ledger.View, by statement.Region, action statement.Action, change func(*client.ProposalChecks)) error {
	if err := a.drafts.enter(r.Context(), "drafts"); err != nil {
		return err
	}
	defer a.drafts.leave()
	c, err := a.node.Draft(r.Context(), v, by, action)
	if err != nil {
		return err
	}
	change(&c)
	return reply(w, http.StatusOK, c)
}

func readProposal(r *http.Request) (uint64, error) {
	s := r.PathValue("index")
	index, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, client.Fail(client.BadRequest, "%q is no proposal; want its number, the index of the statement that made it", clip(s))
	}
	return index, nil
}

func findProposal(v *ledger.View, index uint64) (state.Proposal, error) {
	p, is, err := v.State().Proposal(index)
	if err == nil && !is {
		err = client.Fail(client.NotFound, "statement %d is no proposal", index).WithHint("GET /v1/proposals lists them")
	}
	return p, err
}

// proposalOf gives a proposal as the API does.
func proposalOf(v state.View, p state.Proposal) (client.Proposal, error) {
	action := client.ActionOf(p.Action)
	out := client.Proposal{
		Index: p.Index, By: string(p.By), Hash: p.Hash.String(), Type: action.Type, Words: p.Action.Words(), Reason: p.Reason, Action: action,
		Concerns: action.Authority, Role: action.Role, Status: string(p.Status), Electorate: texts(p.Electorate), Needed: p.Needed,
		Yes: ballots(p.Yes), No: ballots(p.No), WaitingFor: []string{}, ClosedAt: p.ClosedAt, Why: p.Why,
	}
	if p.Action.Admit != nil {
		// It was checked when it was proposed.
		d, err := genesis.ParseDescriptor(p.Action.Admit.Descriptor)
		if err != nil {
			return out, err
		}
		out.Concerns = string(d.Authority.ID)
		out.Words = "admit " + string(d.Authority.ID) + " (" + d.Authority.Name + ") as " + out.Role
	}
	if out.Status != client.ProposalOpen {
		return out, nil
	}
	for _, id := range p.Electorate {
		voted := func(b state.Ballot) bool { return b.Authority == id }
		if !slices.ContainsFunc(p.Yes, voted) && !slices.ContainsFunc(p.No, voted) {
			out.WaitingFor = append(out.WaitingFor, string(id))
		}
	}
	var err error
	out.Effect, err = v.Describe(p.Action)
	return out, err
}

func ballots(of []state.Ballot) []client.Ballot {
	out := make([]client.Ballot, len(of))
	for i, b := range of {
		out[i] = client.Ballot{Authority: string(b.Authority), Statement: b.Index}
	}
	return out
}
