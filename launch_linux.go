//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// watcher kills a child that is still on its way to execve when a context ends.
type watcher struct {
	cancel   func() bool
	returned atomic.Bool // clone has
	done     chan struct{}
}

// watch begins watching; it costs nothing where ctx can't end.
func watch(ctx context.Context, r *raw.Run) *watcher {
	if ctx.Done() == nil {
		return nil
	}
	w := &watcher{done: make(chan struct{})}
	w.cancel = context.AfterFunc(ctx, func() {
		defer close(w.done)
		// The kernel stores what identifies the child before the child runs, but
		// this may be earlier still.
		for !w.returned.Load() && !r.Kill() {
			time.Sleep(50 * time.Microsecond)
		}
	})
	return w
}

// stop ends watching and reports whether the context ended meanwhile.
func (w *watcher) stop() bool {
	if w == nil {
		return false
	}
	w.returned.Store(true)
	if w.cancel() {
		return false
	}
	<-w.done
	return true
}

// launchByPipe makes a child that does not share memory with this process. Its
// failure record comes by a pipe, which closes at execve.
func (p *Program) launchByPipe(ctx context.Context, r *raw.Run, c raw.Clone, m *mapper) (*Process, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		_ = m.end()
		return nil, &Error{Path: p.path, Step: "pipe", Index: -1, Err: err}
	}
	defer unix.Close(pipe[0])
	// The child keeps it at a number above all that are named.
	w, err := unix.FcntlInt(uintptr(pipe[1]), unix.F_DUPFD_CLOEXEC, max(p.top, 3))
	unix.Close(pipe[1])
	if err != nil {
		_ = m.end()
		return nil, &Error{Path: p.path, Step: "pipe", Index: -1, Err: err}
	}
	c.ErrFD = w
	r.Set(p.fds.errFD, uint64(w))
	watch := watch(ctx, r)
	pid, errno := r.Start(c)
	unix.Close(w)
	if errno == 0 {
		r.SetRecord(readAll(pipe[0]))
	}
	killed := watch.stop()
	return p.result(ctx, r, pid, errno, killed, m.end())
}

func readAll(fd int) []byte {
	buf := make([]byte, 64)
	for n := 0; ; {
		k, err := unix.Read(fd, buf[n:])
		if err == unix.EINTR {
			continue
		}
		if k <= 0 {
			return buf[:n]
		}
		n += k
	}
}

// tableSize is above all open descriptors of this process: the kernel's own
// size of the table, or else the limit.
func tableSize() int {
	if n, ok := procNumber("/proc/self/status", "FDSize"); ok && n > 0 {
		return n
	}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err == nil && l.Max < 1<<20 {
		return int(l.Max)
	}
	return 1 << 20
}

// procNumber is the number that a file of /proc has after a name, which must not
// be in its first line.
func procNumber(path, name string) (n int, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	_, rest, ok := bytes.Cut(text, []byte("\n"+name+":"))
	if !ok {
		return 0, false
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	n, err = strconv.Atoi(string(bytes.TrimSpace(line)))
	return n, err == nil
}
