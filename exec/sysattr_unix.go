//go:build unix && (!linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec)

package exec

import (
	"slices"
	"syscall"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// attributes is Attr with what attributes can say of SysProcAttr, so that contradictions
// are found, and the rest.
func (c *Cmd) attributes() (attr.List, *syscall.SysProcAttr, error) {
	if c.SysProcAttr == nil {
		return c.Attr, nil, nil
	}
	list, rest := slices.Clip(c.Attr), *c.SysProcAttr
	if rest.Chroot != "" {
		list = append(list, attr.Chroot(rest.Chroot))
	}
	if cr := rest.Credential; cr != nil {
		a := attr.Credential{UID: cr.Uid, GID: cr.Gid, KeepGroups: cr.NoSetGroups, Root: true}
		if !a.KeepGroups {
			a.Groups = cr.Groups
		}
		list, rest.Credential = append(list, a), nil
	}
	if rest.Setsid {
		list = append(list, attr.Setsid{})
	}
	if rest.Setpgid || rest.Foreground {
		list = append(list, attr.Setpgid{Pgid: rest.Pgid})
	}
	if rest.Setctty && hasType[attr.ControllingTTY](c.Attr) {
		const name = "ControllingTTY"
		why := &attr.ConflictError{A: name, B: name, Why: "SysProcAttr has another"}
		return nil, nil, &spawn.Error{Path: c.Path, Part: spawn.PartAttr, Step: spawn.StepCtty, Index: -1, Object: name, Err: why}
	}
	return list, &rest, nil
}
