package audit_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"concordat/client/audit"
	"concordat/ledger"
	"concordat/ledger/ledgertest"
	"concordat/ledger/merkle"
	"concordat/ledger/receipt"
	"concordat/ledger/statement"
)

// shown is a ledger as a node serves it. It is a Guide, unless it is mute.
type shown struct {
	w    *ledgertest.World
	mute bool
	// entry changes what is served as a statement; nil: nothing.
	entry func(index uint64, raw []byte) []byte
}

func (s shown) view(show func(v *ledger.View) error) (err error) {
	v := s.w.Ledger.View()
	defer func() { err = errors.Join(err, v.Close()) }()
	return show(v)
}

func (s shown) Checkpoint(context.Context) ([]byte, error) { return s.w.Certificate.Note(), nil }

func (s shown) Tile(_ context.Context, t merkle.Tile, width int) (out []byte, err error) {
	return out, s.view(func(v *ledger.View) error {
		out, err = v.ReadTile(t, width)
		return err
	})
}

func (s shown) Entries(_ context.Context, index uint64, width int) (out []byte, err error) {
	return out, s.view(func(v *ledger.View) error {
		for i := range uint64(width) {
			e, err := v.ByIndex(index*merkle.TileWidth + i)
			if err != nil {
				return err
			}
			raw := e.Raw()
			if s.entry != nil {
				raw = s.entry(e.Index, raw)
			}
			out = append(binary.BigEndian.AppendUint16(out, uint16(len(raw))), raw...)
		}
		return nil
	})
}

func (s shown) Attachment(context.Context, [32]byte) ([]byte, error) { return nil, fs.ErrNotExist }

func (s shown) Steps(context.Context) (out []receipt.Step, err error) {
	if s.mute {
		return nil, nil
	}
	return out, s.view(func(v *ledger.View) error {
		out, err = v.Steps(s.w.Certificate.Checkpoint().Size)
		return err
	})
}

// An audit replays ten changes of validators with the genesis alone, and a
// recovery, and says what it found.
func TestAuditOverChanges(t *testing.T) {
	t.Parallel()
	w := ledgertest.New(t, "audited.test", "XA", "XB", "XC", "XD")
	w.TenChanges()
	check := func(lineage uint64, handovers, recoveries, validators int) *audit.Report {
		t.Helper()
		r, err := audit.Run(t.Context(), audit.Config{Genesis: w.Doc, Source: shown{w: w}})
		if err != nil {
			t.Fatal(err)
		}
		if r.Lineage != lineage || len(r.Handovers) != handovers || len(r.Recoveries) != recoveries || len(r.Validators) != validators {
			t.Errorf("lineage %d, %d handovers, %d recoveries, %d validators", r.Lineage, len(r.Handovers), len(r.Recoveries), len(r.Validators))
		}
		if r.Checkpoint != w.Certificate.Checkpoint() {
			t.Errorf("certified is %+v", r.Checkpoint)
		}
		return r
	}
	r := check(1, 10, 0, 3)
	if r.Statements[statement.Handover] != 10 || r.Statements[statement.GovernancePropose] == 0 || r.Seals.Whole != 10 {
		t.Errorf("%+v, %+v", r.Statements, r.Seals)
	}
	// Certified by both while a change is under way.
	w.Carry(w.Admission("ZA", statement.RoleValidator))
	w.Certify()
	check(1, 10, 0, 4)
	w.Say(w.HandOver())
	w.Say(w.Recovery([]statement.Region{"YA", "ZA"}, "YA", "YB", "ZA"))
	w.Fill(1)
	w.Certify()
	check(2, 11, 1, 2)
}

