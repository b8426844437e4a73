//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"strconv"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
	"github.com/safespawn/spawn/internal/testenv/tiny"
)

// told is what an error has to say of its cause: the object, and what the hint has
// in it, if anything; "" is a hint that must be empty.
type told struct {
	object string
	errno  syscall.Errno
	hint   []string
}

// differs says how a failed start says something else.
func (w told) differs(err error) string {
	var e *spawn.Error
	if !errors.As(err, &e) {
		return "not an *Error"
	}
	if e.Object != w.object || !errors.Is(err, w.errno) {
		return fmt.Sprintf("object %q and %v", e.Object, w.errno)
	}
	for _, text := range w.hint {
		if text == "" && e.Hint != "" || !strings.Contains(e.Hint, text) {
			return fmt.Sprintf("hint %q", text)
		}
	}
	return ""
}

func checkTold(t testing.TB, s *spawn.Spec, w told) {
	t.Helper()
	if how := w.ofStarts(s); how != "" {
		t.Errorf("%s: %s", s.Path, how)
	}
}

// ofStarts says how a start says something else, or one of a program that was compiled before.
func (w told) ofStarts(s *spawn.Spec) string {
	compiled := func(ctx context.Context, s *spawn.Spec) (*spawn.Process, error) {
		p, err := spawn.Compile(s)
		if err != nil {
			return nil, err
		}
		return p.Start(ctx)
	}
	for _, start := range []func(context.Context, *spawn.Spec) (*spawn.Process, error){spawn.Start, compiled} {
		p, err := start(context.Background(), s)
		if err == nil {
			_, _ = p.Wait(context.Background())
		}
		if how := w.differs(err); how != "" {
			return fmt.Sprintf("%v (%#v): want %s", err, err, how)
		}
	}
	return ""
}

// TestInterpreterChain has programs of which something further on is missing or
// bad: it is that which the error is about.
func TestInterpreterChain(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	file := func(name, text string) string { return testenv.Write(t, in(name), text, 0o755) }
	if err := errors.Join(os.Symlink("loop", in("loop")), os.Symlink(in("gone"), in("dangling")), os.Mkdir(in("dir"), 0o755)); err != nil {
		t.Fatal(err)
	}
	missing := file("missing", "#!/nonexistent/x\n")
	plain := file("plain", "text\n")
	foreign := file("foreign", otherMachine(t))
	closed := testenv.Write(t, in("closed"), "#!/bin/sh\n", 0o644)
	loads := func(name, interp string) string { return file(name, string(tiny.Interpreted(runtime.GOARCH, interp))) }
	for path, w := range map[string]told{
		file("1", "#!"+missing+"\n"):                            {"/nonexistent/x", unix.ENOENT, []string{missing, "/nonexistent"}},
		file("2", "#!"+plain+"\n"):                              {plain, unix.ENOEXEC, []string{in("2"), "no #! line"}},
		file("3", "#!/"+strings.Repeat("y", 300)):               {in("3"), unix.ENOEXEC, []string{"256 bytes"}},
		file("4", "#!\n"):                                       {in("4"), unix.ENOEXEC, []string{"no interpreter"}},
		file("5", "#!  \t \n/bin/sh"):                           {in("5"), unix.ENOEXEC, []string{"no interpreter"}},
		file("6", "#!"+foreign+" -x\n"):                         {foreign, unix.ENOEXEC, []string{in("6"), "a program for "}},
		file("7", "#!"+in("loop")+"\n"):                         {in("loop"), unix.ELOOP, []string{in("7"), "symbolic links"}},
		file("8", "#!"+in("dangling")+"\n"):                     {in("dangling"), unix.ENOENT, []string{in("8"), in("gone")}},
		file("9", "#!"+closed+"\n"):                             {closed, unix.EACCES, []string{in("9"), "mode"}},
		file("10", "#!"+in("dir")+"\n"):                         {in("dir"), unix.EACCES, []string{"directory"}},
		file("11", "#!"+plain+"/sh\n"):                          {plain + "/sh", unix.ENOTDIR, []string{plain + " is not a directory"}},
		file("12", "#!/bin/sh\r\n"):                             {"/bin/sh\r", unix.ENOENT, []string{in("12")}},
		loads("20", "/nonexistent/ld.so"):                       {"/nonexistent/ld.so", unix.ENOENT, []string{in("20")}},
		loads("21", file("long", strings.Repeat("long ", 100))): {in("long"), unix.ELIBBAD, []string{in("21"), "no ELF"}},
		loads("22", file("short", "#!/bin/sh\n")):               {in("short"), unix.EIO, []string{"too short"}},
		loads("23", foreign):                                    {foreign, unix.ELIBBAD, []string{"a program for "}},
		loads("24", closed):                                     {closed, unix.EACCES, []string{"mode"}},
		file("25", "#!"+in("20")+"\n"):                          {"/nonexistent/ld.so", unix.ENOENT, []string{in("20")}},
		file("30", ""):                                          {in("30"), unix.ENOEXEC, []string{"empty"}},
		in("loop"):                                              {in("loop"), unix.ELOOP, []string{"symbolic links"}},
		in("dangling"):                                          {in("dangling"), unix.ENOENT, []string{in("gone")}},
		in("no/such/file"):                                      {in("no/such/file"), unix.ENOENT, []string{"there is no " + in("no")}},
		in("no"):                                                {in("no"), unix.ENOENT, []string{""}},
		missing:                                                 {"/nonexistent/x", unix.ENOENT, []string{missing}},
	} {
		checkTold(t, &spawn.Spec{Path: path}, w)
	}
}

