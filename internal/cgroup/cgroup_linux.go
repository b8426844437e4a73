package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
)

// Group is a control group that is made for one tree. It is locked by flock for as
// long as the process that made it lives and has the directory open.
type Group struct {
	path string
	dir  *highfd.Held
	kill *highfd.Held // of cgroup.kill, as it may be needed when no descriptor is left; nil before Linux 5.14
}

// New makes a control group below this process's, after what processes that have
// ended left there was removed.
func New() (*Group, error) {
	parent, err := findParent()
	if err != nil {
		return nil, err
	}
	sweep(parent)
	return makeGroup(parent)
}

// NewBelow makes a control group in one of this process.
func NewBelow(g *Group) (*Group, error) { return makeGroup(g.path) }

// NewToTry is New without looking for what others have left.
func NewToTry() (*Group, error) {
	parent, err := findParent()
	if err != nil {
		return nil, err
	}
	return makeGroup(parent)
}

// Tests replace these.
var (
	findParent = Own
	randomName = rand.Uint64
)

// Dir is the directory. Its descriptor may have been closed by other code.
func (g *Group) Dir() *os.File { return g.dir.File }

// CanKill reports whether the group has cgroup.kill.
func (g *Group) CanKill() bool { return g.kill != nil }

// WithKill calls f with descriptors of the directory and of cgroup.kill, which there is.
func (g *Group) WithKill(f func(dir, kill int) error) error {
	return g.dir.With(func(dir int) error {
		return g.kill.With(func(kill int) error { return f(dir, kill) })
	})
}

// Path is where the directory was made.
func (g *Group) Path() string { return g.path }

// maxNames bounds how many names are tried for one group.
const maxNames = 100

// makeGroup makes a group that nobody else has, whatever is there already.
func makeGroup(parent string) (*Group, error) {
	prefix := filepath.Join(parent, self().prefix())
	for try := 1; ; try++ {
		g, err := tryGroup(prefix + fmt.Sprintf("%016x", randomName()))
		if err == nil || !taken(err) || try == maxNames {
			return g, err
		}
	}
}

// taken reports whether an error is that somebody else has made a directory, or
// takes it for a leftover.
func taken(err error) bool {
	return errors.Is(err, fs.ErrExist) || noMore(err) || errors.Is(err, unix.EWOULDBLOCK)
}

func tryGroup(path string) (*Group, error) {
	// Nobody without privilege may open it, and so lock it.
	if err := os.Mkdir(path, 0o711); err != nil {
		return nil, err
	}
	g, err := openGroup(path)
	if err != nil {
		_ = os.Remove(path) // there is nothing in it
		return nil, err
	}
	return g, nil
}

// openGroup opens and locks a group; it fails at once if somebody else has it, or has
// removed it.
func openGroup(path string) (*Group, error) {
	g, err := openUnlocked(path)
	if err != nil {
		return nil, err
	}
	if err := g.dir.With(func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		g.close()
		return nil, &fs.PathError{Op: "flock", Path: path, Err: err}
	}
	// Until it was locked, somebody who doesn't know its owner may have taken it for a
	// leftover. Whoever removes it has locked it, so that it lasts if it is there now.
	if !g.dir.IsAt(path) {
		g.close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: unix.ENOENT}
	}
	return g, nil
}

func openUnlocked(path string) (*Group, error) {
	dir, err := highfd.OpenHeld(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	kill, err := highfd.OpenHeld(filepath.Join(path, killFile), unix.O_WRONLY)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		dir.Close()
		return nil, err
	}
	return &Group{path: path, dir: dir, kill: kill}, nil
}

func (g *Group) close() {
	g.dir.Close()
	g.kill.Close()
}

// Own is the directory of the version 2 control group that this thread is
// in, which is that of the process but for threaded groups.
func Own() (string, error) {
	name, err := Name()
	if err != nil {
		return "", err
	}
	mounts, err := highfd.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return "", err
	}
	return underMount(name, string(mounts))
}

// Name is that of the group of Own, below the root of the cgroup namespace.
func Name() (string, error) {
	list, err := highfd.ReadFile("/proc/thread-self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(list)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSuffix(path, "\n"), nil
		}
	}
	return "", fmt.Errorf("this process is in no cgroup v2: %w", errors.ErrUnsupported)
}

// underMount finds a control group in the file system.
func underMount(path, mounts string) (string, error) {
	err := fmt.Errorf("no cgroup v2 is mounted: %w", errors.ErrUnsupported)
	for line := range strings.Lines(mounts) {
		// ID PARENT DEVICE ROOT POINT OPTIONS... - TYPE SOURCE OPTIONS
		mount, kind, _ := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if !strings.HasPrefix(kind, "cgroup2 ") || len(fields) < 5 {
			continue
		}
		root, point := kernel.MountPath(fields[3]), kernel.MountPath(fields[4])
		dir, ok := below(root, path)
		if !ok {
			err = fmt.Errorf("the cgroup %s of this process is not below %s, which is all that is mounted at %s: %w", path, root, point, fs.ErrNotExist)
			continue
		}
		if dir = filepath.Join(point, dir); !onMount(dir, fields[0]) {
			err = fmt.Errorf("something else is mounted over %s: %w", point, fs.ErrNotExist)
			continue
		}
		return dir, nil
	}
	return "", err
}

// below is path relative to root. Both begin at the root of this process's cgroup
// namespace: what is beyond that has no name here.
func below(root, path string) (string, bool) {
	if beyond(root) || beyond(path) {
		return "", false
	}
	rel, err := filepath.Rel(root, path)
	return rel, err == nil && !beyond("/"+rel)
}

func beyond(path string) bool { return path == "/.." || strings.HasPrefix(path, "/../") }

// onMount reports whether a directory is on the mount that has an id, and not on
// one that covers it. Linux 5.8; before, it is not known.
func onMount(dir, id string) bool {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_MNT_ID, &st) != nil || st.Mask&unix.STATX_MNT_ID == 0 {
		return true
	}
	return strconv.FormatUint(st.Mnt_id, 10) == id
}
