//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64) && !android

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
func (s *search) descends(name string) bool {
	if s.depth == 0 {
		s.depth = len(family(strconv.Itoa(s.init)).numbers)
	}
	self, _ := os.Readlink("/proc/self") // there is a /proc
	for range maxLine {
		f := family(name)
		switch {
		case s.depth == 0 || len(f.numbers) < s.depth:
			return false
		case f.parent == strconv.Itoa(s.init) || f.parent == self:
			return true
		}
		name = f.parent
		if fd, err := highfd.Open("/proc/"+name+"/ns/pid", unix.O_RDONLY, 0); err == nil {
			in, err := s.contains(fd)
			return in && err == nil
		}
	}
	return false
}

// relatives are what a process's status says of it.
type relatives struct {
	numbers [][]byte // its own, in each namespace from that of /proc on
	parent  string
}

// family reads the status of a process, and has nothing where there is none.
func family(name string) relatives {
	status, err := highfd.ReadFile("/proc/" + name + "/status")
	if err != nil {
		return relatives{}
	}
	return relatives{bytes.Fields(field(status, "NSpid")), string(field(status, "PPid"))}
}

// field is what a status has after a name.
func field(status []byte, name string) []byte {
	_, rest, _ := bytes.Cut(status, []byte("\n"+name+":"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	return bytes.TrimSpace(line)
}
