package plan

import "github.com/safespawn/spawn/internal/raw"

// Of linux/mount.h, linux/fcntl.h, linux/sched.h and asm/errno.h.
const (
	msRec, msPrivate = 0x4000, 0x40000
	oPath            = 0x200000

	ePERM, eINVAL, eNOSYS = 1, 22, 38
)

// PrivateMounts makes all mounts of the child's mount namespace private, in the step
// that was begun.
//
// Where the root directory is no mount point, as after a chroot, mount(2) does not
// reach the mount that it is in, and to mount something there would be seen outside.
// The child then goes to the root of its namespace for the one call, and back.
func (p *Plan) PrivateMounts(ph Phase) {
	private := func() raw.OpRef {
		return p.Call(ph, raw.Mount, p.b.String("none"), p.b.String("/"), raw.Int(0), raw.Int(msRec|msPrivate), raw.Int(0))
	}
	root, cwd, ns := p.b.Var(), p.b.Var(), p.b.Var()
	private().Else(alternatives+8, eINVAL)
	p.openDir(ph, "/", root)
	p.openDir(ph, ".", cwd)
	p.enterRoot(ph, ns)
	private()
	p.Call(ph, raw.Fchdir, raw.VarArg(root, 0))
	p.Call(ph, raw.Chroot, p.b.String("."))
	p.Call(ph, raw.Fchdir, raw.VarArg(cwd, 0))
	for _, fd := range []raw.Var{root, cwd} {
		p.Call(ph, raw.Close, raw.VarArg(fd, 0))
	}
}

// PivotHere makes the working directory, a mount point, the root of the mount
// namespace, with the old one on top of it. As the old root has to be a mount point,
// too, it does so from the root of the namespace where the child is in a chroot.
func (p *Plan) PivotHere(ph Phase) {
	here := p.b.String(".")
	cwd, ns := p.b.Var(), p.b.Var()
	p.Call(ph, raw.PivotRoot, here, here).Else(alternatives+4, eINVAL)
	p.openDir(ph, ".", cwd)
	p.enterRoot(ph, ns)
	p.Call(ph, raw.Fchdir, raw.VarArg(cwd, 0))
	p.Call(ph, raw.PivotRoot, here, here)
	p.Call(ph, raw.Close, raw.VarArg(cwd, 0))
}

// openDir opens a directory to come back to.
func (p *Plan) openDir(ph Phase, path string, fd raw.Var) {
	p.Call(ph, raw.Openat, raw.Int(AtFdcwd), p.b.String(path), raw.Int(oPath|oCloexec), raw.Int(0)).Keep(fd)
}

// alternatives is how many calls enterRoot makes.
const alternatives = 5

// enterRoot makes the root of the child's mount namespace its root and working
// directory: that is what entering a namespace does, also the one it is in.
func (p *Plan) enterRoot(ph Phase, ns raw.Var) {
	self := p.b.Var()
	p.Call(ph, raw.Getpid).Keep(self)
	p.Call(ph, raw.PidfdOpen, raw.VarArg(self, 0), raw.Int(0)).Keep(ns).Else(1, eNOSYS, ePERM)
	p.Call(ph, raw.Openat, raw.Int(AtFdcwd), p.b.String("/proc/self/ns/mnt"), raw.Int(oCloexec), raw.Int(0)).Keep(ns)
	p.Call(ph, raw.Setns, raw.VarArg(ns, 0), raw.Int(CloneNewNS))
	p.Call(ph, raw.Close, raw.VarArg(ns, 0))
}
