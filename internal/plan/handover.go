package plan

import (
	"os"
	"syscall"

	"github.com/safespawn/spawn/internal/raw"
)

// Handover is how a child is started that the caller sees to: nothing is done about one
// that is forgotten.
type Handover struct {
	Take  bool      // the pidfd is the caller's, where children are waited for by theirs
	Pidfd int       // set where it was taken; no number of a descriptor of ours is 0
	Claim raw.Claim // to the number; it is as old as the pidfd

	// Reaping is set where a tree knows the child by the Process, which is not to be
	// disowned then. It is to be called when the child has ended, before it is reaped.
	Reaping func()

	Started any // the *spawn.Process, set at the start where it has optional attributes

	// For the fallback, which hands over the process with all that goes with it.
	Sys     *syscall.SysProcAttr // what attributes don't say
	Process *os.Process          // set at the start
}

// Spawn is what package spawn does for package exec. It fills this in, and package
// handover, which knows the types, calls it: methods would stand in the reference of
// spawn.
var Spawn struct {
	Start, CompileExec, Disown, Leave, FileAsIs, NewState, NewEvent, Limit, GiveBack any

	Take, Share, Settle, Orphan any // with the engine
}
