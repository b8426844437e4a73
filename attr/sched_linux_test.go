//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// scheduling is what /proc says of how a task is scheduled.
type scheduling struct {
	policy, priority, nice int
	cpus                   string
	oom, slack             int
}

var schedulingFiles = []string{"stat", "status", "oom_score_adj", "timerslack_ns"}

func parseScheduling(t testing.TB, out string) (s scheduling) {
	t.Helper()
	var fields []string
	var numbers []int
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if _, stat, ok := strings.Cut(line, ") "); ok && fields == nil {
			fields = strings.Fields(stat)
		} else if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:\t"); ok {
			s.cpus = list
		} else if n, err := strconv.Atoi(line); err == nil {
			numbers = append(numbers, n)
		}
	}
	if len(numbers) != 2 || len(fields) <= testenv.StatPolicy {
		t.Fatalf("output %q", out)
	}
	whole := testenv.Seen{Stat: fields}
	s.policy, s.priority, s.nice = whole.Number(t, testenv.StatPolicy), whole.Number(t, testenv.StatPriority), whole.Number(t, testenv.StatNice)
	s.oom, s.slack = numbers[0], numbers[1]
	return s
}

// childScheduling is that of a child.
func childScheduling(t testing.TB, list ...attr.Attr) scheduling {
	t.Helper()
	s := spawntest.Cat(t, list...)
	s.Args = s.Args[:1]
	for _, f := range schedulingFiles {
		s.Args = append(s.Args, "/proc/self/"+f)
	}
	return parseScheduling(t, spawntest.Output(t, s))
}

// grandchildScheduling is that of a child's child, which is made at once.
func grandchildScheduling(t testing.TB, list ...attr.Attr) scheduling {
	t.Helper()
	return parseScheduling(t, spawntest.Output(t, spawntest.Shell("cat /proc/self/"+strings.Join(schedulingFiles, " /proc/self/")+"; :", list...)))
}

// own is that of the calling thread.
func own(t testing.TB) scheduling {
	t.Helper()
	var out strings.Builder
	for _, f := range schedulingFiles[:3] {
		b, err := os.ReadFile("/proc/thread-self/" + f)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&out, slack)
	return parseScheduling(t, out.String())
}

// unchanged runs f and wants the calling thread to be scheduled as before.
func unchanged(t *testing.T, f func(was scheduling)) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	was, prio := own(t), ioprio(t, 0)
	f(was)
	if now, p := own(t), ioprio(t, 0); now != was || p != prio {
		t.Errorf("this thread became %+v, I/O priority %#x; was %+v, %#x", now, p, was, prio)
	}
}

func ioprio(t testing.TB, pid int) int {
	t.Helper()
	n, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_GET, 1, uintptr(pid), 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	return int(n)
}

// TestScheduling sets all at once, in any order, and wants it seen by a child and
// by what it makes at once.
func TestScheduling(t *testing.T) {
	cpu := testenv.SomeCPU(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		unchanged(t, func(was scheduling) {
			want := scheduling{attr.SchedBatch, 0, min(was.nice+3, 19), strconv.Itoa(cpu), min(was.oom+7, 1000), 123456}
			list := attr.List{
				attr.SchedPolicy{Policy: attr.SchedBatch}, attr.Nice(want.nice), attr.CPUAffinity{cpu},
				attr.OOMScoreAdj(want.oom), attr.TimerSlack(123456), attr.IOPrio{Class: attr.IOPrioBestEffort, Level: 6},
			}
			rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			if got := childScheduling(t, list...); got != want {
				t.Errorf("%v: %+v, want %+v", list, got, want)
			}
			if got := grandchildScheduling(t, list...); got != want {
				t.Errorf("%v: the child's child has %+v, want %+v", list, got, want)
			}
			if got := childScheduling(t); got != was {
				t.Errorf("without attributes: %+v, want %+v", got, was)
			}
		})
	})
}

// TestPolicies has those that need no privilege. They keep the nice value.
func TestPolicies(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		unchanged(t, func(was scheduling) {
			for _, policy := range []int{attr.SchedOther, attr.SchedBatch, attr.SchedIdle} {
				list := attr.List{attr.SchedPolicy{Policy: policy, ResetOnFork: policy == attr.SchedIdle}, attr.Nice(min(was.nice+2, 19))}
				for range 2 {
					got := childScheduling(t, list...)
					if got.policy != policy || got.nice != min(was.nice+2, 19) {
						t.Errorf("%v: %+v", list, got)
					}
					list[0], list[1] = list[1], list[0]
				}
			}
		})
	})
}

