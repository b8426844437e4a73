package attr

import (
	"context"
	"errors"
	"os"
	"syscall"

	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/plan"
)

// DieWithParent makes the child and all its descendants end when this process ends, in
// whatever way: with its last thread, or by SIGKILL. They get a SIGKILL. No double fork and
// no session of their own saves them.
//
// The means is a pid namespace. All children with this attribute are in one, which the
// library makes when the first is compiled. The first process of the namespace, its init,
// is a program of a few instructions that is part of this library; ps shows it as
// spawn-init. It is a child of this process, and ends together with it. The kernel then
// kills all other processes of the namespace. If somebody kills the init, the same
// happens, and the next start makes another one. This process's wait4 of any child finds
// the init, too.
//
// Where no pid namespace can be made, the child alone ends, as with
// [ParentDeathSignal] and SIGKILL, and its descendants live on. The feature
// die_with_parent of spawn.Features tells which holds here. With Strict the weaker form is
// an error instead, which matches [errors.ErrUnsupported] and says what is missing.
//
// What a program finds different in the namespace:
//
//   - getpid returns a small number, which is another process's outside. A number that the
//     program writes to a file, or sends to another process, means nothing there.
//     Process.Pid is the number outside.
//   - getppid returns 0, and orphans get the init as their parent, with the number 1.
//   - The program can't signal or trace a process outside of the namespace.
//   - /proc has the numbers from outside. /proc/self is right, and /proc/PID of the
//     program's own number is somebody else's: ps(1) fails where it looks for itself.
//     The mount stays as it is.
//
// execve of this process counts as its end, as for ParentDeathSignal. If this process
// forks without execve, the copy has no part in it. A child that is moved to another
// control group stays in the namespace, and so does one that changes its ids.
//
// It excludes ParentDeathSignal, and a pid namespace of [Namespaces] or [JoinNamespace]. A
// pid namespace of [Unshare] is inside of this one.
//
// Linux 3.19. Privilege: CAP_SYS_ADMIN, for the namespace. See pid_namespaces(7).
type DieWithParent struct {
	// Strict makes it an error if only the child itself would end.
	Strict bool
}

const parentsNamespace = "the namespace that ends with this process"

func (d DieWithParent) check(c *plan.Claims) error {
	err := pidns.Able()
	var r *pidns.Refusal
	switch {
	case err == nil:
	case !errors.As(err, &r):
		return plan.AttrError(plan.StepSetns, -1, parentsNamespace, err)
	case d.Strict:
		return plan.AttrError(plan.StepSetns, -1, parentsNamespace, unsupported(err))
	}
	return claimAll(c, "attr.DieWithParent", theDeathSignal, newPIDs, "the pid namespace of the start")
}

// unsupported is an error of package pidns as one of this package, where it says that
// something is missing.
func unsupported(err error) error {
	var r *pidns.Refusal
	if errors.As(err, &r) {
		return &UnsupportedError{What: r.What, Since: r.Since, Err: r.Err}
	}
	return err
}

// alone reports whether only the child itself ends.
func (DieWithParent) alone() bool {
	var r *pidns.Refusal
	return errors.As(pidns.Able(), &r)
}

func (d DieWithParent) lower(p *plan.Plan) {
	if d.alone() {
		ParentDeathSignal(syscall.SIGKILL).lower(p)
		return
	}
	if p.PIDNamespace != nil {
		return // that of a tree, which ends with this process, too, and takes its place if it comes after
	}
	p.SetPIDNamespace(parentsNamespace, func(ctx context.Context) (*os.File, error) {
		f, err := pidns.Process(ctx)
		return f, unsupported(err)
	})
}
