//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"bytes"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/fdtable"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// programFile is a program that is an open file.
type programFile struct {
	*os.File
	verified *highfd.Held // not nil where it must be the file that was verified
	shell    bool         // a shell runs what the kernel can't execute
	at       raw.Arg      // where the child has it
	script   string       // what a shell calls it
}

// bringProgram puts the program where it stays until execve. What is for an interpreter
// stays open in the program, too: the kernel calls it by the name of its descriptor.
func (p *Program) bringProgram(f *fdtable.Lowering) error {
	x := &p.program
	if x.File == nil {
		return nil
	}
	fd, err := p.hold(x.File, plan.PartSpec, plan.StepPath, -1)
	if err != nil {
		return plan.SpecError(plan.StepPath, x.Name(), err)
	}
	p.files[len(p.files)-1].verified = x.verified
	stays := interpreted(fd, x.shell)
	if stays && x.shell && p.all {
		return plan.SpecError(plan.StepPath, x.Name(), plan.Invalid("Shell with File and InheritAll: nobody knows the number of the file"))
	}
	f.Bring(fdtable.Extra{FD: fd, Late: true, Step: plan.StepPath, Index: -1, Part: plan.PartSpec, Object: x.Name(), Lower: func(from raw.Arg) {
		var number int
		x.at, number = f.Program(from, stays)
		x.script = "/dev/fd/" + strconv.Itoa(number)
	}})
	return nil
}

// interpreted reports whether an interpreter runs a file, or a shell. What can't be read
// may be for the shell, if there is one, and counts as a program of this machine otherwise.
func interpreted(fd int, shell bool) bool {
	head := make([]byte, headSize)
	if _, ok := readAt(fd, head, 0); !ok {
		return shell
	}
	return !bytes.HasPrefix(head, []byte(elfMagic)) || parseELF(head).foreign() != ""
}

// fileHint says more about a failed execve of an open file.
func fileHint(errno syscall.Errno) string {
	switch errno {
	case unix.ENOENT:
		return "its interpreter is missing, or it is a script that could not be read before"
	case unix.ETXTBSY:
		return "open for writing"
	case unix.ENOEXEC:
		return notAProgram
	}
	return ""
}
