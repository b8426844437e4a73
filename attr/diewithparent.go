package attr

import (
	"errors"
	"os"
	"slices"
	"syscall"

	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/tree"
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
// Where no pid namespace can be made, the means is a control group of version 2, if one is
// delegated to this process. All children with this attribute are in one group, which the
// library makes when the first is compiled, below the group of this process; those of a
// Tree are in the group of the tree. The group has a guardian, a process of the same few
// instructions, which ps shows as spawn-guard. It is a child of this process in a session
// of its own. When this process has ended, the guardian kills all processes of the group
// by cgroup.kill, and ends. If somebody kills the guardian, the next start makes another
// one. A process that may write to cgroup.procs of another group can leave. A process of the
// user of this process can kill the guardian, or stop it, which no start finds. The directory
// of the group is removed when a process makes a Tree or a group for this attribute at the
// same place.
//
// Where neither can be made, or [Cgroup] names another group, the child alone ends, as with
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
// execve of this process counts as its end, as for ParentDeathSignal; a guardian waits for
// the end of the new program, too. If this process
// forks without execve, the copy has no part in it. A child that is moved to another
// control group stays in the namespace, and so does one that changes its ids.
//
// It excludes ParentDeathSignal, and a pid namespace of [Namespaces] or [JoinNamespace]. A
// pid namespace of [Unshare] is inside of this one.
//
// Linux 3.19; with a guardian 5.14. Privilege: CAP_SYS_ADMIN, for the namespace, or write
// access to the control group of this process and to its cgroup.procs. See
// pid_namespaces(7), cgroups(7).
type DieWithParent struct {
	// Strict makes it an error if only the child itself would end.
	Strict bool
}

const parentsNamespace = "the namespace that ends with this process"

func (d DieWithParent) check(c *plan.Claims) error {
	if err := pidns.Able(); err != nil && !pidns.IsRefusal(err) {
		return plan.AttrError(plan.StepSetns, -1, parentsNamespace, err)
	}
	return claimAll(c, "attr.DieWithParent", theDeathSignal, newPIDs, "the pid namespace of the start")
}

// theGuardian is claimed where the child's control group has a guardian.
const theGuardian = "the guardian of the cgroup"

// checkDying finds a means: a pid namespace, the guardian of a control group, or the
// parent-death signal.
func (d DieWithParent) checkDying(l List, i int, c *plan.Claims) error {
	if !d.alone() {
		return nil
	}
	err := guardian(l)
	switch {
	case err == nil:
		return c.Claim(theGuardian, "attr.DieWithParent")
	case !pidns.IsRefusal(err):
		return at(i, plan.AttrError(plan.StepTree, -1, "", err))
	case d.Strict:
		return at(i, plan.AttrError(plan.StepSetns, -1, parentsNamespace, neither(pidns.Able(), err)))
	}
	return ParentDeathSignal(syscall.SIGKILL).checkDying(l, i, c)
}

// guardian has a guardian live for the control group of the child.
func guardian(l List) error {
	if t, _ := treeOf(l); t != nil {
		if t.Guard == nil {
			return &pidns.Refusal{What: "cgroup.kill in the tree", Since: "5.14", Err: errors.ErrUnsupported}
		}
		return t.Guard()
	}
	if slices.ContainsFunc(l, func(a Attr) bool { _, ok := a.(Cgroup); return ok }) {
		return &pidns.Refusal{What: "no attr.Cgroup in the list", Err: errors.ErrUnsupported}
	}
	_, err := tree.Dying()
	return err
}

// neither is the error where there is neither a namespace nor a guardian.
func neither(namespace, guardian error) error {
	var n, g *pidns.Refusal
	if !errors.As(namespace, &n) || !errors.As(guardian, &g) {
		return errors.Join(namespace, guardian)
	}
	return &UnsupportedError{What: n.What + ", or " + g.What, Since: n.Since, Err: n.Err}
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

// alone reports whether no pid namespace can be made.
func (DieWithParent) alone() bool { return pidns.IsRefusal(pidns.Able()) }

// lower asks Able again. If it says something else than it has said to checkDying, that is
// never less than Strict wants: then the start fails.
func (d DieWithParent) lower(p *plan.Plan) {
	if guarded := p.Claims().Has(theGuardian); (guarded || !d.Strict) && d.alone() {
		ParentDeathSignal(syscall.SIGKILL).lower(p) // also if somebody kills the guardian
		if !guarded || p.Claims().Has(theCgroup) {
			return
		}
		if dir, err := tree.Dying(); err == nil { // the start says why not
			p.SetCgroup(dir)
		}
		p.SetGuard(tree.KeepDying)
		return
	}
	if p.PIDNamespace != nil {
		return // that of a tree, which ends with this process, too, and takes its place if it comes after
	}
	p.SetPIDNamespace(parentsNamespace, func() (*os.File, error) {
		f, err := pidns.Process()
		return f, unsupported(err)
	})
}
