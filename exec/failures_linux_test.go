//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// A failureCase is a way to fail to start. With a step the error names it, which
// os/exec's does not; without, nothing tells the errors apart.
type failureCase struct {
	cmd   exec.Cmd
	step  string
	who   user
	their *osexec.Cmd // not nil: what has a context
}

// user is who can fail like that.
type user int

const (
	anybody user = iota
	onlyRoot
	onlyOthers
)

// verdict is all that a program may ask of an error.
type verdict struct {
	typ, text, op, path string
	bare                bool // Err of the PathError is a syscall.Errno
	errno               syscall.Errno
	is                  []string // by errors.Is and errors.As
	olds                []string // by functions of package os
}

func judge(err error) (v verdict) {
	v.typ, v.text = fmt.Sprintf("%T", err), fmt.Sprint(err)
	if pe, ok := err.(*fs.PathError); ok {
		v.op, v.path = pe.Op, pe.Path
		_, v.bare = pe.Err.(syscall.Errno)
		v.olds = append(v.olds, fmt.Sprint("Timeout ", pe.Timeout()))
	}
	errors.As(err, &v.errno)
	for name, target := range map[string]error{
		"ErrNotExist": fs.ErrNotExist, "ErrPermission": fs.ErrPermission, "ErrExist": fs.ErrExist, "ErrInvalid": fs.ErrInvalid,
		"ErrUnsupported": errors.ErrUnsupported, "ErrClosed": fs.ErrClosed, "ErrDot": exec.ErrDot, "ErrNotFound": exec.ErrNotFound,
		"Canceled": context.Canceled, "the errno": v.errno,
	} {
		if errors.Is(err, target) {
			v.is = append(v.is, name)
		}
	}
	var ee *exec.Error
	if errors.As(err, &ee) {
		v.is = append(v.is, "exec.Error")
	}
	var timeout interface{ Timeout() bool }
	v.is = append(v.is, fmt.Sprint("has Timeout ", errors.As(err, &timeout) && timeout.Timeout()))
	for name, is := range map[string]func(error) bool{
		"IsNotExist": os.IsNotExist, "IsPermission": os.IsPermission, "IsExist": os.IsExist, "IsTimeout": os.IsTimeout,
	} {
		if is(err) {
			v.olds = append(v.olds, name)
		}
	}
	slices.Sort(v.is)
	slices.Sort(v.olds)
	return v
}

// without leaves out what the step changes.
func (v verdict) without(text bool) verdict {
	if !text {
		return v
	}
	v.text, v.bare = "", false
	v.olds = slices.DeleteFunc(slices.Clone(v.olds), func(s string) bool { return strings.HasPrefix(s, "Is") && s != "IsTimeout" })
	return v
}

// TestFailures compares errors of Start with os/exec's. docs/migrating.md has what
// may differ.
func TestFailures(t *testing.T) {
	for name, c := range failureCases(t) {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			if root := os.Geteuid() == 0; c.who == onlyRoot && !root || c.who == onlyOthers && root {
				return // the other run has it
			}
			if c.step == "cgroup" {
				testenv.NeedCall(t, "clone3, which os/exec can't do without", unix.SYS_CLONE3)
			}
			if strings.HasPrefix(name, "clone flags") {
				spawntest.NeedNamespaces(t, spawntest.WithUser(unix.CLONE_NEWPID))
			}
			if name == "unshare flags" {
				testenv.NeedCall(t, "unshare", unix.SYS_UNSHARE)
			}
			if name == "FIFO" {
				writerForExec(t, c.cmd.Path)
			}
			cmd := c.cmd
			if cmd.Path == "" && cmd.Err == nil {
				cmd.Path = "/bin/true"
			}
			their := c.their
			if their == nil {
				their = theirs(&cmd)
			}
			theirErr, ourErr := their.Start(), cmd.Start()
			if theirErr == nil || ourErr == nil {
				_, _ = their.Wait(), cmd.Wait()
				t.Fatalf("got %v, with os/exec %v", ourErr, theirErr)
			}
			t.Log(ourErr)
			want, got := judge(theirErr), judge(ourErr)
			step := c.step != ""
			if w, g := fmt.Sprintf("%+v", want.without(step)), fmt.Sprintf("%+v", got.without(step)); w != g {
				t.Errorf("got\n%s, with os/exec\n%s", g, w)
			}
			var se *spawn.Error
			switch found := errors.As(ourErr, &se); {
			case !step && found:
				t.Errorf("step %s beneath the error", se.Step)
			case step && (!found || se.Step != c.step):
				t.Errorf("got %+v, want step %s", se, c.step)
			}
		})
	}
}

