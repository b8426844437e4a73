package highfd

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

var pollerOnce sync.Once

// SettlePoller has the runtime open what it polls with, if it hasn't yet, at numbers
// from Least on: the process would die when somebody put a file of theirs at one
// below. For the moment that it takes other files are there.
func SettlePoller() { pollerOnce.Do(settlePoller) }

func settlePoller() {
	own, err := Open("/", unix.O_PATH, 0)
	if err != nil {
		return
	}
	defer unix.Close(own)
	for {
		n, err := DupFrom(own, 0)
		if err != nil {
			break
		}
		if n >= Least {
			unix.Close(n)
			break
		}
		defer func() {
			if Same(own, n) {
				unix.Close(n)
			}
		}()
	}
	time.AfterFunc(time.Hour, func() {}).Stop() // timers need the poller
}
