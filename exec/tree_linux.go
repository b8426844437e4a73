//go:build (amd64 || arm64) && !android && !spawn_forkexec

package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/logs"
)

// tree is a child and the processes that it has made.
type tree struct {
	proc   *spawn.Process
	pid    int       // of the child, and the id of its process group
	group  bool      // it leads one
	cgroup *cgroup   // nil where none could be made
	loose  error     // why
	tty    *terminal // lent to the child; nil if it has none

	mu     sync.Mutex
	reaped bool  // pid may be anybody's
	left   error // what could not be ended, or removed
}

// drainTime is how long what dead writers have left in a pipe may take to be
// read, and goneTime how long a killed process may take to be gone.
const (
	drainTime = 100 * time.Millisecond
	goneTime  = 2 * time.Second
)

// maxRefusals bounds how many control groups of one tree may vanish before the
// child is in it: somebody may take a new one for a leftover.
const maxRefusals = 5

// startTree is spawn.Start for a child that is to be kept together with what it
// makes.
func (c *Cmd) startTree(ctx context.Context, s *spawn.Spec) (*spawn.Process, *tree, error) {
	list := s.Attr
	t := &tree{}
	t.newCgroup(list)
	for refusals := 0; ; refusals++ {
		if t.loose != nil && c.TreeStrict {
			return nil, nil, &spawn.Error{Path: s.Path, Part: spawn.PartStart, Step: spawn.StepTree, Index: -1, Err: t.loose}
		}
		s.Attr = t.join(list, c.Stdin)
		proc, err := spawn.Start(ctx, s)
		if err == nil {
			t.started(proc, c.Logger)
			return proc, t, nil
		}
		t.tty.takeBack()
		if t.cgroup == nil {
			return nil, nil, err
		}
		_ = t.cgroup.remove() // it was not used, and err says more
		if t.cgroup = nil; !refused(err) {
			return nil, nil, err
		}
		if errors.Is(err, unix.ENODEV) && refusals < maxRefusals {
			t.newCgroup(list)
		} else {
			t.loose = notHeld(err)
		}
	}
}

// started notes the child. A Cmd that nobody waits for leaves no directory
// behind once its processes have ended.
func (t *tree) started(proc *spawn.Process, log spawn.Logger) {
	t.proc, t.pid = proc, proc.Pid()
	if t.loose != nil {
		t.logLoose(logs.Used(log))
	}
	if t.tty != nil {
		go t.lend()
	}
	if t.cgroup != nil {
		runtime.AddCleanup(t, (*cgroup).abandon, t.cgroup)
	}
}

// logLoose logs why the tree is not held.
func (t *tree) logLoose(log spawn.Logger) {
	if log == nil {
		return
	}
	if e := log.Check(zapcore.DebugLevel, "tree is not held"); e != nil {
		e.Write(logs.Int("pid", t.pid), logs.Error(t.loose))
	}
}

// newCgroup makes a control group for the tree, or notes why it has none.
func (t *tree) newCgroup(list attr.List) {
	if hasType[attr.Cgroup](list) {
		t.loose = notHeld(errors.New("the child is put into another control group, by Attr or SysProcAttr"))
		return
	}
	g, err := newCgroup()
	if err != nil {
		t.loose = notHeld(err)
		return
	}
	t.cgroup = g
}

func notHeld(why error) error { return fmt.Errorf("%w: %w", ErrTreeNotHeld, why) }

// refused reports whether the tree's control group is why a start failed.
func refused(err error) bool {
	var e *spawn.Error
	return errors.As(err, &e) && e.Step == spawn.StepCgroup
}

// join is a list of attributes with those of a tree.
func (t *tree) join(list attr.List, stdin io.Reader) attr.List {
	list = slices.Clip(list)
	// Whoever asks for another group than the child's own has none to be killed.
	i := slices.IndexFunc(list, func(a attr.Attr) bool { _, ok := a.(attr.Setpgid); return ok })
	switch {
	case i >= 0:
		t.group = list[i].(attr.Setpgid).Pgid == 0
	case hasType[attr.Setsid](list):
		t.group = true
	default:
		// From another group than the one in the foreground the child could not
		// read the terminal. In a control group it needs none of its own.
		if t.group = t.cgroup == nil || !onTerminal(); t.group {
			list = append(list, attr.Setpgid{})
		}
		if t.cgroup == nil {
			t.tty = foregroundOf(stdin)
		}
		if t.tty != nil {
			list = append(list, attr.Foreground{File: t.tty.file})
		}
	}
	if t.cgroup != nil {
		list = append(list, attr.Cgroup{Dir: t.cgroup.dir.file})
	}
	return list
}

// onTerminal reports whether this process has a controlling terminal.
func onTerminal() bool {
	fields, err := kernel.Stat("thread-self")
	return err == nil && string(fields[4]) != "0"
}

// holds is TreeHolds.
func (t *tree) holds() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(t.loose, t.left)
}

// kill kills all that is left of the tree.
func (t *tree) kill() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	held, leader := t.killCgroup(), os.ErrProcessDone
	if !t.gone() {
		leader = t.proc.Kill()
	}
	group := t.signalGroup(unix.SIGKILL)
	if held == nil {
		return nil // whatever ids they have
	}
	for _, err := range []error{held, leader, group} {
		if err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	if leader == nil || group == nil {
		return nil
	}
	return os.ErrProcessDone
}

