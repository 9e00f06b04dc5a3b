package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// council is a network of authorities on disk, and a node that answers as one
// does: it lists one proposal, and takes what is signed.
type council struct {
	dir      string
	doc      *genesis.Document
	url      string
	proposal *statement.Verified // nil: none is made

	mu       sync.Mutex
	edit     func(*client.Proposal)
	checks   []client.ProposalCheck
	received []statement.Statement
	keys     map[string]string // of XA, by role
	history  []client.KeyState
	refuse   []string // names of refusals that come before the next is taken
	lost     bool     // the answer to the next rotation gets lost on its way
}

const councilSize = 4

func newCouncil(t *testing.T) *council {
	t.Helper()
	c := &council{dir: t.TempDir(), keys: map[string]string{}}
	var ds []genesis.Descriptor
	for _, id := range []statement.Region{"XA", "XB", "XC"} {
		d, err := authority.Create(c.path(string(id)), id, "Authority of "+string(id), []string{"/ip4/192.0.2.1/tcp/8461"}, "", "")
		if err != nil {
			t.Fatal(err)
		}
		ds = append(ds, *d)
	}
	var err error
	if c.doc, err = genesis.New("council.example", time.Unix(1_600_000_000, 0), ds); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"XA", "XB", "XC"} {
		if err := os.WriteFile(c.path(id, "genesis.json"), c.doc.Encode(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	c.url = s.URL
	t.Setenv("CONCORDAT_NODE", c.url)
	return c
}

func (c *council) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

// proposes has XA propose, signed, as statement councilSize.
func (c *council) proposes(t *testing.T, action statement.Action) {
	t.Helper()
	d, err := authority.Open(c.path("XA"), nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := d.Key(authority.Governance)
	if err != nil {
		t.Fatal(err)
	}
	c.proposal, err = statement.Sign(statement.Statement{Issuer: "XA", Network: c.doc.ID(), Revision: 1, Body: &statement.Propose{Action: action, Reason: "so it was agreed"}}, key.Ed25519())
	if err != nil {
		t.Fatal(err)
	}
}

func (c *council) asOf() client.AsOf {
	return client.AsOf{Size: 9, FinalSize: 9, Root: someHash, Cosigners: []string{}, Age: "1s"}
}

func (c *council) standing() client.Proposal {
	st := c.proposal.Statement()
	b := st.Body.(*statement.Propose)
	p := client.Proposal{
		Index: councilSize, By: "XA", Hash: c.proposal.Hash().String(), Type: client.ActionOf(b.Action).Type, Words: b.Action.Words(), Effect: "as the node says",
		Concerns: client.ActionOf(b.Action).Authority, Reason: b.Reason, Action: client.ActionOf(b.Action), Status: client.ProposalOpen,
		Electorate: []string{"XA", "XB", "XC"}, Needed: 2, Yes: []client.Ballot{{Authority: "XA", Statement: councilSize}}, No: []client.Ballot{}, WaitingFor: []string{"XB", "XC"},
	}
	if c.edit != nil {
		c.edit(&p)
	}
	return p
}

// ServeHTTP answers as a node does.
func (c *council) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	checks := client.ProposalChecks{Words: "w", Effect: "as the node says", Electorate: []string{"XA", "XB", "XC"}, Needed: 2, Checks: c.checks, AsOf: c.asOf()}
	switch p := r.Method + " " + r.URL.Path; p {
	case "GET /v1/status":
		answer(client.Status{Network: c.doc.ID().String(), NetworkName: "council.example"})
	case "GET /v1/revisions":
		answer(client.Revision{Subject: r.URL.Query().Get("subject"), Revision: 7, AsOf: c.asOf()})
	case "GET /v1/authorities":
		answer(client.Authorities{Authorities: []client.Authority{{ID: "XA", Name: "Authority of XA", Role: "validator", Keys: c.keys, History: c.history}}, AsOf: c.asOf()})
	case "GET /v1/proposals":
		list := client.Proposals{Proposals: []client.Proposal{}, Policy: client.Policy(genesisPolicy(c.doc)), ProtocolLevel: 1, AsOf: c.asOf()}
		if c.proposal != nil {
			list.Proposals = append(list.Proposals, c.standing())
		}
		answer(list)
	case "POST /v1/proposals/checks", fmt.Sprintf("GET /v1/proposals/%d/checks", councilSize):
		answer(checks)
	case fmt.Sprintf("GET /v1/proposals/%d", councilSize):
		answer(client.ProposalAnswer{Proposal: c.standing(), AsOf: c.asOf()})
	case fmt.Sprintf("GET /v1/statements/%d", councilSize):
		st := c.proposal.Statement()
		answer(client.Statement{Index: councilSize, Hash: c.proposal.Hash().String(), Kind: string(st.Kind()), Authority: "XA", Subject: st.Subject(), Revision: 1, State: client.Final, Raw: c.proposal.Raw()})
	case "POST /v1/statements":
		c.take(w, r, answer)
	default:
		w.WriteHeader(http.StatusNotFound)
		answer(failure(client.Fail(client.NotFound, "%s", p)))
	}
}

func genesisPolicy(doc *genesis.Document) client.Policy {
	p := doc.Policy
	return client.Policy{AdmitObserver: string(p.AdmitObserver), AdmitValidator: string(p.AdmitValidator), Suspend: string(p.Suspend), Expel: string(p.Expel),
		RotateKeys: string(p.RotateKeys), ChangePolicy: string(p.ChangePolicy)}
}

// take verifies what is submitted with the key that it has to be signed with.
func (c *council) take(w http.ResponseWriter, r *http.Request, answer func(any)) {
	if len(c.refuse) > 0 {
		name := c.refuse[0]
		c.refuse = c.refuse[1:]
		w.WriteHeader(http.StatusConflict)
		answer(failure(&client.Failure{Name: name, Message: "m"}))
		return
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	u, err := statement.Parse(raw)
	if err != nil {
		panic(err)
	}
	st := u.Statement()
	a, _ := c.doc.Authority(st.Issuer)
	if _, err := u.Verify(foundingKey(a, signerOf(st.Kind()))); err != nil {
		w.WriteHeader(http.StatusForbidden)
		answer(failure(client.Fail(client.WrongSignature, "%v", err)))
		return
	}
	c.received = append(c.received, st)
	if b, ok := st.Body.(*statement.RotateOwnKey); ok {
		public := base64.StdEncoding.EncodeToString(b.Public)
		c.keys[string(b.Use)] = public
		c.history = append(c.history, client.KeyState{Use: string(b.Use), Public: public, KeyID: fingerprint(b.Public), From: councilSize + 1})
		if c.lost {
			c.lost = false
			w.WriteHeader(http.StatusGatewayTimeout)
			answer(failure(client.Fail(client.Timeout, "m")))
			return
		}
	}
	index := uint64(councilSize)
	answer(client.Submitted{Hash: u.Hash().String(), Index: &index, State: client.Final})
}

// set changes what the node answers from now on.
func (c *council) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

func (c *council) last(t *testing.T, code int, errs string) statement.Statement {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if code != client.ExitDone || len(c.received) == 0 {
		t.Fatalf("exit code %d, %d statements came:\n%s", code, len(c.received), errs)
	}
	return c.received[len(c.received)-1]
}

// TestProposals: each command proposes what it says, signed with the governance key.
func TestProposes(t *testing.T) {
	c := newCouncil(t)
	c.proposes(t, statement.Action{Expel: &statement.Expel{Authority: "XC"}})
	if _, err := authority.Create(c.path("XE"), "XE", "Partner", []string{"/ip4/192.0.2.9/tcp/8461"}, "", ""); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := typed(t, "", "authority", "rotate", "governance", "--dir", c.path("XB"), "--out", c.path("xb.request")); code != client.ExitDone {
		t.Fatal(errs)
	}
	for _, test := range []struct {
		args []string
		is   string // the words
		says []string
	}{
		{[]string{"admit", c.path("XE", "descriptor.json")}, "admit the authority of the descriptor", []string{"XE, Partner", "governance key ", "node at /ip4/192.0.2.9/tcp/8461", "an observer"}},
		{[]string{"admit", c.path("XE", "descriptor.json"), "--role", "validator"}, "as a validator", nil},
		{[]string{"role", "XB", "observer"}, "make XB an observer", nil},
		{[]string{"suspend", "xb"}, "suspend XB", nil},
		{[]string{"restore", "XB"}, "end the suspension of XB", nil},
		{[]string{"expel", "XB"}, "expel XB", nil},
		{[]string{"rotate", "XB", c.path("xb.request")}, "replace the governance key of XB by key ", nil},
		{[]string{"address", "XB", "--address", "/ip4/192.0.2.7/tcp/1", "--http", "https://b.example"}, "at /ip4/192.0.2.7/tcp/1, with its API at https://b.example", nil},
		{[]string{"policy", "--expel", "all"}, "admit an observer by majority, admit a validator by two-thirds, suspend by majority, expel by all,", nil},
		{[]string{"level", "2"}, "raise the protocol level to 2", nil},
	} {
		args := append([]string{"propose"}, test.args...)
		code, out, errs := typed(t, "", append(args, "--dir", c.path("XA"), "--reason", "so it was agreed", "--yes")...)
		st := c.last(t, code, errs)
		body, ok := st.Body.(*statement.Propose)
		if !ok || st.Issuer != "XA" || st.Revision != 8 || body.Reason != "so it was agreed" || !strings.Contains(body.Action.Words(), test.is) {
			t.Errorf("%v proposed %s", test.args, st.Words())
		}
		for _, says := range append(test.says, st.Words(), "as the node sees it: as the node says", "votes: XA XB XC; 2 yes carry it", "proposing it is the yes of XA") {
			if !strings.Contains(errs, says) {
				t.Errorf("%v does not say %q:\n%s", test.args, says, errs)
			}
		}
		if !strings.Contains(out, "final as statement 4, revision 8") || !strings.Contains(out, "proposal 4 is open: 1 yes of 2 needed (XA), 0 no; waiting for XB XC") || !strings.Contains(out, "concordat vote yes 4") {
			t.Errorf("%v ends with\n%s", test.args, out)
		}
	}
}

// TestNothingIsSignedUnasked: without a yes, against a failed check, or in a
// rehearsal, no key is used.
func TestNothingIsSignedUnasked(t *testing.T) {
	c := newCouncil(t)
	c.proposes(t, statement.Action{Expel: &statement.Expel{Authority: "XC"}})
	expel := []string{"propose", "expel", "XB", "--dir", c.path("XA"), "--reason", "r"}
	vote := []string{"vote", "yes", "4", "--dir", c.path("XB")}
	for _, test := range []struct {
		args   []string
		checks []client.ProposalCheck
		edit   func(*client.Proposal)
		code   int
		says   string
	}{
		{args: expel, code: client.ExitUsage, says: "there is no terminal to ask"},
		{args: vote, code: client.ExitUsage, says: "there is no terminal to ask"},
		{args: append(expel, "--yes"), checks: []client.ProposalCheck{{Name: "reachable", Message: "no answer", Hint: "start it"}}, code: client.ExitRefused, says: "checks-failed: nothing was signed: reachable"},
		{args: append(vote, "--yes"), checks: []client.ProposalCheck{{Name: "reachable", Message: "no answer", Hint: "start it"}}, code: client.ExitRefused, says: "NO  reachable: no answer"},
		{args: append(expel, "--dry-run"), code: client.ExitDone, says: "expel XB"},
		{args: append(vote, "--yes"), edit: func(p *client.Proposal) { p.Status, p.ClosedAt = client.ProposalCarried, new(uint64) }, code: client.ExitRefused, says: "proposal-closed"},
		{args: append(vote, "--yes"), edit: func(p *client.Proposal) { p.Yes = append(p.Yes, client.Ballot{Authority: "XB", Statement: 6}) }, code: client.ExitRefused, says: "XB has voted, with statement 6"},
		{args: append(vote, "--yes"), edit: func(p *client.Proposal) { p.Electorate = []string{"XA"} }, code: client.ExitRefused, says: "XB does not vote on proposal 4"},
		{args: append(vote, "--yes"), edit: func(p *client.Proposal) { p.Hash = someHash }, code: client.ExitTampering, says: "tampered"},
		{args: []string{"vote", "maybe", "4", "--dir", c.path("XB")}, code: client.ExitUsage, says: "want yes or no"},
		{args: []string{"vote", "yes", "four", "--dir", c.path("XB")}, code: client.ExitUsage, says: "want its number"},
		{args: []string{"withdraw", "4", "--dir", c.path("XB"), "--yes"}, code: client.ExitRefused, says: "of XA, who alone withdraws it"},
		{args: []string{"propose", "policy", "--dir", c.path("XA"), "--reason", "r", "--yes"}, code: client.ExitUsage, says: "what is to change"},
		{args: []string{"propose", "rotate", "XC", c.path("XA", "genesis.json"), "--dir", c.path("XA"), "--reason", "r", "--yes"}, code: client.ExitUsage, says: "no request for a key"},
		{args: []string{"authority", "rotate", "king", "--dir", c.path("XA")}, code: client.ExitUsage, says: `"king" is no key`},
		{args: []string{"authority", "rotate", "governance", "--dir", c.path("XA"), "--yes"}, code: client.ExitUsage, says: "give --out FILE for the request"},
		{args: []string{"authority", "rotate", "node", "--dir", c.path("XA"), "--finish"}, code: client.ExitUsage, says: "nothing to finish"},
		{args: []string{"authority", "rotate", "node", "--dir", c.path("XA"), "--dry-run"}, code: client.ExitDone, says: ""},
	} {
		c.set(func() { c.checks, c.edit = test.checks, test.edit })
		code, out, errs := typed(t, "", test.args...)
		if code != test.code || !strings.Contains(errs, test.says) {
			t.Errorf("%v: exit code %d, want %d, with %q:\n%s%s", test.args, code, test.code, test.says, out, errs)
		}
	}
	if len(c.received) > 0 {
		t.Errorf("%d statements were signed and sent: %s", len(c.received), c.received[0].Words())
	}
	if _, err := os.Stat(c.path("XA", "keys", "next")); err == nil {
		t.Error("a key was made")
	}

	// In so many words a script may go on.
	c.set(func() { c.checks, c.edit = []client.ProposalCheck{{Name: "reachable", Message: "no answer"}}, nil })
	code, _, errs := typed(t, "", append(vote, "--yes", "--despite-checks")...)
	if b, ok := c.last(t, code, errs).Body.(*statement.Vote); !ok || !b.Yes || b.Proposal != 4 || b.Of != c.proposal.Hash() {
		t.Errorf("the vote is %+v", b)
	}
}

// TestVoteSaysWhatIsNext: who casts the deciding vote learns what happened, and
// what the one concerned does now.
func TestVoteSaysWhatIsNext(t *testing.T) {
	c := newCouncil(t)
	c.proposes(t, statement.Action{ChangeRole: &statement.ChangeRole{Authority: "XC", Role: statement.RoleValidator}})
	closed := uint64(6)
	votes := 0
	c.set(func() {
		c.edit = func(p *client.Proposal) {
			p.Role = "validator"
			if len(c.received) > votes {
				p.Status, p.ClosedAt, p.WaitingFor = client.ProposalCarried, &closed, nil
			}
		}
		c.refuse = []string{client.HandoverPending}
	})
	code, out, errs := typed(t, "", "vote", "yes", "4", "--dir", c.path("XB"), "--yes")
	c.last(t, code, errs)
	if !strings.Contains(errs, "handing over after the change before this one") {
		t.Errorf("that it waited was not said:\n%s", errs)
	}
	if !strings.Contains(out, "proposal 4 is carried, by statement 6") || !strings.Contains(out, "XC is a validator now; its node takes part by itself") {
		t.Errorf("the vote ends with\n%s", out)
	}
	c.set(func() { votes = 1 })
	code, out, errs = typed(t, "", "vote", "no", "4", "--dir", c.path("XC"), "--reason", "not yet", "--yes", "--json")
	if b, ok := c.last(t, code, errs).Body.(*statement.Vote); !ok || b.Yes || b.Reason != "not yet" {
		t.Errorf("the vote is %+v", b)
	}
	var got struct {
		Words, Next string
		Proposal    client.Proposal
		Index       uint64
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Proposal.Index != 4 || got.Index != 4 || got.Next == "" {
		t.Errorf("%v: %s", err, out)
	}
}

// TestWithoutANetwork: what is signed elsewhere, unseen by any node, is sent as it is.
func TestWithoutANetwork(t *testing.T) {
	c := newCouncil(t)
	c.proposes(t, statement.Action{Expel: &statement.Expel{Authority: "XC"}})
	if err := os.WriteFile(c.path("4.cose"), c.proposal.Raw(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONCORDAT_NODE", "http://127.0.0.1:1")
	stick := []string{"--key", c.path("XB", "keys", "governance.key"), "--authority", "XB", "--genesis", c.path("XA", "genesis.json"), "--yes"}
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"vote", "yes", "4", "--proposal-file", c.path("4.cose"), "--out", c.path("vote.cose")}, "proposal 4, by XA: to expel XC"},
		{[]string{"vote", "no", "4", "--proposal-hash", c.proposal.Hash().String(), "--out", c.path("no.cose")}, "is not read"},
		{[]string{"propose", "suspend", "XC", "--reason", "r", "--revision", "3", "--out", c.path("propose.cose")}, "no node could be asked"},
	} {
		code, out, errs := typed(t, "", append(test.args, stick...)...)
		if code != client.ExitDone || !strings.Contains(errs, test.says) || !strings.Contains(out, "concordat submit ") {
			t.Errorf("%v: exit code %d, want %q:\n%s%s", test.args[:3], code, test.says, out, errs)
		}
	}
	code, _, errs := typed(t, "", append([]string{"propose", "suspend", "XC", "--reason", "r", "--out", c.path("late.cose")}, stick...)...)
	if code != client.ExitUnreachable || !strings.Contains(errs, "without a network give --revision") {
		t.Errorf("without a revision: exit code %d\n%s", code, errs)
	}
	t.Setenv("CONCORDAT_NODE", c.url)
	for _, file := range []string{"vote.cose", "no.cose", "propose.cose"} {
		code, out, errs := typed(t, "", "submit", c.path(file))
		st := c.last(t, code, errs)
		if !strings.Contains(errs, "sending: "+st.Words()) || !strings.Contains(out, "proposal 4 is open") {
			t.Errorf("%s:\n%s%s", file, out, errs)
		}
	}
	if len(c.received) != 3 || c.received[2].Revision != 3 {
		t.Errorf("%d statements came", len(c.received))
	}
}

// presentKey is the public half of XA's key in its place.
func (c *council) presentKey(t *testing.T, role authority.Role) ed25519.PublicKey {
	t.Helper()
	d, err := authority.Open(c.path("XA"), nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := d.Key(role)
	if err != nil {
		t.Fatal(err)
	}
	return k.Public()
}

// TestRotates: a new key is made, proved, named by the ledger and put in its place;
// wherever that is interrupted, the same command goes on with the same key.
func TestRotates(t *testing.T) {
	for _, role := range []authority.Role{authority.Statement, authority.Node, authority.Cosign} {
		for _, test := range []struct {
			name string
			stop func(*testing.T, *council, []string) // the runs that do not come to the end
			sent int
		}{
			{"at once", func(*testing.T, *council, []string) {}, 1},
			{"prepared", func(t *testing.T, _ *council, rotate []string) {
				if code, out, errs := typed(t, "", append(rotate, "--prepare")...); code != client.ExitDone || !strings.Contains(out, "keys/next/"+string(role)+".key") {
					t.Fatalf("exit code %d: %s%s", code, out, errs)
				}
			}, 1},
			{"refused", func(t *testing.T, c *council, rotate []string) {
				c.set(func() { c.refuse = []string{"revision-conflict"} })
				if code, _, errs := typed(t, "", append(rotate, "--yes")...); code != client.ExitRefused {
					t.Fatalf("exit code %d: %s", code, errs)
				}
			}, 1},
			{"the answer was lost", func(t *testing.T, c *council, rotate []string) {
				c.set(func() { c.lost = true })
				if code, _, errs := typed(t, "", append(rotate, "--yes")...); code != client.ExitUnreachable {
					t.Fatalf("exit code %d: %s", code, errs)
				}
			}, 1},
		} {
			t.Run(string(role)+"/"+test.name, func(t *testing.T) {
				c := newCouncil(t)
				old := c.presentKey(t, role)
				rotate := []string{"authority", "rotate", string(role), "--dir", c.path("XA")}
				test.stop(t, c, rotate)
				if got := c.presentKey(t, role); !got.Equal(old) {
					t.Fatal("the key was replaced before the ledger named it, or before that was final")
				}
				next, err := os.ReadFile(c.path("XA", "keys", "next", string(role)+".key"))
				if made := test.name != "at once"; made != (err == nil) {
					t.Fatalf("the next key is there: %v", err)
				}
				code, out, errs := typed(t, "", append(rotate, "--yes")...)
				if code != client.ExitDone {
					t.Fatalf("exit code %d: %s%s", code, out, errs)
				}
				if len(c.received) != test.sent {
					t.Errorf("%d statements were sent, want %d", len(c.received), test.sent)
				}
				b := c.received[0].Body.(*statement.RotateOwnKey)
				if b.Use != statement.KeyUse(role) || !b.Proves(c.doc.ID(), "XA") {
					t.Errorf("said: %s", c.received[0].Words())
				}
				if got := c.presentKey(t, role); !got.Equal(ed25519.PublicKey(b.Public)) || got.Equal(old) {
					t.Error("the key in its place is not the one that the ledger names")
				}
				now, err := os.ReadFile(c.path("XA", "keys", string(role)+".key"))
				if err != nil || next != nil && string(now) != string(next) {
					t.Errorf("another key than the one that was prepared: %v", err)
				}
				if !strings.Contains(out, "keys/former") {
					t.Errorf("it ends with\n%s", out)
				}
			})
		}
	}
}

// TestRotatesGovernance: the others vote on it, and only then the key is replaced.
func TestRotatesGovernance(t *testing.T) {
	c := newCouncil(t)
	old := c.presentKey(t, authority.Governance)
	rotate := []string{"authority", "rotate", "governance", "--dir", c.path("XA")}
	if code, out, errs := typed(t, "", append(rotate, "--out", c.path("xa.request"))...); code != client.ExitDone || !strings.Contains(out, "concordat propose rotate XA") {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	raw, err := os.ReadFile(c.path("xa.request"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := parseKeyRequest(raw)
	if err != nil || r.Authority != "XA" || r.Key.Use != "governance" {
		t.Fatalf("the request: %+v, %v", r, err)
	}
	for _, spoilt := range []string{
		strings.Replace(string(raw), "XA", "XB", 1), strings.Replace(string(raw), `"use": "governance"`, `"use": "node"`, 1), string(raw) + "{}",
		strings.Replace(string(raw), c.doc.ID().String(), someHash, 1), strings.Replace(string(raw), "concordat-key-request/1", "concordat-key-request/2", 1), "{}", "",
	} {
		if _, err := parseKeyRequest([]byte(spoilt)); err == nil {
			t.Errorf("taken for a request:\n%s", spoilt)
		}
	}
	if code, _, errs := typed(t, "", append(rotate, "--finish")...); code != client.ExitUnreachable || !strings.Contains(errs, "not-named-yet") {
		t.Errorf("finished before the vote: exit code %d: %s", code, errs)
	}
	if got := c.presentKey(t, authority.Governance); !got.Equal(old) {
		t.Fatal("the key was replaced before the vote")
	}
	c.set(func() { c.keys["governance"] = base64.StdEncoding.EncodeToString(r.Key.Public) })
	if code, _, errs := typed(t, "", append(rotate, "--finish")...); code != client.ExitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if got := c.presentKey(t, authority.Governance); !got.Equal(ed25519.PublicKey(r.Key.Public)) {
		t.Error("the new key is not in its place")
	}
}

// TestFinishedAlready: where the node has moved the new key itself, or an earlier
// run has, there is nothing left to do, and that is no failure.
func TestFinishedAlready(t *testing.T) {
	c := newCouncil(t)
	finish := []string{"authority", "rotate", "node", "--dir", c.path("XA"), "--finish"}
	if code, out, errs := typed(t, "", "authority", "rotate", "node", "--dir", c.path("XA"), "--yes"); code != client.ExitDone {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	if code, out, errs := typed(t, "", finish...); code != client.ExitDone || !strings.Contains(out, "done already: XA has the new node key in its place") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	c.set(func() { c.keys["node"] = "another" })
	if code, _, errs := typed(t, "", finish...); code != client.ExitUsage || !strings.Contains(errs, "the ledger names another node key") {
		t.Errorf("where the ledger names another: exit code %d: %s", code, errs)
	}
}

// TestSeveralLines: what a node says in several lines is shown in several.
func TestSeveralLines(t *testing.T) {
	c := newCouncil(t)
	c.proposes(t, statement.Action{Expel: &statement.Expel{Authority: "XC"}})
	c.set(func() {
		c.edit = func(p *client.Proposal) { p.Effect = "expel XC\nit has 2 issuer keys" }
		c.checks = []client.ProposalCheck{{Name: "reachable", Message: "failed to dial:\n  * [/ip4/192.0.2.1/tcp/1] refused"}}
	})
	dial := "  NO  reachable: failed to dial:\n      | * [/ip4/192.0.2.1/tcp/1] refused\n"
	if _, _, errs := typed(t, "", "vote", "yes", "4", "--dir", c.path("XB"), "--dry-run"); !strings.Contains(errs, "as the node sees it: expel XC\n      | it has 2 issuer keys\n") || !strings.Contains(errs, dial) {
		t.Errorf("vote shows\n%s", errs)
	}
	if _, out, _ := typed(t, "", "proposals", "show", "4", "--check"); !strings.Contains(out, "effect     expel XC\n      | it has 2 issuer keys\n") || !strings.Contains(out, dial) {
		t.Errorf("proposals show:\n%s", out)
	}
}

// TestShowsHandover: status says while validators hand over.
func TestShowsHandover(t *testing.T) {
	for _, under := range []*client.Handover{nil, {ChangedBy: 17}} {
		node := statusAt(t, "XA", func(s *client.Status) { s.Handover = under })
		_, out, errs := typed(t, "", "status", "--node", node)
		if shown := strings.Contains(out, "XA: validators are handing over since statement 17"); shown != (under != nil) {
			t.Errorf("%+v is shown as\n%s%s", under, out, errs)
		}
	}
}

// TestSetsNode, with the statement key.
func TestSetsNode(t *testing.T) {
	c := newCouncil(t)
	code, _, errs := typed(t, "", "authority", "set-node", "--dir", c.path("XA"), "--address", "/ip4/192.0.2.5/tcp/1", "--yes")
	if b, ok := c.last(t, code, errs).Body.(*statement.SetNode); !ok || b.Addresses[0] != "/ip4/192.0.2.5/tcp/1" {
		t.Errorf("said: %+v", b)
	}
	code, _, errs = typed(t, "", "authority", "set-node", "--dir", c.path("XA"), "--address", "localhost:1", "--yes")
	if code != client.ExitUsage {
		t.Errorf("exit code %d: %s", code, errs)
	}
}
