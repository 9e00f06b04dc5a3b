package main

import (
	"fmt"
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
	return bar{t, newBar(t, total, "hashes")}
}

// newBar is a bar on a terminal; total may be -1, for not known.
func newBar(t *terminal, total int64, of string, more ...progressbar.Option) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total, append([]progressbar.Option{
		progressbar.OptionSetWriter(t.rawErr),
		progressbar.OptionSetDescription(of),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionThrottle(50 * time.Millisecond),
		progressbar.OptionSetRenderBlankState(true),
	}, more...)...)
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

// meterEvery is how often a meter says a line, where there is no terminal.
const meterEvery = 10 * time.Second

// meter shows how far a piece of work has come that says so itself: a bar on a
// terminal, elsewhere a line now and then, and none for what is quickly done.
type meter struct {
	t     *terminal
	of    string // what is counted, like "statements"
	bytes bool
	bar   *progressbar.ProgressBar // nil: no terminal, or nothing shown yet
	told  time.Time
}

func newMeter(t *terminal, of string) *meter { return &meter{t: t, of: of, told: time.Now()} }

// set says how many are done of how many; total 0: that is not known.
func (m *meter) set(done, total uint64) {
	most := int64(total)
	if total == 0 {
		most = -1
	}
	if !isTerminal(m.t.rawErr) {
		if time.Since(m.told) < meterEvery {
			return
		}
		m.told = time.Now()
		if total == 0 {
			m.t.say("%s: %d", m.of, done)
		} else {
			m.t.say("%s: %d of %d", m.of, done, total)
		}
		return
	}
	if m.bar == nil {
		var more []progressbar.Option
		if m.bytes {
			more = append(more, progressbar.OptionShowBytes(true))
		}
		m.bar = newBar(m.t, most, m.of, more...)
	}
	if m.bar.GetMax64() != most && total > 0 {
		m.bar.ChangeMax64(most)
	}
	// A terminal that cannot be written to is no reason to stop the work.
	_ = m.bar.Set64(int64(done))
}

// describe changes what stands before the bar.
func (m *meter) describe(format string, a ...any) {
	m.of = clean(fmt.Sprintf(format, a...))
	if m.bar != nil {
		m.bar.Describe(m.of)
	}
}

// done leaves the bar as it is, and goes to the next line.
func (m *meter) done() {
	if m.bar != nil {
		m.t.say("")
		m.bar = nil
	}
}
