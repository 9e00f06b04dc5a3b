package main

import (
	"strings"
	"testing"
	"time"

	"concordat/client"
)

func TestParseTime(t *testing.T) {
	for _, test := range []struct{ in, want string }{ // want "": refused
		{"2021-06-01T12:00:00Z", "2021-06-01T12:00:00Z"},
		{"2021-06-01T14:00:00+02:00", "2021-06-01T12:00:00Z"},
		{"2021-06-01T12:00:00.999Z", "2021-06-01T12:00:00Z"},
		{"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"},
		{"9999-12-31T23:59:59-01:00", ""},
		{"1969-12-31T23:59:59Z", ""},
		{"2021-06-01", ""},
		{"2021-06-01T12:00:00", ""},
		{"2021-02-30T12:00:00Z", ""},
		{"1622548800", ""},
		{"", ""},
		{"NOW", ""},
	} {
		got, err := parseTime(test.in)
		switch {
		case test.want == "" && err == nil:
			t.Errorf("%q is read as %s, want an error", test.in, got)
		case test.want != "" && (err != nil || got.Format(time.RFC3339) != test.want):
			t.Errorf("%q is read as %s (%v), want %s", test.in, got, err, test.want)
		}
	}
	before := time.Now().Truncate(time.Second)
	if now, err := parseTime("now"); err != nil || now.Before(before) || now.After(time.Now()) || now.Nanosecond() != 0 {
		t.Errorf("now is %s (%v)", now, err)
	}
}

func TestKinds(t *testing.T) {
	for _, test := range []struct {
		in   []string // each a flag
		want string   // "-": refused
	}{
		{[]string{"vaccination"}, "vaccination"},
		{[]string{"recovery,vaccination"}, "vaccination,recovery"},
		{[]string{"Test, test"}, "test"},
		{[]string{"itinerary", "health"}, "health,itinerary"},
		{[]string{"all"}, ""},
		{[]string{"all,test"}, "-"},
		{[]string{"vaccine"}, "-"},
		{[]string{""}, "-"},
	} {
		var k kinds
		var err error
		for _, s := range test.in {
			if e := k.Set(s); e != nil {
				err = e
			}
		}
		switch {
		case test.want == "-" && err == nil:
			t.Errorf("%q is read as %q, want an error", test.in, k.String())
		case test.want != "-" && (err != nil || k.String() != test.want):
			t.Errorf("%q is read as %q (%v), want %q", test.in, k.String(), err, test.want)
		}
	}
}

func TestChooseKey(t *testing.T) {
	a := client.IssuerKey{ID: "d919375fc1e7b6b2" + strings.Repeat("0", 48), KeyID: "2Rk3X8HntrI="}
	b := client.IssuerKey{ID: "d919375f00000000" + strings.Repeat("1", 48), KeyID: "////+++AAAA="}
	c := client.IssuerKey{ID: strings.Repeat("e", 64), KeyID: "2Rk3X8HntrI="}
	for _, test := range []struct {
		ref  string
		keys []client.IssuerKey
		want string // "": refused
		says string
	}{
		{"d919375fc1", []client.IssuerKey{a, b}, a.ID, ""},
		{"D919375FC1", []client.IssuerKey{a, b}, a.ID, ""},
		{"d919375f", []client.IssuerKey{a, b}, "", b.ID},
		{"2Rk3X8HntrI=", []client.IssuerKey{a, b}, a.ID, ""},
		{"2Rk3X8HntrI", []client.IssuerKey{a, b}, a.ID, ""},
		{"____---AAAA", []client.IssuerKey{a, b}, b.ID, ""},
		{"2Rk3X8HntrI=", []client.IssuerKey{a, b, c}, "", c.ID},
		{"d919375fc1e7b6b2", []client.IssuerKey{a, c}, "", "names 2 keys"}, // the thumbprint of one begins as the key id of another
		{"00000000", []client.IssuerKey{a, b}, "", "no key"},
		{"00000000", nil, "", "among its 0"},
	} {
		if err := checkKeyRef(test.ref); err != nil {
			t.Errorf("%s: %v", test.ref, err)
		}
		got, err := chooseKey("XA", test.ref, test.keys)
		switch {
		case test.want == "" && (err == nil || !strings.Contains(err.Error(), test.says)):
			t.Errorf("%s names %s (%v), want an error with %q", test.ref, got, err, test.says)
		case test.want != "" && (err != nil || got.String() != test.want):
			t.Errorf("%s names %s (%v), want %s", test.ref, got, err, test.want)
		}
	}
	for _, ref := range []string{"", "abc", "d91937", "!!", strings.Repeat("a", 65), strings.Repeat("A", 100)} {
		if checkKeyRef(ref) == nil {
			t.Errorf("%q is taken for a key", ref)
		}
	}
}

func TestNearest(t *testing.T) {
	for in, want := range map[string]string{
		"chek.max_age": "check.max_age", "listn": "listen", "Profile": "profile", "limits.event": "limits.events",
	} {
		if got := nearest(in, settingKeys()); got != want {
			t.Errorf("the nearest to %s is %s, want %s", in, got, want)
		}
	}
}
