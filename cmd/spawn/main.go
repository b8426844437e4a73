// Command spawn runs a program. Its flags set the program's files, directory,
// environment and all attributes of package attr. It does the work of env(1),
// nice(1), chrt(1), taskset(1), prlimit(1), setpriv(1), unshare(1), nsenter(1),
// setsid(1) and timeout(1) together. See spawn --help.
package main

import (
	"context"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/safespawn/spawn"
)

// Exit statuses of spawn itself, as those of env(1), timeout(1) and shells.
const (
	statusTimeout  = 124 // --timeout is over
	statusError    = 125 // a mistake in the command line, or a step of ours failed
	statusNotRun   = 126 // the program is there but can't be run
	statusNotFound = 127 // there is no such program
	statusSignal   = 128 // killed by a signal, whose number is added
)

func main() { os.Exit(exitStatus()) }

// exitStatus does all that spawn does. It does not return where spawn ends by a signal.
func exitStatus() int {
	status := command(os.Args[1:])
	if status >= bySignal {
		// A shell that runs a script tells by the signal that ^C was meant for it, too.
		die(syscall.Signal(status - bySignal))
		status += statusSignal - bySignal
	}
	return status
}

// bySignal and the number of a signal stand for an end by that signal. No exit status
// is as large.
const bySignal = 1 << 16

// command is spawn without the process around it. It returns the exit status, or
// bySignal and a signal.
func command(args []string) int {
	o, done, err := parse(args)
	if done || err != nil {
		return o.statusOf(err)
	}
	if !o.exec {
		runtime.UnlockOSThread()
	}
	if o.features {
		return o.statusOf(write(os.Stdout, spawn.Features().String()))
	}
	if o.told, err = newStatusWriter(o.statusFD); err != nil {
		return o.statusOf(err)
	}
	defer o.told.close()
	end, err := o.perform()
	switch {
	case err != nil:
		o.told.failed(err, o.from.message(err))
		return o.statusOf(err)
	case end == nil:
		return 0
	case o.stats != "":
		// Standard error is where a failure would be reported, too.
		_ = write(os.Stderr, end.report(o.stats))
	}
	o.told.ended(end)
	return end.status()
}

// perform runs the program and what belongs to it, or explains how. It returns nil where
// nothing was run.
func (o *options) perform() (*ending, error) {
	defer o.close()
	defer o.closeTree()
	defer func() { o.screen.close() }()
	s, err := o.spec()
	if err != nil {
		return nil, err
	}
	if len(o.dropped) > 0 {
		complain("landlock: this kernel lacks", strings.Join(o.dropped, ", "))
	}
	p, err := o.compile(s)
	if err != nil {
		return nil, err
	}
	if o.explain != "" {
		return nil, o.explanation(os.Stdout, s, p.Steps())
	}
	if o.exec {
		_, err = p.Start(context.Background()) // it returns only an error
		return nil, err
	}
	return run(p, o)
}

// statusOf is the exit status for an error of ours, which it reports.
func (o *options) statusOf(err error) int {
	if err == nil {
		return 0
	}
	status, silent := classify(err)
	if !silent {
		complain(o.from.message(err))
	}
	return status
}

func write(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}
