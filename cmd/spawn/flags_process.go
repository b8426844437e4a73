package main

import (
	"errors"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/safespawn/spawn/attr"
)

// state is the flags of what a process inherits or has of its own. attr.Ptrace has
// none: the command would have to be a debugger.
type state struct {
	chdir       string
	argv0       *string
	env         []variable
	unsetEnv    []string
	clearEnv    bool
	umask       *attr.Umask
	setsid      bool
	setpgid     *attr.Setpgid
	foreground  bool
	pty         bool
	ctty        *attr.ControllingTTY
	detachTTY   bool
	sigDefault  attr.SigDefault
	sigIgnore   attr.SigIgnore
	sigBlock    attr.SigMask
	parentDeath *attr.ParentDeathSignal
	dieTogether bool
	subreaper   bool
	stopped     bool
}

func (o *options) processFlags() []*pflag.Flag {
	const group = "Process"
	return []*pflag.Flag{
		o.value(group, "chdir", "run in directory `DIR`", name(&o.chdir)),
		o.value(group, "argv0", "tell the program that its name is `NAME`", single(&o.argv0, anyText)),
		o.value(group, "env", "put `NAME=VALUE` into the environment", collect(&o.env, parseVariable)),
		o.value(group, "unset-env", "take variable `NAME` out of the environment", collect(&o.unsetEnv, parseVariableName)),
		toggle(group, "clear-env", "start with an empty environment", &o.clearEnv),
		o.value(group, "umask", "run with file mode creation mask `MASK`, octal", single(&o.umask, parseUmask)),
		toggle(group, "setsid", "run in a new session, without a terminal", &o.setsid),
		o.value(group, "setpgid", "run in process group `PGID`, 0 for a new one", single(&o.setpgid, parseSetpgid)),
		toggle(group, "foreground", "put that group into the foreground of the terminal", &o.foreground),
		o.value(group, "ctty", "control terminal on descriptor FD of the program: `FD[:steal]`", single(&o.ctty, parseCtty)),
		toggle(group, "pty", "run in a new terminal, between the standard streams of spawn", &o.pty),
		toggle(group, "detach-tty", "give up the controlling terminal, on descriptor 0", &o.detachTTY),
		o.value(group, "sig-default", "give `SIGNALS` their default action", gather(&o.sigDefault, attr.ParseSignals)),
		o.value(group, "sig-ignore", "ignore `SIGNALS`", gather(&o.sigIgnore, attr.ParseSignals)),
		o.value(group, "sig-block", "block `SIGNALS`, and no others", gather(&o.sigBlock, attr.ParseSignals)),
		o.value(group, "parent-death", "send `SIGNAL` when spawn ends", single(&o.parentDeath, parseParentDeath)),
		toggle(group, "die-with-parent", "when spawn ends, kill the program and its descendants", &o.dieTogether),
		toggle(group, "subreaper", "adopt orphans among the descendants", &o.subreaper),
		toggle(group, "stopped", "start stopped, until CONT is sent to it or to spawn", &o.stopped),
	}
}

func (o *options) processAttributes() (list attr.List, err error) {
	if o.setsid && o.detachTTY {
		return nil, errors.New("--detach-tty: contradicts --setsid, after which there is no terminal")
	}
	// HUP, INT, TSTP, TTIN and TTOU stay ignored where the caller ignores them, so
	// that nohup(1) works. Of others the Go runtime of this process, which handles
	// them, leaves nothing to inherit.
	list = append(list, attr.InheritIgnored{})
	when(&list, o.sigDefault != nil, o.sigDefault)
	when(&list, o.sigIgnore != nil, o.sigIgnore)
	when(&list, o.sigBlock != nil, o.sigBlock)
	put(&list, o.umask)
	when(&list, o.setsid || o.pty, attr.Setsid{})
	put(&list, o.setpgid)
	put(&list, o.ctty)
	when(&list, o.pty, attr.ControllingTTY{File: o.screen.file()})
	when(&list, o.detachTTY, attr.DetachTTY{})
	put(&list, o.parentDeath)
	when(&list, o.dieTogether, attr.DieWithParent{})
	when(&list, o.subreaper, attr.ChildSubreaper{})
	list = append(list, o.waits()...)
	when(&list, o.foreground, attr.Foreground{File: o.terminal()})
	return list, nil
}

// checkPTY finds flags that are about another terminal.
func (o *state) checkPTY() error {
	for _, x := range []struct {
		name  string
		given bool
	}{
		{"--setpgid", o.setpgid != nil}, {"--foreground", o.foreground}, {"--ctty", o.ctty != nil}, {"--detach-tty", o.detachTTY},
	} {
		if o.pty && x.given {
			return errors.New("--pty: contradicts " + x.name + ": the program leads a session with a terminal of its own")
		}
	}
	return nil
}

// terminal is that of the caller.
func (o *options) terminal() *os.File {
	if !o.foreground {
		return nil
	}
	if f, err := o.open("/dev/tty", os.O_RDWR); err == nil {
		return f
	}
	return os.Stdin
}

// variable is a value of --env.
type variable struct{ name, value string }

func parseVariable(s string) (variable, error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return variable{}, errors.New("not NAME=VALUE")
	}
	return variable{name, value}, nil
}

func parseVariableName(s string) (string, error) {
	if s == "" || strings.Contains(s, "=") {
		return "", errors.New("not the name of a variable")
	}
	return s, nil
}

func anyText(s string) (string, error) { return s, nil }

func parseUmask(s string) (attr.Umask, error) {
	n, err := strconv.ParseUint(s, 8, 16)
	if err != nil || n > 0o777 {
		return 0, errors.New("not an octal number from 0 to 777")
	}
	return attr.Umask(n), nil
}

func parseSetpgid(s string) (attr.Setpgid, error) {
	n, err := parseRange(0, math.MaxInt32)(s)
	return attr.Setpgid{Pgid: n}, err
}

func parseCtty(s string) (attr.ControllingTTY, error) {
	number, steal := strings.CutSuffix(s, ":steal")
	fd, err := parseFD(number)
	return attr.ControllingTTY{FD: attr.FD(fd), Steal: steal}, err
}

func parseParentDeath(s string) (attr.ParentDeathSignal, error) {
	sig, err := attr.ParseSignal(s)
	return attr.ParentDeathSignal(sig), err
}
