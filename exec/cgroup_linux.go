//go:build (amd64 || arm64) && !android && !spawn_forkexec

package exec

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/highfd"
)

// Features returns the features of [spawn.Features] and one more:
//
//	tree_cgroup    Tree can make a control group at this moment; without it, processes that leave the process group escape
//
// [Cmd.TreeHolds] says the same about one tree.
func Features() spawn.FeatureSet {
	f := spawn.Feature{
		Name: FeatureTreeCgroup, Since: "5.7",
		Use: "Tree holds all descendants; without: those that leave the process group escape",
	}
	if err := tryTree(); err != nil {
		f.Use += " (" + err.Error() + ")"
	} else {
		f.Available = true
	}
	return append(spawn.Features(), f)
}

// tryTree makes a child in a control group of its own that gets as far as execve.
func tryTree() error {
	parent, err := findParent()
	if err != nil {
		return err
	}
	g, err := makeCgroup(parent)
	if err != nil {
		return err
	}
	defer func() { _ = g.remove() }() // nobody is in it
	s := spawn.Spec{Path: "/dev/null/none", Attr: attr.List{attr.Cgroup{Dir: g.dir.file}}}
	_, err = spawn.Start(context.Background(), &s)
	var e *spawn.Error
	if errors.As(err, &e) && e.Step == spawn.StepExecve {
		return nil
	}
	return err
}

// cgroup is a control group that is made for one tree. It is locked by flock for
// as long as the process that made it lives and has the directory open.
type cgroup struct {
	path string
	dir  *handle
	kill *handle // of cgroup.kill, as it may be needed when no descriptor is left; nil before Linux 5.14
}

// newCgroup makes a control group below this process's, after what processes
// that have ended left there was removed.
func newCgroup() (*cgroup, error) {
	parent, err := findParent()
	if err != nil {
		return nil, err
	}
	sweep(parent)
	return makeCgroup(parent)
}

// Tests replace these.
var (
	findParent = ownCgroup
	randomName = rand.Uint64
)

// maxNames bounds how many names are tried for one group.
const maxNames = 100

// makeCgroup makes a group that nobody else has, whatever is there already.
func makeCgroup(parent string) (*cgroup, error) {
	prefix := filepath.Join(parent, self().prefix())
	for try := 1; ; try++ {
		g, err := tryCgroup(prefix + fmt.Sprintf("%016x", randomName()))
		if err == nil || !taken(err) || try == maxNames {
			return g, err
		}
	}
}

// taken reports whether an error is that somebody else has made a directory, or
// takes it for a leftover.
func taken(err error) bool {
	return errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EWOULDBLOCK)
}

func tryCgroup(path string) (*cgroup, error) {
	// Nobody without privilege may open it, and so lock it.
	if err := os.Mkdir(path, 0o711); err != nil {
		return nil, err
	}
	g, err := openCgroup(path)
	if err != nil {
		_ = os.Remove(path) // there is nothing in it
		return nil, err
	}
	return g, nil
}

// openCgroup opens and locks a group; it fails at once if somebody else has it.
func openCgroup(path string) (*cgroup, error) {
	dir, err := openHandle(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	g := &cgroup{path: path, dir: dir}
	if err := dir.with(func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		dir.close()
		return nil, &fs.PathError{Op: "flock", Path: path, Err: err}
	}
	g.kill, err = openHandle(filepath.Join(path, killFile), unix.O_WRONLY)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		dir.close()
		return nil, err
	}
	return g, nil
}

func (g *cgroup) close() {
	g.dir.close()
	g.kill.close()
}

// ownCgroup is the directory of the version 2 control group that this thread is
// in, which is that of the process but for threaded groups.
func ownCgroup() (string, error) {
	list, err := highfd.ReadFile("/proc/thread-self/cgroup")
	if err != nil {
		return "", err
	}
	mounts, err := highfd.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(list)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return underMount(strings.TrimSuffix(path, "\n"), string(mounts))
		}
	}
	return "", &spawn.UnsupportedError{What: "this process to be in a cgroup v2"}
}

// underMount finds a control group in the file system.
func underMount(path, mounts string) (string, error) {
	var err error = &spawn.UnsupportedError{What: "a cgroup v2 to be mounted"}
	for line := range strings.Lines(mounts) {
		// ID PARENT DEVICE ROOT POINT OPTIONS... - TYPE SOURCE OPTIONS
		mount, kind, _ := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if !strings.HasPrefix(kind, "cgroup2 ") || len(fields) < 5 {
			continue
		}
		root, point := unescape.Replace(fields[3]), unescape.Replace(fields[4])
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

// unescape undoes what the kernel does to paths in mountinfo.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

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
