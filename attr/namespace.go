package attr

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/safespawn/spawn/internal/plan"
)

// Namespaces makes the child in new namespaces. Flags are the CLONE_NEW* of
// namespaces(7), at least one. A new mount namespace is a copy, and shared mounts
// stay shared in it.
//
// Linux 3.8 for CLONE_NEWUSER, and 4.6 for CLONE_NEWCGROUP. CLONE_NEWTIME needs
// clone3, and has its effect from Linux 6.2 on. Privilege:
// CAP_SYS_ADMIN, but none for a user namespace. The child has CAP_SYS_ADMIN for the
// others in a user namespace made together with them. See clone(2).
type Namespaces struct{ Flags uint }

// Unshare makes the child leave namespaces and other things that it shares. Flags
// are CLONE_NEW*, CLONE_FILES, CLONE_FS and CLONE_SYSVSEM, at least one. It happens
// after the session is set and before the root directory changes.
//
// With CLONE_NEWNS all mounts become private, so nothing that the child mounts is
// seen outside. With CLONE_NEWPID the child's own children are in the new
// namespace. With CLONE_NEWTIME the program is in it, and before Linux 6.2 only its
// children.
//
// Compile returns an error if a flag would undo another attribute. A kind of
// [Namespaces] is refused, unless it is a pid or mount namespace. A kind of
// [JoinNamespace] is refused, unless it is a user, mount or UTS namespace.
//
// Linux 3.8 for CLONE_NEWUSER, 4.6 for CLONE_NEWCGROUP, and 5.6 for CLONE_NEWTIME.
// Privilege: CAP_SYS_ADMIN, but none for a user namespace. See unshare(2).
type Unshare struct{ Flags uint }

// IDMap sets the ids of a new user namespace. It needs [Namespaces] or [Unshare]
// with CLONE_NEWUSER. The steps are called uid_map, setgroups and gid_map.
//
// With Namespaces this process writes the maps while the child waits, like
// newuidmap. It may map its own ids. With CAP_SETUID and CAP_SETGID it may map any
// others. With Unshare the child writes the maps, and may map its own ids only. GID
// then needs Linux 3.19.
//
// With Helpers newuidmap(1) and newgidmap(1) write the maps. They may map the ids
// that /etc/subuid and /etc/subgid list for the user, whatever privilege this
// process has. Compile looks them up in PATH. If they are missing, its error
// matches [errors.ErrUnsupported]. Each start runs both, which takes two more
// spawns. If one fails, the error matches EPERM, and its Hint is the output.
// newgidmap decides whether Setgroups is possible, and allows it for ids of
// /etc/subgid. Helpers excludes Unshare with CLONE_NEWUSER.
//
// Linux 3.8. Privilege: for ids other than the own ones, CAP_SETUID and CAP_SETGID,
// or Helpers. See user_namespaces(7).
type IDMap struct {
	// UID and GID are the ranges of ids. One of them may be empty.
	UID, GID []IDMapEntry
	// Setgroups lets the child call setgroups. An unprivileged parent can't allow
	// it. If GID is empty, Setgroups is ignored.
	Setgroups bool
	// Helpers has newuidmap(1) and newgidmap(1) write the maps.
	Helpers bool
}

// MapRoot is the IDMap with which the child is root in its user namespace, and outside
// of it still the user and group that this process is now, by effective ids. Nobody
// else is in the namespace. It needs no privilege. See unshare(1), --map-root-user.
func MapRoot() IDMap { return mapAs(0, 0) }

// MapSelf is the IDMap with which the child has the same user and group in its user
// namespace as outside, the effective ones of this process. It needs no privilege.
// See unshare(1), --map-current-user.
func MapSelf() IDMap { return mapAs(os.Geteuid(), os.Getegid()) }

