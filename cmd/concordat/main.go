// Command concordat is everything a person does with Concordat: it makes an
// authority's keys, founds a network, runs a node, signs and submits what an
// authority says, and asks nodes about codes.
//
// It promises that with --json standard output is one JSON object (an answer,
// or {"error": …}) and nothing else; that nothing is signed before its words
// were shown; that no code and no key appears in an error; and the exit codes
// 0 done, 1 refused or not recognized, 2 wrong usage or bad input, 3 could not
// reach or not yet certain, 4 found tampering.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the work in order; from then on signals do what
	// they do by default, so that a second one kills.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
