// Package group signals process groups that children lead, and looks at who is in them.
package group

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
)

// byPidfd makes pidfd_send_signal send to the process group whose id was the process's,
// also when the process was reaped. Linux 6.9; before, the error is EINVAL.
const byPidfd = 1 << 2

// Signal sends to the group that the process of a pidfd leads.
func Signal(pidfd int, sig unix.Signal) error {
	return unix.PidfdSendSignal(pidfd, sig, nil, byPidfd)
}

// Members counts the processes of a group that are no zombies, and those of them that
// this process may not signal. Without a /proc of this pid namespace it is not known.
// The group must have a process that is not reaped, or the number may be another's.
//
// Where nobody is found it looks once more: a process may have forked, and ended, while
// the others were looked at.
func Members(pgid int) (alive, denied int, known bool) {
	if !kernel.OurIDs() {
		return 0, 0, false
	}
	if alive, denied, known = look(pgid); alive == 0 && known {
		alive, denied, known = look(pgid)
	}
	return alive, denied, known
}

// look is Members at one time.
func look(pgid int) (alive, denied int, known bool) {
	fd, err := highfd.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return 0, 0, false
	}
	dir := os.NewFile(uintptr(fd), "/proc")
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, 0, false
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if in, err := isMember(name, pgid); err != nil {
			return 0, 0, false
		} else if !in {
			continue
		}
		alive++
		if isDenied(pid, pgid) {
			denied++
		}
	}
	return alive, denied, true
}

// isMember reports whether a process is in a group, and no zombie. One that is gone is not.
func isMember(name string, pgid int) (bool, error) {
	fields, err := kernel.Stat(name)
	if kernel.Passes(err) {
		return false, err
	}
	return err == nil && string(fields[2]) == strconv.Itoa(pgid) && fields[0][0] != 'Z' && fields[0][0] != 'X', nil
}

// isDenied reports whether this process may not signal a member of a group.
func isDenied(pid, pgid int) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		fd, err = highfd.Raise(fd)
	}
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	// The pid is a member's as long as it is in the group.
	if unix.PidfdSendSignal(fd, 0, nil, 0) != unix.EPERM {
		return false
	}
	in, err := isMember(strconv.Itoa(pid), pgid)
	return in && err == nil
}
