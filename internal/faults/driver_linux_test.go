//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package faults_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/raw/rawtest"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/tiny"
)

var (
	every = flag.Int("every", 0, "make one experiment of so many; 0 is the usual sample")
	only  = flag.String("case", "", "only cases whose names match this regular expression")
	where = flag.Int("where", 0, "say which goroutines there are at this position, and end the case")
)

// errnos are what calls fail with.
var errnos = []syscall.Errno{unix.ENOSYS, unix.EPERM, unix.EINTR, unix.EAGAIN, unix.ENOMEM, unix.EMFILE, unix.EBADF, unix.EINVAL}

// counts are a row of the table.
type counts struct {
	experiments, faults, errors, successes int
	survivors, leaks, wrong                int
}

func (c *counts) findings() int { return c.survivors + c.leaks + c.wrong }

func (c *counts) add(d counts) {
	c.experiments += d.experiments
	c.faults += d.faults
	c.errors += d.errors
	c.successes += d.successes
	c.survivors += d.survivors
	c.leaks += d.leaks
	c.wrong += d.wrong
}

func (c counts) String() string {
	return fmt.Sprintf("%11d %7d %7d %9d %9d %6d %6d", c.experiments, c.faults, c.errors, c.successes, c.survivors, c.leaks, c.wrong)
}

// call is a place where a fault is possible: a call, and whether the parent makes it.
type call struct {
	nr     int
	parent bool
}

func (c call) String() string {
	role := "child"
	if c.parent {
		role = "parent"
	}
	return role + "'s " + nameOf(c.nr)
}

// otherCalls are some that the parent makes, and no child.
var otherCalls = map[int]string{
	unix.SYS_PIPE2: "pipe2", unix.SYS_EPOLL_CTL: "epoll_ctl", unix.SYS_FSTAT: "fstat", sysFstatat: "newfstatat",
	unix.SYS_GETDENTS64: "getdents64", unix.SYS_PPOLL: "ppoll", unix.SYS_MEMFD_CREATE: "memfd_create",
}

// nameOf is a call's name, where the library makes it, else its number.
func nameOf(nr int) string {
	if name, ok := otherCalls[nr]; ok {
		return name
	}
	for s := range raw.Write + 1 {
		if s.Args() > 0 && s.Number() == nr {
			return s.Name()
		}
	}
	return "call " + strconv.Itoa(nr)
}

// driver makes the experiments of a case, with a helper that it starts again where one
// does not survive.
type driver struct {
	t      *testing.T
	name   string
	dir    string
	step   int             // one experiment of so many is made
	errnos []syscall.Errno // what calls fail with
	only   *call           // no other call fails; nil for all
	counts counts
	left   string // why the case was left out

	calls []call // those of the case without a fault
	next  int    // number of the next experiment

	helper   *osexec.Cmd
	listener int
	out      bytes.Buffer

	open    bool // between askBegin and askEnd
	here    int  // the process that becomes a program
	at      int  // calls since askBegin
	fails   int  // position of the call that is to fail, 0 for none
	errno   syscall.Errno
	hit     call
	hits    int
	waiting bool // the helper is in an experiment, or before the first
	begun   time.Time
}

func newDriver(t *testing.T, name string, step int) *driver {
	dir := testenv.PublicDir(t)
	testenv.Program(t, filepath.Join(dir, "program"), 7)
	if err := errors.Join(tiny.WriteWaiter(filepath.Join(dir, "waiter")), unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600),
		os.Mkdir(filepath.Join(dir, "helpers"), 0o755)); err != nil {
		t.Fatal(err)
	}
	for helper, file := range map[string]string{"newuidmap": "uid_map", "newgidmap": "gid_map"} {
		script := "#!/bin/sh\nfile=" + file + " pid=$1\nshift\n[ $file != gid_map ] || echo deny >/proc/$pid/setgroups\necho $* >/proc/$pid/$file\n"
		testenv.Write(t, filepath.Join(dir, "helpers", helper), script, 0o755)
	}
	d := &driver{t: t, name: name, dir: dir, step: step, next: step, errnos: errnos, listener: -1}
	d.prepare()
	return d
}