func TestRealTimePolicies(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedCap(t, unix.CAP_SYS_NICE)
	spawntest.EachEngine(t, func(t *testing.T) {
		unchanged(t, func(was scheduling) {
			for _, test := range []struct {
				policy            attr.SchedPolicy
				childOf, priority int // of the child's child
			}{
				{attr.SchedPolicy{Policy: attr.SchedFIFO, Priority: 1}, attr.SchedFIFO, 1},
				{attr.SchedPolicy{Policy: attr.SchedRR, Priority: 99}, attr.SchedRR, 99},
				{attr.SchedPolicy{Policy: attr.SchedRR, Priority: 5, ResetOnFork: true}, attr.SchedOther, 0},
			} {
				list := attr.List{test.policy, attr.Nice(-3), attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}}
				if got := childScheduling(t, list...); got.policy != test.policy.Policy || got.priority != test.policy.Priority || got.nice != -3 {
					t.Errorf("%+v: %+v", test.policy, got)
				}
				if got := grandchildScheduling(t, list...); got.policy != test.childOf || got.priority != test.priority {
					t.Errorf("%+v: the child's child has %+v", test.policy, got)
				}
			}
		})
	})
}

func TestDeadline(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedCall(t, "sched_setattr", unix.SYS_SCHED_SETATTR)
	testenv.NeedCap(t, unix.CAP_SYS_NICE)
	policy := attr.SchedPolicy{Policy: attr.SchedDeadline, Runtime: 2 * time.Millisecond, Deadline: 20 * time.Millisecond, Period: 30 * time.Millisecond}
	spawntest.EachEngine(t, func(t *testing.T) {
		unchanged(t, func(scheduling) {
			p, end := spawntest.LiveChild(t, policy, attr.Nice(4))
			defer end()
			a, err := unix.SchedGetAttr(p.Pid(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if a.Policy != attr.SchedDeadline || a.Runtime != 2e6 || a.Deadline != 20e6 || a.Period != 30e6 {
				t.Errorf("%+v", a)
			}
		})
	})
	policy.ResetOnFork = true
	if got := grandchildScheduling(t, policy); got.policy != attr.SchedOther {
		t.Errorf("the child's child has %+v", got)
	}
}

// TestUtilClamps is about an error where the kernel does not have them.
func TestUtilClamps(t *testing.T) {
	errno := unix.EOPNOTSUPP
	now, err := unix.SchedGetAttr(0, 0)
	if err == unix.ENOSYS { // then so is sched_setattr
		now, errno = &unix.SchedAttr{}, unix.ENOSYS
	} else if err != nil {
		t.Fatal(err)
	}
	list := attr.List{attr.Nice(min(myNice(t)+2, 19)), attr.SchedPolicy{Policy: attr.SchedBatch, UtilMin: 10, UtilMax: 500}}
	if now.Util_max == 0 { // it is 1024 by default
		spawntest.Try(t, []spawntest.Fault{{Name: "clamps", Spec: spawntest.Shell(":", list...), Want: spawntest.Fails("sched_util", 1, "min=10 max=500", errno)}})
		return
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		p, end := spawntest.LiveChild(t, list...)
		defer end()
		a, err := unix.SchedGetAttr(p.Pid(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if a.Util_min != 10 || a.Util_max != 500 || a.Policy != attr.SchedBatch || a.Nice != int32(min(myNice(t)+2, 19)) {
			t.Errorf("%+v", a)
		}
	})
}

// liveGrandchild is what a child makes at once. It lives until end is called.
func liveGrandchild(t testing.TB, list ...attr.Attr) (pid int, end func()) {
	t.Helper()
	var in, out [2]int
	if err := errors.Join(unix.Pipe2(in[:], unix.O_CLOEXEC), unix.Pipe2(out[:], unix.O_CLOEXEC)); err != nil {
		t.Fatal(err)
	}
	s := spawntest.Shell("cat <&3 & echo $!; wait", list...)
	s.Actions.Dup2(out[1], 1)
	s.Actions.Dup2(in[0], 3)
	p, err := spawn.Start(context.Background(), s)
	unix.Close(in[0])
	unix.Close(out[1])
	buf := make([]byte, 32)
	n, rerr := unix.Read(out[0], buf)
	unix.Close(out[0])
	pid, perr := strconv.Atoi(strings.TrimSpace(string(buf[:max(n, 0)])))
	if err := errors.Join(err, rerr, perr); err != nil {
		t.Fatal(err)
	}
	return pid, func() {
		unix.Close(in[1])
		if _, err := p.Wait(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestIOPrio(t *testing.T) {
	tests := []attr.IOPrio{{Class: attr.IOPrioBestEffort, Level: 7}, {Class: attr.IOPrioBestEffort}, {Class: attr.IOPrioIdle}}
	if testenv.HasCap(unix.CAP_SYS_ADMIN) {
		tests = append(tests, attr.IOPrio{Class: attr.IOPrioRealTime, Level: 3})
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		unchanged(t, func(scheduling) {
			for _, test := range tests {
				p, end := spawntest.LiveChild(t, test)
				want := test.Class<<13 | test.Level
				if got := ioprio(t, p.Pid()); got != want {
					t.Errorf("%+v: %#x, want %#x", test, got, want)
				}
				end()
				pid, end := liveGrandchild(t, test)
				if got := ioprio(t, pid); got != want {
					t.Errorf("%+v: the child's child has %#x, want %#x", test, got, want)
				}
				end()
			}
		})
	})
}

// TestTimerSlack leaves the slack as it is with 0.
func TestTimerSlack(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		unchanged(t, func(was scheduling) {
			if got := childScheduling(t, attr.TimerSlack(0)); got != was {
				t.Errorf("%+v, want %+v", got, was)
			}
			if got := childScheduling(t, attr.TimerSlack(time.Second)).slack; got != 1e9 {
				t.Errorf("%d ns", got)
			}
			const long int64 = 1<<32 + 1000 // more than a word of 32 bits can hold
			if strconv.IntSize == 32 {
				_, err := spawn.Start(context.Background(), &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.TimerSlack(long)}})
				spawntest.CheckFault(t, err, spawntest.Fails("timerslack", 0, "4.294968296s", unix.EINVAL))
			} else if got := int64(childScheduling(t, attr.TimerSlack(long)).slack); got != long {
				t.Errorf("%d ns", got)
			}
		})
	})
}

// TestAffinity has CPUs that don't exist in any machine.
func TestAffinity(t *testing.T) {
	cpu := testenv.SomeCPU(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		unchanged(t, func(scheduling) {
			if got := childScheduling(t, attr.CPUAffinity{65535, cpu, 20000}).cpus; got != strconv.Itoa(cpu) {
				t.Errorf("%s, want %d", got, cpu)
			}
			if !strings.Contains(childScheduling(t, attr.CPUAffinity{cpu, cpu}).cpus, strconv.Itoa(cpu)) {
				t.Error("given twice")
			}
		})
	})
	spawntest.Try(t, []spawntest.Fault{{Name: "none", Spec: spawntest.Shell(":", attr.Umask(0), attr.CPUAffinity{65535}), Want: spawntest.Fails("affinity", 1, "[65535]", unix.EINVAL)}})
}

