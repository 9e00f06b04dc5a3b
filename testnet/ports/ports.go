// Package ports finds TCP ports for nodes on one machine.
package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports given. They lie below those that systems give to outgoing
// connections (Linux: from 32768, others from 49152): a port of that range may
// be taken by any connection while the node that it belongs to is stopped, and
// then the node cannot come back.
const (
	first = 20_000
	last  = 32_000
)

// Free finds n different TCP ports of the loopback address that nobody listens
// on, nor on the UDP ports of the same numbers. They are chosen at random, so
// that two processes which ask at once hardly get the same.
func Free(n int) ([]int, error) {
	var found []int
	for tries := 0; len(found) < n; tries++ {
		if tries > 100*(n+1) {
			return nil, fmt.Errorf("no %d free ports between %d and %d", n, first, last)
		}
		port := first + rand.IntN(last-first)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		defer l.Close() // held until all are found, so that none comes twice
		u, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		defer u.Close()
		found = append(found, port)
	}
	return found, nil
}
