package spawn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"weak"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/cgroup"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/stop"
	"github.com/safespawn/spawn/internal/tree"
)

// Limits bound what all processes of a [Tree] together may use. The zero value has no
// limits.
//
// On Linux a limit needs a control group of version 2 below which controllers can be
// switched on; docs/trees.md says how to get one from systemd, Docker and Kubernetes.
// [Features] has the reason if limits can't be set: see [FeatureTreeLimits]. A process
// of the tree that may write to the files of its control group can change its limits. It
// may if it runs as root or as the user of this process, and sees the files.
type Limits struct {
	// Memory is the largest amount of memory, in bytes. If the kernel can't free
	// memory any more, its OOM killer kills a process of the tree. 0 is no limit.
	// memory.max, Linux 4.5; on Windows the memory that is committed.
	Memory int64
	// Swap is the largest amount of swap, in bytes, in addition to Memory. 0 is no
	// limit, and a negative number allows no swap. memory.swap.max, Linux 4.5.
	Swap int64
	// Procs is the largest number of processes. Each thread counts as one. A fork
	// beyond the limit fails with EAGAIN, and so does a start. 0 is no limit.
	// pids.max, Linux 4.5; on Windows threads don't count.
	Procs int
	// CPU is how many processors the tree may use at once, on average over a tenth of
	// a second: 0.5 is half of one. 0 is no limit. cpu.max, Linux 4.15.
	CPU float64
	// IOWeight is the share of a disk, from 1 to 10000, where a group without a weight
	// has 100. 0 sets none. io.weight, Linux 5.4, for disks that iocost controls.
	IOWeight int
	// OOMGroup has the kernel's OOM killer kill the whole tree when it picks a process
	// of it. Each start in the tree copies memory then; docs/security.md says why.
	// memory.oom.group, Linux 4.19.
	OOMGroup bool
	// Strict makes NewTree fail if a descendant could leave the tree by setsid or
	// setpgid, because no control group, pid namespace or job can be made.
	Strict bool
}

// TreeLimitError says why a limit of a tree can't be set. It names the file, its controller
// and the control group, and says who is in the way. It matches EBUSY if the control
// group has processes of its own, so that the controller can't be switched on for those
// below it; fs.ErrPermission, EROFS or [errors.ErrUnsupported] if the controller is not
// delegated to this process; syscall.EINVAL if the kernel refuses the value; and what failed
// otherwise, such as syscall.EMFILE.
type TreeLimitError = cgroup.LimitError

// Tree holds children and all their descendants together, so that they can be signalled,
// awaited, measured and ended as one. You may call all methods at any time, from any
// goroutine.
//
// On Linux a control group of version 2 holds the tree if this process may make one, else
// a pid namespace if it may make that, and on Windows a job. If there is none of these,
// each child leads a process group of its own, and the tree is those groups. [Tree.Holds]
// says which, and what it does not guarantee.
//
// Close a tree when you are done with it. If a Tree becomes unreachable, its control
// group or pid namespace is removed once it has no processes; until then it costs a
// goroutine and its descriptors. If this process dies, its processes go on,
// and the next process of this library that makes a tree at the same place ends them:
// the name of a control group tells the process that has made it, by its pid namespace,
// its pid and the time of its start. A control group does not survive a boot. A pid
// namespace and a job of Windows end with this process, and their processes with them.
type Tree struct {
	held *tree.Tree
	attr attr.Attr
	ooms bool // the kernel counts those that it kills for memory

	closing sync.Mutex
	usage   atomic.Pointer[Usage] // as it was at the end
}

// NewTree makes a tree without processes.
//
// Without limits and without Strict it fails only for a shortage, because process groups
// always do. A limit that can't be set is a [*TreeLimitError]. A value that makes no sense
// matches syscall.EINVAL.
//
// A tree with a control group costs two descriptors and a directory until Close, one with a
// pid namespace two descriptors and a process, its init.
//
// Privilege: write access to the control group of this process, to its cgroup.procs and,
// for limits, to its cgroup.subtree_control; CAP_SYS_ADMIN for a pid namespace. See
// cgroups(7), pid_namespaces(7).
func NewTree(l Limits) (*Tree, error) {
	held, err := tree.Open(tree.Limits(l))
	if err != nil {
		return nil, err
	}
	t := &Tree{held: held}
	_, t.ooms = held.OOMKills()
	t.attr = attrlist.InTree(&plan.Tree{Cgroup: held.Dir(), Job: held.Job(), PIDNamespace: held.PIDNamespace(), Guard: held.Guard(), Handle: t})
	return t, nil
}

