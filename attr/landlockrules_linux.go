//go:build !android

package attr

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

func newLandlock(rules LandlockRules) (*LandlockRuleset, error) {
	abi, errno := raw.LandlockABI()
	if errno != 0 {
		abi = 0 // not there, not enabled, or refused
	}
	return newLandlockFor(rules, abi)
}

// newLandlockFor makes a ruleset for a version of Landlock, 0 for none.
func newLandlockFor(rules LandlockRules, abi int) (*LandlockRuleset, error) {
	h, dropped, err := rules.handled(abi)
	if err != nil {
		return nil, err
	}
	if abi == 0 {
		return &LandlockRuleset{dropped: dropped}, nil
	}
	if rules.InChild {
		return &LandlockRuleset{made: &plan.LandlockRules{Handled: handledBy(h).Words(), Rules: rules.list(h)}, flags: uint(h[landlockFlags]), dropped: dropped}, nil
	}
	fd, errno := raw.LandlockCreate(handledBy(h))
	if errno != 0 {
		return nil, os.NewSyscallError("landlock_create_ruleset", errno)
	}
	if fd, err = highfd.Raise(fd); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	r := &LandlockRuleset{file: os.NewFile(uintptr(fd), "landlock-ruleset"), flags: uint(h[landlockFlags]), dropped: dropped}
	for _, x := range rules.list(h) {
		if err := addRule(fd, x); err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}

// handledBy is the attribute of a ruleset. Rules that are quiet are so about all that the
// ruleset handles of files.
func handledBy(h [landlockKinds]uint64) raw.LandlockHandled {
	a := raw.LandlockHandled{FS: h[landlockFS], Net: h[landlockNet], Scoped: h[landlockScope]}
	if h[landlockQuiet] != 0 {
		a.QuietFS = a.FS
	}
	return a
}

// addRule adds a rule to a ruleset.
func addRule(ruleset int, x plan.LandlockRule) error {
	if !x.IsPort {
		return addPath(ruleset, x)
	}
	if errno := raw.LandlockAllowPort(ruleset, x.Port, x.Access); errno != 0 {
		return fmt.Errorf("landlock_add_rule port %d: %w", x.Port, errno)
	}
	return nil
}

// addPath adds a rule for a path. A file that is no directory has no rights of one.
func addPath(ruleset int, x plan.LandlockRule) error {
	fd, err := highfd.Open(x.Path, unix.O_PATH, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: x.Path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &os.PathError{Op: "stat", Path: x.Path, Err: err}
	}
	access := x.Access
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		access = x.OfFile
	}
	if errno := raw.LandlockAllowPath(ruleset, fd, access, x.Flags); errno != 0 {
		return &os.PathError{Op: "landlock_add_rule", Path: x.Path, Err: errno}
	}
	return nil
}
