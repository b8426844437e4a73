//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// Attributes that may be optional, and those of them that restrict the program.
const (
	maybeOptional = "Nice SchedPolicy CPUAffinity NUMAPolicy IOPrio TimerSlack CoreSched Rlimit RlimitToHard NoFile NoFilePolicy " +
		"OOMScoreAdj CoredumpFilter NoHugePages MergePages Personality ChildSubreaper " + restricting
	restricting = "NoNewPrivs Landlock Seccomp MemoryDenyWriteExec SessionKeyring"
)

func isIn(names, name string) bool { return slices.Contains(strings.Fields(names), name) }

// makeOptional makes attribute i of a list optional.
func makeOptional(list attr.List, i int) attr.List {
	list = slices.Clone(list)
	list[i] = attr.Optional(list[i])
	return list
}

// theOptional is what became of the one optional attribute.
func theOptional(p *spawn.Process) (spawn.Applied, error) {
	list := p.Applied()
	if len(list) != 1 || list[0].Done != (list[0].Err == nil) || list[0].Step == "" || list[0].Attr == nil {
		return spawn.Applied{}, fmt.Errorf("applied: %+v", list)
	}
	return list[0], nil
}

// lacks wants a Spec to run, without its optional attribute.
func lacks(s *spawn.Spec, w spawntest.Want) error {
	p, err := spawn.Start(context.Background(), s)
	if err != nil {
		return err
	}
	state, err := p.Wait(context.Background())
	if err != nil || !state.Success() {
		return fmt.Errorf("%v, %w", state, err)
	}
	a, err := theOptional(p)
	if err != nil {
		return err
	}
	if how := w.Differs(a.Err); how != "" || a.Step != w.Step || a.Index != w.Index {
		return fmt.Errorf("%+v: %s; want %+v", a, how, w)
	}
	return nil
}

// optionalSpec has one attribute that is optional.
type optionalSpec struct {
	*spawn.Spec
	index int
}

// eachOptional are the Specs of eachAttribute, as far as they are for this machine.
func eachOptional(t *testing.T) map[string]optionalSpec {
	spawntest.NeedNamespaces(t, spawntest.WithUser(unix.CLONE_NEWNS|unix.CLONE_NEWUTS))
	specs := map[string]optionalSpec{}
	for name, s := range eachAttribute(t) {
		if i := slices.IndexFunc(s.Attr, func(a attr.Attr) bool { return typeName(a) == name }); i >= 0 {
			c := *s
			c.Attr = makeOptional(s.Attr, i)
			specs[name] = optionalSpec{&c, i}
		}
	}
	return specs
}

// TestOptionalOrNot has each attribute be optional: those that may be, the program runs with
// or without. The others are an error.
func TestOptionalOrNot(t *testing.T) {
	specs := eachOptional(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		for name, s := range specs {
			if !isIn(maybeOptional, name) {
				_, err := spawn.Compile(s.Spec)
				spawntest.CheckFault(t, err, spawntest.Fails("attr", s.index, name, unix.EINVAL))
				continue
			}
			p, err := spawn.Start(context.Background(), s.Spec)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			state, err := p.Wait(context.Background())
			if err != nil || state.ExitCode() != 7 {
				t.Errorf("%s: %v, %v", name, state, err)
			}
			if a, err := theOptional(p); err != nil || a.Index != s.index || typeName(a.Attr) != name || !a.Done && !mayFail(name, a.Err) {
				t.Errorf("%s: %+v, %v", name, a, err)
			}
		}
	})
	for _, name := range strings.Fields(maybeOptional) {
		if _, ok := specs[name]; !ok && name != "Landlock" {
			t.Errorf("no attribute: %s", name)
		}
	}
}

// refusedBy starts a Spec on a thread with a filter.
func refusedBy(errno syscall.Errno, call int, start func() error) (err error) {
	testenv.OnThread(func() {
		if err = install(spawntest.Refuse(errno, call), false); err == nil {
			err = start()
		}
	})
	return err
}

// TestOptionalRefused refuses the first call of each attribute, as a filter does and as where
// memory runs out: what restricts a program is not left out for want of memory. What belongs
// to this process stays as it is.
func TestOptionalRefused(t *testing.T) {
	specs := eachOptional(t)
	testenv.Settled()
	spawntest.EachEngine(t, func(t *testing.T) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for name, s := range specs {
			if !isIn(maybeOptional, name) {
				continue
			}
			before := testenv.Paint(t)
			for _, errno := range []syscall.Errno{unix.EPERM, unix.ENOSYS, unix.ENOMEM} {
				if err := leftOutFor(s, errno, errno != unix.ENOMEM || !isIn(restricting, name)); err != nil {
					t.Errorf("%s, %v: %v", name, errno, err)
				}
			}
			for _, changed := range before.Changes(testenv.Paint(t)) {
				t.Errorf("%s: %s", name, changed)
			}
		}
	})
}

