//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"path"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
)

// found is where a path leads to.
type found struct {
	name    string // as it was asked for
	path    string // without symbolic links
	st      unix.Stat_t
	flags   int64  // ST_* of its file system
	mounted string // where those flags begin
	fsType  int64
	remote  bool // somebody else decides who may do what
}

// trouble is what keeps a path from leading anywhere, or a file from being run.
// With no errno nothing can be known.
type trouble struct {
	errno syscall.Errno
	hint  string
}

var unknown = &trouble{}

const (
	maxLinks = 40 // MAXSYMLINKS

	stNosuid      = 0x2
	stNoexec      = 0x8
	stNosymfollow = 0x2000
)

// lookup follows a path as the child does, which may not be allowed to where this
// process is. It looks at names only, and opens nothing.
func (v *view) lookup(e *eyes, name string) (*found, *trouble) {
	if v.foreign || v.moved && !path.IsAbs(name) {
		return nil, unknown
	}
	if name == "" {
		return nil, &trouble{unix.ENOENT, "an empty name"}
	}
	at, why := start(name)
	if why != nil {
		return nil, why
	}
	at.name = name
	rest, links := name, 0
	for {
		next, after, more := strings.Cut(strings.TrimLeft(rest, "/"), "/")
		if next == "" {
			break
		}
		f, why := at.enter(e, next)
		if why != nil {
			return nil, why
		}
		rest = after
		if f.st.Mode&unix.S_IFMT != unix.S_IFLNK {
			at = f
			if why := at.goesOn(more); why != nil {
				return nil, why
			}
			continue
		}
		if links++; links > maxLinks {
			return nil, &trouble{unix.ELOOP, "more than " + strconv.Itoa(maxLinks) + " symbolic links"}
		}
		target, why := f.follow()
		if why != nil {
			return nil, why
		}
		if path.IsAbs(target) {
			if at, why = start(target); why != nil {
				return nil, why
			}
			at.name = name
		}
		if more {
			target += "/" + after
		}
		rest = target
	}
	return at, nil
}

// start is the directory in which a path begins.
func start(name string) (*found, *trouble) {
	f := &found{path: "."}
	if path.IsAbs(name) {
		f.path = "/"
	}
	f.mounted = f.path
	return f, f.look()
}

// goesOn wants a directory where a path has a slash.
func (f *found) goesOn(slash bool) *trouble {
	if slash && f.st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return &trouble{unix.ENOTDIR, plan.Printable(f.path) + " is not a directory"}
	}
	return nil
}

// enter is the next step of a path.
func (f *found) enter(e *eyes, name string) (*found, *trouble) {
	switch e.may(f, mayExec) {
	case no:
		return nil, &trouble{unix.EACCES, e.who() + " may not search the directory " + plan.Printable(f.path)}
	case maybe:
		return nil, unknown
	}
	next := *f
	if name == "." {
		return &next, nil
	}
	next.path = strings.TrimSuffix(f.path, "/") + "/" + name
	if why := next.look(); why != nil {
		if next.path == f.name {
			why = &trouble{errno: why.errno} // there is nothing to add
		}
		return nil, why
	}
	if next.flags != f.flags {
		next.mounted = next.path
	}
	return &next, nil
}

// look finds out what f.path is.
func (f *found) look() *trouble {
	switch err := unix.Lstat(f.path, &f.st); err {
	case nil:
	case unix.ENOENT:
		return &trouble{unix.ENOENT, "there is no " + plan.Printable(f.path)}
	case unix.ENAMETOOLONG:
		return &trouble{unix.ENAMETOOLONG, ""}
	default:
		return unknown
	}
	if f.st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return nil // its file system is that of the directory
	}
	var fs unix.Statfs_t
	if unix.Statfs(f.path, &fs) != nil || fs.Type == unix.AUTOFS_SUPER_MAGIC {
		return unknown
	}
	f.flags, f.fsType = int64(fs.Flags), magicOf(&fs)
	f.remote = f.remote || decidesElsewhere(f.fsType)
	return nil
}

// magicOf is the type of a file system. Where the kernel's word is of 32 bits, some are negative.
func magicOf(fs *unix.Statfs_t) int64 { return int64(uint32(fs.Type)) }

// follow reads a symbolic link. Those of /proc are other things in the child.
func (f *found) follow() (string, *trouble) {
	if f.flags&stNosymfollow != 0 {
		return "", &trouble{unix.ELOOP, "a symbolic link, and " + plan.Printable(f.mounted) + " is mounted nosymfollow"}
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlink(f.path, buf)
	if err != nil || n == 0 || n == len(buf) || f.fsType == unix.PROC_SUPER_MAGIC {
		return "", unknown
	}
	return string(buf[:n]), nil
}

// decidesElsewhere reports whether the modes of a file system don't say who may do
// what.
func decidesElsewhere(magic int64) bool {
	switch magic {
	case unix.NFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.SMB_SUPER_MAGIC,
		unix.V9FS_MAGIC, unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.CODA_SUPER_MAGIC:
		return true
	}
	return false
}
