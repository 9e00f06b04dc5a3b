package node

import (
	"testing"
	"time"

	"concordat/client"
)

// TestQuotas: an authority may say as much as its quota at once and then as time
// goes by, is told when to come again, and takes nothing from another.
func TestQuotas(t *testing.T) {
	now := time.Unix(1_600_000_000, 0)
	q := newQuotas(60, 6000)
	q.now = func() time.Time { return now }
	for i := range 60 {
		if x := q.take("XA", 10); x != nil {
			t.Fatalf("statement %d of 60: %v", i, x)
		}
	}
	x := q.take("XA", 10)
	if x == nil || x.again != time.Second || x.seconds() != 1 || x.what != "statements" {
		t.Fatalf("one too many: %+v", x)
	}
	f := x.failure()
	if f.Status() != 429 || f.Detail["retryAfter"] != uint64(1) || f.Detail["limit"] != int64(60) || f.Detail["window"] != "1m0s" {
		t.Errorf("it is told as %d, %+v", f.Status(), f)
	}
	if x := q.take("XB", 10); x != nil {
		t.Errorf("another authority has no room: %+v", x)
	}
	now = now.Add(time.Second)
	if x := q.take("XA", 10); x != nil {
		t.Errorf("after a second there is no room for one: %+v", x)
	}
	if x := q.take("XA", 10); x == nil {
		t.Error("after a second there is room for two")
	}
	now = now.Add(time.Hour)
	if x := q.take("XA", 6000); x != nil {
		t.Errorf("after an hour: %+v", x)
	}
	if x := q.take("XA", 100); x == nil || x.what != "bytes" || x.again != time.Second {
		t.Errorf("bytes beyond: %+v", x)
	}
	// A clock that is set back gives nothing, and takes nothing away.
	now = now.Add(-time.Hour)
	if x := q.take("XA", 100); x == nil || x.again != time.Second {
		t.Errorf("with the clock set back: %+v", x)
	}

	// What is found out afterwards may leave less than nothing.
	q.charge("XC", 9000, false)
	if x := q.spent("XC"); x == nil || x.what != "bytes" || x.seconds() != 31 {
		t.Errorf("3000 bytes beyond: %+v", x)
	}
	if x := q.spent("XD"); x != nil || q.of["XD"] != nil {
		t.Errorf("who is only claimed to speak has a bucket: %+v", x)
	}
	q.charge("XC", 0, true)
	if q.of["XC"].refused != 1 || q.of["XA"].refused != 4 {
		t.Errorf("refused: XC %d, XA %d", q.of["XC"].refused, q.of["XA"].refused)
	}

	// What turns out to have been said before is given back, and no more than it was.
	if x := q.take("XE", 100); x != nil {
		t.Fatal(x)
	}
	for range 3 {
		q.giveBack("XE", 100)
	}
	if b := q.of["XE"]; b.statements != 60 || b.bytes != 6000 {
		t.Errorf("after it was given back: %+v", b)
	}
	if q.giveBack("XF", 100); q.of["XF"] != nil {
		t.Error("who said nothing has a bucket")
	}

	// The leader's word reaches who submits.
	told := overQuota(x.verdict())
	if told.Status() != 429 || told.Name != client.QuotaExceeded || told.Detail["retryAfter"] != uint64(1) {
		t.Errorf("from the leader it is %+v", told)
	}
}
