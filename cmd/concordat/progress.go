package main

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress tells a person how far a long piece of work has come.
type progress interface {
	// add says that n more are done; words says what was done, where there is room.
	add(n int, words string)
	done()
}

// newProgress shows a bar on a terminal, and lines elsewhere, where a bar would
// only fill a file with control characters.
func newProgress(t *terminal, total int64) progress {
	if !isTerminal(t.rawErr) {
		return lines{t}
	}
	return bar{t, progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(t.rawErr),
		progressbar.OptionSetDescription("hashes"),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionThrottle(50*time.Millisecond),
		progressbar.OptionSetRenderBlankState(true),
	)}
}

type bar struct {
	t *terminal
	b *progressbar.ProgressBar
}

func (p bar) add(n int, _ string) {
	// A terminal that cannot be written to is no reason to stop the work.
	_ = p.b.Add(n)
}

func (p bar) done() { p.t.say("") }

type lines struct{ t *terminal }

func (p lines) add(_ int, words string) { p.t.say("%s", words) }
func (p lines) done()                   {}
