//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package exec_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
	spawntree "github.com/safespawn/spawn/internal/tree"
)

// script is a shell script.
func script(text string) *exec.Cmd { return exec.Command("/bin/sh", "-c", text) }

// TestPipelines makes many, of all kinds. TestMain looks at what they have left behind.
func TestPipelines(t *testing.T) {
	before := testenv.Leftovers()
	for i := range testenv.Rounds(60, 10000) {
		switch i % 4 {
		case 0:
			out, err := exec.Pipe(exec.Command("yes"), exec.Command("cat"), exec.Command("head", "-1")).Output()
			if string(out) != "y\n" || err != nil {
				t.Fatalf("%q, %v", out, err)
			}
		case 1:
			p := exec.Pipe(script("echo a; exit 1"), script("cat; exit 2"), script("cat; exit 3"))
			if list, index := codes(t, p.Run()); !equal(list, []int{1, 2, 3}) || index != 2 {
				t.Fatalf("%v, %d", list, index)
			}
		case 2:
			p := exec.Pipe(exec.Command("yes"), exec.Command("cat"), exec.Command("/no/such/program"))
			if err := p.Run(); !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		case 3:
			ctx, cancel := context.WithCancel(t.Context())
			p := exec.PipeContext(ctx, exec.Command("yes"), exec.Command("sleep", "60"))
			p.Tree = i%8 == 3
			err := p.Start()
			cancel()
			if err == nil {
				err = p.Wait()
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
	}
	testenv.Eventually(t, "nothing is left", func() bool { return len(testenv.LeftoversSince(before)) == 0 })
}

// TestPipeMiddle has a program in the middle that fails: the one before has nobody to
// write to, and the one after nobody to read from.
func TestPipeMiddle(t *testing.T) {
	out, err := exec.Pipe(exec.Command("yes"), script("echo bad >&2; exit 9"), script("cat; echo end")).Output()
	list, index := codes(t, err)
	var exit *exec.ExitError
	if string(out) != "end\n" || !equal(list, []int{0, 9, 0}) || index != 1 || !errors.As(err, &exit) || string(exit.Stderr) != "bad\n" {
		t.Errorf("%q, %v, %d, %v", out, list, index, err)
	}
}

// eachHolder runs a test for each way in which a tree may be held. mark is an argument of sleep
// that no other test has.
func eachHolder(t *testing.T, f func(t *testing.T, mark string)) {
	for name, force := range map[string]func() (restore func()){
		"cgroup": func() func() { return func() {} },
		"pidns":  exec.ForceNoCgroup,
		"groups": func() func() {
			cgroup, space := exec.ForceNoCgroup(), spawntree.NoSpaceForTest()
			return func() { space(); cgroup() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "pidns" {
				testenv.NeedCall(t, "pidfd_send_signal", unix.SYS_PIDFD_SEND_SIGNAL)
			}
			defer force()()
			needReapedGroups(t)
			mark := fmt.Sprintf("60.%09d", marks.Add(1)*1000000+int64(os.Getpid()%1000000))
			f(t, mark)
			testenv.Eventually(t, "nobody sleeps", func() bool { return !sleeps(mark) })
		})
	}
}

var marks atomic.Int64

// sleeps reports whether there is a sleep with a mark, in any namespace.
func sleeps(mark string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	return slices.ContainsFunc(files, func(file string) bool {
		line, err := os.ReadFile(file)
		return err == nil && string(line) == "sleep\x00"+mark+"\x00"
	})
}

// TestPipeGrandchild ends descendants that keep the pipes: of the first program, so that the
// next never sees the end of its input, and of the last.
func TestPipeGrandchild(t *testing.T) {
	for name, stop := range map[string][]spawn.StopStep{"kill": nil, "stop": gently} {
		t.Run(name, func(t *testing.T) {
			eachHolder(t, func(t *testing.T, mark string) { testPipeGrandchild(t, stop, mark) })
		})
	}
}

func testPipeGrandchild(t *testing.T, stop []spawn.StopStep, mark string) {
	ctx := newOverdue()
	out := &lines{left: 1, full: ctx.end}
	p := exec.PipeContext(ctx, script("sleep "+mark+" & echo started"), exec.Command("cat"),
		script("read line; sleep "+mark+" & echo $line; exec cat"))
	p.Tree, p.Stop = true, stop
	p.Cmds[2].Stdout = out
	err := p.Run()
	var failed *exec.PipeError
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &failed) || out.String() != "started\n" {
		t.Errorf("got %v, %q", err, out)
	}
}

// TestPipeHolder ends a descendant that holds the pipe when all programs have ended, and are
// no longer watched.
func TestPipeHolder(t *testing.T) {
	eachHolder(t, func(t *testing.T, mark string) {
		ctx := newOverdue()
		p := exec.PipeContext(ctx, exec.Command("true"), script("sleep "+mark+" & exit 0"))
		p.Tree = true
		p.Cmds[1].Stdout = &lines{}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		waited := make(chan error, 1)
		go func() { waited <- p.Wait() }()
		testenv.Eventually(t, "the last program was reaped", func() bool {
			return errors.Is(syscall.Kill(p.Cmds[1].Process.Pid, 0), syscall.ESRCH)
		})
		ctx.end()
		var failed *exec.PipeError
		if err := testenv.Await(t, "Wait", waited); !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &failed) {
			t.Errorf("got %v", err)
		}
	})
}