func mapAs(uid, gid int) IDMap {
	return IDMap{
		UID: []IDMapEntry{{ContainerID: uid, HostID: os.Geteuid(), Size: 1}},
		GID: []IDMapEntry{{ContainerID: gid, HostID: os.Getegid(), Size: 1}},
	}
}

const (
	cloneFS       = 0x200
	cloneFiles    = 0x400
	cloneSysVSem  = 0x40000
	allNamespaces = 0x7e020080
	unshareable   = allNamespaces | cloneFS | cloneFiles | cloneSysVSem

	userNamespace = "a new user namespace"
	newPIDs       = "a new pid namespace"
	newNetwork    = "a new net namespace"
	childrensPIDs = "the pid namespace of its children"
	mappedUIDs    = "mapped uids"
	mappedGIDs    = "mapped gids"
	noSetgroups   = "setgroups denied"
	mapsFromHere  = "id maps written from outside"
)

// notNamespaces are what else unshare takes.
var notNamespaces = []struct {
	flag uint
	name string
}{{cloneFS, "fs"}, {cloneFiles, "files"}, {cloneSysVSem, "sysvsem"}}

// namespaces names what flags stand for.
func namespaces(flags uint) string {
	var names []string
	for _, n := range plan.NamespaceKinds {
		if uint64(flags)&n.Flag != 0 {
			names = append(names, n.Name)
		}
	}
	for _, n := range notNamespaces {
		if flags&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ",")
}

func checkNamespaces(c *plan.Claims, step string, flags, allowed uint, what, by string) error {
	if bad := flags &^ allowed; flags == 0 || bad != 0 {
		return invalid(step, fmt.Sprintf("%#x", flags), "no flags, or others than of namespaces: %#x", bad)
	}
	for name := range strings.SplitSeq(namespaces(flags), ",") {
		c.Provide(ownNamespace(name))
	}
	if flags&plan.CloneNewNS != 0 {
		c.Provide(mountsOfOwn)
	}
	if flags&plan.CloneNewNet != 0 {
		c.Provide(newNetwork)
	}
	if flags&plan.CloneNewUser != 0 {
		if err := c.Claim(userNamespace, by); err != nil {
			return err
		}
	}
	return c.Claim(what, by)
}

// claimLast claims kinds of namespaces of which a second one makes the first void.
func claimLast(c *plan.Claims, flags uint, by string, kinds ...string) error {
	for name := range strings.SplitSeq(namespaces(flags), ",") {
		if !slices.Contains(kinds, name) {
			continue
		}
		if err := c.Claim("the "+name+" namespace", by); err != nil {
			return err
		}
	}
	return nil
}

func (n Namespaces) check(c *plan.Claims) error {
	if err := claimLast(c, n.Flags, "attr.Namespaces", "cgroup", "ipc", "net", "time", "uts"); err != nil {
		return err
	}
	if n.Flags&plan.CloneNewPID != 0 {
		if err := c.Claim(newPIDs, "attr.Namespaces"); err != nil {
			return err
		}
	}
	for name := range strings.SplitSeq(namespaces(n.Flags), ",") {
		if err := c.Claim("the "+name+" namespace of the start", "attr.Namespaces"); err != nil {
			return err
		}
	}
	return checkNamespaces(c, plan.StepClone, n.Flags, allNamespaces, "the namespaces of clone", "attr.Namespaces")
}

func (n Namespaces) lower(p *plan.Plan) { p.SetClone(uint64(n.Flags), namespaces(n.Flags)) }

func (u Unshare) check(c *plan.Claims) error {
	if err := claimLast(c, u.Flags, "attr.Unshare", "cgroup", "ipc", "net", "time", "uts"); err != nil {
		return err
	}
	if u.Flags&plan.CloneNewUser != 0 {
		if err := c.Claim(mapsFromHere, "attr.Unshare"); err != nil {
			return err
		}
	}
	if u.Flags&plan.CloneNewPID != 0 {
		if err := c.Claim(childrensPIDs, "attr.Unshare"); err != nil {
			return err
		}
	}
	return checkNamespaces(c, plan.StepUnshare, u.Flags, unshareable, "the namespaces of unshare", "attr.Unshare")
}

