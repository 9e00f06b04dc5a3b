package cwt

import (
	"bytes"
	"errors"
	"runtime"
	"testing"

	"concordat/healthcode"
)

// TestInflateStopsAtTheCap: a bomb costs the cap, not what it promises.
func TestInflateStopsAtTheCap(t *testing.T) {
	bomb := Deflate(make([]byte, 100<<20))
	t.Logf("%d bytes promise 100 MiB", len(bomb))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Inflate(bomb)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, healthcode.ErrTooLarge) {
		t.Fatalf("got %v", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("refusing the bomb allocated %d bytes, want less than 1 MiB", used)
	}
}

// TestInflateAtTheCap: the cap itself is allowed, and its checksum is read.
func TestInflateAtTheCap(t *testing.T) {
	want := bytes.Repeat([]byte{0xa5}, MaxInflated)
	packed := Deflate(want)
	if got, err := Inflate(packed); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	packed[len(packed)-1] ^= 1
	if _, err := Inflate(packed); !errors.Is(err, healthcode.ErrCompression) {
		t.Errorf("a wrong checksum at the cap: %v", err)
	}
}

// TestInflateAfterFailure: a reader that failed and went back to the pool serves
// the next code, and nothing of the last one.
func TestInflateAfterFailure(t *testing.T) {
	good := Deflate([]byte("good"))
	for _, bad := range [][]byte{nil, {0x78}, {0x78, 0x9c}, {0xff, 0xff}, good[:7], append(bytes.Clone(good), 1)} {
		if out, err := Inflate(bad); !errors.Is(err, healthcode.ErrCompression) {
			t.Errorf("%x: %q, %v", bad, out, err)
		}
		if out, err := Inflate(good); err != nil || string(out) != "good" {
			t.Errorf("after %x: %q, %v", bad, out, err)
		}
	}
}
