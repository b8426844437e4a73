package attr

import (
	"fmt"
	"strconv"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// IDs sets the real and the effective ids separately, in this order: groups, gids,
// uids. The saved ids become the effective ones, as execve would make them anyway.
// IDs excludes [Credential] and [ResetIDs].
//
// If the real uid is 0, the program has its capabilities permitted; see
// capabilities(7).
//
// Privilege: CAP_SETUID and CAP_SETGID, unless the ids are only exchanged for
// others that this process has. See setresuid(2).
type IDs struct {
	// RUID and EUID are the real and the effective uid, RGID and EGID the gids.
	// [KeepID] leaves an id as it is.
	RUID, EUID uint32
	RGID, EGID uint32
	// Groups, KeepGroups and Root are as in [Credential].
	Groups     []uint32
	KeepGroups bool
	Root       bool
}

// KeepID leaves an id of [IDs] as it is, like -1 in the system calls.
const KeepID = ^uint32(0)

func (i IDs) check(c *plan.Claims) error {
	if err := checkGroups(i.Groups, i.KeepGroups); err != nil {
		return err
	}
	if err := checkRoot(i.Root, min(i.RUID, i.EUID), min(i.RGID, i.EGID)); err != nil {
		return err
	}
	needMaps(c, "attr.IDs", i.RUID != KeepID || i.EUID != KeepID, i.RGID != KeepID || i.EGID != KeepID, !i.KeepGroups)
	return c.Claim(ids, "attr.IDs")
}

func (i IDs) lower(p *plan.Plan) {
	p.Credentials = true
	lowerGroups(p, i.Groups, i.KeepGroups)
	set := func(name string, sys raw.Sys, r, e uint32) {
		p.Step(name, fmt.Sprintf("real=%s effective=%s", idText(r), idText(e)))
		p.Call(plan.Credentials, sys, idArg(r), idArg(e), idArg(e))
	}
	set("setresgid", raw.Setresgid, i.RGID, i.EGID)
	set("setresuid", raw.Setresuid, i.RUID, i.EUID)
}

func idArg(id uint32) raw.Arg { return raw.Int(int64(int32(id))) }

func idText(id uint32) string {
	if id == KeepID {
		return "kept"
	}
	return fmt.Sprint(id)
}

// ParseID reads the number of a user or a group; package lookup finds their names. The
// error matches EINVAL.
func ParseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || uint32(n) == KeepID {
		return 0, plan.Invalid("%q is not an id", s)
	}
	return uint32(n), nil
}
