package main

import (
	"time"

	"github.com/urfave/cli/v3"
)

// running is the flags of how the program is run and looked at, and of spawn
// itself.
type running struct {
	timeout        time.Duration
	preserveStatus bool
	pidfile        string
	progress       bool

	explain, stats, verbose bool

	features, version bool
	completion        string
}

func (o *options) runFlags() []cli.Flag {
	const group, itself = "Running", "Spawn itself"
	return []cli.Flag{
		o.value(group, "timeout", "kill the program after `DURATION`, as 10, 500ms or 1h30m", duration(&o.timeout)),
		toggle(group, "preserve-status", "end with the program's own status after --timeout, too", &o.preserveStatus),
		o.value(group, "pidfile", "write the process id of the program to `FILE` while it runs", name(&o.pidfile)),
		toggle(group, "stats", "print time, memory and context switches afterwards", &o.stats),
		toggle(group, "progress", "show time and memory on the terminal while it runs", &o.progress),
		toggle(group, "explain", "print the system calls of the child, and run nothing", &o.explain),
		toggle(group, "verbose", "log what happens", &o.verbose),

		toggle(itself, "features", "print what this kernel gives", &o.features),
		o.value(itself, "completion", "print the completion script for `SHELL`: bash, zsh or fish", name(&o.completion)),
		toggle(itself, "version", "print the version", &o.version),
		// The library finds the flag of this name and prints the help text.
		&cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Category: itself, Usage: "print this text", HideDefault: true},
	}
}