// What an auditor is told of a handover or a recovery is held against the tree
// and against those before it, like every other statement.
func TestTamperingWithChanges(t *testing.T) {
	t.Parallel()
	w := ledgertest.New(t, "tampered.test", "XA", "XB", "XC", "XD")
	w.Fill(2)
	w.Change(w.Admission("YA", statement.RoleValidator))
	handover := w.Ledger.Head().Size - 1
	w.Certify()
	for at := range w.Ledger.Head().Size {
		if at != handover && at%7 != 0 {
			continue
		}
		s := shown{w: w, entry: func(index uint64, raw []byte) []byte {
			if index != at {
				return raw
			}
			raw = append([]byte(nil), raw...)
			raw[len(raw)-1] ^= 1
			return raw
		}}
		_, err := audit.Run(t.Context(), audit.Config{Genesis: w.Doc, Source: s})
		var found *audit.Tampering
		if !errors.As(err, &found) || found.Index != at {
			t.Errorf("statement %d changed: %v", at, err)
		}
	}
}

// Two logs are compared, and a receipt of long ago is checked, by the validators
// to whom the genesis leads.
func TestCompareOverChanges(t *testing.T) {
	t.Parallel()
	w := ledgertest.New(t, "compared.test", "XA", "XB", "XC", "XD")
	w.Fill(3)
	w.Certify()
	before := *w
	var old receipt.Receipt
	w.View(func(v *ledger.View) {
		var err error
		if old, err = v.Receipt(1, w.Certificate.Note()); err != nil {
			t.Fatal(err)
		}
	})
	w.TenChanges()
	if c, err := audit.Compare(t.Context(), w.Doc, nil, shown{w: &before}, shown{w: w}); err != nil || c.Older.Certified == nil || c.Newer.Certified == nil {
		t.Errorf("a log and its continuation: %v", err)
	}
	// Whoever hides how the validators changed is believed no more than founders vouch for.
	if _, err := audit.Compare(t.Context(), w.Doc, nil, shown{w: &before}, shown{w: w, mute: true}); err == nil {
		t.Error("validators that nobody has handed over to are believed")
	}
	if c, err := audit.CheckReceipt(t.Context(), w.Doc, shown{w: w}, old); err != nil || c.Newer.Checkpoint != w.Certificate.Checkpoint() {
		t.Errorf("a receipt from before: %v", err)
	}
	// Over HTTP the way is in the receipt of the last statement that is certified.
	mux := http.NewServeMux()
	mux.HandleFunc("/checkpoint", func(rw http.ResponseWriter, _ *http.Request) { rw.Write(w.Certificate.Note()) })
	mux.HandleFunc("/v1/statements/{index}/receipt", func(rw http.ResponseWriter, r *http.Request) {
		w.View(func(v *ledger.View) {
			index, err := strconv.ParseUint(r.PathValue("index"), 10, 64)
			if err != nil {
				t.Error(err)
			}
			got, err := v.Receipt(index, w.Certificate.Note())
			if err != nil {
				t.Error(err)
			}
			raw, err := got.TLogProof()
			if err != nil {
				t.Error(err)
			}
			rw.Write(raw)
		})
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	source, err := audit.HTTP(server.URL, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	steps, err := source.(audit.Guide).Steps(t.Context())
	if err != nil || len(steps) != 10 {
		t.Errorf("%d steps over HTTP: %v", len(steps), err)
	}
	// A receipt of what a recovery has left behind.
	lost := w.Certificate.Note()
	var left receipt.Receipt
	w.View(func(v *ledger.View) {
		var err error
		if left, err = v.Receipt(v.Head().Size-1, lost); err != nil {
			t.Fatal(err)
		}
	})
	again := ledgertest.New(t, "compared.test", "XA", "XB", "XC", "XD")
	again.Fill(4)
	again.Say(again.Recovery([]statement.Region{"XA"}, "XA", "XB", "XC"))
	again.Fill(60)
	again.Certify()
	if _, err := audit.CheckReceipt(t.Context(), w.Doc, shown{w: again}, left); !errors.Is(err, audit.ErrLeftBehind) {
		t.Errorf("a receipt of a lineage that was left: %v, want ErrLeftBehind", err)
	}
	if _, err := audit.CheckReceipt(t.Context(), w.Doc, shown{w: again}, old); err != nil {
		t.Errorf("one from before the recovery: %v", err)
	}
}
