package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// parsePersist reads TYPE=FILE.
func parsePersist(s string) (j joining, err error) {
	if j, err = parseJoin(s); err == nil && j.file == "" {
		err = errors.New("not TYPE=FILE")
	}
	return j, err
}

// checkPersist has nothing kept that is not the program's own.
func (o *isolation) checkPersist() error {
	made := bits(o.clone) | bits(o.unshare)&^pidNamespace // that is its children's
	for _, j := range o.persists {
		if j.types&^made != 0 {
			return fmt.Errorf("--persist: needs --new with the namespace of %s", j.file)
		}
	}
	return nil
}

// persist has the program wait until its namespaces are bound to files: one that had ended
// would have none. If not all of this works, nothing of it stays.
func (o *options) persist(proc *spawn.Process) error {
	if o.persists == nil {
		return nil
	}
	for i, j := range o.persists {
		if err := bindNamespace(proc.Pid(), j.types, j.file); err != nil {
			return o.takeBack(i, proc, fmt.Errorf("--persist %s: %w", j.file, err))
		}
	}
	if o.stopped {
		return nil
	}
	if err := proc.Signal(resuming[0]); err != nil {
		return o.takeBack(len(o.persists), proc, fmt.Errorf("--persist: %w", err))
	}
	return nil
}

// takeBack unmounts the first n files, the last first as they may be one file, and ends a
// program that has not begun.
func (o *options) takeBack(n int, proc *spawn.Process, err error) error {
	for _, j := range slices.Backward(o.persists[:n]) {
		if e := unbind(j.file); e != nil {
			err = errors.Join(err, fmt.Errorf("--persist %s stays: %w", j.file, e))
		}
	}
	if e := proc.Kill(); e != nil && !errors.Is(e, os.ErrProcessDone) {
		return errors.Join(err, e)
	}
	_, e := proc.Wait(context.Background())
	return errors.Join(err, e)
}

// waits is for a program that is to begin later.
func (o *options) waits() attr.List {
	if o.stopped || o.persists != nil {
		return attr.List{attr.StartSuspended{}}
	}
	return nil
}
