package checkpoint_test

import (
	"testing"

	"concordat/ledger/checkpoint"
)

func TestLineage(t *testing.T) {
	for _, lineage := range []uint64{1, 2, 3, 1000, 1<<64 - 1} {
		if got, ok := checkpoint.Lineage("health.example", checkpoint.Origin("health.example", lineage)); !ok || got != lineage {
			t.Errorf("lineage %d is read as %d, %v", lineage, got, ok)
		}
	}
	for _, other := range []string{"", "health", "health.example/", "health.example/0", "health.example/1", "health.example/02", "health.example/2/3", "health.example2", "other.example/2"} {
		if got, ok := checkpoint.Lineage("health.example", other); ok {
			t.Errorf("%q is lineage %d", other, got)
		}
	}
}
