//go:build !protocol1

package genesis

// ProtocolLevel is the newest set of rules that this code knows. Members turn
// on a new one together, by a vote; until then a program that knows it keeps to
// the old one. Level 2 has reports of incidents; level 3 acceptance rules, schemes,
// special cases, and the scope of grants.
const ProtocolLevel = 3
