//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// foreground adds what attr.Foreground wants, after setpgid.
func (e *engine) foreground(f *fdPlan) error {
	tty := f.Foreground
	if tty.File == nil {
		return nil
	}
	fd, err := e.hold(tty.File, plan.PartAttr, "foreground", tty.Index)
	if err != nil {
		return plan.AttrError("foreground", tty.Index, tty.Name(), err)
	}
	f.need(fd)
	f.AttrStep("foreground", tty.Index, tty.Name())
	f.setForeground(plan.Session, fdArg(fd))
	return nil
}

// setForeground makes the child's group that in the foreground of a terminal.
func (f *fdPlan) setForeground(ph plan.Phase, fd raw.Arg) {
	pgrp := f.Builder().Var()
	f.Call(ph, raw.Getpgid, raw.Int(0)).Keep(pgrp)
	f.Call(ph, raw.Ioctl, fd, raw.Int(unix.TIOCSPGRP), f.Builder().AddrOf(pgrp))
}

// terminal makes file tty the controlling terminal.
func (f *fdPlan) terminal(tty int) {
	f.stepOf(len(f.actions))
	from, _ := f.source(tty)
	f.Call(plan.Terminal, raw.Ioctl, from, raw.Int(unix.TIOCSCTTY), raw.Int(0))
}

// terminalNumber makes a descriptor that the child has by now the controlling
// terminal.
func (f *fdPlan) terminalNumber() error {
	n := f.TTYNumber
	if n == nil {
		return nil
	}
	object := strconv.Itoa(n.FD)
	if o, _ := f.table.origin(n.FD); o == closed || o == fromParent && n.FD > 2 && !f.all && !f.kept.has(n.FD) {
		return plan.AttrError("ctty", n.Index, object, plan.Invalid("not a descriptor of the child"))
	}
	steal := 0
	if n.Steal {
		steal = 1
	}
	f.AttrStep("ctty", n.Index, object)
	f.Call(plan.Terminal, raw.Ioctl, fdArg(n.FD), raw.Int(unix.TIOCSCTTY), raw.Int(int64(steal)))
	return nil
}
