package state

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"concordat/ledger/statement"
)

// FuzzRecord reads any bytes as a record under any key: it decodes only from
// its one encoding, under its own key, and nothing else than ErrCorrupt comes out.
func FuzzRecord(f *testing.F) {
	w := story(f)
	for _, e := range entries(f, w.mem) {
		f.Add(e.Key, e.Value)
	}
	f.Add([]byte{tagRisk}, []byte{0xa0})
	f.Add([]byte{tagByKeyID, 0xff}, []byte{0xf5})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if len(value) == 0 {
			return // no value is empty
		}
		if _, err := describe(w.mem, key, value); err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("want ErrCorrupt, got %v", err)
			}
			return
		}
		// What was read can be acted upon: no query may panic on it.
		m := NewMemory(entries(t, w.mem))
		m.Put([]Write{{key, value}})
		v := View{m}
		for _, ask := range []func() error{
			func() error { _, err := v.Authorities(); return err },
			func() error { _, err := v.IssuerKeys(KeyFilter{}); return err },
			func() error { _, err := v.IssuerKeysByKID([]byte("the same")); return err },
			func() error { _, err := v.Recognitions(); return err },
			func() error { _, err := v.RiskAreasAll(); return err },
			func() error { _, err := v.RulesAll(); return err },
			func() error { _, err := v.ValueSetsAll(); return err },
			func() error { _, err := v.Schemes(); return err },
			func() error { _, err := v.SpecialCasesAll(); return err },
			func() error { _, err := v.Validators(); return err },
			func() error { _, err := v.SealedValidators(); return err },
			func() error { _, _, err := v.LastSeal(); return err },
			func() error { _, err := v.Evidence(); return err },
			func() error { _, err := v.Network(); return err },
			func() error { _, err := v.Electorates(); return err },
			func() error { _, err := v.ElectorateAt(3); return err },
			func() error { _, _, err := v.PendingHandover(); return err },
			func() error { _, err := v.Handovers(); return err },
			func() error { _, err := v.Recoveries(); return err },
			func() error { _, err := v.Proposals(); return err },
			func() error {
				_, err := v.Describe(statement.Action{Expel: &statement.Expel{Authority: "XC"}})
				return err
			},
			func() error {
				_, err := v.Draft("XA", &statement.Action{Restore: &statement.RestoreAuthority{Authority: "XC"}})
				return err
			},
			func() error { return v.Batches(func(uint64, Batch) (bool, error) { return true, nil }) },
			func() error { _, _, err := v.Revocations(testHash("h1"), 100); return err },
		} {
			if err := ask(); err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrLevel) {
				t.Fatalf("want ErrCorrupt, got %v", err)
			}
		}
	})
}

// FuzzHandOver brings any note: it is refused or, if both sets have signed it,
// ends the handover; nothing else comes of it.
func FuzzHandOver(f *testing.F) {
	w := newWorldOf(f, 4, 1, "XA", "XB", "XC", "XD")
	w.must("XD", &statement.RotateOwnKey{NewKey: statement.ProveKey(w.net, "XD", statement.UseCosign, testKey("XD/newer"))}, nil)
	w.must("XA", w.sealNow(60), nil)
	w.must("XA", &statement.Grant{Terms: statement.Terms{Region: "XB"}}, nil)
	ids := []statement.Region{"XA", "XB", "XC"}
	good := w.note(w.index, ids, []ed25519.PrivateKey{testKey("XA/cosign"), testKey("XB/cosign"), testKey("XC/cosign")})
	f.Add(good)
	f.Add(w.note(1, ids[:1], []ed25519.PrivateKey{testKey("XA/cosign")}))
	f.Add([]byte("test.concordat\n3\n"))
	f.Fuzz(func(t *testing.T, note []byte) {
		if len(note) == 0 || len(note) > statement.MaxNote {
			return
		}
		w := *w
		w.t = t
		s := w.sign("XA", 0, &statement.HandOver{Seal: 1, Note: note}, testKey("XA/node"))
		writes, v, err := Apply(w.mem, w.index, s, nil)
		if err != nil || v.Accepted() != (len(writes) > 0) || !v.Accepted() && v.Name != HandoverMismatch {
			t.Fatalf("%d writes, %s (%v)", len(writes), v, err)
		}
	})
}
