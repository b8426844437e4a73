package spawn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/safespawn/spawn/internal/group"
	"github.com/safespawn/spawn/internal/stop"
)

// StopStep is one step of [Process.Stop]: a signal, and the time that the processes get
// to act on it.
type StopStep struct {
	// Signal is sent first. Unless it is SIGKILL, SIGCONT, or a signal that stops,
	// SIGCONT follows it, so that a stopped process can act on it. Signal 0 sends
	// nothing. Nil is an error.
	Signal os.Signal
	// Grace bounds the time until the next step. If all processes have ended before,
	// there is no next step. Zero goes on at once. After the last step, zero means no
	// bound but the end of the context. A negative Grace is an error.
	Grace time.Duration
}

// Graceful returns the usual steps: SIGTERM, and SIGKILL if a process is still alive
// after d.
//
// On Windows SIGTERM is CTRL_BREAK, for a child with attr.Setpgid or in a Tree that has
// this process's console. For any other child the second step follows at once there.
func Graceful(d time.Duration) []StopStep {
	return []StopStep{{Signal: syscall.SIGTERM, Grace: d}, {Signal: os.Kill}}
}

// StopResult says what came of [Process.Stop].
type StopResult struct {
	// Step is the index of the last step that was taken. It is -1 if no step was
	// taken, because everything had ended before or because of an error.
	Step int
	// Took is the time from the call to the end of the processes, or to the error.
	Took time.Duration
	// Left is the number of processes that are still alive. It is -1 if the number is
	// not known: the child has been reaped, there is no /proc that shows it, or this
	// process has no descriptor left to look.
	Left int
}

var (
	// ErrNoTree is the error of [Process.SignalTree] and [Process.KillTree] if the child
	// is in no [Tree] and leads no process group: its Spec has neither attr.Setsid nor
	// attr.Setpgid with Pgid 0.
	ErrNoTree = errors.New("spawn: the child is in no tree and leads no process group")
	// ErrStillAlive is the error of [Process.Stop] if a process is still alive after
	// the last step. It also matches fs.ErrPermission if this process may not signal
	// one of them.
	ErrStillAlive = stop.ErrLeft
)

// Stop ends the child by taking the steps one after the other, until it has ended. If
// the child leads a process group, because its Spec has attr.Setsid or attr.Setpgid,
// each signal goes to the whole group, and Stop waits for all processes in the group.
// It makes no difference whether the child itself has ended before. If the child was
// started in a [Tree], Stop is [Tree.Stop]: it ends all processes in the tree, also those
// of other children.
//
// If ctx ends first, Stop returns ctx.Err() and sends nothing more. If you want the
// processes to be killed at that time, call [Process.KillTree] or [Process.Kill] then.
// Without steps the error matches syscall.EINVAL, and nothing is sent.
//
// If a signal can't be sent, the next step follows at once. If this process has no
// permission to signal a process, and the process is still alive after the last step,
// the error matches [ErrStillAlive] and fs.ErrPermission. All other processes of the
// group got the signals.
//
// Stop does not reap the child: call Wait or Release as usual. You may call Stop from
// several goroutines at once, and beside Wait. While Stop ends a group, the child is
// not reaped, because the id of the group might be given away: Wait and Done wait for
// Stop, too. Once the child has been reaped, Stop sends nothing. Its result then has -1
// as Left for a child that led a group, because nobody knows what is left of the group.
//
// A process that has left the group is not ended. Without a /proc that shows the
// processes, Stop takes all steps as soon as the child itself has ended. Any Unix; on
// Windows os.Interrupt and SIGTERM are CTRL_BREAK if the child leads a group of the
// console, by attr.Setpgid; any other signal but os.Kill fails. See kill(2), pidfd_send_signal(2).
func (p *Process) Stop(ctx context.Context, steps ...StopStep) (StopResult, error) {
	checkContext(ctx)
	if p.released() {
		return StopResult{Step: -1, Left: stop.Unknown}, errReleased
	}
	if p.tree != nil {
		return p.tree.Stop(ctx, steps...)
	}
	if !p.child.groupSeen() {
		return takeSteps(ctx, alone{p}, steps)
	}
	if p.hold() {
		defer p.letGo()
	} else if !p.blind() {
		return StopResult{Step: -1, Left: stop.Unknown}, checkSteps(steps)
	}
	return takeSteps(ctx, &grouped{Process: p}, steps)
}

