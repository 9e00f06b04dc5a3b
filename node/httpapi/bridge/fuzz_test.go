package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"testing"

	"concordat/ledger/statement"
)

func FuzzSince(f *testing.F) {
	for _, s := range []string{"", "2021-06-01T00:00:00Z", "2021-06-01T00:00:00.123+02:00", "Wed, 21 Oct 2015 07:28:00 GMT", "Mon, 04 Apr 2022 02:21:00 +0200", "NotValid", "2021-06-01T00:00:00", "0000-01-01T00:00:00Z", "9999-12-31T23:59:60Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := readSince(s)
		if err != nil {
			if !errors.Is(err, errSince) {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if at < 0 || at > statement.MaxTime {
			t.Errorf("%q is %d", s, at)
		}
	})
}

func FuzzToken(f *testing.F) {
	for _, s := range []string{"", "0", "1", "9223372036854775807", "9223372036854775808", "-1", "+1", " 1", "1e3", "0x10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := readToken(s)
		if err != nil && !errors.Is(err, errToken) || at > 1<<63-1 {
			t.Errorf("%q is %d, %v", s, at, err)
		}
	})
}

func FuzzPage(f *testing.F) {
	f.Add("", "", 3)
	f.Add("0", "1", 3)
	f.Add("2147483647", "100000", 1<<20)
	f.Add("-1", "x", 0)
	f.Fuzz(func(t *testing.T, page, size string, all int) {
		all = max(all, 0)
		first, last, err := readPage(url.Values{"page": {page}, "pagesize": {size}}, all)
		if err != nil {
			if !errors.Is(err, errPage) {
				t.Error(err)
			}
			return
		}
		if first < 0 || last < first || last > all {
			t.Errorf("page %q of %q of %d is %d to %d", page, size, all, first, last)
		}
	})
}

func FuzzKids(f *testing.F) {
	for _, s := range []string{"", "[]", `["8xYtW2837bc="]`, `["x",""]`, `{"a":1}`, `[1]`, `[["8xYtW2837bc="]]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		kids, err := readKids(raw)
		if err == nil && len(kids) > maxKids {
			t.Errorf("%d key ids", len(kids))
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, s := range []string{
		"", "{}", `{"entity_id":"a","authority_id":"b","action":"issue","resource":"c"}`,
		`{"entity_id":"a","authority_id":"did:web:x:v2:trustlist:DCC:XXB","action":"issue","resource":"c","context":{"time":"2025-06-19T11:30:00Z","locator":"x"}}`,
		`{"entity_id":"a","authority_id":"b","action":"issue","resource":"c","context":{"time":"2025-06-19T11:30:00+01:00"}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		q, err := readQuery(raw)
		if err != nil {
			if !errors.Is(err, errQuery) {
				t.Error(err)
			}
			return
		}
		if q.EntityID == "" || q.AuthorityID == "" || q.Action == "" || q.Resource == "" || len(q.EntityID) > maxQueryText || q.at < 0 || q.at > statement.MaxTime {
			t.Errorf("%+v", q)
		}
		if region, ok := named(q.AuthorityID); ok {
			if err := region.Validate(); err != nil {
				t.Error(err)
			}
		}
		kindsOf(q.Resource)
		again, err := json.Marshal(q)
		if err != nil || bytes.Contains(again, []byte("\x00")) {
			t.Error(err)
		}
	})
}
