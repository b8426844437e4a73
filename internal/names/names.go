// Package names has the names of what Linux has numbers for, by which errors and
// steps tell of capabilities, resources and signals, and the command is told of them.
package names

import (
	"fmt"
	"slices"
	"strings"
)

// Capabilities are those of capabilities(7), by number, without the prefix CAP_.
var Capabilities = []string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE",
}

// Capability is the name of a capability, as CAP_KILL, or "capability 63".
func Capability(n int) string {
	if n < 0 || n >= len(Capabilities) {
		return fmt.Sprintf("capability %d", n)
	}
	return "CAP_" + Capabilities[n]
}

// CapabilityNumber is the number of a name, in any case and with CAP_ or without.
func CapabilityNumber(name string) (n int, ok bool) {
	n = slices.Index(Capabilities, strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
	return n, n >= 0
}

// Resources are those of getrlimit(2), by number, without the prefix RLIMIT_, and
// whether they are counted in bytes.
var Resources = []struct {
	Name  string
	Bytes bool
}{
	{"CPU", false}, {"FSIZE", true}, {"DATA", true}, {"STACK", true}, {"CORE", true}, {"RSS", true}, {"NPROC", false},
	{"NOFILE", false}, {"MEMLOCK", true}, {"AS", true}, {"LOCKS", false}, {"SIGPENDING", false}, {"MSGQUEUE", true},
	{"NICE", false}, {"RTPRIO", false}, {"RTTIME", false},
}

// Resource is the name of a resource, as RLIMIT_NPROC, or "resource 16".
func Resource(n int) string {
	if n < 0 || n >= len(Resources) {
		return fmt.Sprintf("resource %d", n)
	}
	return "RLIMIT_" + Resources[n].Name
}

// SecureBits are the flags of capabilities(7), by number; after each is the one that locks
// it.
var SecureBits = []string{
	"noroot", "no_setuid_fixup", "keep_caps", "no_cap_ambient_raise", "exec_restrict_file", "exec_deny_interactive",
}

// OfSecureBits are the names of the flags that are set, as noroot and noroot_locked.
func OfSecureBits(bits uint) (list []string) {
	for i, name := range SecureBits {
		for j, suffix := range []string{"", "_locked"} {
			if bits&(1<<(2*i+j)) != 0 {
				list = append(list, name+suffix)
			}
		}
	}
	return list
}