func (u Unshare) lower(p *plan.Plan) {
	p.Credentials = p.Credentials || u.Flags&plan.CloneNewUser != 0
	p.SetUnshare(uint64(u.Flags), namespaces(u.Flags))
}

func (m IDMap) check(c *plan.Claims) error {
	if len(m.UID)+len(m.GID) == 0 {
		return invalid(plan.StepUIDMap, "", "no ids")
	}
	for i, list := range [][]IDMapEntry{m.UID, m.GID} {
		for _, e := range list {
			if !validRange(e) {
				return invalid([]string{plan.StepUIDMap, plan.StepGIDMap}[i], fmt.Sprint(e), "out of range")
			}
		}
	}
	c.Need(userNamespace, "attr.IDMap", "user", "attr.Namespaces", "attr.Unshare")
	claims := []string{"the id maps"}
	if m.Helpers {
		claims = append(claims, mapsFromHere)
	}
	if len(m.UID) > 0 {
		claims = append(claims, mappedUIDs)
	}
	if len(m.GID) > 0 {
		claims = append(claims, mappedGIDs)
	}
	if m.setgroups() == "deny" {
		claims = append(claims, noSetgroups)
	}
	return claimAll(c, "attr.IDMap", claims...)
}

// needMaps is for attributes that set ids, of which a new user namespace has none
// before they are mapped.
func needMaps(c *plan.Claims, by string, uid, gid, groups bool) {
	const why = "a new user namespace has no ids that are not mapped"
	if uid {
		c.Bar(userNamespace, by, mappedUIDs, why)
	}
	if gid {
		c.Bar(userNamespace, by, mappedGIDs, why)
	}
	if groups {
		c.Bar(noSetgroups, by, "", "groups can't be set without Setgroups")
	}
}

func validID(id int) bool { return id >= 0 && int64(id) < math.MaxUint32 }

func (m IDMap) lower(p *plan.Plan) {
	p.SetIDMap(plan.IDMap{UID: mapText(m.UID), Setgroups: m.setgroups(), GID: mapText(m.GID), Helpers: m.Helpers})
}

// setgroups is what has to be written to the file of this name. It is newgidmap
// that knows when not to allow it, and allowed is the default.
func (m IDMap) setgroups() string {
	switch {
	case len(m.GID) == 0 || m.Helpers && m.Setgroups:
		return ""
	case m.Setgroups:
		return "allow"
	}
	return "deny"
}

// mapText is the form that the kernel reads, a line for each range.
func mapText(list []IDMapEntry) string {
	var b strings.Builder
	for _, e := range list {
		fmt.Fprintf(&b, "%d %d %d\n", e.ContainerID, e.HostID, e.Size)
	}
	return b.String()
}

func validRange(e IDMapEntry) bool {
	return validID(e.ContainerID) && validID(e.HostID) && e.Size > 0 && int64(e.Size) <= math.MaxUint32
}

// ParseIDMapEntry reads INSIDE:OUTSIDE:COUNT: the first id in the namespace, the first
// id outside, and how many follow each other. The error matches EINVAL.
func ParseIDMapEntry(s string) (IDMapEntry, error) {
	var e IDMapEntry
	fields := strings.Split(s, ":")
	if len(fields) != 3 {
		return e, plan.Invalid("not INSIDE:OUTSIDE:COUNT")
	}
	for i, to := range []*int{&e.ContainerID, &e.HostID, &e.Size} {
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			return IDMapEntry{}, plan.Invalid("%q is not a number", fields[i])
		}
		*to = n
	}
	if !validRange(e) {
		return IDMapEntry{}, plan.Invalid("%q is out of range", s)
	}
	return e, nil
}
