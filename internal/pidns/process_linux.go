//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package pidns

import (
	"errors"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
)

// process is the namespace for those that are to end with this process. It is made at
// first use, and again where its init is dead: somebody outside may have killed it.
var process struct {
	sync.Mutex
	*Namespace
	refused *Refusal
}

// Process returns the file of the namespace of those that end with this process. The file
// stays open until the next call that finds the init dead.
func Process() (*os.File, error) {
	if err := shares(); err != nil {
		return nil, err
	}
	process.Lock()
	defer process.Unlock()
	n := process.Namespace
	if n != nil && n.Usable() {
		return n.File(), nil
	}
	if process.refused != nil {
		return nil, process.refused
	}
	if n != nil {
		process.Namespace = nil
		if n.strays() {
			n.file.Close() // or the collector would
		}
		n.leave()
	}
	n, err := New()
	if err != nil {
		var r *Refusal
		if errors.As(err, &r) && !r.passing {
			process.refused = r
		}
		return nil, err
	}
	process.Namespace = n
	return n.File(), nil
}

// Able reports why Process can't do it here; nil where it has done so before. It does not
// look whether the init is dead.
func Able() error {
	if err := shares(); err != nil {
		return err
	}
	process.Lock()
	there := process.Namespace != nil
	process.Unlock()
	if there {
		return nil
	}
	_, err := Process()
	return err
}

// Probe is what Able is likely to say, by what can be read: a filter for system calls may
// kill for those of Able.
func Probe() error {
	if err := shares(); err != nil {
		return err
	}
	process.Lock()
	there, refused := process.Namespace != nil, process.refused
	process.Unlock()
	switch {
	case there:
		return nil
	case refused != nil:
		return refused
	}
	status, err := highfd.ReadFile("/proc/thread-self/status")
	if err != nil {
		return err
	}
	if !hasSysAdmin(status) {
		return refusedByClone(unix.EPERM)
	}
	if _, err := os.Lstat("/proc/thread-self/ns/pid"); err != nil {
		return refusedByClone(unix.EINVAL)
	}
	return nil
}

// hasSysAdmin reports whether CAP_SYS_ADMIN is in the effective set of a status.
func hasSysAdmin(status []byte) bool {
	set, err := strconv.ParseUint(string(field(status, "CapEff")), 16, 64)
	return err == nil && set&(1<<unix.CAP_SYS_ADMIN) != 0
}

// shares reports that nobody can be put into a namespace, where memory is not shared over
// clone.
func shares() error {
	if !kernel.Current().SharedMemory {
		return &Refusal{What: "memory that is shared over clone", Err: unix.ENOTSUP}
	}
	return nil
}

// exiting is PF_EXITING among the flags in /proc/PID/stat.
const exiting = 0x4

// ending reports whether the init is dying: it can't end before all children of this
// process in its namespace were waited for, and no others can be made any more.
func (n *Namespace) ending() bool {
	pid := n.initInProc()
	if pid == 0 {
		return false // not known
	}
	fields, err := kernel.Stat(strconv.Itoa(pid))
	if err != nil {
		return false
	}
	flags, err := strconv.ParseUint(string(fields[6]), 10, 64)
	return err == nil && flags&exiting != 0
}

// EndForTest ends the namespace of Process, with all that are in it, and forgets why there
// is none.
func EndForTest() {
	process.Lock()
	n := process.Namespace
	process.Namespace, process.refused = nil, nil
	process.Unlock()
	if n != nil {
		n.Close()
	}
}
