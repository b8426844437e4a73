package spawn_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

func init() {
	// It ends by itself when it is asked to.
	testenv.RegisterHelper("polite", func([]string) int {
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, os.Interrupt, syscall.SIGTERM)
		fmt.Println("ready")
		<-asked
		return 7
	})
	testenv.RegisterHelper("deaf", func([]string) int {
		signal.Ignore(os.Interrupt, syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Hour)
		return 0
	})
}

// membersOf starts helpers in a tree and waits until each says that it is ready. The end of
// the output says that all are gone.
func membersOf(t *testing.T, tree *spawn.Tree, names ...string) (procs []*spawn.Process, out io.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	lines := bufio.NewReader(r)
	for _, name := range names {
		s := spawntest.Helper(t, name)
		s.Attr = attr.List{tree.Attr()}
		s.Actions.File(w, 1)
		procs = append(procs, spawntest.Start(t, s))
		if line, err := lines.ReadString('\n'); err != nil || line != "ready\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	w.Close()
	return procs, lines
}

// TestTreeAnywhere kills a tree on any system, and closes it.
func TestTreeAnywhere(t *testing.T) {
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	procs, out := membersOf(t, tree, "deaf", "polite", "deaf")
	if left, err := tree.Kill(); err != nil || left > 0 {
		t.Errorf("%d left, %v", left, err)
	}
	for _, p := range procs {
		if s, err := p.Wait(context.Background()); err != nil || s.Success() {
			t.Errorf("%v, %v", s, err)
		}
	}
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	if err := tree.Signal(os.Kill); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("nobody is left: %v", err)
	}
	if err := tree.Close(); err != nil {
		t.Error(err)
	}
	s := spawntest.Helper(t, "exit", "0")
	s.Attr = attr.List{tree.Attr()}
	if _, err := spawn.Start(context.Background(), s); !errors.Is(err, os.ErrClosed) {
		t.Errorf("in a closed tree: %v", err)
	}
}

// TestTreeStopAnywhere asks the processes of a tree to end, and kills the one that does
// not. On Windows they are asked by their console.
func TestTreeStopAnywhere(t *testing.T) {
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	procs, _ := membersOf(t, tree, "polite", "polite")
	r, err := tree.Stop(context.Background(), spawn.StopStep{Signal: os.Interrupt, Grace: testenv.Patience}, spawn.StopStep{Signal: os.Kill})
	if err != nil {
		t.Errorf("%+v, %v", r, err)
	}
	if r.Step != 0 && runtime.GOOS == "windows" {
		testenv.Skip(t, "no console")
	}
	for _, p := range procs {
		if s, err := p.Wait(context.Background()); err != nil || s.ExitCode() != 7 {
			t.Errorf("%v, %v", s, err)
		}
	}
	if r.Step != 0 {
		t.Errorf("%+v", r)
	}
}

// TestTreeLimitsAnywhere sets each limit by itself. A limit is set, or is an error that says
// which it is.
func TestTreeLimitsAnywhere(t *testing.T) {
	for _, c := range []struct {
		limits spawn.Limits
		file   string
	}{
		{spawn.Limits{Memory: 1 << 30}, "memory.max"}, {spawn.Limits{Swap: 1 << 30}, "memory.swap.max"},
		{spawn.Limits{Procs: 100}, "pids.max"}, {spawn.Limits{CPU: 0.5}, "cpu.max"},
		{spawn.Limits{IOWeight: 50}, "io.weight"}, {spawn.Limits{OOMGroup: true}, "memory.oom.group"},
	} {
		tree, err := spawn.NewTree(c.limits)
		var e *spawn.TreeLimitError
		switch {
		case errors.As(err, &e) && e.File == c.file:
			job := runtime.GOOS == "windows" && (c.limits.Memory != 0 || c.limits.Procs != 0)
			if runtime.GOOS != "linux" && !errors.Is(err, errors.ErrUnsupported) || job {
				t.Errorf("%s: %v", c.file, err)
			}
			continue
		case err != nil:
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		s := spawntest.Helper(t, "exit", "0")
		s.Attr = attr.List{tree.Attr()}
		if state, err := spawn.Run(t.Context(), s); err != nil || !state.Success() {
			t.Errorf("%s: %v, %v", c.file, state, err)
		}
		if _, err := tree.Usage(); err != nil {
			t.Errorf("%s: %v", c.file, err)
		}
		if err := tree.Close(); err != nil {
			t.Errorf("%s: %v", c.file, err)
		}
	}
}

// TestTreeCloseAnywhere kills what is left.
func TestTreeCloseAnywhere(t *testing.T) {
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	procs, _ := membersOf(t, tree, "deaf")
	if err := tree.Signal(os.Interrupt); errors.Is(err, os.ErrProcessDone) {
		t.Errorf("there is one to be asked: %v", err)
	}
	if err := tree.Close(); err != nil {
		t.Error(err)
	}
	if s, err := procs[0].Wait(context.Background()); err != nil || s.Success() {
		t.Errorf("%v, %v", s, err)
	}
}
