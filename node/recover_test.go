package node_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"concordat/client"
	"concordat/client/authority"
	"concordat/consensus/certify"
	"concordat/ledger"
	"concordat/ledger/backup"
	"concordat/ledger/checkpoint"
	"concordat/ledger/receipt"
	"concordat/ledger/recovery"
	"concordat/ledger/state"
	"concordat/ledger/statement"
	"concordat/node"
	"concordat/node/nodetest"
)

// restoreInto builds the ledger of a region's node, which is stopped and has
// none, from a backup.
func restoreInto(t *testing.T, n *nodetest.Network, region string, raw []byte, uncertified bool) {
	t.Helper()
	dir := filepath.Join(n.NodeDir(region), "data", "ledger")
	o := ledger.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)}
	if _, err := ledger.Import(t.Context(), n.Doc, o, bytes.NewReader(raw), uncertified, nil); err != nil {
		t.Fatalf("restoring %s: %v", region, err)
	}
}

// forget takes from a stopped node what its disk had, but for its keys.
func forget(t *testing.T, n *nodetest.Network, region string) {
	t.Helper()
	for _, name := range []string{"data", "signer", "signer.suspects", "founded", "witnessed"} {
		if err := os.RemoveAll(filepath.Join(n.NodeDir(region), name)); err != nil {
			t.Fatal(err)
		}
	}
}

// A node that was restored from a backup of another has no votes and does not
// know what it co-signed: it catches up, abstains, and goes on as a whole one.
func TestRestoredNodeRejoins(t *testing.T) {
	t.Parallel()
	n := nodetest.New(t, "XA", "XB", "XC", "XD")
	write(t, n, "XA", "XA", 20)
	same(t, n)
	var raw bytes.Buffer
	var told backup.Manifest
	if err := n.Node("XB").Backup(&raw, func(m backup.Manifest) { told = m }); err != nil {
		t.Fatal(err)
	}
	if m, err := backup.Verify(bytes.NewReader(raw.Bytes())); err != nil || m != told || m.Certified != m.Size || m.Size == 0 {
		t.Fatalf("the backup is of %+v, told was %+v; %v", m, told, err)
	}
	if err := n.Stop("XD"); err != nil {
		t.Fatal(err)
	}
	goesOn(t, n, "XA", "XD")
	finalAt(t, n, "XA", "XA", "XA-1")
	forget(t, n, "XD")
	restoreInto(t, n, "XD", raw.Bytes(), false)
	if err := n.Start("XD"); err != nil {
		t.Fatal(err)
	}
	finalAt(t, n, "XA", "XB", "XA-2")
	whole(t, n, "XD")
	same(t, n)
	nobody(t, n)
}

