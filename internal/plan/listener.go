package plan

import (
	"os"

	"github.com/safespawn/spawn/internal/raw"
)

// Listener has this process take the listener of the child's filter, while the child is on
// its way to execve.
type Listener struct {
	// Begin is called at each start, before the child is made. Its error ends the start.
	Begin func() error
	// Deliver gets the listener, and has to close it. A start that makes a second child,
	// as its first one has failed, delivers a second one in place of the first.
	Deliver func(*os.File)
	// Closed reports whether the user has closed it.
	Closed func() bool
	// End is called when the start is over, and told whether it has failed.
	End func(failed bool)

	Number raw.Var // the child's number of it, which is NoNumber before
	Index  int     // of the attribute
}

// NoNumber is no descriptor.
const NoNumber = ^uint64(0)

// Rendezvous is the second argument of the call with which a child waits until its listener
// was taken: an execve of no path, of which its filter notifies whatever else is in it. The
// program can make the call as well. Without a filter it has no effect but EFAULT.
const Rendezvous = 0x5f3c_a1d7_0b62_9e48 & uint64(^uintptr(0))

// SetListener asks for the listener of a filter.
func (p *Plan) SetListener(l Listener) {
	l.Index = p.index
	p.Listener = &l
}
