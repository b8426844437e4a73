//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/dumpable"
	"github.com/safespawn/spawn/internal/fdtable"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/lasting"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Start makes a child, and does so once more where a filter that is newer than the
// program refuses the engine's own calls. Errors are of the type *plan.Error, or that of
// ctx.
func (p *Program) Start(ctx context.Context) (Child, error) {
	if p.listens != nil {
		return p.startListening(ctx)
	}
	return p.start(ctx)
}

func (p *Program) start(ctx context.Context) (Child, error) {
	q, err := p.upToDate()
	if err != nil {
		return Child{}, err
	}
	c, err := q.launch(ctx, q.files)
	if again := q.withoutRelay(err); again != nil {
		c, err = again.launch(ctx, again.files)
	}
	if err == nil || !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) {
		return c, err
	}
	kernel.FindAgain()
	if again, _ := p.upToDate(); again != nil && again != q {
		return again.launch(ctx, again.files)
	}
	return c, err
}

// launch runs the program with files held open.
func (p *Program) launch(ctx context.Context, files []heldFile) (c Child, err error) {
	if len(files) == 0 {
		return p.launchIn(ctx)
	}
	h := &files[0]
	conn, err := h.f.SyscallConn()
	if err == nil {
		var inner error
		launch := func(uintptr) {
			if h.stray() {
				inner = h.failed(highfd.ErrStray)
				return
			}
			c, inner = p.launch(ctx, files[1:])
		}
		if conn.Control(launch) == nil {
			return c, inner
		}
		err = os.ErrClosed
	}
	return Child{}, h.failed(err)
}

// launchIn runs the program with the pid namespace open that the child is to be in. Its
// init may die at any moment. clone then fails for want of memory, or the child is killed
// on its way: another namespace is worth another try.
func (p *Program) launchIn(ctx context.Context) (Child, error) {
	if p.guard.Keep != nil {
		if err := p.guard.Keep(); err != nil {
			return Child{}, plan.AttrError(plan.StepTree, p.guard.Index, "", err)
		}
	}
	if p.enter.PIDNamespace == nil {
		return p.launchOnThread(ctx, -1)
	}
	f, err := p.enter.Open()
	if err != nil {
		return Child{}, p.enterError(err)
	}
	c, err := p.launchInto(ctx, f)
	if err == nil || !errors.Is(err, unix.ENOMEM) && !errors.Is(err, unix.ECANCELED) {
		return c, err
	}
	if g, oerr := p.enter.Open(); oerr == nil && g != f {
		return p.launchInto(ctx, g)
	}
	return c, err
}

// launchInto runs the program for a child in the pid namespace of a file.
func (p *Program) launchInto(ctx context.Context, f *os.File) (c Child, err error) {
	uerr := highfd.WithNumber(f, func(fd int) error {
		c, err = p.launchOnThread(ctx, fd)
		return nil
	})
	if uerr != nil {
		return Child{}, p.enterError(uerr)
	}
	return c, err
}

func (p *Program) enterError(err error) error {
	return plan.AttrError(plan.StepSetns, p.enter.Index, p.enter.Object, err)
}

// launchOnThread runs the program on a thread that will do. namespace is the file of the
// pid namespace, where there is one. A goroutine that is locked to
// its thread makes the child itself: the thread may have anything that Linux keeps
// for each, such as a sandbox, and not all of that can be compared.
func (p *Program) launchOnThread(ctx context.Context, namespace int) (c Child, err error) {
	if !p.lasting || lasting.Locked() {
		return p.launchTraced(ctx, namespace)
	}
	return p.launchLasting(ctx, namespace)
}

func (p *Program) launchLasting(ctx context.Context, namespace int) (c Child, err error) {
	errno, ended := lasting.Do(ctx, func() { c, err = p.launchTraced(ctx, namespace) })
	switch {
	case ended != nil:
		return Child{}, ended
	case errno != 0:
		return Child{}, p.cloneError(errno)
	}
	return c, err
}

// launchTraced is launchHere, and does what only the tracer can do, which is the
// thread that makes the child.
func (p *Program) launchTraced(ctx context.Context, namespace int) (Child, error) {
	if p.relay {
		runtime.LockOSThread() // whose end would be that of the relay, too
		defer runtime.UnlockOSThread()
	}
	if p.tracing == nil {
		return p.launchHere(ctx, namespace)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, err := p.launchHere(ctx, namespace)
	if err != nil {
		return c, err
	}
	if err := p.tracing.finish(ctx, &c); err != nil {
		_ = c.kill() // or it has ended
		c.discard()
		if err == ctx.Err() {
			return Child{}, err
		}
		return Child{}, plan.AttrError(p.tracing.Step, p.tracing.Index, "", err)
	}
	return c, nil
}

// launchHere runs the program, once more where others have opened files beside the start
// that it has not reckoned with. The table has grown then, and it grows by doubling.
func (p *Program) launchHere(ctx context.Context, namespace int) (c Child, err error) {
	for range 32 {
		if c, err = p.launchOnce(ctx, namespace); !fdtable.OpenedBeside(err) {
			return c, err
		}
	}
	return Child{}, plan.StartError(plan.StepFileTable, fmt.Errorf("files are opened beside each start: %w", unix.EAGAIN))
}

// launchOnce looks up what depends on the moment and runs the program.
func (p *Program) launchOnce(ctx context.Context, namespace int) (Child, error) {
	highfd.SettlePoller()
	way := p.wayNow()
	if way == copyWay && p.apart != nil {
		return p.apart.launchOnce(ctx, namespace)
	}
	if err := p.fds.Check(p.actions); err != nil {
		return Child{}, err
	}
	var group fdtable.Group
	if p.fds.NeedsSlots() {
		var ok bool
		if group, ok = p.fds.TakeSlots(); !ok {
			return p.copying.launchOnce(ctx, namespace)
		}
		defer group.Release()
	}
	a := attempts.Get().(*attempt)
	*a = attempt{Program: p, ctx: ctx, r: raw.NewRun(p.prog), way: way}
	if p.fds.NeedsSlots() {
		p.fds.SetSlots(a.r, &group)
	}
	a.c = raw.Clone{Flags: p.flags() | p.fds.Flags(a.r) | a.way.flags(), Legacy: !p.feat.Clone3, ErrFD: -1}
	if p.bornInCgroup() {
		a.c.Cgroup = p.heldFD(plan.StepCgroup)
	}
	if p.enter.PIDNamespace != nil {
		a.r.Set(p.enter.fd, uint64(namespace))
	}
	p.setSignals(a.r)
	p.pid.set(a.r)
	if p.listens != nil {
		a.r.Set(p.listens.Number, plan.NoNumber)
	}
	if p.nofile != 0 && limitRaised() {
		a.r.Set(p.nofile, 1)
	}
	hold, err := dumpable.Begin(ctx, p.use)
	if err != nil {
		a.release()
		return Child{}, err
	}
	a.hold = hold
	p.hiding.set(a.r, hold)
	return a.run()
}