// memoryPolicy is the policy of what a task maps first.
func memoryPolicy(maps string) string { return strings.Fields(maps + " - -")[1] }

func TestNUMAPolicy(t *testing.T) {
	before, err := os.ReadFile("/proc/self/numa_maps")
	if err != nil {
		testenv.Skip(t, "no NUMA: "+err.Error())
	}
	testenv.NeedCall(t, "set_mempolicy", unix.SYS_SET_MEMPOLICY)
	cat := spawntest.Cat(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, test := range []struct {
			policy attr.NUMAPolicy
			want   string
		}{
			{attr.NUMAPolicy{}, "default"},
			{attr.NUMAPolicy{Mode: attr.NUMALocal}, "local"},
			{attr.NUMAPolicy{Mode: attr.NUMABind, Nodes: []int{0}}, "bind:0"},
			{attr.NUMAPolicy{Mode: attr.NUMAPreferred, Nodes: []int{0, 0}}, "prefer:0"},
			{attr.NUMAPolicy{Mode: attr.NUMAInterleave, Flags: attr.NUMAStaticNodes, Nodes: []int{0}}, "interleave=static:0"},
		} {
			s := *cat
			s.Args, s.Attr = []string{"cat", "/proc/self/numa_maps"}, attr.List{test.policy}
			if got := memoryPolicy(spawntest.Output(t, &s)); got != test.want {
				t.Errorf("%+v: %q, want %q", test.policy, got, test.want)
			}
			if got := memoryPolicy(spawntest.Output(t, spawntest.Shell("cat /proc/self/numa_maps; :", test.policy))); got != test.want {
				t.Errorf("%+v: the child's child has %q, want %q", test.policy, got, test.want)
			}
		}
	})
	after, err := os.ReadFile("/proc/self/numa_maps")
	if err != nil || memoryPolicy(string(after)) != memoryPolicy(string(before)) {
		t.Errorf("this process has %q, had %q; %v", memoryPolicy(string(after)), memoryPolicy(string(before)), err)
	}
	bad := attr.NUMAPolicy{Mode: attr.NUMABind, Nodes: []int{1023}}
	spawntest.Try(t, []spawntest.Fault{{Name: "no such node", Spec: spawntest.Shell(":", attr.Umask(0), bad), Want: spawntest.Fails("mempolicy", 1, "mode=bind nodes=[1023]", unix.EINVAL)}})
}