// Attr returns the attribute that makes a child in the tree, for any number of Specs and
// Cmds, which may be started at once. It takes the place of attr.Cgroup: both in one list
// are a contradiction.
//
// If process groups hold the tree, the child leads a group of its own, as with
// attr.Setpgid. It is then in the background of a terminal. A list with an attr.Setpgid
// that names another group is an error then.
//
// A start in a tree that was closed fails with os.ErrClosed.
func (t *Tree) Attr() attr.Attr { return t.attr }

// Kill sends SIGKILL to all processes of the tree, and waits until they are gone. It
// waits for two seconds at most. left is the number of processes that are still there:
// the kernel takes long over them, or does not let this process kill them. Then err is
// not nil. Zombies, which somebody has to wait for, do not count. left is -1 if the number
// is not known: this process has no descriptor left to look, or only process groups hold
// the tree, and one of them can't be looked at. Nobody knows the group of a child that has
// been reaped, before Linux 6.9. Without a /proc that shows the processes nobody knows the
// group of a child that has ended.
//
// No process escapes by forking meanwhile. A child that is being started meanwhile is
// killed, too, and a later start makes new ones.
func (t *Tree) Kill() (left int, err error) { return t.held.Kill() }

// Signal sends a signal to all processes of the tree. If there is nobody, the error matches
// os.ErrProcessDone. It matches fs.ErrPermission if this process may not signal
// one of them; the others got the signal. If this process has no descriptor or no memory left to
// look at a process, that process gets no signal, and the error is the reason, such as
// syscall.EMFILE.
//
// The processes of a control group are frozen while they get the signal, so that no fork
// escapes it. Before Linux 5.2 they are not frozen, nor are those of a pid namespace or of
// process groups. On Windows os.Interrupt and
// SIGTERM are CTRL_BREAK, for the children of the tree that have this process's console and
// those that they start. Other signals than these and os.Kill are errors there.
func (t *Tree) Signal(sig os.Signal) error {
	if err := t.held.Signal(sig); err != nil {
		return fmt.Errorf("spawn: signal a tree: %w", err)
	}
	return nil
}

// Wait waits until no process is left in the tree, whether or not anybody has waited for
// the children. Zombies do not count. If ctx ends first, Wait returns ctx.Err(). If
// process groups hold the tree, Wait can't see the group of a child that has been reaped,
// before Linux 6.9 and on other systems than Linux. Without a /proc that shows the
// processes it can't see the group of a child that has ended.
//
// Wait costs no thread. A tree that has not had a child yet is empty.
func (t *Tree) Wait(ctx context.Context) error {
	checkContext(ctx)
	return t.held.Wait(ctx)
}

// Close kills what is left in the tree, and removes its control group or ends its pid
// namespace. After Close no
// child can be started in the tree; Usage returns what it was at the end. A second Close
// does nothing.
//
// If a process or a directory below the control group can't be removed, Close returns the
// reason, and another process of this library tries again once this one has ended.
func (t *Tree) Close() error {
	t.closing.Lock()
	defer t.closing.Unlock()
	if t.usage.Load() != nil {
		return nil
	}
	t.held.Shut()          // else more come while they are killed
	_, _ = t.held.Kill()   // Close says whether anybody is left
	u, _ := t.held.Usage() // zero where nobody counts
	t.usage.Store(ofUsage(&u))
	return t.held.Close()
}

// Usage is what all processes of a [Tree] together have used, those included that have
// ended. A number is 0 if nobody counts it, and Missing has the file that would say it.
type Usage struct {
	// MemoryPeak is the largest amount of memory at one time, in bytes. memory.peak,
	// Linux 5.19.
	MemoryPeak int64
	// User and System are the CPU time spent in user mode and in the kernel, and
	// Throttled for how long a limit of CPU has stopped processes. cpu.stat.
	User, System, Throttled time.Duration
	// ProcsPeak is the largest number of processes and threads at one time. pids.peak,
	// Linux 6.1.
	ProcsPeak int
	// Read and Written are bytes, of disks and such. io.stat, Linux 4.5.
	Read, Written int64
	// OOMKills is how many processes the kernel's OOM killer has killed. memory.events,
	// Linux 4.13.
	OOMKills int
	// Missing are the files that there are not, because this kernel is too old, or
	// because the controller is not on for the control group. A limit switches on its
	// own controller.
	Missing []string
}

// Usage returns what the processes of the tree have used so far. If process groups or a
// pid namespace hold the tree, nobody counts it, and the error matches
// [errors.ErrUnsupported].
func (t *Tree) Usage() (Usage, error) {
	u, err := t.held.Usage()
	if end := t.usage.Load(); end != nil && !errors.Is(err, errors.ErrUnsupported) {
		return *end, nil
	}
	return *ofUsage(&u), err
}

