//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package main

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestMissingPrivilege runs flags as a user, who is told of the capability.
func TestMissingPrivilege(t *testing.T) {
	needEngine(t, "--nice", "-5")
	u := nobody(t)
	if testenv.HasCap(unix.CAP_SETUID) != testenv.HasCap(unix.CAP_SYS_ADMIN) {
		testenv.Skip(t, "some capabilities")
	}
	for line, capability := range map[string]string{
		"--nice -5":                    "CAP_SYS_NICE",
		"--add-nice -39":               "CAP_SYS_NICE",
		"--sched fifo:10":              "CAP_SYS_NICE",
		"--ioprio realtime:1":          "CAP_SYS_NICE",
		"--oom-score-adj -1000":        "CAP_SYS_RESOURCE",
		"--user root":                  "CAP_SETGID",
		"--groups 1,2":                 "CAP_SETGID",
		"--ruid 5 --keep-groups":       "CAP_SETUID",
		"--caps none":                  "CAP_SETPCAP",
		"--cap-bounding chown":         "CAP_SETPCAP",
		"--cap-inheritable kill":       "CAP_SETPCAP",
		"--cap-ambient net_admin":      "CAP_NET_ADMIN",
		"--securebits noroot":          "CAP_SETPCAP",
		"--new pid":                    "CAP_SYS_ADMIN",
		"--unshare net":                "CAP_SYS_ADMIN",
		"--join net=/proc/self/ns/net": "CAP_SYS_ADMIN",
		"--chroot /":                   "CAP_SYS_CHROOT",
		"--uid-map 0:0:10 --gid-map 0:0:1 --new user": "CAP_SETUID",
		"--landlock": "CAP_SYS_ADMIN",
		"--rlimit nofile=unlimited --rlimit core=0:1":    "",
		"--new mount --mount type=tmpfs,target=/mnt":     "CAP_SYS_ADMIN",
		"--mount type=tmpfs,target=/mnt --unshare mount": "",
	} {
		if strings.Contains(line, "--landlock") && !spawn.Features().Has(spawn.FeatureLandlock) || strings.Contains(line, "user") && !spawntest.CanMap() {
			continue
		}
		words := strings.Fields(line)
		r := unprivileged(t, u, append(words, "true")...)
		message, ok := strings.CutPrefix(r.errOut, "spawn: ")
		if r.status != statusError || !ok || !strings.Contains(message, capability) {
			t.Errorf("%s: %+v", line, r)
			continue
		}
		worded(t, words, message)
	}
}

// TestOldKernel has calls refused, as by a kernel that does not know them: the message has the
// flag, and what the kernel lacks.
func TestOldKernel(t *testing.T) {
	needEngine(t, "--no-new-privs", "--seccomp", "/dev/null")
	link := spawnLink(t)
	for _, c := range []struct {
		call  int
		line  string
		lacks string
	}{
		{unix.SYS_LANDLOCK_CREATE_RULESET, "--landlock", "5.13"},
		{unix.SYS_KEYCTL, "--keyring -", "CONFIG_KEYS"},
		{unix.SYS_SET_MEMPOLICY, "--numa local", "CONFIG_NUMA"},
		{unix.SYS_SCHED_SETATTR, "--sched deadline:1ms/2ms", "3.14"},
		{unix.SYS_IOPRIO_SET, "--ioprio idle", "CONFIG_BLOCK"},
		{unix.SYS_PIDFD_OPEN, "--join 1:net", ""},
		{raw.Setresuid.Number(), "--ruid 5 --keep-groups", "CONFIG_MULTIUSER"},
		{unix.SYS_CAPSET, "--cap-inheritable none", "CONFIG_MULTIUSER"},
	} {
		var filter bytes.Buffer
		if err := binary.Write(&filter, binary.NativeEndian, spawntest.Refuse(unix.ENOSYS, c.call).Filter); err != nil {
			t.Fatal(err)
		}
		file := writeFile(t, filepath.Join(t.TempDir(), "filter"), filter.String(), 0o644)
		words := append(strings.Fields(c.line), "true")
		outer := []string{"--no-new-privs", "--seccomp", file, link}
		message := strings.TrimPrefix(fails(t, statusError, append(outer, words...)...), "spawn: ")
		worded(t, words, message)
		if !strings.Contains(message, c.lacks) {
			t.Errorf("%s: %s", c.line, message)
		}
	}
}
