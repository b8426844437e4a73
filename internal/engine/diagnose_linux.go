//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// diagnosis is what is needed to say why execve failed: its errno alone does not
// tell a missing program from a missing interpreter, nor what forbids one.
type diagnosis struct {
	view
	bytes  int  // of arguments and environment
	byFile bool // the program is an open file
}

func newDiagnosis(in *Input, p *plan.Plan) diagnosis {
	return diagnosis{newView(in, p), size(in.Argv) + size(in.Env), in.File != nil}
}

// explain makes the error of a failed execve. It looks at the files only now that
// it has failed, so what it says is a hint; the errno is the kernel's.
func (d *diagnosis) explain(path string, errno syscall.Errno) error {
	e := &plan.Error{Part: plan.PartStart, Step: plan.StepExecve, Index: -1, Object: path, Err: notLacking(errno)}
	switch {
	case errno == unix.E2BIG:
		e.Hint = d.tooMuch()
	case errno == unix.EAGAIN:
		d.tooManyOfUser().tell(e, errno)
	case d.byFile:
		e.Hint = fileHint(errno)
	case errno == unix.ETXTBSY:
		e.Object, e.Hint = d.busy(path)
	default:
		e.Object, e.Hint = d.follow(path, errno)
	}
	if e.Hint == "" {
		e.Hint = d.mayForbid(errno)
	}
	return e
}

// follow looks for what is wrong in the order in which the kernel does: with the
// program, then with its interpreter, and with the interpreter's. It says nothing
// where that is not what the kernel has said.
func (d *diagnosis) follow(path string, errno syscall.Errno) (object, hint string) {
	c := chain{diagnosis: d, eyes: d.eyes(), errno: errno}
	bad, why := c.walk(path)
	if errno == unix.ENOENT && len(c.seen) == 0 && !strings.Contains(path, "/") {
		return path, plan.NotAPath
	}
	switch {
	case why == nil && errno == unix.EPERM:
		why = d.tooCapable(c.last)
	case (why == nil || why == unknown) && errno == unix.ENOENT && len(c.seen) > 0:
		return path, "the file is there, but not an interpreter that it needs"
	}
	if why == nil || why.errno != errno {
		return path, ""
	}
	if strings.HasSuffix(bad, "\r") && errno == unix.ENOENT {
		why = &trouble{errno, "its name ends in a carriage return, as lines do on other systems"}
	}
	if c.by != "" {
		return bad, strings.TrimSuffix("interpreter of "+plan.Printable(c.by)+"; "+why.hint, "; ")
	}
	return bad, why.hint
}

// chain is a program, its interpreter and so on, as far as they were followed.
type chain struct {
	*diagnosis
	eyes
	errno syscall.Errno
	by    string // who named the last one
	last  *found // it, if it is there
	seen  []*found
}

// walk returns the first name with which something is wrong, and what; or the last
// one.
func (c *chain) walk(name string) (string, *trouble) {
	for scripts := 0; ; scripts++ {
		if scripts > maxScripts {
			return name, &trouble{unix.ELOOP, "more than " + strconv.Itoa(maxScripts) + " scripts that interpret each other"}
		}
		if why := c.runnable(name); why != nil {
			return name, why
		}
		if c.ruled || c.may(c.last, mayRead) != yes {
			return name, c.unread()
		}
		h, ok := c.last.readHeader()
		switch {
		case !ok:
			return name, c.unread()
		case h.wrong != nil:
			return name, h.wrong
		case h.elf != nil:
			return c.loader(name, &h)
		}
		c.by, name = name, h.interp
	}
}

// unread is about a file whose contents are none of the caller's business.
func (c *chain) unread() *trouble {
	if c.errno == unix.ENOEXEC {
		return &trouble{c.errno, notAProgram}
	}
	return nil
}

// loader looks at an ELF program and its dynamic loader.
func (c *chain) loader(name string, h *header) (string, *trouble) {
	switch {
	case c.errno == unix.ENOEXEC && h.elf.otherWidth() != 0:
		return name, &trouble{unix.ENOEXEC, fmt.Sprintf("a program of %d bits, which this kernel does not run", h.elf.otherWidth())}
	case c.errno == unix.ENOEXEC:
		return name, &trouble{unix.ENOEXEC, damagedELF}
	case h.interp == "":
		return name, nil
	}
	program := c.last
	by := c.by
	c.by = name
	if why := c.runnable(h.interp); why != nil {
		return h.interp, why
	}
	if c.may(c.last, mayRead) == yes {
		if why := h.elf.loads(c.last); why != nil {
			return h.interp, why
		}
	}
	c.last, c.by = program, by // whose capabilities count
	return name, nil
}

