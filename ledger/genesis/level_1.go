//go:build protocol1

package genesis

// ProtocolLevel of a program as it was before level 2: what a test builds to see
// an old and a new one in one network, and the old one stop.
const ProtocolLevel = 1
