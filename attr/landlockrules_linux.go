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
	if rules.AnyTCP && len(rules.TCPBind)+len(rules.TCPConnect) > 0 {
		return nil, plan.Invalid("AnyTCP with ports")
	}
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
	fd, errno := raw.LandlockCreate(raw.LandlockHandled{FS: h[landlockFS], Net: h[landlockNet], Scoped: h[landlockScope]})
	if errno != 0 {
		return nil, os.NewSyscallError("landlock_create_ruleset", errno)
	}
	if fd, err = highfd.Raise(fd); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	r := &LandlockRuleset{os.NewFile(uintptr(fd), "landlock-ruleset"), dropped}
	if err := rules.add(fd, h); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// add adds all rules to a ruleset.
func (r LandlockRules) add(ruleset int, handled [landlockKinds]uint64) error {
	for _, l := range []struct {
		paths  []string
		access uint64
	}{{r.Read, fsRead}, {r.Write, fsWrite}, {r.Execute, fsExecute | fsReadFile}} {
		for _, path := range l.paths {
			if err := allowPath(ruleset, path, l.access&handled[landlockFS]); err != nil {
				return err
			}
		}
	}
	for _, l := range []struct {
		ports  []uint16
		access uint64
	}{{r.TCPBind, netBind}, {r.TCPConnect, netConnect}} {
		for _, port := range l.ports {
			if l.access&handled[landlockNet] == 0 {
				break // dropped
			}
			if errno := raw.LandlockAllowPort(ruleset, port, l.access); errno != 0 {
				return fmt.Errorf("landlock_add_rule port %d: %w", port, errno)
			}
		}
	}
	return nil
}

// allowPath adds a rule for a path. A file that is no directory has no rights of
// one.
func allowPath(ruleset int, path string, access uint64) error {
	fd, err := highfd.Open(path, unix.O_PATH, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= fsOfFile
	}
	if errno := raw.LandlockAllowPath(ruleset, fd, access); errno != 0 {
		return &os.PathError{Op: "landlock_add_rule", Path: path, Err: errno}
	}
	return nil
}
