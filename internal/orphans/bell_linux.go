package orphans

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Bell tells when the state of a child of this process may have changed. It leaves
// SIGCHLD to all others who want it, and costs no thread. It rings at a SIGCHLD, and once
// in a while: somebody may reset the signal.
type Bell struct {
	Signals <-chan os.Signal
	Ticks   <-chan time.Time

	signals chan os.Signal
	ticker  *time.Ticker
}

// ringPause is the time between two rings without a SIGCHLD.
const ringPause = time.Second

// NewBell makes a bell. If SIGCHLD is ignored it stays so: otherwise the kernel would leave
// zombies.
func NewBell() *Bell {
	signals, ticker := make(chan os.Signal, 1), time.NewTicker(ringPause)
	if !signal.Ignored(syscall.SIGCHLD) {
		signal.Notify(signals, syscall.SIGCHLD)
	}
	return &Bell{signals, ticker.C, signals, ticker}
}

// Stop ends it.
func (b *Bell) Stop() {
	signal.Stop(b.signals)
	b.ticker.Stop()
}