// governanceOf is an authority's governance key.
func keyOf(t *testing.T, n *nodetest.Network, region string, role authority.Role) ed25519.PrivateKey {
	t.Helper()
	d, err := authority.Open(n.NodeDir(region), nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := d.Key(role)
	if err != nil {
		t.Fatal(err)
	}
	return k.Ed25519()
}

func survivor(t *testing.T, n *nodetest.Network, region string) *node.Survivor {
	t.Helper()
	s, err := node.OpenSurvivor(n.NodeDir(region), n.Doc, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("opening what is left of %s: %v", region, err)
	}
	return s
}

func closeSurvivor(t *testing.T, s *node.Survivor) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// seal has the proposer make the block of a plan.
func seal(t *testing.T, n *nodetest.Network, s *node.Survivor, f *recovery.File) (*recovery.File, error) {
	t.Helper()
	who := string(s.Me())
	return s.Seal(f, keyOf(t, n, who, authority.Governance), keyOf(t, n, who, authority.Node), time.Now())
}

// Two of four disks are lost for good. The others go on, in a new lineage, with
// the signatures of three; what would lose anything certified is refused; and
// wherever applying is interrupted, it goes on.
func TestRecovery(t *testing.T) {
	t.Parallel()
	n := nodetest.New(t, "XA", "XB", "XC", "XD")
	write(t, n, "XA", "XA", 10)
	index := finalAt(t, n, "XB", "XB", "XB-1")
	same(t, n)
	old, err := n.Client("XA").Receipt(t.Context(), fmt.Sprint(index), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range n.Regions {
		if err := n.Stop(r); err != nil {
			t.Fatal(err)
		}
	}
	forget(t, n, "XC")
	forget(t, n, "XD")

	xa := survivor(t, n, "XA")
	if _, err := node.OpenSurvivor(n.NodeDir("XA"), n.Doc, slog.New(slog.DiscardHandler)); !errors.Is(err, ledger.ErrLocked) {
		t.Errorf("opening it twice: %v", err)
	}
	if _, err := node.OpenSurvivor(n.NodeDir("XC"), n.Doc, slog.New(slog.DiscardHandler)); !errors.Is(err, ledger.ErrMissing) {
		t.Errorf("opening a lost one: %v", err)
	}
	head := xa.Head()
	mustNotLose(t, n, xa)

	plan := func(reason string, going ...statement.Region) *recovery.File {
		t.Helper()
		findings, err := xa.Hold(nil)
		if err != nil {
			t.Fatal(err)
		}
		f, err := xa.Plan(going, reason, "2026-01-02T03:04:05Z", findings)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if _, err := xa.Plan([]statement.Region{"XA", "XZ"}, "x", "2026-01-02T03:04:05Z", nil); !errors.Is(err, node.ErrPlan) {
		t.Errorf("a plan with a stranger: %v", err)
	}
	f := plan("two disks are lost", "XB", "XA")
	if f.Size != head.Size || f.Lineage != 2 || f.Proposer != "XA" || f.Needed() != 3 || len(f.Electors) != 4 {
		t.Fatalf("the plan is %+v", f)
	}
	sign := func(f *recovery.File, by ...string) {
		t.Helper()
		for _, r := range by {
			if err := f.Sign(statement.Region(r), keyOf(t, n, r, authority.Governance)); err != nil {
				t.Fatal(err)
			}
		}
	}
	sign(f, "XA", "XD")
	if _, err := seal(t, n, xa, f); !errors.Is(err, recovery.ErrUnsigned) {
		t.Errorf("sealing with two of four signatures: %v", err)
	}
	if _, err := xa.Apply(f, false); !errors.Is(err, recovery.ErrUnsigned) {
		t.Errorf("applying before it was sealed: %v", err)
	}
	sign(f, "XC")
	xb := survivor(t, n, "XB")
	if _, err := seal(t, n, xb, f); !errors.Is(err, node.ErrPlan) {
		t.Errorf("sealing by another than the plan names: %v", err)
	}
	sealed, err := seal(t, n, xa, f)
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal(t, n, xa, f)
	if err != nil || !bytes.Equal(again.Block, sealed.Block) {
		t.Errorf("sealed twice, the blocks differ; %v", err)
	}
	other := plan("another reason", "XA", "XB")
	sign(other, "XA", "XB", "XC")
	if _, err := seal(t, n, xa, other); !errors.Is(err, node.ErrPlan) {
		t.Errorf("sealing another plan for the same lineage: %v", err)
	}
	if sealed, err = recovery.Parse(sealed.Encode()); err != nil {
		t.Fatal(err)
	}

	// Interrupted after each step, and gone on with.
	crash := errors.New("crash")
	for _, at := range []string{"the block is in the ledger", "the signer has begun", "the order has begun"} {
		xa.CrashForTest(func(step string) error {
			if step == at {
				return crash
			}
			return nil
		})
		if _, err := xa.Apply(sealed, false); !errors.Is(err, crash) {
			t.Fatalf("interrupted when %s: %v", at, err)
		}
		closeSurvivor(t, xa)
		xa = survivor(t, n, "XA")
	}
	for i := range 2 {
		r, err := xa.Apply(sealed, false)
		if err != nil || r.Already != (i == 1) || r.Index != head.Size || r.Size != head.Size+1 || r.Log != n.Doc.Network+"/2" {
			t.Fatalf("applied for the %d. time: %+v, %v", i+1, r, err)
		}
	}
	if _, err := xb.Apply(sealed, false); err != nil {
		t.Fatal(err)
	}
	if a, b := xa.Head(), xb.Head(); a != b {
		t.Errorf("the survivors stand at %+v and %+v", a, b)
	}
	for _, region := range []string{"XA", "XB"} {
		aside, err := certify.Inspect(filepath.Join(n.NodeDir(region), "signer.lineage-1"))
		if err != nil || aside.Size == 0 {
			t.Errorf("what %s signed before is kept as %+v, %v", region, aside, err)
		}
		now, err := certify.Inspect(filepath.Join(n.NodeDir(region), "signer"))
		if err != nil || now.Size != 0 || now.Quarantine || now.Origin != n.Doc.Network+"/2" {
			t.Errorf("%s begins to sign with %+v, %v", region, now, err)
		}
	}
	closeSurvivor(t, xa)
	closeSurvivor(t, xb)

	// They go on, alone, and say that there was a recovery.
	for _, region := range []string{"XA", "XB"} {
		if err := n.Start(region); err != nil {
			t.Fatal(err)
		}
	}
	index = finalAt(t, n, "XA", "XB", "XA-3")
	raw, err := n.Client("XB").Receipt(t.Context(), fmt.Sprint(index), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		raw     []byte
		lineage uint64
	}{{old, 1}, {raw, 2}} {
		r, err := receipt.ParseTLogProof(c.raw)
		if err != nil {
			t.Fatal(err)
		}
		v, err := receipt.Verify(n.Doc, r)
		if err != nil || v.Lineage != c.lineage {
			t.Fatalf("a receipt of lineage %d, with the genesis alone: %+v, %v", c.lineage, v, err)
		}
	}
	if s := n.Node("XA").Status(); s.Lineage != 2 || s.Log.Origin != n.Doc.Network+"/2" {
		t.Errorf("the status says lineage %d and log %q", s.Lineage, s.Log.Origin)
	}
	nobody(t, n)

	// Who lost its disk comes back with nothing, and follows.
	if err := n.Start("XC"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "XC to have what they have", func() bool {
		s := n.Node("XC").Status()
		return s.Final.Size > index && s.Lineage == 2 && s.Role == string(state.Observer)
	}, func() any { return fmt.Sprintf("%+v", n.Node("XC").Status()) })
}

// mustNotLose holds a survivor's ledger against what others rely on.
func mustNotLose(t *testing.T, n *nodetest.Network, s *node.Survivor) {
	t.Helper()
	head := s.Head()
	if _, err := s.Hold([]node.Known{{From: "a receipt", Checkpoint: checkpoint.Checkpoint{Origin: n.Doc.Network, Size: head.Size, Root: head.Root}}}); err != nil {
		t.Errorf("what the ledger has: %v", err)
	}
	beyond := checkpoint.Checkpoint{Origin: n.Doc.Network, Size: head.Size + 1, Root: head.Root}
	if _, err := s.Hold([]node.Known{{From: "a receipt", Checkpoint: beyond}}); !errors.Is(err, node.ErrWouldLose) {
		t.Errorf("a checkpoint beyond the ledger: %v", err)
	}
	fork := checkpoint.Checkpoint{Origin: n.Doc.Network, Size: head.Size}
	if _, err := s.Hold([]node.Known{{From: "a receipt", Checkpoint: fork}}); !errors.Is(err, node.ErrOtherHistory) {
		t.Errorf("a checkpoint of another root: %v", err)
	}
	note := func(c checkpoint.Checkpoint, by ...string) []byte {
		t.Helper()
		var lines []string
		for _, r := range by {
			co, err := checkpoint.Cosign(c, statement.Region(r), time.Now(), keyOf(t, n, r, authority.Cosign))
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, co.Line)
		}
		return checkpoint.Assemble(c, lines).Bytes()
	}
	for _, c := range []struct {
		by   []string
		want []statement.Region
	}{{[]string{"XA", "XC", "XD"}, nil}, {[]string{"XD", "XC"}, []statement.Region{"XC", "XD"}}} {
		k, err := s.Note("a note", note(beyond, c.by...))
		if err != nil || !slices.Equal(k.By, c.want) {
			t.Errorf("a note by %v: %+v, %v", c.by, k, err)
			continue
		}
		if _, err := s.Hold([]node.Known{k}); !errors.Is(err, node.ErrWouldLose) {
			t.Errorf("a note by %v beyond the ledger: %v", c.by, err)
		}
	}
	foreign := beyond
	foreign.Origin = "elsewhere.example"
	for what, raw := range map[string][]byte{"of another log": note(foreign, "XA"), "that nobody signed": note(beyond)} {
		if _, err := s.Note("a note", raw); !errors.Is(err, node.ErrNotProved) && !errors.Is(err, checkpoint.ErrMalformed) {
			t.Errorf("a note %s: %v", what, err)
		}
	}
	// What this validator signed binds it, if its ledger was put back as it was.
	path := filepath.Join(n.NodeDir(string(s.Me())), "signer")
	mine, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := certify.Inspect(path)
	if err != nil || signed.Size != head.Size {
		t.Fatalf("the signer's file says %+v, %v", signed, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Hold(nil); err != nil {
		t.Errorf("without its signer's file: %v", err)
	}
	if err := os.WriteFile(path, mine, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A survivor on a new disk applies the plan only on its operator's word that it
// is the first time, and never again.
func TestRecoveryFromBackup(t *testing.T) {
	t.Parallel()
	n := nodetest.New(t, "XA", "XB", "XC", "XD")
	finalAt(t, n, "XA", "XA", "XA-1")
	same(t, n)
	for _, r := range n.Regions {
		if err := n.Stop(r); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []string{"XB", "XC", "XD"} {
		forget(t, n, r)
	}
	l, err := ledger.Open(n.Doc, ledger.Options{Dir: filepath.Join(n.NodeDir("XA"), "data", "ledger"), MustExist: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var raw bytes.Buffer
	v := l.View()
	if err := errors.Join(l.Export(v, &raw, time.Now(), "test", nil), v.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	restoreInto(t, n, "XB", raw.Bytes(), true)

	xa, xb := survivor(t, n, "XA"), survivor(t, n, "XB")
	findings, err := xb.Hold(nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := xb.Plan([]statement.Region{"XA", "XB"}, "three disks are lost", "2026-01-02T03:04:05Z", findings)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []string{"XA", "XB", "XC"} {
		if err := f.Sign(statement.Region(r), keyOf(t, n, r, authority.Governance)); err != nil {
			t.Fatal(err)
		}
	}
	if f, err = seal(t, n, xa, f); err != nil {
		t.Fatal(err)
	}
	if _, err := xb.Apply(f, false); !errors.Is(err, node.ErrForgotten) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a signer's file: %v", err)
	}
	if xb.Head().Size != f.Size {
		t.Errorf("a refused plan has changed the ledger: %+v", xb.Head())
	}
	for _, s := range []*node.Survivor{xa, xb} {
		if _, err := s.Apply(f, s == xb); err != nil {
			t.Fatal(err)
		}
		closeSurvivor(t, s)
	}
	for _, region := range []string{"XA", "XB"} {
		if err := n.Start(region); err != nil {
			t.Fatal(err)
		}
	}
	finalAt(t, n, "XB", "XA", "XB-2")

	// Its new disk is lost too. Whoever thinks that the plan is to be applied again is told better.
	if err := n.Stop("XB"); err != nil {
		t.Fatal(err)
	}
	forget(t, n, "XB")
	restoreInto(t, n, "XB", raw.Bytes(), true)
	xb = survivor(t, n, "XB")
	if r, err := xb.Apply(f, true); err != nil || !r.Already || xb.Head().Size != f.Size {
		t.Errorf("applied a second time: %+v, %v; the ledger has %d statements", r, err, xb.Head().Size)
	}
	closeSurvivor(t, xb)
	if _, err := n.Client("XA").Submit(t.Context(), n.Sign(t, "XA", 1, risk("XA-4")).Raw(), nil, client.Accepted); err != nil {
		t.Error(err)
	}
}
