package witness

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
)

// lineKey is what a signature line says of its key (C2SP signed-note): a name,
// and an id that is a mere index.
type lineKey struct {
	name string
	id   uint32
}

// keyOf reads the key of a line that has the form of one.
func keyOf(line string) (k lineKey, ok bool) {
	name, sig, found := strings.Cut(strings.TrimPrefix(line, "— "), " ")
	if !found || len(sig) < 8 {
		return k, false
	}
	head, err := base64.StdEncoding.DecodeString(sig[:8]) // the id is the first four bytes
	if err != nil {
		return k, false
	}
	return lineKey{name, binary.BigEndian.Uint32(head)}, true
}

// firstOfEachKey gives the first line of each key that is wanted, of maxLooked
// keys: whoever makes a note decides how many lines it has, and each that names
// a known key costs a verification. left is how many more lines name such keys,
// without those that are there twice.
func firstOfEachKey(lines []string, wanted func(lineKey) bool) (first []string, left int) {
	seen := map[lineKey]bool{}
	for _, line := range lines {
		k, ok := keyOf(line)
		if !ok || !wanted(k) || slices.Contains(first, line) {
			continue
		}
		if seen[k] || len(first) == maxLooked {
			left++
			continue
		}
		seen[k] = true
		first = append(first, line)
	}
	return first, left
}
