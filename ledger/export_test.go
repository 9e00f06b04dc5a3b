package ledger

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"concordat/ledger/backup"
	"concordat/ledger/receipt"
)

// export is a backup of l as it stands.
func export(t testing.TB, l *Ledger) []byte {
	t.Helper()
	v := l.View()
	defer closeView(t, v)
	var out bytes.Buffer
	if err := l.Export(v, &out, time.Unix(1_700_000_000, 0), "test", nil); err != nil {
		t.Fatalf("exporting: %v", err)
	}
	return out.Bytes()
}

// certifyNewest certifies the newest size of s that is not above size.
func (s *story) certifyNewest(t testing.TB, l *Ledger, size uint64) {
	t.Helper()
	for _, e := range slices.Backward(s.entries) {
		if e.head.Size <= size {
			mustCertify(t, l, e.cert)
			return
		}
	}
}

// A ledger that was backed up and restored is the one that it was, but for its
// place in the order: to the root, to the state, and to what is erased.
func TestExportImport(t *testing.T) {
	s := newStory(t, 11, 50)
	l := s.told(t)
	defer closeLedger(t, l)
	s.certifyNewest(t, l, l.Head().Size)
	raw := export(t, l)
	if m, err := backup.Verify(bytes.NewReader(raw)); err != nil || m.Size != l.Head().Size || m.Root != l.Head().Root || m.Certified != m.Size {
		t.Fatalf("the backup says %+v, %v", m, err)
	}
	if again := export(t, l); !bytes.Equal(again, raw) {
		t.Error("two backups of one ledger at one time differ")
	}
	restored := func(raw []byte) *Ledger {
		t.Helper()
		o := s.options(vfs.NewMem())
		told := uint64(0)
		i, err := Import(t.Context(), s.net.doc, o, bytes.NewReader(raw), false, func(done, _ uint64) { told = done })
		if err != nil {
			t.Fatal(err)
		}
		if i.Size != l.Head().Size || i.LeftOut != 0 || i.Certified == nil || told != i.Size {
			t.Errorf("imported %+v, told of %d", i, told)
		}
		return s.net.open(t, o)
	}
	have := restored(raw)
	defer closeLedger(t, have)
	got, want := have.Head(), l.Head()
	want.Applied = Position{}
	if got != want || stateOf(t, have) != stateOf(t, l) {
		t.Errorf("restored, the head is %+v, want %+v", got, want)
	}
	if c := have.Certified(); c == nil || !bytes.Equal(c.Note(), l.Certified().Note()) {
		t.Error("restored, the ledger does not keep the certified checkpoint")
	}
	check(t, have)
	if again := export(t, have); !bytes.Equal(again, raw) {
		t.Error("a backup of what was restored is another")
	}

	// What has expired and was erased is not in the backup, and nobody misses it.
	erased, err := l.Erase(storyForgets.Time(), 0, 0)
	if err != nil || erased == 0 {
		t.Fatalf("erased %d batches, %v", erased, err)
	}
	less := export(t, l)
	if len(less) >= len(raw) {
		t.Errorf("the backup has %d bytes after %d batches were erased, and had %d", len(less), erased, len(raw))
	}
	have = restored(less)
	defer closeLedger(t, have)
	if stateOf(t, have) != stateOf(t, l) {
		t.Error("restored after erasing, the state is another")
	}
}

// What nobody vouches for is left out, unless it is asked for.
func TestImportUncertified(t *testing.T) {
	s := newStory(t, 12, 30)
	l := s.told(t)
	defer closeLedger(t, l)
	nothing := export(t, l)
	into := func(raw []byte, uncertified bool) (*Imported, *Ledger, error) {
		o := s.options(vfs.NewMem())
		i, err := Import(t.Context(), s.net.doc, o, bytes.NewReader(raw), uncertified, nil)
		if err != nil {
			return nil, nil, err
		}
		return i, s.net.open(t, o), nil
	}
	if _, _, err := into(nothing, false); !errors.Is(err, ErrBackup) {
		t.Errorf("a backup of which nothing is certified: %v, want ErrBackup", err)
	}
	i, have, err := into(nothing, true)
	if err != nil {
		t.Fatal(err)
	}
	if i.Certified != nil || stateOf(t, have) != stateOf(t, l) {
		t.Errorf("with --uncertified: %+v", i)
	}
	closeLedger(t, have)

	s.certifyNewest(t, l, l.Head().Size/2)
	certified := l.Certified().Checkpoint()
	raw := export(t, l)
	i, have, err = into(raw, false)
	if err != nil {
		t.Fatal(err)
	}
	if h := have.Head(); h.Size != certified.Size || h.Root != certified.Root || i.LeftOut != l.Head().Size-certified.Size || i.LeftOut == 0 {
		t.Errorf("restored %d of %d statements (%d left out), of which %d are certified", h.Size, l.Head().Size, i.LeftOut, certified.Size)
	}
	closeLedger(t, have)
	i, have, err = into(raw, true)
	if err != nil {
		t.Fatal(err)
	}
	if h := have.Head(); h.Size != l.Head().Size || i.LeftOut != 0 {
		t.Errorf("with --uncertified %d of %d statements", h.Size, l.Head().Size)
	}
	closeLedger(t, have)
}

