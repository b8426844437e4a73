//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/plan"
)

// view is how a child differs from this process in what it may see and do, as far
// as its attributes and actions tell. What is said of a failure must hold for the
// child: where that can't be known nothing is said.
type view struct {
	attrs   attr.List // for type switches; TestLinkedParts says why
	foreign bool      // another root or other mounts: a path is another file's
	moved   bool      // another working directory
	userns  bool      // another user namespace
	noIDs   bool      // none is mapped there
	ownMaps bool      // whose maps it writes
	setsIDs bool
	ruled   bool // by Landlock

	optional []plan.Optional // which of attrs it may not have
}

func newView(in *Input, p *plan.Plan) view {
	v := view{attrs: inner(in.Attr), foreign: p.Chrooted, ruled: p.Ruleset != nil, optional: p.Optional}
	v.userns = (p.Clone.Bits|p.Unshare.Bits)&unix.CLONE_NEWUSER != 0
	v.noIDs = v.userns && p.IDMap == nil // what is joined has its own
	v.ownMaps = p.Unshare.Bits&unix.CLONE_NEWUSER != 0
	for _, j := range p.Joins {
		v.userns = v.userns || j.Types == 0 || j.Types&unix.CLONE_NEWUSER != 0
		v.foreign = v.foreign || j.Types == 0 || j.Types&unix.CLONE_NEWNS != 0
	}
	for _, a := range in.Attr {
		switch a.(type) {
		case attr.Credential, attr.IDs, attr.ResetIDs:
			v.setsIDs = true
		case attr.Mounts:
			v.foreign = true
		}
	}
	for i := range in.Actions {
		k := in.Actions[i].Kind
		v.moved = v.moved || k == plan.ActChdir || k == plan.ActFchdir
	}
	return v
}

// inner is a list where no attribute is optional.
func inner(list attr.List) attr.List {
	for i, a := range list {
		if a, ok := attrlist.Optional(a); ok {
			list = slices.Clone(list)
			list[i] = a
		}
	}
	return list
}

// answer is one to a question about the child.
type answer int8

const (
	maybe answer = iota
	no
	yes
)

func answerOf(b bool) answer {
	if b {
		return yes
	}
	return no
}

// or is yes if one of them is.
func (a answer) or(b answer) answer {
	switch {
	case a == yes || b == yes:
		return yes
	case a == no && b == no:
		return no
	}
	return maybe
}

// eyes are the child's credentials at execve.
type eyes struct {
	uid, gid         uint32
	groups           []int
	own              bool   // they are this thread's
	unknown          bool   // ids of another user namespace
	override, search answer // CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
}

// eyes makes them of those of this thread.
func (v *view) eyes() eyes {
	e := eyes{uid: uint32(unix.Geteuid()), gid: uint32(unix.Getegid()), own: !v.userns && !v.setsIDs}
	e.groups, _ = unix.Getgroups()
	was := e.uid
	e.unknown = v.userns && v.setsIDs
	e.setIDs(v)
	if v.userns || was != 0 && e.uid == 0 {
		return e
	}
	mine, _ := threadCaps()
	e.override, e.search = answerOf(mine.effective.has(unix.CAP_DAC_OVERRIDE)), answerOf(mine.effective.has(unix.CAP_DAC_READ_SEARCH))
	if v.setsIDs && was == 0 && e.uid != 0 {
		e.override, e.search = no, no
	}
	if v.changesCaps() {
		e.own, e.override, e.search = false, maybe, maybe
	}
	return e
}

func (e *eyes) setIDs(v *view) {
	regroup := func(groups []uint32, keep bool) {
		if keep {
			return
		}
		e.groups = nil
		for _, g := range groups {
			e.groups = append(e.groups, int(g))
		}
	}
	for _, a := range v.attrs {
		switch a := a.(type) {
		case attr.Credential:
			e.uid, e.gid = a.UID, a.GID
			regroup(a.Groups, a.KeepGroups)
		case attr.IDs:
			if a.EUID != attr.KeepID {
				e.uid = a.EUID
			}
			if a.EGID != attr.KeepID {
				e.gid = a.EGID
			}
			regroup(a.Groups, a.KeepGroups)
		case attr.ResetIDs:
			e.uid, e.gid = uint32(unix.Getuid()), uint32(unix.Getgid())
		}
	}
}

// changesCaps reports whether attributes change the effective set.
func (v *view) changesCaps() bool {
	return slices.ContainsFunc(v.attrs, func(a attr.Attr) bool {
		switch a := a.(type) {
		case attr.AmbientCaps, attr.SecureBits:
			return true
		case attr.Capabilities:
			return a.Effective != nil || len(a.Ambient) > 0
		}
		return false
	})
}

// who names them in a hint.
func (e *eyes) who() string { return "uid " + strconv.FormatUint(uint64(e.uid), 10) }

// Of a mode.
const (
	mayRead  = 4
	mayWrite = 2
	mayExec  = 1
)

// may reports whether the mode of a file allows what is asked for. A list of
// access rights, and a file server, may say otherwise.
func (e *eyes) may(f *found, ask uint32) answer {
	if e.unknown || f.remote {
		return maybe
	}
	if e.own {
		return answerOf(unix.Faccessat(unix.AT_FDCWD, f.path, ask, unix.AT_EACCESS) == nil)
	}
	dir := f.st.Mode&unix.S_IFMT == unix.S_IFDIR
	override := e.override
	if ask == mayExec && !dir && f.st.Mode&0o111 == 0 {
		override = no
	}
	if dir && ask == mayExec || ask == mayRead {
		override = override.or(e.search)
	}
	return e.byMode(f, ask).or(override)
}

func (e *eyes) byMode(f *found, ask uint32) answer {
	mode := f.st.Mode
	if e.uid == f.st.Uid {
		return answerOf(mode>>6&ask == ask)
	}
	if n, err := unix.Lgetxattr(f.path, "system.posix_acl_access", nil); err == nil && n > 0 {
		return maybe
	}
	if e.gid == f.st.Gid || slices.Contains(e.groups, int(f.st.Gid)) {
		mode >>= 3
	}
	return answerOf(mode&ask == ask)
}
