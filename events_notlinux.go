//go:build !linux

package spawn

import "context"

// events is Events.
func (p *Process) events(_ context.Context, yield func(ProcessEvent, error) bool) {
	yield(ProcessEvent{}, missing("Process.Events", "waitid with pidfds", "5.4"))
}
