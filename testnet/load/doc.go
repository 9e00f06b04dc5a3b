// Package load puts load on a network and checks what it reads back.
//
// It promises that every operation it counts was checked: a statement counts
// once it was acknowledged as ordered, and afterwards each acknowledged one is
// read from another node than the one that acknowledged it, hashed, and found
// at the index that was given, while all nodes come to the same root; a check
// or a look-up counts only if the answer is the right one. A wrong answer ends
// the measurement with ErrWrong; it is no error to be counted and passed over.
//
// Clients are closed loops, each over one keep-alive connection: the next
// request goes out when the last was answered. The load shares the machine with
// what it measures, so it says how much of the processors it took itself.
package load
