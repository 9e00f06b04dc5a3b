package node

import "time"

// wall is this machine's clock, as it is told and signed: of blocks, of
// co-signatures, of knowledge's age. What is only measured is measured with time.Now.
func wall() time.Time { return time.Now().Add(clockFault) }
