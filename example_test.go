//go:build unix

package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/safespawn/spawn"
)

func ExampleRun() {
	state, err := spawn.Run(context.Background(), &spawn.Spec{
		Path: "/bin/sh",
		Args: []string{"sh", "-c", "exit 3"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(state, state.Success(), state.ExitCode())
	// Output: exit status 3 false 3
}

// The write end of a pipe becomes the standard output of the child. The parent
// closes its own copy once Start has returned, so that reading ends when the child
// ends.
func ExampleStart() {
	ctx := context.Background()
	r, w, err := os.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	w.Fd() // makes it blocking, as programs expect

	s := &spawn.Spec{Path: "/bin/echo", Args: []string{"echo", "hello"}}
	s.Actions.File(w, 1)
	p, err := spawn.Start(ctx, s)
	w.Close()
	if err != nil {
		log.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		log.Fatal(err)
	}
	state, err := p.Wait(ctx)
	fmt.Printf("%q, %v, %v\n", out, state, err)
	// Output: "hello\n", exit status 0, <nil>
}

// The child performs the actions in the order of the calls. It resolves the
// relative path after Chdir, and descriptor 2 becomes a duplicate of the new
// descriptor 1.
func ExampleFileActions() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "in.txt"), []byte("from in.txt\n"), 0o600); err != nil {
		log.Fatal(err)
	}

	var a spawn.FileActions
	a.Chdir(dir)
	a.Open(0, "in.txt", os.O_RDONLY, 0)
	a.Open(1, "out.txt", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	a.Dup2(1, 2)
	_, err = spawn.Run(context.Background(), &spawn.Spec{
		Path:    "/bin/sh",
		Args:    []string{"sh", "-c", "cat; echo to stderr >&2"},
		Actions: a,
	})
	if err != nil {
		log.Fatal(err)
	}
	out, err := os.ReadFile(filepath.Join(dir, "out.txt"))
	fmt.Printf("%s%v\n", out, err)
	// Output:
	// from in.txt
	// to stderr
	// <nil>
}

// A file can get any number in the child, whatever its number in this process.
func ExampleFileActions_File() {
	r, w, err := os.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	r.Fd() // makes it blocking, as programs expect
	fmt.Fprintln(w, "through descriptor 7")
	w.Close()

	s := &spawn.Spec{Path: "/bin/sh", Args: []string{"sh", "-c", "cat <&7"}}
	s.Actions.File(r, 7)
	s.Actions.File(os.Stdout, 1)
	if _, err := spawn.Run(context.Background(), s); err != nil {
		log.Fatal(err)
	}
	// Output: through descriptor 7
}

// Compile does the work that is the same for every start once.
func ExampleCompile() {
	s := &spawn.Spec{Path: "/bin/echo", Args: []string{"echo", "again"}}
	s.Actions.File(os.Stdout, 1)
	prog, err := spawn.Compile(s)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		if _, err := prog.Run(context.Background()); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// again
	// again
	// again
}

// The error names the wrong file action by its index. Nothing has been started.
func ExampleError() {
	s := &spawn.Spec{Path: "/bin/echo"}
	s.Actions.Open(0, os.DevNull, os.O_RDONLY, 0)
	s.Actions.Dup2(-1, 2)
	_, err := spawn.Compile(s)

	var e *spawn.Error
	if errors.As(err, &e) {
		fmt.Printf("%v %d, %s: %v\n", e.Part, e.Index, e.Step, e.Err)
	}
	fmt.Println(errors.Is(err, syscall.EINVAL))
	// Output:
	// action 1, dup2: descriptor -1 is out of range
	// true
}

// Run kills the child when the context ends, and the state says so.
func ExampleRun_timeout() {
	r, w, err := os.Pipe() // nobody writes
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	r.Fd() // makes it blocking, as programs expect
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()

	s := &spawn.Spec{Path: "/bin/cat"}
	s.Actions.File(r, 0)
	_, err = spawn.Run(ctx, s) // kills the program
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}

// A signal to a child that has ended reaches nobody, even if another process has
// its pid.
func ExampleProcess_Signal() {
	r, w, err := os.Pipe() // nobody writes
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	r.Fd() // makes it blocking, as programs expect

	s := &spawn.Spec{Path: "/bin/cat"}
	s.Actions.File(r, 0)
	p, err := spawn.Start(context.Background(), s)
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		log.Fatal(err)
	}
	state, err := p.Wait(context.Background())
	fmt.Println(state, err)
	err = p.Signal(syscall.SIGTERM)
	fmt.Println(errors.Is(err, os.ErrProcessDone))
	// Output:
	// signal: terminated <nil>
	// true
}

