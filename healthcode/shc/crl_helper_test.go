package shc

import (
	"fmt"
	"strings"
)

// crlText makes a list of n identifiers, every third with a time.
func crlText(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"kid":"%s","method":"rid","ctr":1,"rids":[`, corpusKID)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"r%010d`, i)
		if i%3 == 0 {
			fmt.Fprintf(&b, ".%d", 1687450765+i%2)
		}
		b.WriteByte('"')
	}
	b.WriteString("]}")
	return b.String()
}

const corpusKID = "3Kfdg-XwP-7gXyywtUfUADwBumDOPKMQx-iELL11W9s"

// describeGroups writes groups as "time:count …", time 0 for none.
func describeGroups(list CRL) string {
	var words []string
	for _, g := range list.Groups {
		before := int64(0)
		if !g.IssuedBefore.IsZero() {
			before = g.IssuedBefore.Unix()
		}
		words = append(words, fmt.Sprintf("%d:%d", before, len(g.Hashes)))
	}
	return strings.Join(words, " ")
}
