package node_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/fxamacker/cbor/v2"
	"github.com/hashicorp/raft"

	"concordat/ledger"
	"concordat/ledger/block"
	"concordat/ledger/state"
	"concordat/ledger/statement"
)

// newSeal is the right seal of what the traitor holds, and its time: a validator
// has the state like any other, and may compute it.
func (x *traitor) newSeal(at statement.Time) statement.SealState {
	x.t.Helper()
	l, err := ledger.Open(x.doc, ledger.Options{Dir: "traitor", FS: vfs.NewMem(), CacheBytes: 8 << 20, MemTableBytes: 4 << 20})
	if err != nil {
		x.t.Fatal(err)
	}
	x.mu.Lock()
	log := x.log
	x.mu.Unlock()
	for _, e := range log {
		if e.Type == raft.LogCommand {
			if _, err := l.Apply(ledger.Position{Index: e.Index, Term: e.Term}, e.Data); err != nil {
				x.t.Fatal(err)
			}
		}
	}
	s, err := l.MakeSeal(at)
	if err != nil {
		x.t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		x.t.Fatal(err)
	}
	return s
}

// asNode signs what a node says by itself.
func (x *traitor) asNode(body statement.Body) []byte {
	x.t.Helper()
	v, err := statement.Sign(statement.Statement{Network: x.doc.ID(), Issuer: statement.Region(x.id), Body: body}, x.node)
	if err != nil {
		x.t.Fatal(err)
	}
	return v.Raw()
}

// TestTraitorSeals: whoever has led can have every node compute a seal, by proposing
// a false one, and then hand the right one to the leader after it. That goes into no
// block of another's: one with another time, or with other statements, would do
// nothing anywhere, and say of an honest node that it is a bad proposer.
func TestTraitorSeals(t *testing.T) {
	s := besiege(t)
	for range 2 {
		at := statement.TimeOf(time.Now())
		right := s.x.newSeal(at)
		wrong := right
		wrong.Records[0] ^= 1
		s.x.usurp()
		b := s.x.branch()
		before := make(map[string]int)
		for _, id := range s.honest {
			before[id] = strings.Count(s.Log(id).String(), state.SealMismatch)
		}
		b.spoil(b.seal(func(h *block.Header) { h.Time = int64(at)*1000 + 999 }, s.x.asNode(&wrong))).show(s.honest...)
		b.becomes()
		for _, id := range s.honest {
			s.await(id+" to compute the seal", func() bool { return strings.Count(s.Log(id).String(), state.SealMismatch) > before[id] })
		}
		s.x.resign()
		v := s.statement("XB")
		var outcomes []string
		var err error
		s.await("an honest leader to answer", func() bool {
			if l := s.leader(); l != "" && l != s.x.id {
				outcomes, err = s.x.submit(l, s.x.asNode(&right), v.Raw(), s.x.asNode(&right))
			}
			return outcomes != nil || unhealthy(s)
		})
		for i, want := range []string{state.SealMisplaced, "", state.SealMisplaced} {
			if i >= len(outcomes) || outcomes[i] != want {
				t.Fatalf("the traitor hands in a seal twice, and a statement between: %q, %v; statement %d, want %q", outcomes, err, i, want)
			}
		}
		s.work()
		s.settle()
	}
	if unhealthy(s) {
		t.Error("an honest node has stopped")
	}
	for _, id := range s.honest {
		if strings.Contains(s.Log(id).String(), "proves its proposer wrong") {
			t.Errorf("%s calls a proposer bad", id)
		}
	}

	// The right seal where it does not belong does name who put it there.
	s.x.usurp()
	b := s.x.branch()
	right := s.x.newSeal(statement.TimeOf(time.Now()))
	b.spoil(b.seal(func(h *block.Header) { h.Time = int64(right.At+2) * 1000 }, s.x.asNode(&right)))
	s.nothing(b)
	s.logged("proves its proposer wrong", "proposer=XD", state.SealMisplaced)
	s.peace()
	s.nobody()
	s.hold()
}

func unhealthy(s *siege) bool {
	return slices.ContainsFunc(s.honest, func(id string) bool { return s.Node(id).Healthy() != nil })
}

// submit hands statements to a leader, and gives the names of its refusals; ""
// where it took one.
func (x *traitor) submit(leader string, raws ...[]byte) ([]string, error) {
	x.t.Helper()
	var req struct {
		Statements []map[int][]byte `cbor:"1,keyasint"`
	}
	for _, raw := range raws {
		req.Statements = append(req.Statements, map[int][]byte{1: raw})
	}
	b, err := cbor.Marshal(req)
	if err != nil {
		x.t.Fatal(err)
	}
	raw, err := x.call(leader, "submit/1", b)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Outcomes []struct {
			Name string `cbor:"3,keyasint,omitempty"`
		} `cbor:"1,keyasint"`
	}
	if err := cbor.Unmarshal(raw, &answer); err != nil || len(answer.Outcomes) != len(raws) {
		x.t.Fatalf("%s answers %x: %v", leader, raw, err)
	}
	var out []string
	for _, o := range answer.Outcomes {
		out = append(out, o.Name)
	}
	return out, nil
}