// leftOutFor refuses the first call of an attribute, and wants the program to run or not.
func leftOutFor(s optionalSpec, errno syscall.Errno, runs bool) error {
	p, err := spawn.Compile(s.Spec)
	if err != nil {
		return err
	}
	k := slices.IndexFunc(p.Steps(), func(s spawn.Step) bool { return s.MayFail })
	if k < 0 {
		return nil // there is nothing to do
	}
	step := p.Steps()[k]
	err = refusedBy(errno, step.Number, func() error {
		child, err := p.Start(context.Background())
		if err != nil {
			return err
		}
		a, err := theOptional(child)
		if state, werr := child.Wait(context.Background()); err != nil || werr != nil || state.ExitCode() != 7 {
			return fmt.Errorf("%v, %v, %w", state, werr, err)
		}
		return errors.Join(errStarted, a.Err)
	})
	how := spawntest.Fails(step.Name, s.index, step.Object, errno).Differs(err)
	if ran := errors.Is(err, errStarted); how != "" || ran != runs {
		return fmt.Errorf("%w: %s; it runs: %v, want %v", err, how, ran, runs)
	}
	return nil
}

var errStarted = errors.New("it runs")

// TestOptionalOfManyStarts has one Program be started by many, on threads that a filter
// keeps from the attribute and on others: each child has its own result.
func TestOptionalOfManyStarts(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.Exits(t, 7)
		s.Attr = attr.List{attr.Optional(attr.Nice(19)), attr.Umask(0o22), attr.Optional(attr.CPUAffinity{65535})}
		p, err := spawn.Compile(s)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				refused := i%2 == 0
				start := func() error { return checkTwo(p, refused) }
				if refused {
					err := refusedBy(unix.EPERM, unix.SYS_SETPRIORITY, start)
					if err != nil {
						t.Error(err)
					}
				} else if err := start(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

// checkTwo starts a Program of a nice value that may be refused, and of no CPU.
func checkTwo(p *spawn.Program, refused bool) error {
	child, err := p.Start(context.Background())
	if err != nil {
		return err
	}
	list := child.Applied()
	list[0].Step = "changed by the caller"
	list = child.Applied()
	if len(list) != 2 || list[0].Step != "nice" || list[0].Done == refused || list[1].Done || list[1].Index != 2 {
		return fmt.Errorf("refused %v: %+v", refused, list)
	}
	how := spawntest.Fails("affinity", 2, "[65535]", unix.EINVAL).Differs(list[1].Err)
	if refused {
		how += spawntest.Fails("nice", 0, "19", unix.EPERM).Differs(list[0].Err)
	}
	if how != "" {
		return fmt.Errorf("%+v: %s", list, how)
	}
	if state, err := child.Wait(context.Background()); err != nil || state.ExitCode() != 7 {
		return fmt.Errorf("%v, %w", state, err)
	}
	if again := child.Applied(); len(again) != 2 || again[1].Done {
		return fmt.Errorf("after the end: %+v", again)
	}
	return nil
}

// TestOptionalThenFails has a step that fails after an optional attribute was refused: it is
// that step which fails, whether it comes early or last.
func TestOptionalThenFails(t *testing.T) {
	refused := attr.Optional(attr.CPUAffinity{65535})
	missing := spawntest.Shell(":", refused)
	missing.Path = "/missing/program"
	early := spawntest.Shell(":", refused, attr.Chroot("/missing"))
	late := spawntest.WithActions(spawntest.Shell(":", refused), func(a *spawn.FileActions) { a.Open(5, "/missing", 0, 0) })
	faults := []spawntest.Fault{
		{Name: "execve", Spec: missing, Want: spawntest.Fails("execve", -1, "/missing/program", unix.ENOENT)},
		{Name: "action", Spec: late, Want: spawntest.Fails("open", 0, "/missing", unix.ENOENT)},
	}
	if os.Geteuid() == 0 && !testenv.Lacks(unix.SYS_CHROOT) {
		faults = append(faults, spawntest.Fault{Name: "attribute", Spec: early, Want: spawntest.Fails("chroot", 1, "/missing", unix.ENOENT)})
	}
	spawntest.Try(t, faults)
}

// TestOptionalWithListener has a child with a copy of the memory tell of its listener before
// it tells of optional attributes.
func TestOptionalWithListener(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		if !spawn.Features().Has(spawn.FeaturePidfd) || !kernel.MayGetFD() {
			testenv.Skip(t, "no listener can be taken")
		}
		var l attr.SeccompListener
		defer l.Close()
		s := spawntest.Exits(t, 0)
		s.Attr = append(spawntest.Notify(&l, unix.SYS_MKDIRAT), attr.Optional(attr.Nice(19)), attr.Optional(attr.CPUAffinity{65535}))
		p, err := spawn.Start(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		if list := p.Applied(); len(list) != 2 || !list[0].Done || list[1].Done {
			t.Errorf("%+v", list)
		}
		if _, err := p.Wait(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func init() {
	older["optional rules"] = olderKernel{spawntest.Refuse(unix.ENOSYS, unix.SYS_LANDLOCK_CREATE_RULESET), withoutRules}
	for name, m := range missingAttrs {
		if typ, _, _ := strings.Cut(name, ","); isIn(maybeOptional, typ) && m.want.Step != "sched_util" {
			older["optional attr."+name] = olderKernel{feign(m.kernel), m.tryOptional}
		}
	}
	spawntest.Unprivileged("optional attributes", func(dir string) error {
		var all []error
		for name, prepare := range denied {
			if typ, _, _ := strings.Cut(name, ","); !isIn(maybeOptional, typ) {
				continue
			}
			if err := isLeftOut(dir, prepare); err != nil {
				all = append(all, fmt.Errorf("attr.%s: %w", name, err))
			}
		}
		return errors.Join(all...)
	})
}

// tryOptional wants a program to run without what the kernel does not have.
func (m missing) tryOptional() error {
	runtime.LockOSThread() // whose portrait it is
	defer runtime.UnlockOSThread()
	return spawntest.EachEngineError(func(string) error {
		return unchanged(func() error {
			return lacks(spawntest.Shell(":", makeOptional(m.list, m.want.Index)...), m.want)
		})
	})
}

// isLeftOut wants a program to run without what a user is not allowed. What restricts it
// without no_new_privs is an error of Compile.
func isLeftOut(dir string, prepare func(s *spawn.Spec) (spawntest.Want, error)) error {
	for _, resource := range []int{unix.RLIMIT_CORE, unix.RLIMIT_RTPRIO, unix.RLIMIT_NICE} {
		if err := unix.Setrlimit(resource, &unix.Rlimit{}); err != nil {
			return err
		}
	}
	marker := filepath.Join(dir, "marker")
	s := spawntest.Shell(": >" + marker)
	w, err := prepare(s)
	if err == errNothing {
		return nil
	} else if err != nil {
		return err
	}
	s.Attr = makeOptional(s.Attr, w.Index)
	if w.Step == "landlock" || w.Step == "seccomp" {
		var need *attr.NeedError
		if _, err := spawn.Compile(s); !errors.As(err, &need) || !slices.Equal(need.Of, []string{"NoNewPrivs"}) {
			return fmt.Errorf("without no_new_privs: %w", err)
		}
		return nil
	}
	return spawntest.EachEngineError(func(string) error {
		if err := lacks(s, w); err != nil {
			return err
		}
		return os.Remove(marker)
	})
}

// withoutRules has a ruleset of which nothing is left: the program is not restricted, and
// that is told.
func withoutRules() error {
	r, err := attr.NewLandlock(attr.LandlockRules{BestEffort: true})
	if err != nil {
		return err
	}
	p, err := spawn.Start(context.Background(), spawntest.Shell(":", attr.NoNewPrivs{}, attr.Optional(r.Attr())))
	if err != nil {
		return err
	}
	a, err := theOptional(p)
	if _, werr := p.Wait(context.Background()); err != nil || werr != nil {
		return errors.Join(err, werr)
	}
	if a.Done || a.Step != "landlock" || a.Index != 1 || !errors.Is(a.Err, errors.ErrUnsupported) {
		return fmt.Errorf("%+v", a)
	}
	return nil
}

// TestOptionalIsSeenBefore looks at the outcome before the program runs, which it then never
// does.
func TestOptionalIsSeenBefore(t *testing.T) {
	testenv.NeedCall(t, "ptrace", unix.SYS_PTRACE)
	marker := filepath.Join(t.TempDir(), "marker")
	spawntest.EachEngine(t, func(t *testing.T) {
		p := spawntest.Start(t, spawntest.Shell(": >"+marker, attr.StartSuspended{}, attr.Optional(attr.CPUAffinity{65535})))
		if a, err := theOptional(p); err != nil || a.Done {
			t.Errorf("%+v, %v", a, err)
		}
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		if _, err := p.Wait(context.Background()); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(marker); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the program has run: %v", err)
		}
	})
}
