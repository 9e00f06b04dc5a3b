//go:build !faults

package node

import "time"

// clockFault is by how much the clock is wrong: not at all, in every build but
// that with which test networks try a machine whose clock is.
const clockFault = time.Duration(0)