func (t *tree) killCgroup() error {
	if t.cgroup == nil {
		return os.ErrProcessDone
	}
	some, err := t.cgroup.killAll()
	if !some && err == nil || errors.Is(err, os.ErrClosed) {
		return os.ErrProcessDone
	}
	return err
}

// pidfdGroup makes pidfd_send_signal send to the process group whose id was the
// process's, also when the process was reaped. Linux 6.9.
const pidfdGroup = 1 << 2

// signalGroup sends to the process group, if it is the child's. The caller holds
// t.mu.
func (t *tree) signalGroup(sig unix.Signal) error {
	if !t.group {
		return os.ErrProcessDone
	}
	err := t.proc.WithPidfd(func(fd uintptr) error {
		return unix.PidfdSendSignal(int(fd), sig, nil, pidfdGroup)
	})
	if err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, unix.EPERM) && !errors.Is(err, os.ErrProcessDone) {
		// Before Linux 6.9, or no descriptor is left. The number is the group's as
		// long as the child is not reaped.
		if t.gone() {
			return os.ErrProcessDone
		}
		err = unix.Kill(-t.pid, sig)
	}
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// gone reports whether the child was reaped: the user may have called
// Process.Wait. The caller holds t.mu.
func (t *tree) gone() bool {
	if t.reaped {
		return true
	}
	const options = unix.WEXITED | unix.WNOHANG | unix.WNOWAIT
	err := t.proc.WithPidfd(func(fd uintptr) error { return unix.Waitid(unix.P_PIDFD, int(fd), nil, options, nil) })
	if err != nil && !errors.Is(err, unix.ECHILD) && !errors.Is(err, os.ErrProcessDone) {
		err = unix.Waitid(unix.P_PID, t.pid, nil, options, nil)
	}
	t.reaped = errors.Is(err, unix.ECHILD) || errors.Is(err, os.ErrProcessDone)
	return t.reaped
}

// reap kills what is left and calls f, which reaps the child. When it returns,
// nothing of the tree is alive, unless the kernel takes too long over it.
func (t *tree) reap(f func() error) error {
	_ = t.kill() // all there is to know is that nothing is left
	t.mu.Lock()
	err := f()
	t.reaped = true
	t.mu.Unlock()
	defer t.tty.takeBack()
	var left error
	if t.group && !await(goneTime, func() bool { return !groupAlive(t.pid) }) {
		left = fmt.Errorf("process group %d has processes that don't end: %w", t.pid, unix.EBUSY)
	}
	if t.cgroup != nil {
		left = errors.Join(left, t.cgroup.end(goneTime))
	}
	if left != nil {
		t.mu.Lock()
		t.left = notHeld(left)
		t.mu.Unlock()
	}
	return err
}

// groupAlive reports whether a process group has processes that are no zombies:
// somebody else is to reap those, and may take his time.
func groupAlive(pgid int) bool {
	if unix.Kill(-pgid, 0) == unix.ESRCH {
		return false
	}
	list, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, entry := range list {
		if n := entry.Name(); n[0] < '1' || n[0] > '9' {
			continue
		}
		fields, err := kernel.Stat(entry.Name())
		if err == nil && string(fields[2]) == strconv.Itoa(pgid) && !bytes.ContainsAny(fields[0], "ZX") {
			return true
		}
	}
	return false
}

// await calls done until it returns true, but not for longer than d, and reports
// whether it did.
func await(d time.Duration, done func() bool) bool {
	pause := 50 * time.Microsecond
	for begin := time.Now(); ; pause = min(2*pause, 5*time.Millisecond) {
		if done() {
			return true
		}
		if time.Since(begin) >= d {
			return false
		}
		time.Sleep(pause)
	}
}

// waitTree is Wait with Tree. The child is reaped last, so that its process group
// can be killed.
func (c *Cmd) waitTree() error {
	c.child.wait()
	e, ended, late := c.awaitTree()
	_ = c.tree.kill() // nothing may be left
	if !c.drained() {
		c.closePipes()
	}
	stop(e.timer)
	err := c.tree.reap(c.reap)
	if !ended {
		e = c.stopWatching()
		ended = e != ending{}
		stop(e.timer)
	}
	switch {
	case ended && e.err != nil && errors.Is(e.err, c.ctx.Err()):
		return c.because(e.err)
	case err != nil:
		return err
	case ended && e.err != nil:
		return e.err
	case late:
		return ErrWaitDelay
	case c.streams.group != nil:
		return c.streams.group.result()
	}
	return nil
}

// awaitTree waits, when the child has ended, for the pipes to be closed by all
// that have them, for the end of the context, or until WaitDelay is over.
func (c *Cmd) awaitTree() (e ending, ended, late bool) {
	var delay <-chan time.Time
	if c.WaitDelay != 0 {
		t := time.NewTimer(c.WaitDelay)
		defer t.Stop()
		delay = t.C
	}
	select {
	case <-c.streams.copied():
		return e, false, false
	case <-delay:
		return e, false, true
	case e = <-c.ended:
	}
	if e.timer == nil {
		return e, true, false
	}
	select {
	case <-c.streams.copied():
	case <-e.timer.C:
	}
	return e, true, false
}

// drained waits for a short time for the copying to end by itself.
func (c *Cmd) drained() bool {
	t := time.NewTimer(drainTime)
	defer t.Stop()
	select {
	case <-c.streams.copied():
		return true
	case <-t.C:
		return false
	}
}