// TestPipeTreeEnds kills what is left when all programs have ended.
func TestPipeTreeEnds(t *testing.T) {
	eachHolder(t, func(t *testing.T, mark string) {
		p := exec.Pipe(script("sleep "+mark+" >/dev/null 2>&1 & echo started"), exec.Command("cat"))
		p.Tree = true
		if out, err := p.Output(); string(out) != "started\n" || err != nil {
			t.Errorf("%q, %v", out, err)
		}
		if p.SpawnTree() == nil {
			t.Error("no tree")
		}
	})
}

// TestPipeOwnTrees has a tree for each program: the end of the first ends its descendants,
// so that the next sees the end of its input.
func TestPipeOwnTrees(t *testing.T) {
	eachHolder(t, func(t *testing.T, mark string) {
		p := exec.Pipe(script("sleep "+mark+" 2>/dev/null & echo started"), exec.Command("cat"))
		p.Cmds[0].Tree = true
		if out, err := p.Output(); string(out) != "started\n" || err != nil {
			t.Errorf("%q, %v", out, err)
		}
	})
}

// TestPipeStrict wants Strict to be kept.
func TestPipeStrict(t *testing.T) {
	p := exec.Pipe(exec.Command("true"), exec.Command("true"))
	p.Limits.Strict = true
	if err := p.Run(); err != nil {
		t.Logf("no tree that holds: %v", err)
		if p.Cmds[0].Process != nil {
			t.Error("it was started all the same")
		}
	}
}

// TestPipeStop has each program end as it likes.
func TestPipeStop(t *testing.T) {
	for _, tree := range []bool{false, true} {
		ctx := newOverdue()
		out := &lines{left: 2, full: ctx.end}
		p := exec.PipeContext(ctx, script(obeys), script(`trap "" TERM; read line; echo $line; echo go; cat`))
		p.Stop, p.Tree = gently, tree
		p.Cmds[1].Stdout = out
		err := p.Run()
		list, _ := codes(t, err)
		if !errors.Is(err, context.DeadlineExceeded) || list[0] != 4 || list[1] > 0 || out.String() != "ready\ngo\nbye\n" {
			t.Errorf("tree %v: got %q, %v, %v", tree, out, list, err)
		}
	}
}

// TestPipeShutdown is Shutdown beside Wait, and without it.
func TestPipeShutdown(t *testing.T) {
	for _, tree := range []bool{false, true} {
		for _, waits := range []bool{false, true} {
			p := exec.Pipe(script(obeys), script(`trap "" TERM; read line; echo $line; cat`))
			p.Tree = tree
			out, err := p.Cmds[1].StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Start(); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
				t.Fatalf("%q, %v", line, err)
			}
			waited := make(chan error, 1)
			if waits {
				go func() { waited <- p.Wait() }()
			}
			if err := p.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if !waits {
				waited <- p.Wait()
			}
			if list, _ := codes(t, testenv.Await(t, "Wait", waited)); list[0] != 4 {
				t.Errorf("got %v", list)
			}
		}
	}
}

