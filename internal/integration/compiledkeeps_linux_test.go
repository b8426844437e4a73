//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// lookAround prints what does not differ from one process to the next.
const lookAround = `grep -E '^(Sig(Blk|Ign)|Uid|Gid|Groups|Cap|Cpus_allowed_list|Seccomp)' /proc/self/status; echo "$@"; env
	cat /proc/self/uid_map /proc/self/gid_map; uname -n; grep ' /mnt ' /proc/self/mounts; :`

// TestCompiledKeepsAttributes has attributes with slices.
func TestCompiledKeepsAttributes(t *testing.T) {
	cpu := testenv.SomeCPU(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		for name, list := range withSlices(cpu) {
			t.Run(name, func(t *testing.T) {
				s := spawntest.Shell(lookAround, list...)
				s.Args = append(s.Args, "sh", "an argument")
				s.Env = []string{"A=1", "PATH=" + os.Getenv("PATH")}
				keepsWhatItWas(t, s)
			})
		}
	})
}

// withSlices makes attributes that have slices and can be had here.
func withSlices(cpu int) map[string]attr.List {
	lists := map[string]attr.List{
		"signals":  {attr.SigMask{unix.SIGUSR1, unix.SIGUSR2}, attr.SigIgnore{unix.SIGHUP}, attr.SigDefault{unix.SIGINT}},
		"affinity": {attr.CPUAffinity{cpu}},
		"seccomp":  {attr.NoNewPrivs{}, spawntest.Refuse(unix.EPERM, unix.SYS_SYSLOG, unix.SYS_ACCT)},
	}
	if spawntest.CanMap() {
		one := func(host int) []attr.IDMapEntry { return []attr.IDMapEntry{{ContainerID: 9, HostID: host, Size: 1}} }
		lists["maps"] = attr.List{attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: one(os.Geteuid()), GID: one(os.Getegid())}}
	}
	if os.Geteuid() != 0 {
		return lists
	}
	lists["groups"] = attr.List{attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody, Groups: []uint32{4, 5}}}
	lists["ids"] = attr.List{attr.IDs{RUID: testenv.Nobody, EUID: testenv.Nobody, RGID: 7, EGID: 7, Groups: []uint32{4, 5}}}
	lists["ambient"] = attr.List{attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}, attr.AmbientCaps{unix.CAP_KILL}}
	lists["capabilities"] = attr.List{attr.OnlyCapabilities(unix.CAP_KILL, unix.CAP_SYSLOG)}
	if spawntest.CanMake(unix.CLONE_NEWNS) {
		lists["mounts"] = attr.List{attr.Namespaces{Flags: unix.CLONE_NEWNS},
			attr.Mounts{{Source: "none", Target: "/mnt", FSType: "tmpfs", Data: "size=64k"}}}
	}
	return lists
}
