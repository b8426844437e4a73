package forkexec

import (
	"os"
	"syscall"

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
	fd := -1
	err := highfd.WithNumber(dir, func(n int) (err error) {
		fd, err = highfd.Dup(n)
		return err
	})
	if err != nil {
		_, i := attrlist.TreeOf(p.list)
		return plan.AttrError(plan.StepCgroup, i, dir.Name(), err)
	}
	*held = append(*held, heldFile{os.NewFile(uintptr(fd), "spawn"), true})
	sys.UseCgroupFD, sys.CgroupFD = true, fd
	return nil
}
