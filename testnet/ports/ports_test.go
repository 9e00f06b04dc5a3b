package ports

import (
	"net"
	"strconv"
	"testing"
)

func TestFree(t *testing.T) {
	got, err := Free(16)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range got {
		if p < first || p >= last || seen[p] {
			t.Errorf("port %d among %v", p, got)
		}
		seen[p] = true
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			t.Errorf("a free port is taken: %v", err)
			continue
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(got) != 16 {
		t.Errorf("%d ports, want 16", len(got))
	}
}