// runnable finds a file and says why it can't be run, whatever is in it.
func (c *chain) runnable(name string) *trouble {
	c.last = nil
	f, why := c.lookup(&c.eyes, name)
	if why != nil {
		return why
	}
	c.last, c.seen = f, append(c.seen, f)
	switch f.st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		return &trouble{unix.EACCES, "a directory"}
	default:
		return &trouble{unix.EACCES, "not a regular file"}
	}
	switch {
	case f.flags&stNoexec != 0:
		return &trouble{unix.EACCES, plan.Printable(f.mounted) + " is mounted noexec"}
	case f.fsType == unix.PROC_SUPER_MAGIC || f.fsType == unix.SYSFS_MAGIC:
		return &trouble{unix.EACCES, "nothing is run from " + plan.Printable(f.mounted)}
	}
	switch c.may(f, mayExec) {
	case maybe:
		if c.errno == unix.EACCES {
			return unknown
		}
	case no:
		if f.st.Mode&0o111 == 0 {
			return &trouble{unix.EACCES, "not executable by its mode"}
		}
		return &trouble{unix.EACCES, c.who() + " may not execute it"}
	}
	return nil
}

// mayForbid is what in the child's own attributes may be the cause, where nothing
// else was found.
func (d *diagnosis) mayForbid(errno syscall.Errno) string {
	refused := errno == unix.EACCES || errno == unix.EPERM
	var may []string
	if refused && d.ruled {
		may = append(may, "Landlock")
	}
	for _, a := range d.attrs {
		switch a := a.(type) {
		case attr.SELinuxContext:
			if refused {
				may = append(may, "the policy of SELinux")
			}
		case attr.AppArmorProfile:
			if refused || errno == unix.ENOENT {
				may = append(may, "the policy of AppArmor")
			}
		case attr.Seccomp:
			if errnos(a)[errno] {
				may = append(may, "the seccomp filter")
			}
		}
	}
	if len(may) == 0 {
		return ""
	}
	return "maybe not allowed by " + strings.Join(may, " or ")
}

// errnos are those that a filter can make calls fail with.
func errnos(s attr.Seccomp) map[syscall.Errno]bool {
	all := map[syscall.Errno]bool{}
	for _, x := range s.Filter {
		if x.Code == unix.BPF_RET|unix.BPF_K && x.K&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_ERRNO {
			all[syscall.Errno(x.K&unix.SECCOMP_RET_DATA)] = true
		}
	}
	return all
}

// tooMuch is about the size of arguments and environment.
func (d *diagnosis) tooMuch() string {
	text := fmt.Sprintf("%d bytes of arguments and environment", d.bytes)
	stack, ok := d.limit(unix.RLIMIT_STACK)
	if !ok {
		return text
	}
	const least, most = 128 << 10, 6 << 20 // ARG_MAX, three quarters of _STK_LIM
	return fmt.Sprintf("%s, the limit is %d, of RLIMIT_STACK", text, max(min(stack/4, most), least))
}

// limit is a soft limit of the child at execve.
func (d *diagnosis) limit(resource int) (uint64, bool) {
	var l unix.Rlimit
	if unix.Getrlimit(resource, &l) != nil {
		return 0, false
	}
	for i, a := range d.attrs {
		sure := !slices.ContainsFunc(d.optional, func(o plan.Optional) bool { return o.Index == i })
		switch x := a.(type) {
		case attr.Rlimit:
			if int(x.Resource) == resource {
				return x.Soft, sure
			}
		case attr.RlimitToHard:
			if int(x) == resource {
				return l.Max, sure
			}
		}
	}
	return l.Cur, true
}

// busy looks whether it is this process that has the program, or an interpreter of
// it, open for writing.
func (d *diagnosis) busy(name string) (object, hint string) {
	c := chain{diagnosis: d, eyes: d.eyes(), errno: unix.ETXTBSY}
	_, _ = c.walk(name)
	files := ownFiles()
	for _, s := range c.seen {
		for fd, target := range files {
			if path.Base(target) == path.Base(s.path) && writes(fd, &s.st) {
				return s.name, "open for writing in this process, as descriptor " + strconv.Itoa(fd)
			}
		}
	}
	return name, "open for writing"
}

// ownFiles are the files that descriptors of this process are open on.
func ownFiles() map[int]string {
	files := map[int]string{}
	for _, n := range raw.NamesQuickly("/proc/thread-self/fd") {
		fd, err := strconv.Atoi(n)
		if target, rerr := os.Readlink("/proc/thread-self/fd/" + n); err == nil && rerr == nil {
			files[fd] = target
		}
	}
	return files
}

// writes reports whether a descriptor is one to write to a file.
func writes(fd int, file *unix.Stat_t) bool {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Ino != file.Ino || st.Dev != file.Dev {
		return false
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY
}