// TestScriptLines compares what is said with what the kernel does, for all lines
// that end around the last byte that it looks at.
func TestScriptLines(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "script")
	for _, end := range []string{"", "\n", " ", "\t\n", "\x00", "\r\n"} {
		for _, blanks := range []string{"", strings.Repeat(" ", 230), strings.Repeat("\t", 253)} {
			for n := range 258 - len(blanks) {
				if n > 1 && n < 251-len(blanks) {
					continue
				}
				interp := strings.Repeat("y", n)
				testenv.Write(t, path, "#!"+blanks+interp+end, 0o755)
				_, err := spawn.Start(context.Background(), &spawn.Spec{Path: path})
				var e *spawn.Error
				if !errors.As(err, &e) {
					t.Fatalf("%d, %q: %v", n, end, err)
				}
				w := told{interp, unix.ENOENT, []string{path}}
				switch {
				case errors.Is(err, unix.ENOEXEC), errors.Is(err, unix.EACCES):
					w = told{path, e.Err.(syscall.Errno), []string{"#! line"}}
				case errors.Is(err, unix.ENAMETOOLONG):
					w.errno, w.hint = unix.ENAMETOOLONG, nil
				case end == "\r\n":
					w.object += "\r"
				}
				if how := w.differs(err); how != "" {
					t.Errorf("%d blanks, %d, %q: %v: want %s", len(blanks), n, end, err, how)
				}
			}
		}
	}
}

// TestScriptLevels has scripts that interpret each other, until the kernel has
// enough.
func TestScriptLevels(t *testing.T) {
	dir := t.TempDir()
	path := testenv.Program(t, filepath.Join(dir, "0"), 3)
	for n := 1; n < 9; n++ {
		path = testenv.Write(t, filepath.Join(dir, strconv.Itoa(n)), "#!"+path+"\n", 0o755)
		state, err := spawn.Run(context.Background(), &spawn.Spec{Path: path})
		if err == nil {
			if n > 5 || state.ExitCode() != 3 {
				t.Errorf("%d scripts: %v", n, state)
			}
			continue
		}
		w := told{filepath.Join(dir, strconv.Itoa(n-6)), unix.ELOOP, []string{filepath.Join(dir, strconv.Itoa(n-5)), "5 scripts"}}
		if how := w.differs(err); how != "" || n <= 5 {
			t.Errorf("%d scripts: %v: want %s", n, err, how)
		}
	}
}

