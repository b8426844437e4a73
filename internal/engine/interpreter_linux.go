//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"bytes"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
)

// headSize is BINPRM_BUF_SIZE: what the kernel looks at to tell what a file is.
const headSize = 256

// maxScripts is how many scripts may interpret each other.
const maxScripts = 5

// header is what the kernel makes of a file: the interpreter that it names, or
// what is wrong with it.
type header struct {
	script bool
	elf    *elfHeader // nil where it is none
	interp string
	wrong  *trouble
}

// readHeader reads a file that the child may read, too: only of that is anything
// told. It opens nothing but a regular file, and does not wait for the holder of a
// lease.
func (f *found) readHeader() (h header, ok bool) {
	fd, err := openRegular(f)
	if err != nil {
		return h, false
	}
	defer unix.Close(fd)
	head := make([]byte, headSize)
	n, ok := readAt(fd, head, 0)
	switch {
	case !ok:
		return h, false
	case n == 0:
		h.wrong = &trouble{unix.ENOEXEC, "an empty file"}
	case bytes.HasPrefix(head, []byte("#!")):
		h.script = true
		h.interp, h.wrong = scriptInterpreter(head)
	case bytes.HasPrefix(head, []byte(elfMagic)):
		h.elf = parseELF(head)
		h.interp, h.wrong = h.elf.interpreter(fd)
	default:
		h.wrong = &trouble{unix.ENOEXEC, notAProgram}
	}
	return h, true
}

const notAProgram = "no program of this machine, and no #! line"

// openRegular opens what lookup has found, if it is still that.
func openRegular(f *found) (int, error) {
	at, err := highfd.Open(f.path, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(at)
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return -1, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Dev != f.st.Dev || st.Ino != f.st.Ino {
		return -1, unix.ESTALE
	}
	return highfd.Open("/proc/thread-self/fd/"+strconv.Itoa(at), unix.O_RDONLY|unix.O_NONBLOCK, 0)
}

// readAt fills b as far as the file goes.
func readAt(fd int, b []byte, off int64) (n int, ok bool) {
	for n < len(b) {
		k, err := unix.Pread(fd, b[n:], off+int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, false
		case k == 0:
			return n, true
		default:
			n += k
		}
	}
	return n, true
}

// scriptInterpreter reads a line as the kernel does: the name ends at a blank, a NUL or
// the end of the line, and must end somewhere in what it looks at.
func scriptInterpreter(head []byte) (string, *trouble) {
	line, _, whole := bytes.Cut(head[2:], []byte("\n"))
	if !whole {
		line = head[2:]
	}
	name := bytes.TrimLeft(line, " \t")
	end := bytes.IndexAny(name, " \t\x00")
	if end >= 0 {
		name = name[:end]
	} else if !whole && len(name) > 0 {
		return "", &trouble{unix.ENOEXEC, fmt.Sprintf("the interpreter in its #! line does not end within the first %d bytes", headSize)}
	}
	if len(name) == 0 {
		errno := unix.ENOEXEC
		if end >= 0 && len(bytes.Trim(head[2:headSize-1], " \t")) > 0 {
			errno = unix.EACCES // the name is there, and empty: the working directory's
		}
		return "", &trouble{errno, "its #! line names no interpreter"}
	}
	return string(name), nil
}
