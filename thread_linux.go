//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"context"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// lasting are threads that never end. The kernel takes the end of the thread that
// made a child for the death of the parent; Go ends threads as it likes.
var lasting = lastingThreads{jobs: make(chan *lastingJob)}

// maxLasting bounds the threads. Each is busy while a child is on its way to
// execve; the number matters only where children are held up there.
const maxLasting = 8

type lastingThreads struct {
	jobs chan *lastingJob
	n    atomic.Int32
	once sync.Once
	ns   namespaceLinks // of all of them
}

type lastingJob struct {
	caller threadState
	f      func()
	done   chan bool // whether f was called
}

// do calls f on a lasting thread, or returns false where the calling thread is
// not like that.
func (l *lastingThreads) do(ctx context.Context, f func()) (bool, error) {
	job := &lastingJob{currentThread(), f, make(chan bool)}
	job.caller.ns = currentNamespaces()
	select {
	case l.jobs <- job:
	default:
		if l.n.Add(1) <= maxLasting {
			go l.serve()
		} else {
			l.n.Add(-1)
		}
		select {
		case l.jobs <- job:
		case <-ctx.Done():
			return true, ctx.Err()
		}
	}
	return <-job.done, nil
}

// serve is a goroutine that keeps its thread.
func (l *lastingThreads) serve() {
	runtime.LockOSThread()
	l.once.Do(func() { l.ns = currentNamespaces() })
	for job := range l.jobs {
		own := currentThread()
		own.ns = l.ns
		same := own == job.caller
		if same {
			job.f()
		}
		job.done <- same
	}
}

// threadState is what a child gets from the thread that makes it, and what a
// goroutine that is locked to its thread may have changed.
type threadState struct {
	uid, gid            [3]int
	caps                [2]unix.CapUserData
	noNewPrivs, seccomp int
	ns                  namespaceLinks
}

func currentThread() (s threadState) {
	s.uid[0], s.uid[1], s.uid[2] = unix.Getresuid()
	s.gid[0], s.gid[1], s.gid[2] = unix.Getresgid()
	_ = unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &s.caps[0])
	s.noNewPrivs, _ = unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	s.seccomp, _ = unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	return s
}

// namespaceNames are the namespaces of a thread that its children get.
var namespaceNames = [...]string{"cgroup", "ipc", "mnt", "net", "pid_for_children", "time_for_children", "user", "uts"}

type namespaceLinks [len(namespaceNames)]string

// currentNamespaces identifies the calling thread's. What can't be read is empty.
func currentNamespaces() (links namespaceLinks) {
	for i, name := range namespaceNames {
		links[i], _ = os.Readlink("/proc/thread-self/ns/" + name)
	}
	return links
}

// launch runs the program on a thread that will do.
func (p *Program) launch(ctx context.Context) (*Process, error) {
	if !p.lasting {
		return p.launchTraced(ctx)
	}
	var proc *Process
	var err error
	called, ended := lasting.do(ctx, func() { proc, err = p.launchTraced(ctx) })
	switch {
	case ended != nil:
		return nil, ended
	case !called:
		return p.launchTraced(ctx)
	}
	return proc, err
}
