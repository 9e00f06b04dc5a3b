package certlogic_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"concordat/recognition/certlogic"
)

// TestSemantics is what the specification says, and what doc.go says where it leaves room.
func TestSemantics(t *testing.T) {
	const data = `{"s":"foo","i":3,"f":1.5,"n":null,"e":"","a":[1,2,3],"o":{"0":"zero","x":{"y":[{"z":true}]}},"list":["foo",null,[1]],"big":9007199254740993,"dob":"2004"}`
	for _, c := range []struct {
		expression string
		want       any // an error, or a value
	}{
		// var (C4)
		{`{"var":"o.x.y.0.z"}`, true},
		{`{"var":"o.0"}`, "zero"},
		{`{"var":"a.1"}`, 2.0},
		{`{"var":"a.01"}`, 2.0},
		{`{"var":"a.-1"}`, nil},
		{`{"var":"a.length"}`, nil},
		{`{"var":"a.3"}`, nil},
		{`{"var":"a.99999999999999999999"}`, nil},
		{`{"var":"s.0"}`, nil},
		{`{"var":"n.x.y"}`, nil},
		{`{"var":0}`, certlogic.ErrInvalid},
		{`{"var":["s"]}`, certlogic.ErrInvalid},
		{`{"var":"a..b"}`, certlogic.ErrInvalid},

		// truthy, falsy and neither (C2)
		{`{"if":[{"var":"a"},1,2]}`, 1.0},
		{`{"if":[{"var":"o"},1,2]}`, 1.0},
		{`{"if":[{"var":"n"},1,2]}`, 2.0},
		{`{"if":[{"var":"f"},1,2]}`, certlogic.ErrOperand},
		{`{"!":[{"var":"f"}]}`, certlogic.ErrOperand},
		{`{"and":[{"var":"f"},true]}`, certlogic.ErrOperand},
		{`{"!":[{"plusTime":["2021-01-01",0,"day"]}]}`, certlogic.ErrOperand},
		{`{"if":[{"var":"big"},1,2]}`, certlogic.ErrOperand},

		// if and "and" take one branch, and judge no other (C1, C5)
		{`{"if":[true,1,{"no-such":[1]}]}`, 1.0},
		{`{"if":[false,{"no-such":[1]},2]}`, 2.0},
		{`{"if":[true,{"no-such":[1]},2]}`, certlogic.ErrInvalid},
		{`{"if":[true,1]}`, certlogic.ErrInvalid},
		{`{"if":[true,1,2,3]}`, certlogic.ErrInvalid},
		{`{"and":[0,{"no-such":[1]}]}`, 0.0},
		{`{"and":[true]}`, certlogic.ErrInvalid},
		{`{"after":[{"and":[{"var":"dob"},{"dccDateOfBirth":[{"var":"dob"}]}]},{"plusTime":["2004-12-30",0,"day"]}]}`, true},

		// ===, in (C3)
		{`{"===":[{"var":"n"},{"var":"missing"}]}`, true},
		{`{"===":[1,1.0]}`, true},
		{`{"===":[1,"1"]}`, false},
		{`{"===":[1,true]}`, false},
		{`{"===":[[1,["x"]],[1,["x"]]]}`, true},
		{`{"===":[{"var":"o"},{"var":"o"}]}`, true},
		{`{"===":[{"var":"o"},{"var":"o.x"}]}`, false},
		{`{"===":[{"plusTime":["2021-01-01",0,"day"]},{"plusTime":["2021-01-01T02:00:00+02:00",0,"hour"]}]}`, true},
		{`{"===":[1]}`, certlogic.ErrInvalid},
		{`{"===":[1,1,1]}`, certlogic.ErrInvalid},
		{`{"in":[{"var":"n"},{"var":"list"}]}`, true},
		{`{"in":[[1],{"var":"list"}]}`, true},
		{`{"in":["f","foo"]}`, certlogic.ErrOperand},
		{`{"in":["foo",{"var":"missing"}]}`, certlogic.ErrOperand},

		// numbers
		{`{"+":[1,2.0]}`, 3.0},
		{`{"+":["a","b"]}`, certlogic.ErrOperand},
		{`{"+":[{"var":"f"},1]}`, certlogic.ErrOperand},
		{`{"+":[9007199254740991,1]}`, certlogic.ErrOperand},
		{`{"+":[1,2,3]}`, certlogic.ErrInvalid},
		{`{">":[3,2,1]}`, true},
		{`{">":[3,2,2]}`, false},
		{`{">":[1,2,"x"]}`, certlogic.ErrOperand}, // every operand is judged
		{`{">":["b","a"]}`, certlogic.ErrOperand},
		{`{">":[{"var":"n"},1]}`, certlogic.ErrOperand},
		{`{"<":[1,2,3,4]}`, certlogic.ErrInvalid},

		// date-times
		{`{"before":["2021-01-01","2021-01-02"]}`, certlogic.ErrOperand},
		{`{"not-before":[{"plusTime":["2021-01-02",0,"day"]},{"plusTime":["2021-01-02",0,"day"]},{"plusTime":["2021-01-01",0,"day"]}]}`, true},
		{`{"plusTime":["2021-01-01",{"+":[0,0]},"day"]}`, certlogic.ErrInvalid},
		{`{"plusTime":["2021-01-01",0.5,"day"]}`, certlogic.ErrInvalid},
		{`{"plusTime":["2021-01-01",0,"minute"]}`, certlogic.ErrInvalid},
		{`{"plusTime":[{"plusTime":["2021-01-01",0,"day"]},0,"day"]}`, certlogic.ErrOperand},
		{`{"plusTime":[{"var":"n"},0,"day"]}`, certlogic.ErrOperand},
		{`{"dccDateOfBirth":[{"var":"n"}]}`, certlogic.ErrOperand},
		{`{"dccDateOfBirth":["2004-02-03T00:00:00Z"]}`, certlogic.ErrOperand},

		// reduce (C6): the lambda sees two names only
		{`{"reduce":[{"var":"n"},{"no-such":[]},7]}`, 7.0},
		{`{"reduce":[{"var":"a"},{"var":"s"},7]}`, nil},
		{`{"reduce":[{"var":"a"},{"+":[{"var":"accumulator"},{"reduce":[[10,20],{"+":[{"var":"accumulator"},{"var":"current"}]},0]}]},0]}`, 90.0},
		{`{"reduce":[{"var":"s"},1,7]}`, certlogic.ErrOperand},

		{`{"extractFromUVCI":["urn:uvci:01:NL",0]}`, "urn"}, // the prefix is written in capitals
		{`{"extractFromUVCI":["URN:UVCI:",0]}`, ""},
		{`{"extractFromUVCI":[{"var":"i"},0]}`, certlogic.ErrOperand},
		{`{"extractFromUVCI":["a",{"var":"i"}]}`, certlogic.ErrInvalid},

		// what is no expression
		{`null`, certlogic.ErrInvalid},
		{`1.5`, certlogic.ErrInvalid},
		{`9007199254740992`, certlogic.ErrInvalid},
		{`{}`, certlogic.ErrInvalid},
		{`{"or":[true,false]}`, certlogic.ErrInvalid},
		{`{"!":[1],"var":"x"}`, certlogic.ErrInvalid},
		{`{"!":true}`, certlogic.ErrInvalid},
		{`{"!":[]}`, certlogic.ErrInvalid},
		{`[1,null]`, certlogic.ErrInvalid},
	} {
		var d any
		if err := json.Unmarshal([]byte(data), &d); err != nil {
			t.Fatal(err)
		}
		e, err := certlogic.Parse([]byte(c.expression))
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
			continue
		}
		got, err := certlogic.Evaluate(e, d, certlogic.Limits{})
		if fault, is := c.want.(error); is {
			if !errors.Is(err, fault) || got != nil {
				t.Errorf("%s: got %v, %v; want an error like %q", c.expression, got, err, fault)
			}
			if invalid := errors.Is(fault, certlogic.ErrInvalid); invalid && len(e.Problems()) == 0 {
				t.Errorf("%s: no problem is listed", c.expression)
			}
		} else if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v, %v; want %v", c.expression, got, err, c.want)
		}
	}
}

