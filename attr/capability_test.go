package attr_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/safespawn/spawn/attr"
)

// TestCapabilityNames wants each constant to have the kernel's name, and to be found
// by it however it is written.
func TestCapabilityNames(t *testing.T) {
	for want, c := range map[string]attr.Capability{
		"CAP_CHOWN": attr.CapChown, "CAP_DAC_OVERRIDE": attr.CapDACOverride, "CAP_DAC_READ_SEARCH": attr.CapDACReadSearch,
		"CAP_FOWNER": attr.CapFOwner, "CAP_FSETID": attr.CapFSetID, "CAP_KILL": attr.CapKill, "CAP_SETGID": attr.CapSetGID,
		"CAP_SETUID": attr.CapSetUID, "CAP_SETPCAP": attr.CapSetPCap, "CAP_LINUX_IMMUTABLE": attr.CapLinuxImmutable,
		"CAP_NET_BIND_SERVICE": attr.CapNetBindService, "CAP_NET_BROADCAST": attr.CapNetBroadcast, "CAP_NET_ADMIN": attr.CapNetAdmin,
		"CAP_NET_RAW": attr.CapNetRaw, "CAP_IPC_LOCK": attr.CapIPCLock, "CAP_IPC_OWNER": attr.CapIPCOwner,
		"CAP_SYS_MODULE": attr.CapSysModule, "CAP_SYS_RAWIO": attr.CapSysRawIO, "CAP_SYS_CHROOT": attr.CapSysChroot,
		"CAP_SYS_PTRACE": attr.CapSysPtrace, "CAP_SYS_PACCT": attr.CapSysPAcct, "CAP_SYS_ADMIN": attr.CapSysAdmin,
		"CAP_SYS_BOOT": attr.CapSysBoot, "CAP_SYS_NICE": attr.CapSysNice, "CAP_SYS_RESOURCE": attr.CapSysResource,
		"CAP_SYS_TIME": attr.CapSysTime, "CAP_SYS_TTY_CONFIG": attr.CapSysTTYConfig, "CAP_MKNOD": attr.CapMknod,
		"CAP_LEASE": attr.CapLease, "CAP_AUDIT_WRITE": attr.CapAuditWrite, "CAP_AUDIT_CONTROL": attr.CapAuditControl,
		"CAP_SETFCAP": attr.CapSetFCap, "CAP_MAC_OVERRIDE": attr.CapMACOverride, "CAP_MAC_ADMIN": attr.CapMACAdmin,
		"CAP_SYSLOG": attr.CapSyslog, "CAP_WAKE_ALARM": attr.CapWakeAlarm, "CAP_BLOCK_SUSPEND": attr.CapBlockSuspend,
		"CAP_AUDIT_READ": attr.CapAuditRead, "CAP_PERFMON": attr.CapPerfmon, "CAP_BPF": attr.CapBPF,
		"CAP_CHECKPOINT_RESTORE": attr.CapCheckpointRestore,
	} {
		for _, s := range []string{want, strings.ToLower(want), strings.TrimPrefix(want, "CAP_"), fmt.Sprint(int(c))} {
			if got, err := attr.ParseCapability(s); err != nil || got != c || got.String() != want {
				t.Errorf("%q: %v, %v", s, got, err)
			}
		}
	}
	if got := attr.Capability(63).String(); got != "capability 63" {
		t.Error(got)
	}
}

var capabilityLists = map[string]string{
	"none": "[]", "chown,CAP_KILL,63": "[CAP_CHOWN CAP_KILL capability 63]", "0,1,chown": "[CAP_CHOWN CAP_DAC_OVERRIDE]", "cap_bpf": "[CAP_BPF]",
}

var badCapabilityLists = []string{"", "64", "-1", "chown,", "x", "all,", "0,-0", "all,-", "CAP_", "none,kill"}

func TestParseCapabilities(t *testing.T) {
	parses(t, attr.ParseCapabilities, capabilityLists, badCapabilityLists)
	all, err := attr.ParseCapabilities("all")
	if runtime.GOOS != "linux" && runtime.GOOS != "android" {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v, %v", all, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	without, err := attr.ParseCapabilities("all,-kill,chown")
	if err != nil || slices.Contains(without, attr.CapKill) || !slices.Contains(without, attr.CapChown) || len(without) > max(len(all), 1) {
		t.Errorf("%v, %v", without, err)
	}
}

func FuzzParseCapabilities(f *testing.F) {
	fuzzes(f, attr.ParseCapabilities, capabilityLists, badCapabilityLists, func(t *testing.T, s string, list []attr.Capability) {
		if list == nil {
			t.Errorf("%q: nil, which leaves a set as it is", s)
		}
		for _, c := range list {
			if again, err := attr.ParseCapability(c.String()); again != c && int(c) < 41 || int(c) < 41 && err != nil {
				t.Errorf("%q: %v is read as %v, %v", s, c, again, err)
			}
		}
		if err := check(attr.List{attr.OnlyCapabilities(list...)}); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	})
}