// TestSchedulingSteps is about arguments that this machine may have no use for: of
// many CPUs, many nodes, SMT.
func TestSchedulingSteps(t *testing.T) {
	p, err := spawn.Compile(spawntest.Shell(":", attr.CPUAffinity{64}, attr.CoreSched{},
		attr.NUMAPolicy{Mode: attr.NUMAPreferredMany, Nodes: []int{3, 64}}, attr.SchedPolicy{Policy: attr.SchedRR, Priority: 1, ResetOnFork: true}))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"affinity":   "0 16 ptr",
		"core_sched": "PR_SCHED_CORE 1 0 1 0",
		"mempolicy":  "5 ptr 129",
		"sched":      "0 1073741826 ptr",
	}
	for _, s := range p.Steps() {
		var args []string
		for _, a := range s.Args {
			args = append(args, a.Text)
		}
		if w, ok := want[s.Name]; ok && strings.Join(args, " ") != w {
			t.Errorf("%s: %q, want %q", s.Name, args, w)
		}
		delete(want, s.Name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %q", want)
	}
}

// TestCoreSched is about an error where the kernel or the CPU does not have it.
func TestCoreSched(t *testing.T) {
	list := attr.List{attr.Umask(0o22), attr.CoreSched{}}
	spawntest.EachEngine(t, func(t *testing.T) {
		if _, _, err := spawntest.TryOutput(spawntest.Shell(":", list...)); err != nil {
			spawntest.CheckFault(t, err, spawntest.Fails("core_sched", 1, "", unix.EINVAL, unix.ENODEV))
			return
		}
		p, end := spawntest.LiveChild(t, list...)
		defer end()
		mine, e1 := cookie(0)
		its, e2 := cookie(p.Pid())
		if its == 0 || its == mine || e1 != nil || e2 != nil {
			t.Errorf("cookie %#x, child's %#x, %v, %v", mine, its, e1, e2)
		}
	})
}

// cookie is the core scheduling cookie of a task.
func cookie(pid int) (uint64, error) {
	const get = 0
	n := new(uint64)
	defer runtime.KeepAlive(n)
	err := unix.Prctl(unix.PR_SCHED_CORE, get, uintptr(pid), 0, reflect.ValueOf(n).Pointer())
	return *n, err
}

// TestOOMScoreAdj lowers it, if allowed to, where the child's root has no /proc.
func TestOOMScoreAdj(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		unchanged(t, func(was scheduling) {
			for _, n := range []int{was.oom, 1000} {
				if got := childScheduling(t, attr.OOMScoreAdj(n)).oom; got != n {
					t.Errorf("%d, want %d", got, n)
				}
			}
			if testenv.HasCap(unix.CAP_SYS_RESOURCE) {
				if got := childScheduling(t, attr.OOMScoreAdj(-1000)).oom; got != -1000 {
					t.Errorf("%d", got)
				}
			}
		})
	})
	if !testenv.HasCap(unix.CAP_SYS_RESOURCE) {
		spawntest.Try(t, []spawntest.Fault{{Name: "lower", Spec: spawntest.Shell(":", attr.Umask(0), attr.OOMScoreAdj(-1000)), Want: spawntest.Fails("oom_score_adj", 1, "-1000", unix.EACCES)}})
	}
	t.Run("chroot", func(t *testing.T) {
		testenv.NeedRoot(t)
		testenv.NeedCall(t, "chroot", unix.SYS_CHROOT)
		root := testenv.PublicDir(t)
		testenv.Program(t, root+"/program", 42)
		spawntest.EachEngine(t, func(t *testing.T) {
			state, err := spawn.Run(context.Background(), &spawn.Spec{Path: "/program", Attr: attr.List{
				attr.Chroot(root), attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}, attr.OOMScoreAdj(900),
			}})
			if err != nil || state.ExitCode() != 42 {
				t.Errorf("%v, %v", state, err)
			}
		})
	})
}
