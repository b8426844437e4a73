package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/safespawn/spawn"
)

// progress is the line on the terminal that says how long a program has been
// running.
type progress struct {
	out    io.Writer
	mine   func() bool // whether this process may write to the terminal now
	proc   *spawn.Process
	name   string
	begin  time.Time
	ticker *time.Ticker
	shown  bool
}

// eachProgress is how often the line is renewed. Programs that end before never
// have one.
const eachProgress = time.Second

// clearLine goes to the beginning of a line, and clears it.
const clearLine = "\r\x1b[K"

// showProgress returns nil where nobody asks, or where standard error is no
// terminal.
func showProgress(wanted bool, proc *spawn.Process, path string) *progress {
	if !wanted || !isTerminal(os.Stderr) {
		return nil
	}
	return &progress{
		out: os.Stderr, mine: inForeground, proc: proc, name: filepath.Base(path),
		begin: time.Now(), ticker: time.NewTicker(eachProgress),
	}
}

// due is when to renew the line: never, where there is none.
func (p *progress) due() <-chan time.Time {
	if p == nil {
		return nil
	}
	return p.ticker.C
}

// show renews the line. A shell's other jobs have the terminal to themselves.
func (p *progress) show() {
	if !p.mine() {
		return
	}
	text := fmt.Sprintf("%s: %v", p.name, time.Since(p.begin).Round(time.Second))
	if peak, err := p.proc.PeakRSS(); err == nil {
		text += ", " + mebibytes(peak) + " at most"
	}
	p.shown = true
	_ = write(p.out, clearLine+tame(text)) // there is no other place to say so
}

// end clears the line.
func (p *progress) end() {
	if p == nil {
		return
	}
	p.ticker.Stop()
	if p.shown {
		_ = write(p.out, clearLine)
	}
}