// Done is a channel for select. After that Wait returns at once.
func ExampleProcess_Done() {
	p, err := spawn.Start(context.Background(), &spawn.Spec{Path: "/bin/sh", Args: []string{"sh", "-c", "exit 0"}})
	if err != nil {
		log.Fatal(err)
	}
	select {
	case <-p.Done():
		state, _ := p.Wait(context.Background())
		fmt.Println(state)
	case <-time.After(time.Minute):
		fmt.Println("still running")
	}
	// Output: exit status 0
}

// Each spawn and each exit is logged on the debug level, without arguments and
// environment.
func ExampleSpec_logger() {
	core, lines := observer.New(zap.DebugLevel)
	_, err := spawn.Run(context.Background(), &spawn.Spec{
		Path:   "/bin/sh",
		Args:   []string{"sh", "-c", "exit 1"},
		Logger: zap.New(core),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, l := range lines.FilterLevelExact(zap.DebugLevel).All() {
		fmt.Println(l.Message, l.ContextMap()["path"], l.ContextMap()["status"])
	}
	// Output:
	// spawned /bin/sh <nil>
	// exited <nil> exit status 1
}

// Counters count what happens to all children of the Specs that they are given to.
func ExampleCounters() {
	var counters spawn.Counters
	ctx := context.Background()
	for _, path := range []string{"/bin/true", "/bin/false", "/nonexistent"} {
		_, err := spawn.Run(ctx, &spawn.Spec{Path: path, Observer: &counters})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			log.Fatal(err)
		}
	}
	s := counters.Stats()
	fmt.Println(s.Started, "started,", s.Failures[spawn.StepExecve], "failed at execve")
	fmt.Println(s.Succeeded, "succeeded,", s.Exited, "did not,", s.Live, "live")
	fmt.Println("all started within a minute:", s.Latency.Quantile(1) < time.Minute)
	// Output:
	// 2 started, 1 failed at execve
	// 1 succeeded, 1 did not, 0 live
	// all started within a minute: true
}

// lives is an Observer that prints how a child has ended.
type lives struct{}

func (lives) Started(e spawn.Event) { fmt.Println("started", e.Path) }

func (lives) Ended(e spawn.Event) { fmt.Println(e.State, "has lived:", e.Lived > 0) }

func ExampleObserver() {
	_, err := spawn.Run(context.Background(), &spawn.Spec{
		Path:     "/bin/sh",
		Args:     []string{"sh", "-c", "exit 3"},
		Observer: lives{},
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// started /bin/sh
	// exit status 3 has lived: true
}

// A hundred goroutines start children, of which at most four live at once.
func ExampleNewLimiter() {
	program, err := spawn.Compile(&spawn.Spec{
		Path:    "/bin/true",
		Limiter: spawn.NewLimiter(4, spawn.RetryFor(time.Minute)),
	})
	if err != nil {
		log.Fatal(err)
	}
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			_, err := program.Run(context.Background())
			var limit *spawn.LimitError
			if errors.As(err, &limit) {
				log.Fatalf("%s is %d", limit.Limit, limit.Value)
			} else if err != nil {
				log.Fatal(err)
			}
		})
	}
	all.Wait()
}

// The program is looked for in the PATH of the child, and not in that of this process.
func ExampleLookPath() {
	env := []string{"PATH=/nowhere:/bin"}
	path, err := spawn.LookPath("sh", env, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(path)
	_, err = spawn.LookPath("no-such-program", env, "")
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output:
	// /bin/sh
	// true
}
