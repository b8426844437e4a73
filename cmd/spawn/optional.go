package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// mayLack are the flags without which a program may run. attr.Optional says why there are no
// others.
var mayLack = []string{
	"nice", "add-nice", "sched", "cpus", "ioprio", "timer-slack", "numa", "core-sched", "rlimit", "oom-score-adj", "subreaper",
	"coredump-filter", "no-huge-pages", "merge-pages", "no-aslr", "personality",
	"no-new-privs", "landlock", "seccomp", "deny-write-exec", "keyring",
}

func parseOptional(s string) ([]string, error) {
	return parseList(s, func(name string) (string, error) {
		if !slices.Contains(mayLack, name) {
			return "", fmt.Errorf("%q is none of %s", name, strings.Join(mayLack, ", "))
		}
		return name, nil
	})
}

// checkOptional finds what could not be left out as a whole, or is not there.
func (o *options) checkOptional() error {
	for _, name := range o.optional {
		given := slices.Contains(o.from.given, name)
		switch {
		case name == "landlock" && o.restricts():
			if o.otherFiles() {
				return errors.New("--optional landlock: not with mounts, another root directory or --join of a mount namespace, where many steps make the rules")
			}
		case !given:
			return fmt.Errorf("--optional %s: needs --%s", name, name)
		case name == "sched" && o.util != nil:
			return errors.New("--optional sched: contradicts --util, which takes a step of its own")
		}
	}
	return nil
}

// isOptional reports whether the program may run without an attribute.
func (o *options) isOptional(name string) bool {
	return slices.ContainsFunc(flagsOf[name], func(flag string) bool { return slices.Contains(o.optional, flag) })
}

// makeOptional makes optional what --optional names.
func (o *options) makeOptional(list attr.List) {
	for i, a := range list {
		if o.isOptional(attrName(a)) {
			list[i] = attr.Optional(a)
		}
	}
}

// lack is something that the program runs without.
type lack struct {
	Flags []string `json:"flags"`
	failureEvent
}

func (o *options) lackOf(name string, err error) lack {
	return lack{o.from.givenFor(name), failureOf(err, o.from.message(err))}
}

// lacks is what a program of --optional runs without.
func (o *options) lacks(proc *spawn.Process) []lack {
	list := slices.Clone(o.lacking)
	for _, a := range proc.Applied() {
		if !a.Done {
			list = append(list, o.lackOf(attrName(a.Attr), a.Err))
		}
	}
	return list
}

// sayLacks says so for people.
func sayLacks(list []lack) {
	for _, l := range list {
		complain("goes on without it: " + l.Error)
	}
}
