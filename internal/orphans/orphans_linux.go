// Package orphans reaps children that nobody in this process waits for.
package orphans

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/raw"
)

// grace is how long a child without an owner stays a zombie. Whoever waits for it by its
// pid alone, as after syscall.ForkExec, is not known: the kernel wakes it at the end of
// the child, and it has this time to reap it.
var grace = time.Second

// atOnce bounds how many pidfds are open at a time.
const atOnce = 64

// leastPause is the least time between two looks. A look that takes long is followed by
// a pause ten times as long.
const leastPause = 10 * time.Millisecond

// running has a place for one reaper: each would take the other's pidfds for an owner's.
var running = make(chan struct{}, 1)

// errs that keep Reap from working.
var (
	ErrNoPidfds = errors.New("no pidfds")
	ErrNoProc   = errors.New("no /proc of this pid namespace")
)

// Reap reaps orphans until ctx ends. owned reports whether somebody waits for a child
// that has no pidfd.
func Reap(ctx context.Context, owned func(pid int) bool) error {
	select {
	case running <- struct{}{}:
		defer func() { <-running }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if !kernel.OurIDs() {
		return ErrNoProc
	}
	if !osHasPidfds() {
		return ErrNoPidfds
	}
	defer adopt()()
	bell := NewBell()
	defer bell.Stop()
	r := reaper{owned: owned, seen: map[zombie]time.Time{}}
	for {
		begin := time.Now()
		next := r.look()
		if !sleep(ctx, max(leastPause, 10*time.Since(begin))) {
			return ctx.Err()
		}
		t := time.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-bell.Signals:
		case <-bell.Ticks:
		case <-t.C:
		}
		t.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// osHasPidfds reports whether package os knows its children by pidfds.
func osHasPidfds() bool {
	p, err := os.FindProcess(os.Getpid())
	if err != nil {
		return false
	}
	defer p.Release()
	return p.WithHandle(func(uintptr) {}) == nil
}

// adopt has orphans become children of this process, and returns a function that undoes
// it. The init of a pid namespace gets them anyway.
func adopt() (restore func()) {
	is, err := raw.IsSubreaper()
	if os.Getpid() == 1 || is || err != nil || unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != nil {
		return func() {}
	}
	return func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) } // as 1 has worked
}

// zombie is a child that has ended; the time of its start tells it from another with
// the same pid.
type zombie struct {
	pid   int
	start string
}

type reaper struct {
	owned func(pid int) bool
	seen  map[zombie]time.Time // children that have ended, and since when that is known
}

// look reaps what is to be reaped, and returns the time until more may be.
func (r *reaper) look() (next time.Duration) {
	next = time.Hour
	if !anyZombie() {
		clear(r.seen)
		return next
	}
	now, seen := time.Now(), map[zombie]time.Time{}
	var due []zombie
	for _, z := range zombies() {
		since, known := r.seen[z]
		if !known {
			since = now
		}
		seen[z] = since
		if wait := grace - now.Sub(since); wait > 0 {
			next = min(next, wait)
		} else if !r.owned(z.pid) {
			due = append(due, z)
		}
	}
	r.seen = seen
	if len(due) > 0 {
		held, _ := heldPids(nil) // many may be left zombies by their owners
		due = slices.DeleteFunc(due, func(z zombie) bool { return held[z.pid] })
	}
	for len(due) > 0 {
		n := min(len(due), atOnce)
		reapAll(due[:n])
		due = due[n:]
	}
	return next
}

// anyZombie reports whether any child has ended.
func anyZombie() bool {
	var info unix.Siginfo
	err := waitid(unix.P_ALL, 0, &info, unix.WNOWAIT)
	return err == nil && info.Signo != 0
}

func waitid(idType, id int, info *unix.Siginfo, options int) error {
	for {
		if err := unix.Waitid(idType, id, info, unix.WEXITED|unix.WNOHANG|options, nil); err != unix.EINTR {
			return err
		}
	}
}

// zombies are the children that have ended.
func zombies() (list []zombie) {
	own := strconv.Itoa(os.Getpid())
	for _, name := range names("/proc") {
		if name[0] < '1' || name[0] > '9' {
			continue
		}
		// STATE PPID and so on; the time of the start is the twentieth.
		if f, err := kernel.Stat(name); err == nil && f[0][0] == 'Z' && string(f[1]) == own {
			if pid, err := strconv.Atoi(name); err == nil {
				list = append(list, zombie{pid, string(f[19])})
			}
		}
	}
	return list
}

// names are the entries of a directory, in the order of the kernel.
func names(dir string) []string {
	fd, err := highfd.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), dir)
	defer f.Close()
	list, err := f.Readdirnames(-1)
	if err != nil {
		return nil
	}
	return list
}

// reapAll reaps those of some zombies that no pidfd of this process is about. A pidfd of
// its own sees to it that none of them is another process by then.
func reapAll(list []zombie) {
	own := map[int]int{} // pids by pidfd
	defer func() {
		for fd := range own {
			unix.Close(fd)
		}
	}()
	for _, z := range list {
		if fd, ok := openZombie(z.pid); ok {
			own[fd] = z.pid
		}
	}
	held, known := heldPids(own)
	if !known {
		return
	}
	for fd, pid := range own {
		if !held[pid] {
			_ = waitid(unix.P_PIDFD, fd, new(unix.Siginfo), 0) // else it is not there any more
		}
	}
}

// openZombie makes a pidfd of a child that has ended.
func openZombie(pid int) (fd int, ok bool) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		fd, err = highfd.Raise(fd)
	}
	if err != nil {
		return -1, false
	}
	var info unix.Siginfo
	if waitid(unix.P_PIDFD, fd, &info, unix.WNOWAIT) != nil || info.Signo == 0 {
		unix.Close(fd)
		return -1, false
	}
	return fd, true
}

// heldPids are the processes that the pidfds of this process are about, but for some of
// its own. A pidfd that moves to a higher number meanwhile is seen at one of the two. It
// is not known if one can't be read, as where no descriptor is left.
func heldPids(own map[int]int) (held map[int]bool, known bool) {
	held = map[int]bool{}
	list := names("/proc/self/fd")
	for _, name := range list {
		fd, err := strconv.Atoi(name)
		if err != nil || !isPidfd(name) {
			continue
		}
		if _, ours := own[fd]; ours {
			continue
		}
		if pid, ok := kernel.Number("/proc/self/fdinfo/"+name, "Pid"); ok {
			held[pid] = true
		} else if isPidfd(name) { // still: it was not closed meanwhile
			return nil, false
		}
	}
	return held, len(list) > 0
}

func isPidfd(fd string) bool {
	var buf [32]byte
	n, err := unix.Readlink("/proc/self/fd/"+fd, buf[:])
	return err == nil && (string(buf[:n]) == "anon_inode:[pidfd]" || n > 6 && string(buf[:6]) == "pidfd:")
}
