//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package pidns

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
)

// A member whose namespaces this process may not see has changed its ids, or its program
// may not be read. It is a member all the same.

// knows asks the kernel whether a process has a number in the namespace, which needs Linux 6.12
// and no privilege. The number in /proc must be one that this process knows.
func (s *search) knows(name string) (in, known bool) {
	pid, err := strconv.Atoi(name)
	if err != nil || !kernel.OurIDs() {
		return false, false
	}
	switch unix.IoctlSetInt(s.fd, unix.NS_GET_TGID_IN_PIDNS, pid) {
	case nil:
		return true, true
	case unix.ESRCH:
		return false, true
	}
	return false, false
}

// maxLine bounds the number of ancestors that are looked at.
const maxLine = 1000

// descends is has by what everybody may read: a member has as many numbers as the init, at
// least, and descends from the init, from another member, or from this process. What this
// process has put into another namespace as deep as this one can't be told apart, and
// counts, too.
func (s *search) descends(name string) (bool, error) {
	if s.depth == 0 {
		init, err := family(strconv.Itoa(s.init))
		if err != nil {
			return false, err
		}
		s.depth = len(init.numbers)
	}
	self, _ := os.Readlink("/proc/self") // there is a /proc
	for range maxLine {
		f, err := family(name)
		switch {
		case err != nil || s.depth == 0 || len(f.numbers) < s.depth:
			return false, err
		case f.parent == strconv.Itoa(s.init) || f.parent == self:
			return true, nil
		}
		name = f.parent
		fd, err := highfd.Open("/proc/"+name+"/ns/pid", unix.O_RDONLY, 0)
		switch {
		case err == nil:
			return s.contains(fd)
		case kernel.Passes(err):
			return false, os.NewSyscallError("open /proc/PID/ns/pid", err)
		}
	}
	return false, nil
}

// relatives are what a process's status says of it.
type relatives struct {
	numbers [][]byte // its own, in each namespace from that of /proc on
	parent  string
}

// family reads the status of a process, and has nothing where there is none.
func family(name string) (relatives, error) {
	status, err := highfd.ReadFile("/proc/" + name + "/status")
	switch {
	case kernel.Passes(err):
		return relatives{}, err
	case err != nil:
		return relatives{}, nil
	}
	return relatives{bytes.Fields(field(status, "NSpid")), string(field(status, "PPid"))}, nil
}

// field is what a status has after a name.
func field(status []byte, name string) []byte {
	_, rest, _ := bytes.Cut(status, []byte("\n"+name+":"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	return bytes.TrimSpace(line)
}
