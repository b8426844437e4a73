package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/names"
	"github.com/safespawn/spawn/internal/raw"
)

// dumpHere is the flag with which spawn is the program of spawn --dump.
const dumpHere = "dump-here"

// ownProgram is this program, whatever is at its path in the child.
func (o *options) ownProgram() (*os.File, error) { return o.open("/proc/self/exe", unix.O_PATH) }

// dump prints what setpriv --dump prints of ids and privileges, all of it.
func dump(w io.Writer) error {
	ruid, euid, suid := unix.Getresuid()
	rgid, egid, sgid := unix.Getresgid()
	groups, err := unix.Getgroups()
	if err != nil {
		return os.NewSyscallError("getgroups", err)
	}
	sets, err := capabilitySets()
	if err != nil {
		return err
	}
	death, err := raw.ParentDeathSignal()
	if err != nil {
		return os.NewSyscallError("prctl", err)
	}
	var b strings.Builder
	line := func(key string, value any) { fmt.Fprintf(&b, "%s: %v\n", key, value) }
	for i, name := range []string{"uid", "euid", "suid", "gid", "egid", "sgid"} {
		line(name, []int{ruid, euid, suid, rgid, egid, sgid}[i])
	}
	line("Supplementary groups", listed(strings.Fields(strings.Trim(fmt.Sprint(groups), "[]"))))
	line("no_new_privs", prctl(unix.PR_GET_NO_NEW_PRIVS))
	for i, name := range []string{"Effective capabilities", "Permitted capabilities", "Inheritable capabilities", "Ambient capabilities", "Capability bounding set"} {
		line(name, listed(sets[i]))
	}
	line("Securebits", listed(names.OfSecureBits(uint(prctl(unix.PR_GET_SECUREBITS)))))
	line("Parent death signal", listed(signalNames(death)))
	for _, module := range [][2]string{{"/sys/fs/selinux", "SELinux label"}, {"/sys/kernel/security/apparmor", "AppArmor profile"}} {
		if _, err := os.Stat(module[0]); err != nil {
			continue // not active
		}
		if label, err := os.ReadFile("/proc/self/attr/current"); err == nil {
			line(module[1], strings.TrimRight(string(label), "\x00\n"))
		}
	}
	return write(w, b.String())
}

// listed is a list as setpriv prints it.
func listed(list []string) string {
	if len(list) == 0 {
		return "[none]"
	}
	return strings.Join(list, ",")
}

// prctl is the answer to a question that can't fail; what the kernel does not know is 0.
func prctl(option int) int {
	n, _ := unix.PrctlRetInt(option, 0, 0, 0, 0)
	return n
}

// capabilitySets are the names in the effective, permitted, inheritable, ambient and
// bounding set.
func capabilitySets() (sets [5][]string, err error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return sets, os.NewSyscallError("capget", err)
	}
	for n := 0; ; n++ {
		bounding, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0)
		if err != nil {
			return sets, nil // there are no more
		}
		ambient, _ := unix.PrctlRetInt(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, uintptr(n), 0, 0)
		d, bit := data[n/32], uint32(1)<<(n%32)
		name := strings.ToLower(strings.TrimPrefix(strings.ReplaceAll(names.Capability(n), " ", "_"), "CAP_"))
		for i, is := range []bool{d.Effective&bit != 0, d.Permitted&bit != 0, d.Inheritable&bit != 0, ambient == 1, bounding == 1} {
			if is {
				sets[i] = append(sets[i], name)
			}
		}
	}
}

func signalNames(sig syscall.Signal) []string {
	if sig == 0 {
		return nil
	}
	return []string{strings.TrimPrefix(names.Signal(sig), "SIG")}
}
