package state

import (
	"errors"
	"testing"
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
			func() error { _, err := v.Validators(); return err },
			func() error { _, err := v.SealedValidators(); return err },
			func() error { _, _, err := v.LastSeal(); return err },
			func() error { _, err := v.Evidence(); return err },
			func() error { return v.Batches(func(uint64, Batch) (bool, error) { return true, nil }) },
			func() error { _, _, err := v.Revocations(testHash("h1"), 100); return err },
		} {
			if err := ask(); err != nil && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("want ErrCorrupt, got %v", err)
			}
		}
	})
}
