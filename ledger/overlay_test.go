package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"concordat/ledger/state"
)

// An overlay is what a plain map would be (state.Memory), whatever was written
// and read before.
func TestOverlayIsAMap(t *testing.T) {
	key := rapid.StringMatching(`[ab]{0,3}`)
	rapid.Check(t, func(rt *rapid.T) {
		base := state.NewMemory(nil)
		model := map[string]string{}
		for k, v := range rapid.MapOf(key, rapid.String()).Draw(rt, "base") {
			base.Put([]state.Write{{Key: []byte(k), Value: []byte(v)}})
			model[k] = v
		}
		o := &overlay{base: base}
		for range rapid.IntRange(0, 30).Draw(rt, "steps") {
			k := key.Draw(rt, "key")
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				v := rapid.String().Draw(rt, "value")
				o.add([]state.Write{{Key: []byte(k), Value: []byte(v)}})
				model[k] = v
			case 1:
				o.add([]state.Write{{Key: []byte(k)}})
				delete(model, k)
			case 2:
				got, err := o.Get([]byte(k))
				want, is := model[k]
				if err != nil || string(got) != want || (got != nil) != is {
					rt.Fatalf("Get(%q) = %q, %v; want %q, %v", k, got, err, want, is)
				}
			case 3:
				limit := rapid.IntRange(1, 5).Draw(rt, "limit")
				var got, want []string
				err := o.Scan([]byte(k), func(k, v []byte) (bool, error) {
					got = append(got, fmt.Sprintf("%s=%s", k, v))
					return len(got) < limit, nil
				})
				for _, m := range slices.Sorted(maps.Keys(model)) {
					if strings.HasPrefix(m, k) && len(want) < limit {
						want = append(want, m+"="+model[m])
					}
				}
				if err != nil || !slices.Equal(got, want) {
					rt.Fatalf("Scan(%q) = %q, %v; want %q", k, got, err, want)
				}
			}
		}
	})
}

// Applied to the base, the overlay's writes make what the overlay shows.
func TestOverlayWritesAreInOrder(t *testing.T) {
	o := &overlay{}
	for i := range 10 {
		o.add([]state.Write{{Key: []byte("a"), Value: []byte{byte(i)}}, {Key: []byte("b"), Value: []byte{byte(i)}}})
	}
	o.add([]state.Write{{Key: []byte("b")}})
	mem := state.NewMemory(nil)
	for i := range o.groups { // as a batch of the store gets them
		mem.Put(o.groups[i].writes)
	}
	a, _ := mem.Get([]byte("a"))
	b, _ := mem.Get([]byte("b"))
	if string(a) != "\x09" || b != nil {
		t.Errorf("got a=%x b=%x", a, b)
	}
}
