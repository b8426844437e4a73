//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"strconv"

	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

func init() {
	if os.Args[0] == testenv.HelperPrefix+"everything" {
		runtime.LockOSThread() // some of what it reports is the first thread's
	}
}

// everything reports what it finds set, and ends when its input does.
var _ = testenv.RegisterHelper("everything", func([]string) int {
	text, err := json.Marshal(everything())
	if err != nil {
		return 1
	}
	fmt.Println(string(text))
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 7
})

func everything() map[string]string {
	r := map[string]string{"pid": strconv.Itoa(os.Getpid())}
	put := func(key string, x any, err error) {
		if err != nil {
			x = err
		}
		r[key] = fmt.Sprint(x)
	}
	maps.Copy(r, statusOfSelf())
	putFiles(put)
	putTask(put)
	for i := range allLimits {
		var l unix.Rlimit
		err := unix.Getrlimit(i, &l)
		put("rlimit "+strconv.Itoa(i), softHard(l.Cur, l.Max), err)
	}
	for name, link := range spawntest.NamespacesOf("self") {
		put("namespace "+name, link, nil)
	}
	return r
}

// allLimits is how many limits there are.
const allLimits = 16

func softHard(soft, hard uint64) string { return fmt.Sprint(soft, " ", hard) }

func statusOfSelf() map[string]string {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil
	}
	return testenv.ParseSeen(string(text)).Status
}

// putFiles is about paths and the network.
func putFiles(put func(key string, x any, err error)) {
	names := func(dir string) (list []string, err error) {
		entries, err := os.ReadDir(dir)
		for _, e := range entries {
			list = append(list, e.Name())
		}
		slices.Sort(list)
		return list, err
	}
	root, err := names("/")
	put("root", root, err)
	tmp, err := names("/tmp")
	put("tmp", tmp, err)
	text, err := os.ReadFile("/proc/self/mountinfo")
	var places []string
	for line := range strings.Lines(string(text)) {
		places = append(places, strings.Fields(line)[4])
	}
	put("mounts", strings.Join(places, " "), err)
	wd, err := os.Getwd()
	put("wd", wd, err)
	var st unix.Stat_t
	err = unix.Fstat(5, &st)
	put("mode of 5", fmt.Sprintf("%#o", st.Mode&0o777), err)
	put("forbidden", "", os.WriteFile("/forbidden/file", nil, 0o666))
	for key, path := range map[string]string{"hostname": "sys/kernel/hostname", "domain": "sys/kernel/domainname", "oom": "self/oom_score_adj", "slack": "self/timerslack_ns"} {
		text, err := os.ReadFile("/proc/" + path)
		put(key, strings.TrimSpace(string(text)), err)
	}
	list, err := net.Interfaces()
	var interfaces []string
	for _, i := range list {
		interfaces = append(interfaces, i.Name)
	}
	put("interfaces", interfaces, err)
	text, err = os.ReadFile("/proc/self/numa_maps")
	policies := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		policies[strings.Fields(line)[1]] = true
	}
	put("numa", slices.Sorted(maps.Keys(policies)), err)
}

// putTask is about the thread.
func putTask(put func(key string, x any, err error)) {
	call := func(key string, nr uintptr, a, b uintptr) {
		n, _, errno := unix.RawSyscall(nr, a, b, 0)
		var err error
		if errno != 0 {
			err = errno
		}
		put(key, n, err)
	}
	call("session", unix.SYS_GETSID, 0, 0)
	call("policy", unix.SYS_SCHED_GETSCHEDULER, 0, 0)
	call("priority", unix.SYS_GETPRIORITY, unix.PRIO_PROCESS, 0) // 20 - nice
	call("ioprio", unix.SYS_IOPRIO_GET, 1, 0)
	call("personality", unix.SYS_PERSONALITY, 0xffffffff, 0)
	call("securebits", unix.SYS_PRCTL, unix.PR_GET_SECUREBITS, 0)
	var uts unix.Utsname
	put("uname", "", unix.Uname(&uts))
	id, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	put("keyring", id, err)
}