// TestNothingButFilesIsOpened watches what must not be opened only to say what it
// is: somebody may wait at its other end.
func TestNothingButFilesIsOpened(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o755); err != nil {
		t.Fatal(err)
	}
	script := testenv.Write(t, filepath.Join(dir, "script"), "#!"+fifo+"\n", 0o755)
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(watch)
	if _, err := unix.InotifyAddWatch(watch, fifo, unix.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	checkTold(t, &spawn.Spec{Path: fifo}, told{fifo, unix.EACCES, []string{"not a regular file"}})
	checkTold(t, &spawn.Spec{Path: script}, told{fifo, unix.EACCES, []string{"not a regular file"}})
	if n, err := unix.Read(watch, make([]byte, 4096)); err != unix.EAGAIN {
		t.Errorf("the FIFO was opened: %d, %v", n, err)
	}
}

// TestNothingIsQuoted has a file that the child may run and not read.
func TestNothingIsQuoted(t *testing.T) {
	const secret = "/secret/interpreter"
	path := testenv.Write(t, filepath.Join(testenv.PublicDir(t), "script"), "#!"+secret+"\n", 0o711)
	s := &spawn.Spec{Path: path}
	if os.Geteuid() == 0 {
		s.Attr = attr.List{attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}}
	} else if err := os.Chmod(path, 0o111); err != nil {
		t.Fatal(err)
	}
	_, err := spawn.Start(context.Background(), s)
	if how := (told{path, unix.ENOENT, []string{"is there"}}).differs(err); how != "" || strings.Contains(fmt.Sprintf("%v %#v", err, err), "secret") {
		t.Errorf("%v: want %s", err, how)
	}
}

// TestSilentAboutOtherViews has children for which a path is not that of this
// process: nothing is said of files that are others' here.
func TestSilentAboutOtherViews(t *testing.T) {
	dir := t.TempDir()
	testenv.Write(t, filepath.Join(dir, "script"), "#!/nonexistent/x\n", 0o755)
	other := filepath.Join(dir, "other")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "script")
	moved := spawntest.WithActions(&spawn.Spec{Path: "./script"}, func(a *spawn.FileActions) { a.Chdir(dir) })
	checkTold(t, moved, told{"./script", unix.ENOENT, []string{""}})
	relative := spawntest.WithActions(&spawn.Spec{Path: testenv.Write(t, filepath.Join(dir, "relative"), "#!"+filepath.Base(dir)+"\n", 0o755)},
		func(a *spawn.FileActions) { a.Chdir("/") })
	checkTold(t, relative, told{relative.Path, unix.ENOENT, []string{"is there"}})
	checkTold(t, &spawn.Spec{Path: "/proc/self/fd/999"}, told{"/proc/self/fd/999", unix.ENOENT, []string{""}})
	if !mayMount(t) {
		return
	}
	user := attr.List{attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS}, attr.IDMap{
		UID: []attr.IDMapEntry{{HostID: os.Getuid(), Size: 1}}, GID: []attr.IDMapEntry{{HostID: os.Getgid(), Size: 1}}}}
	covered := attr.Mounts{{Source: "none", Target: dir, FSType: "tmpfs"}}
	for _, list := range []attr.List{{covered}, {attr.Chroot(other)}, {attr.PivotRoot(other)}} {
		checkTold(t, &spawn.Spec{Path: script, Attr: append(user[:2:2], list...)}, told{script, unix.ENOENT, []string{""}})
	}
	same := &spawn.Spec{Path: script, Attr: user}
	checkTold(t, same, told{"/nonexistent/x", unix.ENOENT, []string{script}})
}

// mayMount reports whether a child can have mounts of its own.
func mayMount(t testing.TB) bool {
	t.Helper()
	_, err := spawn.Run(context.Background(), &spawn.Spec{Path: "/bin/true", Attr: attr.List{
		attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS},
		attr.IDMap{UID: []attr.IDMapEntry{{HostID: os.Getuid(), Size: 1}}, GID: []attr.IDMapEntry{{HostID: os.Getgid(), Size: 1}}},
	}})
	return err == nil
}