// What the test holds for scenes, in the directory.
const (
	cgroup       = "cgroup"
	pidNamespace = "pid"
)

// prepare makes what a scene can't, because it would be left behind: a control group, and a
// process with a pid namespace of its own. A scene that misses it is left out.
func (d *driver) prepare() {
	switch _, scene, _ := strings.Cut(d.name, ": "); scene {
	case "cgroup":
		if path, err := testenv.MakeCgroup(); err == nil {
			d.t.Cleanup(func() { testenv.RemoveCgroup(d.t, path) })
			d.link(path, cgroup)
		}
	case "joined pid":
		c := osexec.Command("/bin/cat")
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
		in, err := c.StdinPipe()
		if err == nil && c.Start() == nil {
			d.t.Cleanup(func() { _, _ = in.Close(), c.Wait() })
			d.link(fmt.Sprintf("/proc/%d/ns/pid", c.Process.Pid), pidNamespace)
		}
	}
}

func (d *driver) link(target, name string) {
	if err := os.Symlink(target, filepath.Join(d.dir, name)); err != nil {
		d.t.Fatal(err)
	}
}

// run makes the experiments of the case.
func (d *driver) run() {
	for d.left == "" && (d.calls == nil || d.next <= len(d.calls)*len(d.errnos)) && d.counts.findings() < maxFindings {
		d.start()
		d.finish(d.serve())
	}
}

// hangs is the finding of a helper that takes too long.
const hangs = "hangs"

// maxFindings is more than one wants to read of a case.
const maxFindings = 20

func (d *driver) start() {
	d.helper = &osexec.Cmd{
		Path: testenv.Self(d.t), Args: testenv.HelperArgs("faults", d.name, d.dir), Stdout: &d.out, Stderr: &d.out,
		Env:         append(os.Environ(), "GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=2"),
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	d.out.Reset()
	if err := d.helper.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.open, d.waiting, d.fails = false, true, 0
	d.listener = d.findListener()
}

// findListener takes the helper's listener, once there is one.
func (d *driver) findListener() int {
	pid := d.helper.Process.Pid
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	defer unix.Close(pidfd)
	listener := -1
	testenv.Soon(func() bool {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, link := range links {
			if target, _ := os.Readlink(link); target == "anon_inode:seccomp notify" {
				n, _ := strconv.Atoi(filepath.Base(link))
				listener, err = unix.PidfdGetfd(pidfd, n, 0)
				return true
			}
		}
		return testenv.IsOver(pid)
	})
	if err != nil {
		d.t.Error(err)
	}
	return listener
}

// serve answers calls until the helper has ended, or reports that it goes on for too long.
func (d *driver) serve() (late bool) {
	if d.listener < 0 {
		return true
	}
	defer unix.Close(d.listener)
	rawtest.Hasten(d.listener)
	d.begun = time.Now()
	for {
		switch ready, over := raw.NotifyReady(d.listener, time.Second); {
		case ready:
			var c raw.Notification
			if raw.NotifyReceive(d.listener, &c) == 0 {
				d.answer(&c)
			} // else the caller has died meanwhile
		case over:
			return false
		case time.Since(d.begun) > testenv.Patience:
			d.stuck()
			return true
		}
	}
}

// stuck reports a helper that takes too long, and has it say where it is.
func (d *driver) stuck() {
	d.finding(hangs, "")
	_ = d.helper.Process.Signal(syscall.SIGQUIT)
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var c raw.Notification
		if ready, _ := raw.NotifyReady(d.listener, 10*time.Millisecond); ready && raw.NotifyReceive(d.listener, &c) == 0 {
			d.pass(&c)
		}
	}
}

