package attr

import (
	"os"
	"strings"

	"github.com/safespawn/spawn/internal/plan"
)

// JoinNamespace makes the child enter namespaces that exist: File is a file of
// /proc/PID/ns, or a pidfd for those of a process (Linux 5.8). Types are the
// CLONE_NEW* of what is to be entered; 0, for a file only, is whatever it is. File
// stays the caller's, who may close it once Start has returned.
//
// It may be given several times, once for each type, and not for one that is of
// [Namespaces]. With a user namespace among them, what the child may enter without
// it is entered first, and what belongs to it afterwards. It comes after joining a cgroup and before [Unshare]. Of a pid
// namespace it is the child's own children that are in it. A time namespace can't be
// entered while memory is shared.
//
// It needs CAP_SYS_ADMIN in what is entered and in the own user namespace, and
// CAP_SYS_CHROOT for a mount namespace. See setns(2).
type JoinNamespace struct {
	File  *os.File
	Types uint
}

func (j JoinNamespace) check(c *plan.Claims) error {
	name := namespaces(j.Types)
	switch {
	case j.File == nil:
		return invalid(plan.StepSetns, name, "nil file")
	case j.Types&^allNamespaces != 0:
		return invalid(plan.StepSetns, name, "other flags than of namespaces: %#x", j.Types&^allNamespaces)
	case j.Types&plan.CloneNewTime != 0:
		return invalid(plan.StepSetns, name, "a time namespace can't be entered by a process that shares its memory")
	}
	if err := claimLast(c, j.Types, "attr.JoinNamespace", "cgroup", "ipc", "net"); err != nil {
		return err
	}
	if j.Types&plan.CloneNewPID != 0 {
		if err := c.Claim(childrensPIDs, "attr.JoinNamespace"); err != nil {
			return err
		}
	}
	for n := range strings.SplitSeq(name, ",") {
		if n == "" {
			continue
		}
		c.Provide(ownNamespace(n))
		if err := c.Claim("the "+n+" namespace of the start", "attr.JoinNamespace"); err != nil {
			return err
		}
	}
	return nil
}

// ownNamespace is what attributes need that would otherwise change something for
// others, too.
func ownNamespace(name string) string { return "a " + name + " namespace of its own" }

func (j JoinNamespace) lower(p *plan.Plan) {
	if j.Types == 0 || j.Types&plan.CloneNewUser != 0 {
		p.Credentials = true
	}
	p.AddJoin(j.File, uint64(j.Types), namespaces(j.Types))
}
