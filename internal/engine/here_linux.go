//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// A program with Input.Here makes no child: its start performs the steps on the calling
// thread, and by execve the process becomes the program.
//
// Most of what the steps change belongs to the thread alone, and execve keeps what the
// thread has that calls it. The directory, the umask and the descriptors belong to all
// threads, so the thread leaves them first. The rest belongs to the process: limits, ignored
// signals, the process group and session, the OOM score, and the control group. A failure
// leaves this changed, and the thread spoiled, so the process must end then. Start returns
// an error only if it has changed nothing. Otherwise it does not return, and Here is called
// with the error in another thread, to report it and to end the process.
//
// The thread is the first of the process, because for /proc/self that is the process.

// hereFeatures are the features of a start without a child: nobody clears its handlers, and
// nobody is born in a cgroup.
func hereFeatures(f kernel.Features) kernel.Features {
	f.Clone3, f.SharedMemory, f.Cgroup = false, true, false
	return f
}

// ignoredHere are the signals that the program ignores by its attributes. The steps set all
// others to their default action, because a handler must not run once the mask is set: a
// filter may be against its return. Those must never have it, as there are threads which do
// not block them.
func ignoredHere(list attr.List) (set signalSet) {
	for _, a := range list {
		if ignore, ok := a.(attr.SigIgnore); ok {
			set |= setOf(ignore...)
		}
	}
	return set
}

// lowerHere refuses what takes a child or its parent, and has the thread leave the
// namespaces in which a child would be born. That is after the cgroup was joined, which is
// the root of a cgroup namespace.
func (p *Program) lowerHere(pl *plan.Plan) error {
	if p.here == nil {
		return nil
	}
	if err := needsChild(pl); err != nil {
		return err
	}
	unshareTime(pl)
	if n := pl.Clone; n.Bits != 0 {
		pl.AttrStep(plan.StepUnshare, n.Index, n.Object)
		pl.Call(plan.JoinNamespaces, raw.Unshare, raw.Int(int64(n.Bits)))
		pl.Clone = plan.Flags{}
	}
	return nil
}

// needsHolder is the error for attributes whose check already makes something that lives
// beside the program.
func needsHolder(list attr.List) error {
	for i, a := range list {
		if _, dies := a.(attr.DieWithParent); dies {
			return withoutChild(plan.StepTree, i, "", "nobody would be its parent")
		}
	}
	if tree, i := attrlist.TreeOf(list); tree != nil {
		return withoutChild(plan.StepTree, i, "", "nobody would hold the tree")
	}
	return nil
}

// needsChild is the error for what can't be done without a child.
func needsChild(pl *plan.Plan) error {
	refuse := withoutChild
	switch {
	case pl.Clone.Bits&unix.CLONE_NEWUSER != 0:
		return refuse(plan.StepClone, pl.Clone.Index, pl.Clone.Object, threads)
	case pl.Unshare.Bits&unix.CLONE_NEWUSER != 0:
		return refuse(plan.StepUnshare, pl.Unshare.Index, pl.Unshare.Object, threads)
	case pl.Clone.Bits&unix.CLONE_NEWPID != 0:
		return refuse(plan.StepClone, pl.Clone.Index, pl.Clone.Object, "a process stays in its pid namespace")
	case pl.PIDNamespace != nil:
		return refuse(plan.StepSetns, pl.PIDNamespace.Index, pl.PIDNamespace.Object, "a process stays in its pid namespace")
	case pl.Guard.Keep != nil:
		return refuse(plan.StepTree, pl.Guard.Index, "", "nobody would keep its guardian")
	case pl.Listener != nil:
		return refuse(plan.StepSeccomp, pl.Listener.Index, "", "nobody would take the listener")
	case pl.Trace != nil:
		return refuse(pl.Trace.Step, pl.Trace.Index, "", "nobody would trace it")
	}
	return nil
}

const threads = "a process with several threads can't change its user namespace"

func withoutChild(step string, index int, object, why string) error {
	return plan.AttrError(step, index, object, plan.Invalid("not without a child: %s", why))
}

// become performs the program in this thread.
func (a *attempt) become() error {
	if unix.Gettid() != unix.Getpid() {
		return plan.StartError(plan.StepExecve, plan.Invalid("not the first thread of the process"))
	}
	runtime.LockOSThread()
	a.fds.SetLent(a.r)
	if err := a.leaveThreads(); err != nil {
		return err
	}
	a.r.PrepareHere()
	begun := make(chan struct{})
	go a.reportFailure(begun)
	<-begun
	if err := a.r.Here(); err != nil {
		a.here(plan.StartError(plan.StepSigMask, err))
	}
	select {} // it has failed, and the process is to end
}

// leaveThreads gives the thread descriptors, a directory and a umask of its own. In a
// container unshare may be refused: then the directory and the umask stay those of all.
// The runtime makes no thread in one that is locked, so none gets what this one has.
func (a *attempt) leaveThreads() error {
	if a.all {
		if err := lockFork(a.ctx); err != nil {
			return plan.StartError(plan.StepFileTable, err)
		}
		defer syscall.ForkLock.Unlock()
	}
	err := unix.Unshare(leaving)
	if err == nil || unix.CloseRange(noFD, noFD, unix.CLOSE_RANGE_UNSHARE) == nil {
		return nil
	}
	return &plan.Error{
		Part: plan.PartStart, Step: plan.StepFileTable, Index: -1, Err: err,
		Hint: "without a child, needs unshare or close_range, and both have failed",
	}
}

// leaving is what the thread leaves.
const leaving = unix.CLONE_FILES | unix.CLONE_FS

// noFD is the number of no descriptor.
const noFD = 1<<32 - 1

// reportFailure waits for the failure of the steps.
func (a *attempt) reportFailure(begun chan<- struct{}) {
	close(begun)
	a.r.AwaitHere()
	step, why, _ := a.r.Failure()
	a.here(a.failure(step, why))
}

// hereStep is what a start does before the program's steps.
func hereStep() plan.Step {
	return plan.Step{
		Part: plan.PartStart, Name: plan.StepFileTable, Index: -1,
		Syscall: "unshare", Number: unix.SYS_UNSHARE, Args: []plan.StepArg{known("CLONE_FILES|CLONE_FS", leaving)},
		Note: "no child is made: this process becomes the program",
	}
}
