package main

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// running is the flags of how the program is run and looked at, and of spawn
// itself.
type running struct {
	timeout        *time.Duration
	stopSignal     *syscall.Signal
	killAfter      *time.Duration
	preserveStatus bool
	pidfile        string
	progress       bool
	exec           bool
	init           bool
	optional       []string // flags
	lacking        []lack   // of them, what was found before the start

	explain, stats format
	dump           bool
	verbose        bool
	statusFD       *int

	told *statusWriter // nil where nobody asks

	features, version, short, man bool
	completion                    string
	complete                      string // the shell that asks for completions
	dumpHere                      bool   // this process is the program of spawn --dump
	initHere                      bool   // this process is the init of spawn --init
}

func (o *options) runFlags() []*pflag.Flag {
	const group, itself = "Running", "Spawn itself"
	return []*pflag.Flag{
		o.value(group, "timeout", "stop the program after `DURATION`, as 10 or 1h30m", single(&o.timeout, parseTimeLimit)),
		o.value(group, "stop-signal", "stop it by `SIGNAL` instead of TERM", single(&o.stopSignal, attr.ParseSignal)),
		o.value(group, "kill-after", "kill what has not ended `DURATION` after that, instead of 10s", single(&o.killAfter, parseTimeLimit)),
		toggle(group, "preserve-status", "end with the program's own status after --timeout, too", &o.preserveStatus),
		o.value(group, "pidfile", "write the process id of the program to `FILE` while it runs", name(&o.pidfile)),
		toggle(group, "exec", "become the program: no process of spawn stays", &o.exec),
		toggle(group, "init", "be process 1 of --new pid, with the program as a child", &o.init),
		o.value(group, "optional", "run also if what flags of `LIST` set can't be set", gather(&o.optional, parseOptional)),
		o.inFormat(group, "stats", "print time and memory used afterwards, in `FORMAT` text or json", &o.stats),
		o.value(group, "status-fd", "write lines of JSON about start and end to descriptor `N`", single(&o.statusFD, parseFD)),
		toggle(group, "progress", "show time and memory on the terminal while it runs", &o.progress),
		o.inFormat(group, "explain", "print the child's system calls in `FORMAT`, and run nothing", &o.explain),
		toggle(group, "dump", "print ids and privileges as a program would have them", &o.dump),
		toggle(group, "verbose", "log what happens", &o.verbose),

		toggle(itself, "features", "print what this kernel gives", &o.features),
		o.value(itself, "completion", "print the completion script for `SHELL`: bash, zsh or fish", name(&o.completion)),
		toggle(itself, "version", "print the version", &o.version),
		toggle(itself, "help", "print the reference: all flags", new(bool)), // the library finds the flag of this name
		toggle(itself, "short-help", "print the frequent flags", &o.short),
		toggle(itself, "man", "print this as a manual page, for man(1)", &o.man),
		hidden(toggle(itself, dumpHere, "print the own ids and privileges", &o.dumpHere)),
		hidden(toggle(itself, initHere, "be an init", &o.initHere)),
		hidden(o.value(itself, "complete", "print completions of a line for `SHELL`", name(&o.complete))),
	}
}

// hidden keeps a flag out of help and completions.
func hidden(f *pflag.Flag) *pflag.Flag {
	f.Hidden = true
	return f
}

// check finds flags that need others.
func (o *running) check() error {
	needs := []struct {
		name  string
		given bool
	}{
		{"--stop-signal", o.stopSignal != nil}, {"--kill-after", o.killAfter != nil}, {"--preserve-status", o.preserveStatus},
	}
	for _, n := range needs {
		if n.given && o.timeout == nil {
			return errors.New(n.name + ": needs --timeout")
		}
	}
	return nil
}

// defaultGrace is --kill-after where it is not given.
const defaultGrace = 10 * time.Second

// stopSteps are those of --timeout.
func (o *running) stopSteps() []spawn.StopStep {
	grace := defaultGrace
	if o.killAfter != nil {
		grace = *o.killAfter
	}
	steps := spawn.Graceful(grace)
	if o.stopSignal != nil {
		steps[0].Signal = *o.stopSignal
	}
	switch {
	case steps[0].Signal == os.Kill:
		return steps[1:]
	case grace == 0:
		return steps[:1]
	}
	return steps
}
