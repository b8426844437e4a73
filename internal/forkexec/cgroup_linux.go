package forkexec

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
)

// setCgroup asks for the child to be made in a control group. Linux 5.7.
func (p *Program) setCgroup(held *heldFiles, sys *syscall.SysProcAttr) error {
	dir := p.attr.Cgroup
	if dir == nil {
		return nil
	}
	if sys.UseCgroupFD {
		return p.cgroupError(plan.Invalid("SysProcAttr.UseCgroupFD does it, too"))
	}
	fd := -1
	err := highfd.WithNumber(dir, func(n int) (err error) {
		fd, err = highfd.Dup(n)
		return err
	})
	if err != nil {
		return p.cgroupError(err)
	}
	*held = append(*held, heldFile{os.NewFile(uintptr(fd), "spawn"), true})
	var fs unix.Statfs_t
	if unix.Fstatfs(fd, &fs) == nil && fs.Type != unix.CGROUP2_SUPER_MAGIC {
		return p.cgroupError(fmt.Errorf("%w: %w", plan.Invalid("not the directory of a cgroup of version 2"), unix.EBADF))
	}
	sys.UseCgroupFD, sys.CgroupFD = true, fd
	return nil
}

func (p *Program) cgroupError(err error) error {
	i := indexOf[attr.Cgroup](p.list)
	if i < 0 {
		_, i = attrlist.TreeOf(p.list)
	}
	return plan.AttrError(plan.StepCgroup, i, p.attr.Cgroup.Name(), err)
}
