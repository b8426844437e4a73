package spawn

import (
	"context"
	"syscall"

	"github.com/safespawn/spawn/internal/orphans"
)

// events is Events.
func (p *Process) events(ctx context.Context, yield func(ProcessEvent, error) bool) {
	bell := orphans.NewBell()
	defer bell.Stop()
	for {
		for {
			status, changed, err := p.change()
			if err != nil {
				yield(ProcessEvent{}, err)
				return
			}
			if !changed {
				break
			}
			if !yield(eventOf(status), nil) {
				return
			}
		}
		select {
		case <-p.Done():
			yield(p.endedEvent())
			return
		case <-ctx.Done():
			yield(ProcessEvent{}, ctx.Err())
			return
		case <-bell.Signals:
		case <-bell.Ticks:
		}
	}
}

func eventOf(status syscall.WaitStatus) ProcessEvent {
	if status.Continued() {
		return ProcessEvent{Kind: ProcessContinued}
	}
	return ProcessEvent{Kind: ProcessStopped, Signal: max(status.StopSignal(), 0)}
}
