//go:build (amd64 || arm64) && !android && !spawn_forkexec

package exec

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// tree is a child and the processes that it has made.
type tree struct {
	pid    int     // of the child, and the id of its process group
	group  bool    // it leads one
	cgroup *cgroup // nil where none could be made

	mu     sync.Mutex
	reaped bool // pid may be anybody's
}

// drainTime is how long what dead writers have left in a pipe may take to be
// read, and goneTime how long a killed process may take to be gone.
const (
	drainTime = 100 * time.Millisecond
	goneTime  = 2 * time.Second
)

// newTree makes what keeps a tree together, and adds it to the attributes.
func (c *Cmd) newTree(list *attr.List) *tree {
	t := &tree{}
	if !hasType[attr.Cgroup](*list) {
		t.cgroup = newCgroup()
	}
	// Whoever asks for another group than the child's own has none to be killed.
	i := slices.IndexFunc(*list, func(a attr.Attr) bool { _, ok := a.(attr.Setpgid); return ok })
	t.group = i < 0 || (*list)[i].(attr.Setpgid).Pgid == 0
	t.join(list)
	return t
}

// join adds the attributes of a tree to a list.
func (t *tree) join(list *attr.List) {
	*list = slices.Clip(*list)
	if t.group && !hasType[attr.Setpgid](*list) && !hasType[attr.Setsid](*list) {
		*list = append(*list, attr.Setpgid{})
	}
	if t.cgroup != nil {
		*list = append(*list, attr.Cgroup{Dir: t.cgroup.dir})
	}
}

// refused reports whether the tree's control group is why a start failed. The
// tree does without it then.
func (t *tree) refused(err error) bool {
	if t == nil || t.cgroup == nil || err == nil {
		return false
	}
	var e *spawn.Error
	if !errors.As(err, &e) || e.Step != "cgroup" {
		return false
	}
	t.remove()
	t.cgroup = nil
	return true
}

// remove removes the control group of a tree in which there is no process.
func (t *tree) remove() {
	if t != nil && t.cgroup != nil {
		t.cgroup.remove()
	}
}

// kill kills all that is left of the tree.
func (t *tree) kill() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := os.ErrProcessDone
	if t.cgroup != nil && t.cgroup.kill() {
		err = nil
	}
	if t.gone() {
		return err
	}
	// The pid is the child's, and the group's, as long as it is not reaped.
	if unix.Kill(t.pid, unix.SIGKILL) == nil {
		err = nil
	}
	if t.group {
		_ = unix.Kill(-t.pid, unix.SIGKILL) // may have nobody in it
	}
	return err
}

// gone reports whether the child was reaped. The caller holds t.mu.
func (t *tree) gone() bool {
	if !t.reaped {
		err := unix.Waitid(unix.P_PID, t.pid, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		t.reaped = err == unix.ECHILD // the user may have called Process.Wait
	}
	return t.reaped
}

// reap kills what is left and calls f, which reaps the child. When it returns,
// nothing of the tree is alive, unless the kernel takes too long over it.
func (t *tree) reap(f func() error) error {
	_ = t.kill() // all there is to know is that nothing is left
	t.mu.Lock()
	err := f()
	t.reaped = true
	t.mu.Unlock()
	if t.group {
		await(goneTime, func() bool { return !groupAlive(t.pid) })
	}
	if t.cgroup != nil {
		t.cgroup.end()
	}
	return err
}

// groupAlive reports whether a process group has processes that are no zombies:
// somebody else is to reap those, and may take his time.
func groupAlive(pgid int) bool {
	if unix.Kill(-pgid, 0) == unix.ESRCH {
		return false
	}
	list, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, entry := range list {
		if n := entry.Name(); n[0] < '1' || n[0] > '9' {
			continue
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue
		}
		// PID (NAME) STATE PPID PGRP ...; the name may have any character.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) > 2 && string(fields[2]) == strconv.Itoa(pgid) && !bytes.ContainsAny(fields[0], "ZX") {
			return true
		}
	}
	return false
}

// await calls done until it returns true, but not for longer than d.
func await(d time.Duration, done func() bool) {
	pause := 50 * time.Microsecond
	for begin := time.Now(); !done() && time.Since(begin) < d; pause = min(2*pause, 5*time.Millisecond) {
		time.Sleep(pause)
	}
}

// waitTree is Wait with Tree. The child is reaped last, so that its process group
// can be killed.
func (c *Cmd) waitTree() error {
	c.child.wait()
	e, ended, late := c.awaitTree()
	_ = c.tree.kill() // nothing may be left
	if !c.drained() {
		c.closePipes()
	}
	stop(e.timer)
	err := c.tree.reap(c.reap)
	if !ended {
		e = c.stopWatching()
		ended = e != ending{}
		stop(e.timer)
	}
	switch {
	case ended && e.err != nil && errors.Is(e.err, c.ctx.Err()):
		return c.because(e.err)
	case err != nil:
		return err
	case ended && e.err != nil:
		return e.err
	case late:
		return ErrWaitDelay
	case c.streams.group != nil:
		return c.streams.group.result()
	}
	return nil
}

// awaitTree waits, when the child has ended, for the pipes to be closed by all
// that have them, for the end of the context, or until WaitDelay is over.
func (c *Cmd) awaitTree() (e ending, ended, late bool) {
	var delay <-chan time.Time
	if c.WaitDelay != 0 {
		t := time.NewTimer(c.WaitDelay)
		defer t.Stop()
		delay = t.C
	}
	select {
	case <-c.streams.copied():
		return e, false, false
	case <-delay:
		return e, false, true
	case e = <-c.ended:
	}
	if e.timer == nil {
		return e, true, false
	}
	select {
	case <-c.streams.copied():
	case <-e.timer.C:
	}
	return e, true, false
}

// drained waits for a short time for the copying to end by itself.
func (c *Cmd) drained() bool {
	t := time.NewTimer(drainTime)
	defer t.Stop()
	select {
	case <-c.streams.copied():
		return true
	case <-t.C:
		return false
	}
}
