package attr

import (
	"encoding/binary"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Loopback brings up the loopback interface of a new network namespace, where it is
// down. The program can then use 127.0.0.1, and ::1 if the kernel has IPv6. The child
// must have a new network namespace: by [Namespaces] or [Unshare] with CLONE_NEWNET.
// It happens after the root directory changes and before credentials are dropped.
//
// Privilege: CAP_NET_ADMIN in the user namespace of the network namespace. The child
// has it in a user namespace made together with the network namespace. See
// netdevice(7).
type Loopback struct{}

// Of linux/socket.h, linux/net.h, linux/sockios.h and linux/if.h.
const (
	afInet       = 2
	sockDgram    = 2
	sockCloexec  = 0x80000
	siocsifflags = 0x8914
	iffUp        = 0x1

	loopback = "lo"
)

func (Loopback) check(c *plan.Claims) error {
	c.Need(newNetwork, "attr.Loopback", "net", "attr.Namespaces", "attr.Unshare")
	return c.Claim("the loopback interface", "attr.Loopback")
}

func (Loopback) lower(p *plan.Plan) {
	b, fd := p.Builder(), p.Builder().Var()
	p.Step(plan.StepLoopback, loopback)
	p.Call(plan.Root, raw.Socket, raw.Int(afInet), raw.Int(sockDgram|sockCloexec), raw.Int(0)).Keep(fd)
	p.Call(plan.Root, raw.Ioctl, raw.VarArg(fd, 0), raw.Int(siocsifflags), b.Words(flagsRequest(loopback, iffUp)...))
	p.Call(plan.Root, raw.Close, raw.VarArg(fd, 0))
}

// flagsRequest is struct ifreq with the flags of an interface.
func flagsRequest(name string, flags uint16) []uint64 {
	const nameSize, size = 16, 40
	var req [size]byte
	copy(req[:nameSize-1], name)
	binary.NativeEndian.PutUint16(req[nameSize:], flags)
	words := make([]uint64, size/8)
	for i := range words {
		words[i] = binary.NativeEndian.Uint64(req[8*i:])
	}
	return words
}
