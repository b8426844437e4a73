package spawn

import (
	"context"
	"iter"
	"strconv"
	"syscall"
)

// ProcessEvent is a change of a child's state. See [Process.Events].
type ProcessEvent struct {
	Kind ProcessEventKind
	// Signal is the signal that stopped the child. It is 0 for other kinds, and if
	// the system does not tell.
	Signal syscall.Signal
	// State says how the child ended. It is nil for other kinds.
	State *ProcessState
}

// ProcessEventKind is the kind of a [ProcessEvent].
type ProcessEventKind uint8

// The kinds of events: those of waitid(2) with WSTOPPED, WCONTINUED and WEXITED.
const (
	ProcessStopped   ProcessEventKind = iota + 1 // by a signal such as SIGSTOP or SIGTSTP
	ProcessContinued                             // by SIGCONT
	ProcessEnded                                 // and was reaped; the last event
)

// String returns the kind as one word, such as "stopped".
func (k ProcessEventKind) String() string {
	switch k {
	case ProcessStopped:
		return "stopped"
	case ProcessContinued:
		return "continued"
	case ProcessEnded:
		return "ended"
	}
	return "ProcessEventKind(" + strconv.Itoa(int(k)) + ")"
}

// Events returns the stops, the continuations and the end of the child, in order, at
// the time when they happen. The loop ends after the end of the child, which is reaped
// as by Wait, or after an error. If ctx ends, the error is ctx.Err(), and the child is
// not touched. You may leave the loop at any time.
//
//	for e, err := range p.Events(ctx) {
//		if err != nil {
//			return err
//		}
//		log.Println(e.Kind, e.Signal)
//	}
//
// The kernel keeps one change for each child. So a stop that was followed at once by a
// continuation may be missing. It keeps a stop from before the call. Each change goes
// to one loop: use one at a time for each child. If something else in this process
// waits for stops, such as a loop around wait4(-1) with WUNTRACED, it takes changes
// away.
//
// Events costs no thread. It listens to SIGCHLD by [os/signal.Notify], beside all
// others who do so. If another part of your program resets or ignores SIGCHLD, events
// come up to a second late.
//
// An attached child, a child that attr.Ptrace has this process trace, and systems other
// than Linux have an error that matches [errors.ErrUnsupported]. So have kernels without
// pidfds, if package os makes the children. See waitid(2).
func (p *Process) Events(ctx context.Context) iter.Seq2[ProcessEvent, error] {
	checkContext(ctx)
	return func(yield func(ProcessEvent, error) bool) { p.events(ctx, yield) }
}

// endedEvent is the last event.
func (p *Process) endedEvent() (ProcessEvent, error) {
	if p.err != nil {
		return ProcessEvent{}, p.err
	}
	return ProcessEvent{Kind: ProcessEnded, State: p.state}, nil
}
