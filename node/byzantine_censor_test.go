package node_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/client"
	"concordat/node"
)

// TestCensorship: a leader that leaves out what one authority says, and orders
// others, is named by every honest node, by those too that the authority did not
// turn to; and the next leader orders it.
func TestCensorship(t *testing.T) {
	s := besiege(t)
	calm := s.Config
	s.Config = func(region string, c *node.Config) {
		calm(region, c)
		c.Order.CensorAfter = 2 * time.Second
	}
	for _, id := range s.honest {
		if err := s.Stop(id); err != nil {
			t.Fatal(err)
		}
		if err := s.Start(id); err != nil {
			t.Fatal(err)
		}
	}
	s.await("an honest leader", func() bool { l := s.leader(); return l != "" && l != s.x.id })
	s.work()
	s.settle()

	s.x.votes(false)
	s.x.usurp()
	b := s.x.branch()
	v := s.statement("XA")
	kept, err := s.Client("XA").Submit(t.Context(), v.Raw(), nil, client.Accepted)
	if err != nil || kept.State != client.Accepted {
		t.Fatalf("to be accepted: %+v, %v", kept, err)
	}
	// A statement that rests on what nobody said is out of the order with good reason.
	if _, err := s.Client("XB").Submit(t.Context(), s.Sign(t, "XB", 7, risk("XB-CHANGE")).Raw(), nil, client.Accepted); err != nil {
		t.Fatal(err)
	}
	named := func(id string) bool {
		st := s.Node(id).Status()
		p, is := problemNamed(st, "censored")
		return is && strings.Contains(p.Message, "XD") && strings.Contains(p.Message, kept.Hash) && st.Pending.Censored == 1 && st.Pending.CensoredBy["XD"] == 1
	}
	last := time.Now()
	s.await("every honest node to name the leader", func() bool {
		if time.Since(last) > 300*time.Millisecond { // it orders what XC says
			last = time.Now()
			b.say(s.statement("XC")).show(s.honest...)
			b.becomes()
		}
		return !slices.ContainsFunc(s.honest, func(id string) bool { return !named(id) })
	})
	list, err := s.Client("XC").Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list.Pending, func(p client.PendingStatement) bool { return p.Hash == kept.Hash })
	if i < 0 || list.Pending[i].CensoredBy != "XD" || !slices.Contains(list.Pending[i].Leaders, "XD") || !slices.Contains(list.Pending[i].PromisedBy, "XA") || !list.Pending[i].Overdue {
		t.Errorf("XC lists %+v", list.Pending)
	}
	resp, err := http.Get(s.URL("XB") + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if figures, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(figures), `concordat_censored_total{leader="XD"} 1`) {
		t.Errorf("the figures do not count it: %v", err)
	}

	s.x.votes(true)
	s.x.resign()
	s.await("the next leader to order it, and nobody to be suspected any more", func() bool {
		return !slices.ContainsFunc(s.honest, func(id string) bool {
			st, err := s.Client(id).Statement(t.Context(), kept.Hash)
			_, suspected := problemNamed(s.Node(id).Status(), "censored")
			return err != nil || st.State != client.Final || suspected
		})
	})
	s.settle()
	for _, id := range s.honest {
		if by := s.Node(id).Status().Pending.CensoredBy; len(by) != 1 || by["XD"] != 1 {
			t.Errorf("%s counts %v", id, by)
		}
	}
	s.nobody() // it is no evidence: nothing was signed twice
	s.hold()
}
