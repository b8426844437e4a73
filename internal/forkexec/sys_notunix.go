//go:build !unix

package forkexec

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
)

// checkAttributes refuses what asks for anything but a job or a process group of Windows:
// there is no Unix here.
func checkAttributes(list attr.List) error {
	for i := range list {
		var f plan.ForkExec
		_, err := attrlist.Fallback(list[i:i+1], &f)
		if runtime.GOOS == "windows" {
			f.Job, f.Setpgid, f.LeadsGroup = nil, f.Pgid != 0, false
		}
		if err == nil && f != (plan.ForkExec{}) {
			return plan.AttrError(plan.StepAttr, i, "", unsupported(fmt.Sprintf("%T", list[i])))
		}
	}
	return nil
}

// checkActions finds what can't be done: descriptors other than 0, 1 and 2, and
// what takes a directory or a terminal by number.
func (p *Program) checkActions() error {
	for i := range p.actions {
		x := &p.actions[i]
		switch {
		case x.Kind == plan.ActFchdir, x.Kind == plan.ActTcsetpgrp, x.Kind == plan.ActOpenAt && x.From != plan.AtFdcwd:
			return x.ErrorAt(i, unsupported("FileActions."+x.Kind.String()))
		}
	}
	for i := range p.files.needs {
		if n := &p.files.needs[i]; n.kind == needNumber && n.fd > 2 {
			return p.actions[n.action].ErrorAt(n.action, unsupported("a descriptor above 2"))
		}
	}
	for n, entry := range p.files.table {
		if n > 2 && entry.need != shut {
			return p.actions[entry.action].ErrorAt(entry.action, unsupported("a descriptor above 2"))
		}
	}
	return nil
}

// get opens a file or takes one as it is.
func (n *need) get(heldFiles) (heldFile, error) {
	switch n.kind {
	case needNumber:
		return heldFile{File: [...]*os.File{os.Stdin, os.Stdout, os.Stderr}[n.fd]}, nil
	case needFile:
		if _, err := highfd.Number(n.file); err != nil {
			return heldFile{}, err // package os would pass a handle of this process
		}
		return heldFile{File: n.file}, nil
	case needDir:
		return heldFile{}, n.checkDir()
	}
	f, err := os.OpenFile(n.at.path, n.flag, n.perm)
	return heldFile{f, true}, plan.Bare(err)
}

func (n *need) checkDir() error {
	st, err := os.Stat(n.at.path)
	if err == nil && !st.IsDir() {
		return syscall.ENOTDIR
	}
	return plan.Bare(err)
}

// busy is for Unix: a program that is open for writing.
func busy(error) bool { return false }

// procAttr says to os.StartProcess what to do.
func (p *Program) procAttr(held *heldFiles, base *syscall.SysProcAttr) (*os.ProcAttr, error) {
	files := make([]*os.File, 3)
	p.files.place(*held, files)
	return &os.ProcAttr{Dir: p.files.cwd.path, Env: p.env, Files: files, Sys: p.sysOf(base)}, nil
}
