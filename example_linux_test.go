//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

func Example() {
	ctx := context.Background()
	s := &spawn.Spec{
		Path: "/bin/sh",
		Args: []string{"sh", "-c", "pwd; umask; ulimit -n; echo done >&2"},
		Attr: attr.List{
			attr.Setsid{},
			attr.Umask(0o027),
			attr.NoFile{Soft: 64, Hard: 64},
		},
	}
	s.Actions.Chdir("/")
	s.Actions.Open(0, os.DevNull, os.O_RDONLY, 0)
	s.Actions.File(os.Stdout, 1)
	s.Actions.Dup2(1, 2)

	p, err := spawn.Start(ctx, s)
	if err != nil {
		log.Fatal(err) // names the step: "spawn /bin/sh: chdir /: permission denied"
	}
	state, err := p.Wait(ctx)
	fmt.Println(state, err)
	// Output:
	// /
	// 0027
	// 64
	// done
	// exit status 0 <nil>
}

// The program runs with a lower priority, and on CPU 65535 if there is one.
func ExampleProcess_Applied() {
	ctx := context.Background()
	s := &spawn.Spec{
		Path: "/bin/sh",
		Args: []string{"sh", "-c", "nice"},
		Attr: attr.List{attr.Optional(attr.Nice(19)), attr.Optional(attr.CPUAffinity{65535})},
	}
	s.Actions.File(os.Stdout, 1)
	p, err := spawn.Start(ctx, s)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := p.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	for _, a := range p.Applied() {
		fmt.Println(a.Step, a.Done, errors.Is(a.Err, syscall.EINVAL))
	}
	// Output:
	// 19
	// nice true false
	// affinity false true
}

// You may give the attributes in any order. The order of the child's steps is
// fixed.
func ExampleSpec_attributes() {
	s := &spawn.Spec{
		Path: "/bin/sh",
		Args: []string{"sh", "-c", "umask; ulimit -c; kill -TERM $$; echo TERM is ignored"},
		Attr: attr.List{
			attr.SigIgnore{syscall.SIGTERM},
			attr.Rlimit{Resource: syscall.RLIMIT_CORE},
			attr.Umask(0o077),
			attr.NoNewPrivs{},
		},
	}
	s.Actions.File(os.Stdout, 1)
	if _, err := spawn.Run(context.Background(), s); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 0077
	// 0
	// TERM is ignored
}

// Steps shows what a child would do, and starts none. Some steps belong to no
// attribute and no file action. They have no index, and depend on the kernel.
func ExampleProgram_Steps() {
	s := &spawn.Spec{Path: "/bin/echo", Attr: attr.List{attr.Umask(0o027), attr.Setsid{}}}
	s.Actions.Chdir("/tmp")
	s.Actions.Dup2(1, 2)
	prog, err := spawn.Compile(s)
	if err != nil {
		log.Fatal(err)
	}
	for _, step := range prog.Steps() {
		if step.Part != spawn.PartStart {
			fmt.Printf("%v %d, %s: %v\n", step.Part, step.Index, step.Name, step)
		}
	}
	// Output:
	// attribute 1, setsid: setsid()
	// attribute 0, umask: umask(027)
	// action 0, chdir: chdir("/tmp")
	// action 1, dup2: dup3(1, 2, 0)
}

