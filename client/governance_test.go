package client

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"concordat/ledger/statement"
)

func newKey(use statement.KeyUse) statement.NewKey {
	return statement.ProveKey(statement.NetworkID{1}, "XB", use, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)))
}

// everyAction is one action of each type.
func everyAction() map[string]statement.Action {
	return map[string]statement.Action{
		ActionAdmit:        {Admit: &statement.Admit{Descriptor: []byte("{}"), Role: statement.RoleObserver}},
		ActionChangeRole:   {ChangeRole: &statement.ChangeRole{Authority: "XB", Role: statement.RoleValidator}},
		ActionSuspend:      {Suspend: &statement.SuspendAuthority{Authority: "XB"}},
		ActionRestore:      {Restore: &statement.RestoreAuthority{Authority: "XB"}},
		ActionExpel:        {Expel: &statement.Expel{Authority: "XB"}},
		ActionRotateKey:    {RotateKey: &statement.RotateKey{Authority: "XB", NewKey: newKey(statement.UseGovernance)}},
		ActionSetNode:      {SetNode: &statement.SetNodeOf{Authority: "XB", Place: statement.Place{Addresses: []string{"/ip4/192.0.2.1/tcp/1"}, HTTP: "https://b.example"}}},
		ActionChangePolicy: {ChangePolicy: &statement.ChangePolicy{AdmitObserver: "all", AdmitValidator: "all", Suspend: "majority", Expel: "two-thirds", RotateKeys: "all", ChangePolicy: "all"}},
		ActionRaiseLevel:   {RaiseLevel: &statement.RaiseLevel{Level: 2}},
	}
}

// TestActions: every action comes back from the API's form, through JSON, as what
// is signed.
func TestActions(t *testing.T) {
	every := everyAction()
	if fields := reflect.TypeFor[statement.Action]().NumField(); len(every) != fields || len(actionTypes) != fields {
		t.Fatalf("%d types are tested and %d known, of %d", len(every), len(actionTypes), fields)
	}
	for kind, action := range every {
		raw, err := json.Marshal(ActionOf(action))
		if err != nil {
			t.Fatal(err)
		}
		var got Action
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		back, err := got.Statement()
		if err != nil || got.Type != kind || !reflect.DeepEqual(back, action) {
			t.Errorf("%s: %v\n%s\ncomes back as %+v", kind, err, raw, back)
		}
		if action.Words() == "" || action.Words() == new(statement.Action).Words() {
			t.Errorf("%s has no words", kind)
		}
	}
	for _, bad := range []Action{
		{}, {Type: "crown"}, {Type: ActionRotateKey, Authority: "XB"}, {Type: ActionChangePolicy}, {Type: ActionRaiseLevel}, {Type: ActionSuspend},
		{Type: ActionSuspend, Authority: "Atlantis"}, {Type: ActionAdmit, Role: "king", Descriptor: []byte("{}")}, {Type: ActionSetNode, Authority: "XB"},
	} {
		if _, err := bad.Statement(); !errors.Is(err, statement.ErrInvalid) && !errors.Is(err, statement.ErrRegion) {
			t.Errorf("%+v: %v, want ErrInvalid", bad, err)
		}
	}
}

const hash = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// TestProposalsThatNoNodeMayGive: what callers branch on is what it is called.
func TestProposalsThatNoNodeMayGive(t *testing.T) {
	good := `{"index":4,"by":"XA","hash":"` + hash + `","type":"suspend","words":"w","concerns":"XB","reason":"r","action":{"type":"suspend","authority":"XB"},` +
		`"status":"open","electorate":["XA","XC"],"needed":2,"yes":[{"authority":"XA","statement":4}],"no":[],"waitingFor":["XC"]`
	for _, test := range []struct{ from, to string }{
		{"", ""}, {`"by":"XA"`, `"by":"xa"`}, {hash, "00"}, {`"type":"suspend","w`, `"type":"crown","w`}, {`"status":"open"`, `"status":"maybe"`},
		{`["XA","XC"]`, `["XA","\u001b[2J"]`}, {`["XC"]`, `["nobody"]`}, {`"authority":"XA","statement"`, `"authority":"x","statement"`}, {`"concerns":"XB"`, `"concerns":"B"`},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body := strings.Replace(good, test.from, test.to, 1)
			if r.URL.Path == "/v1/proposals" {
				body = `{"proposals":[` + body + `}],"protocolLevel":1`
			}
			_, _ = io.WriteString(w, body+`,"asOf":{"size":9,"cosigners":[]}}`)
		}))
		c, err := New([]string{s.URL})
		if err != nil {
			t.Fatal(err)
		}
		_, one := c.Proposal(t.Context(), 4)
		_, all := c.Proposals(t.Context(), ProposalQuery{})
		s.Close()
		for _, err := range []error{one, all} {
			if test.from == "" && err != nil || test.from != "" && !isFailure(err, NotUnderstood) {
				t.Errorf("%s for %s: %v", test.to, test.from, err)
			}
		}
	}
}

func isFailure(err error, name string) bool {
	var f *Failure
	return errors.As(err, &f) && f.Name == name
}

// TestAnotherProposal: an answer about another one than was asked for is tampering.
func TestAnotherProposal(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"index":5,"by":"XA","hash":"`+hash+`","type":"expel","status":"open"}`)
	}))
	defer s.Close()
	c, err := New([]string{s.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Proposal(t.Context(), 4); !errors.Is(err, ErrTampered) {
		t.Errorf("got %v, want ErrTampered", err)
	}
}

// TestTokenGoesToOneNode: an operator's token is for his node, and no other sees it.
func TestTokenGoesToOneNode(t *testing.T) {
	var first, second []string
	serve := func(seen *[]string, status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			*seen = append(*seen, r.Header.Get("Authorization"))
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"error":{"name":"no-quorum","message":"m"}}`)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	c, err := New([]string{serve(&first, 503), serve(&second, 503)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Transfer(t.Context(), "secret", "XB"); !isFailure(err, NoQuorum) {
		t.Errorf("got %v", err)
	}
	if len(first) != 1 || first[0] != "Bearer secret" || len(second) != 0 {
		t.Errorf("the first node saw %q, the second %q", first, second)
	}
	if _, err := c.Proposals(t.Context(), ProposalQuery{}); !isFailure(err, NoQuorum) || first[1] != "" || second[0] != "" {
		t.Errorf("what anybody may ask: %v, %q, %q", err, first, second)
	}
}
