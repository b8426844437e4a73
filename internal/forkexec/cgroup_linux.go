package forkexec

import (
	"os"
	"syscall"

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
