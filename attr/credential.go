package attr

import (
	"fmt"
	"os"
	"slices"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Credential sets the real, effective and saved ids, in this order: groups, gid,
// uid. It excludes [IDs] and [ResetIDs].
//
// While such a child is on its way to execve, the dumpable flag of this process is
// cleared. It is restored when the last such child is past execve; see
// docs/security.md.
//
// Any Unix. Privilege: CAP_SETUID and CAP_SETGID, unless nothing changes. See
// setgroups(2), setresgid(2), setresuid(2).
type Credential struct {
	// UID and GID are the ids. In a new user namespace they are those of its
	// [IDMap].
	UID, GID uint32
	// Groups replaces the supplementary groups. Nil leaves none. In a new user
	// namespace Groups needs a map that allows setgroups.
	Groups []uint32
	// KeepGroups keeps the supplementary groups as they are. Without privilege you
	// must set it.
	KeepGroups bool
	// Root says that a UID or GID of 0 is meant to be root's. Without Root such an
	// id is an error of Compile, because it is more often forgotten than meant.
	// Package lookup sets Root if it finds such an id.
	Root bool
}

// ResetIDs sets the effective ids to the real ones, like POSIX_SPAWN_RESETIDS. It
// is for programs that run set-user-ID. It excludes [Credential] and [IDs]. Any
// Unix. See posix_spawn(3).
type ResetIDs struct{}

const ids = "the user and group ids"

const maxGroups = 65536 // NGROUPS_MAX

func (cr Credential) check(c *plan.Claims) error {
	if err := checkGroups(cr.Groups, cr.KeepGroups); err != nil {
		return err
	}
	switch KeepID {
	case cr.UID:
		return invalid(plan.StepSetresuid, fmt.Sprint(cr.UID), "not an id")
	case cr.GID:
		return invalid(plan.StepSetresgid, fmt.Sprint(cr.GID), "not an id")
	}
	if err := checkRoot(cr.Root, cr.UID, cr.GID); err != nil {
		return err
	}
	needMaps(c, "attr.Credential", true, true, !cr.KeepGroups)
	return c.Claim(ids, "attr.Credential")
}

// checkRoot finds ids that may have been forgotten.
func checkRoot(meant bool, uid, gid uint32) error {
	const why = "root's id, without Root to say that it is meant"
	switch {
	case meant:
		return nil
	case uid == 0:
		return invalid(plan.StepSetresuid, "0", why)
	case gid == 0:
		return invalid(plan.StepSetresgid, "0", why)
	}
	return nil
}

// checkGroups validates supplementary groups.
func checkGroups(groups []uint32, keep bool) error {
	switch {
	case len(groups) > maxGroups:
		return invalid(plan.StepSetgroups, fmt.Sprintf("%d groups", len(groups)), "more than %d", maxGroups)
	case keep && groups != nil:
		return invalid(plan.StepSetgroups, fmt.Sprint(groups), "Groups with KeepGroups")
	case slices.Contains(groups, KeepID):
		return invalid(plan.StepSetgroups, fmt.Sprint(groups), "%d is not an id", KeepID)
	}
	return nil
}

// lowerGroups sets them.
func lowerGroups(p *plan.Plan, groups []uint32, keep bool) {
	if keep {
		return
	}
	p.Step(plan.StepSetgroups, fmt.Sprint(groups))
	p.Call(plan.Credentials, raw.Setgroups, raw.Int(int64(len(groups))), p.Builder().Uint32s(groups))
}

func (cr Credential) lower(p *plan.Plan) {
	p.Credentials = true
	lowerGroups(p, cr.Groups, cr.KeepGroups)
	gid, uid := raw.Int(int64(cr.GID)), raw.Int(int64(cr.UID))
	p.Step(plan.StepSetresgid, fmt.Sprint(cr.GID))
	p.Call(plan.Credentials, raw.Setresgid, gid, gid, gid)
	p.Step(plan.StepSetresuid, fmt.Sprint(cr.UID))
	p.Call(plan.Credentials, raw.Setresuid, uid, uid, uid)
}

func (cr Credential) fallback(f *plan.ForkExec) error {
	f.Credential = &plan.Credential{UID: cr.UID, GID: cr.GID, Groups: cr.Groups, KeepGroups: cr.KeepGroups}
	return nil
}

func (ResetIDs) check(c *plan.Claims) error {
	needMaps(c, "attr.ResetIDs", true, true, false)
	return c.Claim(ids, "attr.ResetIDs")
}

func (ResetIDs) lower(p *plan.Plan) {
	p.Credentials = true
	p.Step(plan.StepSetresgid, "real")
	resetID(p, raw.Getresgid, raw.Setresgid)
	p.Step(plan.StepSetresuid, "real")
	resetID(p, raw.Getresuid, raw.Setresuid)
}

// resetID makes the real id the effective one. It is not what a call returns: with words of
// 32 bits the highest ids look like errors.
func resetID(p *plan.Plan, get, set raw.Sys) {
	b, keep := p.Builder(), raw.Int(-1)
	ids := b.Vars(3)
	p.Call(plan.Credentials, get, b.AddrOfInt(ids), b.AddrOfInt(ids+1), b.AddrOfInt(ids+2))
	p.Call(plan.Credentials, set, keep, raw.VarArg(ids, 0), keep)
}

func (ResetIDs) fallback(f *plan.ForkExec) error {
	uid, gid := os.Getuid(), os.Getgid()
	if uid < 0 || gid < 0 {
		return &UnsupportedError{What: "attr.ResetIDs", Since: plan.Engine}
	}
	if uid == os.Geteuid() && gid == os.Getegid() {
		return nil
	}
	f.Credential = &plan.Credential{UID: uint32(uid), GID: uint32(gid), KeepGroups: true}
	return nil
}