// A program can find out what has failed. If the attributes contradict each other,
// the type of the error says so. In all other cases Part and Step say it.
func ExampleError_part() {
	failed := func(err error) string {
		var conflict *attr.ConflictError
		var e *spawn.Error
		switch {
		case errors.As(err, &conflict):
			return conflict.A + " contradicts " + conflict.B
		case !errors.As(err, &e):
			return "the context has ended"
		case e.Part == spawn.PartAction:
			return fmt.Sprintf("action %d (%s) of %s", e.Index, e.Step, e.Object)
		case e.Part == spawn.PartAttr:
			return fmt.Sprintf("attribute %d (%s)", e.Index, e.Step)
		case e.Step == spawn.StepExecve && e.Object == e.Path:
			return "the program"
		case e.Step == spawn.StepExecve:
			return "its interpreter " + e.Object
		}
		return fmt.Sprintf("%v (%s)", e.Part, e.Step)
	}
	missing, bad := &spawn.Spec{Path: "/nonexistent"}, &spawn.Spec{Path: "/bin/echo"}
	bad.Actions.Open(0, os.DevNull, os.O_RDONLY, 0)
	bad.Actions.Chdir("/nonexistent")
	for _, s := range []*spawn.Spec{
		missing, bad,
		{Path: "/bin/echo", Attr: attr.List{attr.Umask(0o22), attr.Nice(99)}},
		{Path: "/bin/echo", Attr: attr.List{attr.Setsid{}, attr.Setpgid{}}},
		{Path: "/bin/echo", Env: []string{"NUL=\x00"}},
	} {
		_, err := spawn.Start(context.Background(), s)
		fmt.Println(failed(err))
	}
	// Output:
	// the program
	// action 1 (chdir) of /nonexistent
	// attribute 1 (nice)
	// Setpgid contradicts Setsid
	// env (env)
}

// The context of Start ends a child that is stuck on its way to the program. This
// child opens a FIFO that nobody writes to.
func ExampleStart_cancel() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()

	s := &spawn.Spec{Path: "/bin/cat"}
	s.Actions.Open(0, fifo, os.O_RDONLY, 0)
	_, err = spawn.Start(ctx, s)
	fmt.Println(err)
	// Output: context deadline exceeded
}

// A process that was started by another, and whose pid is known, is waited for and
// signalled by a pidfd.
func ExampleAttach() {
	c := exec.Command("/bin/sleep", "1000")
	if err := c.Start(); err != nil {
		log.Fatal(err)
	}
	p, err := spawn.Attach(c.Process.Pid)
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Wait(context.Background()))
	fmt.Println(c.Wait()) // the status is still os/exec's to take
	// Output:
	// signal: killed <nil>
	// signal: killed
}

// The events of a child are its stops and continuations, and at last its end.
func ExampleProcess_Events() {
	p, err := spawn.Start(context.Background(), &spawn.Spec{Path: "/bin/sleep", Args: []string{"sleep", "1000"}})
	if err != nil {
		log.Fatal(err)
	}
	next := map[spawn.ProcessEventKind]syscall.Signal{
		spawn.ProcessStopped: syscall.SIGCONT, spawn.ProcessContinued: syscall.SIGTERM,
	}
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		log.Fatal(err)
	}
	for e, err := range p.Events(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Kind)
		if sig, ok := next[e.Kind]; ok {
			_ = p.Signal(sig) // or it has ended
		}
	}
	if _, err := p.Wait(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// stopped
	// continued
	// ended
}

func ExampleFeatures() {
	f := spawn.Features()
	if !f.Has(spawn.FeatureCloseRange) {
		fmt.Fprintln(os.Stderr, "the cost of a spawn grows with the number of open files")
	}
	fmt.Println(f.Has(spawn.FeatureEngine))
	// Output: true
}

// A Tree ends a program with all that it has started, daemons included.
func ExampleNewTree() {
	tree, err := spawn.NewTree(spawn.Limits{}) // such as Limits{Memory: 512 << 20, Procs: 100}
	if err != nil {
		log.Fatal(err)
	}
	defer tree.Close()
	ctx := context.Background()
	s := &spawn.Spec{
		Path: "/bin/sh",
		Args: []string{"sh", "-c", "sleep 60 & sleep 60 & exit 3"},
		Attr: attr.List{tree.Attr()},
	}
	state, err := spawn.Run(ctx, s)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(state)
	left, err := tree.Kill()
	fmt.Println(left, err)
	fmt.Println(tree.Wait(ctx))
	// Output:
	// exit status 3
	// 0 <nil>
	// <nil>
}

// The program is executed by its descriptor: nobody can put another file in its place.
func ExampleSpec_file() {
	f, err := os.Open("/bin/sh")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	state, err := spawn.Run(context.Background(), &spawn.Spec{File: f, Args: []string{"sh", "-c", "exit 3"}})
	fmt.Println(state, err)
	// Output: exit status 3 <nil>
}
