package plan

import (
	"os"

	"github.com/safespawn/spawn/internal/raw"
)

// ForkExec is what the fallback over os.StartProcess can set on a child.
type ForkExec struct {
	Setsid     bool
	Setpgid    bool
	Pgid       int
	TTY        *os.File
	Credential *Credential
	Chroot     string
	Cgroup     *os.File // in which the child is made; only on Linux
	Job        *raw.Job // in which the child begins; only on Windows
	LeadsGroup bool     // the child leads a process group or a session
}

// Leads reports whether the child leads a process group, whose id is its pid.
func (f *ForkExec) Leads() bool { return f.Setsid || f.Setpgid && f.Pgid == 0 }

// Credential is the ids of a child.
type Credential struct {
	UID, GID   uint32
	Groups     []uint32
	KeepGroups bool
}

// Engine is where there is what the fork+exec fallback can't do.
const Engine = "linux on amd64, arm64, 386, arm, riscv64, loong64, ppc64le or s390x"
