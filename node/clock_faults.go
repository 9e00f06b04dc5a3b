//go:build faults

package node

import (
	"fmt"
	"os"
	"time"
)

// clockFault is by how much this machine's clock is wrong, from CONCORDAT_FAULT_CLOCK.
var clockFault = func() time.Duration {
	text := os.Getenv("CONCORDAT_FAULT_CLOCK")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(fmt.Sprintf("CONCORDAT_FAULT_CLOCK: %v", err))
	}
	return d
}()
