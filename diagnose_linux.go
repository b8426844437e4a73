//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// diagnosis is what is needed to say why execve failed: its errno alone does not
// tell a missing program from a missing interpreter.
type diagnosis struct {
	blind bool // the path means something else in the child
	bytes int  // of arguments and environment

	landlocked bool // Landlock may not allow it
}

func newDiagnosis(s *Spec, chrooted bool, bytes int) diagnosis {
	d := diagnosis{blind: chrooted, bytes: bytes}
	if !filepath.IsAbs(s.Path) {
		for i := range s.Actions.list {
			k := s.Actions.list[i].kind
			d.blind = d.blind || k == actChdir || k == actFchdir
		}
	}
	return d
}

// explain makes the error of a failed execve. It looks at the file only now that
// it has failed, so what it says is a hint; the errno is the kernel's.
func (d diagnosis) explain(path string, errno syscall.Errno) error {
	e := &Error{Path: path, Step: "execve", Index: -1, Object: path, Err: errno}
	if errno == unix.E2BIG {
		e.Object = fmt.Sprintf("%d bytes of arguments and environment", d.bytes)
		return e
	}
	if d.blind {
		return e
	}
	switch errno {
	case unix.ENOENT, unix.ENOTDIR, unix.EACCES, unix.ELOOP, unix.ELIBBAD:
		if interp := interpreter(path); interp != "" && !runnable(interp) {
			e.Object = "interpreter " + printable(interp)
			return e
		}
	}
	if errno == unix.EACCES {
		switch st, err := os.Stat(path); {
		case err != nil:
		case st.IsDir():
			e.Object = path + ", a directory"
		case !st.Mode().IsRegular():
			e.Object = path + ", not a regular file"
		case st.Mode()&0o111 == 0:
			e.Object = path + ", not executable by its mode"
		case d.landlocked:
			e.Object = path + ", maybe not allowed by attr.Landlock"
		}
	}
	if errno == unix.ENOEXEC {
		e.Object = path + ", neither a program for this machine nor a script with #!"
	}
	return e
}

// runnable reports whether execve may take path for a program.
func runnable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() && unix.Access(path, unix.X_OK) == nil
}

// printable shows what can't be seen, such as the carriage return that a script
// from another system has at the end of its first line.
func printable(s string) string {
	if q := strconv.Quote(s); len(q) != len(s)+2 {
		return q
	}
	return s
}

// interpreter is what a script's first line or an ELF program's header names.
func interpreter(path string) string {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return ""
	}
	head := make([]byte, 256)
	n, _ := io.ReadFull(f, head)
	head = head[:n]
	if rest, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		line = bytes.TrimLeft(line, " \t")
		if end := bytes.IndexAny(line, " \t\x00"); end >= 0 {
			line = line[:end]
		}
		return string(line)
	}
	return elfInterpreter(f)
}

func elfInterpreter(r io.ReaderAt) string {
	f, err := elf.NewFile(r)
	if err != nil {
		return ""
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP && p.Filesz < 4096 {
			s, err := io.ReadAll(p.Open())
			if err != nil {
				return ""
			}
			return string(bytes.TrimRight(s, "\x00"))
		}
	}
	return ""
}
