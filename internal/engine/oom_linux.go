//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
)

// oomRisk is what the kernel's OOM killer may do to this process because of a child
// that shares its memory in another cgroup: it kills all that share the memory of
// whom it kills.
type oomRisk struct {
	limited bool // memory is limited there; the child may be picked, unless it is in vfork
	group   bool // it is killed with any other that is picked
}

// lookAtRisks is risksOf; a test does without.
var lookAtRisks = risksOf

// wayNow is the way to make a child, which depends on the cgroup that it gets into.
// In vfork the kernel does not pick it, but what is held up in clone can neither have
// its maps written nor its listener taken nor let go of ForkLock.
func (p *Program) wayNow() way {
	if p.apart == nil {
		return p.way
	}
	risk := lookAtRisks(p.cgroup.File)
	switch {
	case p.way == relayWay && !risk.group:
		return relayWay
	case risk.group || risk.limited && (p.maps != nil || p.listens != nil || p.all):
		return copyWay
	case risk.limited:
		return vforkWay
	}
	return p.way
}

// worstRisk is for what can't be found out.
var worstRisk = oomRisk{true, true}

// risksOf looks at a cgroup, and at those above it up to the first that this process
// is in as well. Settings that somebody else may change at any time are as bad as
// they can be.
func risksOf(dir *os.File) (risk oomRisk) {
	at, err := dupDir(dir)
	if err != nil {
		return worstRisk
	}
	if !isCgroup(at) {
		unix.Close(at)
		return oomRisk{} // clone will say so
	}
	own := ownCgroups()
	for {
		var st unix.Stat_t
		if err := unix.Fstat(at, &st); err != nil {
			unix.Close(at)
			return worstRisk
		}
		if own[st.Ino] {
			unix.Close(at)
			return risk
		}
		risk = risk.or(risksAt(at))
		up, err := highfd.OpenAt(at, "..", unix.O_PATH|unix.O_DIRECTORY, 0)
		unix.Close(at)
		if err != nil {
			return worstRisk
		}
		if !isCgroup(up) { // so what is above is out of sight
			unix.Close(up)
			return worstRisk
		}
		at = up
	}
}

func (r oomRisk) or(o oomRisk) oomRisk { return oomRisk{r.limited || o.limited, r.group || o.group} }

// dupDir is a descriptor of a directory that is open.
func dupDir(dir *os.File) (fd int, err error) {
	err = highfd.WithNumber(dir, func(n int) error {
		fd, err = highfd.OpenAt(n, ".", unix.O_PATH|unix.O_DIRECTORY, 0)
		return err
	})
	return fd, err
}

func isCgroup(fd int) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}

// ownCgroups are the inodes of this process's cgroup and of those above it, as far
// as they can be seen; nil where none can.
func ownCgroups() map[uint64]bool {
	name, err := ownCgroup("/proc/thread-self/cgroup")
	if err != nil {
		return nil
	}
	at := -1
	for _, mount := range cgroupMounts() {
		if below, ok := mount.has(name); ok {
			at, _ = highfd.Open(path.Join(mount.point, below), unix.O_PATH|unix.O_DIRECTORY, 0)
		}
		if at >= 0 {
			break
		}
	}
	own := map[uint64]bool{}
	for at >= 0 && isCgroup(at) {
		var st unix.Stat_t
		if unix.Fstat(at, &st) == nil {
			own[st.Ino] = true
		}
		up, err := highfd.OpenAt(at, "..", unix.O_PATH|unix.O_DIRECTORY, 0)
		unix.Close(at)
		if at = up; err != nil {
			return own
		}
	}
	if at >= 0 {
		unix.Close(at)
	}
	return own
}

// ownCgroup is the name of this process's cgroup, below the root of its cgroup
// namespace.
func ownCgroup(file string) (string, error) {
	text, err := highfd.ReadFile(file)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSuffix(name, "\n"), nil
		}
	}
	return "", fs.ErrNotExist
}

// has is where in the mount a cgroup is. Roots and names with ".." are outside of
// the cgroup namespace, where names say nothing.
func (m mount) has(name string) (below string, ok bool) {
	if strings.Contains(m.root+name, "/..") {
		return "", false
	}
	if m.root == "/" || m.root == name {
		return strings.TrimPrefix(name, m.root), true
	}
	below, ok = strings.CutPrefix(name, m.root+"/")
	return below, ok
}

// cgroupMounts lists mounts of cgroup2.
func cgroupMounts() (list []mount) {
	text, _ := highfd.ReadFile("/proc/thread-self/mountinfo")
	for line := range strings.Lines(string(text)) {
		if m, ok := parseMount(line); ok && m.kind == "cgroup2" {
			list = append(list, m)
		}
	}
	return list
}

// mount is a mount: what of a file system is mounted, where, of which kind the file
// system is, and its options.
type mount struct{ root, point, kind, options string }

// parseMount reads a line of mountinfo; see proc_pid_mountinfo(5).
func parseMount(line string) (m mount, ok bool) {
	before, after, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
	b, a := strings.Fields(before), strings.Split(after, " ") // whose second may be empty
	if len(b) < 5 || len(a) < 3 {
		return m, false
	}
	return mount{kernel.MountPath(b[3]), kernel.MountPath(b[4]), a[0], a[2]}, true
}

// risksAt looks at one cgroup. One without the files has no memory controller.
func risksAt(dir int) oomRisk {
	limit, mayLimit := readSetting(dir, "memory.max")
	group, mayGroup := readSetting(dir, "memory.oom.group")
	return oomRisk{
		limited: mayLimit || limit != "max" && limit != "",
		group:   mayGroup || group != "0" && group != "",
	}
}

// readSetting reads a file of a cgroup, empty if there is none; bad says that it
// can't be read, or that others than root and this user may write it.
func readSetting(dir int, name string) (value string, bad bool) {
	fd, err := highfd.OpenAt(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", !errors.Is(err, fs.ErrNotExist)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	buf := make([]byte, 32)
	n, err := unix.Read(fd, buf)
	if err != nil || unix.Fstat(fd, &st) != nil {
		return "", true
	}
	others := st.Mode&0o022 != 0 || st.Uid != 0 && int(st.Uid) != unix.Geteuid()
	return strings.TrimSuffix(string(buf[:n]), "\n"), others
}