// finish ends the helper and its children.
func (d *driver) finish(late bool) {
	pid := d.helper.Process.Pid
	if !late {
		testenv.Soon(func() bool { return testenv.IsOver(pid) })
	}
	_ = unix.Kill(-pid, unix.SIGKILL) // not reaped yet: the number is the helper's
	err := d.helper.Wait()
	switch {
	case d.listener < 0, d.calls == nil && d.left == "":
		d.t.Fatalf("%s: the helper did not begin: %v\n%s", d.name, err, d.out.Bytes())
	case late:
		d.t.Logf("%s", d.out.Bytes())
	case d.waiting:
		d.finding("ends the process", fmt.Sprintf("%v\n%s", err, d.out.Bytes()))
	}
}

// answer lets a call pass, or fail, or answers what the helper asks.
func (d *driver) answer(c *raw.Notification) {
	if c.NR == unix.SYS_PRCTL && c.Args[0] >= askNext && c.Args[0] <= askHere {
		_ = raw.NotifyAnswer(d.listener, raw.Answer{ID: c.ID, Value: d.reply(c)})
		return
	}
	parent := d.isParent(c.PID)
	if !d.open || d.becomes() && !parent || parent && c.NR == unix.SYS_CLOSE {
		d.pass(c)
		return
	}
	this := call{int(c.NR), parent}
	if d.only != nil && *d.only != this {
		d.pass(c)
		return
	}
	d.at++
	if d.fails == 0 {
		d.calls = append(d.calls, this)
	}
	if *where == d.at && d.fails == 0 {
		d.t.Logf("%s: position %d is the %v", d.name, d.at, this)
		d.stuck()
		d.t.Fatalf("%s", d.out.Bytes())
	}
	if d.at != d.fails || this.lies(d.errno) {
		d.pass(c)
		return
	}
	d.hit, d.hits = this, d.hits+1
	_ = raw.NotifyAnswer(d.listener, raw.Answer{ID: c.ID, Errno: -int32(d.errno)})
}

// isParent reports whether a thread is one of the process whose calls are a parent's. One that
// becomes a program is alone.
func (d *driver) isParent(tid uint32) bool {
	pid := d.helper.Process.Pid
	if d.becomes() {
		pid = d.here
	}
	return int(tid) == pid || pid != 0 && isThread(pid, tid)
}

// becomes reports whether only the calls of such a process fail.
func (d *driver) becomes() bool { return strings.Contains(d.name, ": become") }

// pass has the kernel perform a call.
func (d *driver) pass(c *raw.Notification) {
	_ = raw.NotifyAnswer(d.listener, raw.Answer{ID: c.ID, Flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE})
}

// textOf is the text that the helper asks about.
func textOf(c *raw.Notification) (string, error) {
	b := make([]byte, c.Args[3])
	n, err := raw.ReadMemoryOf(int(c.PID), c.Args[2], b)
	return string(b[:max(n, 0)]), err
}

// isThread reports whether a number is that of a thread of a process. A child that shares
// its descriptors is none.
func isThread(pid int, tid uint32) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", pid, tid))
	return err == nil
}

// reply is what the helper is told.
func (d *driver) reply(c *raw.Notification) int64 {
	d.begun = time.Now()
	switch c.Args[0] {
	case askReady:
		if c.Args[3] != 0 {
			d.left, _ = textOf(c)
			d.waiting = false
		}
	case askNext:
		return d.choose()
	case askBegin:
		d.open, d.at, d.hits, d.waiting, d.here = true, 0, 0, true, 0
		if d.fails == 0 {
			d.calls = []call{}
		}
	case askHere:
		d.here = 0
		if c.Args[1] != 0 {
			d.here = int(c.PID)
		}
		return int64(d.kind())
	case askEnd:
		d.open = false
		return int64(d.kind())
	case askResult:
		d.result(int(c.Args[1]), c)
	}
	return 0
}

