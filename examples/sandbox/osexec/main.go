//go:build linux

// Osexec is the program sandbox with os/exec. The child runs this program again, which
// sets the rest and then runs the shell.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

const script = "echo pid $$, user $(id -u), host $(uname -n); ls /etc || echo no access to /etc"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "confined" {
		log.Fatal(confined())
	}
	cmd := exec.Command("/proc/self/exe", "confined")
	cmd.Stdout = os.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
}

func confined() error {
	runtime.LockOSThread() // the rules are those of the thread
	if err := unix.Sethostname([]byte("box")); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := restrict("/bin", "/lib", "/usr"); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return unix.Exec("/bin/sh", []string{"sh", "-c", script}, os.Environ())
}

// restrict makes a Landlock ruleset of version 1, by which files beneath the paths may
// be executed and read.
func restrict(paths ...string) error {
	const execute = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	all := &unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1}
	rules, err := call(unix.SYS_LANDLOCK_CREATE_RULESET, address(all), 8, 0, 0)
	runtime.KeepAlive(all)
	if err != nil {
		return err
	}
	for _, path := range paths {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		rule := &unix.LandlockPathBeneathAttr{Allowed_access: execute, Parent_fd: int32(fd)}
		_, err = call(unix.SYS_LANDLOCK_ADD_RULE, rules, unix.LANDLOCK_RULE_PATH_BENEATH, address(rule), 0)
		runtime.KeepAlive(rule)
		if err != nil {
			return err
		}
	}
	_, err = call(unix.SYS_LANDLOCK_RESTRICT_SELF, rules, 0, 0, 0)
	return err
}

// address is where a struct is. No code of this module but the engine's imports unsafe.
func address(to any) uintptr { return reflect.ValueOf(to).Pointer() }

func call(number, a, b, c, d uintptr) (uintptr, error) {
	result, _, errno := unix.Syscall6(number, a, b, c, d, 0, 0)
	if errno != 0 {
		return 0, fmt.Errorf("landlock: %w", errno)
	}
	return result, nil
}