// TestPipeKillStops kills what lets Shutdown wait, when all programs have ended.
func TestPipeKillStops(t *testing.T) {
	eachHolder(t, func(t *testing.T, mark string) {
		ready := make(chan struct{})
		p := exec.Pipe(script(`(trap "" TERM; echo ready; exec >&- sleep ` + mark + `) & exec sleep ` + mark))
		p.Tree, p.Stop = true, spawn.Graceful(time.Hour)
		p.Cmds[0].Stdout = &lines{left: 1, full: func() { close(ready) }}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		waited, stopped := make(chan error, 1), make(chan error, 1)
		go func() { waited <- p.Wait() }()
		testenv.Await(t, "a line", ready)
		go func() { stopped <- p.Shutdown(t.Context()) }()
		<-p.Cmds[0].Done()
		ctx := newOverdue()
		ctx.end()
		if err := p.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Errorf("Shutdown in vain: %v", err)
		}
		if err := p.Kill(); err != nil && !errors.Is(err, syscall.EBUSY) {
			t.Errorf("Kill: %v", err)
		}
		if err := testenv.Await(t, "Shutdown", stopped); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if list, _ := codes(t, testenv.Await(t, "Wait", waited)); list[0] != -1 {
			t.Errorf("got %v", list)
		}
	})
}

// TestPipeKill kills a pipeline that nobody waits for yet.
func TestPipeKill(t *testing.T) {
	for _, tree := range []bool{false, true} {
		p := exec.Pipe(exec.Command("yes"), exec.Command("sleep", "60"))
		p.Tree = tree
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		if err := p.Kill(); err != nil && !(tree && errors.Is(err, syscall.EBUSY)) { // it takes long on a busy machine
			t.Error(err)
		}
		list, _ := codes(t, p.Wait())
		if list[1] != -1 {
			t.Errorf("got %v", list)
		}
		if err := p.Kill(); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("got %v", err)
		}
	}
}

// TestPipeHeld does not wait for a grandchild of a program that was started before another
// was found missing: it has the standard error.
func TestPipeHeld(t *testing.T) {
	var diag bytes.Buffer
	ready := t.TempDir() + "/ready"
	p := exec.Pipe(script("sleep 60 & echo $! >"+ready+".new; mv "+ready+".new "+ready+"; cat"), exec.Command("/no/such/program"))
	p.Cmds[0].Stderr = &diag
	p.Cmds[1].Limiter = fullLimiter(t, ready)
	if err := p.Run(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	pid, err := os.ReadFile(ready)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(number(strings.TrimSpace(string(pid))), syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// fullLimiter has no place until there is a file.
func fullLimiter(t *testing.T, file string) *spawn.Limiter {
	l := spawn.NewLimiter(1)
	c := script("while ! [ -e " + file + " ]; do sleep 0.01; done")
	c.Limiter = l
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = c.Wait() }()
	t.Cleanup(func() {
		_ = c.Shutdown(context.Background()) // it may have ended
		<-c.Done()
	})
	return l
}

// TestPipeLimiter wants the places back.
func TestPipeLimiter(t *testing.T) {
	l := spawn.NewLimiter(2)
	for range 3 {
		for _, last := range []string{"/bin/cat", "/no/such/program"} {
			p := exec.Pipe(exec.Command("/bin/echo", "a"), exec.Command(last))
			for _, c := range p.Cmds {
				c.Limiter = l
			}
			if err := p.Run(); (err == nil) != (last == "/bin/cat") {
				t.Error(err)
			}
		}
	}
}

// TestPipeKernel wants nothing to be copied by this process: the two ends are one pipe.
func TestPipeKernel(t *testing.T) {
	p := exec.Pipe(script("end=$(readlink /proc/$$/fd/1); echo $end >&2"), script("end=$(readlink /proc/$$/fd/0); echo $end >&2; cat"))
	out, err := p.CombinedOutput()
	ends := strings.Fields(string(out))
	if err != nil || len(ends) != 2 || ends[0] != ends[1] || !strings.HasPrefix(ends[0], "pipe:") {
		t.Errorf("%q, %v", out, err)
	}
}

// TestPipeWaitDelay gives up the streams of the last program.
func TestPipeWaitDelay(t *testing.T) {
	eachHolder(t, func(t *testing.T, mark string) {
		p := exec.Pipe(exec.Command("true"), script("sleep "+mark+" & echo started"))
		p.Cmds[1].WaitDelay = 10 * time.Millisecond
		p.Tree = true
		if _, err := p.Output(); !errors.Is(err, exec.ErrWaitDelay) {
			t.Errorf("got %v", err)
		}
	})
}
