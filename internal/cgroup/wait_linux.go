package cgroup

import (
	"bytes"
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// maxPause is the longest time between two looks where nothing tells of a change.
const maxPause = 20 * time.Millisecond

// AwaitEmpty waits until nobody is in the group and below. It costs no thread: the kernel
// tells the poller that cgroup.events has changed.
func (g *Group) AwaitEmpty(ctx context.Context) error {
	if g.Empty() {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := g.openEvents()
	if err != nil {
		return g.lookAgain(ctx)
	}
	defer f.Close()
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) }) // else there is no poller, and it looks again
	defer stop()
	conn, err := f.SyscallConn()
	if err == nil {
		err = conn.Read(func(fd uintptr) bool { return !eventsPopulated(int(fd)) })
	}
	switch {
	case err == nil:
		return nil
	case g.Empty():
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return g.lookAgain(ctx)
}

// openEvents opens cgroup.events so that package os puts it into the poller.
func (g *Group) openEvents() (f *os.File, err error) {
	err = g.with(func(dir int) error {
		fd, err := openAt(dir, "cgroup.events", unix.O_RDONLY|unix.O_NONBLOCK)
		if err != nil {
			return err
		}
		f = os.NewFile(uintptr(fd), "cgroup.events")
		return nil
	})
	if err == nil && f.SetReadDeadline(time.Time{}) != nil {
		f.Close()
		return nil, unix.EPERM // the poller has not taken it
	}
	return f, err
}

// eventsPopulated is populated for an open cgroup.events. To read it from its beginning
// is what makes the next change one that is told.
func eventsPopulated(fd int) bool {
	var text [256]byte
	n, err := unix.Pread(fd, text[:], 0)
	return err == nil && bytes.Contains(text[:n], []byte("populated 1"))
}

// lookAgain waits by looking again and again.
func (g *Group) lookAgain(ctx context.Context) error {
	for pause := 100 * time.Microsecond; !g.Empty(); pause = min(2*pause, maxPause) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