// takeSteps is the loop of Stop.
func takeSteps(ctx context.Context, t stop.Target, steps []StopStep) (StopResult, error) {
	r, err := stop.Run(ctx, t, stepList(steps))
	return StopResult(r), err
}

func checkSteps(steps []StopStep) error { return stop.Check(stepList(steps)) }

func stepList(steps []StopStep) []stop.Step {
	list := make([]stop.Step, len(steps))
	for i, s := range steps {
		list[i] = stop.Step(s)
	}
	return list
}

// SignalTree sends a signal to all processes of the child's tree. If the child was started
// in a [Tree], they are all processes in it, also those of other children. Otherwise they
// are the processes of the group that the child leads, also if the child itself has ended.
// If there is neither, the error is [ErrNoTree].
//
// If no process is left, or if a child that leads a group has been reaped, SignalTree
// sends nothing, and the error matches os.ErrProcessDone: the id of the group may be the id
// of another. Call [Process.WaitExited] to wait for the child and keep the group.
//
// The error matches fs.ErrPermission if this process may signal none of the processes.
// Any Unix. See kill(2).
func (p *Process) SignalTree(sig os.Signal) error {
	if p.tree != nil {
		return p.tree.Signal(sig)
	}
	return p.signalGroup(sig)
}

// signalGroup sends to the group that the child leads.
func (p *Process) signalGroup(sig os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock() // who has reaped the child tells of it
	switch {
	case !p.child.Leads:
		return ErrNoTree
	case p.over && p.holders == 0:
		return os.ErrProcessDone
	}
	if err := p.child.signalGroup(sig); err != nil {
		return fmt.Errorf("spawn: signal group %d: %w", p.pid, err)
	}
	return nil
}

// KillTree sends SIGKILL to all processes of the child's tree. The errors are those of
// [Process.SignalTree].
func (p *Process) KillTree() error { return p.SignalTree(os.Kill) }

// hold keeps the child from being reaped, and what it is known by, until letGo is called
// as often. It reports whether it can: the child has not been reaped, and its end can be
// seen without reaping it.
func (p *Process) hold() bool {
	if p.blind() {
		return false
	}
	p.mu.Lock()
	defer p.unlock()
	if p.over && p.holders == 0 {
		return false
	}
	if p.held == nil {
		p.held = make(chan struct{})
	}
	p.holders++
	return true
}

func (p *Process) letGo() {
	p.mu.Lock()
	defer p.unlock()
	if p.holders--; p.holders > 0 {
		return
	}
	close(p.held)
	p.held = nil
	if p.over { // others have reaped it
		p.forget()
	}
}

// alone is a child without its group.
type alone struct{ *Process }

func (a alone) Await(ctx context.Context) error {
	err := a.waitEnd(ctx)
	if a.released() {
		return errReleased
	}
	return err
}

func (a alone) Left() int {
	switch {
	case a.released():
		return stop.Unknown
	case a.hasEnded():
		return 0
	}
	return 1
}

// grouped is a child with its group. The child is held.
type grouped struct {
	*Process
	denied bool // the child itself can't be signalled
}

func (g *grouped) Signal(sig os.Signal) error {
	g.denied = errors.Is(g.Process.Signal(syscall.Signal(0)), fs.ErrPermission)
	return g.signalGroup(sig)
}

// maxLook is the longest time between two looks at who is in a group.
const maxLook = 20 * time.Millisecond

// Await waits for the child and then for the rest, whose ends nobody is told of.
func (g *grouped) Await(ctx context.Context) error {
	if !g.denied {
		if err := g.waitEnd(ctx); err != nil {
			return err
		}
	}
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, maxLook) {
		alive, denied, known := g.members()
		switch {
		case !known:
			return stop.ErrUnknown
		case alive == 0:
			return nil
		case alive == denied:
			return fmt.Errorf("spawn: %d processes of group %d: %w", denied, g.pid, fs.ErrPermission)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// members is group.Members of a group that is still the child's.
func (g *grouped) members() (alive, denied int, known bool) {
	g.mu.Lock()
	some, known := g.child.hasGroup(g.over)
	g.unlock()
	if !some || !known {
		return 0, 0, known
	}
	return group.Members(g.pid)
}

func (g *grouped) Left() int {
	alive, _, known := g.members()
	if !known {
		return stop.Unknown
	}
	return alive
}
