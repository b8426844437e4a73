package spawn

import "github.com/safespawn/spawn/internal/tree"

// DelegateCgroup makes the control group of this process one below which the [Limits] of
// a [Tree] can be set. A control group can't have processes of its own and controllers
// for those below it. So DelegateCgroup makes the control group spawn.leaf below, moves
// all processes of the group there, this one last, and switches on the controllers that
// there are.
//
// Call it only if the group is delegated to this process as a whole: if its manager does
// not look for the processes in it. This is so for a unit of systemd with Delegate=yes,
// and in a container of its own. Call it once, at the start of the program. If the group
// has been prepared already, nothing happens. The root of all control groups needs no
// leaf. Nothing moves back, and the empty leaf stays until the manager removes the group.
//
// If a process can't be moved, because it is another user's or in another pid namespace,
// the error says which. Those that were moved before stay in the leaf, and this process
// stays where it is.
//
// Linux 4.5. Privilege: write access to the group, its cgroup.procs and its
// cgroup.subtree_control. See cgroups(7).
func DelegateCgroup() error { return tree.Delegate() }

// treeLimits is what Features says of limits.
func treeLimits() Feature {
	ok, about := tree.MayLimit()
	return Feature{Name: FeatureTreeLimits, Available: ok, Since: "4.15", Use: "Limits of a Tree (" + about + "); see docs/trees.md"}
}