// writerForExec gives a FIFO a writer for the test where execve waits for one: gVisor opens a
// file before it looks of which kind it is.
func writerForExec(t *testing.T, fifo string) {
	t.Helper()
	sh := osexec.Command("/bin/sh", "-c", `exec "$0"`, fifo)
	if err := sh.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- sh.Wait() }()
	for {
		switch f, err := os.OpenFile(fifo, os.O_WRONLY|unix.O_NONBLOCK, 0); {
		case err == nil:
			f.Close()
			<-over
			both, err := os.OpenFile(fifo, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { both.Close() })
			return
		case !errors.Is(err, unix.ENXIO):
			t.Fatal(err)
		}
		select {
		case <-over:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func failureCases(t *testing.T) map[string]failureCase {
	dir := t.TempDir()
	file := func(name, text string, perm fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), perm), os.Chmod(path, perm)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Chmod(dir, 0o755))
	closed, loop, fifo := filepath.Join(dir, "closed"), filepath.Join(dir, "loop"), filepath.Join(dir, "fifo")
	must(os.Mkdir(closed, 0o700))
	program := filepath.Join(closed, "program")
	must(os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755))
	if os.Geteuid() != 0 {
		must(os.Chmod(closed, 0))
		t.Cleanup(func() { _ = os.Chmod(closed, 0o700) })
	}
	must(os.Symlink(loop, loop))
	must(unix.Mkfifo(fifo, 0o755))
	plain, busy := file("plain", "text", 0o644), file("busy", "\x7fELF", 0o755)
	writer, err := os.OpenFile(busy, os.O_WRONLY, 0)
	must(err)
	t.Cleanup(func() { writer.Close() })
	high, err := unix.FcntlInt(writer.Fd(), unix.F_DUPFD_CLOEXEC, 800)
	must(err)
	beneath := os.NewFile(uintptr(high), "closed behind its back")
	must(unix.Close(high))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ended := exec.CommandContext(ctx, "/bin/true")
	notFile := file("target", "", 0o644)
	null, err := os.Open(os.DevNull)
	must(err)
	t.Cleanup(func() { null.Close() })
	nullFD := int(null.Fd())

	sys := func(s syscall.SysProcAttr) exec.Cmd { return exec.Cmd{SysProcAttr: &s} }
	long, longest := strings.Repeat("x", 300), 32*os.Getpagesize()
	cases := map[string]failureCase{
		"no program":               {cmd: exec.Cmd{Path: "/no/such"}},
		"no program, with sys":     {cmd: exec.Cmd{Path: "/no/such", SysProcAttr: &syscall.SysProcAttr{Setsid: true}}},
		"no program, with dir":     {cmd: exec.Cmd{Path: "./no/such", Dir: dir}},
		"program below a file":     {cmd: exec.Cmd{Path: plain + "/x"}},
		"directory":                {cmd: exec.Cmd{Path: dir}},
		"root directory":           {cmd: exec.Cmd{Path: "/"}},
		"not executable":           {cmd: exec.Cmd{Path: plain}},
		"device":                   {cmd: exec.Cmd{Path: "/dev/null"}},
		"FIFO":                     {cmd: exec.Cmd{Path: fifo}},
		"not for programs":         {cmd: exec.Cmd{Path: "/proc/version"}},
		"text":                     {cmd: exec.Cmd{Path: file("text", "text", 0o755)}},
		"empty":                    {cmd: exec.Cmd{Path: file("empty", "", 0o755)}},
		"empty first line":         {cmd: exec.Cmd{Path: file("first", "#!\n", 0o755)}},
		"broken ELF":               {cmd: exec.Cmd{Path: file("elf", "\x7fELF\x02\x01\x01", 0o755)}},
		"loop":                     {cmd: exec.Cmd{Path: loop}},
		"busy":                     {cmd: exec.Cmd{Path: busy}},
		"long name":                {cmd: exec.Cmd{Path: "/" + long}},
		"long path":                {cmd: exec.Cmd{Path: strings.Repeat("/"+long[:200], 30)}},
		"NUL in path":              {cmd: exec.Cmd{Path: "/bin/true\x00"}},
		"program in a closed dir":  {cmd: exec.Cmd{Path: program}, who: onlyOthers},
		"closed to the new user":   {cmd: exec.Cmd{Path: program, SysProcAttr: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}}, who: onlyRoot},
		"no dir":                   {cmd: exec.Cmd{Dir: "/no/such"}},
		"no dir, with sys":         {cmd: exec.Cmd{Dir: "/no/such", SysProcAttr: &syscall.SysProcAttr{}}},
		"no dir, no program":       {cmd: exec.Cmd{Path: "/no/such", Dir: "/no/dir"}},
		"no dir, NUL in args":      {cmd: exec.Cmd{Dir: "/no/such", Args: []string{"\x00"}}},
		"dir is a file":            {cmd: exec.Cmd{Dir: plain}},
		"dir below a file":         {cmd: exec.Cmd{Dir: plain + "/x"}},
		"dir is a loop":            {cmd: exec.Cmd{Dir: loop}},
		"long dir":                 {cmd: exec.Cmd{Dir: "/" + long}},
		"NUL in dir":               {cmd: exec.Cmd{Dir: "\x00"}},
		"NUL in dir, with sys":     {cmd: exec.Cmd{Dir: "\x00", SysProcAttr: &syscall.SysProcAttr{}}},
		"closed dir":               {cmd: exec.Cmd{Dir: closed}, who: onlyOthers},
		"below a closed dir":       {cmd: exec.Cmd{Dir: closed + "/x"}, who: onlyOthers},
		"dir closed to the user":   {cmd: exec.Cmd{Dir: closed, SysProcAttr: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}}, who: onlyRoot},
		"NUL in env":               {cmd: exec.Cmd{Env: []string{"A=\x00"}}},
		"own error":                {cmd: exec.Cmd{Err: errors.New("mine")}},
		"not in PATH":              {cmd: *exec.Command("no-such-program")},
		"context over":             {cmd: *ended, their: osexec.CommandContext(ctx, "/bin/true")},
		"Cancel without context":   {cmd: exec.Cmd{Cancel: func() error { return nil }}},
		"Setctty and Foreground":   {cmd: sys(syscall.SysProcAttr{Setctty: true, Foreground: true})},
		"Ctty beyond":              {cmd: sys(syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 9})},
		"no interpreter":           {cmd: exec.Cmd{Path: file("script", "#!/no/such\n", 0o755)}, step: "execve"},
		"interpreter, plain":       {cmd: exec.Cmd{Path: file("script2", "#!"+plain+"\n", 0o755)}, step: "execve"},
		"NUL in args":              {cmd: exec.Cmd{Args: []string{"true", "\x00"}}, step: "args"},
		"long argument":            {cmd: exec.Cmd{Args: []string{"true", strings.Repeat("x", longest)}}, step: "args"},
		"long arguments":           {cmd: exec.Cmd{Args: slices.Repeat([]string{strings.Repeat("x", 1<<16)}, 200)}, step: "execve"},
		"long variable":            {cmd: exec.Cmd{Env: []string{"A=" + strings.Repeat("x", longest)}}, step: "env"},
		"no root":                  {cmd: sys(syscall.SysProcAttr{Chroot: "/no/such"}), step: "chroot"},
		"root is a file":           {cmd: sys(syscall.SysProcAttr{Chroot: notFile}), step: "chroot"},
		"root is not for them":     {cmd: sys(syscall.SysProcAttr{Chroot: "/"}), step: "chroot", who: onlyOthers},
		"NUL in root":              {cmd: sys(syscall.SysProcAttr{Chroot: "\x00"}), step: "chroot"},
		"groups":                   {cmd: sys(syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1, Gid: 1}}), step: "setgroups", who: onlyOthers},
		"group":                    {cmd: sys(syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1, Gid: 1, NoSetGroups: true}}), step: "setresgid", who: onlyOthers},
		"bad user":                 {cmd: sys(syscall.SysProcAttr{Credential: &syscall.Credential{Uid: math.MaxUint32, Gid: 1, NoSetGroups: true}}), step: "setresuid", who: onlyRoot},
		"no terminal":              {cmd: sys(syscall.SysProcAttr{Setsid: true, Setctty: true}), step: "ctty"},
		"terminal, no session":     {cmd: sys(syscall.SysProcAttr{Setctty: true}), step: "ctty"},
		"session and group":        {cmd: sys(syscall.SysProcAttr{Setsid: true, Setpgid: true}), step: "setpgid"},
		"no such group":            {cmd: sys(syscall.SysProcAttr{Setpgid: true, Pgid: 1 << 22}), step: "setpgid"},
		"negative group":           {cmd: sys(syscall.SysProcAttr{Setpgid: true, Pgid: -1}), step: "setpgid"},
		"foreground, no terminal":  {cmd: sys(syscall.SysProcAttr{Foreground: true, Ctty: nullFD}), step: "foreground"},
		"foreground, closed":       {cmd: sys(syscall.SysProcAttr{Foreground: true, Ctty: 1 << 20}), step: "foreground"},
		"foreground, negative":     {cmd: sys(syscall.SysProcAttr{Foreground: true, Ctty: -1}), step: "foreground"},
		"nothing to detach from":   {cmd: sys(syscall.SysProcAttr{Noctty: true}), step: "noctty"},
		"cgroup closed":            {cmd: sys(syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: 1 << 20}), step: "cgroup"},
		"no cgroup":                {cmd: sys(syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: nullFD}), step: "cgroup"},
		"clone flags":              {cmd: sys(syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_FS}), step: "clone"},
		"clone flags of threads":   {cmd: sys(syscall.SysProcAttr{Cloneflags: unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_NEWPID}), step: "clone"},
		"namespace":                {cmd: sys(syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUTS}), step: "clone", who: onlyOthers},
		"unshare":                  {cmd: sys(syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWUTS}), step: "unshare", who: onlyOthers},
		"unshare flags":            {cmd: sys(syscall.SysProcAttr{Unshareflags: 1}), step: "unshare"},
		"ambient":                  {cmd: sys(syscall.SysProcAttr{AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN}}), step: "capset", who: onlyOthers},
		"maps":                     {cmd: sys(syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: []syscall.SysProcIDMap{{HostID: 4242, Size: 1}}}), step: "uid_map", who: onlyOthers},
		"death signal":             {cmd: sys(syscall.SysProcAttr{Pdeathsig: 99}), step: "pdeathsig"},
		"closed behind its back":   {cmd: exec.Cmd{ExtraFiles: []*os.File{beneath}}, step: "file"},
		"closed input":             {cmd: exec.Cmd{Stdin: beneath}, step: "file"},
		"directory beneath a link": {cmd: exec.Cmd{Path: dir + "/."}},
	}
	return cases
}

// TestFailureOfLimit has more processes of a user than there may be, which execve
// finds. Of what a step changes os.IsTimeout is no part.
func TestFailureOfLimit(t *testing.T) {
	if os.Geteuid() != 0 {
		return // the other run has it
	}
	cred := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65533, Gid: 65533}}
	one := &exec.Cmd{Path: "/bin/cat", SysProcAttr: cred}
	in, err := one.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		if err := one.Wait(); err != nil {
			t.Error(err)
		}
	}()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NPROC, &was); err != nil {
			t.Error(err)
		}
	}()
	c := &exec.Cmd{Path: "/bin/true", SysProcAttr: cred}
	theirErr, ourErr := theirs(c).Start(), c.Start()
	want, got := judge(theirErr), judge(ourErr)
	if w, g := fmt.Sprintf("%+v", want.without(true)), fmt.Sprintf("%+v", got.without(true)); w != g || !os.IsTimeout(ourErr) {
		t.Errorf("got\n%s, with os/exec\n%s", g, w)
	}
	t.Log(ourErr)
}
