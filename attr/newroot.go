package attr

import (
	"cmp"
	"io/fs"
	"path"
	"strings"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// NewRoot gives the child a root directory that has nothing but the entries. They are
// made in the order of the list, on an empty tmpfs. The old root is unmounted
// afterwards, so nothing outside can be reached. The working directory is the new root.
// The child must have a mount namespace of its own: by [Namespaces] or [Unshare] with
// CLONE_NEWNS. Before the first mount, all mounts in the namespace become private.
//
// It happens after [Mounts]. The sources of Bind are opened before the root changes. All
// other paths are resolved in the new root, with symbolic links: no link and no ".."
// leads out of it.
//
// If the present root is an initramfs, the error is EINVAL. In a new user namespace the child
// needs an [IDMap]: without ids it can make no files, and the error is EOVERFLOW. Linux 5.12
// for Bind.
// Privilege: CAP_SYS_ADMIN and CAP_SYS_CHROOT. The child has them in a user namespace
// made together with the mount namespace. See pivot_root(2), open_tree(2).
type NewRoot []RootEntry

// RootEntry is a place in a [NewRoot]: a file or directory from outside with Bind, a
// file system with FSType, a link with Symlink, and without any of them a directory.
type RootEntry struct {
	// Path is absolute, without "..". Its missing parents are made, with mode 0755. What
	// is to be mounted also has its mount point made. A directory may be there already.
	// "/" is for the first entry alone, with Bind or FSType: it is then the root, and not
	// a tmpfs.
	Path string
	// Bind is a file or directory of the present root, with all mounts beneath it. A
	// symbolic link is followed. A directory may be one that the child may not enter. It is
	// read-only, its device files can't be opened, and its set-user-ID bits do nothing.
	Bind string
	// Writable is for a Bind whose files may be changed.
	Writable bool
	// Devices is for a Bind whose device files may be opened.
	Devices bool
	// FSType is the type of a file system without a source, such as "tmpfs", "proc" or
	// "devpts". Only that of devpts has device files. Set-user-ID bits do nothing.
	FSType string
	// Data are the options of FSType. It is shorter than a page.
	Data string
	// Symlink is where a symbolic link leads. It is an error (EEXIST) if Path exists.
	Symlink string
	// Perm is for a new directory; 0 means 0755. The umask does not count.
	Perm fs.FileMode
}

// MinimalDev is a directory with the device files that programs expect: null, zero,
// full, random, urandom and tty of the present /dev, terminals of its own, the standard
// streams, and an empty shm. dir is the Path, such as "/dev". The files are those of
// [NewRoot]; it needs an entry for /proc, too.
func MinimalDev(dir string) []RootEntry {
	list := []RootEntry{{Path: dir, FSType: "tmpfs", Data: "mode=0755"}}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		list = append(list, RootEntry{Path: dir + "/" + name, Bind: "/dev/" + name, Writable: true, Devices: true})
	}
	list = append(list,
		RootEntry{Path: dir + "/pts", FSType: "devpts", Data: "newinstance,ptmxmode=0666,mode=620"},
		RootEntry{Path: dir + "/shm", Perm: 0o777 | fs.ModeSticky},
	)
	for _, link := range [][2]string{
		{"ptmx", "pts/ptmx"}, {"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
	} {
		list = append(list, RootEntry{Path: dir + "/" + link[0], Symlink: link[1]})
	}
	return list
}

// Of linux/mount.h, linux/fcntl.h, linux/stat.h and asm/errno.h.
const (
	msReadOnly, msNoSuid, msNoDev = 1, 2, 4 // and MOUNT_ATTR_*

	openTreeClone, atEmptyPath, atRecursive = 0x1, 0x1000, 0x8000
	moveFromEmpty, moveToLinks              = 0x4, 0x10
	pathOnly, cloexec                       = 0x200000, 0x80000 // O_DIRECTORY differs from one architecture to another
	regularFile, sticky, defaultDirectory   = 0o100000, 0o1000, 0o755
	errnoAccess, errnoExists, errnoNotDir   = 13, 17, 20
	sizeofMountAttr                         = 32
)

func (r NewRoot) check(c *plan.Claims) error {
	if len(r) == 0 {
		return invalid(plan.StepNewRoot, "", "no entries")
	}
	for i, e := range r {
		if err := e.check(i == 0); err != nil {
			return err
		}
	}
	needMounts(c, "attr.NewRoot")
	return c.Claim("the root directory", "attr.NewRoot")
}

func (e RootEntry) check(first bool) error {
	kinds := 0
	for _, s := range []string{e.Bind, e.FSType, e.Symlink} {
		if s != "" {
			kinds++
		}
	}
	wrong := func(format string, args ...any) error { return invalid(plan.StepNewRoot, e.Path, format, args...) }
	mounts := e.Bind != "" || e.FSType != ""
	switch {
	case !path.IsAbs(e.Path) || hasParent(e.Path):
		return wrong("a path that is not absolute, or has ..")
	case kinds > 1:
		return wrong("more than one of Bind, FSType and Symlink")
	case path.Clean(e.Path) == "/" && (!first || !mounts):
		return wrong("the root itself is for the first entry alone, and to be mounted")
	case (e.Writable || e.Devices) && e.Bind == "":
		return wrong("Writable and Devices are for Bind")
	case e.Data != "" && e.FSType == "":
		return wrong("Data is for FSType")
	case e.Perm != 0 && kinds > 0 || e.Perm&^(fs.ModePerm|fs.ModeSticky) != 0:
		return wrong("Perm is for a directory, with permissions and the sticky bit alone")
	case len(e.Symlink) >= maxPath || strings.IndexByte(e.Symlink, 0) >= 0:
		return wrong("a target of more than %d bytes, or with a NUL byte", maxPath-1)
	}
	return e.mounting().check()
}

func hasParent(p string) bool {
	for name := range strings.SplitSeq(p, "/") {
		if name == ".." {
			return true
		}
	}
	return false
}

// lower has the child make the root on top of the old one, and in a chroot there, so
// that nothing leads out of it. The old root is there until the end, because a new proc
// needs one to be seen.
func (r NewRoot) lower(p *plan.Plan) {
	p.Chrooted = true
	if !p.Claims().Has(theMounts) {
		privateMounts(p)
	}
	l := rooting{p, p.Builder().Var(), p.Builder().Var()}
	trees := make([]raw.Var, len(r))
	for i, e := range r {
		if e.Bind != "" {
			trees[i] = l.openTree(e)
		}
	}
	entries := r
	base := RootEntry{Path: "/", FSType: "tmpfs", Data: "mode=0755"}
	var tree raw.Var
	if path.Clean(r[0].Path) == "/" {
		base, tree, entries, trees = r[0], trees[0], r[1:], trees[1:]
	}
	l.enter(base, tree)
	for i, e := range entries {
		e.Path = path.Clean(e.Path)
		l.make(e, trees[i])
	}
	l.leave()
}

// rooting makes a new root: old is a descriptor of the old one, mask the umask.
type rooting struct {
	p         *plan.Plan
	old, mask raw.Var
}

func (l *rooting) call(sys raw.Sys, args ...raw.Arg) raw.OpRef {
	return l.p.Call(plan.Root, sys, args...)
}

func (l *rooting) text(s string) raw.Arg { return l.p.Builder().String(s) }

// openTree opens a copy of what is to be bound.
func (l *rooting) openTree(e RootEntry) raw.Var {
	b := l.p.Builder()
	tree := b.Var()
	l.p.Step(plan.StepOpenTree, e.Bind)
	l.call(raw.OpenTree, raw.Int(plan.AtFdcwd), l.text(e.Bind), raw.Int(openTreeClone|atRecursive|cloexec)).Keep(tree)
	flags := uint64(msNoSuid)
	if !e.Writable {
		flags |= msReadOnly
	}
	if !e.Devices {
		flags |= msNoDev
	}
	l.call(raw.MountSetattr, raw.VarArg(tree, 0), l.text(""), raw.Int(atEmptyPath|atRecursive), b.Words(flags, 0, 0, 0), raw.Int(sizeofMountAttr))
	return tree
}

// enter mounts the base of the new root on top of the old one. From the old one it can
// be reached by "..", and by nothing else.
func (l *rooting) enter(base RootEntry, tree raw.Var) {
	l.p.Step(plan.StepNewRoot, base.mounting().object())
	l.call(raw.Umask, raw.Int(0)).Keep(l.mask)
	l.call(raw.Openat, raw.Int(plan.AtFdcwd), l.text("/"), raw.Int(pathOnly|cloexec), raw.Int(0)).Keep(l.old)
	l.mount(base, tree)
	l.call(raw.Chdir, l.text("/.."))
	l.call(raw.Chroot, l.text("."))
}

// leave makes the new root that of the mount namespace.
func (l *rooting) leave() {
	l.p.Step(plan.StepNewRoot, "/")
	l.call(raw.Umask, raw.VarArg(l.mask, 0))
	l.call(raw.Fchdir, raw.VarArg(l.old, 0))
	l.call(raw.Chroot, l.text("."))
	l.call(raw.Close, raw.VarArg(l.old, 0))
	l.call(raw.Chdir, l.text("/.."))
	pivotHere(l.p)
}

// make makes an entry, with its parents.
func (l *rooting) make(e RootEntry, tree raw.Var) {
	for i := 1; i < len(e.Path); i++ {
		if e.Path[i] == '/' {
			l.directory(e.Path[:i], defaultDirectory)
		}
	}
	switch {
	case e.Symlink != "":
		l.p.Step(plan.StepSymlink, e.Path)
		l.call(raw.Symlinkat, l.text(e.Symlink), raw.Int(plan.AtFdcwd), l.text(e.Path))
	case e.Bind != "":
		l.mountPoint(e, tree)
		l.p.Step(plan.StepMount, e.mounting().object())
		l.mount(e, tree)
	case e.FSType != "":
		l.directory(e.Path, defaultDirectory)
		l.p.Step(plan.StepMount, e.mounting().object())
		l.mount(e, tree)
	default:
		l.directory(e.Path, e.mode())
		fd := l.p.Builder().Var() // of what may be there and is no directory
		l.call(raw.Openat, raw.Int(plan.AtFdcwd), l.text(e.Path+"/"), raw.Int(pathOnly|cloexec), raw.Int(0)).Keep(fd)
		l.call(raw.Close, raw.VarArg(fd, 0))
	}
}

func (e RootEntry) mode() int64 {
	mode := int64(cmp.Or(e.Perm.Perm(), defaultDirectory))
	if e.Perm&fs.ModeSticky != 0 {
		mode |= sticky
	}
	return mode
}

// directory makes a directory where nothing is.
func (l *rooting) directory(name string, mode int64) {
	l.p.Step(plan.StepMkdir, name)
	l.call(raw.Mkdirat, raw.Int(plan.AtFdcwd), l.text(name), raw.Int(mode)).Tolerate(errnoExists)
}

// mountPoint makes a directory where nothing is, or a file if a file is to be mounted. The
// kernel looks at the kind of a file before it looks whether the child may enter it.
func (l *rooting) mountPoint(e RootEntry, tree raw.Var) {
	entered := l.p.Builder().Var()
	l.p.Step(plan.StepMount, e.mounting().object())
	l.call(raw.Fchdir, raw.VarArg(tree, 0)).Else(1, errnoNotDir, errnoAccess).KeepError(entered)
	l.p.Step(plan.StepMkdir, e.Path)
	l.call(raw.Mknodat, raw.Int(plan.AtFdcwd), l.text(e.Path), raw.Int(regularFile|0o644), raw.Int(0)).
		Tolerate(errnoExists).SkipEqual(entered, ^uint64(errnoAccess-1)) // -errnoAccess, of a directory
	l.directory(e.Path, defaultDirectory) // and leaves the file alone
}

// mount mounts a tree, or a new file system, on what a path leads to.
func (l *rooting) mount(e RootEntry, tree raw.Var) {
	at := l.text(e.Path)
	if e.Bind != "" {
		l.call(raw.MoveMount, raw.VarArg(tree, 0), l.text(""), raw.Int(plan.AtFdcwd), at, raw.Int(moveFromEmpty|moveToLinks))
		l.call(raw.Close, raw.VarArg(tree, 0))
		return
	}
	flags := int64(msNoSuid)
	if e.FSType != "devpts" {
		flags |= msNoDev
	}
	data := raw.Int(0)
	if e.Data != "" {
		data = l.text(e.Data)
	}
	l.call(raw.Mount, l.text(e.FSType), at, l.text(e.FSType), raw.Int(flags), data)
}

// mounting is the entry as one of [Mounts].
func (e RootEntry) mounting() Mount {
	return Mount{Source: cmp.Or(e.Bind, e.FSType), Target: e.Path, FSType: e.FSType, Data: e.Data}
}
