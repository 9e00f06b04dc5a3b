// Package testnet makes networks for people and for tests: real processes,
// real disks, real libp2p, on one machine.
//
// It promises that a network that Up returns is ready to be used, that every
// process it started is gone once Stop returns or this process dies, and that
// a node killed here was killed as a power cut would (SIGKILL).
//
// It knows nodes from outside only: by the command's arguments, its exit
// codes, and its HTTP API. What works here works for a stranger.
package testnet