// oomKills is that of Usage, without the rest.
func (t *Tree) oomKills() (n int, known bool) {
	if u := t.usage.Load(); u != nil {
		return u.OOMKills, true
	}
	return t.held.OOMKills()
}

func ofUsage(u *tree.Usage) *Usage {
	return &Usage{
		MemoryPeak: u.MemoryPeak, User: u.User, System: u.System, Throttled: u.Throttled, ProcsPeak: u.ProcsPeak,
		Read: u.Read, Written: u.Written, OOMKills: u.OOMKills, Missing: u.Missing,
	}
}

// startIn is start for a child in a tree.
func (p *Program) startIn(ctx context.Context, o *plan.Handover) (*Process, *plan.Times, error) {
	t := p.tree.Handle.(*Tree)
	for {
		proc, times, again, err := p.tryIn(ctx, t, o)
		if err == nil || !again {
			return proc, times, err
		}
	}
}

// tryIn is startIn once. again says that the tree was killed meanwhile, and its pid
// namespace with it, so that another try makes another.
func (p *Program) tryIn(ctx context.Context, t *Tree, o *plan.Handover) (proc *Process, times *plan.Times, again bool, err error) {
	kills, err := t.held.Begin()
	if err != nil {
		return nil, nil, false, &Error{Path: p.path, Part: PartAttr, Step: StepTree, Index: p.treeIndex, Err: err}
	}
	before := 0
	if t.ooms {
		before, _ = t.held.OOMKills()
	}
	groups := t.held.Loose() != nil || t.held.Job() != nil // a job can't signal, but for SIGKILL
	if o != nil && groups {
		o.Take = false // there would be nothing to know the group by
	}
	proc, times, err = p.start(ctx, o)
	if err != nil {
		now, _ := t.held.Begin() // the next try says so
		return nil, times, p.tree.PIDNamespace != nil && now != kills && ctx.Err() == nil, err
	}
	proc.tree, proc.ooms = t, before
	if groups {
		proc.join(kills, o)
	}
	return proc, times, false, nil
}

// join tells a tree of process groups, or of a job, of the child. The tree does not keep a child from
// becoming garbage, but for one that package exec sees to.
func (p *Process) join(kills int, o *plan.Handover) {
	value := weak.Make(p).Value
	if o != nil {
		value = p.itself
	}
	g := tree.NewGroup(p, byPID(value))
	switch {
	case g.HasPidfd():
	case o != nil:
		o.Reaping = p.reaping
	default:
		p.weak, p.kills = true, kills
	}
	p.tree.held.Join(g, kills)
}

// joinAgain is join for a child that has become garbage, and is waited for in the
// background from now on: the weak pointer is nil.
func (p *Process) joinAgain() {
	if p.weak {
		p.tree.held.Join(tree.NewGroup(p, byPID(p.itself)), p.kills)
	}
}

func (p *Process) itself() *Process { return p }

// byPID sends to the process group of a child while that can't be reaped. value is nil when
// the child has become garbage.
func byPID(value func() *Process) func(sig syscall.Signal) error {
	return func(sig syscall.Signal) error {
		p := value()
		if p == nil {
			return os.ErrProcessDone
		}
		err := p.signalGroup(sig)
		if errors.Is(err, ErrNoTree) || errors.Is(err, errors.ErrUnsupported) { // no groups on Windows, none that is safe on Solaris
			err = p.Signal(sig)
		}
		if errors.Is(err, os.ErrProcessDone) {
			return os.ErrProcessDone
		}
		return err
	}
}

// treeTarget is what Stop ends.
type treeTarget struct{ *tree.Tree }

// Await waits until nobody is known to be left.
func (t treeTarget) Await(ctx context.Context) error {
	if err := t.Wait(ctx); err != nil {
		return err
	}
	if t.Loose() != nil && t.Alive() < 0 {
		return stop.ErrUnknown
	}
	return nil
}

func (t treeTarget) Left() int { return t.Alive() }

// Stop ends the tree by taking the steps one after the other, until nobody is left, as
// [Process.Stop] does with a child. The signals are those of [Tree.Signal].
//
// If ctx ends first, Stop returns ctx.Err() and sends nothing more. If a process is still
// alive after the last step, the error matches [ErrStillAlive], and StopResult.Left says
// how many.
func (t *Tree) Stop(ctx context.Context, steps ...StopStep) (StopResult, error) {
	checkContext(ctx)
	return takeSteps(ctx, treeTarget{t.held}, steps)
}

// killedForMemory reports whether the kernel has killed a process of the child's tree for
// memory since the child's start.
func (p *Process) killedForMemory() bool {
	if p.tree == nil || !p.tree.ooms {
		return false
	}
	now, known := p.tree.oomKills()
	return known && now > p.ooms
}
