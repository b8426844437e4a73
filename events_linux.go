package spawn

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// bell rings when the state of a child of this process may have changed: at a SIGCHLD,
// and once in a while.
type bell struct {
	signals chan os.Signal
	ticker  *time.Ticker
}

// bellTime is the time between two rings without a SIGCHLD.
const bellTime = time.Second

// newBell makes a bell. It leaves it at that if SIGCHLD is ignored: the kernel would
// leave zombies otherwise.
func newBell() bell {
	b := bell{make(chan os.Signal, 1), time.NewTicker(bellTime)}
	if !signal.Ignored(syscall.SIGCHLD) {
		signal.Notify(b.signals, syscall.SIGCHLD)
	}
	return b
}

func (b bell) stop() {
	signal.Stop(b.signals)
	b.ticker.Stop()
}

// events is Events.
func (p *Process) events(ctx context.Context, yield func(ProcessEvent, error) bool) {
	b := newBell()
	defer b.stop()
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
		case <-b.signals:
		case <-b.ticker.C:
		}
	}
}

func eventOf(status syscall.WaitStatus) ProcessEvent {
	if status.Continued() {
		return ProcessEvent{Kind: ProcessContinued}
	}
	return ProcessEvent{Kind: ProcessStopped, Signal: max(status.StopSignal(), 0)}
}
