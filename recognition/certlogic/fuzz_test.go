package certlogic_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"concordat/recognition/certlogic"
)

var seeds = []string{
	`{"if":[{"var":"payload.v.0"},{"===":[{"var":"payload.v.0.dn"},2]},true]}`,
	`{"not-before":[{"plusTime":[{"var":"d"},-14,"day"]},{"plusTime":["2021-06-01T00:00:00.5+0230",0,"hour"]},{"dccDateOfBirth":["2004-02"]}]}`,
	`{"reduce":[[1,2,{"var":"x"}],{"+":[{"var":"accumulator"},{"var":"current"}]},0]}`,
	`{"and":[{"in":["a",["a"]]},{"!":[{"extractFromUVCI":["URN:UVCI:a/b#c",2]}]},{">=":[3,2,1]}]}`,
	`{"reduce":[{"var":""},[{"var":"accumulator"},{"var":"accumulator"}],1]}`,
	`{"or":[null,1.5]}`,
}

// FuzzParse: any text is refused as malformed or read, with the same problems each time.
func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := certlogic.Parse(text)
		if err != nil {
			if e != nil || !errors.Is(err, certlogic.ErrMalformed) {
				t.Fatalf("got %v, %v", e, err)
			}
			return
		}
		again, err := certlogic.Parse(text)
		if err != nil || !reflect.DeepEqual(e.Problems(), again.Problems()) {
			t.Fatalf("read again: %v, %v", err, again)
		}
	})
}

// FuzzEvaluate: an evaluation ends within its budget, with a known error or a
// JSON value, the same each time, and leaves the data as it was. Where it ends
// well, any budget that suffices gives the same.
func FuzzEvaluate(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), []byte(`{"payload":{"v":[{"dn":2}]},"d":"2021-06-15","x":3}`), 1_000)
		f.Add([]byte(s), []byte(`[1,2,[3,"x"],{"y":null}]`), 50)
	}
	f.Fuzz(func(t *testing.T, text, context []byte, steps int) {
		e, err := certlogic.Parse(text)
		if err != nil {
			return
		}
		var data, copied any
		if len(context) > 1<<12 || json.Unmarshal(context, &data) != nil || json.Unmarshal(context, &copied) != nil {
			return
		}
		steps = min(max(steps, 1), 20_000)
		b := certlogic.NewBudget(steps)
		got, err := e.EvaluateWithin(data, b)
		if !reflect.DeepEqual(data, copied) {
			t.Fatal("the data was changed")
		}
		switch {
		case errors.Is(err, certlogic.ErrBudget):
			return
		case err != nil && !errors.Is(err, certlogic.ErrInvalid) && !errors.Is(err, certlogic.ErrOperand):
			t.Fatalf("an error of no sort: %v", err)
		}
		if _, err := json.Marshal(got); err != nil {
			t.Fatalf("the result is no JSON: %v", err)
		}
		again, fault := certlogic.Evaluate(e, copied, certlogic.Limits{Steps: steps - b.Left()})
		if !reflect.DeepEqual(got, again) || (err == nil) != (fault == nil) || err != nil && err.Error() != fault.Error() {
			t.Fatalf("got %v, %v; then with just the steps that it took %v, %v", got, err, again, fault)
		}
	})
}
