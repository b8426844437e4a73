package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/plan"
)

// initHere is the flag with which spawn is the init of spawn --init.
const initHere = "init-here"

// checkInit wants a pid namespace for the init.
func (o *options) checkInit() error {
	if o.init && !spawn.Features().Has(spawn.FeatureEngine) {
		return errors.New("--init: " + noEngine)
	}
	if o.init && bits(o.clone)&plan.CloneNewPID == 0 {
		return errors.New("--init: needs --new with pid, a namespace in which it is process 1")
	}
	return nil
}

// asInit makes spawn itself the program, and the program that of the init. What is about
// the program alone is left to the init, which has it in its arguments.
func (o *options) asInit(s *spawn.Spec) (err error) {
	if s.File, err = o.ownProgram(); err != nil {
		return fmt.Errorf("--init: %w", err)
	}
	s.Path = "spawn"
	s.Args = []string{s.Path, "--" + initHere}
	add := func(flag, value string) { s.Args = append(s.Args, "--"+flag, value) }
	for _, fd := range o.handedOn() {
		add("keep-fd", strconv.Itoa(fd))
	}
	if o.argv0 != nil {
		add("argv0", *o.argv0)
	}
	if o.digest != nil {
		add("sha256", fmt.Sprintf("%x", o.digest.SHA256))
	}
	for _, x := range []struct {
		flag string
		list []syscall.Signal
	}{
		{"sig-default", o.sigDefault}, {"sig-ignore", o.sigIgnore}, {"sig-block", o.sigBlock},
	} {
		if x.list != nil {
			add(x.flag, numbersOf(x.list))
		}
	}
	o.digest, o.sigDefault, o.sigIgnore, o.sigBlock = nil, nil, nil, nil
	s.Args = append(append(s.Args, "--"), o.program...)
	return nil
}

// handedOn are the descriptors beside the standard streams.
func (o *streams) handedOn() (list []int) {
	for _, f := range o.opens {
		list = append(list, f.fd)
	}
	for _, fd := range o.keep {
		if fd > 2 {
			list = append(list, fd)
		}
	}
	return list
}

// numbersOf is a list of signals for attr.ParseSignals.
func numbersOf(list []syscall.Signal) string {
	if len(list) == 0 {
		return "none"
	}
	words := make([]string, len(list))
	for i, sig := range list {
		words[i] = strconv.Itoa(int(sig))
	}
	return strings.Join(words, ",")
}

// initError says of a failure to run this program once more what it is.
type initError struct{ failed *spawn.Error }

func (e *initError) Error() string {
	text := "--init: spawn can't run itself there: " + new(origin).ofStart(e.failed)
	if errors.Is(e.failed, syscall.ENOENT) {
		text += "; built with CGO_ENABLED=0 it needs no other file"
	}
	return text
}

// ofInit is the error of a start.
func (o *options) ofInit(err error) error {
	var failed *spawn.Error
	if o.init && errors.As(err, &failed) && failed.Step == spawn.StepExecve {
		return &initError{failed}
	}
	return err
}
