package main

import (
	"context"
	"errors"
	"fmt"

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
// would have none.
func (o *options) persist(proc *spawn.Process) error {
	if o.persists == nil {
		return nil
	}
	for _, j := range o.persists {
		if err := bindNamespace(proc.Pid(), j.types, j.file); err != nil {
			err = fmt.Errorf("--persist %s: %w", j.file, err)
			return errors.Join(err, end(proc))
		}
	}
	if o.stopped {
		return nil
	}
	return proc.Signal(resuming[0])
}

// end ends a program that has not begun.
func end(proc *spawn.Process) error {
	err := proc.Kill()
	if err == nil {
		_, err = proc.Wait(context.Background())
	}
	return err
}

// waits is for a program that is to begin later.
func (o *options) waits() attr.List {
	if o.stopped || o.persists != nil {
		return attr.List{attr.StartSuspended{}}
	}
	return nil
}