// kind is that of the fault that there was.
func (d *driver) kind() int {
	switch {
	case d.hits == 0:
		return noFault
	case d.hit.parent && d.errno == unix.EBADF, d.hit.parent && d.hit.nr == unix.SYS_IOCTL && d.errno == unix.EINVAL:
		return theft
	}
	return refusal
}

// choose is the next experiment. The first of all is that which counts.
func (d *driver) choose() int64 {
	d.waiting = true
	d.fails, d.errno = 0, 0
	if d.calls == nil {
		return 0
	}
	n := d.next
	d.next += d.step
	if n > len(d.calls)*len(d.errnos) || d.counts.findings() >= maxFindings {
		d.waiting = false
		return over
	}
	d.fails, d.errno = (n-1)/len(d.errnos)+1, d.errnos[(n-1)%len(d.errnos)]
	return int64(d.fails)<<16 | int64(d.errno)
}

// lies reports whether a call with an errno would break what a poller promises: that EAGAIN
// of a read or write means that the file will tell when it is ready.
func (c call) lies(errno syscall.Errno) bool {
	return c.parent && (c.nr == unix.SYS_READ || c.nr == unix.SYS_WRITE) && errno == unix.EAGAIN
}

func (d *driver) result(outcome int, c *raw.Notification) {
	d.waiting = false
	if d.fails != 0 {
		d.counts.experiments++
		d.counts.faults += d.hits
	}
	switch {
	case outcome == succeeded && d.fails != 0:
		d.counts.successes++
	case outcome == failedClearly:
		d.counts.errors++
	case outcome == found, outcome == flawed:
		text, err := textOf(c)
		d.finding(text, fmt.Sprint(err))
	}
}

func (d *driver) finding(what, more string) {
	switch {
	case what == hangs:
		d.counts.survivors++
	case strings.HasPrefix(what, leftBehind):
		d.counts.leaks++
	default:
		d.counts.wrong++
	}
	where := "without a fault"
	if d.fails != 0 {
		where = fmt.Sprintf("position %d, %v, %s", d.fails, d.hit, unix.ErrnoName(d.errno))
	}
	d.t.Errorf("%s: %s: %s %s", d.name, where, what, strings.TrimSuffix(more, "<nil>"))
}

// sample is which cases are tried, and one of how many experiments is made.
func sample() (names []string, step int) {
	switch {
	case *every > 0:
		return cases(), *every | 1 // or it would be the same few errnos
	case testenv.Long():
		return cases(), 1
	}
	return []string{"nothing: many files", "nothing: suspended", "nothing: output", "shared_memory: missing"}, 31
}

// TestFaults has each call of each case fail once with each errno, or a sample of that.
func TestFaults(t *testing.T) {
	names, step := sample()
	var total counts
	var table strings.Builder
	fmt.Fprintf(&table, "%-32s %5s %11s %7s %7s %9s %9s %6s %6s\n",
		"case", "calls", "experiments", "faults", "errors", "successes", "survivors", "leaks", "wrong")
	wanted := regexp.MustCompile(*only)
	for _, name := range names {
		if !wanted.MatchString(name) {
			continue
		}
		d := newDriver(t, name, step)
		d.run()
		if d.left != "" {
			fmt.Fprintf(&table, "%-32s left out: %s\n", name, d.left)
			continue
		}
		fmt.Fprintf(&table, "%-32s %5d %s\n", name, len(d.calls), d.counts)
		total.add(d.counts)
	}
	fmt.Fprintf(&table, "%-32s %5s %s\n", "all", "", total)
	t.Logf("\n%s", table.String())
	if total.faults == 0 {
		t.Error("no call has failed")
	}
	testenv.Hostile{
		Experiments: total.experiments, Spawns: 2 * total.experiments, Faults: total.faults,
		Survivors: total.survivors, Leaks: total.leaks, Wrong: total.wrong,
	}.Print(t, "each call fails once")
}