// TestWholeNumbers: numbers that a caller puts into the data as Go has them.
func TestWholeNumbers(t *testing.T) {
	e := parse(t, `{"and":[{"===":[{"var":"exp"},{"var":"iat"}]},{"in":[5,{"var":"list"}]},{"<":[{"var":"exp"},8]}]}`)
	got, err := certlogic.Evaluate(e, map[string]any{"exp": int64(7), "iat": 7, "list": []any{1, 5}}, certlogic.Limits{})
	if err != nil || got != true {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestResults: a result is the caller's own, and a date-time is a time.
func TestResults(t *testing.T) {
	data := map[string]any{"a": []any{"x"}}
	got, err := certlogic.Evaluate(parse(t, `[{"var":"a"},{"plusTime":["2021-01-01T00:00:00.12345Z",0,"day"]}]`), data, certlogic.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	list := got.([]any)
	if at := list[1].(time.Time); at != time.Date(2021, 1, 1, 0, 0, 0, 123e6, time.UTC) {
		t.Errorf("the time is %v", at)
	}
	list[0].([]any)[0] = "changed"
	if data["a"].([]any)[0] != "x" {
		t.Error("a result is part of the data")
	}
	literal := parse(t, `["x"]`)
	for range 2 {
		got, err := certlogic.Evaluate(literal, nil, certlogic.Limits{})
		if err != nil || got.([]any)[0] != "x" {
			t.Fatalf("got %v, %v", got, err)
		}
		got.([]any)[0] = "changed"
	}
}

// TestDateTimes: every form of the specification, and those that it does not have.
func TestDateTimes(t *testing.T) {
	for text, want := range map[string]string{
		"2021":                           "2021-12-31T00:00:00.000Z",
		"2021-02":                        "2021-02-28T00:00:00.000Z",
		"2020-02":                        "2020-02-29T00:00:00.000Z",
		"2021-12":                        "2021-12-31T00:00:00.000Z",
		"2021-05-04":                     "2021-05-04T00:00:00.000Z",
		"0001-01-01":                     "0001-01-01T00:00:00.000Z",
		"2021-05-04T13:37:42":            "2021-05-04T13:37:42.000Z",
		"2021-05-04T13:37:42Z":           "2021-05-04T13:37:42.000Z",
		"2021-05-04T13:37:42+2":          "2021-05-04T11:37:42.000Z",
		"2021-05-04T13:37:42+02":         "2021-05-04T11:37:42.000Z",
		"2021-05-04T13:37:42+230":        "2021-05-04T11:07:42.000Z",
		"2021-05-04T13:37:42+0230":       "2021-05-04T11:07:42.000Z",
		"2021-05-04T13:37:42+2:30":       "2021-05-04T11:07:42.000Z",
		"2021-05-04T13:37:42+02:30":      "2021-05-04T11:07:42.000Z",
		"2021-05-04T13:37:42-02:30":      "2021-05-04T16:07:42.000Z",
		"2021-05-04T13:37:42-00:00":      "2021-05-04T13:37:42.000Z",
		"2021-05-04T23:37:42-2":          "2021-05-05T01:37:42.000Z",
		"2021-05-04T13:37:42.1":          "2021-05-04T13:37:42.100Z",
		"2021-05-04T13:37:42.9999Z":      "2021-05-04T13:37:42.999Z",
		"2021-05-04T13:37:42.000001+02":  "2021-05-04T11:37:42.000Z",
		"2021-05-04T13:37:42.12+0230":    "2021-05-04T11:07:42.120Z",
		"2021-05-04T13:37:42.1234-12:00": "2021-05-05T01:37:42.123Z",

		"": "", "21": "", "2021-": "", "2021-1": "", "2021-13": "", "2021-00": "", "202a": "", "2021-05-4": "", "2021-05-32": "",
		"2021-02-29": "", "2021-02-30": "", "2021-05-00": "", "2021-05-04T": "", "2021-05-04T13:37": "", "2021-05-04t13:37:42": "",
		"2021-05-04 13:37:42": "", "2021-05-04T24:00:00": "", "2021-05-04T23:60:00": "", "2021-05-04T23:59:60": "",
		"2021-05-04T13:37:42z": "", "2021-05-04T13:37:42.": "", "2021-05-04T13:37:42.Z": "", "2021-05-04T13:37:42,5": "",
		"2021-05-04T13:37:42+": "", "2021-05-04T13:37:42+:": "", "2021-05-04T13:37:42+02:": "", "2021-05-04T13:37:42+02:3": "",
		"2021-05-04T13:37:42+02000": "", "2021-05-04T13:37:42+24": "", "2021-05-04T13:37:42+02:60": "", "2021-05-04T13:37:42 +02": "",
		"2021-05-04T13:37:42Z+02": "", "2021-05-04T13:37:42+-2": "", "+2021-05-04": "", " 2021-05-04": "", "２０２１": "",
		"2021-05Z": "", "2021-05-04Z": "", "2021T00:00:00": "",
	} {
		got, err := certlogic.Evaluate(parse(t, `{"plusTime":[{"var":""},0,"day"]}`), text, certlogic.Limits{})
		if want == "" {
			if !errors.Is(err, certlogic.ErrOperand) {
				t.Errorf("%q: got %v, %v", text, got, err)
			} else if text != "" && strings.Contains(err.Error(), text) {
				t.Errorf("%q: the error repeats the data: %v", text, err)
			}
			continue
		}
		if err != nil || got.(time.Time).Format("2006-01-02T15:04:05.000Z") != want {
			t.Errorf("%q: got %v, %v; want %s", text, got, err, want)
		}
	}
}

// TestPlusTime: the fields overflow as those of ECMAScript's Date do.
func TestPlusTime(t *testing.T) {
	for _, c := range []struct{ expression, want string }{
		{`["2020-02-29",1,"day"]`, "2020-03-01T00:00:00Z"},
		{`["2020-02-29",1,"month"]`, "2020-03-29T00:00:00Z"},
		{`["2020-02-29",1,"year"]`, "2021-03-01T00:00:00Z"},
		{`["2020-02-29",4,"year"]`, "2024-02-29T00:00:00Z"},
		{`["2020-02-29",-1,"year"]`, "2019-03-01T00:00:00Z"},
		{`["2021-01-31",1,"month"]`, "2021-03-03T00:00:00Z"},
		{`["2021-03-31",-1,"month"]`, "2021-03-03T00:00:00Z"},
		{`["2021-01-15",-13,"month"]`, "2019-12-15T00:00:00Z"},
		{`["2021-12-31",2,"month"]`, "2022-03-03T00:00:00Z"},
		{`["2021-06-23",-180,"day"]`, "2020-12-25T00:00:00Z"},
		{`["2021-03-28T01:30:00+01:00",1,"hour"]`, "2021-03-28T01:30:00Z"}, // no daylight saving time
		{`["2021-01-01T00:30:00Z",-25,"hour"]`, "2020-12-30T23:30:00Z"},
		{`["2021-01-31T23:00:00-05:00",1,"month"]`, "2021-03-01T04:00:00Z"}, // of the day in UTC, the first of February
		{`["2021",0,"year"]`, "2021-12-31T00:00:00Z"},
	} {
		got, err := certlogic.Evaluate(parse(t, `{"plusTime":`+c.expression+`}`), nil, certlogic.Limits{})
		if err != nil || got.(time.Time).Format(time.RFC3339) != c.want {
			t.Errorf("%s: got %v, %v; want %s", c.expression, got, err, c.want)
		}
	}
	for _, far := range []string{`9007199254740991,"hour"`, `-9007199254740991,"year"`, `300000,"year"`, `-3500000,"month"`, `100000000,"day"`, `-2500000000,"hour"`} {
		if got, err := certlogic.Evaluate(parse(t, `{"plusTime":["2021-01-01",`+far+`]}`), nil, certlogic.Limits{}); !errors.Is(err, certlogic.ErrOperand) {
			t.Errorf("%s: got %v, %v", far, got, err)
		}
	}
}

// TestProblems lists what is wrong wherever it is, and where.
func TestProblems(t *testing.T) {
	e := parse(t, `{"if":[{"or":[1]},{"===":[{"var":5},null]},[1,{"plusTime":["x",1,"week"]}]]}`)
	got := strings.Join(e.Problems(), "\n")
	for _, want := range []string{`at if[0].or: the operation "or" is unknown`, `at if[1].===[0].var: want the form`, `at if[1].===[1]: null is no literal`, `at if[2][1].plusTime: the unit`} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not among\n%s", want, got)
		}
	}
	if p := parse(t, `[`+strings.Repeat(`null,`, 100)+`null]`).Problems(); len(p) != 21 || p[20] != "and 81 more" {
		t.Errorf("of 101 problems: %d, the last %q", len(p), p[len(p)-1])
	}
}

// TestMalformed: what is no expression at all.
func TestMalformed(t *testing.T) {
	for name, text := range map[string]string{
		"empty":           ``,
		"not JSON":        `{"var":`,
		"more follows":    `1 2`,
		"a name twice":    `{"var":"a","var":"b"}`,
		"many names":      `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}`,
		"too deep":        strings.Repeat(`[`, certlogic.MaxDepth+2) + strings.Repeat(`]`, certlogic.MaxDepth+2),
		"too many values": `[` + strings.Repeat(`1,`, certlogic.MaxNodes) + `1]`,
		"too many parts":  `[` + strings.Repeat(`{"var":"`+strings.Repeat("a.", 50)+`a"},`, certlogic.MaxNodes/50) + `1]`,
		"too long":        `"` + strings.Repeat("x", certlogic.MaxBytes) + `"`,
		"huge number":     `1e999`,
	} {
		if _, err := certlogic.Parse([]byte(text)); !errors.Is(err, certlogic.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	deep := strings.Repeat(`{"!":[`, certlogic.MaxDepth/2-1) + `true` + strings.Repeat(`]}`, certlogic.MaxDepth/2-1)
	if _, err := certlogic.Evaluate(parse(t, deep), nil, certlogic.Limits{}); err != nil {
		t.Error(err)
	}
}

// TestWeight: what an expression weighs is about what it takes in memory, and
// not much more for each byte of its text, whatever the text is made of.
func TestWeight(t *testing.T) {
	fill := func(first, one, last string) string {
		return first + strings.Repeat(one, (certlogic.MaxBytes/2-len(first)-len(last))/len(one)) + last
	}
	deep := strings.Repeat(`{"!":[`, certlogic.MaxDepth/2-2)
	for name, text := range map[string]string{
		"literals": fill(`[`, `1234,`, `1]`), "texts": fill(`[`, `"abcd",`, `1]`), "operations": fill(`[`, `{"!":[1]},`, `1]`),
		"a path": fill(`{"var":"`, `ab.`, `a"}`), "many paths": fill(`[`, `{"var":"a.b"},`, `1]`), "nothing that is CertLogic": fill(`[`, `null,`, `null]`),
		"faults far down": fill(deep+`[`, `null,`, `null]`+strings.Repeat(`]}`, certlogic.MaxDepth/2-2)),
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		e := parse(t, text)
		runtime.GC()
		runtime.ReadMemStats(&after)
		kept, says := int(after.HeapAlloc)-int(before.HeapAlloc), e.Weight()
		if says < kept/2 || says > 40*len(text) {
			t.Errorf("%s: of %d bytes %d are kept, and it says %d", name, len(text), kept, says)
		}
		runtime.KeepAlive(e)
	}
}

// TestBudget: whatever an expression does takes steps, and is cut short.
func TestBudget(t *testing.T) {
	numbers := make([]any, 2_000)
	for i := range numbers {
		numbers[i] = float64(i)
	}
	data := map[string]any{"n": numbers, "long": strings.Repeat("x", 1<<20), "longer": strings.Repeat("x", 1<<20-1) + "y"}
	for name, text := range map[string]string{
		"reduce in reduce":          `{"reduce":[{"var":"n"},{"reduce":[{"var":"accumulator"},{"var":"accumulator"},{"var":"accumulator"}]},{"var":"n"}]}`,
		"in for each":               `{"reduce":[{"var":"n"},{"if":[{"in":[-1,{"var":"accumulator"}]},{"var":"accumulator"},{"var":"accumulator"}]},{"var":"n"}]}`,
		"a value of ever more size": `{"reduce":[{"var":"n"},[{"var":"accumulator"},{"var":"accumulator"}],1]}`,
		"comparing such values":     `{"reduce":[{"var":"n"},{"if":[{"===":[{"var":"accumulator"},{"var":"current"}]},1,[{"var":"accumulator"},{"var":"accumulator"}]]},1]}`,
		"comparing long texts":      `[` + strings.Repeat(`{"===":[{"var":"long"},{"var":"longer"}]},`, 10) + `1]`,
		"splitting long texts":      `[` + strings.Repeat(`{"extractFromUVCI":[{"var":"long"},7]},`, 10) + `1]`,
	} {
		_, err := certlogic.Evaluate(parse(t, text), data, certlogic.Limits{})
		if !errors.Is(err, certlogic.ErrBudget) {
			t.Errorf("%s: %v", name, err)
		}
	}
	e := parse(t, `{"+":[1,{"var":"a.b"}]}`)
	b := certlogic.NewBudget(1_000)
	if _, err := e.EvaluateWithin(map[string]any{"a": map[string]any{"b": 1}}, b); err != nil || b.Left() != 1_000-6 {
		t.Errorf("%v, %d steps left", err, b.Left())
	}
	for steps := 1; steps <= 6; steps++ {
		_, err := certlogic.Evaluate(e, map[string]any{"a": map[string]any{"b": 1}}, certlogic.Limits{Steps: steps})
		if short := errors.Is(err, certlogic.ErrBudget); short != (steps < 6) {
			t.Errorf("with %d steps: %v", steps, err)
		}
	}
}

func parse(t testing.TB, text string) *certlogic.Expression {
	t.Helper()
	e, err := certlogic.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}
