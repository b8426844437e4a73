package attr

import (
	"fmt"
	"os"
	"strings"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Mount is one call of mount(2). The child resolves the paths in its working
// directory, before [Chroot] and [PivotRoot]. A read-only bind mount takes two
// entries: MS_BIND, and then MS_REMOUNT|MS_BIND|MS_RDONLY. With MS_BIND|MS_REC as the first,
// the mounts beneath stay as they are, and may be writable. [NewRoot] has a Bind that is
// read-only with all beneath.
type Mount struct {
	// Source, Target and FSType are as in mount(2). A field may be empty if the
	// kernel does not look at it, as at FSType for a bind mount.
	Source, Target, FSType string
	// Flags are MS_*.
	Flags uint
	// Data is shorter than a page, because the kernel would cut off the rest.
	Data string
}

// Mounts mounts file systems, in the order of the list, before [Chroot] and
// [PivotRoot]. The child must have a mount namespace of its own: by [Namespaces] or
// [Unshare] with CLONE_NEWNS.
//
// Before the first mount, all mounts in the namespace become private, so nothing
// that the child mounts is seen outside. This also holds if this process is in a
// chroot, but then it takes /proc, or pidfds that can be joined (Linux 5.8).
//
// Privilege: CAP_SYS_ADMIN. The child has it in a user namespace made together with
// the mount namespace. See mount(2).
type Mounts []Mount

// PivotRoot makes a directory the root of the child's mount namespace, and unmounts
// the old root. Unlike with [Chroot], nothing outside can be reached afterwards.
// The child must have a mount namespace of its own: by [Namespaces] or [Unshare]
// with CLONE_NEWNS. The directory need not be a mount point. It becomes the working
// directory.
//
// If the present root is an initramfs, the error is EINVAL. Privilege:
// CAP_SYS_ADMIN. See pivot_root(2).
type PivotRoot string

const (
	msBind    = 0x1000
	msRec     = 0x4000
	mntDetach = 2
	maxPath   = 4096 // PATH_MAX, with a NUL byte

	mountsOfOwn = "mounts of its own"
	theMounts   = "the mounts"
)

func (m Mounts) check(c *plan.Claims) error {
	if len(m) == 0 {
		return invalid(plan.StepMount, "", "no mounts")
	}
	for _, x := range m {
		if err := x.check(); err != nil {
			return err
		}
	}
	needMounts(c, "attr.Mounts")
	return c.Claim(theMounts, "attr.Mounts")
}

// check finds what the kernel would cut off, or refuse without saying why.
func (m Mount) check() error {
	page := os.Getpagesize()
	switch {
	case m.Target == "" || strings.IndexByte(m.Source+m.Target+m.FSType+m.Data, 0) >= 0:
		return invalid(plan.StepMount, m.object(), "no target, or a NUL byte")
	case len(m.Data) >= page:
		return invalid(plan.StepMount, m.object(), "Data of %d bytes, of which the kernel would take %d", len(m.Data), page-1)
	case max(len(m.Source), len(m.Target), len(m.FSType)) >= maxPath:
		return invalid(plan.StepMount, m.Target, "longer than %d bytes", maxPath-1)
	}
	return nil
}

func needMounts(c *plan.Claims, by string) {
	c.Need(mountsOfOwn, by, "mnt", "attr.Namespaces", "attr.Unshare")
}

func (m Mount) object() string {
	if m.Source == "" {
		return m.Target
	}
	return fmt.Sprintf("%s on %s", m.Source, m.Target)
}

// privateMounts makes all mounts private, before those of Mounts, some of which
// may be meant to be shared.
func privateMounts(p *plan.Plan) {
	p.Step(plan.StepPrivateMounts, "/")
	p.PrivateMounts(plan.Mounts)
}

func (m Mounts) lower(p *plan.Plan) {
	privateMounts(p)
	b := p.Builder()
	text := func(s string) raw.Arg {
		if s == "" {
			return raw.Int(0)
		}
		return b.String(s)
	}
	for _, x := range m {
		source := "none" // mount(2) wants an address for some
		if x.Source != "" {
			source = x.Source
		}
		p.Step(plan.StepMount, x.object())
		p.Call(plan.Mounts, raw.Mount, b.String(source), b.String(x.Target), text(x.FSType), raw.Int(int64(x.Flags)), text(x.Data))
	}
}

func (d PivotRoot) check(c *plan.Claims) error {
	if d == "" || len(d) >= maxPath || strings.IndexByte(string(d), 0) >= 0 {
		return invalid(plan.StepPivotRoot, string(d), "empty path, one of more than %d bytes, or with a NUL byte", maxPath-1)
	}
	needMounts(c, "attr.PivotRoot")
	return c.Claim("the root directory", "attr.PivotRoot")
}

// lower puts the old root on top of the new one and takes it away from there, for
// which no directory is needed.
func (d PivotRoot) lower(p *plan.Plan) {
	p.Chrooted = true
	if !p.Claims().Has(theMounts) {
		privateMounts(p)
	}
	b := p.Builder()
	dir := b.String(string(d))
	p.Step(plan.StepPivotRoot, string(d))
	p.Call(plan.Root, raw.Mount, dir, dir, raw.Int(0), raw.Int(msBind|msRec), raw.Int(0))
	p.Call(plan.Root, raw.Chdir, dir)
	pivotHere(p)
}

// pivotHere makes the working directory, a mount point, the root.
func pivotHere(p *plan.Plan) {
	b := p.Builder()
	p.PivotHere(plan.Root)
	p.Call(plan.Root, raw.Umount2, b.String("."), raw.Int(mntDetach))
	p.Call(plan.Root, raw.Chdir, b.String("/"))
}
