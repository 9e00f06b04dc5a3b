package checkpoint

import (
	"strconv"
	"strings"
)

// Lineage is what Origin made an origin of; ok is false if it is of another
// network, or is none that Origin makes.
func Lineage(network, origin string) (lineage uint64, ok bool) {
	if origin == network {
		return 1, true
	}
	number, ok := strings.CutPrefix(origin, network+"/")
	if !ok {
		return 0, false
	}
	lineage, err := strconv.ParseUint(number, 10, 64)
	return lineage, err == nil && Origin(network, lineage) == origin
}