// forge writes a backup again, with what change makes of its parts, and a right digest.
func forge(t *testing.T, raw []byte, change func(m *backup.Manifest, proof *[]byte, blocks *[]backup.Block)) []byte {
	t.Helper()
	r, err := backup.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	m, proof := r.Manifest(), r.Proof()
	var blocks []backup.Block
	for {
		b, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, b)
	}
	change(&m, &proof, &blocks)
	var out bytes.Buffer
	w, err := backup.NewWriter(&out, m, r.Genesis().Encode(), proof)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if err := w.Block(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Whoever makes another digest is found out by what the authorities and the
// validators have signed.
func TestImportRefusesForgeries(t *testing.T) {
	s := newStory(t, 13, 30)
	l := s.told(t)
	defer closeLedger(t, l)
	s.certifyNewest(t, l, l.Head().Size)
	raw := export(t, l)
	other := newNetwork(t, "elsewhere.test")
	if _, err := Import(t.Context(), other.doc, s.options(vfs.NewMem()), bytes.NewReader(raw), false, nil); !errors.Is(err, ErrBackupNetwork) {
		t.Errorf("of another network: %v, want ErrBackupNetwork", err)
	}
	withAttachment := func(blocks []backup.Block) *backup.Block {
		// A batch that has not expired by the newest seal: the last ones.
		for i := range slices.Backward(blocks) {
			if len(blocks[i].Attachments) > 0 {
				return &blocks[i]
			}
		}
		t.Fatal("the story has no attachment")
		return nil
	}
	for what, change := range map[string]func(m *backup.Manifest, proof *[]byte, blocks *[]backup.Block){
		"another root": func(m *backup.Manifest, _ *[]byte, _ *[]backup.Block) { m.Root[3] ^= 1 },
		"a checkpoint of less": func(m *backup.Manifest, _ *[]byte, _ *[]backup.Block) {
			m.Certified--
		},
		"a proof without its quorum": func(_ *backup.Manifest, proof *[]byte, _ *[]backup.Block) {
			r, err := receipt.ParseTLogProof(*proof)
			if err != nil {
				t.Fatal(err)
			}
			r.Note = s.net.noteAt(t, l, l.Head().Size, time.Unix(1_700_000_000, 0), "XA", "XB").Bytes()
			if *proof, err = r.TLogProof(); err != nil {
				t.Fatal(err)
			}
		},
		"a statement changed": func(_ *backup.Manifest, _ *[]byte, blocks *[]backup.Block) {
			said := (*blocks)[2].Statements[0]
			said[len(said)-1] ^= 1 // in its signature
		},
		"a block cut off": func(m *backup.Manifest, _ *[]byte, blocks *[]backup.Block) {
			last := (*blocks)[len(*blocks)-1]
			*blocks = (*blocks)[:len(*blocks)-1]
			m.Size -= uint64(len(last.Statements))
			m.Certified = m.Size
		},
		"revocations left out that still count": func(_ *backup.Manifest, _ *[]byte, blocks *[]backup.Block) {
			b := withAttachment(*blocks)
			b.Attachments = b.Attachments[:len(b.Attachments)-1]
		},
		"other revocations": func(_ *backup.Manifest, _ *[]byte, blocks *[]backup.Block) {
			b := withAttachment(*blocks)
			b.Attachments[len(b.Attachments)-1][0] ^= 1
		},
	} {
		forged := forge(t, raw, change)
		_, err := Import(t.Context(), s.net.doc, s.options(vfs.NewMem()), bytes.NewReader(forged), false, nil)
		if !errors.Is(err, ErrBackup) {
			t.Errorf("%s: %v, want ErrBackup", what, err)
		}
	}
	// Graft verifies no signature of what a quorum has vouched for. Import does, of
	// what nobody has, and of the rest.
	unsigned := forge(t, raw, func(m *backup.Manifest, proof *[]byte, blocks *[]backup.Block) {
		said := (*blocks)[len(*blocks)-1].Statements[0]
		said[len(said)-1] ^= 1
		*proof, m.Certified = nil, 0
	})
	if _, err := Import(t.Context(), s.net.doc, s.options(vfs.NewMem()), bytes.NewReader(unsigned), true, nil); !errors.Is(err, ErrBackup) {
		t.Errorf("with a statement that nobody signed: %v, want ErrBackup", err)
	}
	damaged := bytes.Clone(raw)
	damaged[len(damaged)/2] ^= 1
	for _, bad := range [][]byte{damaged, raw[:len(raw)-1], raw[:len(raw)/3]} {
		if _, err := Import(t.Context(), s.net.doc, s.options(vfs.NewMem()), bytes.NewReader(bad), false, nil); !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%d of %d bytes: %v, want backup.ErrDamaged", len(bad), len(raw), err)
		}
	}
	fs := vfs.NewMem()
	o := s.options(fs)
	closeLedger(t, func() *Ledger { l := s.net.open(t, o); s.goOn(t, l); return l }())
	if _, err := Import(t.Context(), s.net.doc, o, bytes.NewReader(raw), false, nil); !errors.Is(err, ErrConflict) {
		t.Errorf("where there is a ledger: %v, want ErrConflict", err)
	}
}
