package spawn

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/plan"
)

// LookPath returns the absolute path of a program. It looks for the name in the
// directories of PATH, as env has it, for a child whose working directory is dir.
//
// If env is nil, it is this process's environment. If PATH occurs several times, its
// last entry counts. If env has no PATH, nothing is found. Relative directories of PATH,
// and empty ones, are relative to dir. If dir is empty, they are left out: a program is
// then never found in the working directory by accident. A relative dir is relative to
// this process's working directory.
//
// A name with a slash is not searched for. If it is relative, it is relative to dir, or
// without dir to this process's working directory.
//
// The program is a regular file that this process may execute. On Linux a file on
// a file system that is mounted noexec is passed over, too. Windows adds the extensions of PATHEXT.
//
// The error is an [*Error] of the step "path". It matches [fs.ErrNotExist] if there is
// no such program, and [fs.ErrPermission] if there are only files that can't be executed.
// A path that was found may be another file when the program is started; see Spec.File.
func LookPath(name string, env []string, dir string) (string, error) {
	s := search{vars: env, dir: dir, relative: dir != "", mine: true}
	if env == nil {
		s.vars = os.Environ()
	}
	if !filepath.IsAbs(dir) {
		here, err := os.Getwd()
		if err != nil {
			return "", notFound(name, &plan.Error{Err: plan.Bare(err)})
		}
		s.dir = from(here, dir)
	}
	return s.find(name)
}

// LookPath is like the function [LookPath] with the child's environment, its root
// directory and its working directory. The result is for s.Path: a path in the child's
// root directory.
//
// The root directory is that of attr.Chroot or attr.PivotRoot, and the working directory
// that of the Chdir actions. What attr.Mounts or a joined mount namespace will put there
// is not seen. After an Fchdir the working directory is not known: relative directories
// of PATH are left out, and a relative name with a slash is returned as it is. If
// attributes change the ids of the child, the mode of the file decides, and not what this
// process may execute.
func (s *Spec) LookPath(name string) (string, error) {
	l := search{vars: s.env(), relative: true, mine: !changesIDs(s.Attr), root: rootOf(s.Attr)}
	l.dir = "/"
	if l.root == "" {
		here, err := os.Getwd()
		if err != nil {
			return "", notFound(name, &plan.Error{Err: plan.Bare(err)})
		}
		l.dir = here
	}
	for i := range s.Actions.list {
		switch x := &s.Actions.list[i]; x.Kind {
		case plan.ActChdir:
			l.relative = l.relative || filepath.IsAbs(x.Path)
			l.dir = from(l.dir, x.Path)
		case plan.ActFchdir:
			l.relative = false
		}
	}
	if !l.relative && hasDirectory(name) && !filepath.IsAbs(name) {
		return name, nil
	}
	return l.find(name)
}

// rootOf is the child's root directory, if attributes change it.
func rootOf(list attr.List) string {
	for _, a := range list {
		switch x := a.(type) {
		case attr.Chroot:
			return string(x)
		case attr.PivotRoot:
			return string(x)
		}
	}
	return ""
}

// changesIDs reports whether the child may execute other files than this process.
func changesIDs(list attr.List) bool {
	return slices.ContainsFunc(list, func(a attr.Attr) bool {
		switch a.(type) {
		case attr.Credential, attr.IDs, attr.ResetIDs, attr.Namespaces, attr.Unshare, attr.JoinNamespace, attr.Capabilities:
			return true
		}
		return false
	})
}

// search is for a program of a child.
type search struct {
	vars     []string // the environment
	root     string   // the root directory; empty for this process's
	dir      string   // the working directory, in root
	relative bool     // relative directories of PATH count
	mine     bool     // the child may execute what this process may
}

// find returns the first file that is a program.
func (s *search) find(name string) (string, error) {
	if err := plan.CheckPath(name); err != nil {
		return "", notFound(name, &plan.Error{Err: err})
	}
	worst := &plan.Error{Err: syscall.ENOENT}
	dirs := []string{s.dir}
	if !hasDirectory(name) {
		value, ok := lastValue(s.vars, "PATH")
		if !ok {
			worst.Hint = "the environment has no PATH"
		}
		dirs = filepath.SplitList(value)
	}
	for _, d := range dirs {
		if !filepath.IsAbs(d) && !s.relative {
			continue
		}
		for _, candidate := range candidates(from(s.dir, d), name, s.vars) {
			err := s.check(candidate)
			if err == nil {
				return candidate, nil
			}
			missing := err == syscall.ENOENT || err == syscall.ENOTDIR && !hasDirectory(name)
			if worst.Err == syscall.ENOENT && !missing {
				worst = &plan.Error{Object: candidate, Err: err}
			}
		}
	}
	return "", notFound(name, worst)
}

// notFound is the error for a name.
func notFound(name string, e *plan.Error) error {
	return &Error{Path: name, Part: PartSpec, Step: StepPath, Index: -1, Object: e.Object, Err: e.Err, Hint: e.Hint}
}

// from is where path is for somebody in the directory dir. The result is not made
// shorter: the directory above a symbolic link is not the one that the link is in.
func from(dir, path string) string {
	switch {
	case filepath.IsAbs(path):
		return path
	case path == "" || path == ".":
		return dir
	}
	return strings.TrimSuffix(dir, string(os.PathSeparator)) + string(os.PathSeparator) + path
}

// lastValue is the value of a variable.
func lastValue(env []string, key string) (value string, ok bool) {
	for _, entry := range slices.Backward(env) {
		k, v, found := strings.Cut(entry, "=")
		if found && sameKey(k, key) {
			return v, true
		}
	}
	return "", false
}

// check finds out whether a path in the child's root is a program. Its errors are
// those of system calls, without the path.
func (s *search) check(path string) error {
	if s.root != "" {
		inside, err := insideRoot(s.root, path)
		if err != nil {
			return err
		}
		path = inside
	}
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return plan.Bare(err)
	case !st.Mode().IsRegular():
		return syscall.EACCES
	case s.mine:
		return mayExecute(path, st.Mode())
	}
	return byMode(st.Mode())
}

// maxLinks is how many symbolic links a path may have.
const maxLinks = 40

// insideRoot is where the path of a process leads to whose root directory is root. No
// symbolic link leads out.
func insideRoot(root, path string) (string, error) {
	at, rest, links := "", path, 0
	for rest != "" {
		var next string
		next, rest, _ = strings.Cut(rest, "/")
		switch next {
		case "", ".":
			continue
		case "..":
			at = at[:max(strings.LastIndexByte(at, '/'), 0)]
			continue
		}
		target, err := os.Readlink(root + at + "/" + next)
		if err != nil {
			at += "/" + next // whoever opens it finds what is wrong
			continue
		}
		if links++; links > maxLinks {
			return "", syscall.ELOOP
		}
		if strings.HasPrefix(target, "/") {
			at = ""
		}
		rest = target + "/" + rest
	}
	return root + at, nil
}
