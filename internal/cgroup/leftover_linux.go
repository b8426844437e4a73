package cgroup

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/kernel"
)

// owner is the process that has made a control group, as the group's name says.
// A field that is 0 was not known.
type owner struct {
	ns    uint64 // inode of the pid namespace
	pid   int
	start uint64 // in ticks of the system's clock
}

const groupPrefix = "spawn"

// known is this process as an owner, once all of it is known.
var known atomic.Pointer[owner]

// self is this process as an owner.
func self() owner {
	if o := known.Load(); o != nil {
		return *o
	}
	o := owner{pid: os.Getpid()}
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/pid", &st) == nil {
		o.ns = st.Ino
	}
	o.start, _ = startOf(o.pid)
	if o.ns != 0 && o.start != 0 {
		known.Store(&o)
	}
	return o
}

// prefix is what the names of all groups of an owner begin with.
func (o owner) prefix() string {
	return fmt.Sprintf("%s-%d-%d-%d-", groupPrefix, o.ns, o.pid, o.start)
}

// ownerOf is the owner of a group by its name.
func ownerOf(name string) (o owner, ok bool) {
	fields := strings.Split(name, "-")
	if len(fields) != 5 || fields[0] != groupPrefix {
		return o, false
	}
	var errs [3]error
	o.ns, errs[0] = strconv.ParseUint(fields[1], 10, 64)
	o.pid, errs[1] = strconv.Atoi(fields[2])
	o.start, errs[2] = strconv.ParseUint(fields[3], 10, 64)
	return o, errs == [3]error{} && o.pid > 0
}

// state is what is known of an owner.
type state int

const (
	unknown state = iota // as if it was in another pid namespace
	alive
	// seemsDead is an owner whose pid another process has, unless that counts time from
	// another moment, or whose first thread has ended.
	seemsDead
	dead
)

// state looks for an owner. A pid counts only in its pid namespace, and only
// together with the time at which its process was started.
func (o owner) state(me owner) state {
	switch {
	case o == me:
		return alive
	case o.ns != me.ns || o.ns == 0:
		return unknown
	case unix.Kill(o.pid, 0) == unix.ESRCH:
		return dead
	}
	start, zombie := startOf(o.pid)
	switch {
	case start == 0 || o.start == 0:
		return unknown
	case start != o.start || zombie:
		return seemsDead
	}
	return alive
}

// startOf is when a process was started, 0 where /proc doesn't say.
func startOf(pid int) (start uint64, zombie bool) {
	fields, err := kernel.Stat(strconv.Itoa(pid))
	if err != nil || !kernel.OurIDs() {
		return 0, false
	}
	start, _ = strconv.ParseUint(string(fields[19]), 10, 64) // 0 is not known
	return start, bytes.ContainsAny(fields[0], "ZX")
}

// leftTime is how long the processes of a dead owner may take to be gone. What is
// left then is for the next who comes.
const leftTime = 100 * time.Millisecond

// sweeping bounds how much of the time is spent looking for leftovers.
var sweeping struct {
	sync.Mutex
	next time.Time
}

// sweep ends what trees of processes that have died have left below a control
// group: their processes and the directories. It takes a tenth of the time at
// most.
func sweep(parent string) {
	if !sweeping.TryLock() {
		return // somebody else is at it
	}
	defer sweeping.Unlock()
	begin := time.Now()
	if begin.Before(sweeping.next) {
		return
	}
	list, err := os.ReadDir(parent)
	if err != nil {
		return // to make a group there will say why
	}
	me := self()
	for _, e := range list {
		if o, ok := ownerOf(e.Name()); ok {
			clearLeft(filepath.Join(parent, e.Name()), o.state(me))
		}
	}
	sweeping.next = time.Now().Add(9 * time.Since(begin))
}

// clearLeft removes a group of an owner that has died. If the owner is dead for certain,
// its lock does not count: a child that was frozen on its way to execve still shares the
// descriptors of a dead owner. Else the group must not be locked. If nothing is known of
// the owner, its descriptor may have been closed by other code, so no process is killed.
func clearLeft(path string, owner state) {
	var g *Group
	var err error
	switch owner {
	case alive:
		return
	case dead:
		g, err = openUnlocked(path)
	default:
		g, err = openGroup(path)
	}
	if err != nil {
		return // it is somebody's, or it is no more
	}
	if owner != unknown {
		_ = g.End(leftTime) // what can't be removed is left for the next time
	} else if g.Empty() {
		_ = g.Remove() // the same
	} else {
		g.close()
	}
}
